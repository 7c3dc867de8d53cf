"""The site that tests of the stage begin from."""

import pytest

from analytics.store.connection import Connection
from tests import world
from tests.derivation.site import CHANNELS, derivation, put


@pytest.fixture
def site(conn: Connection) -> tuple[Connection, list[int]]:
    series = world.settle_world(conn, CHANNELS)
    put(
        conn,
        derivation("wet-bulb"),
        derivation("growing-degree-days", "given = { base = 8 }"),
        derivation("degree-days-total", "given = { month = 2, day = 27 }"),
        derivation("time-to-full", "given = { capacity = 3 }"),
    )
    return conn, series
