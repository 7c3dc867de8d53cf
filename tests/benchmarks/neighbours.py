"""Comparing readings with their neighbours. `python -m tests.benchmarks.neighbours [DSN]`.

The pure function against the first pass over the same rows; with the DSN of an empty migrated store, what a live minute
of 10,000 series costs there with neighbours and without.
"""

import sys
import time
from contextlib import closing
from datetime import timedelta

import numpy as np
import polars as pl

from analytics import parameters, quality
from analytics.frames import TIME
from analytics.store import connection, observations, register, registry
from analytics.store.connection import Connection
from analytics.store.observations import Origin
from jobs import chain, relearn
from tests import world
from tests.benchmarks.common import START, measure, readings, report

PARAMETERS = parameters.load()
STATIONS, MINUTES = 1430, 12
NAMES = [name for name, parameter in PARAMETERS.items() if "neighbours" in parameter.quality]


def function() -> None:
    """Prints rates over a million rows of 200 series, eight neighbours each."""
    frame, series = readings(200, 5000, timedelta(minutes=10))
    rng = np.random.Generator(np.random.PCG64(7))
    spots = rng.uniform(0, 0.2, (200, 2))
    places = pl.DataFrame({"station": series["station"], "longitude": 116 + spots[:, 0], "latitude": 40 + spots[:, 1]})
    maps = quality.survey(series.with_columns(rank=pl.lit(0)), places, PARAMETERS)
    pairs = quality.pairs(maps.with_columns(start=pl.lit(START, TIME), stop=pl.lit(None, TIME)))
    first = quality.flag(frame, series, PARAMETERS)
    made = quality.compare(frame, frame, first, pairs, series, PARAMETERS)
    apart = made.filter(pl.col("tests") & quality.BITS["neighbours"] != 0).height
    print(f"{pairs.height / 200:.1f} neighbours each; {first.height:,} first verdicts, {apart:,} readings apart")
    seconds = measure(
        {
            "quality.compare": lambda: quality.compare(frame, frame, first, pairs, series, PARAMETERS),
            "quality.flag, the first pass": lambda: quality.flag(frame, series, PARAMETERS),
        }
    )
    report("the final pass of 200 series", frame.height, "points", seconds)


def live(dsn: str) -> None:
    """Prints the seconds of each stage for a minute's readings of all series, medians, without maps and with them."""
    with closing(connection.connect(dsn)) as conn:
        series = _register(conn)
        source = registry.source(conn, "live")
        print(f"{len(series):,} series, a reading a minute each; seconds of each stage a minute")
        for title, first in (("without neighbours", 0), ("with eight neighbours", MINUTES)):
            if first:
                done = relearn.run(conn, START + timedelta(minutes=MINUTES))
                print(f"relearn: {done.maps:,} maps, with the detectors' fits {done.seconds:.1f} s")
                chain.settle(conn, lambda: START + timedelta(days=1))
            spent = [_minute(conn, series, source, first + number) for number in range(MINUTES)][MINUTES // 2 :]
            middle = {stage: sorted(item[stage] for item in spent)[len(spent) // 2] for stage in chain.STAGES}
            read = sorted(item["compare read"] for item in spent)[len(spent) // 2]
            said = ", ".join(f"{stage} {seconds:.2f}" for stage, seconds in middle.items() if seconds)
            print(f"{title}: {said}; compare reads {read:,.0f} rows")


def _register(conn: Connection) -> pl.Series:
    said = register.Registry(stations={f"S{number}": {} for number in range(STATIONS)})
    for number in range(STATIONS):
        for name in NAMES:
            said.series[register.Series(f"S{number}", name, "", "", 60)] = None
    register.learn(conn, said)
    conn.execute("UPDATE station SET longitude = 116 + (id % 38) * 0.005, latitude = 40 + (id / 38) * 0.004")
    return registry.load_series(conn)["series"]


def _minute(conn: Connection, series: pl.Series, source: int, number: int) -> dict[str, float]:
    """Seconds of each stage for the readings of minute `number`, each series at its own second."""
    rng = np.random.Generator(np.random.PCG64(number))
    at = START + timedelta(minutes=number)
    rows = pl.DataFrame({"series": series, "value": np.round(rng.normal(40, 4, len(series)), 1)}).with_columns(
        (pl.lit(at, TIME) + pl.duration(seconds=pl.col("series") % 60)).alias("time"),
        mark=pl.lit(None, pl.Int16),
        revision=pl.lit(None, pl.Int64),
    )
    now = at + timedelta(minutes=1)
    observations.save(
        conn, rows.select(*observations.READINGS), world.NOTHING, Origin(source, "benchmark", kind="live"), now
    )
    began = time.perf_counter()
    work = chain.settle(conn, lambda: now)
    spent: dict[str, float] = {item.stage: item.seconds for item in work}
    spent["compare read"] = next(item.read for item in work if item.stage == "compare")
    spent["all"] = time.perf_counter() - began
    return spent


if __name__ == "__main__":
    function()
    if len(sys.argv) > 1:
        live(sys.argv[1])
