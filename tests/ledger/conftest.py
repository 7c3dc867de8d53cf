"""A store with one reading that nobody has settled."""

import pytest

from analytics.store.connection import Connection
from tests import world


@pytest.fixture
def pm25(conn: Connection) -> int:
    """One series with a good reading at hour 0, saved and marked, not settled."""
    series = world.settle_world(conn, [("A", "pm25")])[0]
    world.send(conn, [(series, 0.0, 10.0, 0, None)])
    return series
