"""Records of a file, one by one, into a `Registry`; what is wrong with them into problems with their lines."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from difflib import get_close_matches
from functools import partial
from typing import Any, NamedTuple

from analytics.crops import Land
from analytics.derivation import Kind
from analytics.parameters import Parameter
from analytics.store.register import values
from analytics.store.register.model import (
    NO_SECRETS,
    Adopted,
    Derived,
    Formula,
    Membership,
    Problem,
    Registry,
    Secrets,
    Series,
    Spoken,
    Term,
    Voice,
    refuse,
)
from analytics.store.register.values import Bad, shown
from analytics.store.registry import DEFAULT_CADENCE

Reader = Callable[[object], Any]

STATION: Mapping[str, Reader] = {
    "code": values.name,
    "title": values.text,
    "title_zh": values.text,
    "longitude": values.longitude,
    "latitude": values.latitude,
    "utc_offset": values.utc_offset,
}
MEMBERSHIP: Mapping[str, Reader] = {"kind": values.kind, "place": values.word, "since": values.day}
SOURCE: Mapping[str, Reader] = {"name": values.name, "priority": values.whole}
FALLBACK: Mapping[str, Reader] = {"position": values.position, "cadence": values.cadence}
_ENDS = 'a series is derived until a day: write kind = "" with parameter and since'
_NEVER_IN = 'a station is in a place until a day: write [[station.memberships]] with place = "" and since'


class Entry(NamedTuple):
    """A record: its values as they stand in the file, and the line of each key ("": of the record)."""

    values: Mapping[str, object]
    line: Callable[[str], int]


@dataclass(slots=True)
class Draft:
    """What a file says, and what is wrong with it.

    `parameters`, `standards`, the tables of the `land` and the `kinds` are those that exist. `shaky` are stations of
    which something was refused: what refers to them is not held against the file a second time.
    """

    name: str
    parameters: Mapping[str, Parameter]
    standards: Collection[str]
    land: Land
    kinds: Mapping[str, Kind]
    secrets: Secrets = NO_SECRETS
    #: services that can be asked: what the ids of each are (`stations`, `named`, `free`)
    connectors: Mapping[str, str] = field(default_factory=dict)
    rows: Registry = field(default_factory=Registry)
    problems: list[Problem] = field(default_factory=list)
    lines: dict[tuple[str, object], int] = field(default_factory=dict)
    shaky: set[str] = field(default_factory=set)
    _words: dict[str, str] = field(default_factory=dict)
    _facts: dict[tuple[str, str], int] = field(default_factory=dict)
    _grown: dict[str, dict[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for parameter in self.parameters.values():
            for known in (*parameter.aliases, parameter.name):
                self._words[known.lower()] = parameter.name
        covers = self.land.covers.select("cover", "title", "title_zh")
        soils = self.land.soils.select("texture", "title_zh")
        methods = [(name, method.title, method.title_zh) for name, method in self.land.methods.items()]
        for key, rows in (("cover", covers.rows()), ("texture", soils.rows()), ("method", methods)):
            self._grown[key] = {word.lower(): names[0] for names in rows for word in names}

    def refuse(self, line: int, reason: str) -> None:
        """Notes a problem."""
        self.problems.append(Problem(line, reason))

    def check(self) -> None:
        """Nothing; raises `Nonsense` with every problem there is."""
        refuse(self.name, self.problems)

    def station(self, entry: Entry) -> str | None:
        """The code of the station of `entry`; None where it has none."""
        facts, sound = self.take(entry, STATION, needs=("code",))
        code = facts.pop("code", None)
        if code is None:
            return None
        if not sound:
            self.shaky.add(code)
        said = self.rows.stations.setdefault(code, {})
        self.lines.setdefault(("station", code), entry.line(""))
        for key, value in facts.items():
            line = entry.line(key)
            first = self._facts.setdefault((code, key), line)
            if said.setdefault(key, value) != value:
                self.refuse(
                    line, f"station {code!r} has {key} {shown(value)} here and {shown(said[key])} at line {first}"
                )
        return str(code)

    def member(self, code: str | None, entry: Entry) -> None:
        """Notes a dated membership of the station `code`."""
        found, sound = self.take(entry, MEMBERSHIP, needs=("kind", "place"))
        if not sound or code is None:
            return
        since: date | None = found.get("since")
        if not found["place"] and since is None:
            self.refuse(entry.line("place"), f"place of {found['kind']} is empty; {_NEVER_IN}")
            return
        key = Membership(code, found["kind"], since)
        self._put("membership", self.rows.memberships, key, found["place"] or None, entry.line(""))

    def series(self, code: str | None, entry: Entry) -> None:
        """Notes a series of the station `code`."""
        readers = {
            "parameter": self.parameter,
            "position": values.position,
            "statistic": values.word,
            "cadence": values.cadence,
        }
        found, sound = self.take(entry, readers, needs=("parameter",))
        if code is None:
            return
        if not sound:
            self.shaky.add(code)
            return
        series = Series(
            code,
            found["parameter"],
            found.get("position", ""),
            found.get("statistic", ""),
            found.get("cadence", DEFAULT_CADENCE),
        )
        if series in self.rows.series:
            self.refuse(entry.line(""), f"series {series} stands at line {self.lines['series', series]} already")
            return
        self.rows.series[series] = None
        self.lines["series", series] = entry.line("")

    def source(self, entry: Entry) -> None:
        """Notes a source."""
        found, sound = self.take(entry, SOURCE, needs=("name",))
        if sound:
            self._put("source", self.rows.sources, found["name"], found.get("priority"), entry.line(""))

    def authority(self, entry: Entry, fallback: Entry | None) -> None:
        """Notes which series speaks for a station's parameter, and which stands in."""
        readers = {"station": values.name, "parameter": self.parameter, **FALLBACK}
        found, sound = self.take(entry, readers, needs=("station", "parameter"))
        other, other_sound = self.take(fallback, FALLBACK) if fallback else ({}, True)
        if not sound or not other_sound:
            return
        speaks = self._spoken(found, found)
        stands_in = self._spoken(found, other) if fallback else None
        if stands_in == speaks:
            self.refuse(entry.line("fallback"), f"fallback of {speaks} is that series itself: name another one")
            return
        key = Spoken(speaks.station, speaks.parameter)
        self._put("authority", self.rows.authorities, key, Voice(speaks, stands_in), entry.line(""))

    @staticmethod
    def _spoken(subject: Mapping[str, Any], which: Mapping[str, Any]) -> Series:
        position, cadence = which.get("position", ""), which.get("cadence", DEFAULT_CADENCE)
        return Series(subject["station"], subject["parameter"], position, "", cadence)

    def adoption(self, entry: Entry) -> None:
        """Notes where and when a standard is in force."""
        readers = {
            "standard": self._standard,
            "place": values.place,
            "valid_from": values.day,
            "valid_to": values.day,
            "source": values.text,
        }
        found, sound = self.take(entry, readers, needs=("standard", "valid_from"))
        if not sound:
            return
        term = Term(found.get("valid_to"), found.get("source", ""))
        if term.valid_to is not None and term.valid_to < found["valid_from"]:
            self.refuse(
                entry.line("valid_to"), f"valid_to {term.valid_to} lies before valid_from {found['valid_from']}"
            )
            return
        key = Adopted(found["standard"], found.get("place", ""), found["valid_from"])
        self._put("adoption", self.rows.adoptions, key, term, entry.line(""))

    def zone(self, entry: Entry) -> None:
        """Notes an irrigated zone: facts in parts are one, as those of a station."""
        readers: Mapping[str, Reader] = {
            "zone": values.name,
            "title": values.text,
            "title_zh": values.text,
            "weather": values.name,
            "probe": values.word,
            "beside": values.names,
            "area": values.area,
            "cover": partial(_one_of, self._grown["cover"]),
            "texture": partial(_one_of, self._grown["texture"]),
            "root_depth": values.root_depth,
            "field_capacity": values.moisture,
            "wilting_point": values.moisture,
            "flow": values.flow,
            "method": partial(_one_of, self._grown["method"]),
            "altitude": values.altitude,
        }
        found, _ = self.take(entry, readers, needs=("zone",))
        code = found.pop("zone", None)
        if code is None:
            return
        if "probe" in found:
            found["probe"] = found["probe"] or None
        said = self.rows.zones.setdefault(code, {})
        self.lines.setdefault(("zone", code), entry.line(""))
        for key in entry.values:
            # What was refused is held against the file once: it does not count as missing.
            self.lines.setdefault((f"zone {key}", code), entry.line(key))
        for key, value in found.items():
            if said.setdefault(key, value) != value:
                first = self.lines[f"zone {key}", code]
                self.refuse(
                    entry.line(key),
                    f"zone {code!r} has {key} {shown(value)} here and {shown(said[key])} at line {first}",
                )

    def derivation(self, entry: Entry, inputs: Mapping[str, Entry], given: Entry) -> None:
        """Notes how a series is derived: from what, in which role; what is not said is as the kind has it."""
        readers: Mapping[str, Reader] = {
            "station": values.name,
            "kind": values.word,
            "parameter": self.parameter,
            "position": values.position,
            "since": values.day,
        }
        found, sound = self.take(entry, readers, needs=("station", "kind"))
        if not sound:
            return
        kind = self.kinds.get(found["kind"])
        if kind is None and found["kind"]:
            self.unknown(entry.line("kind"), found["kind"], self.kinds, "kind of derivation")
            return
        parameter = found.get("parameter", kind.output if kind else None)
        if parameter is None or (kind is None and "since" not in found):
            self.refuse(entry.line("kind"), f"kind is empty; {_ENDS}")
            return
        if kind and parameter != kind.output:
            self.refuse(entry.line("parameter"), f"{kind.name} makes {kind.output}, not {parameter}: leave it out")
            return
        key = Derived(found["station"], parameter, found.get("position", ""), found.get("since"))
        formula = self._formula(key, kind, entry, inputs, given) if kind else None
        if kind is None or formula is not None:
            self._put("derivation", self.rows.derivations, key, formula, entry.line(""))

    def _formula(
        self, key: Derived, kind: Kind, entry: Entry, inputs: Mapping[str, Entry], given: Entry
    ) -> Formula | None:
        """The formula of `key`; None where something of it was refused."""
        before = len(self.problems)
        for role in inputs.keys() - kind.inputs.keys():
            self.unknown(inputs[role].line(""), role, kind.inputs, f"input of {kind.name}")
        roles = []
        for role, item in kind.inputs.items():
            if role not in inputs and item.optional:
                continue
            found: dict[str, Any] = {}
            if role in inputs:
                found, _ = self.take(inputs[role], {"station": values.name, "parameter": self.parameter, **FALLBACK})
            series = self._spoken({"station": key.station, "parameter": item.parameters[0], **found}, found)
            if series.parameter not in item.parameters:
                line = inputs[role].line("parameter")
                self.refuse(line, f"{role} of {kind.name} can be {', '.join(item.parameters)}, not {series.parameter}")
            roles.append((role, series))
        said, _ = self.take(given, {name: partial(values.within, item) for name, item in kind.given.items()})
        for name, wanted in kind.given.items():
            if wanted.default is None and name not in given.values:
                self.refuse(entry.line(""), f"{kind.name} needs given = {{ {name} = ... }}{_unit(wanted.unit)}")
        if len(self.problems) > before:
            return None
        return Formula(kind.name, tuple(sorted(roles)), tuple(sorted(said.items())))

    def unknown(self, line: int, key: str, known: Collection[str], what: str = "key") -> None:
        """Notes that no `what` is called `key`."""
        self.refuse(line, f"unknown {what} {shown(key)}{nearest(key, known) or ': known are ' + ', '.join(known)}")

    def _put(self, noun: str, rows: dict[Any, Any], key: object, value: object, line: int) -> None:
        first = self.lines.setdefault((noun, key), line)
        if rows.setdefault(key, value) != value:
            self.refuse(line, f"{noun} {key} says something else at line {first}")

    def take(
        self, entry: Entry, readers: Mapping[str, Reader], *, needs: Collection[str] = ()
    ) -> tuple[dict[str, Any], bool]:
        """What the values of `entry` mean, and whether all of them mean something."""
        found: dict[str, Any] = {}
        before = len(self.problems)
        for key, raw in entry.values.items():
            if key not in readers:
                self.unknown(entry.line(key), key, readers)
                continue
            try:
                found[key] = readers[key](raw)
            except Bad as bad:
                self.refuse(entry.line(key), f"{key} {bad}")
        for key in needs:
            if key not in entry.values:
                self.refuse(entry.line(""), f"{key!r} is missing")
        return found, len(self.problems) == before

    def parameter(self, raw: object) -> str:
        """The name of the parameter that `raw` means. Raises `Bad`."""
        word = values.name(raw)
        known = self._words.get(word.lower())
        if known is None:
            near = get_close_matches(word.lower(), self._words, n=1, cutoff=0.5)
            hint = f": did you mean {self._words[near[0]]!r}?" if near else f": known are {', '.join(self.parameters)}"
            raise Bad(f"{shown(word)} is unknown{hint}")
        return known

    def _standard(self, raw: object) -> str:
        word = values.name(raw)
        if word not in self.standards:
            hint = nearest(word, self.standards) or f": known are {', '.join(sorted(self.standards))}"
            raise Bad(f"{shown(word)} is unknown{hint}")
        return word


def _unit(unit: str) -> str:
    return f" [{unit}]" if unit else ""


def nearest(word: str, known: Collection[str]) -> str:
    """A question after the word of `known` that is nearest to `word`; "" where none is near."""
    near = get_close_matches(word, known, n=1)
    return f": did you mean {near[0]!r}?" if near else ""


def _one_of(known: Mapping[str, str], raw: object) -> str:
    """The name of `known` that `raw` means."""
    word = values.name(raw)
    if (found := known.get(word.lower())) is not None:
        return found
    hint = nearest(word.lower(), known) or f": known are {'; '.join(sorted(set(known.values())))}"
    raise Bad(f"{shown(word)} is unknown{hint}")


def standards_in(contents: Mapping[str, object]) -> set[str]:
    """Names of the standards in package tables, as `standards.tables()` or the database has them."""
    rows = (row for content in contents.values() if isinstance(content, list) for row in content)
    return {row["standard"] for row in rows if isinstance(row, Mapping) and row.get("standard")}
