"""Forecasts of the weather as they were issued. A row is only ever inserted: none is changed or issued again."""

from collections.abc import Iterable
from datetime import datetime

import polars as pl

from analytics.frames import TIME
from analytics.store.connection import Connection

#: What `load` gives: `time` is the start of the period that the value is about.
WEATHER = {
    "station": pl.Int32(),
    "parameter": pl.String(),
    "source": pl.Int32(),
    "time": TIME,
    "issued": TIME,
    "value": pl.Float64(),
}


def save(conn: Connection, rows: pl.DataFrame, source: int, issued: datetime) -> int:
    """How many of `rows` (station, a number; parameter, time, value) are new; one that was issued then stays as it is.

    One transaction. Called again with the same rows it changes nothing.
    """
    if rows.is_empty():
        return 0
    with conn.transaction():
        return conn.execute(
            """
            INSERT INTO weather_forecast (station, parameter, source, valid, issued, value, known)
            SELECT w.station, w.parameter, %s, w.valid, %s, w.value, clock_timestamp()
            FROM unnest(%s::int4[], %s::text[], %s::timestamptz[], %s::float8[])
                AS w (station, parameter, valid, value)
            ORDER BY w.station, w.parameter, w.valid
            ON CONFLICT (station, parameter, source, valid, issued) DO NOTHING
            """,
            [source, issued, *(rows[name].to_list() for name in ("station", "parameter", "time", "value"))],
        ).rowcount


def load(
    conn: Connection, stations: Iterable[int], start: datetime, stop: datetime, at: datetime | None = None
) -> pl.DataFrame:
    """WEATHER of `stations` for the periods that start in [start, stop), sorted: of each the newest issued up to `at`.

    Without `at` the newest there is. Sources stand side by side.
    """
    rows = conn.execute(
        """
        SELECT DISTINCT ON (station, parameter, source, valid) station, parameter, source, valid, issued, value
        FROM weather_forecast
        WHERE station = ANY(%(stations)s) AND valid >= %(start)s AND valid < %(stop)s
            AND (%(at)s::timestamptz IS NULL OR issued <= %(at)s)
        ORDER BY station, parameter, source, valid, issued DESC
        """,
        {"stations": sorted(set(stations)), "start": start, "stop": stop, "at": at},
    ).fetchall()
    return pl.DataFrame(rows, schema=WEATHER, orient="row")


def fed(conn: Connection, now: datetime) -> list[int]:
    """Stations whose weather a registered feed forecasts: more than a day ahead, issued within the last one."""
    rows = conn.execute(
        """
        SELECT DISTINCT station FROM weather_forecast
        WHERE valid > %(now)s + interval '1 day' AND issued > %(now)s - interval '1 day' AND issued <= %(now)s
            AND EXISTS (SELECT FROM pull WHERE connector = 'weather' AND "on")
        """,
        {"now": now},
    ).fetchall()
    return [int(str(row[0])) for row in rows]
