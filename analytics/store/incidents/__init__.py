"""Incidents as they are kept: what `watch` tells of them here, what people do in `acts`, lists in `listed`, work orders
in `orders`."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import polars as pl
from psycopg.types.json import Jsonb

from analytics.frames import TIME
from analytics.store import terms
from analytics.store.connection import Connection

#: Who writes into the log what the data say.
WATCH = "watch"
#: How long an incident that ended is still shown, at 0: as `alarms.CLOSED`.
CLOSED = timedelta(hours=24)
#: States of an alarm that is over, and what is stamped then.
_OVER = {"ok": "recovered", "withdrawn": "withdrawn"}
#: Work orders that are out: somebody is at it.
OUT = ("waiting", "sent", "accepted")

FOUND: dict[str, pl.DataType] = {"subject": pl.Int32(), "rule": pl.String(), "incident": pl.Int64()}
WAITING: dict[str, pl.DataType] = {
    "incident": pl.Int64(),
    "severity": pl.String(),
    "district": pl.String(),
    "since": TIME,
    "tier": pl.Int16(),
}
GAUGE: dict[str, pl.DataType] = {
    **dict.fromkeys(("incident", "rule", "district", "team", "severity"), pl.String()),
    "tier": pl.Int16(),
}
#: What an event says beside what it did, kept as evidence.
_FACTS = ("before", "after", "level", "reason", "episode", "onset", "edge", "value", "live", "told")

#: A page is more than a ticket; nothing is less than both.
RANK = ("", "ticket", "page")


def follow(conn: Connection, events: pl.DataFrame, now: datetime) -> pl.DataFrame:
    """`FOUND` of the alarms in `events` (`alarms.EVENTS`) that have an incident: opened where somebody is told of one
    that has none, else told of what became of it.

    Recovery ends it with the event as evidence; it is resolved at once where no work order is out. To be called in the
    transaction that keeps the events.
    """
    rows = events.filter((pl.col("told") != "") | pl.col("incident").is_not_null())
    if rows.is_empty():
        return pl.DataFrame(schema=FOUND)
    numbers = terms.intern(conn, "alarm", rows["rule"].to_list())
    lasting = ~pl.col("after").is_in(list(_OVER))
    new = _open(conn, rows.filter(pl.col("incident").is_null() & lasting), numbers, now)
    known = rows.join(_active(conn, rows, numbers), on=["subject", "rule"], how="left", maintain_order="left")
    named = known.with_columns(pl.coalesce("incident", "active").alias("incident")).drop_nulls("incident")
    for row in named.iter_rows(named=True):
        _tell(conn, row, now, new=row["incident"] in new)
    return named.select(pl.col(name).cast(kind) for name, kind in FOUND.items()).unique(
        ["subject", "rule"], keep="last", maintain_order=True
    )


def _open(conn: Connection, rows: pl.DataFrame, numbers: dict[str, int], now: datetime) -> set[int]:
    """Ids of the incidents that are new; `rows` are events of alarms that had none."""
    if rows.is_empty():
        return set()
    made = conn.execute(
        """
        INSERT INTO incident (subject, rule, severity, told, level, opened, since, onset, edge, district, street,
                              utc_offset, team)
        SELECT e.subject, e.rule, e.told, ARRAY[e.told], e.level, %(now)s, %(now)s, e.onset, e.edge,
               f.district, f.street, f.utc_offset,
               coalesce((
                   SELECT r.value->>'team'
                   FROM jsonb_each((SELECT rows FROM edition WHERE name = 'duty'
                                    ORDER BY valid_from DESC, id DESC LIMIT 1)) AS r
                   WHERE r.value->>'severity' = e.told AND coalesce(r.value->>'district', '') IN ('', f.district)
                   ORDER BY coalesce(r.value->>'district', '') DESC LIMIT 1
               ), 'duty')
        FROM unnest(%(subject)s::int4[], %(rule)s::int2[], %(told)s::text[], %(level)s::int2[],
                    %(onset)s::timestamptz[], %(edge)s::timestamptz[]) AS e (subject, rule, told, level, onset, edge)
        LEFT JOIN subject s ON s.id = e.subject
        LEFT JOIN series x ON x.id = s.series
        LEFT JOIN station t ON t.id = coalesce(s.station, x.station)
        CROSS JOIN LATERAL (
            SELECT CASE WHEN s.kind = 'district' THEN coalesce(s.place, '') ELSE coalesce(max(m.place) FILTER (
                       WHERE m.kind = 'district'), '') END AS district,
                   coalesce(max(m.place) FILTER (WHERE m.kind = 'street'), '') AS street,
                   coalesce(t.utc_offset, 480) AS utc_offset
            FROM (
                SELECT DISTINCT ON (kind) kind, place FROM membership
                WHERE station = t.id AND kind IN ('district', 'street')
                    AND since <= (%(now)s AT TIME ZONE 'UTC' + make_interval(mins => t.utc_offset))::date
                ORDER BY kind, since DESC
            ) AS m
        ) AS f
        ON CONFLICT (subject, rule) WHERE recovered IS NULL AND withdrawn IS NULL DO NOTHING
        RETURNING id
        """,
        {
            "now": now,
            "rule": [numbers[name] for name in rows["rule"]],
            **{name: rows[name].to_list() for name in ("subject", "told", "level", "onset", "edge")},
        },
    ).fetchall()
    new = {int(str(row[0])) for row in made}
    _gather(conn, new, now)
    return new


def _gather(conn: Connection, new: set[int], now: datetime) -> None:
    """Nothing; those of `new` that are a region's have the incidents of their members in its district."""
    members = conn.execute(
        """
        SELECT p.id, array_agg(m.id ORDER BY m.id)
        FROM incident p JOIN term r ON r.id = p.rule
        JOIN jsonb_each((SELECT rows FROM edition WHERE name = 'alarms' ORDER BY valid_from DESC, id DESC LIMIT 1)) AS a
            ON a.key = r.name
        JOIN term o ON o.kind = r.kind AND o.name = a.value->>'member'
        JOIN incident m ON m.rule = o.id AND m.district = p.district AND m.ended IS NULL
        WHERE p.id = ANY(%s) AND p.district <> '' GROUP BY p.id ORDER BY p.id
        """,
        [list(new)],
    ).fetchall()
    for parent, ids in members:
        adopt(conn, int(str(parent)), ids, now)  # type: ignore[arg-type]  # as the select says


def _active(conn: Connection, rows: pl.DataFrame, numbers: dict[str, int]) -> pl.DataFrame:
    """subject, rule, active: the incident of each alarm in `rows` whose activation goes on."""
    found = conn.execute(
        """
        SELECT i.subject, r.name, i.id FROM incident i JOIN term r ON r.id = i.rule
        WHERE i.subject = ANY(%s) AND i.rule = ANY(%s) AND i.recovered IS NULL AND i.withdrawn IS NULL
        """,
        [rows["subject"].unique().to_list(), list(numbers.values())],
    ).fetchall()
    schema = {"subject": rows.schema["subject"], "rule": pl.String(), "active": pl.Int64()}
    return pl.DataFrame(found, schema=schema, orient="row")


def _tell(conn: Connection, row: dict[str, Any], now: datetime, *, new: bool) -> None:
    """Nothing; the incident of the event `row` is as that says, and its log has it."""
    stamp = _OVER.get(row["after"])
    evidence = {name: _plain(row[name]) for name in _FACTS}
    if new:
        write(conn, row["incident"], now, WATCH, "opened", evidence=evidence)
        return
    before = conn.execute("SELECT severity FROM incident WHERE id = %s FOR UPDATE", [row["incident"]]).fetchone()
    if before is None:  # none of ours: a restored database does not have it
        return
    raised = RANK.index(row["told"]) > RANK.index(str(before[0]))
    conn.execute(
        """
        UPDATE incident SET
            severity = CASE WHEN %(raised)s THEN %(told)s ELSE severity END,
            since = CASE WHEN %(raised)s THEN %(now)s ELSE since END,
            told = CASE WHEN %(raised)s THEN told || %(told)s ELSE told END,
            -- Who knows of a ticket does not know of the page: somebody has to say so, and tiers begin again.
            acknowledged = CASE WHEN %(raised)s THEN NULL ELSE acknowledged END,
            acknowledged_by = CASE WHEN %(raised)s THEN NULL ELSE acknowledged_by END,
            tier = CASE WHEN %(raised)s THEN 0 ELSE tier END,
            level = coalesce(%(level)s, level), onset = least(onset, %(onset)s), edge = greatest(edge, %(edge)s)
        WHERE id = %(id)s
        """,
        {
            "id": row["incident"],
            "now": now,
            "raised": raised,
            **{name: row[name] for name in ("told", "onset", "edge")},
            "level": None if stamp else row["level"],
        },
    )
    if raised:
        write(conn, row["incident"], now, WATCH, "escalated", evidence=evidence)
    if stamp is None:
        if not raised:
            write(conn, row["incident"], now, WATCH, str(row["reason"]), evidence=evidence)
        return
    conn.execute(f"UPDATE incident SET {stamp} = coalesce({stamp}, %s) WHERE id = %s", [now, row["incident"]])
    write(conn, row["incident"], now, WATCH, stamp, evidence=evidence)
    if stamp == "recovered":
        close(conn, row["incident"], now, WATCH, evidence)


def close(conn: Connection, incident: int, now: datetime, author: str, evidence: dict[str, Any]) -> bool:
    """Whether it is resolved now: the data have recovered, and no work order is out."""
    done = conn.execute(
        """
        UPDATE incident i SET resolved = %s WHERE i.id = %s AND i.state = 'recovered'
            AND NOT EXISTS (SELECT FROM work_order o WHERE o.incident = i.id AND o.state = ANY(%s))
        """,
        [now, incident, list(OUT)],
    )
    if done.rowcount:
        write(conn, incident, now, author, "resolved", evidence=evidence)
    return done.rowcount == 1


def write(
    conn: Connection,
    incident: int,
    now: datetime,
    author: str,
    action: str,
    *,
    note: str = "",
    evidence: dict[str, Any] | None = None,
) -> None:
    """Nothing; the log of `incident` has a row more."""
    conn.execute(
        "INSERT INTO incident_log (incident, at, author, action, note, evidence) VALUES (%s, %s, %s, %s, %s, %s)",
        [incident, now, author, action, note, Jsonb(evidence or {})],
    )


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value


def adopt(conn: Connection, parent: int, members: Sequence[int], now: datetime) -> int:
    """How many incidents of `members` belong to `parent` from now on: who has the region's has theirs."""
    moved = conn.execute(
        """
        UPDATE incident SET parent = %(parent)s
        WHERE id = ANY(%(members)s) AND id <> %(parent)s AND parent IS DISTINCT FROM %(parent)s AND ended IS NULL
        RETURNING id
        """,
        {"parent": parent, "members": list(members)},
    ).fetchall()
    for (number,) in moved:
        write(conn, int(str(number)), now, WATCH, "joined", evidence={"parent": parent})
    return len(moved)


def acknowledged(conn: Connection) -> pl.DataFrame:
    """`subject`, `rule` of the activations that somebody has taken note of, or cancelled."""
    rows = conn.execute(
        """
        SELECT i.subject, r.name FROM incident i JOIN term r ON r.id = i.rule
        WHERE i.recovered IS NULL AND i.withdrawn IS NULL
            AND (i.acknowledged IS NOT NULL OR i.cancelled IS NOT NULL)
        ORDER BY 1, 2
        """
    ).fetchall()
    return pl.DataFrame(rows, schema={name: FOUND[name] for name in ("subject", "rule")}, orient="row")


def waiting(conn: Connection) -> pl.DataFrame:
    """`WAITING`: the incidents that nobody has acknowledged; not those of a region's that goes on. Of one whose
    region is over the time begins then."""
    rows = conn.execute(
        """
        SELECT i.id, i.severity, i.district, greatest(i.since, p.ended), i.tier
        FROM incident i LEFT JOIN incident p ON p.id = i.parent
        WHERE i.ended IS NULL AND i.acknowledged IS NULL AND (p.id IS NULL OR p.ended IS NOT NULL) ORDER BY 1
        """
    ).fetchall()
    return pl.DataFrame(rows, schema=WAITING, orient="row")


def escalate(conn: Connection, found: pl.DataFrame, now: datetime) -> None:
    """Nothing; the incidents in `found` (incident, tier) have that tier, but for those acknowledged meanwhile."""
    for incident, tier in found.select("incident", "tier").iter_rows():
        done = conn.execute(
            """
            UPDATE incident SET tier = %(tier)s
            WHERE id = %(id)s AND tier < %(tier)s AND acknowledged IS NULL AND ended IS NULL
            """,
            {"id": incident, "tier": tier},
        )
        if done.rowcount:
            write(conn, incident, now, WATCH, "unanswered", evidence={"tier": tier})


def gauge(conn: Connection, now: datetime) -> pl.DataFrame:
    """`GAUGE`: a row for each severity told of an incident that goes on, or ended less than a day ago: how often nobody
    acknowledged in time; 0 where somebody has, it is over, it belongs to one that goes on, or more was told since."""
    rows = conn.execute(
        """
        SELECT i.id::text, r.name, i.district, i.team, s.severity,
               CASE WHEN i.ended IS NULL AND i.acknowledged IS NULL AND (p.id IS NULL OR p.ended IS NOT NULL)
                        AND s.severity = i.severity
                    THEN i.tier ELSE 0 END::int2
        FROM incident i JOIN term r ON r.id = i.rule LEFT JOIN incident p ON p.id = i.parent
        CROSS JOIN LATERAL unnest(i.told) AS s (severity)
        WHERE i.ended IS NULL OR i.ended > %s
        ORDER BY i.id, 5
        """,
        [now - CLOSED],
    ).fetchall()
    return pl.DataFrame(rows, schema=GAUGE, orient="row")
