"""Work orders on their way out, and what comes back of them. Each is sent until somebody says it has it; never is a row
locked while another machine is waited for."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from analytics.store.connection import Connection
from analytics.store.incidents import close, write

#: States of a work order that answers may change, by the answer.
ANSWERS = {
    "accepted": ("waiting", "sent", "failed"),
    "done": ("waiting", "sent", "failed", "accepted"),
    "refused": ("waiting", "sent", "failed", "accepted"),
}
#: Who writes into the log what the other side says.
AUTHOR = "work orders"


@dataclass(frozen=True, slots=True)
class Order:
    """A work order to be sent, for the `tries`-th time."""

    id: UUID
    incident: int
    made: datetime
    body: dict[str, Any]
    tries: int


def claim(conn: Connection, now: datetime, lease: timedelta) -> Order | None:
    """The order that is due the longest, nobody else's for `lease`; None where none is due."""
    row = conn.execute(
        """
        UPDATE work_order SET tries = tries + 1, due = %(until)s
        WHERE id = (SELECT id FROM work_order WHERE state = 'waiting' AND due <= %(now)s ORDER BY due LIMIT 1
                    FOR UPDATE SKIP LOCKED)
        RETURNING id, incident, made, body, tries
        """,
        {"now": now, "until": now + lease},
    ).fetchone()
    return None if row is None else Order(*row)  # type: ignore[arg-type]  # as the select says


def sent(conn: Connection, order: Order, now: datetime) -> None:
    """Nothing; the other side has it. Its answer may have been here before."""
    with conn.transaction():
        _hold(conn, order.incident)
        done = conn.execute(
            "UPDATE work_order SET sent = %s, problem = '', state = 'sent' WHERE id = %s AND state = 'waiting'",
            [now, order.id],
        )
        if done.rowcount:
            evidence = {"order": str(order.id), "tries": order.tries}
            write(conn, order.incident, now, AUTHOR, "order sent", evidence=evidence)


def failed(conn: Connection, order: Order, now: datetime, problem: str, again: datetime | None) -> None:
    """Nothing; it is tried `again` at that time, or never more; its incident is told, and waits for it no longer."""
    with conn.transaction():
        _hold(conn, order.incident)
        done = conn.execute(
            """
            UPDATE work_order SET problem = %(problem)s, due = coalesce(%(again)s, due),
                state = CASE WHEN %(again)s::timestamptz IS NULL THEN 'failed' ELSE state END
            WHERE id = %(id)s AND state = 'waiting'
            """,
            {"id": order.id, "problem": problem, "again": again},
        )
        if done.rowcount and again is None:
            evidence = {"order": str(order.id), "tries": order.tries, "problem": problem}
            write(conn, order.incident, now, AUTHOR, "order failed", evidence=evidence)
            close(conn, order.incident, now, AUTHOR, evidence)


def _hold(conn: Connection, incident: int) -> None:
    """Nothing; the incident is locked. It is so before its orders are, as by everybody else: an answer that comes while
    the order is noted as sent would wait for us, and we for it."""
    conn.execute("SELECT FROM incident WHERE id = %s FOR UPDATE", [incident])


def answered(conn: Connection, id: UUID, answer: str, note: str, now: datetime) -> str | None:
    """What the order is now: `answer`, or what it was before where that is later or as late; None where there is none.

    Where it was the last one out and the data have recovered, its incident is resolved.
    """
    row = conn.execute("SELECT incident FROM work_order WHERE id = %s", [id]).fetchone()
    if row is None:
        return None
    incident = int(str(row[0]))
    _hold(conn, incident)
    before = conn.execute("SELECT state FROM work_order WHERE id = %s FOR UPDATE", [id]).fetchone()
    assert before is not None
    if before[0] not in ANSWERS[answer]:
        return str(before[0])
    conn.execute("UPDATE work_order SET state = %s, answered = %s WHERE id = %s", [answer, now, id])
    write(conn, incident, now, AUTHOR, f"order {answer}", note=note, evidence={"order": str(id)})
    close(conn, incident, now, AUTHOR, {"order": str(id), "answer": answer})
    return answer


def seen(conn: Connection, id: str, now: datetime, forget: timedelta) -> bool:
    """Whether the webhook `id` was taken before; if not, it is now. Those older than `forget` are forgotten."""
    conn.execute("DELETE FROM webhook WHERE at < %s", [now - forget])
    done = conn.execute("INSERT INTO webhook (id, at) VALUES (%s, %s) ON CONFLICT DO NOTHING", [id, now])
    return done.rowcount == 0


def of(conn: Connection, incidents: Sequence[int]) -> list[dict[str, Any]]:
    """The orders of `incidents`: id, incident, state, made, sent, answered, tries, problem."""
    rows = conn.execute(
        """
        SELECT id, incident, state, made, sent, answered, tries, problem FROM work_order
        WHERE incident = ANY(%s) ORDER BY made, id
        """,
        [list(incidents)],
    ).fetchall()
    names = ("id", "incident", "state", "made", "sent", "answered", "tries", "problem")
    return [dict(zip(names, row, strict=True)) for row in rows]
