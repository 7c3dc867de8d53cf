"""Rows of readings by their key: what is stored, found, put into history, removed."""

from collections.abc import Iterator

import polars as pl
from psycopg import sql

from analytics.frames import OBSERVATIONS
from analytics.store import columnstore, scattered
from analytics.store.connection import Connection
from analytics.store.packing import fetch

#: What a save compares by: `frames.OBSERVATIONS` and the sender's revision.
READINGS = {**OBSERVATIONS, "revision": pl.Int64()}
STORED = {**READINGS, "batch": pl.Int32()}
KEY = ["series", "time"]


def load_keys(conn: Connection, keys: pl.DataFrame, table: str = "observation") -> pl.DataFrame:
    """STORED of about `keys` (series, time) in `table`, at least of those: what is stored, or `observation_history`.

    Where the keys lie close together their whole stretch is read at once; where they are scattered each is looked up.
    """
    stretches = keys.group_by("series").agg(
        pl.col("time").min().alias("start"), pl.col("time").max().alias("stop"), pl.len().alias("rows")
    )
    span = (stretches["stop"] - stretches["start"]).dt.total_seconds() / 60
    dense = stretches.filter(span <= 60 * stretches["rows"])
    loose = keys.join(dense, on="series", how="anti")
    parts = []
    if dense.height:
        windows = dense.with_columns((pl.col("stop") + pl.duration(microseconds=1)).alias("stop"))
        parts.append(scattered.fetch(conn, table, "series", windows, STORED))
    # Each by itself: joined at once, the planner may read, or unpack, whole chunks.
    query = sql.SQL(
        """
        SELECT o.* FROM unnest(%s::int4[], %s::timestamptz[]) AS k (series, time) CROSS JOIN LATERAL (
            SELECT * FROM {} o WHERE o.series = k.series AND o.time = k.time AND o.time BETWEEN %s AND %s
            OFFSET 0
        ) AS o
        """
    ).format(sql.Identifier(table))
    parts.extend(fetch(conn, query, STORED, _keys(some)) for some in scattered.by_time(loose))
    return pl.concat(parts) if parts else pl.DataFrame(schema=STORED)


def _keys(rows: pl.DataFrame) -> list[object]:
    """Series, times, first and last time of `rows`, as statements on keys take them."""
    return [rows["series"].to_list(), rows["time"].to_list(), rows["time"].min(), rows["time"].max()]


def displace(conn: Connection, displacing: pl.DataFrame) -> None:
    """The stored rows of these keys moved to history as they are, with the batch that brought them."""
    into = sql.SQL(
        """
        WITH gone AS ({} RETURNING o.time, o.value, o.series, o.batch, o.mark, o.revision)
        INSERT INTO observation_history (time, value, series, batch, mark, revision) SELECT * FROM gone
        """
    )
    for statement, values in _removing(conn, displacing):
        conn.execute(into.format(statement), values)


def remove(conn: Connection, keys: pl.DataFrame) -> None:
    """Nothing; the stored rows of `keys` (series, time) are away. Whoever calls it has put them into history."""
    for statement, values in _removing(conn, keys):
        conn.execute(statement, values)


def _removing(conn: Connection, keys: pl.DataFrame) -> Iterator[tuple[sql.Composed, list[object]]]:
    """The statements, and what they take, that delete the stored rows of `keys` (series, time)."""
    loose, packed = columnstore.split(conn, "observation", keys)
    for some in scattered.by_time(loose):
        yield _AT_KEYS, _keys(some)
    for some in scattered.by_time(packed):
        for condition, values in columnstore.by_key(some, KEY):
            yield sql.SQL("DELETE FROM observation o WHERE {}").format(condition), values


_AT_KEYS = sql.Composed(
    [
        sql.SQL(
            """
            DELETE FROM observation o USING unnest(%s::int4[], %s::timestamptz[]) AS k (series, time)
            WHERE o.series = k.series AND o.time = k.time AND o.time BETWEEN %s AND %s
            """
        )
    ]
)
