"""Detectors: hourly values of a series -> scores, 1.0 is the line. A detector is a file here, its name is the file's.

Each learns (`fit`) and judges (`score`), and the two meet in a blob that only the detector can read:

    fit(hours, voices, parameters, setting)     subject, blob: what was learned of each series; the same hours, the same
                                                bytes. Series it can make nothing of have no row.
    score(hours, fits)                          SCORES, a row an hour; null where it cannot judge. An hour is judged by
                                                the newest fit that holds from it or earlier, and by nothing after it:
                                                hour by hour, or all at once, the scores are the same.

`hours` has series, time, value (no nulls) and `offset` [min]; `voices` series, parameter, offset; `fits` subject,
valid_from, blob.
"""

from collections.abc import Mapping
from typing import Any

from analytics import tables
from analytics.family import members
from analytics.tables import Content, TableError

TABLE = "detectors"
SETTING: Mapping[str, Any] = {
    "means": list,
    "window": int,
    "hours": int,
    "slot": int,
    **dict.fromkeys(("spread", "quantile", "margin", "floor"), tables.NUMBER),
    "source": str,
    "confidence": str,
}

DETECTORS = members(__name__, "score")
LEARNERS = members(__name__, "fit")


def parse(content: Content) -> dict[str, dict[str, Any]]:
    """The setting of each detector of `content`, by name. Raises `TableError` naming block and key."""
    found = tables.records(content, TABLE)
    for name, record in found.items():
        if name not in DETECTORS:
            raise TableError(f"{TABLE}: [{name}] is no detector, known are {', '.join(DETECTORS)}")
        tables.check(record, f"{TABLE}: [{name}]", needs=SETTING)
    return found
