"""Fixtures of the tests of zones."""

import pytest

from analytics.store.connection import Connection
from tests.irrigation.park import CSV, DAYS, STATIONS, WEATHER, send
from tests.register.drafts import put


@pytest.fixture
def bare(conn: Connection) -> Connection:
    """A weather station, a probe and two zones; no reading."""
    put(conn, STATIONS, "stations.csv")
    put(conn, CSV, "zones.csv")
    return conn


@pytest.fixture
def site(bare: Connection) -> Connection:
    """Ten dry days of weather, no reading of the probe yet."""
    for channel, make in WEATHER.items():
        send(bare, channel, make, 0, DAYS - 1)
    return bare
