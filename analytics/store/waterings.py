"""Waterings that were seen: those of a stretch are made again whole, and written where they differ."""

from datetime import datetime

import polars as pl
from psycopg import sql

from analytics.frames import WATERING
from analytics.store import packing
from analytics.store.connection import Connection


def load(conn: Connection, since: datetime, until: datetime) -> pl.DataFrame:
    """WATERING that begin from `since` up to `until`, itself not included, by zone and start."""
    query = sql.SQL("SELECT {} FROM watering WHERE start >= %s AND start < %s ORDER BY zone, start")
    rows = conn.execute(query.format(sql.SQL(", ").join(map(sql.Identifier, WATERING))), [since, until]).fetchall()
    return pl.DataFrame(rows, schema=dict(WATERING), orient="row")


def save(conn: Connection, made: pl.DataFrame, since: pl.DataFrame, now: datetime) -> pl.Series:
    """The zone of each watering that is new, other, or gone: `made` (WATERING) are all of the zones of `since` (`zone`,
    `start`) from their start on."""
    begins = [packing.array(since[name]) for name in ("zone", "start")]
    rows = [made[name].to_list() for name in WATERING]
    with conn.transaction():
        gone = conn.execute(
            """
            DELETE FROM watering w USING unnest(%s::int4[], %s::timestamptz[]) AS z (zone, start)
            WHERE w.zone = z.zone AND w.start >= z.start AND (w.zone, w.start) NOT IN (
                SELECT * FROM unnest(%s::int4[], %s::timestamptz[])
            )
            RETURNING w.zone
            """,
            [*begins, *rows[:2]],
        ).fetchall()
        query = sql.SQL(
            """
            INSERT INTO watering AS w (known, {names}) SELECT %s, * FROM unnest({arrays})
            ON CONFLICT (zone, start) DO UPDATE SET known = EXCLUDED.known, stop = EXCLUDED.stop,
                moisture = EXCLUDED.moisture, meter = EXCLUDED.meter, evidence = EXCLUDED.evidence
            WHERE (w.stop, w.moisture, w.meter, w.evidence)
                IS DISTINCT FROM (EXCLUDED.stop, EXCLUDED.moisture, EXCLUDED.meter, EXCLUDED.evidence)
            RETURNING w.zone
            """
        ).format(names=sql.SQL(", ").join(map(sql.Identifier, WATERING)), arrays=packing.arrays(WATERING))
        changed = gone + conn.execute(query, [now, *rows]).fetchall()
    return pl.Series("zone", [zone for (zone,) in changed], pl.Int32)
