"""Detectors: steps of a series -> scores, 1.0 is the line. A detector is a file here, its name is the file's.

Each learns (`fit`) and judges (`score`), and the two meet in a blob that only the detector can read:

    fit(steps, voices, parameters, setting)     subject, blob: what was learned of each series; the same steps, the same
                                                bytes. Series it can make nothing of have no row.
    score(steps, fits)                          SCORES, at most a row a step; null where it cannot judge. A step is
                                                judged by the newest fit that holds from it or earlier, by at most
                                                REACH readings before it, none of them farther away than three cadences
                                                more than that, and by nothing after it: step by step, or all at once,
                                                the scores are the same.
    SETTING                                     keys of its block in the table, and their types
    REACH                                       readings before a step that its score reads: what is loaded is longer
                                                by (REACH + 3) cadences; or how long before a step

What is shipped is one configuration of them: `learn`, `judge`, and `replay` of a past (_shipped.py).

`steps` has series, time, value (no nulls) and `offset` [min], at any regular cadence; `voices` series, parameter,
offset, and `station` where a detector looks at what stands together; `fits` subject, valid_from, blob.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from analytics import tables
from analytics.detection._combine import calibrate, combine, on_line, onsets
from analytics.detection._replay import fits_of
from analytics.detection._rows import SLACK
from analytics.detection._shipped import JUDGED, LEARN, MEMBERS, judge, learn, reach, replay
from analytics.family import members
from analytics.tables import Content, TableError

__all__ = ["DETECTORS", "JUDGED", "LEARN", "LEARNERS", "MEMBERS", "REACH", "SCORERS", "SETTINGS", "STUDENTS", "TABLE"]
__all__ += [
    "back",
    "calibrate",
    "combine",
    "fits_of",
    "judge",
    "learn",
    "on_line",
    "onsets",
    "parse",
    "reach",
    "replay",
]

TABLE = "detectors"

#: Every member of the folder.
SCORERS = members(__name__, "score")
STUDENTS = members(__name__, "fit")
SETTINGS: Mapping[str, Mapping[str, Any]] = members(__name__, "SETTING")  # type: ignore[assignment]  # no functions
REACH: Mapping[str, int | timedelta] = members(__name__, "REACH")  # type: ignore[assignment]

#: Those that the stage `detect` runs, on hours.
DETECTORS = {name: SCORERS[name] for name in ("robust-seasonal",)}
LEARNERS = {name: STUDENTS[name] for name in DETECTORS}


def back(name: str, cadence: timedelta) -> timedelta:
    """How long before a step the readings begin that its score may read."""
    reach = REACH[name]
    if isinstance(reach, timedelta):
        return reach
    return (reach + SLACK) * cadence if reach else timedelta()


def parse(content: Content) -> dict[str, dict[str, Any]]:
    """The setting of each detector of `content`, by name. Raises `TableError` naming block and key."""
    found = tables.records(content, TABLE)
    for name, record in found.items():
        if name not in SCORERS:
            raise TableError(f"{TABLE}: [{name}] is no detector, known are {', '.join(SCORERS)}")
        tables.check(record, f"{TABLE}: [{name}]", needs=SETTINGS[name])
    return found
