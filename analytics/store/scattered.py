"""Rows that lie scattered: in many windows, of many subjects, over years."""

from collections.abc import Iterator, Mapping
from datetime import timedelta

import polars as pl
from psycopg import sql

from analytics.store import packing
from analytics.store.connection import Connection

#: What one statement on scattered rows spans, about a chunk of what is derived.
_SPAN = timedelta(days=28)


def fetch(
    conn: Connection,
    table: str,
    subject: str,
    windows: pl.DataFrame,
    columns: Mapping[str, pl.DataType],
    only: Mapping[str, list[int]] | None = None,
) -> pl.DataFrame:
    """`columns` of the rows of `table` whose `subject` and time lie in `windows` (subject column first, start, stop).

    `only` names the numbers some columns may have.
    """
    if windows.is_empty():
        return pl.DataFrame(schema=dict(columns))
    parts = [_fetch(conn, table, subject, some, columns, only or {}) for some in by_time(windows, "start", "stop")]
    return pl.concat(parts)


def by_time(rows: pl.DataFrame, start: str = "time", stop: str = "time") -> Iterator[pl.DataFrame]:
    """`rows` in parts that span four weeks each; those that are longer themselves, in one part.

    A statement that joins them to a hypertable looks into every chunk between its earliest and latest row for each of
    its rows: in one statement, scattered rows over years would cost their number times the number of chunks.
    """
    if rows.height < 2:
        if rows.height:
            yield rows
        return
    short = pl.col(stop) - pl.col(start) <= _SPAN
    part = pl.when(short).then(pl.col(start).dt.truncate(f"{_SPAN.days}d"))
    for _, some in rows.with_columns(part.alias("_part")).group_by("_part", maintain_order=True):
        yield some.drop("_part")


def _fetch(
    conn: Connection,
    table: str,
    subject: str,
    windows: pl.DataFrame,
    columns: Mapping[str, pl.DataType],
    only: Mapping[str, list[int]],
) -> pl.DataFrame:
    subjects, start, stop = windows.columns[0], windows["start"], windows["stop"]
    # LATERAL with OFFSET 0, and what a page costs on our connections, keep it an index scan a window, whatever the
    # planner thinks of a table it never analysed or analysed too early; the outer bounds let TimescaleDB leave out
    # chunks before it starts.
    query = sql.SQL(
        """
        SELECT o.* FROM unnest(%s::int4[], %s::timestamptz[], %s::timestamptz[]) AS w (subject, start, stop)
        CROSS JOIN LATERAL (
            SELECT {columns} FROM {table} o
            WHERE o.{subject} = w.subject AND o.time >= w.start AND o.time < w.stop
                AND o.time >= %s AND o.time < %s {only}
            OFFSET 0
        ) AS o
        """
    ).format(
        only=sql.SQL(" ").join(sql.SQL("AND o.{} = ANY(%s)").format(sql.Identifier(name)) for name in only),
        columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
        table=sql.Identifier(table),
        subject=sql.Identifier(subject),
    )
    params: list[object] = [
        packing.array(windows[subjects]),
        packing.array(start),
        packing.array(stop),
        start.min(),
        stop.max(),
    ]
    params.extend(only.values())
    return packing.fetch(conn, query, columns, params)
