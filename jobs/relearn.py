"""`greenwatch relearn`: fits of the detectors, dated; what they judge is made again by the next settle."""

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from importlib.metadata import version
from typing import Annotated

import polars as pl
import typer

from analytics import detection
from analytics.frames import TIME
from analytics.store import derived, fits, ledger, observations, registry
from analytics.store.connection import Connection
from jobs import chain, console
from jobs.detect import coalesce
from jobs.rules import Rules, load_rules

EXAMPLE = "Example: greenwatch relearn --every 7"
#: Series learned from in one transaction: 28 days of their hours are some 300,000 rows.
BATCH = 400
_INSTANT, _HOUR = timedelta(microseconds=1), timedelta(hours=1)


@dataclass(slots=True)
class Learned:
    """What was done: `series` looked at, `fits` kept (those that say nothing new are not), `hours` read."""

    series: int = 0
    fits: int = 0
    hours: int = 0
    seconds: float = 0.0


def run(conn: Connection, now: datetime, *, every: int | None = None) -> Learned:
    """What was learned of every series that speaks for its quantity, from the days before its last local midnight.

    With `every`, also as of each so many days before that, as far back as there are readings: the past is judged too.
    What a fit judges is marked with it, in one transaction a batch: run again after a kill, it goes on.
    """
    began, done, rules = time.perf_counter(), Learned(), load_rules(conn)[-1]
    voices = registry.load_voices(conn)
    for batch in _batches(voices):
        with conn.transaction():
            _learn(conn, rules, batch, now, every, done)
    done.seconds = time.perf_counter() - began
    return done


def _batches(voices: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """`voices` in parts of whole quantities."""
    ids = voices["voice"].unique().sort()
    for first in range(0, len(ids), BATCH):
        yield voices.filter(pl.col("voice").is_in(ids.slice(first, BATCH).implode()))


def _learn(
    conn: Connection, rules: Rules, voices: pl.DataFrame, now: datetime, every: int | None, done: Learned
) -> None:
    extent = observations.extent(conn, voices["series"].to_list())
    there = (
        voices.join(extent, on="series")
        .group_by("voice")
        .agg(pl.col("offset", "station", "parameter").first(), pl.col("start").min(), pl.col("stop").max())
        .with_columns(_midnight(now).alias("valid_from"))
    )
    done.series += there.height
    for name, learn in detection.LEARNERS.items():
        setting = rules.detectors[name]
        for step in _steps(there, setting["window"], every):
            windows = step.with_columns((pl.col("valid_from") - pl.duration(days=setting["window"])).alias("since"))
            hours = derived.load(
                conn,
                derived.AVERAGE,
                voices.join(windows, on="voice").select(
                    "series", pl.col("since").alias("start"), pl.col("valid_from").alias("stop")
                ),
                {"averaging": ["hour"]},
            )
            done.hours += hours.height
            facts = windows.select(pl.col("voice").alias("series"), "parameter", "offset")
            made = learn(coalesce(hours, voices), facts, rules.parameters, setting)
            dated = made.join(windows.rename({"voice": "subject"}), on="subject").select(
                "subject", "since", "valid_from", "blob"
            )
            new = fits.save(conn, name, dated, now, {"greenwatch": version("greenwatch"), "polars": pl.__version__})
            done.fits += new.height
            _mark(conn, new, there, now)


def _midnight(now: datetime) -> pl.Expr:
    """The last local midnight before `now`, by `offset` [min]."""
    offset = pl.duration(minutes=pl.col("offset"))
    return ((pl.lit(now, TIME) + offset).dt.truncate("1d") - offset).cast(TIME)


def _steps(there: pl.DataFrame, window: int, every: int | None) -> Iterator[pl.DataFrame]:
    """`there` as of each time it is learned: now, and with `every` so many days before, while readings are older."""
    step, since = there, pl.col("valid_from") - pl.duration(days=window)
    while (step := step.filter(pl.col("start") < pl.col("valid_from"))).height:
        if (some := step.filter(pl.col("stop") > since)).height:
            yield some
        if every is None:
            return
        step = step.with_columns(pl.col("valid_from") - pl.duration(days=every))


def _mark(conn: Connection, new: pl.DataFrame, there: pl.DataFrame, now: datetime) -> None:
    """Nothing; the hours that the `new` fits judge are marked."""
    ends = there.select(pl.col("voice").alias("subject"), "station", (pl.col("stop") + _HOUR).alias("end"))
    windows = (
        new.join(ends, on="subject")
        .select(pl.col("station").alias("subject"), "start", pl.min_horizontal("stop", "end").alias("stop"))
        .filter(pl.col("start") < pl.col("stop"))
    )
    ledger.mark(conn, chain.STAGES["detect"][0], ledger.merge(windows), now)


def main(
    every: Annotated[
        int | None,
        typer.Option(
            min=1, help="Learn also as of each so many days before, back to the first readings: judges the past."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was done as JSON.")] = False,
    dsn: console.Dsn = None,
) -> None:
    """Learn anew what is usual for each series; `greenwatch settle` then judges by it. The worker does this weekly."""
    with console.store(dsn) as conn:
        done = run(conn, console.now(), every=every)
    if as_json:
        print(json.dumps(asdict(done)))
        return
    console.out.print(f"{done.fits:,} fits of {done.series:,} series from {done.hours:,} hours in {done.seconds:.1f} s")
