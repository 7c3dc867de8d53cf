"""Fixtures of the tests of zones."""

import pytest

from analytics.store.connection import Connection
from tests.conftest import Databases
from tests.irrigation.park import CSV, DAYS, STATIONS, WEATHER, send
from tests.register.drafts import put


@pytest.fixture
def dsn(request: pytest.FixtureRequest, databases: Databases) -> str:
    """The DSN of a database in which there is the site, where a test asks for it."""
    return databases.copy("site", "apache", _site) if "site" in request.fixturenames else databases.fresh("apache")


@pytest.fixture
def bare(conn: Connection) -> Connection:
    """A weather station, a probe and two zones; no reading."""
    _zones(conn)
    return conn


@pytest.fixture
def site(conn: Connection) -> Connection:
    """Ten dry days of weather, no reading of the probe yet."""
    return conn


def _zones(conn: Connection) -> None:
    put(conn, STATIONS, "stations.csv")
    put(conn, CSV, "zones.csv")


def _site(conn: Connection) -> None:
    _zones(conn)
    for channel, make in WEATHER.items():
        send(conn, channel, make, 0, DAYS - 1)
