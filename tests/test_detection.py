"""Detectors and the stage `detect`: fits, scores, and episodes made again window by window."""

import json
import os
import random
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analytics import detection, parameters, tables
from analytics.frames import SCORES, TIME
from analytics.store import connection, derived, files, fits, ledger, register
from analytics.store.connection import Connection
from jobs import chain, console, relearn
from jobs import register as jobs_register
from tests import world
from tests.conftest import NOW, Make, needs_shared
from tests.published import prsa_episodes
from tests.world import HOUR, T0, Reading

#: As in test_laws.py: the same examples every time, unless more are asked for.
EXAMPLES = int(os.environ.get("GREENWATCH_LAW_EXAMPLES", "0"))
CHANNELS = [("A", "pm25"), ("A", "o3"), ("B", "pm25"), ("B", "laeq"), ("B", "dissolved_oxygen")]


@pytest.fixture(scope="module")
def store(make_database: Make) -> Iterator[tuple[Connection, list[int]]]:
    with closing(connection.connect(make_database("apache"), fast=True)) as conn:
        series = world.settle_world(conn, CHANNELS)
        conn.execute("INSERT INTO membership (station, kind, place) SELECT id, 'noise_zone', '1' FROM station")
        yield conn, series


def fit(conn: Connection, series: int, hours: float, line: float) -> None:
    blob = json.dumps({"profile": [20.0] * 48, "line": line, "count": 200}).encode()
    start = T0 + hours * HOUR
    made = pl.DataFrame({"subject": [series], "blob": [blob]}).with_columns(
        pl.col("subject").cast(pl.Int32), since=pl.lit(start - 24 * HOUR), valid_from=pl.lit(start)
    )
    fits.save(conn, "robust-seasonal", made, NOW, {})


def days_of(series: list[int], dice: random.Random) -> list[Reading]:
    """A week of hours of every series: levels that last, short swings, gaps short and long."""
    usual = {0: 150, 1: 210, 2: 130, 3: 48, 4: 4}
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


@settings(
    max_examples=EXAMPLES or 4,
    deadline=None,
    derandomize=not EXAMPLES,
    database=None,
    suppress_health_check=list(HealthCheck),
)
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
        for number, hour, value, _, _ in dice.sample(story, 8)
    ]

    def begin() -> None:
        world.empty(conn)
        for number, hour, line in ((series[0], 30, 60.0), (series[0], 90, 20.0), (series[3], 10, 9.0)):
            fit(conn, number, hour, line)

    begin()
    world.send(conn, [*story, *again, *last])
    world.settle(conn)
    expected = world.picture(conn)
    assert len(expected["episode"]) > 3
    assert expected["score"]
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
            world.settle(conn, dice.choice([100, 300, 10_000]))
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


ALL = parameters.load()
SETTING = detection.parse(tables.read(detection.TABLE))
#: A Monday, midnight at UTC+8.
MONDAY = datetime.fromisoformat("2026-01-05T00:00:00+08:00").astimezone(UTC)


def hours_of(values: list[float | None], series: int = 1, first: datetime = MONDAY) -> pl.DataFrame:
    """Hours in a row, as detectors take them; None is missing."""
    rows = [(series, first + n * HOUR, float(v), 480) for n, v in enumerate(values) if v is not None]
    schema = {"series": pl.Int32(), "time": TIME, "value": pl.Float64(), "offset": pl.Int16()}
    return pl.DataFrame(rows, schema=schema, orient="row")


def voice(parameter: str, series: int = 1) -> pl.DataFrame:
    schema = {"series": pl.Int32(), "parameter": pl.String(), "offset": pl.Int16()}
    return pl.DataFrame([(series, parameter, 480)], schema=schema, orient="row")


def learn(hours: pl.DataFrame, parameter: str = "pm25") -> dict[str, Any]:
    """What robust-seasonal learns of series 1."""
    made = detection.LEARNERS["robust-seasonal"](hours, voice(parameter), ALL, SETTING["robust-seasonal"])
    return json.loads(made["blob"][0]) if made.height else {}


def dated(*blobs: tuple[datetime, dict[str, Any]]) -> pl.DataFrame:
    """Fits of series 1 from these times on."""
    rows = [(1, start, json.dumps(blob).encode()) for start, blob in blobs]
    return pl.DataFrame(rows, schema={"subject": pl.Int32, "valid_from": TIME, "blob": pl.Binary}, orient="row")


def two_weeks() -> list[float | None]:
    """10 plus the local hour on workdays, 50 on days off, and an outlier on the last day."""
    values: list[float | None] = [50.0 if n // 24 % 7 >= 5 else 10.0 + n % 24 for n in range(24 * 28)]
    values[24 * 28 - 3] = 900.0
    return values


def test_the_profile_is_the_median_of_workdays_and_of_days_off() -> None:
    learned = learn(hours_of(two_weeks()))
    assert learned["profile"] == [10.0 + hour for hour in range(24)] + [50.0] * 24
    # No spread, and the outlier is rarer than the quantile: half a hundredth of the range 0 to 500 remains.
    assert (learned["line"], learned["count"]) == (2.5, 24 * 28)


def test_the_line_is_that_of_the_series_own_spread_and_tail() -> None:
    dice = random.Random(1)
    values = [100 + dice.choice([-1, 1]) * dice.uniform(9, 11) for _ in range(24 * 28)]
    assert 6 * 1.4826 * 9 < learn(hours_of([*values]))["line"] < 6 * 1.4826 * 12
    tail = [v + (400 if n % 50 == 0 else 0) for n, v in enumerate(values)]
    assert learn(hours_of([*tail]))["line"] > 1.2 * 380


def test_what_cannot_be_learned_is_not() -> None:
    week = hours_of([20.0] * 168)
    assert learn(week.head(167)) == {}
    assert learn(week)["profile"] == [20.0] * 24 + [None] * 24  # five workdays, but two days off
    assert learn(week, "wind_direction") == {}  # no median on a circle
    assert learn(week, "rain") == {}


def test_a_score_is_the_distance_over_the_line() -> None:
    fit_ = dated((MONDAY, {"profile": [20.0] * 24 + [None] * 24, "line": 40.0, "count": 200}))
    values = hours_of([20, 60, 0, 100, None, 70.5])
    scores = detection.DETECTORS["robust-seasonal"](values, fit_)
    assert scores.schema == pl.Schema(SCORES)
    assert scores["value"].to_list() == [0, 1, 0.5, 2, 1.2625]
    saturday = hours_of([500.0], first=MONDAY + timedelta(days=5))
    assert detection.DETECTORS["robust-seasonal"](saturday, fit_)["value"].to_list() == [None]


def test_the_newest_fit_that_holds_judges_and_nothing_before_the_first() -> None:
    profile = [0.0] * 48
    fits_ = dated(
        (MONDAY + 2 * HOUR, {"profile": profile, "line": 10.0, "count": 200}),
        (MONDAY + 4 * HOUR, {"profile": profile, "line": 5.0, "count": 200}),
    )
    scores = detection.DETECTORS["robust-seasonal"](hours_of([10.0] * 6), fits_)
    assert scores["value"].to_list() == [None, None, 1, 1, 2, 2]


@pytest.mark.parametrize("name", detection.DETECTORS)
def test_a_detector_learns_the_same_bytes_and_judges_an_hour_by_its_past(name: str) -> None:
    """The promise of the family."""
    assert detection.LEARNERS.keys() == detection.DETECTORS.keys() == SETTING.keys()
    dice = random.Random(7)
    values = [None if dice.random() < 0.1 else round(dice.gauss(80, 20), 3) for _ in range(24 * 28)]
    known, later = hours_of(values), hours_of(two_weeks()[:200], first=MONDAY + timedelta(days=28))
    made = detection.LEARNERS[name](known, voice("pm25"), ALL, SETTING[name])
    again = detection.LEARNERS[name](known.sample(fraction=1, shuffle=True, seed=1), voice("pm25"), ALL, SETTING[name])
    assert made.equals(again)
    held = made.with_columns(pl.lit(MONDAY + timedelta(days=28)).cast(TIME).alias("valid_from"))
    whole = detection.DETECTORS[name](later, held).sort("time")
    assert whole["value"].is_not_null().all()
    pieces = [detection.DETECTORS[name](later[n : n + 7], held) for n in range(0, 200, 7)]
    assert pl.concat(pieces).sort("time").equals(whole)


class Town:
    """PM2.5 of one station in two cadences: ten minutes for all days, one minute for the last two."""

    def __init__(self, conn: Connection, days: int = 20) -> None:
        self.conn, self.days = conn, days
        said = register.Registry(stations={"A": {}})
        for cadence in (600, 60):
            said.series[register.Series("A", "pm25", "", "", cadence)] = None
        register.learn(conn, said)
        rows = conn.execute("SELECT id FROM series ORDER BY cadence").fetchall()
        self.minute, self.ten = (int(str(row[0])) for row in rows)

    def fill(self) -> None:
        last = self.days * 24
        rows: list[Reading] = [(self.ten, n / 6, 40.0 + n % 6, 0, None) for n in range(last * 6)]
        rows += [(self.minute, last - 48 + n / 60, 43.0, 0, None) for n in range(48 * 60)]
        world.send(self.conn, rows)
        world.settle(self.conn)

    def scores(self) -> list[tuple[Any, ...]]:
        rows = self.conn.execute("SELECT series, time, value FROM score ORDER BY time").fetchall()
        return [(row[0], round((row[1] - T0) / HOUR), row[2]) for row in rows]  # type: ignore[operator]  # times


def test_relearn_makes_a_fit_a_quantity_and_marks_what_it_judges(conn: Connection) -> None:
    town = Town(conn)
    town.fill()
    at = T0 + 18 * 24 * HOUR + 5 * HOUR  # the fit holds from local midnight, 16:00 UTC of the day before
    done = relearn.run(conn, at)
    assert (done.series, done.fits) == (1, 1)
    assert conn.execute("SELECT kind, subject, since, valid_from, fitted_at FROM fit").fetchall() == [
        ("robust-seasonal", town.minute, T0 + (18 * 24 - 8 - 28 * 24) * HOUR, T0 + (18 * 24 - 8) * HOUR, at)
    ]
    # What lies past the clock is due when it is over.
    marks = conn.execute("SELECT stage, min(start), max(stop) FROM stale GROUP BY stage").fetchall()
    last = T0 + 20 * 24 * HOUR - timedelta(minutes=1)
    assert marks == [(ledger.CODES["detect"], T0 + (18 * 24 - 8) * HOUR, last + HOUR + timedelta(microseconds=1))]
    world.settle(conn)
    assert town.scores() == []
    # The stand-in speaks where the other has no value; both are one quantity, under the voice that speaks.
    world.send(conn, [(town.ten, 18 * 24 - 6 + n / 6, 200.0, 1, None) for n in range(6)])
    world.send(conn, [(town.minute, 19 * 24 + n / 60, 200.0, 1, None) for n in range(60)])
    world.send(
        conn, [(town.ten, 19 * 24 + 4 + n / 6, 200.0, 1, None) for n in range(6)]
    )  # not heard: it does not speak
    world.settle(conn)
    assert [(series, hour) for series, hour, _ in town.scores()] == [(town.minute, 18 * 24 - 6), (town.minute, 19 * 24)]


def test_relearning_the_same_says_nothing_new(conn: Connection) -> None:
    town = Town(conn)
    town.fill()
    at = T0 + 18 * 24 * HOUR
    assert relearn.run(conn, at).fits == 1
    assert relearn.run(conn, at + HOUR).fits == 0
    world.settle(conn)
    assert relearn.run(conn, at + timedelta(days=1)).fits == 1
    assert conn.execute("SELECT min(start) FROM stale").fetchone() == (T0 + (19 * 24 - 8) * HOUR,)


def test_relearn_every_few_days_judges_the_past_too(conn: Connection) -> None:
    town = Town(conn)
    town.fill()
    world.send(conn, [(town.ten, 9 * 24 + n / 6, 400.0, 1, None) for n in range(6)])
    world.settle(conn)
    assert relearn.run(conn, T0 + 20 * 24 * HOUR, every=1).fits == 13  # the first ones have less than a week of hours
    world.settle(conn)
    assert [hour for _, hour, _ in town.scores()] == [9 * 24]
    # Long after the last reading there is something to learn only from the past.
    assert relearn.run(conn, T0 + 500 * 24 * HOUR).fits == 0
    assert relearn.run(conn, T0 + 500 * 24 * HOUR, every=7).fits > 0


def test_a_voice_that_is_registered_makes_its_station_look_again(conn: Connection) -> None:
    """Another series speaks for the station: its episodes are those of that one, by the marks of the registration."""
    a, b = world.settle_world(conn, [("A", "o3@1"), ("A", "o3@2")])
    world.send(conn, [(a, float(hour), 300.0, 0, None) for hour in range(8)])
    world.send(conn, [(b, float(hour), 20.0, 0, None) for hour in range(8)])
    world.settle(conn)
    assert len(conn.execute("SELECT FROM episode").fetchall()) == 2  # an hour and eight hours
    text = b'[[authority]]\nstation = "A"\nparameter = "o3"\nposition = "2"\n'
    draft = register.read(text, "site.toml", *jobs_register.rules(conn))
    jobs_register.write(conn, draft)
    chain.settle(conn, console.now)
    assert conn.execute("SELECT FROM episode").fetchall() == []
    assert len(conn.execute("SELECT FROM episode_history").fetchall()) == 2


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
