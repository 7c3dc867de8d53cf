"""Rules of alarms: records of tables/alarms.toml, parsed and checked.

What every kind of rule has stands here; what a kind has besides is said by its module, as `Keys`.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import polars as pl

from analytics import tables
from analytics.tables import Content, TableError

TABLE = "alarms"

#: The mildest first: a number says more than the one before.
SEVERITIES = ("ticket", "page")
PAGE = SEVERITIES[-1]
#: Kinds of subjects, and the column that says which one a subject is.
SCOPES: Mapping[str, str] = {"station": "station", "channel": "series", "source": "source", "district": "place"}
#: 0 is nobody told.
RANKS: Mapping[str, int] = {severity: number for number, severity in enumerate(("", *SEVERITIES))}
SUBJECT = ["subject", "rule"]


class Keys(NamedTuple):
    """What a kind of rule has besides what all have, as `tables.check` takes it; `check` (place, keys) raises
    `TableError` where the values do not go together. `scopes`: the kinds of subjects it has alarms of. A kind of a
    later `round` looks at the states of earlier ones."""

    scopes: tuple[str, ...]
    needs: Mapping[str, type | tuple[type, ...]]
    allows: Mapping[str, type | tuple[type, ...]]
    check: Callable[[str, Mapping[str, Any]], None]
    round: int = 0


@dataclass(frozen=True, slots=True)
class Escalation:
    """An alarm that is on for more than `after` [h] is of this severity, too."""

    after: int
    severity: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One alarm; see the head of tables/alarms.toml. `keys` are those of its kind."""

    name: str
    kind: str
    severity: str
    title: str
    title_zh: str
    source: str
    confidence: str
    keys: Mapping[str, Any]
    escalate: Escalation | None = None
    #: Names of rules and kinds whose alarms are held back while this one is on, of what its subject covers.
    inhibits: tuple[str, ...] = ()
    #: It ends only when somebody has acknowledged it.
    latched: bool = False


TEXTS = ("severity", "title", "title_zh", "source", "confidence")
OPTIONS: Mapping[str, type | tuple[type, ...]] = {"kind": str, "escalate": dict, "inhibits": list, "latched": bool}


def parse(content: Content, kinds: Mapping[str, Keys]) -> dict[str, Rule]:
    """The rules of `content`, by name. Raises `TableError` naming block and key."""
    found = {name: _rule(name, record, kinds) for name, record in tables.records(content, TABLE).items()}
    for rule in found.values():
        for name in rule.inhibits:
            if name not in found and name not in kinds:
                raise TableError(f"{TABLE}: [{rule.name}] 'inhibits': there is no rule and no kind {name!r}")
    _no_circle(found)
    return found


def _rule(name: str, record: Mapping[str, Any], kinds: Mapping[str, Keys]) -> Rule:
    place = f"{TABLE}: [{name}]"
    kind = record.get("kind", "episode")
    if kind not in kinds:
        raise TableError(f"{place} 'kind' cannot be {kind!r}: one of {', '.join(kinds)}")
    keys = kinds[kind]
    needs = {**dict.fromkeys(TEXTS, str), **keys.needs}
    tables.check(record, place, needs=needs, allows={**OPTIONS, **keys.allows})
    if record["severity"] not in SEVERITIES:
        raise TableError(f"{place} 'severity' cannot be {record['severity']!r}: one of {', '.join(SEVERITIES)}")
    own = {key: value for key, value in record.items() if key in keys.needs or key in keys.allows}
    keys.check(place, own)
    inhibits = record.get("inhibits", [])
    if not all(isinstance(each, str) for each in inhibits):
        raise TableError(f"{place} 'inhibits' cannot be {inhibits!r}: names of rules or kinds")
    return Rule(
        name=name,
        kind=kind,
        **{key: record[key] for key in TEXTS},
        keys=own,
        escalate=_escalation(place, record["severity"], record.get("escalate")),
        inhibits=tuple(inhibits),
        latched=record.get("latched", False),
    )


def _escalation(place: str, severity: str, given: Mapping[str, Any] | None) -> Escalation | None:
    if given is None:
        return None
    tables.check(given, f"{place} 'escalate'", needs={"after": int, "severity": str})
    higher = SEVERITIES[SEVERITIES.index(severity) + 1 :]
    if given["severity"] not in higher:
        raise TableError(f"{place} 'escalate': 'severity' must be above {severity!r}, it is {given['severity']!r}")
    if given["after"] < 1:
        raise TableError(f"{place} 'escalate': 'after' must be 1 or more")
    return Escalation(**given)


def of_kind(rules: Mapping[str, Rule], kind: str) -> dict[str, Rule]:
    """The rules of that kind."""
    return {name: rule for name, rule in rules.items() if rule.kind == kind}


def held_back(rules: Mapping[str, Rule]) -> Iterator[tuple[str, str]]:
    """(rule, rule whose alarms it holds back), of rules or kinds named in `inhibits` and of members of a region."""
    for rule in rules.values():
        named = {*rule.inhibits, rule.keys.get("member")}
        yield from ((rule.name, each.name) for each in rules.values() if each.name in named or each.kind in named)


def _no_circle(rules: Mapping[str, Rule]) -> None:
    """Nothing, where no rule holds itself back in the end: else nobody would ever be told."""
    left = {name: {below for above, below in held_back(rules) if above == name} for name in rules}
    while left:
        free = [name for name, below in left.items() if not below & left.keys()]
        if not free:
            raise TableError(f"{TABLE}: {', '.join(sorted(left))} hold each other back ('inhibits')")
        for name in free:
            del left[name]


def at_least(place: str, keys: Mapping[str, Any], least: int, names: Collection[str]) -> None:
    """Nothing, where each of `names` in `keys` is `least` or more. Raises `TableError`."""
    for name in names:
        if name in keys and keys[name] < least:
            raise TableError(f"{place}: {name!r} must be {least} or more")


def lateness() -> pl.Expr:
    """How old a reading may be to count as now: by its rule's `cadences` and `at_least` [min], its series' `cadence`
    [s]."""
    return pl.max_horizontal(
        pl.duration(seconds=pl.col("cadences") * pl.col("cadence")), pl.duration(minutes=pl.col("at_least"))
    )


def severities(rules: Mapping[str, Rule]) -> pl.DataFrame:
    """rule, rank (of its severity), later (of its escalation, null: it has none), after [h]: a row a rule."""
    rows = [
        (rule.name, rank(rule.severity), *((rank(up.severity), up.after) if (up := rule.escalate) else (None, None)))
        for rule in rules.values()
    ]
    schema = {"rule": pl.String, "rank": pl.Int8, "later": pl.Int8, "after": pl.Int32}
    return pl.DataFrame(rows, schema=schema, orient="row")


def rank(severity: str) -> int:
    """1 of the mildest severity and up; 0 of none ('')."""
    return RANKS[severity]
