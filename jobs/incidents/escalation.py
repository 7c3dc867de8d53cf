"""Who is told next where nobody acknowledges: tiers by the policies in force, kept in the transaction of `watch`."""

from datetime import datetime

from analytics import incidents
from analytics.store import incidents as store
from analytics.store import migrations
from analytics.store.connection import Connection


def escalate(conn: Connection, now: datetime) -> int:
    """How many incidents have a higher tier now, by the newest edition of the policies."""
    waiting = store.waiting(conn)
    if waiting.is_empty():
        return 0
    policies = incidents.parse(migrations.editions(conn, incidents.TABLE)[-1][2])
    found = incidents.tiers(waiting, policies, now)
    store.escalate(conn, found, now)
    return found.height
