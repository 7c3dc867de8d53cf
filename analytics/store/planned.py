"""The calendar of planned events: what is added, what ends it, and what goes on at a time. Rows are only ever added."""

from datetime import datetime

import polars as pl

from analytics.episodes import PLANNED as EVENTS
from analytics.frames import TIME
from analytics.store.connection import Connection

PLANNED: dict[str, pl.DataType] = {
    "planned": pl.Int64(),
    "scope": pl.String(),
    "name": pl.String(),
    "start": TIME,
    "stop": TIME,
    **dict.fromkeys(("author", "reason"), pl.String()),
    "known": TIME,
    "ended": TIME,
    **dict.fromkeys(("ended_by", "ended_for", "kind"), pl.String()),
}

#: Kind of what an event covers -> where its names are found.
_NAMES = {
    "station": "SELECT 1 FROM station WHERE code = %s",
    "district": "SELECT 1 FROM membership WHERE kind = 'district' AND place = %s",
    "source": "SELECT 1 FROM source WHERE name = %s",
    "parameter": "SELECT 1 FROM series WHERE parameter = %s",
}


def known(conn: Connection, scope: str, name: str) -> bool:
    """Whether there is a station, district, source or measured parameter of that name; `all` has none."""
    if scope == "all":
        return not name
    return conn.execute(f"{_NAMES[scope]} LIMIT 1", [name]).fetchone() is not None


def add(
    conn: Connection,
    scope: str,
    name: str,
    start: datetime,
    stop: datetime,
    author: str,
    reason: str,
    now: datetime,
    kind: str = "",
) -> int:
    """Number of the new event; `kind` is one that rules of episodes go with, or none."""
    row = conn.execute(
        """
        INSERT INTO planned (scope, name, start, stop, author, reason, known, kind)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
        RETURNING id
        """,
        [scope, name, start, stop, author, reason, now, kind],
    ).fetchone()
    assert row is not None
    return int(str(row[0]))


def end(conn: Connection, planned: int, at: datetime, author: str, reason: str, now: datetime) -> bool:
    """Whether it is ended by this: False where somebody did that before."""
    done = conn.execute(
        """
        INSERT INTO planned_end (planned, at, author, reason, known) VALUES (%s, %s, %s, %s, %s)
        ON CONFLICT (planned) DO NOTHING
        """,
        [planned, at, author, reason, now],
    )
    return done.rowcount > 0


_SELECT = """
    SELECT p.id, p.scope, p.name, p.start, p.stop, p.author, p.reason, p.known, e.at, e.author, e.reason,
           p.kind
    FROM planned p LEFT JOIN planned_end e ON e.planned = p.id
"""


def find(conn: Connection, planned: int) -> pl.DataFrame:
    """`PLANNED` of that one; no row where there is none."""
    return pl.DataFrame(conn.execute(f"{_SELECT} WHERE p.id = %s", [planned]).fetchall(), schema=PLANNED, orient="row")


def listed(conn: Connection, since: datetime) -> pl.DataFrame:
    """`PLANNED` of what was not over at `since`, by start."""
    query = f"{_SELECT} WHERE p.stop > %(since)s AND coalesce(e.at, p.stop) > %(since)s ORDER BY p.start, p.id"
    return pl.DataFrame(conn.execute(query, {"since": since}).fetchall(), schema=PLANNED, orient="row")


def during(conn: Connection, start: datetime, stop: datetime) -> pl.DataFrame:
    """`PLANNED` of what went on somewhen in [`start`, `stop`)."""
    query = f"{_SELECT} WHERE p.start < %s AND p.stop > %s AND coalesce(e.at, p.stop) > %s ORDER BY p.start, p.id"
    return pl.DataFrame(conn.execute(query, [stop, start, start]).fetchall(), schema=PLANNED, orient="row")


def of_kinds(conn: Connection, start: datetime, stop: datetime) -> pl.DataFrame:
    """`episodes.PLANNED` of what went on in [`start`, `stop`) and has a kind, as far as it really went on."""
    rows = conn.execute(
        """
        WITH held AS (
            SELECT p.scope, p.name, p.kind, p.start,
                   CASE WHEN e.at IS NULL THEN p.stop ELSE least(p.stop, greatest(e.at, p.start)) END AS stop
            FROM planned p LEFT JOIN planned_end e ON e.planned = p.id WHERE p.kind <> ''
        )
        SELECT DISTINCT s.station, h.kind, h.start, h.stop FROM held h CROSS JOIN LATERAL (
            SELECT NULL::int4 AS station WHERE h.scope = 'all'
            UNION ALL SELECT t.id FROM station t WHERE h.scope = 'station' AND t.code = h.name
            UNION ALL SELECT m.station FROM membership m
            WHERE h.scope = 'district' AND m.kind = 'district' AND m.place = h.name
        ) AS s
        WHERE h.start < h.stop AND h.start < %s AND h.stop > %s ORDER BY 3, 4, 2, 1
        """,
        [stop, start],
    ).fetchall()
    return pl.DataFrame(rows, schema=dict(EVENTS), orient="row")


def current(conn: Connection, now: datetime) -> pl.DataFrame:
    """scope, name of what goes on at `now`."""
    rows = conn.execute(
        """
        SELECT DISTINCT p.scope, p.name FROM planned p LEFT JOIN planned_end e ON e.planned = p.id
        WHERE p.start <= %(now)s AND p.stop > %(now)s AND (e.at IS NULL OR e.at > %(now)s)
        """,
        {"now": now},
    ).fetchall()
    return pl.DataFrame(rows, schema={"scope": pl.String, "name": pl.String}, orient="row")
