"""What an episode of each kind is: the records of tables/episodes.toml, and what they may say."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from analytics import tables
from analytics.averaging import Averaging
from analytics.episodes.expected import EXPECTED
from analytics.episodes.measures import MEASURES
from analytics.parameters import Parameter
from analytics.tables import NUMBER, Content, TableError

TABLE = "episodes"

#: +1: values beyond a level are above it; -1: below.
DIRECTIONS: Mapping[str, int] = {"above": 1, "below": -1}
#: Kinds of averaging with a value an hour.
HOURLY = ("hour", "moving")
#: What is said of a station every hour beside its averagings: what the other stations around it have in that hour
#: (`regions.background`), what the mean of the local day will be (`expected`), and how unusual detectors find the hour
#: (`detection.levels`; 0 below their line, nothing where nothing was measured).
BACKGROUND, SCORE = "background", "score"
SAID = (BACKGROUND, EXPECTED, SCORE)
#: What an episode is about: something that happens, something that is expected to, a device that may be at fault, or
#: what is merely unusual.
EVENT, AHEAD, DEVICE, ANOMALY = ABOUT = ("event", "ahead", "device", "anomaly")
#: No measure reaches further back [h].
FARTHEST = 31 * 24


@dataclass(frozen=True, slots=True)
class Lines:
    """Levels, and the line at which each of them ends [unit of what is measured], the mildest first."""

    levels: tuple[float, ...]
    off: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Term:
    """What is measured, and on which side of a line it must be; see the head of tables/episodes.toml.

    `minus` and `per` are (parameter, averaging) of what is taken from it, or what it is divided by.
    """

    parameter: str
    averaging: str
    direction: str
    measure: str = "value"
    hours: int = 1
    values: int = 1
    minus: tuple[str, str] | None = None
    per: tuple[str, str] | None = None
    lines: Lines = field(default=Lines((), ()))

    @property
    def sign(self) -> int:
        """+1 where beyond is above."""
        return DIRECTIONS[self.direction]

    @property
    def facts(self) -> Iterator[tuple[str, str]]:
        """(parameter, averaging) of all it rests on."""
        yield self.parameter, self.averaging
        yield from (fact for fact in (self.minus, self.per) if fact is not None)

    def __str__(self) -> str:
        """As people read it: `rise of turbidity/hour in 12 h`, `pm10/hour per pm25/hour`."""
        words = f"{self.parameter}/{self.averaging}"
        words += "".join(
            f" {name} {'/'.join(fact)}" for name, fact in (("minus", self.minus), ("per", self.per)) if fact
        )
        return words if self.measure == "value" else f"{self.measure} of {words} in {self.hours} h"


@dataclass(frozen=True, slots=True)
class Rule:
    """What an episode of one kind is; see the head of tables/episodes.toml."""

    name: str
    #: what the levels are of; its lines are in `lines`
    term: Term
    bridge: int
    minimum: int
    silence: int
    title: str
    title_zh: str
    source: str
    confidence: str
    #: lines by place; "" holds anywhere
    lines: Mapping[str, Lines]
    #: of these `least` must hold as well
    also: tuple[Term, ...] = ()
    least: int = 0
    hours: tuple[int, int] | None = None
    #: kind of planned event during which alone it can hold
    planned: str = ""
    #: one of ABOUT
    about: str = EVENT

    @property
    def parameter(self) -> str:
        """That of its levels."""
        return self.term.parameter

    @property
    def averaging(self) -> str:
        """That of its levels."""
        return self.term.averaging

    @property
    def depth(self) -> int:
        """Number of levels."""
        return len(next(iter(self.lines.values())).levels)

    @property
    def terms(self) -> tuple[Term, ...]:
        """All it looks at, that of its levels first."""
        return self.term, *self.also

    @property
    def facts(self) -> set[tuple[str, str]]:
        """(parameter, averaging) of all it rests on."""
        return {fact for term in self.terms for fact in term.facts}

    @property
    def must(self) -> set[tuple[str, str]]:
        """(parameter, averaging) of that without which it can never hold."""
        return {fact for term in (self.terms if self.least == len(self.also) else (self.term,)) for fact in term.facts}

    @property
    def plain(self) -> bool:
        """Whether a period's own average says all: nothing beside it, before it, or at other stations matters."""
        alone = not (self.also or self.planned or self.term.minus)
        return alone and self.term.measure == "value" and self.averaging not in SAID

    @property
    def scored(self) -> bool:
        """Whether it looks at what detectors say."""
        return any(averaging == SCORE for _, averaging in self.facts)

    @property
    def back(self) -> timedelta:
        """How long before a period the oldest value lies that can matter to it: of a day what is known of it."""
        day = 24 if any(averaging == EXPECTED for _, averaging in self.facts) else 1
        return timedelta(hours=max(day, *(term.hours for term in self.terms)) - 1)


def load() -> dict[str, Rule]:
    """The rules of the package table, by name."""
    return parse(tables.read(TABLE))


def parse(content: Content) -> dict[str, Rule]:
    """The rules of `content`, by name. Raises `TableError` naming block and key."""
    return {name: _rule(name, record) for name, record in tables.records(content, TABLE).items()}


_TEXTS = ("parameter", "averaging", "direction")
#: Keys of a term that it may leave out.
_MEASURED: Mapping[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("measure", "minus", "per"), str),
    **dict.fromkeys(("window", "values"), int),
}


def _rule(name: str, record: Mapping[str, Any]) -> Rule:
    place = f"{TABLE}: [{name}]"
    texts, counts = ("title", "title_zh", "source", "confidence"), ("bridge", "minimum", "silence")
    tables.check(
        record,
        place,
        needs={**dict.fromkeys((*_TEXTS, *texts), str), **dict.fromkeys(counts, int)},
        allows={
            **_MEASURED,
            **dict.fromkeys(("levels", "off", "hours", "also"), list),
            "places": dict,
            "least": int,
            **dict.fromkeys(("planned", "about"), str),
        },
    )
    if (about := record.get("about", ABOUT[0])) not in ABOUT:
        raise TableError(f"{place} 'about' cannot be {about!r}: one of {', '.join(ABOUT)}")
    term = _term(place, record)
    if term.per is not None:
        raise TableError(f"{place}: levels of a ratio have no unit: 'per' is for 'also'")
    if record["bridge"] < 0 or record["minimum"] < 1 or record["silence"] < 1:
        raise TableError(f"{place}: 'bridge' must be 0 or more, 'minimum' and 'silence' 1 or more")
    if ("places" in record) == ("levels" in record):
        raise TableError(f"{place}: needs either 'levels' and 'off' or 'places'")
    held = record.get("places", {"": {key: record[key] for key in ("levels", "off") if key in record}})
    lines = {where: _lines(f"{place} {where}".strip(), given, term.sign) for where, given in held.items()}
    if len({len(line.levels) for line in lines.values()}) != 1:
        raise TableError(f"{place}: every place must have as many levels as the others")
    hours = record.get("hours")
    if hours is not None and not (
        len(hours) == 2 and all(isinstance(hour, int) and 0 <= hour < 24 for hour in hours) and hours[0] != hours[1]
    ):
        raise TableError(f"{place}: 'hours' cannot be {hours!r}: two different hours of the day")
    also = tuple(_also(f"{place} 'also' {number}", each) for number, each in enumerate(record.get("also", ()), start=1))
    least = record.get("least", len(also))
    if least > len(also) or (also and least < 1):
        raise TableError(f"{place} 'least' cannot be {least!r}: how many of 'also' must hold")
    return Rule(
        name=name,
        term=term,
        **{key: record[key] for key in (*texts, *counts)},
        lines=lines,
        also=also,
        least=least,
        hours=None if hours is None else (hours[0], hours[1]),
        planned=record.get("planned", ""),
        about=about,
    )


def _also(place: str, record: Any) -> Term:
    if not isinstance(record, dict):
        raise TableError(f"{place}: must be a table")
    tables.check(
        record, place, needs={**dict.fromkeys(_TEXTS, str), **dict.fromkeys(("level", "off"), NUMBER)}, allows=_MEASURED
    )
    given = {"levels": [record["level"]], "off": [record["off"]]}
    return _term(place, record, _lines(place, given, DIRECTIONS.get(record["direction"], 1)))


def _term(place: str, record: Mapping[str, Any], lines: Lines = Lines((), ())) -> Term:
    if record["direction"] not in DIRECTIONS:
        raise TableError(f"{place} 'direction' cannot be {record['direction']!r}: one of {', '.join(DIRECTIONS)}")
    name = record.get("measure", "value")
    if name not in MEASURES:
        raise TableError(f"{place} 'measure' cannot be {name!r}: one of {', '.join(MEASURES)}")
    if (name == "value") != ("window" not in record) or (name == "value" and "values" in record):
        raise TableError(f"{place}: 'window' and 'values' go with a measure of several hours")
    hours, values = record.get("window", 1), record.get("values", MEASURES[name].least)
    if not 1 <= hours <= FARTHEST or not MEASURES[name].least <= values <= hours:
        raise TableError(f"{place}: 'window' must be 1 to {FARTHEST}, 'values' {MEASURES[name].least} to 'window'")
    minus, per = (_fact(record[key], record["averaging"]) if key in record else None for key in ("minus", "per"))
    parameter, averaging, direction = (record[key] for key in _TEXTS)
    return Term(parameter, averaging, direction, name, hours, values, minus, per, lines)


def _fact(text: str, averaging: str) -> tuple[str, str]:
    parameter, _, named = text.partition("/")
    return parameter, named or averaging


def _lines(place: str, given: Any, sign: int) -> Lines:
    if not isinstance(given, dict):
        raise TableError(f"{place}: must be a table")
    tables.check(given, place, needs={"levels": list, "off": list})
    levels, off = given["levels"], given["off"]
    numbers = [*levels, *off]
    if not levels or len(levels) != len(off) or not all(isinstance(x, NUMBER) for x in numbers):
        raise TableError(f"{place}: 'levels' and 'off' must be as many numbers, one at least")
    up, down = [sign * x for x in levels], [sign * x for x in off]
    if up != sorted(set(up)) or down != sorted(down) or any(low > high for low, high in zip(down, up, strict=True)):
        raise TableError(f"{place}: 'levels' must grow worse, 'off' not better, and no off line lie beyond its level")
    return Lines(tuple(map(float, levels)), tuple(map(float, off)))


def check(rules: Mapping[str, Rule], parameters: Mapping[str, Parameter], averagings: Mapping[str, Averaging]) -> None:
    """Nothing, where all that a rule rests on is a parameter with that averaging, and it has a value an hour, or one of
    `SAID`. Raises `TableError`."""
    for rule in rules.values():
        for parameter, averaging in sorted(rule.facts):
            known = parameters.get(parameter)
            if known is None or averaging not in (*known.averagings, *SAID):
                raise TableError(f"{TABLE}: [{rule.name}]: {parameter!r} has no averaging {averaging!r}")
            if averaging not in SAID and averagings[averaging].kind not in HOURLY:
                raise TableError(f"{TABLE}: [{rule.name}] 'averaging': {averaging!r} has no value an hour")
