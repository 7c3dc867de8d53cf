"""A service for each test that asks for one."""

from collections.abc import Iterator

import pytest

from tests.pull.service import Service, serving


@pytest.fixture
def service() -> Iterator[Service]:
    """A service on this machine."""
    with serving() as found:
        yield found
