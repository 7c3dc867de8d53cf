"""What a request of /v1 asks for: its parameters, each checked by its row of PARAMETERS."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import typer
from starlette.requests import Request

from analytics.averaging.steps import STEPS, Step
from analytics.incidents import SEVERITIES, STATES
from jobs.export.ask import instant
from jobs.web.problems import Refused
from jobs.web.read import cursor
from jobs.web.read.forms import FORMS

#: Rows of a page where nothing is said, and at most.
LIMIT, MOST = 10_000, 100_000
#: Characters of a value, and values of a parameter.
LONGEST, VALUES = 1000, 1000
STATISTICS = ("mean", "min", "max", "count")
#: Parameters that say how the answer is cut and written, not what is asked for.
_MANNER = frozenset({"cursor", "limit", "format"})
# An offset's plus sign that was not escaped comes as a blank.
_BLANK = re.compile(r"(T[0-9:.]+) ([0-9]{2}:?[0-9]{2})\Z")


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for; an empty list is all, None is not said."""

    stations: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    statistic: str | None = None
    averagings: tuple[str, ...] = ()
    standards: tuple[str, ...] = ()
    start: datetime | None = None
    stop: datetime | None = None
    known: datetime | None = None
    raw: bool = False
    newest: bool = False
    sources: tuple[str, ...] = ()
    reason: str = ""
    text: str = ""
    step: Step | None = None
    statistics: tuple[str, ...] = ()
    capture: float | None = None
    limit: int = LIMIT
    states: tuple[str, ...] = ()
    severities: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    going: bool | None = None
    #: a series by its number
    series: int | None = None
    #: stations that the key of the request is for; None: any
    allowed: frozenset[str] | None = None
    #: behind which row, or window, the page begins
    after: cursor.Key = ()
    #: what a cursor must have been given for
    mark: str = ""


def _instant(text: str) -> datetime:
    try:
        return instant(_BLANK.sub(r"\1+\2", text), "", date=False)  # type: ignore[return-value]  # there is a text
    except typer.BadParameter as problem:
        raise ValueError(problem.message) from None


def _boolean(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError(f"{text!r} is neither true nor false")
    return text == "true"


def _one_of(words: Sequence[str]) -> Callable[[str], str]:
    def check(text: str) -> str:
        if text not in words:
            raise ValueError(f"{text!r} is none of {', '.join(words)}")
        return text

    return check


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and 1 <= int(text) <= MOST):
        raise ValueError(f"{text!r} is no number from 1 to {MOST:,}: ask for the rest by `next`")
    return int(text)


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise ValueError(f"{text!r} is no share from 0 to 1")
    return share


def _storable(text: str) -> str:
    if "\0" in text:
        raise ValueError("no text has a character of no kind (NUL)")
    return text


def _place(text: str) -> str:
    if not re.fullmatch(r"[a-z_]+:.+", text, re.DOTALL):
        raise ValueError(f"{text!r} is no place: write kind:name, as district:Chaoyang")
    return text


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of the address: the field of `Asked` it fills, its JSON schema, words, how its text is read.

    `many`: it may be given again.
    """

    field: str
    shape: Mapping[str, Any]
    words: str
    read: Callable[[str], Any] = str
    many: bool = False


_TEXT = {"type": "string", "minLength": 1, "maxLength": LONGEST}
_TIME = {
    "type": "string",
    "format": "date-time",
    "pattern": "^(19|20|21)[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9].*$",
}
_BOOLEAN = {"type": "boolean"}
_OFFSET = "with its offset from UTC, as 2026-02-28T05:00+08:00"

PARAMETERS: Mapping[str, Parameter] = {
    "station": Parameter("stations", _TEXT, "Code of a station.", many=True),
    "place": Parameter(
        "places",
        {"type": "string", "pattern": "^[a-z_]+:.+$", "maxLength": LONGEST},
        "A district, street, grid, section or noise zone, as `district:Chaoyang`: stations that are in any of them, of "
        "what is dated as long as they were.",
        _place,
        many=True,
    ),
    "parameter": Parameter("parameters", _TEXT, "What is measured, as `pm25` or `PM2.5`.", many=True),
    "channel": Parameter(
        "channels",
        _TEXT,
        "A series as its source names it: `parameter[@position][:statistic]`, as `soil_moisture@-0.1`.",
        many=True,
    ),
    "statistic": Parameter(
        "statistic",
        {"type": "string", "maxLength": LONGEST},
        "Series of what a source itself made of its readings, as `mean-24h`; `all`: every one. Else readings.",
    ),
    "averaging": Parameter("averagings", _TEXT, "`hour`, `moving24`, `running8`, `day`, `mda8`, ...", many=True),
    "standard": Parameter("standards", _TEXT, "The edition, as `HJ 633-2012`.", many=True),
    "from": Parameter("start", _TIME, f"First time, {_OFFSET}.", _instant),
    "to": Parameter("stop", _TIME, f"End, itself not included, {_OFFSET}.", _instant),
    "known": Parameter("known", _TIME, f"As it was known at this time, {_OFFSET}; not as it is now.", _instant),
    "raw": Parameter(
        "raw",
        _BOOLEAN,
        "Every reading as it was received, with what became of it; not only those that count, as they count.",
        _boolean,
    ),
    "source": Parameter("sources", _TEXT, "Who said it.", _storable, many=True),
    "reason": Parameter("reason", _TEXT, "Why it was not kept: how the reason begins.", _storable),
    "text": Parameter("text", _TEXT, "What any of its words hold, in any case of letters.", _storable),
    "state": Parameter(
        "states", {"type": "string", "enum": list(STATES)}, "How far it is.", _one_of(STATES), many=True
    ),
    "severity": Parameter(
        "severities",
        {"type": "string", "enum": list(SEVERITIES)},
        "The highest that somebody was told.",
        _one_of(SEVERITIES),
        many=True,
    ),
    "rule": Parameter("rules", _TEXT, "The alarm's rule, as `pm25_heavy`.", _storable, many=True),
    "going": Parameter("going", _BOOLEAN, "Whether it goes on; not said: both.", _boolean),
    "newest": Parameter("newest", _BOOLEAN, "Of each series only what was issued last.", _boolean),
    "step": Parameter(
        "step",
        {"type": "string", "enum": list(STEPS)},
        "A row for each step of this length: up to an hour on the grid of UTC, longer ones on the station's own clock.",
        lambda text: STEPS[_one_of(tuple(STEPS))(text)],
    ),
    "statistics": Parameter(
        "statistics",
        {"type": "string", "enum": list(STATISTICS)},
        "Of a step: `mean` (where nothing is said), `min`, `max`; `count` is always there.",
        _one_of(STATISTICS),
        many=True,
    ),
    "capture": Parameter(
        "capture",
        {"type": "number", "minimum": 0, "maximum": 1},
        "Share of what is expected that must be there for the mean of a step. Where nothing is said 0.75, and the "
        "stored averages where the step is one of them.",
        _share,
    ),
    "limit": Parameter(
        "limit",
        {"type": "integer", "minimum": 1, "maximum": MOST, "default": LIMIT},
        "Rows of a page at most; it may have fewer. The last page is the one without `next`.",
        _limit,
    ),
    "cursor": Parameter(
        "after", {"type": "string", "maxLength": cursor.LONGEST}, "Where the page begins, as it stands in `next`."
    ),
    "format": Parameter(
        "format",
        {"type": "string", "enum": list(FORMS)},
        "Form of the answer; goes before the header Accept.",
        _one_of(tuple(FORMS)),
    ),
}


def read(request: Request, names: Sequence[str], keys: Sequence[str], allowed: frozenset[str] | None) -> Asked:
    """What `request` asks for in the parameters `names`, for an answer whose rows are sorted by `keys`.

    Raises `Refused` that says what is wrong with which of them.
    """
    given: dict[str, list[str]] = {}
    for name, text in request.query_params.multi_items():
        given.setdefault(name, []).append(text)
    if strange := sorted(given.keys() - set(names)):
        raise Refused("bad-query", f"no parameter {strange[0]!r}; there are {', '.join(names)}")
    found = {PARAMETERS[name].field: _values(name, texts) for name, texts in given.items()}
    number = request.path_params.get("id")
    if number is not None:
        found["series"] = number
    mark = _mark(request.url.path, given)
    if "after" in found:
        found["after"] = cursor.read(found["after"], mark, keys)
    found.pop("format", None)
    asked = Asked(**found, allowed=allowed, mark=mark)
    if asked.start is not None and asked.stop is not None and asked.start > asked.stop:
        raise Refused("bad-query", "from lies behind to")
    apart = ("raw", "averaging") if asked.step is not None else ("statistics", "capture")
    if at_odds := [name for name in apart if name in given]:
        word = "goes without step" if asked.step is not None else "goes with step alone"
        raise Refused("bad-query", f"{at_odds[0]}: {word}")
    return asked


def _values(name: str, texts: list[str]) -> Any:
    """What `texts` of the parameter `name` mean. Raises `Refused`."""
    parameter = PARAMETERS[name]
    if len(texts) > (VALUES if parameter.many else 1):
        raise Refused("bad-query", f"{name} is given {len(texts)} times, at most {VALUES if parameter.many else 1}")
    if max(map(len, texts)) > (cursor.LONGEST if name == "cursor" else LONGEST):
        raise Refused("bad-query", f"{name} is longer than {LONGEST} characters")
    try:
        values = [parameter.read(text) for text in texts]
    except ValueError as problem:
        raise Refused("bad-query", f"{name}: {problem}") from None
    return tuple(dict.fromkeys(values)) if parameter.many else values[0]


def _mark(path: str, given: Mapping[str, list[str]]) -> str:
    """Another one for whatever else is asked for."""
    meant = [path, *sorted((name, sorted(texts)) for name, texts in given.items() if name not in _MANNER)]
    return hashlib.sha256(json.dumps(meant).encode()).hexdigest()[:16]
