"""What zones used and saved by month: made again whole, written where it differs."""

from datetime import date, datetime

import polars as pl

from analytics.frames import SAVING
from analytics.store import packing
from analytics.store.connection import Connection


def load_unmetered(conn: Connection, since: date, zones: pl.Series) -> pl.DataFrame:
    """`zone`, `day`, `moisture` [mm] of waterings of `zones` from the local day `since` on that only the moisture
    saw."""
    rows = conn.execute(
        """
        SELECT e.zone, d.day, e.moisture
        FROM watering e JOIN zone z ON z.id = e.zone JOIN station w ON w.id = z.weather
        CROSS JOIN LATERAL (
            SELECT (e.start AT TIME ZONE 'UTC' + make_interval(mins => w.utc_offset))::date AS day
        ) AS d
        WHERE e.evidence = 'moisture' AND d.day >= %s AND e.zone = ANY(%s) ORDER BY 1, e.start
        """,
        [since, zones.to_list()],
    ).fetchall()
    return pl.DataFrame(rows, schema={"zone": pl.Int32, "day": pl.Date, "moisture": pl.Float64}, orient="row")


def save(conn: Connection, made: pl.DataFrame, now: datetime) -> int:
    """Number of months that are new or other; earlier ones that are not `made` (SAVING) again stay."""
    return packing.keep(conn, "saving", made.select(*SAVING), ("zone", "month"), now)
