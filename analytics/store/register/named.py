"""What devices, sensors, pulls and emitters have in common: a name, facts; what a file leaves out stays as it is."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from analytics import units
from analytics.store.register import values
from analytics.store.register.draft import Draft, Entry, nearest
from analytics.store.register.model import Change, Problem, Registry, news
from analytics.store.register.values import Bad, shown
from analytics.store.registry import Channel

Facts = dict[str, object]


def noted(
    draft: Draft, kind: str, key: str, entry: Entry, readers: Mapping[str, Callable[[object], Any]]
) -> tuple[str | None, dict[str, Any]]:
    """Name and facts of one of a `kind`, the name under `key`; None where it has none, or stands there already."""
    found, _ = draft.take(entry, readers, needs=(key,))
    name = found.pop(key, None)
    if name is None:
        return None, found
    if (kind, name) in draft.lines:
        draft.refuse(entry.line(""), f"{kind} {name!r} stands at line {draft.lines[kind, name]} already")
        return None, found
    draft.lines[kind, name] = entry.line("")
    for fact in entry.values:
        draft.lines[f"{kind} {fact}", name] = entry.line(fact)
    return name, found


def measured(draft: Draft, entry: Entry, channels: Mapping[str, str], said: Mapping[str, str]) -> None:
    """Nothing; refuses each unit of the table `entry` (`said`: code to unit) that its parameter cannot have."""
    for code, unit in said.items():
        base = channels.get(code)
        parameter = draft.parameters.get(Channel.parse(base).parameter) if base else None
        if parameter is None:
            continue
        try:
            units.convert(pl.lit(0.0), unit, parameter.unit)
        except units.UnknownUnit as problem:
            draft.refuse(entry.line(code), f"{code} [{unit}] cannot be {parameter.name}: {problem}")


def channel(draft: Draft, raw: object) -> str:
    """A channel of a known parameter; "" where none is meant."""
    word = values.word(raw)
    if not word:
        return ""
    parts = Channel.parse(word)
    return str(Channel(draft.parameter(parts.parameter), parts.position, parts.statistic))


def sentinels(raw: object) -> list[float]:
    """Numbers that mean nothing was measured, each once, the least first."""
    if not isinstance(raw, list) or not all(isinstance(one, int | float) and abs(one) < 1e15 for one in raw):
        raise Bad(f"must be numbers, as [-1, 9999], not {shown(raw)}")
    return sorted({float(one) for one in raw})


def homeless(stored: Registry, draft: Draft, line: int, kind: str, station: str) -> Iterator[Problem]:
    """The problem of a `kind` at a `station` that is neither registered nor in the file."""
    there = {*stored.stations, *draft.rows.stations}
    if station not in there and station not in draft.shaky:
        yield Problem(
            line, f"{kind} names station {station!r}, neither registered nor in this file{nearest(station, there)}"
        )


def lacking(draft: Draft, kind: str, name: str, needed: Sequence[str]) -> Iterator[Problem]:
    """The problem of a new one that lacks a `needed` fact."""
    absent = [key for key in needed if (f"{kind} {key}", name) not in draft.lines]
    if absent:
        yield Problem(draft.lines[kind, name], f"{kind} {name!r} is new and lacks {', '.join(absent)}")


def changes(
    kind: str,
    stored: Mapping[str, Facts],
    said: Mapping[str, Facts],
    write: dict[str, Facts],
    words: Callable[[str, Any], str],
) -> Iterator[Change]:
    """What is new or other, in `words`; and in `write`."""
    for name, facts in sorted(said.items()):
        old = stored.get(name)
        other = news(old, facts)
        if old is not None and not other:
            continue
        write[name] = other
        fields = [
            (key, None if old is None or old.get(key) is None else words(key, old[key]), words(key, value))
            for key, value in other.items()
        ]
        yield Change(kind, name, old is None, tuple(fields))


def plainly(value: object) -> str:
    """A fact as people read it: text as it is, the rest as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)


def columns(facts: Iterable[Facts], keys: Sequence[str]) -> list[list[object]]:
    """A column a key, as the database takes them: tables and lists as JSON, the rest as it is, null where not said."""
    rows = list(facts)
    return [[_stored(row.get(key)) for row in rows] for key in keys]


def _stored(value: object) -> object:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value
