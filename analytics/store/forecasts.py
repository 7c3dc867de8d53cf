"""Forecasts as they were issued. A row is only ever inserted: what people saw is never changed or issued again."""

from collections.abc import Iterable
from datetime import datetime, timedelta

import polars as pl

from analytics.frames import TIME
from analytics.store.connection import Connection
from analytics.store.packing import array, fetch

#: What `load` gives, a row a lead; `time` is the start of the period that it is about.
FORECASTS = {
    "series": pl.Int32(),
    "issued": TIME,
    "time": TIME,
    "value": pl.Float64(),
    "low": pl.Float64(),
    "high": pl.Float64(),
    "model": pl.String(),
    "skill": pl.Float64(),
    "level": pl.Float64(),
    "reason": pl.String(),
    "wide": pl.Float64(),
    "wide_low": pl.Float64(),
    "wide_high": pl.Float64(),
}


def save(
    conn: Connection, issues: pl.DataFrame, issued: datetime, step: timedelta, level: float, wide: float | None = None
) -> int:
    """Rows that are new: `issues` (series, value, low, high, models, skill, reason) for the time from `issued` on.

    A series that has one of this time keeps it. One transaction. `issues` may have, too: wide_low, wide_high (the band
    of nominal coverage `wide`), and limits with the `chance` of being over each, limit by limit.
    """
    lists = ("value", "low", "high", "models", "skill")
    more = ("wide_low", "wide_high", "limits", "chance")
    rows = [
        (
            *(row["series"], issued, issued, int(step.total_seconds()), level),
            *(row[name] for name in lists),
            *(row["reason"], wide, *(row.get(name) for name in more)),
        )
        for row in issues.iter_rows(named=True)
    ]
    if not rows:
        return 0
    with conn.transaction(), conn.cursor() as cursor:
        cursor.executemany(
            """
            INSERT INTO forecast (series, issued, start, step, level, value, low, high, models, skill, reason,
                                  wide, wide_low, wide_high, limits, chance, known)
            VALUES (%s, %s, %s, %s, %s, %s::float8[], %s::float8[], %s::float8[], %s::text[], %s::float8[], %s,
                    %s, %s::float8[], %s::float8[], %s::float8[], %s::float8[], clock_timestamp())
            ON CONFLICT (series, issued) DO NOTHING
            """,
            rows,
        )
        return cursor.rowcount


def issued(conn: Connection, at: datetime, series: Iterable[int]) -> set[int]:
    """Those of `series` that have a forecast issued `at` that time. Each is looked up: the table grows for ever."""
    query = """
        SELECT w.series FROM unnest(%s::int4[]) AS w (series)
        CROSS JOIN LATERAL (SELECT FROM forecast f WHERE f.series = w.series AND f.issued = %s OFFSET 0) AS f
    """
    return {int(str(row[0])) for row in conn.execute(query, [sorted(set(series)), at])}


def load(conn: Connection, voices: Iterable[int], *, newest: int = 1, known: datetime | None = None) -> pl.DataFrame:
    """FORECASTS of the `newest` issues of each of `voices`, sorted; with `known`, of those people could see then."""
    rows = conn.execute(
        """
        SELECT f.series, f.issued, f.start + (n - 1) * make_interval(secs => f.step), v, l, h, m, s, f.level, f.reason,
               f.wide, x, y
        FROM unnest(%(voices)s::int4[]) AS w (series)
        CROSS JOIN LATERAL (
            SELECT * FROM forecast o
            WHERE o.series = w.series AND (%(known)s::timestamptz IS NULL OR o.known <= %(known)s)
            ORDER BY o.issued DESC LIMIT %(newest)s
        ) AS f
        CROSS JOIN LATERAL unnest(f.value, f.low, f.high, f.models, f.skill, f.wide_low, f.wide_high)
            WITH ORDINALITY AS a (v, l, h, m, s, x, y, n)
        ORDER BY 1, 2, 3
        """,
        {"voices": sorted(set(voices)), "known": known, "newest": newest},
    ).fetchall()
    return pl.DataFrame(rows, schema=FORECASTS, orient="row")


def extent(conn: Connection, series: list[int]) -> pl.DataFrame:
    """`series`, `start`, `stop`: a window that holds the issue of every forecast of each series that has any."""
    rows = conn.execute(
        """
        SELECT w.series, f.issued, g.issued + interval '1 us' FROM unnest(%s::int4[]) AS w (series)
        CROSS JOIN LATERAL (SELECT issued FROM forecast WHERE series = w.series ORDER BY issued LIMIT 1) AS f
        CROSS JOIN LATERAL (SELECT issued FROM forecast WHERE series = w.series ORDER BY issued DESC LIMIT 1) AS g
        """,
        [series],
    ).fetchall()
    return pl.DataFrame(rows, schema={"series": pl.Int32, "start": TIME, "stop": TIME}, orient="row")


def load_issues(conn: Connection, windows: pl.DataFrame, *, known: datetime | None = None) -> pl.DataFrame:
    """FORECASTS issued inside `windows` (series, start, stop), sorted; with `known`, those people could see then."""
    rows = conn.execute(
        """
        SELECT f.series, f.issued, f.start + (n - 1) * make_interval(secs => f.step), v, l, h, m, s, f.level, f.reason,
               f.wide, x, y
        FROM unnest(%(series)s::int4[], %(start)s::timestamptz[], %(stop)s::timestamptz[]) AS w (series, start, stop)
        CROSS JOIN LATERAL (
            SELECT * FROM forecast o WHERE o.series = w.series AND o.issued >= w.start AND o.issued < w.stop
                AND (%(known)s::timestamptz IS NULL OR o.known <= %(known)s) OFFSET 0
        ) AS f
        CROSS JOIN LATERAL unnest(f.value, f.low, f.high, f.models, f.skill, f.wide_low, f.wide_high)
            WITH ORDINALITY AS a (v, l, h, m, s, x, y, n)
        ORDER BY 1, 2, 3
        """,
        {"known": known, **{name: windows[name].to_list() for name in ("series", "start", "stop")}},
    ).fetchall()
    return pl.DataFrame(rows, schema=FORECASTS, orient="row")


#: What `recent` gives, a row a lead.
RECENT = {name: FORECASTS[name] for name in ("series", "issued", "time", "value", "low", "high")}


def heads(conn: Connection, series: Iterable[int], since: datetime) -> pl.DataFrame:
    """`series`, `issued`: when the newest forecast of each of `series` was issued; only of those since then."""
    query = """
        SELECT w.series, f.issued FROM unnest(%s::int4[]) AS w (series)
        CROSS JOIN LATERAL (
            SELECT issued FROM forecast WHERE series = w.series AND issued >= %s ORDER BY issued DESC LIMIT 1
        ) AS f
    """
    wanted = pl.Series("series", sorted(set(series)), dtype=pl.Int32())
    return fetch(conn, query, {"series": pl.Int32(), "issued": TIME}, [array(wanted), since])


def recent(conn: Connection, asked: pl.DataFrame, leads: int, patience: timedelta) -> pl.DataFrame:
    """RECENT of the `depth` newest issues since `start` of each series of `asked` (series, start, depth), as far as the
    first `leads`; without those that were issued for the past, more than `patience` after it."""
    query = """
        SELECT f.series, f.issued, f.start + (n - 1) * make_interval(secs => f.step) AS time,
               v AS value, l AS low, h AS high
        FROM unnest(%s::int4[], %s::timestamptz[], %s::int4[]) AS w (series, start, depth)
        CROSS JOIN LATERAL (
            SELECT * FROM forecast o
            WHERE o.series = w.series AND o.issued >= w.start AND o.known <= o.issued + %s
            ORDER BY o.issued DESC LIMIT w.depth
        ) AS f
        CROSS JOIN LATERAL unnest(f.value[1:%s], f.low[1:%s], f.high[1:%s]) WITH ORDINALITY AS a (v, l, h, n)
    """
    arrays = [array(asked[name]) for name in ("series", "start", "depth")]
    return fetch(conn, query, RECENT, [*arrays, patience, leads, leads, leads])
