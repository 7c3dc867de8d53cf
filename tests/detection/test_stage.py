"""The stage `detect` in the store: scores and episodes made again window by window, and kept as people saw them."""

import json
import random
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics import detection
from analytics.store import connection, derived, files, fits, ledger, register
from analytics.store.connection import Connection
from jobs import chain, console
from jobs import register as jobs_register
from tests import world
from tests.conftest import NOW, Make, needs_shared
from tests.published import prsa_episodes
from tests.stories import FEW
from tests.world import HOUR, T0, Reading

pytestmark = pytest.mark.long

CHANNELS = [("A", "pm25"), ("A", "o3"), ("B", "pm25"), ("B", "laeq"), ("B", "dissolved_oxygen"), ("C", "pm25")]


@pytest.fixture(scope="module")
def store(make_database: Make) -> Iterator[tuple[Connection, list[int]]]:
    with closing(connection.connect(make_database("apache"), fast=True)) as conn:
        series = world.settle_world(conn, CHANNELS)
        conn.execute("INSERT INTO membership (station, kind, place) SELECT id, 'noise_zone', '1' FROM station")
        yield conn, series


def fit(conn: Connection, series: int, hours: float, line: float) -> None:
    learned(conn, "robust-seasonal", series, hours, {"profile": [20.0] * 48, "line": line, "count": 200})


def learned(conn: Connection, kind: str, series: int, hours: float, blob: dict[str, Any]) -> None:
    start = T0 + hours * HOUR
    made = pl.DataFrame({"subject": [series], "blob": [json.dumps(blob).encode()]}).with_columns(
        pl.col("subject").cast(pl.Int32), since=pl.lit(start - 24 * HOUR), valid_from=pl.lit(start)
    )
    fits.save(conn, kind, made, NOW, {})


def others(conn: Connection, series: list[int]) -> None:
    """Nothing; fits of those that look back: at three hours' distance, too, and of two sensors of a station."""
    hour = 3_600_000_000.0
    jump = {"foot": None, "floor": 0.0, "rough": 0.5, "count": 400}
    learned(conn, "one-step", series[0], 20, {**jump, "line": 40.0, "cadence": hour})
    learned(conn, "one-step", series[3], 20, {**jump, "line": 8.0, "cadence": 3 * hour})
    learned(conn, "stuck", series[1], 5, {"line": 8.0, "cadence": hour, "count": 400})
    learned(conn, "stuck", series[4], 70, {"line": 40.0, "cadence": hour, "count": 400})
    model = {"centre": [100.0, 150.0], "scale": [40.0, 60.0], "spread": [1.0], "axes": [[0.7], [0.7]]}
    pair = {**model, "members": series[:2], "along": 1.5, "off": 1.5, "cadence": hour, "smooth": 3, "count": 400}
    learned(conn, "related", series[1], 15, pair)  # as when the other one was not there yet
    learned(conn, "related", series[0], 80, {**pair, "along": 1.0})
    around = {"members": [series[2], series[5]], "shifts": [20.0, -5.0], "line": 30.0, "foot": None, "count": 400}
    learned(conn, "network", series[0], 12, around)
    learned(conn, "network", series[2], 70, {**around, "members": [series[0], series[5]]})
    for place, hours, beside in ((0, 0, (2, 5)), (0, 60, (5,)), (0, 75, (5, 2)), (2, 0, (0, 5)), (5, 0, (0,))):
        learned(conn, "neighbours", series[place], hours, {"neighbours": [series[one] for one in beside]})


def days_of(series: list[int], dice: random.Random) -> list[Reading]:
    """A week of hours of every series: levels that last, short swings, gaps short and long."""
    usual = {0: 150, 1: 210, 2: 130, 3: 48, 4: 4, 5: 140}
    out: list[Reading] = []
    for place, number in enumerate(series):
        hour, value = dice.randint(0, 6), 1.0
        while hour < 170:
            length = dice.choice([1, 1, 2, 3, 5, 9, 14, 30])
            value = round(usual[place] * dice.choice([0.2, 0.4, 0.6, 0.8, 0.95, 1.05, 1.2, 1.6]), 2)
            if dice.random() < 0.85:
                out += [(number, float(hour + n), value, 0, None) for n in range(length)]
            elif dice.random() < 0.2:
                hour += 60
            hour += length
    return out


@FEW
@given(st.integers(0, 10**9))
def test_episodes_and_scores_are_the_same_in_whatever_pieces_they_come(
    store: tuple[Connection, list[int]], seed: int
) -> None:
    """Law 2 and 3 where it is hardest: long runs, in batches of stretches and of scattered hours, settled in between,
    in small takes; then single hours corrected, each settled by itself."""
    conn, series = store
    dice = random.Random(seed)
    story = days_of(series, dice)
    again = [
        (number, hour, round(value * dice.choice([0.1, 0.5, 2, 3]), 2), 1, None)
        for number, hour, value, _, _ in dice.sample(story, len(story) // 6)
    ]
    last = [
        (number, hour, round(value * dice.choice([0.1, 0.5, 2, 3]), 2), 2, None)
        for number, hour, value, _, _ in dice.sample(story, 5)
    ]

    def begin() -> None:
        world.empty(conn)
        for number, hour, line in ((series[0], 30, 60.0), (series[0], 90, 20.0), (series[3], 10, 9.0)):
            fit(conn, number, hour, line)
        others(conn, series)

    begin()
    world.send(conn, [*story, *again, *last])
    world.settle(conn)
    expected = world.picture(conn)
    assert len(expected["episode"]) > 3
    said = conn.execute("SELECT DISTINCT d.name FROM score JOIN term d ON d.id = detector").fetchall()
    assert {str(name) for (name,) in said} == {*detection.MEMBERS, detection.ALARM}
    begin()
    messages = [*story, *again]
    if dice.random() < 0.5:
        dice.shuffle(messages)
    else:
        messages.sort(key=lambda reading: reading[1] + dice.choice([0, 0, 0, 40]))
    while messages:
        cut = dice.choice([60, 200, 400])
        world.send(conn, messages[:cut])
        messages = messages[cut:]
        if dice.random() < 0.6:
            world.settle(conn, dice.choice([200, 10_000]))
    world.settle(conn)
    for reading in last:
        world.send(conn, [reading])
        world.settle(conn)
    assert world.picture(conn) == expected
    assert conn.execute("SELECT count(*) FROM stale").fetchone() == (0,)


def test_one_hour_of_a_long_run_changes_the_run_and_its_neighbours_stay(store: tuple[Connection, list[int]]) -> None:
    """What is loaded reaches to the quiet on both sides, days away, and not a row beyond is touched."""
    conn, series = store
    o3 = series[1]
    world.empty(conn)
    runs = [(0, 4), (12, 112), (120, 124)]
    values = dict.fromkeys(range(160), 20.0) | {hour: 250.0 for a, b in runs for hour in range(a, b)}
    world.send(conn, [(o3, float(hour), value, 0, None) for hour, value in values.items()])
    world.settle(conn)

    def hourly() -> list[tuple[Any, ...]]:
        rows = conn.execute(
            "SELECT e.time, e.stop, e.closed, e.count, e.peak, e.known FROM episode e JOIN term r ON r.id = e.rule"
            " WHERE r.name = 'o3_1h' ORDER BY 1"
        ).fetchall()
        return [((row[0] - T0) // HOUR, (row[1] - T0) // HOUR, *row[2:]) for row in rows]  # type: ignore[operator]

    before = hourly()
    assert [row[:5] for row in before] == [(a, b, True, b - a, 250.0) for a, b in runs]
    for hour, value, long in ((13.0, 260.0, (12, 112, True, 100, 260.0)), (110.0, 270.0, (12, 112, True, 100, 270.0))):
        world.send(conn, [(o3, hour, value, 1, None)])
        world.settle(conn)
        after = hourly()
        assert (after[0], after[2]) == (before[0], before[2])
        assert after[1][:5] == long
    # Quiet in the middle of it makes two of it, and back again.
    world.send(conn, [(o3, float(hour), 20.0, 2, None) for hour in range(60, 63)])
    world.settle(conn)
    assert [row[:4] for row in hourly()] == [
        (0, 4, True, 4),
        (12, 60, True, 48),
        (63, 112, True, 49),
        (120, 124, True, 4),
    ]
    world.send(conn, [(o3, 61.0, 250.0, 3, None)])
    world.settle(conn)
    assert [row[:4] for row in hourly()][1] == (12, 112, True, 98)


def test_an_hour_changes_the_means_of_the_day_that_follows_it(store: tuple[Connection, list[int]]) -> None:
    """One reading lifts the means of 24 hours: the first ones stay quiet, an episode a day later begins earlier."""
    conn, series = store
    world.empty(conn)
    values = [40.0] * 30 + [200.0] * 20
    world.send(conn, [(series[0], float(hour), value, 0, None) for hour, value in enumerate(values)])
    world.settle(conn)
    starts = "SELECT time FROM report.episode WHERE rule = 'pm25_24h'"
    # 40 + 160 n / 24 is above 115 from the twelfth hour on; with 15 more from the tenth.
    assert conn.execute(starts).fetchall() == [(T0 + 41 * HOUR,)]
    world.send(conn, [(series[0], 20.0, 400.0, 1, None)])
    world.settle(conn)
    assert conn.execute(starts).fetchall() == [(T0 + 39 * HOUR,)]


@needs_shared
def test_the_red_alerts_of_a_station_are_in_the_store_as_the_functions_find_them(conn: Connection) -> None:
    rows, series = prsa_episodes.readings()
    winter = datetime.fromisoformat("2015-11-15T00:00:00+00:00"), datetime.fromisoformat("2016-01-15T00:00:00+00:00")
    one = series.filter(pl.col("name") == "Dongsi")
    some = rows.join(one.select("series"), on="series").filter(pl.col("time").is_between(*winter))
    (number,) = world.settle_world(conn, [("Dongsi", "pm25")])
    world.send(
        conn, [(number, (time - T0) / HOUR, value, 0, None) for time, value in some.select("time", "value").rows()]
    )
    world.settle(conn)
    kept = conn.execute(
        "SELECT e.time, e.stop, e.level, e.closed, e.peak, e.dose, e.count, e.levels::text FROM episode e"
        " JOIN term r ON r.id = e.rule WHERE r.name = %s ORDER BY 1",
        [prsa_episodes.RULE],
    ).fetchall()
    made = prsa_episodes.found(some, one)
    assert kept == made.select("time", "stop", "level", "closed", "peak", "dose", "count", "levels").rows()
    alerts = prsa_episodes.red_alerts(prsa_episodes.days(some, one), prsa_episodes.stretches(made))
    assert alerts["inside"].to_list() == [True] * 5  # of the seven days of both alerts


def test_a_voice_that_is_registered_makes_its_station_look_again(conn: Connection) -> None:
    """Another series speaks for the station: its episodes are those of that one, by the marks of the registration."""
    a, b = world.settle_world(conn, [("A", "o3@1"), ("A", "o3@2")])
    world.send(conn, [(a, float(hour), 300.0 + hour, 0, None) for hour in range(8)])
    world.send(conn, [(b, float(hour), 20.0 + hour, 0, None) for hour in range(8)])
    world.settle(conn)
    assert len(conn.execute("SELECT FROM episode").fetchall()) == 2  # an hour and eight hours
    text = b'[[authority]]\nstation = "A"\nparameter = "o3"\nposition = "2"\n'
    draft = register.read(text, "site.toml", *jobs_register.rules(conn))
    jobs_register.write(conn, draft)
    chain.settle(conn, console.now)
    assert conn.execute("SELECT FROM episode").fetchall() == []
    assert len(conn.execute("SELECT FROM episode_history").fetchall()) == 2


def test_a_late_value_changes_what_looks_back_at_it(conn: Connection) -> None:
    """Turbid water at 100 all the time, and the river rises in hour 20: no run-off. Then the reading of hour 12 comes,
    which was clear: from hour 20 to 36 the water is far more turbid than within the day before."""
    turbidity, level = world.settle_world(conn, [("A", "turbidity"), ("A", "water_level")])
    rows = [(turbidity, float(hour), 100.0 + hour % 2, 0, None) for hour in range(50) if hour != 12]
    rows += [(level, float(hour), 1.0 if hour < 20 else 1.3, 0, None) for hour in range(50)]
    world.send(conn, rows)
    world.settle(conn)
    found = "SELECT time, stop FROM report.episode WHERE rule = 'storm_runoff'"
    assert conn.execute(found).fetchall() == []
    world.send(conn, [(turbidity, 12.0, 20.0, 0, None)])
    world.settle(conn)
    assert conn.execute(found).fetchall() == [(T0 + 20 * HOUR, T0 + 37 * HOUR)]
    before = world.picture(conn)
    world.empty(conn)
    world.send(conn, [*rows, (turbidity, 12.0, 20.0, 0, None)])
    world.settle(conn)
    assert world.picture(conn) == before


def test_a_rule_of_what_is_around_is_not_looked_for_where_nobody_is(conn: Connection) -> None:
    """A late hour of half a year of a station by itself: without a background nothing is on, and nothing is quiet, so
    that the end of its episodes would be looked for to the end of the data."""
    (pm25,) = world.settle_world(conn, [("A", "pm25")])
    days = 180
    world.send(conn, [(pm25, float(hour), 30.0 + hour % 7, 0, None) for hour in range(24 * days) if hour != 500])
    world.settle(conn)
    world.send(conn, [(pm25, 500.0, 31.0, 0, None)])
    (work,) = [work for work in chain.settle(conn, lambda: NOW) if work.stage == "detect"]
    # What a rule looks back at is two weeks, and as long after the change.
    assert 24 * 14 < work.read < 24 * 14 * 5 < 24 * days


def test_episodes_are_versioned_as_people_saw_them(conn: Connection) -> None:
    (o3,) = world.settle_world(conn, [("A", "o3")])
    world.send(conn, [(o3, float(hour), 250.0, 0, None) for hour in range(4)])
    world.settle(conn)
    seen = conn.execute("SELECT clock_timestamp()").fetchone()
    assert seen is not None
    world.send(conn, [(o3, 3.0, 280.0, 1, None), (o3, 4.0, 250.0, 0, None)])
    world.settle(conn)
    windows = pl.DataFrame([(1, T0, T0 + 9 * HOUR)], schema=dict(ledger.WINDOWS), orient="row")
    only = {"rule": ["o3_1h"]}
    before = derived.load(conn, derived.EPISODE, windows, only, known=seen[0])  # type: ignore[arg-type]  # a time
    (now,) = derived.load(conn, derived.EPISODE, windows, only).to_dicts()
    assert before.select("stop", "peak").rows() == [(T0 + 4 * HOUR, 250.0)]
    assert (now["stop"], now["peak"], now["closed"]) == (T0 + 5 * HOUR, 280.0, False)
    assert conn.execute("SELECT rule, peak, unit, levels FROM report.episode WHERE rule = 'o3_1h'").fetchall() == [
        ("o3_1h", 280.0, "µg/m³", [[T0.strftime("%Y-%m-%dT%H:%M:%SZ"), 1]])
    ]


def test_the_hour_that_is_not_over_is_not_looked_at(conn: Connection) -> None:
    """Fifty minutes make an average, but its episode waits for the hour to close, and is then made without new rows."""
    (o3,) = world.settle_world(conn, [("A", "o3")], cadence=600)
    now = T0 + 3 * HOUR + timedelta(minutes=55)
    world.send(conn, [(o3, n / 6, 250.0, 0, None) for n in range(5 * 6 - 7)], now=now)
    chain.settle(conn, lambda: now)
    assert conn.execute("SELECT stop FROM episode WHERE level = 1").fetchall()[0] == (T0 + 3 * HOUR,)
    chain.settle(conn, lambda: T0 + 4 * HOUR)
    assert conn.execute("SELECT stop FROM report.episode WHERE rule = 'o3_1h'").fetchall() == [(T0 + 4 * HOUR,)]


def test_what_was_settled_before_there_were_episodes_is_looked_through(blank: str) -> None:
    with closing(connection.connect(blank)) as conn:
        *before, last = [path.read_bytes() for path in files.sql("migrations") if path.stem < "0008"]
        for script in before:
            conn.execute(script)
        conn.execute("INSERT INTO station (code) VALUES ('A'), ('B')")
        conn.execute("INSERT INTO series (station, parameter, cadence) SELECT id, 'o3', 3600 FROM station")
        conn.execute("INSERT INTO latest (series, first, time) VALUES (1, %s, %s), (2, NULL, NULL)", [T0, T0 + HOUR])
        conn.execute(last)
        rows = conn.execute("SELECT stage, subject, start, stop FROM stale").fetchall()
        assert rows == [(ledger.CODES["detect"], 1, T0, T0 + 26 * HOUR)]
