"""What is kept of each series: readings, what they were judged to be, their means, scores."""

from collections.abc import Iterator
from datetime import timedelta

import polars as pl

from analytics import averaging, quality
from analytics.store import derived, horizon, observations
from analytics.store.connection import Connection
from analytics.store.derived import Table
from jobs import chain
from jobs.again import load_again
from jobs.compare import load_pairs, most
from jobs.export import pages
from jobs.export.ask import Ask


def export_observations(conn: Connection, ask: Ask) -> Iterator[pl.DataFrame]:
    """station, parameter, time, value, corrected, mark, revision, position, statistic, cadence [s].

    `value` as it was received, `corrected` as it counts, null where it is withdrawn.
    """
    for names, windows in _pages(conn, ask):
        found = chain.load_readings(conn, windows, ask.known)
        horizon.require(conn, windows)
        counted = found.counted.select("series", "time", corrected="value")
        rows = found.received.join(counted, on=["series", "time"], how="left")
        mark = pl.col("mark").map_elements(chr, return_dtype=pl.String)
        yield pages.named(rows.with_columns(mark.alias("mark")), names).select(
            "station",
            "parameter",
            "time",
            "value",
            "corrected",
            "mark",
            pl.col("revision").fill_null(0),
            "position",
            "statistic",
            "cadence",
        )


def export_verdicts(conn: Connection, ask: Ask) -> Iterator[pl.DataFrame]:
    """station, parameter, time, code (QARTOD), tests (that objected), position; a good reading has no row."""
    objected = pl.concat_str(
        [pl.when(pl.col("tests") & bit != 0).then(pl.lit(name)) for name, bit in quality.BITS.items()],
        separator=" ",
        ignore_nulls=True,
    )
    for rows, names in _judged(conn, ask, derived.VERDICT):
        yield pages.named(rows.with_columns(objected.alias("tests")), names).select(
            "station", "parameter", "time", "code", "tests", "position"
        )


def export_averages(conn: Connection, ask: Ask) -> Iterator[pl.DataFrame]:
    """station, parameter, time, averaging, value, count, expected, position; value is null where too few came."""
    wanted = pl.lit(True) if ask.averagings is None else pl.col("averaging").is_in(ask.averagings)
    for rows, names in _judged(conn, ask, derived.AVERAGE, averaging.BACK):  # a day begins before its first hour
        yield pages.named(rows.filter(wanted), names, "averaging").select(
            "station", "parameter", "time", "averaging", "value", "count", "expected", "position"
        )


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
    conn: Connection, ask: Ask, table: Table, before: timedelta = timedelta(0)
) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
    """Rows of the verdicts or averages, stored or made again, and the names of their series."""
    if ask.known is None:
        for names, windows in _pages(conn, ask, before):
            yield derived.load(conn, table, windows), names
        return
    rules = chain.load_rules(conn, ask.known)
    for names, windows in _pages(conn, ask, before):
        verdicts, averages = load_again(conn, windows, ask.known, rules)
        yield verdicts if table is derived.VERDICT else averages, names


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
