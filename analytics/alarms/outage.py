"""Evidence of an outage: a source of whose channels too many are silent. One alarm of it, and no alarm of these begins.

It counts the channels whose newest live reading came from the source, and of them those that were live lately.
"""

from collections.abc import Mapping
from typing import Any

from analytics import tables
from analytics.alarms.rules import Keys
from analytics.alarms.silence import LIMITS, check_limits


def _check(place: str, keys: Mapping[str, Any]) -> None:
    check_limits(place, keys)


KEYS = Keys(
    scopes=("source",),
    needs={
        **dict.fromkeys(("factor", "share"), tables.NUMBER),
        **dict.fromkeys((*LIMITS, "least", "recent", "wait"), int),
    },
    allows={},
    check=_check,
)
