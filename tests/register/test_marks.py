"""What a registration touches is made again: another voice, offset, place or standard."""

import polars as pl
import pytest

from analytics.store.connection import Connection
from analytics.store.register import rows
from jobs import chain, console
from tests import world
from tests.register.drafts import adoption, facts, put, series, station


def stale(conn: Connection) -> set[tuple[object, ...]]:
    return set(facts(conn, "SELECT DISTINCT stage::int, subject FROM stale"))


@pytest.fixture
def measured(conn: Connection) -> tuple[Connection, list[int]]:
    """Three series of A, the first two of which speak for PM2.5, and one of B; two days of hours, settled."""
    put(conn, series('parameter = "pm25"', "[[station.series]]", 'parameter = "pm25"', 'position = "roof"'))
    put(
        conn,
        series('parameter = "pm25"', 'position = "yard"') + station("[[station.series]]", 'parameter = "o3"', code="B"),
    )
    ids = [int(str(row[0])) for row in facts(conn, "SELECT id FROM series ORDER BY id")]
    world.send(conn, [(number, hour, 50.0 + number, 0, None) for number in ids for hour in range(48)])
    world.settle(conn)
    assert stale(conn) == set()
    return conn, ids


def station_ids(conn: Connection) -> dict[str, int]:
    return dict(facts(conn, "SELECT code, id FROM station"))


def of_stations(conn: Connection, *codes: str) -> set[tuple[object, ...]]:
    """Marks of what is made of a station's averages."""
    ids = station_ids(conn)
    return {(chain.STAGES[stage][0].code, ids[code]) for stage in ("assess", "detect") for code in codes}


def test_another_voice_is_assessed_again_and_nothing_else(measured: tuple[Connection, list[int]]) -> None:
    conn, _ = measured
    put(conn, '[[authority]]\nstation = "A"\nparameter = "pm25"\nposition = "yard"\n')
    assert stale(conn) == of_stations(conn, "A")


def test_a_series_that_takes_the_place_of_another_is_assessed_again(measured: tuple[Connection, list[int]]) -> None:
    conn, _ = measured
    put(conn, series('parameter = "pm25"', 'position = "zenith"'))
    assert stale(conn) == set()  # behind those that speak
    put(conn, series('parameter = "pm25"', 'position = "cellar"'))  # the stand-in of old is the third now
    assert stale(conn) >= of_stations(conn, "A")


def test_another_offset_begins_other_days(measured: tuple[Connection, list[int]]) -> None:
    conn, ids = measured
    days = """
        SELECT DISTINCT extract(hour FROM a.time)::int
        FROM average a JOIN term t ON t.id = a.averaging AND t.name = 'day'
        """
    assert facts(conn, days) == [(16,)]
    put(conn, station("utc_offset = 0"))
    average = chain.STAGES["average"][0].code
    assert stale(conn) == {*((average, number) for number in ids[:3]), *of_stations(conn, "A")}
    chain.settle(conn, console.now)
    assert facts(conn, days) == [(0,)]


def test_a_place_or_a_standard_touches_its_stations(measured: tuple[Connection, list[int]]) -> None:
    conn, _ = measured
    put(conn, station("[station.membership]", 'city = "X"', code="B"))
    assert stale(conn) == of_stations(conn, "B")
    conn.execute("TRUNCATE stale")
    put(conn, adoption('standard = "GB 3095-2026"', 'place = "city:X"', "valid_from = 2020-01-01"))
    assert stale(conn) == of_stations(conn, "B")
    conn.execute("TRUNCATE stale")
    put(conn, adoption('standard = "GB 3095-2026"', "valid_from = 2020-01-01"))
    assert stale(conn) == of_stations(conn, "A", "B")


def test_the_windows_hold_all_readings_and_what_stands_on_them(measured: tuple[Connection, list[int]]) -> None:
    conn, _ = measured
    found = rows._stretches(conn, "station", [station_ids(conn)["B"]])
    first, last = found["start"].item(), found["stop"].item()
    assert isinstance(found, pl.DataFrame)
    assert facts(conn, "SELECT count(*) FROM assessment") != [(0,)]
    (extent,) = facts(conn, "SELECT min(time), max(time) FROM average")
    assert first <= extent[0]
    assert last > extent[1]
