"""What people do about an incident, each with its row in the log; which of it goes with which state is not decided
here (`analytics.incidents`)."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import polars as pl
from psycopg.types.json import Jsonb

from analytics.store import registry
from analytics.store.connection import Connection
from analytics.store.incidents import write

#: Action -> what the log calls it, and what it stamps beside its row there.
_DONE = {
    "acknowledge": ("acknowledged", "acknowledged = %(now)s, acknowledged_by = %(author)s"),
    "assign": ("assigned", "assigned = %(now)s, assignee = %(assignee)s"),
    "note": ("note", ""),
    "dispatch": ("dispatched", "dispatched = coalesce(dispatched, %(now)s)"),
    "resolve": ("resolved", "resolved = %(now)s"),
    "review": ("reviewed", "reviewed = %(now)s"),
    "cancel": ("cancelled", "cancelled = %(now)s"),
}
_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Held:
    """An incident that this transaction alone changes until it ends."""

    id: int
    state: str
    subject: int
    rule: str
    onset: datetime | None
    edge: datetime | None
    withdrawn: datetime | None


def hold(conn: Connection, incident: int) -> Held | None:
    """The incident, locked; None where there is none of that id."""
    row = conn.execute(
        """
        SELECT i.id, i.state, i.subject, r.name, i.onset, i.edge, i.withdrawn
        FROM incident i JOIN term r ON r.id = i.rule WHERE i.id = %s FOR UPDATE OF i
        """,
        [incident],
    ).fetchone()
    return None if row is None else Held(*row)  # type: ignore[arg-type]  # as the select says


def do(
    conn: Connection,
    incident: int,
    action: str,
    now: datetime,
    author: str,
    *,
    note: str = "",
    assignee: str | None = None,
    evidence: dict[str, Any] | None = None,
) -> None:
    """Nothing; `action` is stamped on `incident`, and stands in its log."""
    called, stamp = _DONE[action]
    if stamp:
        conn.execute(
            f"UPDATE incident SET {stamp} WHERE id = %(id)s",
            {"id": incident, "now": now, "author": author, "assignee": assignee},
        )
    more = {} if assignee is None else {"assignee": assignee}
    write(conn, incident, now, author, called, note=note, evidence={**more, **(evidence or {})})


def order(conn: Connection, id: UUID, incident: int, now: datetime, author: str, body: dict[str, Any]) -> None:
    """Nothing; a work order waits to be sent."""
    conn.execute(
        "INSERT INTO work_order (id, incident, made, made_by, body, due) VALUES (%s, %s, %s, %s, %s, %s)",
        [id, incident, now, author, Jsonb(body), now],
    )


def against(conn: Connection, held: Held, asked: Sequence[int] | None) -> dict[str, Any]:
    """What data say against the incident: that its alarm was withdrawn, or the corrections in force (of `asked` alone,
    if given) that cover what it stood on, from onset to edge; nothing where nothing does.

    It stood on the series that speak for the parameters of its rule, each of which must be covered, or on the one it is
    about.
    """
    if held.withdrawn is not None:
        return {"withdrawn": held.withdrawn.isoformat()}
    if held.onset is None:
        return {}
    rows = conn.execute(
        """
        WITH laid AS (
            SELECT id, kind, series, tstzrange(start, stop) AS span FROM correction
            WHERE series = ANY(%(series)s) AND ended IS NULL AND start < %(stop)s AND stop > %(start)s
                AND (%(asked)s::int4[] IS NULL OR id = ANY(%(asked)s))
        ), covered AS (
            SELECT series FROM laid GROUP BY series
            HAVING range_agg(span) @> tstzrange(%(start)s, %(stop)s)
        )
        SELECT array_agg(id ORDER BY id), array_agg(DISTINCT kind) FROM laid
        HAVING (SELECT count(*) FROM covered) = cardinality(%(series)s)
        """,
        {
            "series": _stood_on(conn, held),
            "start": held.onset,
            "stop": max(held.onset + _INSTANT, held.edge or held.onset),
            "asked": None if asked is None else list(asked),
        },
    ).fetchone()
    return {} if rows is None or rows[0] is None else {"corrections": rows[0], "kinds": rows[1]}


def _stood_on(conn: Connection, held: Held) -> list[int]:
    """The series that the alarm of the incident looked at; none where it is about no station, or no quantity."""
    row = conn.execute(
        """
        WITH said AS (
            SELECT DISTINCT ON (e.name, r.key) e.name AS book, r.key AS name, r.value AS row
            FROM edition e CROSS JOIN LATERAL jsonb_each(e.rows) AS r
            WHERE e.name IN ('alarms', 'episodes') ORDER BY e.name, r.key, e.valid_from DESC, e.id DESC
        )
        SELECT s.series, s.station, (
            SELECT array_agg(coalesce(e.row->>'parameter', a.row->>'parameter'))
            FROM said a
            CROSS JOIN LATERAL jsonb_array_elements(coalesce(a.row->'any', jsonb_build_array(a.row))) AS condition
            LEFT JOIN said e ON e.book = 'episodes' AND e.name = condition->>'episode'
            WHERE a.book = 'alarms' AND a.name = %s
        )
        FROM subject s WHERE s.id = %s
        """,
        [held.rule, held.subject],
    ).fetchone()
    if row is None or row[1] is None:
        return [] if row is None or row[0] is None else [int(str(row[0]))]
    about = [str(parameter) for parameter in row[2] if parameter] if isinstance(row[2], list) else []
    speaks = registry.load_authorities(conn, [int(str(row[1]))]).filter(pl.col("rank") == 0)
    named = registry.load_series(conn).join(speaks, on="series").filter(pl.col("parameter").is_in(about))
    return named["series"].to_list()


@dataclass(frozen=True, slots=True)
class Notice:
    """That somebody was told of an incident. `digest` is the same where the same is told again; `first`: it tells that
    it is on, and stamps the first time of that."""

    incident: int
    digest: bytes
    evidence: dict[str, Any]
    first: bool


def deliver(conn: Connection, notices: Sequence[Notice], now: datetime) -> list[bool | None]:
    """Of each of `notices` whether it is new; None where there is no such incident.

    All at once, but for incidents that somebody changes at this moment; those each in its turn, so that nobody who
    waits holds what another one waits for.
    """
    asked = sorted({notice.incident for notice in notices})
    known = {int(str(row[0])) for row in conn.execute("SELECT id FROM incident WHERE id = ANY(%s)", [asked])}
    with conn.transaction():
        free = conn.execute(
            "SELECT id FROM incident WHERE id = ANY(%s) ORDER BY id FOR UPDATE SKIP LOCKED", [asked]
        ).fetchall()
        held = {int(str(row[0])) for row in free}
        new = _note(conn, [notice for notice in notices if notice.incident in held], now)
    for incident in sorted(known - held):
        with conn.transaction():
            conn.execute("SELECT FROM incident WHERE id = %s FOR UPDATE", [incident])
            new |= _note(conn, [notice for notice in notices if notice.incident == incident], now)
    # What stands twice in one notification is new once.
    return [None if one.incident not in known else _taken(new, (one.incident, one.digest)) for one in notices]


def _taken(new: set[tuple[int, bytes]], one: tuple[int, bytes]) -> bool:
    there = one in new
    new.discard(one)
    return there


def _note(conn: Connection, notices: Sequence[Notice], now: datetime) -> set[tuple[int, bytes]]:
    """Incident and digest of those of `notices` that are new; their incidents, which are locked, know of them."""
    first: dict[tuple[int, bytes], Notice] = {}
    for notice in notices:
        first.setdefault((notice.incident, notice.digest), notice)
    made = conn.execute(
        """
        INSERT INTO notice (incident, digest, at) SELECT n.incident, n.digest, %s
        FROM unnest(%s::int8[], %s::bytea[]) AS n (incident, digest) ON CONFLICT DO NOTHING RETURNING incident, digest
        """,
        [now, [incident for incident, _ in first], [digest for _, digest in first]],
    ).fetchall()
    new = {(int(str(incident)), bytes(digest)) for incident, digest in made}  # type: ignore[call-overload]  # bytea
    told = [notice for key, notice in first.items() if key in new]
    conn.execute(
        "UPDATE incident SET delivered = %s WHERE id = ANY(%s) AND delivered IS NULL",
        [now, [notice.incident for notice in told if notice.first]],
    )
    conn.execute(
        """
        INSERT INTO incident_log (incident, at, author, action, evidence)
        SELECT n.incident, %s, 'alertmanager', 'delivered', n.evidence::jsonb
        FROM unnest(%s::int8[], %s::text[]) WITH ORDINALITY AS n (incident, evidence, place) ORDER BY n.place
        """,
        [now, [notice.incident for notice in told], [json.dumps(notice.evidence) for notice in told]],
    )
    return new
