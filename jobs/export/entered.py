"""What people said of readings: corrections."""

import json
from collections.abc import Iterator

import polars as pl

from analytics.frames import TIME
from analytics.store import corrections
from analytics.store.connection import Connection
from jobs.export import pages
from jobs.export.ask import Ask

_COLUMNS = {
    **dict.fromkeys(("station", "parameter"), pl.String()),
    "id": pl.Int32(),
    "kind": pl.String(),
    **dict.fromkeys(("start", "stop"), TIME),
    **dict.fromkeys(("given", "author", "reason"), pl.String()),
    **dict.fromkeys(("known", "ended"), TIME),
    **dict.fromkeys(("ended_by", "ended_reason", "position", "statistic"), pl.String()),
    "cadence": pl.Int32(),
}


_SERIES = 10_000


def export_corrections(conn: Connection, ask: Ask) -> Iterator[pl.DataFrame]:
    """station, parameter, id, kind, start, stop, given (JSON), author, reason, known, ended, ended_by, ended_reason,
    position, statistic, cadence [s]: those in force and those ended, in the order they apply. Asked for by what they
    reach into."""
    names = pages.series(conn, ask)
    # Few, since people enter them: a page is that of so many series.
    for some in names.iter_slices(_SERIES) if names.height else [names]:
        found = corrections.listed(conn, some["series"].to_list(), ended=True)
        rows = pl.DataFrame(
            [{**row, "given": json.dumps(row["given"], sort_keys=True)} for row in found], schema=_COLUMNS
        )
        yield _then(rows, ask).sort("station", "parameter", "position", "statistic", "cadence", "id")


def _then(rows: pl.DataFrame, ask: Ask) -> pl.DataFrame:
    """The `rows` asked for, as they were known."""
    if ask.start is not None:
        rows = rows.filter(pl.col("stop") > ask.start)
    if ask.stop is not None:
        rows = rows.filter(pl.col("start") < ask.stop)
    if ask.known is None:
        return rows
    over = pl.col("ended") <= ask.known
    return rows.filter(pl.col("known") <= ask.known).with_columns(
        pl.when(over).then(pl.col(name)).alias(name) for name in ("ended", "ended_by", "ended_reason")
    )
