"""A server for each test, whose pauses are of a test's length."""

from collections.abc import Iterator

import httpx
import pytest

from jobs.web import keys, site, watcher
from jobs.web.site import Settings
from tests.serving import serving
from tests.web.posting import Make, maker


@pytest.fixture(autouse=True)
def _brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses of a test's length."""
    for module, name, value in (
        (watcher, "PAUSE", 0.3),
        (watcher, "SLOW", 0.3),
        (site, "PATIENCE", 1.0),
        (keys, "PAUSE", 0.1),
    ):
        monkeypatch.setattr(module, name, value)


@pytest.fixture
def client(dsn: str) -> Iterator[httpx.Client]:
    """A client of a server as it is started without options, but for a spool."""
    with serving(Settings(dsn)) as opened:
        yield opened


@pytest.fixture
def make(dsn: str) -> Make:
    """A function that makes a key as people do."""
    return maker(dsn)
