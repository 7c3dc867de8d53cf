"""Irrigated zones, their water balance and the advice: read whole, written where they differ.

A zone is read with what its weather station lends it: latitude and distance from UTC.
"""

from collections.abc import Mapping
from datetime import date, datetime

import polars as pl
from psycopg import sql

from analytics.frames import ADVICE, BALANCE, TIME, ZONES
from analytics.store import packing
from analytics.store.connection import Connection

#: One run at a time: a balance goes on from the day before. The number is "GWir".
_LOCK = 0x47576972

#: As a balance is kept: an array of arrays would have to be even, so lists travel as one text each.
_LISTS: Mapping[str, str] = {"fallbacks": "text[]", "doubted": "text[]", "joined": "float4[]"}
_OF_ADVICE: Mapping[str, str] = {"doubted": "text[]", "plan": "float8[]"}
_SENT: Mapping[str, pl.DataType] = {**BALANCE, **dict.fromkeys(_LISTS, pl.String())}
_SAID: Mapping[str, pl.DataType] = {**ADVICE, **dict.fromkeys(_OF_ADVICE, pl.String())}


#: Between the items of a list, which is in no code: the unit separator.
_APART = "\x1f"


def _joined(lists: Mapping[str, str]) -> list[pl.Expr]:
    return [pl.col(name).cast(pl.List(pl.String())).list.join(_APART) for name in lists]


def _listed(name: str, lists: Mapping[str, str]) -> sql.Composable:
    column = sql.Identifier("w", name)
    if name not in lists:
        return column
    return sql.SQL("string_to_array({}, {})::{}").format(column, sql.Literal(_APART), sql.SQL(lists[name]))


def lock(conn: Connection) -> None:
    """Nothing; nobody else makes balances until this transaction ends."""
    conn.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


def load(conn: Connection) -> pl.DataFrame:
    """All zones, by id: `zone`, `code`, `title`, `title_zh`, the stations `weather`, `probe` and those `beside` it, the
    codes of all these `probes`, `area` [m²], `cover`, `texture`, `root_depth` [m], `field_capacity`,
    `wilting_point` [m³/m³], `flow` [m³/h], `method`, `altitude` [m], `latitude` [°] and `offset` [min]."""
    rows = conn.execute(
        """
        SELECT z.id, z.code, z.title, z.title_zh, z.weather, z.probe, z.beside,
               (SELECT array_agg(p.code ORDER BY nr) FROM unnest(z.probe || z.beside) WITH ORDINALITY AS l (id, nr)
                JOIN station p ON p.id = l.id),
               z.area, z.cover, z.texture, z.root_depth,
               z.field_capacity, z.wilting_point, z.flow, z.method, z.altitude, t.latitude, t.utc_offset
        FROM zone z JOIN station t ON t.id = z.weather ORDER BY 1
        """
    ).fetchall()
    return pl.DataFrame(rows, schema=dict(ZONES), orient="row")


def load_balance(conn: Connection, since: date, until: date, zones: pl.Series | None = None) -> pl.DataFrame:
    """The balance on the days from `since` up to `until`, itself not included, by zone and day; of all zones, or of
    those in `zones`."""
    query = sql.SQL(
        "SELECT {} FROM water_balance WHERE day >= %s AND day < %s AND (%s::int4[] IS NULL OR zone = ANY(%s))"
        " ORDER BY zone, day"
    )
    some = None if zones is None else zones.to_list()
    names = sql.SQL(", ").join(map(sql.Identifier, BALANCE))
    rows = conn.execute(query.format(names), [since, until, some, some]).fetchall()
    return pl.DataFrame(rows, schema=dict(BALANCE), orient="row")


def load_rain(conn: Connection, since: date, until: date) -> pl.DataFrame:
    """`zone`, `day`, `effective` [mm]: what of the rain counted from `since` up to `until`, itself not included."""
    query = "SELECT zone, day, effective FROM water_balance WHERE day >= %s AND day < %s"
    columns = {name: BALANCE[name] for name in ("zone", "day", "effective")}
    return pl.DataFrame(conn.execute(query, [since, until]).fetchall(), schema=columns, orient="row")


def load_state(conn: Connection, before: date) -> pl.DataFrame:
    """`zone`, `day`, `depletion` [mm], `joined`: the newest balance of each zone before the day `before`, if any."""
    rows = conn.execute(
        """
        SELECT z.id, b.day, b.depletion, b.joined FROM zone z CROSS JOIN LATERAL (
            SELECT day, depletion, joined FROM water_balance WHERE zone = z.id AND day < %s ORDER BY day DESC LIMIT 1
        ) AS b ORDER BY 1
        """,
        [before],
    ).fetchall()
    columns = {"zone": pl.Int32(), "day": pl.Date(), **{name: BALANCE[name] for name in ("depletion", "joined")}}
    return pl.DataFrame(rows, schema=columns, orient="row")


def save_balance(conn: Connection, rows: pl.DataFrame, now: datetime) -> pl.Series:
    """The zone of each row of a balance that is new or other; those that are equal stay as they are, with their
    `known`."""
    names = [name for name in BALANCE if name not in ("zone", "day")]
    sent = rows.with_columns(_joined(_LISTS))
    values = [_listed(name, _LISTS) for name in names]
    query = sql.SQL(
        """
        INSERT INTO water_balance AS b (zone, day, known, {names})
        SELECT w.zone, w.day, %s, {values} FROM unnest({arrays}) AS w (zone, day, {names})
        ON CONFLICT (zone, day) DO UPDATE SET known = EXCLUDED.known, {sets}
        WHERE ({old}) IS DISTINCT FROM ({new}) RETURNING b.zone
        """
    ).format(
        names=sql.SQL(", ").join(map(sql.Identifier, names)),
        values=sql.SQL(", ").join(values),
        arrays=packing.arrays(_SENT),
        sets=sql.SQL(", ").join(sql.SQL("{0} = EXCLUDED.{0}").format(sql.Identifier(name)) for name in names),
        old=sql.SQL(", ").join(sql.Identifier("b", name) for name in names),
        new=sql.SQL(", ").join(sql.SQL("EXCLUDED.{}").format(sql.Identifier(name)) for name in names),
    )
    changed = conn.execute(query, [now, *(sent[name].to_list() for name in _SENT)]).fetchall() if rows.height else []
    return pl.Series("zone", [zone for (zone,) in changed], pl.Int32)


def save_advice(conn: Connection, rows: pl.DataFrame) -> int:
    """Number of rows of advice that are new: what was issued once for an hour is never issued again."""
    values = [_listed(name, _OF_ADVICE) for name in ADVICE]
    names = sql.SQL(", ").join(map(sql.Identifier, ADVICE))
    query = sql.SQL(
        "INSERT INTO advice ({names}) SELECT {values} FROM unnest({arrays}) AS w ({names}) ON CONFLICT DO NOTHING"
    ).format(names=names, values=sql.SQL(", ").join(values), arrays=packing.arrays(_SAID))
    sent = rows.with_columns(_joined(_OF_ADVICE))
    return conn.execute(query, [sent[name].to_list() for name in _SAID]).rowcount if rows.height else 0


def load_advice(conn: Connection) -> pl.DataFrame:
    """The newest advice of each zone that has any, by zone."""
    names = sql.SQL(", ").join(map(sql.Identifier, ADVICE))
    query = sql.SQL("SELECT DISTINCT ON (zone) {} FROM advice ORDER BY zone, issued DESC").format(names)
    return pl.DataFrame(conn.execute(query).fetchall(), schema=dict(ADVICE), orient="row")


def extent(conn: Connection) -> pl.DataFrame:
    """`zone`, `start`, `stop`: a window that holds the issue of every advice of each zone that has any."""
    rows = conn.execute("SELECT zone, min(issued), max(issued) + interval '1 us' FROM advice GROUP BY 1").fetchall()
    return pl.DataFrame(rows, schema={"zone": pl.Int32(), "start": TIME, "stop": TIME}, orient="row")


def load_issues(conn: Connection, windows: pl.DataFrame, *, known: datetime | None = None) -> pl.DataFrame:
    """ADVICE issued inside `windows` (zone, start, stop), sorted; with `known`, what the crews could see then."""
    query = sql.SQL(
        """
        SELECT {} FROM unnest(%s::int4[], %s::timestamptz[], %s::timestamptz[]) AS w (_zone, _start, _stop)
        JOIN advice a ON a.zone = _zone AND a.issued >= _start AND a.issued < _stop
        WHERE %s::timestamptz IS NULL OR a.known <= %s ORDER BY zone, issued
        """
    ).format(sql.SQL(", ").join(map(sql.Identifier, ADVICE)))
    given = [windows[name].to_list() for name in ("zone", "start", "stop")]
    return pl.DataFrame(conn.execute(query, [*given, known, known]).fetchall(), schema=dict(ADVICE), orient="row")


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
