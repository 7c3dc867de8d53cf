"""Readings beyond hard limits: of which series to look closer, and what was received of these."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import polars as pl

from analytics.frames import TIME
from analytics.store.connection import Connection
from analytics.store.packing import array

#: What `received` gives: `live` 1 where a live batch brought the reading as it stands, else 0.
RECEIVED: Mapping[str, pl.DataType] = {
    "series": pl.Int32(),
    "time": TIME,
    "value": pl.Float64(),
    "mark": pl.Int16(),
    "live": pl.Int16(),
}
#: Readings of a series with layers over them that are looked at, beside those asked for: some may not count.
MORE = 1_000
_SPAN = (pl.col("start").min(), pl.col("stop").max())


def asking(limits: pl.DataFrame) -> dict[str, str]:
    """`limits` (series, sign, limit, low, high, `late` [s]) as `suspects` takes them, again and again."""
    return {name: array(limits[name]) for name in ("series", "sign", "limit", "low", "high", "late")}


def suspects(conn: Connection, limits: Mapping[str, str], void: Sequence[int], now: datetime) -> list[int]:
    """Series of `limits` (`asking`) whose newest live reading is no more than `late` [s] old and whose newest one is
    beyond the limit, or void: outside `low` to `high`, or of a mark in `void` (code points); and those with a layer in
    force over now. What follows is looked at closer."""
    rows = conn.execute(
        """
        SELECT w.series
        FROM unnest(%(series)s::int4[], %(sign)s::int2[], %(limit)s::float8[], %(low)s::float8[], %(high)s::float8[],
                    %(late)s::int4[]) AS w (series, sign, "limit", low, high, late)
        JOIN latest l ON l.series = w.series
        WHERE l.live >= %(now)s - make_interval(secs => w.late) AND (
            w.sign * l.value > w.sign * w.limit OR l.value < w.low OR l.value > w.high
            OR l.mark = ANY(%(void)s::int2[])
        )
        UNION
        SELECT w.series FROM correction c
        JOIN unnest(%(series)s::int4[], %(late)s::int4[]) AS w (series, late)
            ON w.series = c.series AND c.stop > %(now)s - make_interval(secs => w.late)
        WHERE c.ended IS NULL
        """,
        {"void": list(void), "now": now, **limits},
    ).fetchall()
    return [int(str(row[0])) for row in rows]


def received(conn: Connection, asked: pl.DataFrame, void: Sequence[int]) -> pl.DataFrame:
    """`RECEIVED`: the `most` newest readings of each series of `asked` (series, start, stop, most, sign, limit, low,
    high, whole) in [start, stop] that are not void; where there is a `limit`, of those beyond it. Of one that is asked
    for as a `whole` those are among them that are void or not beyond it, and up to `MORE` more."""
    if asked.is_empty():
        return pl.DataFrame(schema=dict(RECEIVED))
    rows = conn.execute(
        """
        SELECT DISTINCT w.series, o.time, o.value, o.mark, (b.kind = 'live')::int
        FROM unnest(%(series)s::int4[], %(start)s::timestamptz[], %(stop)s::timestamptz[], %(most)s::int4[],
                    %(sign)s::int2[], %(limit)s::float8[], %(low)s::float8[], %(high)s::float8[], %(whole)s::boolean[])
            AS w (series, start, stop, most, sign, line, low, high, whole)
        CROSS JOIN LATERAL (
            SELECT o.time, o.value, o.mark, o.batch FROM observation o
            WHERE o.series = w.series AND o.time >= w.start AND o.time <= w.stop
                AND o.time >= %(first)s AND o.time <= %(last)s
                AND (w.whole OR (
                    o.value >= w.low AND o.value <= w.high AND (o.mark IS NULL OR o.mark <> ALL(%(void)s::int2[]))
                    AND (w.line IS NULL OR w.sign * o.value > w.sign * w.line)
                ))
            ORDER BY o.time DESC LIMIT w.most + CASE WHEN w.whole THEN %(more)s ELSE 0 END
        ) AS o
        JOIN batch b ON b.id = o.batch
        """,
        {
            "void": list(void),
            "first": asked["start"].min(),
            "last": asked["stop"].max(),
            "more": MORE,
            **_arrays(asked, ("series", "start", "stop", "most", "sign", "limit", "low", "high", "whole")),
        },
    ).fetchall()
    return pl.DataFrame(rows, schema=dict(RECEIVED), orient="row")


def layered(conn: Connection, windows: pl.DataFrame) -> list[int]:
    """Series of `windows` (series, start, stop) that have a layer in force over something in them."""
    rows = conn.execute(
        """
        SELECT DISTINCT w.series FROM correction c
        JOIN unnest(%s::int4[], %s::timestamptz[], %s::timestamptz[]) AS w (series, start, stop)
            ON w.series = c.series AND c.stop > w.start AND c.start <= w.stop
        WHERE c.ended IS NULL
        """,
        [windows[name].to_list() for name in ("series", "start", "stop")],
    ).fetchall()
    return [int(str(row[0])) for row in rows]


def came(conn: Connection, windows: pl.DataFrame) -> pl.DataFrame:
    """series, time, known: when each reading of `windows` (series, start, stop) came as it stands now."""
    rows = conn.execute(
        """
        SELECT DISTINCT o.series, o.time, b.known
        FROM unnest(%s::int4[], %s::timestamptz[], %s::timestamptz[]) AS w (series, start, stop)
        JOIN observation o ON o.series = w.series AND o.time >= w.start AND o.time <= w.stop
        JOIN batch b ON b.id = o.batch
        WHERE o.time >= %s AND o.time <= %s
        """,
        [*(windows[name].to_list() for name in ("series", "start", "stop")), *windows.select(_SPAN).row(0)],
    ).fetchall()
    return pl.DataFrame(rows, schema={"series": pl.Int32(), "time": TIME, "known": TIME}, orient="row")


def _arrays(rows: pl.DataFrame, names: Sequence[str]) -> dict[str, list[object]]:
    return {name: rows[name].to_list() for name in names}
