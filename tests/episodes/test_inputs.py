"""What rules ask for beside their station's averages: its surroundings, what is expected, and what is planned."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta

import polars as pl
import pytest

from analytics.forecasting import Asked
from analytics.store import connection, forecasts, ledger, planned
from analytics.store.connection import Connection
from jobs import chain, forecast, relearn
from tests import world
from tests.commands.terminal import DONE, greenwatch
from tests.conftest import NOW, Databases
from tests.world import HOUR, T0

CODES = "ABCDE"
CLEAN, FOUL = 20.0, 120.0
#: Hours after T0 in which A alone is foul.
ALONE = range(30, 34)
DAYS = 96


def tell(conn: Connection) -> None:
    """Five stations within 5 km; their first hour came, and who is around whom is known."""
    series = world.settle_world(conn, [(code, "pm25") for code in CODES])
    assert series == [1, 2, 3, 4, 5]
    for number, code in enumerate(CODES):
        conn.execute(
            "UPDATE station SET longitude = 116.3, latitude = %s, utc_offset = 480 WHERE code = %s",
            [39.9 + number / 100, code],
        )
    world.send(conn, [(number, 0, CLEAN, 0, None) for number in series])
    relearn.run(conn, NOW)
    world.settle(conn)


@pytest.fixture
def store(databases: Databases) -> Iterator[Connection]:
    """Five stations within 5 km of one another."""
    with closing(connection.connect(databases.copy("five near", "apache", tell))) as conn:
        yield conn


def hours(number: int, first: int = 1, last: int = DAYS) -> list[world.Reading]:
    """Of a series: values that differ from hour to hour, as air does."""
    foul = ALONE if number == 1 else ()
    return [(number, h, (FOUL if h in foul else CLEAN) + h % 5 + number / 10, 0, None) for h in range(first, last)]


def found(conn: Connection, rule: str) -> list[tuple[object, ...]]:
    """station, start, stop of the episodes of the rule [h after T0]."""
    rows = conn.execute(
        "SELECT station, extract(epoch FROM time - %(t)s)::int / 3600, extract(epoch FROM stop - %(t)s)::int / 3600"
        " FROM report.episode WHERE rule = %(rule)s ORDER BY 1, 2",
        {"t": T0, "rule": rule},
    ).fetchall()
    return list(rows)


def test_what_is_far_above_the_stations_around_is_from_nearby(store: Connection) -> None:
    world.send(store, [row for number in range(1, 6) for row in hours(number)])
    world.settle(store)
    assert found(store, "pm25_local") == [("A", 30, 34)]
    [row] = store.execute(
        "SELECT words, first, count FROM report.episode_evidence WHERE rule = 'pm25_local' AND term = 0"
    ).fetchall()
    assert row == ("pm25/hour minus pm25/background", 99.75, 4)  # 120.1 less the middle of 20.2 to 20.5


def test_neighbours_that_come_later_make_the_same_tables(store: Connection, databases: Databases) -> None:
    """Law 2: before its neighbours are there a station knows no background, and hears of them."""
    for number in (1, 4, 2, 5):
        world.send(store, hours(number))
        world.settle(store)
    assert found(store, "pm25_local") == [("A", 30, 34)]  # three around it are enough
    world.send(store, hours(3, 40))
    world.settle(store)
    world.send(store, hours(3, 1, 40))
    world.settle(store)
    with closing(connection.connect(databases.copy("five near", "apache", tell))) as other:
        world.send(other, [row for number in range(1, 6) for row in hours(number)])
        world.settle(other)
        assert world.picture(store) == world.picture(other)


def test_windows_that_were_lost_come_back(store: Connection) -> None:
    """Law 3, with what is around and what is expected."""
    world.send(store, [row for number in range(1, 6) for row in hours(number)])
    _forecast(store, 48, 300.0)
    world.settle(store)
    expected = world.picture(store)
    assert found(store, "pm25_day")
    for table in ("episode", "episode_evidence"):
        store.execute(f"DELETE FROM {table}")
    spans = [(subject, T0 + h * HOUR, T0 + (h + 24) * HOUR) for subject in range(1, 6) for h in range(0, DAYS, 24)]
    ledger.mark(store, chain.STAGES["detect"][0], pl.DataFrame(spans, schema=dict(ledger.WINDOWS), orient="row"), NOW)
    world.settle(store, 50)
    assert world.picture(store) == expected


def _forecast(conn: Connection, hour: int, value: float) -> None:
    """Nothing; at that hour it was expected of A that the next day would be so."""
    ahead = [value] * 24
    issue = {"series": 1, "value": ahead, "low": ahead, "high": ahead, "models": ["x"] * 24, "skill": [None] * 24}
    made = pl.DataFrame([issue | {"reason": ""}], schema_overrides={"series": pl.Int32})
    assert forecasts.save(conn, made, T0 + hour * HOUR, timedelta(hours=1), 0.9) == 1


def test_a_heavy_day_is_seen_ahead(store: Connection) -> None:
    """What was measured of the local day (it begins at 16:00 UTC) and a forecast of the rest make its mean; a forecast
    counts from its hour on, as long as it is fresh."""
    _forecast(store, 43, 300.0)
    world.send(store, hours(1))
    world.settle(store)
    assert found(store, "pm25_day") == [("A", 42, 49)]
    rows = store.execute("SELECT DISTINCT about FROM report.episode WHERE rule = 'pm25_day'").fetchall()
    assert rows == [("ahead",)]


def test_fireworks_are_those_of_the_calendar(store: Connection) -> None:
    """The lantern feast of 2026 is on 3 March: its evening at Beijing is hour 105 and on. On other days it is none."""
    burst = [(1, h, CLEAN + (150 if h in (82, 107, 130) else 0), 0, None) for h in range(1, 140)]
    world.send(store, burst)
    world.settle(store)
    assert found(store, "fireworks") == [("A", 82, 83), ("A", 107, 108)]


def test_planned_fireworks_are_looked_for(store: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    world.send(store, [(1, h, CLEAN + (150 if h == 50 else 0), 0, None) for h in range(1, 80)])
    world.settle(store)
    assert found(store, "fireworks") == []
    begin, end = (f"{T0 + h * HOUR:%Y-%m-%dT%H:%MZ}" for h in (49, 52))
    monkeypatch.setattr("jobs.console.now", lambda: T0 + 51 * HOUR)
    words = ["alarms", "calendar", "add", "station", "--from", begin, "--to", end, "--author", "W", "--reason", "x"]
    words += ["--dsn", store.info.dsn, "A"]
    assert greenwatch(*words, "--kind", "party").code == 2
    done = greenwatch(*words, "--kind", "fireworks")
    assert done.code == DONE, done
    assert planned.of_kinds(store, T0, NOW).height == 1
    world.settle(store)
    assert found(store, "fireworks") == [("A", 50, 51)]


def test_a_new_forecast_is_looked_at(store: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was settled is made again from the hour before an issue on, by nothing but the issue."""
    world.send(store, hours(1, 1, 45))
    world.settle(store)
    assert found(store, "pm25_day") == []

    def heavy(history: object, some: list[Asked], settings: object, told: object) -> pl.DataFrame:
        ahead = [300.0] * 24
        issue = {"value": ahead, "low": ahead, "high": ahead, "models": ["x"] * 24, "skill": [None] * 24, "reason": ""}
        return pl.DataFrame([{"series": each.series, **issue} for each in some], schema_overrides={"series": pl.Int32})

    monkeypatch.setattr("analytics.forecasting.issue", heavy)
    assert forecast.run(store, T0 + 45 * HOUR).new == 1
    world.settle(store)
    assert found(store, "pm25_day") == [("A", 44, 45)]


def test_a_sensor_that_falls_off_the_others_is_a_hint_at_a_device(store: Connection) -> None:
    """Twelve hours nearly nothing where all around have 120: covered; it asks for the stations around."""
    for number in range(1, 6):
        low = range(30, 42) if number == 1 else ()
        rows = [(number, h, (5.0 if h in low else FOUL) + h % 5 + number / 10, 0, None) for h in range(1, 60)]
        world.send(store, rows)
    world.settle(store)
    assert found(store, "tamper_pm25") == [("A", 30, 42)]
    about = store.execute("SELECT DISTINCT about FROM report.episode WHERE rule = 'tamper_pm25'").fetchall()
    assert about == [("device",)]
