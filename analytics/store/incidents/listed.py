"""Incidents, their logs and what duty staff made of them, to be shown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from analytics.frames import TIME
from analytics.store.connection import Connection

_TIMES = (
    *("opened", "onset", "edge", "delivered", "acknowledged", "assigned", "dispatched", "recovered", "withdrawn"),
    *("resolved", "reviewed", "cancelled", "ended"),
)
COLUMNS: Mapping[str, pl.DataType] = {
    "id": pl.Int64(),
    **dict.fromkeys(("state", "severity", "scope", "station", "channel", "source", "rule"), pl.String()),
    **dict.fromkeys(("title", "title_zh"), pl.String()),
    "level": pl.Int16(),
    **dict.fromkeys(("district", "street", "team"), pl.String()),
    **dict.fromkeys(_TIMES, TIME),
    **dict.fromkeys(("acknowledged_by", "assignee"), pl.String()),
    "tier": pl.Int16(),
    "parent": pl.Int64(),
}
_SELECT = "SELECT incident AS id, " + ", ".join(name for name in COLUMNS if name != "id") + " FROM report.incident"
LOG = ("id", "at", "author", "action", "note", "evidence")
FIGURES = (
    "month",
    "district",
    "street",
    "severity",
    "incidents",
    "open",
    "cancelled",
    "delivered_median",
    "delivered_worst",
    "acknowledged_median",
    "acknowledged_worst",
    "in_time",
    "dispatched_median",
    "dispatched_worst",
    "resolved_median",
    "resolved_worst",
)


@dataclass(frozen=True, slots=True)
class Search:
    """Which incidents; nothing said is all. `places` as `district:NAME` or `street:NAME`; `going`: whether they have
    not ended; `allowed`: of these stations alone, None for any."""

    states: Sequence[str] = ()
    severities: Sequence[str] = ()
    places: Sequence[str] = ()
    stations: Sequence[str] = ()
    rules: Sequence[str] = ()
    going: bool | None = None
    start: datetime | None = None
    stop: datetime | None = None
    allowed: frozenset[str] | None = None


def search(
    conn: Connection, asked: Search, *, after: int | None = None, limit: int, newest: bool = False
) -> pl.DataFrame:
    """COLUMNS: at most `limit` incidents by id, those behind `after`; the `newest` first if asked for."""
    order = "DESC" if newest else "ASC"
    rows = conn.execute(
        f"""
        {_SELECT}
        WHERE (%(after)s::int8 IS NULL OR incident > %(after)s)
            AND (%(states)s::text[] = '{{}}' OR state = ANY(%(states)s))
            AND (%(severities)s::text[] = '{{}}' OR severity = ANY(%(severities)s))
            AND (%(places)s::text[] = '{{}}' OR 'district:' || district = ANY(%(places)s)
                 OR 'street:' || street = ANY(%(places)s))
            AND (%(stations)s::text[] = '{{}}' OR station = ANY(%(stations)s))
            AND (%(rules)s::text[] = '{{}}' OR rule = ANY(%(rules)s))
            AND (%(going)s::bool IS NULL OR (ended IS NULL) = %(going)s)
            AND (%(start)s::timestamptz IS NULL OR opened >= %(start)s)
            AND (%(stop)s::timestamptz IS NULL OR opened < %(stop)s)
            AND (%(allowed)s::text[] IS NULL OR station = ANY(%(allowed)s))
        ORDER BY incident {order} LIMIT %(limit)s
        """,
        {
            **{name: list(getattr(asked, name)) for name in ("states", "severities", "places", "stations", "rules")},
            **{name: getattr(asked, name) for name in ("going", "start", "stop")},
            "allowed": None if asked.allowed is None else sorted(asked.allowed),
            "after": after,
            "limit": limit,
        },
    ).fetchall()
    return pl.DataFrame(rows, schema=dict(COLUMNS), orient="row")


def one(conn: Connection, incident: int) -> dict[str, Any] | None:
    """COLUMNS of one incident; None where there is none."""
    row = conn.execute(f"{_SELECT} WHERE incident = %s", [incident]).fetchone()
    return None if row is None else dict(zip(COLUMNS, row, strict=True))


def log(conn: Connection, incident: int, limit: int) -> list[dict[str, Any]]:
    """LOG of one incident, the newest `limit` rows of it, oldest first."""
    rows = conn.execute(
        f"SELECT {', '.join(LOG)} FROM incident_log WHERE incident = %s ORDER BY id DESC LIMIT %s", [incident, limit]
    ).fetchall()
    return [dict(zip(LOG, row, strict=True)) for row in reversed(rows)]


def figures(conn: Connection, months: int) -> list[dict[str, Any]]:
    """FIGURES of the newest `months` that have incidents; durations [s], `in_time` a share from 0 to 1."""
    rows = conn.execute(
        f"""
        SELECT {", ".join(FIGURES)} FROM report.duty_figures
        WHERE month IN (SELECT DISTINCT month FROM report.duty_figures ORDER BY month DESC LIMIT %s)
        ORDER BY month DESC, district, street, severity
        """,
        [months],
    ).fetchall()
    return [dict(zip(FIGURES, row, strict=True)) for row in rows]
