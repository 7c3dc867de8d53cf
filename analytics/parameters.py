"""What is measured: parameters, their unit, kind of mean, averagings and quality limits (tables/parameters.toml)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any

from analytics import tables
from analytics.tables import NUMBER, Content, TableError

TABLE = "parameters"

#: Kinds of mean; `averaging.MEANS` says how each is made.
MEANS = ("arithmetic", "circular", "energy", "sum")

#: Where a parameter belongs; "" where an edition made before there were domains does not say.
DOMAINS = ("air", "water", "noise", "soil", "weather")

#: Limits of the quality tests, those that must be given and those that may; `quality.BITS` names the tests.
LIMITS: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {
    "gross_range": ({"suspect": list, "fail": list}, {}),
    "spike": ({"suspect": NUMBER}, {"fail": NUMBER}),
    "rate": ({"suspect": NUMBER}, {"fail": NUMBER}),
    "flat_line": ({"suspect": NUMBER, "tolerance": NUMBER}, {}),
    "gap": ({}, {}),
    "device_mark": ({}, {}),
    "neighbours": (
        {
            **dict.fromkeys(("radius", "floor", "factor", "share", "tolerance"), NUMBER),
            **dict.fromkeys(("most", "least"), int),
        },
        {},
    ),
}
#: What a limit may be, where not every number will do: more than the first, up to the second.
BOUNDS: Mapping[str, Mapping[str, tuple[float, float]]] = {
    "neighbours": {
        "radius": (0, 1000),
        "floor": (0, inf),
        "factor": (0, inf),
        "share": (-1e-9, 0.99),  # all of a step that others did not take would be none
        "tolerance": (0, 1),  # a cadence more than three is what the stage loads
        "least": (0, 100),
        "most": (0, 100),
    },
}
ORIGIN = {"source": str, "confidence": str}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One measured quantity. `quality` has the limits of each test that is run, in `unit`; `domain` is of `DOMAINS`."""

    name: str
    title: str
    title_zh: str
    unit: str
    mean: str
    aliases: tuple[str, ...]
    averagings: tuple[str, ...]
    source: str
    confidence: str
    quality: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    domain: str = ""


def load() -> dict[str, Parameter]:
    """The parameters of the package table, by name."""
    return parse(tables.read(TABLE))


def parse(content: Content) -> dict[str, Parameter]:
    """The parameters of `content`, by name. Raises `TableError` naming block and key."""
    parameters = {name: _parameter(name, record) for name, record in tables.records(content, TABLE).items()}
    owners: dict[str, str] = {}
    for name, parameter in parameters.items():
        for word in {name, *(alias.lower() for alias in parameter.aliases)}:
            if owners.setdefault(word, name) != name:
                raise TableError(f"{TABLE}: [{name}] 'aliases': {word!r} means {owners[word]!r} already")
    return parameters


def canonical(name: str, parameters: Mapping[str, Parameter]) -> str | None:
    """The parameter that `name` means, whatever its case, or None."""
    word = name.strip().lower()
    owners = (p.name for p in parameters.values() if word == p.name or word in (alias.lower() for alias in p.aliases))
    return next(owners, None)


def _parameter(name: str, record: Mapping[str, Any]) -> Parameter:
    place = f"{TABLE}: [{name}]"
    texts = dict.fromkeys(("title", "title_zh", "unit", "mean", "source", "confidence"), str)
    needs: dict[str, Any] = {**texts, "aliases": list, "averagings": list}
    tables.check(record, place, needs=needs, allows={"quality": dict, "domain": str})
    if name != name.lower():
        raise TableError(f"{place} is not a lower-case name")
    if record["mean"] not in MEANS:
        raise TableError(f"{place} 'mean' cannot be {record['mean']!r}: one of {', '.join(MEANS)}")
    if "domain" in record and record["domain"] not in DOMAINS:
        raise TableError(f"{place} 'domain' cannot be {record['domain']!r}: one of {', '.join(DOMAINS)}")
    for key in ("aliases", "averagings"):
        if not all(isinstance(word, str) for word in record[key]):
            raise TableError(f"{place} {key!r} must hold text")
    if record["mean"] == "circular" and "neighbours" in record.get("quality", {}):
        raise TableError(f"{place} quality.neighbours: directions have no median")
    quality = {test: _limits(f"{place} quality.{test}", test, line) for test, line in record.get("quality", {}).items()}
    fields: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in record.items()}
    return Parameter(name=name, **{**fields, "quality": quality})


def _limits(place: str, test: str, line: Any) -> dict[str, Any]:
    """The limits of one test, without their origin."""
    if test not in LIMITS:
        raise TableError(f"{place}: unknown test {test!r}, known are {', '.join(LIMITS)}")
    if not isinstance(line, dict):
        raise TableError(f"{place}: must be a table")
    needs, allows = LIMITS[test]
    tables.check(line, place, needs={**needs, **ORIGIN}, allows=allows)
    limits = {key: value for key, value in line.items() if key not in ORIGIN}
    for key, (low, high) in BOUNDS.get(test, {}).items():
        if not low < limits[key] <= high:
            raise TableError(f"{place}: {key!r} cannot be {limits[key]!r}")
    if limits.get("most", 0) < limits.get("least", 0):
        raise TableError(f"{place}: 'most' must not be below 'least'")
    spans = {key: _span(place, key, value) for key, value in limits.items() if key in ("suspect", "fail")}
    if "fail" in spans and not (spans["fail"][0] <= spans["suspect"][0] and spans["suspect"][1] <= spans["fail"][1]):
        raise TableError(f"{place}: 'fail' must not be narrower than 'suspect'")
    return limits


def _span(place: str, key: str, value: Any) -> tuple[float, float]:
    """A range as it stands, a single limit as the range from its negative to itself."""
    span = value if isinstance(value, list) else [-value, value]
    if len(span) != 2 or not all(isinstance(end, NUMBER) for end in span) or span[0] >= span[1]:
        raise TableError(f"{place}: {key!r} cannot be {value!r}")
    return span[0], span[1]
