"""Irrigated zones, their water balance and the advice: read whole, written where they differ.

A zone is read with what its weather station lends it: latitude and distance from UTC.
"""

from collections.abc import Mapping
from datetime import date, datetime

import polars as pl
from psycopg import sql

from analytics.frames import TIME
from analytics.store.connection import Connection

#: One run at a time: a balance goes on from the day before. The number is "GWir".
_LOCK = 0x47576972

_REAL = pl.Float64()
_ZONE: Mapping[str, pl.DataType] = {
    "zone": pl.Int32(),
    **dict.fromkeys(("code", "title", "title_zh"), pl.String()),
    **dict.fromkeys(("weather", "probe"), pl.Int32()),
    "area": _REAL,
    **dict.fromkeys(("cover", "texture"), pl.String()),
    **dict.fromkeys(("root_depth", "flow"), _REAL),
    "method": pl.String(),
    **dict.fromkeys(("altitude", "latitude"), _REAL),
    "offset": pl.Int16(),
}
#: What is kept of a balance beside zone and day, and of an advice beside zone and issued: its type in the database.
_BALANCE: Mapping[str, str] = {
    **dict.fromkeys(
        (
            "et0",
            "kc",
            "etc",
            "rain",
            "effective",
            "irrigation",
            "percolation",
            "correction",
            "depletion",
            "taw",
            "raw",
            "ks",
            "moisture",
        ),
        "float8",
    ),
    "fallbacks": "text",
}
_ADVICE: Mapping[str, str] = {
    "zone": "int4",
    "issued": "timestamptz",
    "day": "date",
    "water": "boolean",
    **dict.fromkeys(("depth", "volume", "minutes"), "float8"),
    "latest": "timestamptz",
    **dict.fromkeys(("depletion", "raw"), "float8"),
    **dict.fromkeys(("reason", "reason_zh"), "text"),
}


def lock(conn: Connection) -> None:
    """Nothing; nobody else makes balances until this transaction ends."""
    conn.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


def load(conn: Connection) -> pl.DataFrame:
    """All zones, by id: `zone`, `code`, `title`, `title_zh`, the stations `weather` and `probe`, `area` [m²], `cover`,
    `texture`, `root_depth` [m], `flow` [m³/h], `method`, `altitude` [m], `latitude` [°] and `offset` [min]."""
    rows = conn.execute(
        """
        SELECT z.id, z.code, z.title, z.title_zh, z.weather, z.probe, z.area, z.cover, z.texture, z.root_depth,
               z.flow, z.method, z.altitude, t.latitude, t.utc_offset
        FROM zone z JOIN station t ON t.id = z.weather ORDER BY 1
        """
    ).fetchall()
    return pl.DataFrame(rows, schema=dict(_ZONE), orient="row")


def load_balance(conn: Connection, since: date, until: date) -> pl.DataFrame:
    """The balance of all zones on the days from `since` up to `until`, itself not included, by zone and day."""
    columns = sql.SQL(", ").join(map(sql.Identifier, _BALANCE))
    rows = conn.execute(
        sql.SQL("SELECT zone, day, {} FROM water_balance WHERE day >= %s AND day < %s ORDER BY zone, day").format(
            columns
        ),
        [since, until],
    ).fetchall()
    return pl.DataFrame(rows, schema=_balance_schema(), orient="row")


def load_state(conn: Connection, before: date) -> pl.DataFrame:
    """`zone`, `day`, `depletion` [mm]: the newest balance of each zone before the day `before`, where it has any."""
    rows = conn.execute(
        """
        SELECT z.id, b.day, b.depletion FROM zone z CROSS JOIN LATERAL (
            SELECT day, depletion FROM water_balance WHERE zone = z.id AND day < %s ORDER BY day DESC LIMIT 1
        ) AS b ORDER BY 1
        """,
        [before],
    ).fetchall()
    return pl.DataFrame(rows, schema={"zone": pl.Int32, "day": pl.Date, "depletion": pl.Float64}, orient="row")


def _balance_schema() -> dict[str, pl.DataType]:
    reals = dict.fromkeys(_BALANCE, _REAL)
    return {"zone": pl.Int32(), "day": pl.Date(), **reals, "fallbacks": pl.List(pl.String())}


def save_balance(conn: Connection, rows: pl.DataFrame, now: datetime) -> int:
    """Number of rows of a balance that are new or other; those that are equal stay as they are, with their `known`."""
    names = list(_BALANCE)
    # An array of arrays would have to be even: the names travel as one text.
    sent = rows.with_columns(pl.col("fallbacks").list.join(","))
    arrays = sql.SQL(", ").join(sql.SQL("%s::{}[]").format(sql.SQL(kind)) for kind in _BALANCE.values())
    values = [
        sql.SQL("string_to_array(w.fallbacks, ',')") if name == "fallbacks" else sql.Identifier("w", name)
        for name in names
    ]
    query = sql.SQL(
        """
        INSERT INTO water_balance AS b (zone, day, known, {names})
        SELECT w.zone, w.day, %s, {values} FROM unnest(%s::int4[], %s::date[], {arrays}) AS w (zone, day, {names})
        ON CONFLICT (zone, day) DO UPDATE SET known = EXCLUDED.known, {sets}
        WHERE ({old}) IS DISTINCT FROM ({new})
        """
    ).format(
        names=sql.SQL(", ").join(map(sql.Identifier, names)),
        values=sql.SQL(", ").join(values),
        arrays=arrays,
        sets=sql.SQL(", ").join(sql.SQL("{0} = EXCLUDED.{0}").format(sql.Identifier(name)) for name in names),
        old=sql.SQL(", ").join(sql.Identifier("b", name) for name in names),
        new=sql.SQL(", ").join(sql.SQL("EXCLUDED.{}").format(sql.Identifier(name)) for name in names),
    )
    columns = [sent[name].to_list() for name in ("zone", "day", *names)]
    return conn.execute(query, [now, *columns]).rowcount if rows.height else 0


def save_advice(conn: Connection, rows: pl.DataFrame) -> int:
    """Number of rows of advice that are new: what was issued once for an hour is never issued again."""
    query = sql.SQL("INSERT INTO advice ({names}) SELECT * FROM unnest({arrays}) ON CONFLICT DO NOTHING").format(
        names=sql.SQL(", ").join(map(sql.Identifier, _ADVICE)),
        arrays=sql.SQL(", ").join(sql.SQL("%s::{}[]").format(sql.SQL(kind)) for kind in _ADVICE.values()),
    )
    return conn.execute(query, [rows[name].to_list() for name in _ADVICE]).rowcount if rows.height else 0


def load_advice(conn: Connection) -> pl.DataFrame:
    """The newest advice of each zone that has any, by zone."""
    names = sql.SQL(", ").join(map(sql.Identifier, _ADVICE))
    query = sql.SQL("SELECT DISTINCT ON (zone) {} FROM advice ORDER BY zone, issued DESC").format(names)
    kinds: Mapping[str, pl.DataType] = {
        "int4": pl.Int32(),
        "timestamptz": TIME,
        "date": pl.Date(),
        "boolean": pl.Boolean(),
        "float8": _REAL,
        "text": pl.String(),
    }
    schema = {name: kinds[kind] for name, kind in _ADVICE.items()}
    return pl.DataFrame(conn.execute(query).fetchall(), schema=schema, orient="row")


def first_days(conn: Connection, since: date) -> pl.DataFrame:
    """`zone`, `day`: the first local day from `since` on with any average of the zone's weather station."""
    rows = conn.execute(
        """
        SELECT z.id, ((min(a.time) AT TIME ZONE 'UTC') + make_interval(mins => t.utc_offset))::date
        FROM zone z JOIN station t ON t.id = z.weather JOIN series s ON s.station = t.id
        JOIN term g ON g.kind = 'averaging' AND g.name = 'day'
        CROSS JOIN LATERAL (
            SELECT time FROM average WHERE series = s.id AND averaging = g.id AND time >= %s ORDER BY time LIMIT 1
        ) AS a GROUP BY z.id, t.utc_offset ORDER BY 1
        """,
        [since],
    ).fetchall()
    return pl.DataFrame(rows, schema={"zone": pl.Int32, "day": pl.Date}, orient="row")
