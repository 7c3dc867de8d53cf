"""What the tests of paging share."""

from collections.abc import Iterator

import pytest

from tests.paging.desk import Desk, listening


@pytest.fixture
def desk() -> Iterator[Desk]:
    """A desk at a port of its own."""
    with listening() as made:
        yield made
