"""The words of a mapping, each looked at as it is read: patterns, holes, texts, steps, sentinels."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import polars as pl

from analytics import tables
from analytics.tables import NUMBER, TableError

#: What a station, a channel or a title takes from elsewhere: a group of a pattern, or a column.
HOLE = re.compile(r"<([^<>]+)>")
STEPS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
#: A year and a day [s].
LONGEST_STEP = 31_622_400


@dataclass(frozen=True, slots=True)
class Where:
    """Rows in which the column `column` has one of the texts `texts`."""

    column: str
    texts: tuple[str, ...]


def holes(text: str) -> set[str]:
    """What stands between angle brackets in `text`, in lower case."""
    return {found.lower() for found in HOLE.findall(text)}


def filled(text: str, groups: Mapping[str, str | None]) -> str:
    """`text` with the holes filled that `groups` (in lower case) know; by nothing where a group found nothing."""

    def filling(found: re.Match[str]) -> str:
        name = found[1].lower()
        return groups[name] or "" if name in groups else found[0]

    return HOLE.sub(filling, text)


@cache
def as_pattern(name: str) -> re.Pattern[str] | None:
    """The pattern that the name of a column is, between slashes; None where it is a plain name."""
    return re.compile(name[1:-1], re.IGNORECASE) if len(name) > 2 and name[0] == name[-1] == "/" else None


def pattern(text: str, place: str) -> re.Pattern[str]:
    """`text` as a pattern, whatever the case. Raises `TableError`."""
    try:
        return re.compile(text, re.IGNORECASE)
    except re.error as error:
        raise TableError(f"{place}: is no pattern: {error}") from error


def extraction(text: str, place: str) -> str:
    """`text` as a pattern with a group, as Polars takes it, whatever the case. Raises `TableError`."""
    try:
        pl.select(pl.lit("").str.extract(f"(?i){text}", 1))
    except pl.exceptions.PolarsError as error:
        raise TableError(f"{place}: is no pattern with a group: {error}") from error
    return f"(?i){text}"


def names(found: Any, place: str) -> tuple[str, ...]:
    """Column names, those between slashes good patterns. Raises `TableError`."""
    for name in texts(found, place):
        if len(name) > 2 and name[0] == name[-1] == "/":
            pattern(name[1:-1], f"{place}: {name!r}")
    return texts(found, place)


def texts(found: Any, place: str) -> tuple[str, ...]:
    """`found` as texts. Raises `TableError` where it is no list of them."""
    if not isinstance(found, Sequence) or isinstance(found, str) or not all(isinstance(text, str) for text in found):
        raise TableError(f"{place} must hold text")
    return tuple(found)


def pairs(found: Any, place: str) -> dict[str, str]:
    """`found` as texts by name. Raises `TableError`."""
    if not isinstance(found, dict):
        raise TableError(f"{place}: must be a table")
    return dict(zip(found, texts([*found.values()], place), strict=True))


def entries(found: Mapping[str, Any], place: str) -> list[tuple[str, dict[str, Any]]]:
    """The tables of a table, by name. Raises `TableError` where one is none, or two names differ in their case only."""
    for key, line in found.items():
        if not isinstance(line, dict):
            raise TableError(f"{place}: {key!r} must be a table {{ … }}")
    lower = [key.lower() for key in found if as_pattern(key) is None]
    for key in lower:
        if lower.count(key) > 1:
            raise TableError(f"{place}: {key!r} is there twice: case does not count")
    return [*found.items()]


def sentinels(found: list[Any], place: str) -> tuple[str | float, ...]:
    """Texts and numbers that stand for no value. Raises `TableError`."""
    if not all(isinstance(value, (str, *NUMBER)) and not isinstance(value, bool) for value in found):
        raise TableError(f"{place} must hold texts and numbers")
    return tuple(value if isinstance(value, str) else float(value) for value in found)


def where(found: dict[str, Any] | None, place: str) -> Where | None:
    """`{ column = "x", is = ["a", "b"] }`. Raises `TableError`."""
    if found is None:
        return None
    tables.check(found, place, needs={"column": str, "is": list})
    return Where(found["column"], tuple(text.lower() for text in texts(found["is"], f"{place}: 'is'")))


def marks(found: dict[str, Any], place: str) -> dict[str, str]:
    """Codes of the source, in lower case -> the mark, one character of ASCII, or none. Raises `TableError`."""
    for code, mark in pairs(found, place).items():
        if len(mark) > 1 or not mark.isascii() or mark == "\0":
            raise TableError(f"{place}: {code!r} cannot be {mark!r}: a mark is one ASCII character, or empty")
    return {code.lower(): mark for code, mark in found.items()}


def one_of(found: str, known: Sequence[str], place: str) -> str:
    """`found`. Raises `TableError` where it is none of `known`."""
    if found not in known:
        raise TableError(f"{place} cannot be {found!r}: one of {', '.join(map(repr, known))}")
    return found


def seconds(text: str, place: str) -> int:
    """Seconds in `30s`, `10m`, `1h`, `1d`. Raises `TableError`."""
    number, unit = text[:-1], text[-1:]
    digits = number.isascii() and number.isdecimal() and len(number) < 10
    if unit not in STEPS or not digits or int(number) * STEPS[unit] > LONGEST_STEP:
        raise TableError(f"{place} cannot be {text!r}: write 30s, 10m, 1h or 1d")
    return int(number) * STEPS[unit]


def step(text: str, place: str) -> int:
    """The same, and more than none. Raises `TableError`."""
    if found := seconds(text, place):
        return found
    raise TableError(f"{place} cannot be {text!r}: a step is longer")
