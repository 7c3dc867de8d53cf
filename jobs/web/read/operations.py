"""The operations of /v1: the address of each, its parameters, the key of its rows, who makes its pages, its columns.

A row of OPERATIONS is all there is to one: handlers and their description in /openapi.json are made of it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from analytics.store import explained
from analytics.store.connection import Connection
from analytics.store.incidents import listed as kept
from jobs.export import issued
from jobs.rules import Rules
from jobs.web.read import duty, listed, measured, refused, stepped, told
from jobs.web.read.asked import Asked
from jobs.web.read.forms import Page
from jobs.web.read.selected import SERIES

Make = Callable[[Connection, Asked, list[Rules]], Page]

_PAGES = ("limit", "cursor", "format")
_WHO = ("station", "place", "parameter", "channel", "statistic")
_WHEN = ("from", "to", "known")
_STEPS = ("step", "statistics", "capture")

#: Columns that any answer may have: JSON type, and what they say. A type followed by ? may be null.
COLUMNS: Mapping[str, tuple[str, str]] = {
    "series": ("integer", "Number of the series, good for this store."),
    "station": ("string", "Code of the station."),
    "title": ("string", "In English."),
    "title_zh": ("string", "In Chinese."),
    "longitude": ("number?", "[°]"),
    "latitude": ("number?", "[°]"),
    "utc_offset": ("string", "Of the station's clock, as +08:00."),
    "places": (
        "array",
        "What it is in today, as `district:Chaoyang`; in CSV with ; between them.",
    ),
    "channel": ("string", "`parameter[@position][:statistic]`"),
    "parameter": ("string?", "What is measured."),
    "position": ("string", "A depth, a bank, a height [m]; empty: the only one."),
    "statistic": ("string", "What the source itself made of its readings; empty: the reading."),
    "cadence": ("integer", "Usual step between readings [s]."),
    "unit": ("string?", "Of value, and of what stands beside it; UCUM-like, as µg/m³."),
    "mean": ("string?", "How means are made: arithmetic, energy (levels), circular (directions), sum (rain)."),
    "domain": ("string?", "air, water, noise, soil or weather."),
    "rank": ("integer?", "0: it speaks for the station's parameter; 1: it stands in."),
    "derived": ("boolean", "Made of others: it has hours, no readings."),
    "first": ("time?", "Time of the first reading."),
    "last": ("time?", "Time of the last reading."),
    "time": ("time", "Of a period its start."),
    "value": ("number?", "Null: not enough came."),
    "corrected": ("number?", "As it counts; null: withdrawn."),
    "verdict": ("integer?", "QARTOD: 2 not evaluated, 3 suspect, 4 fail, 9 missing; null: nothing was objected to."),
    "tests": ("string?", "That objected."),
    "mark": ("string?", "Of the device."),
    "revision": ("integer", "Of the sender; of two the greater wins."),
    "averaging": ("string?", "hour, day, ..."),
    "min": ("number?", "Least; null: none, or a direction."),
    "max": ("number?", "Greatest; null: none, or a direction."),
    "count": (
        "integer?",
        "How many there are: readings of an hour, hours of what is longer, parameters of an assessment.",
    ),
    "expected": ("integer?", "How many there should be."),
    "coverage": ("number?", "count / expected [1]; over 1 where more came than the cadence promises."),
    "standard": ("string", "The edition, as HJ 633-2012."),
    "index": ("integer?", "Null: the standard allows no figure."),
    "class": ("integer?", "1 is best."),
    "category": ("string?", "The class in words."),
    "primary": ("string?", "Primary pollutants, commas between them."),
    "exceedance": ("number?", "Of the worst parameter: (C - S) / S of concentrations [1], L - S of levels [dB]."),
    "rule": ("string", "By which it is an episode, or an alarm."),
    "stop": ("time", "End of its last period so far."),
    "level": (
        "number",
        "The highest one reached; of a forecast the nominal coverage of its band [1]; of an alarm now.",
    ),
    "closed": ("boolean", "Whether a quiet stretch has followed."),
    "peak": ("number", "Highest value [unit of the parameter]."),
    "peak_time": ("time", "When that was."),
    "dose": ("number", "Excess over the first level, each period for an hour [unit × h]."),
    "levels": ("string", "JSON: [[start, level], ...]"),
    "issued": ("time", "What was observed before it is known to it."),
    "low": ("number?", "Lower end of the band."),
    "high": ("number?", "Upper end of the band."),
    "model": ("string", "That was used."),
    "skill": ("number?", "1 - its error over that of the best naive forecast, in the backtest; null: not tested."),
    "reason": (
        "string",
        "Of a forecast, why another model than the best was used (empty: it was not); of a reject, why it is one.",
    ),
    "kind": ("string", "episode or score."),
    "by": ("string", "The rule or detector that found it."),
    "seen": ("number?", "Of an episode its peak, of a score the hour's mean; null: it is not known any more."),
    "norm": ("number?", "What was expected: the line of level 1, or what is usual at that hour; null: none is known."),
    "measure": ("string?", "What the rule looks at, as `rise of turbidity/hour in 12 h`."),
    "besides": ("string?", "What else had to hold, and how far it went."),
    "around": ("string?", "Codes of the stations around it that had a value then, commas between them."),
    "background": ("number?", "Median of these: in that hour, or on average over the episode."),
    "share": ("number?", "How much of what was here lay above theirs [1]."),
    "region": ("integer?", "Name of the regional episode it is part of."),
    "sentence": ("string", "All that in English."),
    "sentence_zh": ("string", "All that in Chinese."),
    "id": ("integer", "Number of the reject or incident; later ones are greater."),
    "kept": ("time?", "Since when it is among the rejects."),
    "source": ("string", "Who said it; of an incident which source it is about, empty: of none."),
    "stamp": ("string?", "Its time, as it was said."),
    "text": ("string?", "Its value, or the words that could not be read."),
    "place": ("string?", "Where it stood in what was sent."),
    "waits": ("boolean", "It comes in by itself once its series is registered, or its period open."),
    "decoder": ("string?", "By which it was read."),
    "origin": ("string?", "Where its bytes are."),
    "state": ("string", "open, acknowledged, dispatched, recovered, withdrawn, resolved, reviewed or cancelled."),
    "severity": ("string", "The highest that somebody was told: page or ticket."),
    "scope": ("string?", "What it is about: station, channel, source or district."),
    "district": ("string", "Where it was then; empty: in none."),
    "street": ("string", "Likewise."),
    "team": ("string", "Who answers for it."),
    "opened": ("time", "When somebody was told."),
    "onset": ("time?", "Since when that holds which it stands on."),
    "edge": ("time?", "End of the newest evidence."),
    "delivered": ("time?", "When it first got to somebody, as Alertmanager says."),
    "acknowledged": ("time?", "When somebody took it."),
    "acknowledged_by": ("string?", "Who did."),
    "assigned": ("time?", "When it was given to who has it."),
    "assignee": ("string?", "Who has it."),
    "dispatched": ("time?", "When the first work order was made."),
    "recovered": ("time?", "When the data had recovered."),
    "withdrawn": ("time?", "When a correction had taken away what it stood on."),
    "resolved": ("time?", "When it was closed."),
    "reviewed": ("time?", "When somebody had looked through it."),
    "cancelled": ("time?", "When it was cancelled, with evidence from data."),
    "ended": ("time?", "When the first of these was; null: it goes on."),
    "tier": ("integer", "How often nobody acknowledged in time."),
    "parent": ("integer?", "Number of the incident of its region."),
}


@dataclass(frozen=True, slots=True)
class Operation:
    """What can be asked. `columns` are in every row, `others` only where they were asked for."""

    name: str
    path: str
    title: str
    words: str
    parameters: tuple[str, ...]
    keys: tuple[str, ...]
    make: Make
    columns: tuple[str, ...]
    others: tuple[str, ...] = ()


def _readings(conn: Connection, asked: Asked, rules: list[Rules]) -> Page:
    if asked.step is None:
        return measured.readings(conn, asked, rules)
    return stepped.page(conn, asked, rules, readings=True)


def _averages(conn: Connection, asked: Asked, rules: list[Rules]) -> Page:
    if asked.step is None:
        return measured.averages(conn, asked, rules)
    return stepped.page(conn, asked, rules, readings=False)


_OF_READINGS = (
    "Those that count, as they count: corrected, without what is withdrawn or failed. With `step`, their means, made as"
    " the averages are (of levels the mean energy, of directions that of unit vectors, of rain the sum), extremes, and"
    " the share of what was expected that came; what has no mean, as L10, has no steps. With `raw`, every reading as it"
    " was received, with its verdict and mark."
)

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "stations",
        "/v1/stations",
        "Stations",
        "",
        ("station", "place", *_PAGES),
        ("station",),
        listed.stations,
        ("station", "title", "title_zh", "longitude", "latitude", "utc_offset", "places"),
    ),
    Operation(
        "series",
        "/v1/series",
        "Series: what is measured where",
        "",
        (*_WHO, *_PAGES),
        SERIES,
        listed.series,
        (
            *("series", "station", "channel", "parameter", "position", "statistic", "cadence", "unit", "mean"),
            *("domain", "utc_offset", "rank", "derived", "first", "last"),
        ),
    ),
    Operation(
        "readings",
        "/v1/readings",
        "Readings of series",
        _OF_READINGS,
        (*_WHO, *_WHEN, "raw", *_STEPS, *_PAGES),
        (*SERIES, "time"),
        _readings,
        ("station", "parameter", "time", *measured.OF_SERIES),
        ("value", "verdict", "corrected", "tests", "mark", "revision", "min", "max", *measured.MEANS),
    ),
    Operation(
        "series_readings",
        "/v1/series/{id}/readings",
        "Readings of one series",
        _OF_READINGS,
        (*_WHEN, "raw", *_STEPS, *_PAGES),
        (*SERIES, "time"),
        _readings,
        ("station", "parameter", "time", *measured.OF_SERIES),
        ("value", "verdict", "corrected", "tests", "mark", "revision", "min", "max", *measured.MEANS),
    ),
    Operation(
        "averages",
        "/v1/averages",
        "Averages of series",
        "As they are kept; with `step` over steps of that length, made of hours, with the extremes of these.",
        (*_WHO, "averaging", *_WHEN, *_STEPS, *_PAGES),
        (*SERIES, "time", "averaging"),
        _averages,
        ("station", "parameter", "time", *measured.MEANS, *measured.OF_SERIES),
        ("averaging", "value", "min", "max"),
    ),
    Operation(
        "assessments",
        "/v1/assessments",
        "Indices, classes and compliance of stations",
        "With `known`, as people saw them then.",
        ("station", "place", "averaging", "standard", *_WHEN, *_PAGES),
        ("station", "time", "averaging", "standard"),
        told.assessments,
        (
            *("station", "time", "averaging", "standard", "index", "class", "category", "primary", "count"),
            *("exceedance", "utc_offset"),
        ),
    ),
    Operation(
        "episodes",
        "/v1/episodes",
        "Episodes at stations",
        "By the time of their start. With `known`, as people saw them then.",
        ("station", "place", "parameter", "averaging", *_WHEN, *_PAGES),
        ("station", "time", "rule"),
        told.episodes,
        (
            *("station", "rule", "time", "stop", "level", "closed", "peak", "peak_time", "dose", "count", "levels"),
            *("parameter", "averaging", "utc_offset"),
        ),
    ),
    Operation(
        "explanations",
        "/v1/explanations",
        "Why there is an episode or a score",
        "By the time of its start: what was expected, what was seen, by what it was found, and what the stations around"
        " had; as data, and in a sentence.",
        ("station", "place", "parameter", "from", "to", *_PAGES),
        explained.KEYS,
        told.explanations,
        (*explained.COLUMNS, "utc_offset"),
    ),
    Operation(
        "forecasts",
        "/v1/forecasts",
        "Forecasts of series",
        "By the time of issue; `time` is the start of the hour a row is about. With `known`, those people had then.",
        (*_WHO, *_WHEN, "newest", *_PAGES),
        (*SERIES, "issued", "time"),
        told.issues,
        (
            *issued.FORECASTS,
            *("statistic", "cadence", *measured.ABOUT),
        ),
    ),
    Operation(
        "rejects",
        "/v1/rejects",
        "Cells that could not be kept",
        "By the time since when they are among the rejects (`from`, `to`); `station` and `channel` as they were said,"
        " empty where nothing was. What comes in later is here no more.",
        ("station", "channel", "source", "reason", "text", "from", "to", *_PAGES),
        ("id",),
        refused.rejects,
        (
            *("id", "kept", "source", "station", "channel", "stamp", "text", "place", "reason", "waits", "decoder"),
            "origin",
        ),
    ),
    Operation(
        "incidents",
        "/v1/incidents",
        "Alarms that somebody was told of, and how far each is",
        "By the time they were opened (`from`, `to`); `place` is a district or a street, as they were then. What became"
        " of one, by whom and on what evidence, is under its number.",
        ("station", "place", "rule", "state", "severity", "going", "from", "to", *_PAGES),
        ("id",),
        duty.incidents,
        tuple(kept.COLUMNS),
    ),
)

_SHAPES: Mapping[str, dict[str, Any]] = {
    "time": {"type": "string", "format": "date-time"},
    "array": {"type": "array", "items": {"type": "string"}},
}


def shape(operation: Operation) -> dict[str, Any]:
    """JSON schema of an answer of `operation`."""
    columns = {name: column(name) for name in dict.fromkeys((*operation.columns, *operation.others))}
    row = {
        "type": "object",
        "properties": columns,
        "required": list(operation.columns),
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {
            "rows": {"type": "array", "items": row},
            "next": {"type": ["string", "null"], "description": "Address of the next page; null: this is the last."},
            "known": {
                "type": ["string", "null"],
                "format": "date-time",
                "description": "As of when they are; null: as things are.",
            },
        },
        "required": ["rows", "next", "known"],
        "additionalProperties": False,
    }


def column(name: str) -> dict[str, Any]:
    """JSON schema of the column `name` of an answer."""
    kind, words = COLUMNS[name]
    plain = kind.removesuffix("?")
    found = _SHAPES.get(plain, {"type": plain})
    if kind != plain:
        found = {**found, "type": [found["type"], "null"]}
    return {**found, "description": words}
