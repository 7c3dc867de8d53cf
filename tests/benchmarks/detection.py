"""The shipped detectors. `python -m tests.benchmarks.detection [DSN]`.

A million hours of 200 series by fits as old as four weeks, beside each member by itself; with the DSN of an empty
migrated store, what the stage costs there for an hour of all its series, with robust-seasonal alone and with all fits.
"""

import sys
import time
from contextlib import closing
from datetime import datetime, timedelta

import polars as pl

from analytics import detection, parameters, tables
from analytics.detection import forest
from analytics.frames import TIME
from analytics.store import connection, derived, ledger, register, registry
from analytics.store.connection import Connection
from jobs import chain, relearn, scores
from tests import world
from tests.benchmarks.common import START, measure, readings, report

PARAMETERS = parameters.load()
SETTINGS = detection.parse(tables.read(detection.TABLE))
NAMES = ("pm25", "pm10", "o3", "no2", "so2")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
STATIONS, DAYS, LOOKS = 400, 42, 5


def function() -> None:
    """Prints rates over a million hours of 200 series, five a station."""
    steps, voices = town(200, 5000)
    fits = learned(steps, voices)
    woods = forest.fit(steps.filter(pl.col("time") < START + 28 * DAY), voices, PARAMETERS, SETTINGS[forest.NAME])
    woods = woods.with_columns(pl.lit(START).cast(TIME).alias("valid_from"))
    seconds = measure(
        {"all that is shipped": lambda: detection.scores(steps, fits)}
        | {
            name: lambda name=name, fit=member.fit: detection.SCORERS[name](steps, fits.filter(detector=fit))
            for name, member in detection.MEMBERS.items()
        }
        | {f"{forest.NAME}, not shipped": lambda: forest.score(steps, woods)}
    )
    report("scores of 200 series", steps.height, "points", seconds)


def town(series: int, hours: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Steps of made-up series, by the hour, and what they are."""
    rows, facts = readings(series, hours, HOUR)
    voices = facts.select(
        pl.col("series").cast(pl.Int32),
        pl.Series("parameter", [NAMES[number % len(NAMES)] for number in range(series)]),
        pl.lit(480, pl.Int16).alias("offset"),
        ((pl.col("series") - 1) // len(NAMES)).cast(pl.Int32).alias("station"),
    )
    # Four stations around each measure the same.
    near = [
        [one for step in (-2, -1, 1, 2) if 0 < (one := number + step * len(NAMES)) <= series]
        for number in range(1, series + 1)
    ]
    beside = pl.Series("near", near, dtype=pl.List(pl.Int32))
    return rows.select("series", "time", "value", pl.lit(480, pl.Int16).alias("offset")), voices.with_columns(beside)


def learned(steps: pl.DataFrame, voices: pl.DataFrame) -> pl.DataFrame:
    """Fits of each four weeks from the eighth week on."""
    parts, last = [], steps.select(pl.col("time").max()).item()
    start = START + 8 * 7 * DAY
    while start < last:
        past = steps.filter(pl.col("time").is_between(start - 56 * DAY, start, closed="left"))
        made = detection.learn(past, voices, PARAMETERS, SETTINGS)
        parts.append(made.with_columns(pl.lit(start).cast(TIME).alias("valid_from")))
        start += 28 * DAY
    return pl.concat(parts)


def live(dsn: str) -> None:
    """Prints the seconds that the scores of an hour of all series take, medians."""
    with closing(connection.connect(dsn)) as conn:
        steps, _ = town(STATIONS * len(NAMES), DAYS * 24)
        now = START + DAYS * DAY
        _fill(conn, steps)
        began = time.perf_counter()
        done = relearn.run(conn, now)
        print(f"{done.series:,} series: {done.fits:,} fits in {time.perf_counter() - began:.1f} s")
        conn.execute("VACUUM ANALYZE")
        every = _look(conn, now)
        conn.execute("DELETE FROM fit WHERE kind <> 'robust-seasonal'")
        alone = _look(conn, now)
        print(f"scores of the last hour: all {every:.2f} s, as long as only robust-seasonal was learned {alone:.2f} s")


def _fill(conn: Connection, steps: pl.DataFrame) -> None:
    said = register.Registry(stations={f"S{number}": {} for number in range(STATIONS)})
    for number in range(STATIONS):
        for name in NAMES:
            said.series[register.Series(f"S{number}", name, "", "", 3600)] = None
    register.learn(conn, said)
    world.send(conn, [])
    ids = registry.load_series(conn)["series"].sort()
    rows = steps.with_columns(ids.gather(steps["series"] - 1).alias("series"))
    with conn.transaction():
        work = _take(conn, ids, START + DAYS * DAY)
        averages = rows.select("series", "time", "value", pl.lit("hour").alias("averaging"))
        derived.write(work, derived.AVERAGE, averages.with_columns(count=1, capture=1.0))
    conn.execute("INSERT INTO latest (series, first, time) SELECT id, %s, %s FROM series", [START, START + DAYS * DAY])


def _take(conn: Connection, subjects: pl.Series, now: datetime) -> ledger.Take:
    windows = pl.DataFrame({"subject": subjects}).with_columns(
        pl.lit(START, TIME).alias("start"), pl.lit(now, TIME).alias("stop")
    )
    return ledger.Take(conn, chain.STAGES["detect"][0], now, windows, windows, windows)


def _look(conn: Connection, now: datetime) -> float:
    """Seconds of the scores of the last hour of every station, the median of some looks."""
    series, taken = registry.load_series(conn), []
    last = pl.lit(now - HOUR, TIME)
    for _ in range(LOOKS):
        with conn.transaction(force_rollback=True):
            work = _take(conn, series["station"].unique(), now)
            work.affected = work.affected.with_columns(start=last)
            began = time.perf_counter()
            scores.detect(work, series)
            taken.append(time.perf_counter() - began)
    return sorted(taken)[LOOKS // 2]


if __name__ == "__main__":
    function()
    if len(sys.argv) > 1:
        live(sys.argv[1])
