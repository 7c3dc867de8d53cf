"""What is kept of each series: readings, what they were judged to be, their means, scores."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import polars as pl

from analytics import averaging, quality
from analytics.store import derived, horizon, observations
from analytics.store.connection import Connection
from jobs import chain
from jobs.again import load_again
from jobs.compare import load_pairs, most
from jobs.export import pages
from jobs.export.ask import Ask
from jobs.rules import Rules

#: The tests that objected, in words.
OBJECTED = pl.concat_str(
    [pl.when(pl.col("tests") & bit != 0).then(pl.lit(name)) for name, bit in quality.BITS.items()],
    separator=" ",
    ignore_nulls=True,
)


def export_observations(conn: Connection, ask: Ask) -> Iterator[pl.DataFrame]:
    """station, parameter, time, value, corrected, mark, revision, position, statistic, cadence [s].

    `value` as it was received, `corrected` as it counts, null where it is withdrawn.
    """
    for names, windows in _pages(conn, ask):
        yield observations_in(conn, windows, names, ask.known).select(
            "station",
            "parameter",
            "time",
            "value",
            "corrected",
            "mark",
            "revision",
            "position",
            "statistic",
            "cadence",
        )


def observations_in(
    conn: Connection, windows: pl.DataFrame, names: pl.DataFrame, known: datetime | None
) -> pl.DataFrame:
    """What `export_observations` writes of `windows` (series, start, stop), and `series`."""
    found = chain.load_readings(conn, windows, known)
    horizon.require(conn, windows)
    counted = found.counted.select("series", "time", corrected="value")
    rows = found.received.join(counted, on=["series", "time"], how="left")
    mark = pl.col("mark").map_elements(chr, return_dtype=pl.String)
    return pages.named(rows.with_columns(mark.alias("mark"), pl.col("revision").fill_null(0)), names)


def export_verdicts(conn: Connection, ask: Ask) -> Iterator[pl.DataFrame]:
    """station, parameter, time, code (QARTOD), tests (that objected), position; a good reading has no row."""
    for names, windows, rules in _judged(conn, ask):
        rows = verdicts_in(conn, windows, ask.known, rules)
        yield pages.named(rows.with_columns(OBJECTED.alias("tests")), names).select(
            "station", "parameter", "time", "code", "tests", "position"
        )


def export_averages(conn: Connection, ask: Ask) -> Iterator[pl.DataFrame]:
    """station, parameter, time, averaging, value, count, expected, position; value is null where too few came."""
    for names, windows, rules in _judged(conn, ask, averaging.BACK):  # a day begins before its first hour
        rows = averages_in(conn, windows, ask, rules)
        yield pages.named(rows, names, "averaging").select(
            "station", "parameter", "time", "averaging", "value", "count", "expected", "position"
        )


def verdicts_in(conn: Connection, windows: pl.DataFrame, known: datetime | None, rules: list[Rules]) -> pl.DataFrame:
    """`frames.VERDICTS` of `windows` (series, start, stop): stored, or made again of what was `known`, by the `rules`
    then."""
    if known is None:
        return derived.load(conn, derived.VERDICT, windows)
    return load_again(conn, windows, known, rules)[0]


def averages_in(conn: Connection, windows: pl.DataFrame, ask: Ask, rules: list[Rules]) -> pl.DataFrame:
    """`frames.AVERAGES` asked for of `windows` (series, start, stop): stored, or made again as verdicts are."""
    if ask.known is None:
        only = None if ask.averagings is None else {"averaging": ask.averagings}
        return derived.load(conn, derived.AVERAGE, windows, only)
    made = load_again(conn, windows, ask.known, rules)[1]
    return made if ask.averagings is None else made.filter(pl.col("averaging").is_in(ask.averagings))


def export_scores(conn: Connection, ask: Ask) -> Iterator[pl.DataFrame]:
    """station, parameter, time, detector, value (1 is the line), position."""
    names = pages.series(conn, ask)
    spans = derived.extent(conn, derived.SCORE, names["series"].to_list())
    for windows in pages.slices(spans, names, ask, pages.room(3600)):
        rows = derived.load(conn, derived.SCORE, windows)
        yield pages.named(rows, names, "detector").select(
            "station", "parameter", "time", "detector", "value", "position"
        )


def _judged(
    conn: Connection, ask: Ask, before: timedelta = timedelta(0)
) -> Iterator[tuple[pl.DataFrame, pl.DataFrame, list[Rules]]]:
    """As `_pages`, and the rules by which rows are made again; none where they are stored."""
    rules = [] if ask.known is None else chain.load_rules(conn, ask.known)
    for names, windows in _pages(conn, ask, before):
        yield names, windows, rules


def _pages(conn: Connection, ask: Ask, before: timedelta = timedelta(0)) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
    """Series with their names, and windows (series, start, stop) of a page of rows, by station and parameter.

    `before` their first reading there may be rows too.
    """
    names = pages.series(conn, ask)
    spans = observations.extent(conn, names["series"].to_list()).with_columns(pl.col("start") - before)
    # What is made again is made of the readings of neighbours, too.
    others = 0 if ask.known is None else most(load_pairs(conn, ask.known))
    for windows in pages.slices(spans, names, ask, pages.room(names["cadence"].min(), rows=1 + others)):
        yield names, windows
