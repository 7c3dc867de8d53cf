"""Channels: when each was last heard live, by whom and through which door, and the newest readings of days."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import polars as pl

from analytics.frames import TIME
from analytics.store import scattered
from analytics.store.connection import Connection
from analytics.store.packing import array, fetch

_LIVE: Mapping[str, pl.DataType] = {"series": pl.Int32(), "live": TIME}
_KEPT: Mapping[str, pl.DataType] = {"series": pl.Int32(), "time": TIME, "batch": pl.Int32()}
_READINGS: Mapping[str, pl.DataType] = {"series": pl.Int32(), "time": TIME, "known": TIME}
_INSTANT = timedelta(microseconds=1)


def live(conn: Connection) -> pl.DataFrame:
    """`series`, `live`: the newest live reading of each series that ever had one."""
    return fetch(conn, "SELECT series, live FROM latest WHERE live IS NOT NULL", _LIVE)


def carried(conn: Connection, live: pl.DataFrame) -> pl.DataFrame:
    """`series`, `source`, `door`: who said the reading that `live` (series, live) names, and by which door it came.

    A door is the first word of where its batch is from; posts that were answered at once came by `http`. Nothing is
    known of a reading that was replaced since, or archived: its series has no row.
    """
    windows = live.select("series", pl.col("live").alias("start"), (pl.col("live") + _INSTANT).alias("stop"))
    rows = scattered.fetch(conn, "observation", "series", windows, _KEPT)
    said = conn.execute(
        """
        SELECT id, source, CASE split_part(origin, ' ', 1) WHEN 'post' THEN 'http' ELSE split_part(origin, ' ', 1) END
        FROM batch WHERE id = ANY(%s) AND kind = 'live'
        """,
        [rows["batch"].unique().to_list()],
    ).fetchall()
    batches = pl.DataFrame(said, schema={"batch": pl.Int32, "source": pl.Int32, "door": pl.String}, orient="row")
    return rows.join(batches, on="batch").select("series", "source", "door")


def newest(conn: Connection, series: list[int], start: datetime, stop: datetime, most: int) -> pl.DataFrame:
    """`series`, `time`, `known`: of each of `series` the newest readings in [start, stop), `most` at most; `known` is
    when it was committed, null where it did not come live."""
    return fetch(
        conn,
        """
        SELECT w.series, o.time, b.known
        FROM unnest(%s::int4[]) AS w (series)
        CROSS JOIN LATERAL (
            SELECT time, batch FROM observation WHERE series = w.series AND time >= %s AND time < %s
            ORDER BY time DESC LIMIT %s
        ) AS o
        LEFT JOIN LATERAL (SELECT known FROM batch WHERE id = o.batch AND kind = 'live' OFFSET 0) AS b ON true
        """,
        _READINGS,
        [array(pl.Series(series, dtype=pl.Int32)), start, stop, most],
    )
