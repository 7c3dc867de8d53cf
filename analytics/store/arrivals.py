"""When readings came: for whoever asks what was known at a past moment."""

from datetime import datetime

import polars as pl

from analytics.frames import TIME
from analytics.store.connection import Connection

#: Series a statement looks through.
PART = 100


def hours(conn: Connection, series: list[int], start: datetime, stop: datetime) -> pl.DataFrame:
    """series, time, live, known, came: of each hour of [`start`, `stop`) that has readings the newest one that came
    live and when the last of those came, null where none did; and when the first batch came that brought any of it."""
    parts = [
        conn.execute(
            """
            SELECT o.series, date_trunc('hour', o.time, 'UTC'), max(o.time) FILTER (WHERE b.kind = 'live'),
                   max(b.known) FILTER (WHERE b.kind = 'live'), min(b.known)
            FROM observation o JOIN batch b ON b.id = o.batch
            WHERE o.series = ANY(%s) AND o.time >= %s AND o.time < %s GROUP BY 1, 2
            """,
            [series[first : first + PART], start, stop],
        ).fetchall()
        for first in range(0, len(series), PART)
    ]
    schema: dict[str, pl.DataType] = {"series": pl.Int32(), **dict.fromkeys(("time", "live", "known", "came"), TIME)}
    return pl.DataFrame([row for part in parts for row in part], schema=schema, orient="row")
