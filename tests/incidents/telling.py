"""Events as `watch` tells them, and the incidents that come of them."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from analytics import alarms
from analytics.store import incidents
from analytics.store.connection import Connection
from tests import world

T0 = datetime(2026, 6, 1, 2, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
RULE = "pm25_heavy"


def district(conn: Connection, codes: tuple[str, ...] = ("A", "B")) -> dict[str, int]:
    """Subjects (of kind station) by code, of stations with a series of PM2.5 each, in a district and a street."""
    world.settle_world(conn, [(code, "pm25") for code in codes])
    found = {}
    for code in codes:
        row = conn.execute("SELECT id FROM station WHERE code = %s", [code]).fetchone()
        assert row is not None
        conn.execute(
            "INSERT INTO membership (station, kind, place) VALUES (%s, 'district', 'East'), (%s, 'street', %s)",
            [row[0], row[0], f"Road {code}"],
        )
        conn.execute("INSERT INTO subject (kind, station) VALUES ('station', %s)", [row[0]])
        found[code] = int(str(conn.execute("SELECT max(id) FROM subject").fetchall()[0][0]))
    return found


def event(subject: int, before: str, after: str, at: datetime = T0, **more: Any) -> dict[str, Any]:
    """A row of `alarms.EVENTS`: of RULE, which pages."""
    said: Mapping[str, Any] = {
        "at": at,
        "subject": subject,
        "rule": RULE,
        "before": before,
        "after": after,
        "level": 2,
        "reason": alarms.REASONS.get((before, after), "raised"),
        "episode": T0 - 5 * HOUR,
        "onset": T0 - 3 * HOUR,
        "edge": at,
        "value": 180.0,
        "live": at,
        "told": "page",
    }
    return {**said, **more}


def tell(conn: Connection, *events: dict[str, Any], now: datetime | None = None) -> list[int]:
    """Incidents of `events`, told in one transaction."""
    frame = pl.DataFrame(events, schema=dict(alarms.EVENTS))
    with conn.transaction():
        found = incidents.follow(conn, frame, now or events[0]["at"])
    return [int(number) for number in found["incident"]]


def opened(conn: Connection, subject: int, at: datetime = T0, **more: Any) -> int:
    """The incident of an alarm that just fired."""
    [number] = tell(conn, event(subject, "pending", "firing", at, **more))
    return number


def told(conn: Connection, incident: int) -> list[tuple[str, str]]:
    """Author and action of each row of its log."""
    rows = conn.execute("SELECT author, action FROM incident_log WHERE incident = %s ORDER BY id", [incident])
    return [(str(author), str(action)) for author, action in rows.fetchall()]


def field(conn: Connection, incident: int, name: str) -> Any:
    """One column of it."""
    row = conn.execute(f"SELECT {name} FROM incident WHERE id = %s", [incident]).fetchone()
    assert row is not None
    return row[0]
