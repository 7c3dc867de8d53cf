"""Where zones have their water from: read whole, entered whole."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import polars as pl

from analytics.store import state
from analytics.store.connection import Connection


def load(conn: Connection, now: datetime) -> pl.DataFrame:
    """`zone`, `supply`, `daily`, `left` [m³], `night`, `closed`: of zones that have a supply. `left`: of what it gives
    this year, by what meters saw up to yesterday; `closed`: the newest class of its source is worse than it may be."""
    rows = conn.execute(
        """
        WITH used AS (
            SELECT z.supply, sum(b.irrigation * z.area / 1000) AS volume
            FROM zone z JOIN station w ON w.id = z.weather JOIN water_balance b ON b.zone = z.id
            WHERE b.day >= date_trunc('year', %s AT TIME ZONE 'UTC' + make_interval(mins => w.utc_offset))::date
            GROUP BY 1
        )
        SELECT z.id, s.code, s.daily,
               CASE WHEN s.yearly IS NOT NULL THEN greatest(s.yearly - coalesce(u.volume, 0), 0) END,
               s.night, s.source, s.worst
        FROM zone z JOIN supply s ON s.code = z.supply LEFT JOIN used u ON u.supply = s.code ORDER BY 1
        """,
        [now],
    ).fetchall()
    schema = {**dict.fromkeys(("daily", "left"), pl.Float64), "night": pl.Boolean}
    schema = {"zone": pl.Int32, "supply": pl.String, **schema}
    found = pl.DataFrame(rows, schema=schema | {"source": pl.Int32, "worst": pl.Int16}, orient="row")
    of_water = pl.col("standard").str.starts_with("gb3838")
    worse = state.assessed(conn, now).filter(of_water) if found["source"].count() else None
    if worse is None:
        return found.select(*schema, closed=pl.lit(value=False))
    newest = worse.sort("time").group_by("station").agg(pl.col("class").last())
    return found.join(newest, left_on="source", right_on="station", how="left", maintain_order="left").select(
        *schema, closed=(pl.col("class") > pl.col("worst")).fill_null(value=False)
    )


def save(conn: Connection, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Codes that `rows` name and nobody registered; where there are none, `rows` are all the supplies there are.

    A row has `supply`, `title`, `title_zh`, `daily`, `yearly`, `night`, `source` (a station's code or None), `worst`
    and `zones` (codes). One transaction.
    """
    stations = {str(code): number for number, code in conn.execute("SELECT id, code FROM station").fetchall()}
    zones = {str(code) for (code,) in conn.execute("SELECT code FROM zone").fetchall()}
    asked = [row["source"] for row in rows if row["source"] is not None]
    unknown = [code for code in asked if code not in stations]
    unknown += [code for row in rows for code in row["zones"] if code not in zones]
    if unknown:
        return unknown
    with conn.transaction():
        conn.execute("UPDATE zone SET supply = NULL WHERE supply IS NOT NULL")
        conn.execute("DELETE FROM supply")
        for row in rows:
            conn.execute(
                "INSERT INTO supply (code, title, title_zh, daily, yearly, night, source, worst) VALUES"
                " (%(supply)s, %(title)s, %(title_zh)s, %(daily)s, %(yearly)s, %(night)s, %(station)s, %(worst)s)",
                {**row, "station": stations.get(row["source"])},
            )
            conn.execute("UPDATE zone SET supply = %s WHERE code = ANY(%s)", [row["supply"], row["zones"]])
    return []
