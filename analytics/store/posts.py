"""Posts that were answered before they were saved: what became of each, kept as long as their bytes are."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from analytics.store.connection import Connection
from analytics.store.observations import Counts

SAVED, REFUSED = "saved", "refused"
#: A commit whose answer was lost is looked for among the batches known since so long before it was received.
_SLACK = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a post: `state` is SAVED or REFUSED, `answer` what would have been answered at once."""

    source: str
    received: datetime
    settled: datetime
    state: str
    answer: Mapping[str, Any]


def load(conn: Connection, id: UUID) -> Settled | None:
    """What became of the post `id`; None where nothing is known of it."""
    query = "SELECT source, received, settled, state, answer FROM post WHERE id = %s"
    row = conn.execute(query, [id]).fetchone()
    return None if row is None else Settled(*row)  # type: ignore[arg-type]  # as the select says


def settle(conn: Connection, id: UUID, what: Settled) -> None:
    """Nothing; `what` became of the post `id`, for whoever asks. Call it in the transaction of its readings."""
    conn.execute(
        """
        INSERT INTO post (id, source, received, settled, state, answer) VALUES (%s, %s, %s, %s, %s, %s)
        ON CONFLICT (id) DO NOTHING
        """,
        [id, what.source, what.received, what.settled, what.state, Jsonb(dict(what.answer))],
    )


def committed(conn: Connection, origin: str, received: datetime) -> Counts | None:
    """Counts of the batch that was saved from `origin` since it was `received`; None where there is none."""
    row = conn.execute(
        """
        SELECT read, new, replaced, duplicates, missing, rejects, conflicts FROM batch
        WHERE known >= %s AND origin = %s ORDER BY ordinal LIMIT 1
        """,
        [received - _SLACK, origin],
    ).fetchone()
    return None if row is None else Counts(*(int(str(count)) for count in row))


def forget(conn: Connection, before: datetime) -> int:
    """How many posts settled `before` are forgotten now."""
    return conn.execute("DELETE FROM post WHERE settled < %s", [before]).rowcount
