"""What rules ask for beside their station's averages: its surroundings, what is expected, and what is planned."""

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta

import polars as pl
import pytest

from analytics.forecasting import Asked
from analytics.store import connection, forecasts, ledger, observations, planned, registry
from analytics.store.connection import Connection
from jobs import chain, forecast, relearn
from jobs.facts import Facts
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


def test_haze_is_seen_where_nobody_measures_any_more_in_whatever_pieces_it_comes(
    store: Connection, databases: Databases
) -> None:
    """Law 2: A fell silent at hour 30; haze lies over the others twenty hours later."""
    foul = {(number, h): 100.0 for number in range(2, 6) for h in range(50, 70)}
    rows = [
        (n, h, foul.get((n, h), CLEAN) + h % 5, 0, None) for n in range(1, 6) for h in range(1, 30 if n == 1 else 96)
    ]
    for early in (True, False):
        world.send(store, [row for row in rows if (row[1] < 31) is early])
        world.settle(store)
    assert {station for station, *_ in found(store, "haze")} == {*CODES}
    with closing(connection.connect(databases.copy("five near", "apache", tell))) as other:
        world.send(other, rows)
        world.settle(other)
        assert world.picture(store) == world.picture(other)


def test_a_new_map_is_followed_where_the_station_itself_is_silent(store: Connection) -> None:
    """A fell silent at hour 30; in the haze over the others it is moved far away, and from the next midnight on nobody
    is around it."""
    rows = [(n, h, (100.0 if 50 <= h < 70 else CLEAN) + h % 5, 0, None) for n in range(1, 6) for h in range(1, DAYS)]
    world.send(store, [row for row in rows if row[0] > 1 or row[1] < 30])
    world.settle(store)
    assert ("A", 50, 70) in found(store, "haze")
    store.execute("UPDATE station SET latitude = 20 WHERE code = 'A'")
    relearn.run(store, T0 + 65 * HOUR)
    world.settle(store)
    assert [row for row in found(store, "haze") if row[0] == "A"] == [("A", 50, 64)]


def test_what_is_known_of_an_hour_is_the_same_however_little_is_looked_at(store: Connection) -> None:
    """The mean of a day whose first hours were not loaded, and that of neighbours of whom some were: evidence rests on
    neither."""
    world.send(store, [row for number in range(1, 6) for row in hours(number)])
    world.settle(store)
    stations = registry.load_stations(store).join(registry.load_places(store), on="station", how="left")
    voices = registry.load_series(store).join(registry.load_authorities(store), on="series")
    facts = Facts(store, NOW, chain.load_rules(store), stations, voices)
    rules = ["pm25_day", "pm25_local", "drift_pm25"]
    schema = {"station": pl.Int32(), "rule": pl.String(), **dict.fromkeys(("start", "stop"), ledger.WINDOWS["start"])}
    for first in (60, 48, 24):
        spans = [(s, rule, T0 + (first + s) * HOUR, T0 + (first + 12 + s) * HOUR) for s in (1, 3) for rule in rules]
        facts.conditions(pl.DataFrame(spans, schema=schema, orient="row"))
    said = pl.concat(facts.said).unique()
    assert {"expected_day", "background", "hour"} <= set(said["averaging"])
    assert said.group_by("station", "parameter", "averaging", "time").len()["len"].max() == 1


def test_a_rule_that_asked_for_less_is_followed_by_what_it_asked_for_then(store: Connection) -> None:
    """The newest edition of a rule asks for ozone, which nobody measures; what came before is still made again."""
    world.send(store, [(1, h, 200.0 if h < 40 else CLEAN, 0, None) for h in range(1, DAYS)])
    world.settle(store)
    assert found(store, "pm25_24h") == [("A", 19, 56)]
    ozone = {"parameter": "o3", "averaging": "hour", "direction": "above", "level": 5, "off": 2}
    store.execute(
        "INSERT INTO edition (name, sha256, valid_from, known, rows) SELECT name, 'x', %s, known,"
        " jsonb_set(rows, '{pm25_24h,also}', %s::jsonb) FROM edition WHERE name = 'episodes'",
        [T0 + 60 * HOUR, json.dumps([ozone])],
    )
    world.send(store, [(1, h, CLEAN, 1, None) for h in range(1, 40)])
    world.settle(store)
    assert found(store, "pm25_24h") == []


def test_a_rule_is_looked_for_only_while_it_is_in_force(store: Connection) -> None:
    """Before there was one it cannot hold: of a late row of then nobody looks on and on for when it would be quiet."""
    world.send(store, [row for number in (1, 2) for row in hours(number)])
    world.settle(store)
    store.execute(
        "INSERT INTO edition (name, sha256, valid_from, known, rows) SELECT name, 'x', %s, known,"
        " rows || jsonb_build_object('later', rows->'pm25_24h') FROM edition WHERE name = 'episodes'",
        [T0 + 60 * HOUR],
    )
    stations = registry.load_stations(store).join(registry.load_places(store), on="station", how="left")
    voices = registry.load_series(store).join(registry.load_authorities(store), on="series")
    facts = Facts(store, NOW, chain.load_rules(store), stations, voices)
    known = facts.extent(observations.extent(store, [1])).filter(pl.col("rule").is_in(["later", "pm25_24h"]))
    last = T0 + (DAYS - 1) * HOUR + timedelta(microseconds=1)
    assert known.sort("rule").rows() == [(1, "later", T0 + 60 * HOUR, last), (1, "pm25_24h", T0, last)]


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
