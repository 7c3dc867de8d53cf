"""The site that tests of /v1 read, and a server of it: told once, since they change nothing in it."""

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from typing import NamedTuple

import httpx
import pytest

from analytics.store import connection
from jobs.web.site import Settings
from tests.conftest import Make
from tests.serving import serving
from tests.web import reading


class Told(NamedTuple):
    """A store, and when it was looked at."""

    dsn: str
    moments: list[datetime]


@pytest.fixture(scope="session")
def told(make_database: Make) -> Told:
    dsn = make_database("apache")
    with closing(connection.connect(dsn)) as conn:
        return Told(dsn, reading.tell(conn))


@pytest.fixture(scope="session")
def site(told: Told) -> str:
    """The DSN of the store in which the site is told."""
    return told.dsn


@pytest.fixture(scope="session")
def client(site: str) -> Iterator[httpx.Client]:
    """A client of a server of the site."""
    with serving(Settings(site)) as opened:
        yield opened
