"""A mapping as it is written: from TOML to `Mapped`, every word of it looked at before a file is."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

import polars as pl

from analytics import parameters, tables
from analytics.ingest import _gases
from analytics.ingest._lines import BLANKS, Dialect
from analytics.ingest._mapping import words as w
from analytics.ingest._mapping.clocks import Clock
from analytics.ingest._mapping.words import Where, as_pattern, holes
from analytics.tables import NUMBER, TableError
from analytics.units import UnknownUnit, convert, spelled

FOLDER = "mappings"


@dataclass(frozen=True, slots=True)
class Change:
    """From the unit of a column into that of its parameter: a pair that `units` knows, or a factor (`_gases`)."""

    unit: str = ""
    into: str = ""
    times: float | None = None

    def __call__(self, value: pl.Expr) -> pl.Expr:
        """`value` in the parameter's unit."""
        return convert(value, self.unit, self.into) if self.times is None else _gases.convert(value, self.times)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """What a column, or a word of a row, stands for. No `channel`: the row's word says it."""

    channel: str = ""
    change: Change | None = None
    station: str = ""
    #: how much later than the row's time: as it is written, it may have holes
    after: str = ""
    cadence: int | None = None
    missing: tuple[str | float, ...] = ()
    missing_where: Where | None = None
    values: Mapping[str, float] = field(default_factory=dict)
    mark: str = ""
    optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """One way in which the files of a set are written."""

    dialect: Dialect
    #: of a JSON document, where its records are; None: a text or Parquet
    records: str | None
    named: re.Pattern[str]
    station: str
    clock: Clock
    columns: Mapping[str, Quantity]
    ignore: tuple[str, ...]
    parameter: tuple[str, ...]
    words: Mapping[str, Quantity | None]
    translate: Mapping[str, Mapping[str, str]]
    missing: tuple[str | float, ...]
    missing_where: Where | None
    mark: str
    marks: Mapping[str, str]
    #: as Polars takes it
    mark_pattern: str | None
    decimal: str
    thousands: str
    title: str
    memberships: Mapping[str, str]
    cadence: int | None

    @property
    def alone(self) -> bool:
        """Does each line below the first one stand for itself?"""
        dialect = self.dialect
        return not (dialect.skip or dialect.after or dialect.names or self.clock.ordered) and self.records is None

    def keys(self) -> set[str]:
        """The columns, in lower case, that are needed beside those of values."""
        return self.said() | {name.lower() for name in (*self.clock.columns, *filter(None, [self.clock.add]))}

    def said(self) -> set[str]:
        """Those of them that are asked for their text, not for a stamp."""
        guards = [self.missing_where, *(q.missing_where for q in self.columns.values())]
        guards += [q.missing_where for q in self.words.values() if q]
        marks = [self.mark, *(q.mark for q in self.columns.values())]
        named = [*self.parameter, *(g.column for g in guards if g), *filter(None, marks)]
        return {name.lower() for name in (*named, *(hole.partition("|")[0] for hole in self.asked()))}

    def asked(self) -> set[str]:
        """The holes of a station, channel or title that columns fill, in lower case: `name` or `name|translation`."""
        texts = [self.station, self.title, *(q.station for q in self.columns.values())]
        texts += [q.channel for q in self.columns.values()]
        return {name for text in texts for name in holes(text)} - self._groups()

    def _groups(self) -> set[str]:
        """What patterns of the file's name or of columns find."""
        patterns = [self.named, *(pattern for name in self.columns if (pattern := as_pattern(name)))]
        return {group.lower() for pattern in patterns for group in pattern.groupindex}


@dataclass(frozen=True, slots=True)
class Mapped:
    """A mapping: its name, where its files come from, and its forms."""

    name: str
    origin: str
    forms: tuple[Form, ...]
    recognised: bool = True

    @property
    def header(self) -> bool | None:
        """True where the lines of all its forms stand each for itself (`ingest.HEADERS`)."""
        return True if all(form.alone for form in self.forms) else None


def names() -> list[str]:
    """The mappings of the package, sorted."""
    folder = files("analytics.tables").joinpath(FOLDER)
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


@cache
def load(name: str) -> Mapped:
    """A mapping of the package. Raises `TableError`."""
    text = files("analytics.tables").joinpath(FOLDER, f"{name}.toml").read_text(encoding="utf-8")
    return parse(text, name)


#: Words of a form -> type; the first must be there.
NEEDS: Mapping[str, Any] = {"time": dict}
ALLOWS: Mapping[str, Any] = {
    "station": str,
    "columns": dict,
    "records": str,
    "delimiter": str,
    "encoding": str,
    "skip": int,
    "skip_after": int,
    "names": list,
    "named": str,
    "ignore": list,
    "parameter": (str, list),
    "words": dict,
    "translate": dict,
    "missing": list,
    "missing_where": dict,
    "mark": str,
    "marks": dict,
    "mark_pattern": str,
    "decimal": str,
    "thousands": str,
    "temperature": NUMBER,
    "title": str,
    "memberships": dict,
    "cadence": str,
}
TIME: tuple[Mapping[str, Any], Mapping[str, Any]] = (
    {"columns": list, "form": (str, list), "zone": str},
    {"before": str, "add": str, "add_unit": str, "twice": str, "local": str},
)
QUANTITY: Mapping[str, Any] = {
    "channel": str,
    "unit": str,
    "station": str,
    "after": str,
    "cadence": str,
    "missing": list,
    "missing_where": dict,
    "values": dict,
    "mark": str,
}


def parse(text: str, name: str) -> Mapped:
    """The mapping written in `text`. Raises `TableError` naming form, column and key."""
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise TableError(f"{name}: is no TOML: {error}") from error
    origin, recognised = content.pop("origin", ""), content.pop("recognised", True)
    if not isinstance(origin, str) or not origin or not isinstance(recognised, bool):
        raise TableError(f"{name}: 'origin' must say where the files come from, 'recognised' be true or false")
    forms = content.pop("form", [{}])
    if not isinstance(forms, list) or not forms or not all(isinstance(form, dict) for form in forms):
        raise TableError(f"{name}: 'form' must be blocks [[form]]")
    several = len(forms) > 1
    made = [_form({**content, **form}, f"{name}, form {n}" if several else name) for n, form in enumerate(forms, 1)]
    return Mapped(name, origin, tuple(made), recognised)


def _form(said: dict[str, Any], place: str) -> Form:
    tables.check(said, place, needs=NEEDS, allows=ALLOWS)
    kelvin = said.get("temperature")
    w.names([*said.get("columns", {})], f"{place}: columns")
    columns = {
        key: _quantity(line, f"{place}: column {key!r}", kelvin)
        for key, line in w.entries(said.get("columns", {}), f"{place}: columns")
    }
    words = {
        key.lower(): None if line == {"ignore": True} else _word(line, f"{place}: word {key!r}", kelvin)
        for key, line in w.entries(said.get("words", {}), f"{place}: words")
    }
    parameter = said.get("parameter", [])
    named = said.get("named", "")
    form = Form(
        dialect=_dialect(said, place),
        records=said.get("records"),
        named=w.pattern(named, f"{place}: 'named'"),
        station=said.get("station", ""),
        clock=_clock(said["time"], f"{place}: time"),
        columns=columns,
        ignore=w.names(said.get("ignore", []), f"{place}: 'ignore'"),
        parameter=w.texts([parameter] if isinstance(parameter, str) else parameter, f"{place}: 'parameter'"),
        words=words,
        translate={
            column.lower(): {word.lower(): text for word, text in w.pairs(found, f"{place}: translate").items()}
            for column, found in w.entries(said.get("translate", {}), f"{place}: translate")
        },
        missing=w.sentinels(said.get("missing", []), f"{place}: 'missing'"),
        missing_where=w.where(said.get("missing_where"), f"{place}: 'missing_where'"),
        mark=said.get("mark", ""),
        marks=w.marks(said.get("marks", {}), f"{place}: marks"),
        mark_pattern=w.extraction(said["mark_pattern"], f"{place}: 'mark_pattern'") if "mark_pattern" in said else None,
        decimal=w.one_of(said.get("decimal", "."), (".", ",", ".,"), f"{place}: 'decimal'"),
        thousands=w.one_of(said.get("thousands", ""), ("", ",", ".", " "), f"{place}: 'thousands'"),
        title=said.get("title", ""),
        memberships=w.pairs(said.get("memberships", {}), f"{place}: memberships"),
        cadence=w.step(said["cadence"], f"{place}: 'cadence'") if "cadence" in said else None,
    )
    _together(form, place)
    return form


def _together(form: Form, place: str) -> None:
    """Nothing; raises `TableError` where parts of a form do not go together."""
    if not form.columns:
        raise TableError(f"{place}: 'columns' is missing")
    for key, quantity in form.columns.items():
        if not (quantity.station or form.station):
            raise TableError(f"{place}: 'station' is missing")
        if not (quantity.channel or form.words):
            raise TableError(f"{place}: column {key!r}: has no 'channel', and there are no 'words' to say it")
        if quantity.after and form.clock.offset is None:
            raise TableError(f"{place}: column {key!r}: 'after' wants a zone that has no summer time")
        if (quantity.mark or form.mark) and not form.marks:
            raise TableError(f"{place}: 'marks' is missing")
        own = as_pattern(key)
        groups = {name.lower() for name in (*form.named.groupindex, *(own.groupindex if own else ()))}
        where = holes(quantity.station or form.station) | holes(quantity.channel)
        for hole in (holes(quantity.after) | (where - form.asked())) - groups:
            raise TableError(f"{place}: column {key!r}: nothing is called <{hole}>")
    said = {name.lower() for name in form.named.groupindex}
    for hole in (holes(form.title) - form.asked() - said) | (holes(" ".join(form.memberships.values())) - said):
        raise TableError(
            f"{place}: nothing is called <{hole}>: a title takes columns and `named`, a membership `named`"
        )
    if bool(form.words) != bool(form.parameter):
        raise TableError(f"{place}: 'parameter' (columns) and 'words' (what stands in them) go together")
    if form.dialect.names and not form.named.pattern:
        raise TableError(f"{place}: a file without a header is known by its name: 'named' is missing")
    for column in form.translate.keys() - form.asked():
        raise TableError(f"{place}: translate: no hole <{column}> asks for it")
    if {*form.decimal} & {form.thousands, form.dialect.delimiter}:
        raise TableError(f"{place}: 'decimal' is {form.decimal!r} already")


def _word(line: dict[str, Any], place: str, kelvin: float | None) -> Quantity:
    if beside := line.keys() & {"station", "after", "mark", "optional"}:
        raise TableError(f"{place}: unknown key {min(beside)!r}: that is said of a column")
    if "channel" not in line:
        raise TableError(f"{place}: 'channel' is missing")
    return _quantity(line, place, kelvin)


def _quantity(line: dict[str, Any], place: str, kelvin: float | None) -> Quantity:
    line = dict(line)
    optional = line.pop("optional", False)
    if not isinstance(optional, bool):
        raise TableError(f"{place}: 'optional' must be true or false")
    tables.check(line, place, needs={}, allows=QUANTITY)
    channel, values = line.get("channel", ""), line.get("values", {})
    if not all(isinstance(value, NUMBER) and not isinstance(value, bool) for value in values.values()):
        raise TableError(f"{place}: 'values' must be numbers")
    return Quantity(
        channel=channel,
        change=_change(channel, line.get("unit", ""), place, kelvin),
        station=line.get("station", ""),
        after=line.get("after", ""),
        cadence=w.step(line["cadence"], f"{place}: 'cadence'") if "cadence" in line else None,
        missing=w.sentinels(line.get("missing", []), f"{place}: 'missing'"),
        missing_where=w.where(line.get("missing_where"), f"{place}: 'missing_where'"),
        values={text.lower(): float(value) for text, value in values.items()},
        mark=line.get("mark", ""),
        optional=optional,
    )


def _change(channel: str, unit: str, place: str, kelvin: float | None) -> Change | None:
    """The change from `unit`; None where there is nothing to change. Raises `TableError`."""
    if not channel:
        if unit:
            raise TableError(f"{place}: 'unit' without a 'channel'")
        return None
    parameter = re.split("[@:]", channel)[0]
    known = _parameters()
    if parameter not in known:
        raise TableError(f"{place}: 'channel': there is no parameter {parameter!r}")
    into = known[parameter]
    if not unit:
        raise TableError(f"{place}: 'unit' is missing; {parameter} is kept in {into}")
    if spelled(unit) == spelled(into):
        return None
    try:
        convert(pl.lit(1.0), unit, into)
    except UnknownUnit as error:
        times = None if kelvin is None else _gases.factor(parameter, unit, into, kelvin)
        if times is None:
            hint = "; a gas wants 'temperature' [K]" if kelvin is None and unit in _gases.PARTS else ""
            raise TableError(f"{place}: 'unit': {error}{hint}") from error
        return Change(times=times)
    return Change(unit, into)


@cache
def _parameters() -> Mapping[str, str]:
    """Unit by name of the parameters of the package."""
    return {name: parameter.unit for name, parameter in parameters.load().items()}


def _clock(said: dict[str, Any], place: str) -> Clock:
    tables.check(said, place, needs=TIME[0], allows=TIME[1])
    form = said["form"]
    forms = w.texts([form] if isinstance(form, str) else form, f"{place}: 'form'")
    try:
        return Clock.made(
            columns=w.texts(said["columns"], f"{place}: 'columns'"),
            forms=forms,
            zone=said["zone"],
            before=w.seconds(said["before"], f"{place}: 'before'") if "before" in said else 0,
            add=said.get("add", ""),
            add_unit=said.get("add_unit", "h"),
            twice=said.get("twice", "reject"),
            local=said.get("local", ""),
        )
    except ValueError as error:
        raise TableError(f"{place}: {error}") from error


def _dialect(said: Mapping[str, Any], place: str) -> Dialect:
    delimiter, encoding = said.get("delimiter", ","), said.get("encoding", "")
    if delimiter != BLANKS and (len(delimiter) != 1 or not delimiter.isascii() or delimiter in '"\n\r\0\x1f'):
        raise TableError(f"{place}: 'delimiter' must be one ASCII character, or {BLANKS!r}")
    try:
        plain = "\n;".encode(encoding or "utf-8") == b"\n;"
    except LookupError as error:
        raise TableError(f"{place}: 'encoding': {error}") from error
    if not plain:
        raise TableError(f"{place}: 'encoding' {encoding!r}: a line feed must be one byte")
    skip, after = said.get("skip", 0), said.get("skip_after", 0)
    if not (0 <= skip <= 100 and 0 <= after <= 100):
        raise TableError(f"{place}: 'skip' and 'skip_after' are a hundred lines at most")
    return Dialect(delimiter, encoding, skip, after, w.texts(said.get("names", []), f"{place}: 'names'"))
