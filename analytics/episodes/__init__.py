"""Episodes: what hours say of a station, its own and what is said beside them -> runs of a condition, with a life.

A rule (tables/episodes.toml) turns the hours of a station into two whole numbers (`conditions`): of how many of its
levels a period is beyond, of how many it is beyond the off line. `runs` makes episodes of these.
"""

from analytics.episodes.conditions import CONDITIONS, PLANNED, conditions, measured
from analytics.episodes.evidence import EVIDENCE, evidence, lent
from analytics.episodes.expected import EXPECTED, FRESH, expected
from analytics.episodes.feasts import feasts
from analytics.episodes.names import EVENTS, FOUND, NAMED, listed, name
from analytics.episodes.rules import (
    ABOUT,
    AHEAD,
    ANOMALY,
    BACKGROUND,
    DEVICE,
    DIRECTIONS,
    EVENT,
    HOURLY,
    SAID,
    SCORE,
    TABLE,
    Lines,
    Rule,
    Term,
    check,
    load,
    parse,
)
from analytics.episodes.runs import PERIOD, borders, runs

__all__ = [
    "ABOUT",
    "AHEAD",
    "ANOMALY",
    "BACKGROUND",
    "CONDITIONS",
    "DEVICE",
    "DIRECTIONS",
    "EVENT",
    "EVENTS",
    "EVIDENCE",
    "EXPECTED",
    "FOUND",
]
__all__ += [
    "FRESH",
    "HOURLY",
    "NAMED",
    "PERIOD",
    "PLANNED",
    "SAID",
    "SCORE",
    "TABLE",
    "Lines",
    "Rule",
    "Term",
]
__all__ += ["borders", "check", "conditions", "evidence", "expected", "feasts", "lent", "listed", "load", "measured"]
__all__ += ["name", "parse", "runs"]
