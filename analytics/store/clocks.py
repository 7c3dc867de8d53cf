"""What is kept of the clocks of devices: the least delay of each hour of the last week, a row each.

An hour keeps its least delay whatever came first. The rows of a station lie in a ring: an hour takes the place of that
of a week before, so nothing is ever cleared away.
"""

from collections.abc import Mapping
from datetime import datetime

import polars as pl

from analytics.clocks import DELAYS
from analytics.store.connection import Connection
from analytics.store.packing import fetch

_STEPS: Mapping[str, pl.DataType] = {"station": pl.String(), "step": pl.Int32()}


def save(conn: Connection, delays: pl.DataFrame, source: int) -> None:
    """Nothing; `delays` (station, hour, delay) of `source` are kept where they are less than what is there.

    Of stations that nobody registered nothing is kept. Most are not less, and lock no row.
    """
    if delays.is_empty():
        return
    conn.execute(
        """
        INSERT INTO clock AS c (station, source, slot, hour, delay)
        SELECT DISTINCT ON (t.id, n.slot) t.id, %(source)s, n.slot, n.hour, n.delay
        FROM (SELECT station, hour, delay, (extract(epoch FROM hour)::int8 / 3600 %% 168)::int2 AS slot
              FROM unnest(%(station)s::text[], %(hour)s::timestamptz[], %(delay)s::float8[])
                  AS given (station, hour, delay)) AS n
        JOIN station t ON t.code = n.station
        LEFT JOIN clock k ON k.station = t.id AND k.source = %(source)s AND k.slot = n.slot
        WHERE k.hour IS NULL OR n.hour > k.hour OR (n.hour = k.hour AND n.delay < k.delay)
        ORDER BY t.id, n.slot, n.hour DESC
        ON CONFLICT (station, source, slot) DO UPDATE SET hour = EXCLUDED.hour, delay = EXCLUDED.delay
        WHERE EXCLUDED.hour > c.hour OR (EXCLUDED.hour = c.hour AND EXCLUDED.delay < c.delay)
        """,
        {"source": source, **{name: delays[name].to_list() for name in ("station", "hour", "delay")}},
    )


def load(conn: Connection, since: datetime, station: str | None = None) -> pl.DataFrame:
    """`clocks.DELAYS` of the hours from `since` on: of all stations, or of `station`."""
    return fetch(
        conn,
        """
        SELECT t.code AS station, s.name AS source, c.hour, c.delay
        FROM clock c JOIN station t ON t.id = c.station JOIN source s ON s.id = c.source
        WHERE c.hour >= %s AND t.code = coalesce(%s, t.code)
        """,
        DELAYS,
        [since, station],
    )


def steps(conn: Connection) -> pl.DataFrame:
    """`station`, `step` [s]: the shortest of the series that anything ever came live of."""
    return fetch(
        conn,
        """
        SELECT t.code AS station, min(s.cadence) AS step
        FROM series s JOIN latest l ON l.series = s.id JOIN station t ON t.id = s.station
        WHERE l.live IS NOT NULL GROUP BY 1
        """,
        _STEPS,
    )
