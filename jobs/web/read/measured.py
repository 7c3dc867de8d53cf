"""Readings and averages of series, as they are kept."""

import polars as pl

from analytics import averaging
from analytics.averaging import VOID
from analytics.frames import TIME
from analytics.store import observations
from analytics.store.connection import Connection
from jobs.export import measured, pages
from jobs.export.ask import Ask
from jobs.rules import Rules, load_rules
from jobs.web.problems import Refused
from jobs.web.read import past, selected, walk
from jobs.web.read.asked import Asked
from jobs.web.read.forms import Page
from jobs.web.read.selected import SERIES

#: What each row says of its series beside its names.
ABOUT = ("series", "unit", "utc_offset")
#: What names a series within its station and parameter, and is said of it; what stands beside a mean.
OF_SERIES, MEANS = ("position", "statistic", "cadence", *ABOUT), ("count", "expected", "coverage")


def readings(conn: Connection, asked: Asked, rules: list[Rules]) -> Page:
    """Readings that count, as they count: station, parameter, time, value, verdict, position, statistic, cadence [s]
    and ABOUT; `raw`, every one as it was received: with corrected, tests, mark and revision, too."""
    known = past.moment(conn, asked)
    names = selected.series(conn, asked, rules)
    facts = selected.facts(conn, names, rules, known)
    then = [] if known is None else load_rules(conn, known)
    spans = ordered(conn, observations.extent(conn, names["series"].to_list()), names, facts, asked)

    def load(windows: pl.DataFrame) -> pl.DataFrame:
        found = _windows(windows)
        rows = measured.observations_in(conn, found, names, known)
        verdicts = measured.verdicts_in(conn, found, known, then)
        judged = verdicts.select("series", "time", measured.OBJECTED.alias("tests"), verdict="code")
        rows = rows.join(judged, on=["series", "time"], how="left", maintain_order="left")
        if asked.raw:
            more: tuple[str, ...] = ("value", "corrected", "verdict", "tests", "mark", "revision")
        else:
            more = ("value", "verdict")
            void = pl.col("verdict").is_in(VOID).fill_null(value=False)
            rows = rows.filter(pl.col("corrected").is_not_null(), ~void).with_columns(value="corrected")
        return described(rows, facts).select("station", "parameter", "time", *more, *OF_SERIES)

    most = walk.MOST if known is None else past.MOST
    stretches = walk.counted(conn, walk.walk(spans, SERIES, asked, most=most), most)
    rows, cursor = walk.page(stretches, load, (*SERIES, "time"), asked)
    return Page(rows, cursor, known, past.lasting(known))


def averages(conn: Connection, asked: Asked, rules: list[Rules]) -> Page:
    """Averages as they are kept: station, parameter, time, averaging, value, count, expected, coverage [1], position,
    statistic, cadence [s] and ABOUT. `value` is null where too few came."""
    known = past.moment(conn, asked)
    names = selected.series(conn, asked, rules)
    facts = selected.facts(conn, names, rules, known)
    then = [] if known is None else load_rules(conn, known)
    require_averagings(asked, rules)
    ask = Ask(averagings=list(asked.averagings) or None, known=known)
    extent = observations.extent(conn, names["series"].to_list()).with_columns(pl.col("start") - averaging.BACK)
    # What is made again is made of readings; what is stored comes by the hour, of each averaging.
    step = pl.lit(3600.0 / (len(asked.averagings) or 4)) if known is None else pl.col("step")
    spans = ordered(conn, extent, names, facts.with_columns(step=step), asked)
    keys = (*SERIES, "time", "averaging")

    def load(windows: pl.DataFrame) -> pl.DataFrame:
        rows = measured.averages_in(conn, _windows(windows), ask, then)
        found = covered(pages.named(rows, names, "averaging"))
        return described(found, facts).select(
            "station",
            "parameter",
            "time",
            "averaging",
            "value",
            *MEANS,
            *OF_SERIES,
        )

    most = walk.MOST if known is None else past.MOST
    rows, cursor = walk.page(walk.walk(spans, SERIES, asked, most=most), load, keys, asked)
    return Page(rows, cursor, known, past.lasting(known))


def require_averagings(asked: Asked, rules: list[Rules]) -> None:
    """Nothing, where there is every averaging that is asked for. Raises `Refused`."""
    there = {name for rule in rules for name in rule.averagings}
    if unknown := sorted(set(asked.averagings) - there):
        raise Refused("bad-query", f"there is no averaging {unknown[0]!r}; there are {', '.join(sorted(there))}")


def ordered(
    conn: Connection, extent: pl.DataFrame, names: pl.DataFrame, facts: pl.DataFrame, asked: Asked
) -> pl.DataFrame:
    """Spans to `walk.walk`: the parts of `extent` (series, start, stop) that are asked for, sorted by SERIES."""
    of = facts.select(pl.col("series").alias("subject"), "station", "offset")
    spans = selected.inside(extent.rename({"series": "subject"}), asked, conn, of)
    return (
        spans.join(names.rename({"series": "subject", "code": "station"}), on="subject")
        .join(facts.select(pl.col("series").alias("subject"), "step"), on="subject")
        .sort(*SERIES, "start")
    )


def covered(rows: pl.DataFrame) -> pl.DataFrame:
    """`rows` with their `coverage`: the share of the `expected` values that `count` are."""
    return rows.with_columns(coverage=(pl.col("count") / pl.col("expected")).round(6))


def described(rows: pl.DataFrame, facts: pl.DataFrame) -> pl.DataFrame:
    """`rows` with what is said of their series."""
    return rows.join(facts.select(ABOUT), on="series", how="left", maintain_order="left")


def _windows(windows: pl.DataFrame) -> pl.DataFrame:
    return windows.select(pl.col("subject").alias("series"), "start", "stop")


def latest(conn: Connection, series: list[int]) -> pl.DataFrame:
    """`series`, `first`, `last`: times of the first and the last reading of each that has any; of a derived one, of the
    hours it may have."""
    found = observations.extent(conn, series)
    last = pl.col("stop") - walk.INSTANT
    return found.select("series", pl.col("start").cast(TIME).alias("first"), last.cast(TIME).alias("last"))
