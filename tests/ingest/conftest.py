"""Fixtures of the tests of readers."""

from pathlib import Path

import pytest

from analytics.ingest import Source
from tests.ingest.reading import Write


@pytest.fixture
def on_disk(tmp_path: Path) -> Write:
    """A function that writes bytes into a file and gives its source."""

    def write(content: bytes, name: str = "file") -> Source:
        (tmp_path / name).write_bytes(content)
        return Source(tmp_path / name)

    return write
