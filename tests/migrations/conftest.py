"""Fixtures of the tests of migrations."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from shutil import copytree

import pytest

from analytics.store import connection, files
from analytics.store.connection import Connection
from tests.migrations.schema import REPOSITORY


@pytest.fixture
def empty(blank: str) -> Iterator[Connection]:
    """A connection to `blank`."""
    with closing(connection.connect(blank)) as opened:
        opened.execute("SET lock_timeout = '20s'")
        yield opened


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of sql/ that migrate reads instead: a test may add files and change them."""
    copied = copytree(REPOSITORY / "sql", tmp_path / "sql")
    monkeypatch.setattr(files, "sql", lambda folder: sorted((copied / folder).glob("*.sql")))
    return copied
