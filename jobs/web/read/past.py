"""As of when an answer is."""

from datetime import datetime, timedelta

from analytics.store import knowledge
from analytics.store.connection import Connection
from jobs import console
from jobs.export.ask import Ask, as_of
from jobs.web.problems import Refused
from jobs.web.read.asked import Asked

#: Readings that are made again at once: with those of their neighbours, a day before and a day behind.
MOST = 40_000
#: Who asks for what was known a moment ago waits so long [s] until what was being written then is written.
PATIENCE = 5.0
#: What was known before so long will be known so again.
_LASTING = timedelta(minutes=10)


def moment(conn: Connection, asked: Asked) -> datetime | None:
    """The time as of which `asked` is; None: as things are. Raises `Refused`."""
    if asked.known is None:
        return None
    if knowledge.moment(conn, asked.known) != asked.known:
        raise Refused("bad-query", "known: this time has not come yet; leave it out to be told how things are")
    try:
        return as_of(conn, Ask(known=asked.known), PATIENCE).known
    except console.NotAsAsked as problem:
        raise Refused("busy", str(problem), Retry_After="5") from None


def lasting(known: datetime | None) -> bool:
    """Whether what was `known` then is long past."""
    return known is not None and console.now() - known > _LASTING
