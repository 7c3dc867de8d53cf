"""Detectors: steps of a series -> scores, 1.0 is the line. A detector is a file here, its name is the file's.

Each learns (`fit`) and judges (`score`), and the two meet in a blob that only the detector can read:

    fit(steps, voices, parameters, setting)     subject, blob: what was learned of each series; the same steps, the same
                                                bytes. Series it can make nothing of have no row.
    score(steps, fits)                          SCORES, at most a row a step; null where it cannot judge. A step is
                                                judged by the newest fit that holds from it or earlier, by at most
                                                REACH readings before it, none of them farther away than three cadences
                                                more than that, and by nothing after it: step by step, or all at once,
                                                the scores are the same.
    SETTING                                     keys of its block in the table, and their types; `MAY`: others
    REACH                                       readings before a step that its score reads: what is loaded is longer
                                                by (REACH + 3) cadences; or how long before a step

What is shipped is one configuration of them: `learn`, `judge`, `scores` as they are kept, `replay` of a past
(_shipped.py).

`steps` has series, time, value (no nulls) and `offset` [min], at any regular cadence; `voices` series, parameter,
offset, and `station` where a detector looks at what stands together; `fits` subject, valid_from, blob.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from analytics import tables
from analytics.detection._replay import fits_of
from analytics.detection._rows import back_of
from analytics.detection._shipped import (
    ALARM,
    JUDGED,
    LEARN,
    LEVEL,
    MEMBERS,
    TOGETHER,
    cadences,
    judge,
    learn,
    levels,
    reach,
    replay,
    scores,
)
from analytics.family import members
from analytics.tables import Content, TableError

__all__ = [
    "ALARM",
    "JUDGED",
    "LEARN",
    "LEVEL",
    "MEMBERS",
    "REACH",
    "SCORERS",
    "SETTINGS",
    "STUDENTS",
    "TABLE",
    "TOGETHER",
    "back",
    "cadences",
    "fits_of",
    "judge",
    "learn",
    "levels",
    "parse",
    "reach",
    "replay",
    "scores",
]

TABLE = "detectors"

#: Every member of the folder, and those that learn: the others judge by what another one has learned.
SCORERS = members(__name__, "score")
STUDENTS = members(__name__, "fit", all=False)
SETTINGS: Mapping[str, Mapping[str, Any]] = members(__name__, "SETTING", all=False)  # type: ignore[assignment]  # no functions
_MAY: Mapping[str, Mapping[str, Any]] = members(__name__, "MAY", all=False)  # type: ignore[assignment]
REACH: Mapping[str, int | timedelta] = members(__name__, "REACH")  # type: ignore[assignment]


def back(name: str, cadence: timedelta) -> timedelta:
    """How long before a step the readings begin that its score may read."""
    return back_of(REACH[name], cadence)


def parse(content: Content) -> dict[str, dict[str, Any]]:
    """The setting of each detector of `content`, by name. Raises `TableError` naming block and key."""
    found = tables.records(content, TABLE)
    for name, record in found.items():
        if name not in SETTINGS:
            raise TableError(f"{TABLE}: [{name}] learns nothing, known are {', '.join(SETTINGS)}")
        tables.check(record, f"{TABLE}: [{name}]", needs=SETTINGS[name], allows=_MAY.get(name))
    return found
