"""What the database holds and what a file says -> what there is to do. No clock, no database: a function of the two."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import PurePath
from typing import Any

from analytics.store.register import devices, emitters, nodes, pulls
from analytics.store.register.draft import Draft, nearest
from analytics.store.register.model import (
    NEEDED,
    Change,
    Derived,
    Formula,
    Problem,
    Registry,
    Series,
    Term,
    news,
    offset,
    refuse,
    step,
)
from analytics.store.registry import DEFAULT_OFFSET


@dataclass(slots=True)
class Plan:
    """What there is to do: `changes` for people, `write` for the database. `named` counts the rows of the file."""

    named: dict[str, int]
    changes: list[Change] = field(default_factory=list)
    write: Registry = field(default_factory=Registry)

    def count(self, noun: str) -> tuple[int, int, int]:
        """Rows of `noun` that are new, changed, and as they were."""
        new = sum(change.new for change in self.changes if change.noun == noun)
        changed = sum(not change.new for change in self.changes if change.noun == noun)
        return new, changed, self.named[noun] - new - changed


def compare(stored: Registry, draft: Draft) -> Plan:
    """What makes `stored` say what the file says. Raises `Nonsense` with every problem of the file."""
    problems = [*draft.problems, *_dangling(stored, draft)]
    refuse(draft.name, problems)
    said = draft.rows
    plan = Plan(said.counts())
    for make in (_sources, _stations, _memberships, _series, _authorities):
        plan.changes.extend(make(stored, said, plan.write))
    plan.changes.extend(_adoptions(stored, said, plan.write, PurePath(draft.name).name))
    plan.changes.extend(_zones(stored, said, plan.write))
    plan.changes.extend(_derivations(stored, said, plan.write))
    plan.changes.extend(devices.compare(stored, said, plan.write))
    plan.changes.extend(nodes.compare(stored, said, plan.write))
    plan.changes.extend(pulls.compare(stored, said, plan.write))
    plan.changes.extend(emitters.compare(stored, said, plan.write))
    return plan


def _dangling(stored: Registry, draft: Draft) -> Iterator[Problem]:
    """Authorities and zones that name what neither the database nor the file has, new zones that lack a fact.

    A refused station is not held against them.
    """
    yield from _unfounded(stored, draft)
    yield from _underived(stored, draft)
    yield from devices.dangling(stored, draft)
    yield from nodes.dangling(stored, draft)
    yield from pulls.dangling(stored, draft)
    yield from emitters.dangling(stored, draft)
    for key, voice in draft.rows.authorities.items():
        line = draft.lines["authority", key]
        if key.station in draft.shaky:
            continue
        if key.station not in stored.stations and key.station not in draft.rows.stations:
            yield Problem(line, f"authority names station {key.station!r}, neither registered nor in this file")
            continue
        for what, series in (("names", voice.series), ("falls back to", voice.fallback)):
            if series is not None and series not in stored.series and series not in draft.rows.series:
                others = _siblings(series, (*stored.series, *draft.rows.series))
                hint = f": there are {', '.join(others)}" if others else ""
                yield Problem(line, f"authority {what} {series}, neither registered nor in this file{hint}")


def _unfounded(stored: Registry, draft: Draft) -> Iterator[Problem]:
    """Zones at stations that are neither registered nor in the file, and new ones that lack a fact."""
    for code, facts in draft.rows.zones.items():
        beside = facts.get("beside")
        named = [(key, facts.get(key)) for key in ("weather", "probe")]
        named += [("beside", code) for code in (beside if isinstance(beside, list) else ())]
        for key, station in named:
            if station is None or station in stored.stations or station in draft.rows.stations:
                continue
            if station not in draft.shaky:
                near = nearest(str(station), (*stored.stations, *draft.rows.stations))
                line = draft.lines[f"zone {key}", code]
                yield Problem(line, f"{key} names station {station!r}, neither registered nor in this file{near}")
        merged = {**stored.zones.get(code, {}), **facts}
        if merged.get("beside") and merged.get("probe") in (None, *merged["beside"]):  # type: ignore[misc]  # a list
            line = draft.lines.get(("zone beside", code), draft.lines["zone", code])
            yield Problem(line, f"zone {code!r} has probes beside its own: name that as probe, once")
        high, low = merged.get("field_capacity"), merged.get("wilting_point")
        if isinstance(high, float) and isinstance(low, float) and low >= high:
            line = draft.lines.get(("zone wilting_point", code), draft.lines["zone", code])
            yield Problem(line, f"zone {code!r} has a wilting_point of {low}, not below its field_capacity of {high}")
        absent = [key for key in NEEDED if code not in stored.zones and (f"zone {key}", code) not in draft.lines]
        if absent:
            yield Problem(draft.lines["zone", code], f"zone {code!r} is new and lacks {', '.join(absent)}")


def _underived(stored: Registry, draft: Draft) -> Iterator[Problem]:
    """Derived series of stations and series that are not there, of themselves, or that are measured."""
    said = draft.rows
    stations = {*stored.stations, *said.stations}
    made = {key.series for key in (*stored.derivations, *said.derivations)}
    known = {*stored.series, *said.series, *made}
    for key, formula in said.derivations.items():
        line = draft.lines["derivation", key]
        if key.station in draft.shaky:
            continue
        if key.station not in stations:
            near = nearest(key.station, stations)
            yield Problem(line, f"derivation names station {key.station!r}, neither registered nor in this file{near}")
            continue
        if key.series in stored.series and all(key.series != other.series for other in stored.derivations):
            yield Problem(
                line, f"{key.series} is registered as one that is measured: give the derived one another position"
            )
        for role, series in formula.inputs if formula else ():
            if series not in known and series.station not in draft.shaky:
                others = _siblings(series, known)
                hint = f": there are {', '.join(others)}" if others else ""
                yield Problem(line, f"{role} of {key} is {series}, neither registered nor in this file{hint}")
    yield from _circles({**stored.derivations, **said.derivations}, draft)


def _circles(formulas: Mapping[Derived, Formula | None], draft: Draft) -> Iterator[Problem]:
    """Derivations of the file that lead back to what they derive, whenever each of them holds."""
    made_of: dict[Series, list[Series]] = {}
    for key, formula in formulas.items():
        made_of.setdefault(key.series, []).extend(series for _, series in (formula.inputs if formula else ()))
    for key in draft.rows.derivations:
        came: dict[Series, Series] = {}
        ahead = [key.series]
        while ahead and key.series not in came:
            here = ahead.pop()
            fresh = [series for series in made_of.get(here, []) if series not in came]
            came.update(dict.fromkeys(fresh, here))
            ahead.extend(fresh)
        if key.series in came:
            way = [key.series, came[key.series]]
            while way[-1] != key.series:
                way.append(came[way[-1]])
            circle = " <- ".join(map(str, reversed(way)))
            yield Problem(draft.lines["derivation", key], f"{key} is derived from itself: {circle}")


def _siblings(series: Series, among: Iterable[Series]) -> list[str]:
    """The first few series of the same station and parameter."""
    return sorted({str(other) for other in among if other[:2] == series[:2]})[:4]


def _sources(stored: Registry, said: Registry, write: Registry) -> Iterator[Change]:
    for name, priority in sorted(said.sources.items()):
        known = name in stored.sources
        old = stored.sources.get(name)
        if known and priority in (None, old):
            continue
        write.sources[name] = priority
        yield Change("source", name, not known, (("priority", _text(old) if known else None, _text(priority or 0)),))


def _stations(stored: Registry, said: Registry, write: Registry) -> Iterator[Change]:
    for code, facts in sorted(said.stations.items()):
        old = stored.stations.get(code)
        if old is None:
            facts = {"utc_offset": DEFAULT_OFFSET, **facts}
            fields = [(key, None, _fact(key, value)) for key, value in facts.items() if value != ""]
        else:
            facts = {key: value for key, value in facts.items() if old.get(key) != value}
            fields = [(key, _fact(key, old.get(key)), _fact(key, value)) for key, value in facts.items()]  # type: ignore[misc]
        if old is None or fields:
            write.stations[code] = facts
            yield Change("station", code, old is None, tuple(fields))


def _memberships(stored: Registry, said: Registry, write: Registry) -> Iterator[Change]:
    def order(item: tuple[Any, str | None]) -> tuple[str, str, date]:
        return item[0].station, item[0].kind, item[0].since or date.min

    for key, place in sorted(said.memberships.items(), key=order):
        known = key in stored.memberships
        old = stored.memberships.get(key)
        if known and old == place:
            continue
        write.memberships[key] = place
        yield Change("membership", str(key), not known, (("place", _place(old) if known else None, _place(place)),))


def _series(stored: Registry, said: Registry, write: Registry) -> Iterator[Change]:
    cadences: dict[tuple[object, ...], list[int]] = {}
    for series in stored.series:
        cadences.setdefault(series[:4], []).append(series.cadence)
    for series in sorted(said.series):
        if series in stored.series:
            continue
        write.series[series] = None
        # Who meant to correct a cadence must see that the old series stays.
        beside = ", ".join(map(step, sorted(cadences.get(series[:4], []))))
        yield Change("series", str(series), True, (), f"another series beside the one of {beside}" if beside else "")


def _authorities(stored: Registry, said: Registry, write: Registry) -> Iterator[Change]:
    for key, voice in sorted(said.authorities.items()):
        old = stored.authorities.get(key)
        if old == voice:
            continue
        write.authorities[key] = voice
        pairs = {
            "series": (old and _short(old.series), _short(voice.series)),
            "fallback": (old and _short(old.fallback), _short(voice.fallback)),
        }
        fields = tuple((name, was, now) for name, (was, now) in pairs.items() if was != now)
        yield Change("authority", str(key), old is None, fields)


def _adoptions(stored: Registry, said: Registry, write: Registry, name: str) -> Iterator[Change]:
    for key, term in sorted(said.adoptions.items(), key=lambda item: item[0]):
        old = stored.adoptions.get(key)
        now = Term(term.valid_to, term.source or (old.source if old else name))
        if old == now:
            continue
        write.adoptions[key] = now
        pairs = {
            "valid_to": (old and _text(old.valid_to or "open"), _text(now.valid_to or "open")),
            "source": (old and _quoted(old.source), _quoted(now.source)),
        }
        fields = tuple((field_, was, new) for field_, (was, new) in pairs.items() if was != new)
        yield Change("adoption", str(key), old is None, fields)


def _zones(stored: Registry, said: Registry, write: Registry) -> Iterator[Change]:
    for code, facts in sorted(said.zones.items()):
        old = stored.zones.get(code)
        other = news(old, facts)
        if old is not None and not other:
            continue
        write.zones[code] = other
        fields = [
            (key, None if old is None else _fact(key, old.get(key)), _fact(key, value))
            for key, value in other.items()
            if old is not None or value not in ("", None)
        ]
        yield Change("zone", code, old is None, tuple(fields))


def _derivations(stored: Registry, said: Registry, write: Registry) -> Iterator[Change]:
    for key, formula in sorted(said.derivations.items(), key=lambda item: (item[0][:3], item[0].since or date.min)):
        known = key in stored.derivations
        old = stored.derivations.get(key)
        if known and old == formula:
            continue
        write.derivations[key] = formula
        if key.series not in stored.series:
            write.series[key.series] = None
        yield Change("derivation", str(key), not known, tuple(_formulated(old, formula, known=known)))


def _formulated(old: Formula | None, new: Formula | None, *, known: bool) -> Iterator[tuple[str, str | None, str]]:
    """What is other in a formula: name, what was there (None: nothing), what will be."""
    kinds = [item.kind if item else "none" for item in (old, new)]
    if not known or kinds[0] != kinds[1]:
        yield "kind", kinds[0] if known else None, kinds[1]
    was, now = (dict(item.inputs if item else ()) for item in (old, new))
    for role in dict.fromkeys([*was, *now]):
        if was.get(role) != now.get(role):
            yield role, str(was.get(role, "none")) if known else None, str(now.get(role, "none"))
    gave, gives = (dict(item.given if item else ()) for item in (old, new))
    for name in dict.fromkeys([*gave, *gives]):
        if gave.get(name) != gives.get(name):
            yield name, f"{gave[name]:g}" if name in gave else None, f"{gives[name]:g}" if name in gives else "as usual"


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _quoted(value: object) -> str:
    return f'"{value}"'


def _place(place: str | None) -> str:
    return "left" if place is None else _quoted(place)


def _short(series: Series | None) -> str:
    return "none" if series is None else f"{series.channel} {step(series.cadence)}"


def _fact(key: str, value: object) -> str:
    if value is None:
        return "none"
    if key == "utc_offset":
        return offset(int(str(value)))
    if isinstance(value, list):
        return " ".join(map(_quoted, value)) or "none"
    return _quoted(value) if isinstance(value, str) else str(value)
