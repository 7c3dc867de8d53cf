"""The rain behind a run-off: at a gauge beside the section, how long after how long, and how long it took to clear."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from analytics.store import connection
from analytics.store.connection import Connection
from tests import world
from tests.conftest import Databases
from tests.episodes.test_explained import sentences
from tests.world import HOUR, T0

#: Hour after T0 -> rain [mm]: 5 mm in two, a drop that is none, and 12 mm from hour 60 on.
RAIN = {0: 2.0, 2: 3.0, 30: 0.5, 60: 1.0, 61: 9.0, 62: 2.0}
#: The section turns turbid and fresher in hour 63, is worst in hour 65, and as before from hour 72 on.
TURBID = {63: 90.0, 64: 200.0, 65: 400.0, 66: 300.0, **dict.fromkeys(range(67, 72), 120.0)}
HOURS = 120
GAUGE = "SELECT s.id FROM series s JOIN station t ON t.id = s.station WHERE t.code = 'G'"
SAID = "by = 'storm_runoff'"


def tell(conn: Connection) -> None:
    """A section W, a gauge G 5 km north of it, and one 20 km off that says that it never rained."""
    codes = [("W", "turbidity"), ("W", "conductivity"), ("G", "rain"), ("F", "rain")]
    turbidity, conductivity, near, far = world.settle_world(conn, codes)
    for code, latitude in (("W", 39.9), ("G", 39.9 + 5 / 111.195), ("F", 39.9 - 20 / 111.195)):
        conn.execute("UPDATE station SET longitude = 116.3, latitude = %s WHERE code = %s", [latitude, code])
    rows = []
    for hour in range(HOURS):
        rows += [
            (turbidity, hour, TURBID.get(hour, 20.0 + hour % 3), 0, None),
            (conductivity, hour, (500.0 if hour in TURBID else 800.0) + hour % 3, 0, None),
            (near, hour, RAIN.get(hour, 0.0), 0, None),
            (far, hour, 0.0, 0, None),
        ]
    world.send(conn, rows)
    world.settle(conn)


@pytest.fixture
def store(databases: Databases) -> Iterator[Connection]:
    with closing(connection.connect(databases.copy("runoff", "apache", tell))) as conn:
        yield conn


def facts(conn: Connection) -> list[tuple[object, ...]]:
    query = "SELECT gauge, round(distance::numeric, 1)::float8, depth, dry, lag, recovery FROM report.runoff"
    return conn.execute(query).fetchall()


def test_a_run_off_has_its_rain_behind_it(store: Connection) -> None:
    """57 hours after the rain before; the peak four after the wettest hour, and seven to the end."""
    assert facts(store) == [("G", 5.0, 12.0, 57, 4, 7)]
    english, chinese = sentences(store, SAID)
    behind = (
        "Behind it 12 mm of rain at G (5 km) after 2.38 dry days, the peak 4 h after the wettest hour, over 7 h later."
    )
    assert behind in english
    assert "其前G（5km）降雨12mm，雨前干期2.38天，峰值滞后最大雨强4小时，其后7小时恢复。" in chinese


def test_late_rain_changes_it_whatever_came_first(store: Connection) -> None:
    (number,) = store.execute(GAUGE).fetchone() or (0,)
    gauge = int(str(number))
    world.send(store, [(gauge, 40, 4.0, 1, None), (gauge, 64, 3.0, 1, None)])
    world.settle(store)
    assert facts(store) == [("G", 5.0, 15.0, 19, 4, 7)]


def test_a_gauge_that_was_silent_says_nothing_sure(store: Connection) -> None:
    """Half of the dry hours gone: nobody knows how long; all of the rain gone: the next gauge, which had none."""
    (number,) = store.execute(GAUGE).fetchone() or (0,)
    gone = "DELETE FROM average WHERE series = %s AND time >= %s AND time < %s"
    store.execute(gone, [number, T0 + 5 * HOUR, T0 + 36 * HOUR])
    assert facts(store) == [("G", 5.0, 12.0, None, 4, 7)]
    store.execute(gone, [number, T0, T0 + HOURS * HOUR])
    assert facts(store) == [("F", 20.0, None, None, None, 7)]
    assert "mm of rain" not in sentences(store, SAID)[0]
