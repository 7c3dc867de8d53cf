"""Evidence of an outage: a source of whose channels too many are silent. One alarm of it, and no alarm of these begins.

It counts the channels whose newest live reading came from the source, and of them those that were live lately.
"""

from analytics import tables
from analytics.alarms.rules import Keys
from analytics.alarms.silence import LIMITS, check_limits

KEYS = Keys(
    scopes=("source",),
    needs={
        **dict.fromkeys(("factor", "share"), tables.NUMBER),
        **dict.fromkeys((*LIMITS, "least", "recent", "wait"), int),
    },
    allows={},
    check=check_limits,
)
