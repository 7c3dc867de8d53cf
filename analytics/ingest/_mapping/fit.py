"""A form against the columns of a file: which of them is what, or why it is not of this form."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from analytics.ingest._lines import MOST_COLUMNS, Text
from analytics.ingest._mapping.documents import Records, may_be
from analytics.ingest._mapping.table import Form, Mapped, Quantity
from analytics.ingest._mapping.words import as_pattern, filled
from analytics.ingest._parquet import Columns
from analytics.ingest._source import Source, UnreadableSource


@dataclass(frozen=True, slots=True)
class Value:
    """A column that holds values: its number, what it is, and its texts with the holes filled that its name fills."""

    number: int
    quantity: Quantity
    channel: str
    station: str
    after: str


@dataclass(frozen=True, slots=True)
class Layout:
    """Which column of a file is what: numbers of `keys` by name in lower case, and the columns of values."""

    form: Form
    keys: Mapping[str, int]
    values: Sequence[Value]
    #: what the file's name says
    groups: Mapping[str, str | None]


def knowing(tables: Iterable[Mapped], source: Source) -> list[Mapped]:
    """Those of `tables` that know `source` by itself. Raises `UnreadableSource` where nothing of it can be read."""
    seen = _Seen.of(source)
    return [mapped for mapped in tables if mapped.recognised and _fits(mapped, source, seen)]


class _Seen(NamedTuple):
    """What is looked at of a file before it is read: the columns of a Parquet, the head of all else."""

    packed: tuple[str, ...] | None
    head: bytes

    @classmethod
    def of(cls, source: Source) -> "_Seen":
        return cls(Columns(source).names, b"") if source.is_parquet() else cls(None, source.head())


def _fits(mapped: Mapped, source: Source, seen: _Seen) -> bool:
    try:
        return isinstance(_layout(mapped, source, seen), Layout)
    except UnreadableSource:
        if any(form.records is not None for form in mapped.forms):
            return False
        raise


Table = Text | Columns | Records


def layout(mapped: Mapped, source: Source) -> Layout | list[str]:
    """`source` as one of the forms of `mapped` has it; else what each form misses."""
    return _layout(mapped, source, _Seen.of(source))


def _layout(mapped: Mapped, source: Source, seen: _Seen) -> Layout | list[str]:
    wrong: list[str] = []
    packed, head = seen
    for form in mapped.forms:
        if form.records is None:
            names = packed if packed is not None else form.dialect.header(head)
        elif packed is not None or not may_be(head, form.records):
            wrong.append("is no JSON document of such records")
            continue
        else:
            names = Records(source, form.records).names
        found = _laid(form, names, source.path.name)
        if isinstance(found, Layout):
            return found
        wrong.append(found)
    return wrong


def opened(form: Form, source: Source) -> Table:
    """`source`, which is of `form`, as a table. Raises `UnreadableSource`."""
    if form.records is not None:
        return Records(source, form.records)
    return Columns(source) if source.is_parquet() else Text(source, form.dialect)


def _laid(form: Form, names: Sequence[str], file: str) -> Layout | str:
    """The layout of a file called `file` with the columns `names`, or what is wrong."""
    named = form.named.search(file)
    if named is None:
        return f"its name does not match {form.named.pattern!r}"
    if len(names) > MOST_COLUMNS:
        return f"{len(names)} columns"
    groups = {name.lower(): text for name, text in named.groupdict().items()}
    lower = [name.strip().lower() for name in names]
    needed = form.keys()
    literal = {name.lower(): quantity for name, quantity in form.columns.items() if as_pattern(name) is None}
    for name in sorted(needed | {name for name, quantity in literal.items() if not quantity.optional}):
        if lower.count(name) != 1:
            return f"needs the column {name!r} once, has it {lower.count(name)} times"
    values = []
    for number, name in enumerate(lower):
        if name in literal:
            if lower.count(name) > 1:
                return f"has the column {name!r} {lower.count(name)} times"
            values.append(_value(form, number, literal[name], groups))
        elif (found := _by_pattern(form, name, needed)) is not None:
            values.append(_value(form, number, found[0], {**groups, **found[1]}))
        elif name not in needed and not _ignored(form, name):
            return f"says nothing of the column {name[:40]!r}"
    if not values:
        return "has none of its columns"
    return Layout(form, {name: lower.index(name) for name in needed}, values, groups)


def _by_pattern(form: Form, name: str, needed: set[str]) -> tuple[Quantity, dict[str, str | None]] | None:
    """The first pattern of `form` that `name` matches, and its groups; none of a name that is needed or left out."""
    if name in needed or _ignored(form, name, literally=True):
        return None
    for written, quantity in form.columns.items():
        pattern = as_pattern(written)
        found = pattern.fullmatch(name) if pattern else None
        if found:
            return quantity, {group.lower(): text for group, text in found.groupdict().items()}
    return None


def _ignored(form: Form, name: str, *, literally: bool = False) -> bool:
    """Is `name` among the columns that are left out?"""
    for written in form.ignore:
        pattern = as_pattern(written)
        if name == written.lower() or (pattern and not literally and pattern.fullmatch(name)):
            return True
    return False


def _value(form: Form, number: int, quantity: Quantity, groups: Mapping[str, str | None]) -> Value:
    texts = (quantity.channel, quantity.station or form.station, quantity.after)
    return Value(number, quantity, *(filled(text, groups) for text in texts))


def unreadable(mapped: Mapped, source: Source, wrong: Sequence[str]) -> UnreadableSource:
    """`source` is of none of the forms of `mapped`, and why."""
    return UnreadableSource(f"{source.name}: not of {mapped.name}: {'; or '.join(_each(wrong))}")


def _each(wrong: Sequence[str]) -> Iterator[str]:
    for number, why in enumerate(wrong, 1):
        yield f"form {number} {why}" if len(wrong) > 1 else why
