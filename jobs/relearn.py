"""`greenwatch relearn`: maps of neighbours, fits of detectors and of what is derived, how often channels speak: dated.

Settling, and `watch`, go by them.
"""

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from importlib.metadata import version
from itertools import pairwise
from typing import Annotated

import polars as pl
import typer

from analytics import derivation, detection, quality
from analytics.alarms import cadence
from analytics.detection import network
from analytics.frames import TIME
from analytics.quality.surroundings import KIND
from analytics.store import channels, derivations, derived, fits, ledger, observations, registry
from analytics.store.connection import Connection
from jobs import chain, compare, console, foresee, scores
from jobs.rules import Rules, load_rules

EXAMPLE = "Example: greenwatch relearn --every 7"
#: Series learned from in one transaction, about: 56 days of their hours are some 500,000 rows.
BATCH = 400
#: Series of which a year is learned from in one transaction.
YEARS = 100
_INSTANT, _HOUR = timedelta(microseconds=1), timedelta(hours=1)
_VERSIONS = {"greenwatch": version("greenwatch"), "polars": pl.__version__}


@dataclass(slots=True)
class Learned:
    """What was done: `series` looked at, `fits`, `maps` and `cadences` of channels kept (those that say nothing new are
    not), `hours` read."""

    series: int = 0
    fits: int = 0
    maps: int = 0
    cadences: int = 0
    hours: int = 0
    seconds: float = 0.0


def run(conn: Connection, now: datetime, *, every: int | None = None) -> Learned:
    """What was learned of every series that speaks for its quantity, from the days before its last local midnight.

    With `every`, also as of each so many days before that, as far back as there are readings: the past is judged too.
    What a fit judges is marked with it, in one transaction a batch: run again after a kill, it goes on.
    """
    began, done, rules = time.perf_counter(), Learned(), load_rules(conn)[-1]
    voices = registry.load_voices(conn)
    with conn.transaction():
        done.maps = _survey(conn, rules, voices, now)
    for batch in _batches(voices):
        with conn.transaction():
            _learn(conn, rules, batch, voices, now, every, done)
    _derive(conn, rules, now, every, done)
    _listen(conn, now, done)
    done.seconds = time.perf_counter() - began
    return done


def _batches(voices: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """`voices` in parts of whole stations."""
    sizes = voices.group_by("station").agg(pl.col("voice").n_unique().alias("size")).sort("station")
    parts = sizes.with_columns(((pl.col("size").cum_sum() - 1) // BATCH).alias("part"))
    for (_,), part in parts.group_by("part", maintain_order=True):
        yield voices.join(part, on="station", how="semi", maintain_order="left")


def _learn(
    conn: Connection,
    rules: Rules,
    voices: pl.DataFrame,
    everyone: pl.DataFrame,
    now: datetime,
    every: int | None,
    done: Learned,
) -> None:
    """Nothing; detectors learn of the `voices`, some of `everyone`."""
    extent = observations.extent(conn, voices["series"].to_list())
    there = (
        voices.join(extent, on="series")
        .group_by("voice")
        .agg(pl.col("offset", "station", "parameter").first(), pl.col("start").min(), pl.col("stop").max())
        .with_columns(_midnight(now).alias("valid_from"))
    )
    done.series += there.height
    for window in sorted({rules.detectors[name]["window"] for name in detection.LEARN}):
        for step in _steps(there, window, every):
            windows = step.with_columns((pl.col("valid_from") - pl.duration(days=window)).alias("since"))
            hours = derived.load(
                conn,
                derived.AVERAGE,
                voices.join(windows, on="voice").select(
                    "series", pl.col("since").alias("start"), pl.col("valid_from").alias("stop")
                ),
                {"averaging": ["hour"]},
            )
            done.hours += hours.height
            said = scores.coalesce(hours, voices)
            facts = windows.select(pl.col("voice").alias("series"), "parameter", "offset", "station")
            for name, learn in detection.LEARN.items():
                if (setting := rules.detectors[name])["window"] != window:
                    continue
                read = (said, facts) if name != network.NAME else _beside(conn, said, facts, windows, everyone)
                done.hours += read[0].height - said.height
                made = scores.often(learn(*read, rules.parameters, setting))
                dated = made.join(windows.rename({"voice": "subject"}), on="subject").select(
                    "subject", "since", "valid_from", "blob"
                )
                new = fits.save(conn, name, dated, now, _VERSIONS)
                done.fits += new.height
                _mark(conn, new, there, now)


def _beside(
    conn: Connection, said: pl.DataFrame, facts: pl.DataFrame, windows: pl.DataFrame, everyone: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """`said` and `facts` of the voices of `windows` (voice, since, valid_from), and of those around them; the former
    with `near`, by the map in force then."""
    then = windows.select("since", "valid_from", series="voice")
    pairs = compare.circle(conn, everyone).join(then, on="series", maintain_order="left")
    last = pl.col("start") < pl.col("valid_from"), pl.col("stop").is_null() | (pl.col("stop") >= pl.col("valid_from"))
    pairs = pairs.filter(*last)
    near = pairs.group_by("series", maintain_order=True).agg(near="neighbour")
    others = pairs.filter(~pl.col("neighbour").is_in(facts["series"].implode()))
    asked = others.join(everyone.select("series", neighbour="voice"), on="neighbour", suffix="_beside").select(
        subject="series_beside", start="since", stop="valid_from"
    )
    spans = ledger.merge(asked).rename({"subject": "series"})
    hours = derived.load(conn, derived.AVERAGE, spans, {"averaging": ["hour"]})
    theirs = (
        everyone.filter(pl.col("voice").is_in(others["neighbour"].implode()))
        .unique("voice", keep="first", maintain_order=True)
        .select("parameter", "offset", "station", series="voice")
    )
    known = pl.concat([facts, theirs.select(facts.columns)]).join(near, on="series", how="left", maintain_order="left")
    return pl.concat([said, scores.coalesce(hours, everyone)]), known


def _derive(conn: Connection, rules: Rules, now: datetime, every: int | None, done: Learned) -> None:
    """Nothing; what derived series are to be derived by is learned from what they are made of."""
    for kind in (kind for kind in rules.derivations.values() if kind.method in derivation.LEARNERS):
        formulas = derivations.load(conn).filter(pl.col("kind") == kind.name)
        for first in range(0, formulas.height, YEARS):
            with conn.transaction():
                _learn_derived(conn, kind, formulas.slice(first, YEARS), now, every, done)


def _learn_derived(
    conn: Connection, kind: derivation.Kind, formulas: pl.DataFrame, now: datetime, every: int | None, done: Learned
) -> None:
    made_of = formulas.with_columns(pl.col("inputs").list.first().alias("input"))
    extent = observations.extent(conn, made_of["input"].unique().to_list()).rename({"series": "input"})
    there = made_of.join(extent, on="input").with_columns(_midnight(now).alias("valid_from"))
    done.series += there["series"].n_unique()
    for step in _steps(there, kind.constants["window"], every):
        # Of the formula in force as of that time.
        windows = step.filter(
            (pl.col("since") < pl.col("valid_from")).fill_null(value=True),
            (pl.col("until") >= pl.col("valid_from")).fill_null(value=True),
        ).select(
            pl.col("series").alias("subject"),
            "input",
            (pl.col("valid_from") - pl.duration(days=kind.constants["window"])).alias("since"),
            "valid_from",
        )
        asked = windows.select(subject="input", start="since", stop="valid_from")
        hours = derived.load(conn, derived.AVERAGE, ledger.merge(asked), {"averaging": ["hour"]})
        done.hours += hours.height
        named = hours.rename({"series": "input"}).join(windows.rename({"subject": "series"}), on="input")
        mine = named.filter(pl.col("time") >= pl.col("since"), pl.col("time") < pl.col("valid_from"))
        made = derivation.LEARNERS[kind.method](mine.select("series", "time", "value"), kind.constants)
        dated = made.join(windows, on="subject").select("subject", "since", "valid_from", "blob")
        new = fits.save(conn, kind.method, dated, now, _VERSIONS)
        done.fits += new.height
        ends = there.group_by(pl.col("series").alias("subject")).agg(pl.col("stop").max().alias("end"))
        # Hours that come while this is learned are derived by what was known before: up to now they are made again.
        last = pl.max_horizontal("end", pl.lit(now, TIME)) + _HOUR
        marks = new.join(ends, on="subject").with_columns(pl.min_horizontal("stop", last).alias("stop"))
        ledger.mark(conn, chain.STAGES["derive"][0], ledger.merge(marks.filter(pl.col("start") < pl.col("stop"))), now)


def _listen(conn: Connection, now: datetime, done: Learned) -> None:
    """Nothing; how often each channel that is heard live speaks, and how late, is learned from the days before the last
    midnight (UTC). Who watches for silence goes by it; it judges nothing that is past."""
    stop = now.replace(hour=0, minute=0, second=0, microsecond=0)
    days = [stop - timedelta(days=number) for number in range(cadence.DAYS + 1)]
    heard = channels.live(conn).filter(pl.col("live") >= days[-1])["series"].sort()
    for first in range(0, len(heard), BATCH):
        some = heard.slice(first, BATCH)
        readings = pl.concat(
            channels.newest(conn, some.to_list(), start, end, cadence.NEWEST) for end, start in pairwise(days)
        )
        window = {"start": pl.lit(days[-1], TIME), "stop": pl.lit(stop, TIME)}
        hours = derived.load(conn, derived.AVERAGE, some.to_frame().with_columns(**window), {"averaging": ["hour"]})
        made = cadence.learn(readings, hours.filter(pl.col("count") > 0).select("series", "time"))
        dated = made.with_columns(window["start"].alias("since"), window["stop"].alias("valid_from"))
        with conn.transaction():
            done.cadences += fits.save(conn, cadence.KIND, dated, now, _VERSIONS).height


def _survey(conn: Connection, rules: Rules, voices: pl.DataFrame, now: datetime) -> int:
    """Number of maps kept: who is around each series that speaks or stands in, by the registry as it is now.

    The first map of a series holds from its first reading on, however old that is; a later one from the last local
    midnight, and only where it is another one. What they judge is marked.
    """
    readings = registry.load_series(conn).filter(pl.col("statistic") == "").select("series")
    readings = readings.filter(~pl.col("series").is_in(derivations.derived(conn, readings["series"].to_list())))
    heard = voices.join(readings, on="series")
    drawn = quality.survey(heard, registry.load_stations(conn), rules.parameters).join(
        heard.select(pl.col("series").alias("subject"), "offset"), on="subject"
    )
    extent = observations.extent(conn, drawn["subject"].to_list()).rename({"series": "subject", "stop": "end"})
    known = fits.every(conn, KIND)
    there = drawn.join(extent, on="subject").with_columns(_midnight(now).alias("midnight"))
    oldest = known.group_by("subject").agg(pl.col("start").min().alias("oldest"))
    begun = (
        there.join(oldest, on="subject", how="left")
        .filter(pl.col("oldest").is_null() | (pl.col("start") < pl.col("oldest")))
        .filter(pl.col("oldest").is_not_null() | (pl.col("blob") != quality.NOBODY))
        .select("subject", "blob", valid_from="start")
    )
    told = there.sort("midnight").join_asof(
        known.select("subject", "start", said="blob").sort("start"),
        left_on="midnight",
        right_on="start",
        by="subject",
        strategy="backward",
        check_sortedness=False,
    )
    later = told.filter(pl.col("said").is_not_null() & (pl.col("said") != pl.col("blob")))
    made = pl.concat([begun, later.select("subject", "blob", valid_from="midnight")])
    new = fits.save(conn, KIND, made.with_columns(since="valid_from"), now, _VERSIONS)
    windows = (
        new.join(extent.select("subject", "end"), on="subject")
        .with_columns(pl.min_horizontal("stop", "end").alias("stop"))
        .filter(pl.col("start") < pl.col("stop"))
    )
    ledger.mark(conn, chain.STAGES["compare"][0], ledger.merge(windows), now)
    # What is around a station matters as long as anybody measures, be it silent itself.
    stations = registry.load_series(conn).select(subject="series", station="station")
    last = pl.min_horizontal("stop", pl.lit(extent["end"].max(), TIME)).alias("stop")
    held = new.join(stations, on="subject").select(pl.col("station").alias("subject"), "start", last)
    held = held.filter(pl.col("start") < pl.col("stop"))
    ledger.mark(conn, chain.STAGES["detect"][0], ledger.merge(held), now)
    return new.height


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
    """Learn anew what is usual for each series; `greenwatch settle` then judges by it, and forecasts go by it. The
    worker does this weekly."""
    with console.store(dsn) as conn:
        done = run(conn, console.now(), every=every)
        ahead = foresee.run(conn, console.now())
    if as_json:
        print(json.dumps({**asdict(done), "forecasts": asdict(ahead)}))
        return
    console.out.print(
        f"{done.fits:,} fits of {done.series:,} series from {done.hours:,} hours, {done.maps:,} maps of neighbours,"
        f" {done.cadences:,} cadences"
        f" in {done.seconds:.1f} s; {ahead.fits:,} fits of {ahead.parameters:,} parameters to forecast by"
        f" in {ahead.seconds:.1f} s"
    )
