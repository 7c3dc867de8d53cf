"""Sensors behind a network as a decoder knows them, and the uplinks of theirs that came."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from analytics.store.connection import Connection
from analytics.telemetry.mqtt.nodes import Node


class Heard(NamedTuple):
    """An uplink: its sensor, the session and the frame counter in it, its time."""

    node: str
    session: str
    counter: int
    time: datetime


def load(conn: Connection, ids: Iterable[str]) -> dict[str, Node]:
    """The sensors of `ids`, by these."""
    rows: list[Any] = conn.execute(
        """
        SELECT n.id, t.code, n.cadence, n.channels, n.units, n.sentinels
        FROM node n JOIN station t ON t.id = n.station WHERE n.id = ANY(%s)
        """,
        [list(ids)],
    ).fetchall()
    return {
        name: Node(name, station, cadence, channels, units, tuple(sentinels))
        for name, station, cadence, channels, units, sentinels in rows
    }


def count(conn: Connection) -> int:
    """How many sensors are registered."""
    row = conn.execute("SELECT count(*) FROM node").fetchone()
    return int(str(row[0])) if row else 0


def heard(conn: Connection, uplinks: Sequence[Heard]) -> list[Heard]:
    """What came under the frame counters of `uplinks`, whenever, in order."""
    rows: list[Any] = conn.execute(
        """
        SELECT u.node, u.session, u.counter, u.time FROM uplink u
        JOIN (SELECT DISTINCT * FROM unnest(%s::text[], %s::text[], %s::int8[])) AS w (node, session, counter)
            USING (node, session, counter)
        ORDER BY 1, 2, 3, 4
        """,
        [[one[part] for one in uplinks] for part in range(3)],
    ).fetchall()
    return [Heard(*row) for row in rows]


def remember(conn: Connection, uplinks: Sequence[Heard]) -> None:
    """Nothing; `uplinks` are among those that came."""
    if uplinks:
        conn.execute(
            "INSERT INTO uplink (node, session, counter, time)"
            " SELECT * FROM unnest(%s::text[], %s::text[], %s::int8[], %s::timestamptz[]) ON CONFLICT DO NOTHING",
            [[one[part] for one in uplinks] for part in range(4)],
        )


def forget(conn: Connection, before: datetime) -> int:
    """How many uplinks from before then are forgotten."""
    return conn.execute("DELETE FROM uplink WHERE time < %s", [before]).rowcount
