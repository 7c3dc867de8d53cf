"""One value of a file, whatever the format, to what it means; `Bad` where it can mean nothing."""

import math
import re
from datetime import date, datetime

from analytics.derivation import Given
from analytics.store.register.model import steps

LONGEST_NAME = 200
LONGEST_TEXT = 1000
#: A year and a day [s].
LONGEST_CADENCE = 31_622_400
#: [min]; no place on Earth is outside, and all are on the quarter of an hour.
OFFSETS = range(-720, 841, 15)
_INT4 = range(-(2**31), 2**31)

_CADENCE = re.compile(r"([0-9]{1,8})([smhd])")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
_KIND = re.compile(r"[a-z_]+")
_OFFSET = re.compile(r"([+-])([0-9]{2}):([0-5][0-9])")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class Bad(ValueError):
    """A value means nothing; the message is said after the name of its key."""


def shown(raw: object) -> str:
    """`raw` as a message shows it, cut where it is long."""
    try:
        text = repr(raw) if isinstance(raw, str | int | float) else str(raw)
    except ValueError:  # Python does not print integers of thousands of digits
        text = "a huge number"
    return text if len(text) <= 80 else f"{text[:80]}…"


def text(raw: object) -> str:
    """Any text of one line, without blanks around it."""
    if not isinstance(raw, str):
        raise Bad(f"must be text, not {shown(raw)}: write it in quotes")
    if _CONTROL.search(raw.strip()):
        raise Bad(f"cannot be {shown(raw)}: it holds a control character")
    if len(raw) > LONGEST_TEXT:
        raise Bad(f"is longer than {LONGEST_TEXT} characters")
    return raw.strip()


def word(raw: object) -> str:
    """Text short enough for a key; it may be empty."""
    found = text(raw)
    if len(found) > LONGEST_NAME:
        raise Bad(f"is longer than {LONGEST_NAME} characters")
    return found


def name(raw: object) -> str:
    """A word that is not empty."""
    found = word(raw)
    if not found:
        raise Bad("is empty")
    return found


def names(raw: object) -> list[str]:
    """Words, each once: a list, or apart by spaces."""
    found = [name(one) for one in (raw.split() if isinstance(raw, str) else raw if isinstance(raw, list) else [raw])]
    if len(set(found)) < len(found):
        raise Bad(f"cannot be {shown(raw)}: one stands there twice")
    return found


def position(raw: object) -> str:
    """Where at its station a series measures."""
    found = word(raw)
    if ":" in found:
        raise Bad(f"cannot be {shown(raw)}: a source could not name it, ':' begins the statistic")
    return found


def kind(raw: object) -> str:
    """A kind of membership."""
    found = word(raw)
    if not _KIND.fullmatch(found):
        raise Bad(f"cannot be {shown(raw)}: small letters a to z and _ only")
    return found


def place(raw: object) -> str:
    """A place of a membership as `kind:name`, or "" for everywhere."""
    found = word(raw)
    kind_, _, name_ = found.partition(":")
    if found and not (_KIND.fullmatch(kind_) and name_.strip()):
        raise Bad(f"cannot be {shown(raw)}: write kind:name as 'city:Beijing', leave it out for everywhere")
    return f"{kind_}:{name_.strip()}" if found else ""


def longitude(raw: object) -> float:
    """[°]"""
    return _degrees(raw, 180, "")


def latitude(raw: object) -> float:
    """[°]"""
    return _degrees(raw, 90, "; is it the longitude?")


def _degrees(raw: object, most: int, hint: str) -> float:
    try:
        number = float(raw) if _is_number(raw) else math.nan  # type: ignore[arg-type]  # a number or its text
    except OverflowError:
        number = math.inf
    if math.isnan(number):
        raise Bad(f"cannot be {shown(raw)}: write degrees as 39.87")
    if not -most <= number <= most:
        raise Bad(f"cannot be {shown(raw)}: it lies outside -{most} to {most}{hint if abs(number) <= 180 else ''}")
    return number + 0.0


def _is_number(raw: object) -> bool:
    if isinstance(raw, str):
        return _DECIMAL.fullmatch(raw.strip()) is not None
    return isinstance(raw, int | float) and not isinstance(raw, bool)


def utc_offset(raw: object) -> int:
    """[min]"""
    minutes: int | None = None
    if isinstance(raw, str):
        words = raw.strip()
        if found := _OFFSET.fullmatch(words):
            minutes = (60 * int(found[2]) + int(found[3])) * (-1 if found[1] == "-" else 1)
        elif re.fullmatch(r"[+-]?[0-9]{1,4}", words):
            minutes = int(words)
    elif isinstance(raw, int) and not isinstance(raw, bool):
        minutes = raw
    if minutes is None:
        raise Bad(f"cannot be {shown(raw)}: write +08:00, or minutes as 480")
    if minutes not in OFFSETS:
        hint = "; hours are written as +08:00" if abs(minutes) <= 14 else ""
        raise Bad(f"cannot be {shown(raw)}: no clock on Earth is {shown(minutes)} minutes from UTC{hint}")
    return minutes


def cadence(raw: object) -> int:
    """[s]"""
    found = _CADENCE.fullmatch(raw.strip()) if isinstance(raw, str) else None
    seconds = int(found[1]) * steps()[found[2]] if found else 0
    if not 0 < seconds <= LONGEST_CADENCE:
        raise Bad(f"cannot be {shown(raw)}: write the step between readings as 30s, 10m, 1h, 4h or 1d")
    return seconds


def day(raw: object) -> date:
    """A local day."""
    if isinstance(raw, date) and not isinstance(raw, datetime):
        return raw
    if isinstance(raw, str) and _DATE.fullmatch(raw.strip()):
        try:
            return date.fromisoformat(raw.strip())
        except ValueError:
            raise Bad(f"cannot be {shown(raw)}: there is no such day") from None
    raise Bad(f"is not a date: {shown(raw)}; write 2024-01-31")


def area(raw: object) -> float:
    """[m²] of an irrigated zone."""
    return _between(raw, 0.1, 1e8, "m²")


def root_depth(raw: object) -> float:
    """[m]"""
    return _between(raw, 0.01, 10, "m")


def moisture(raw: object) -> float:
    """[m³/m³] that a soil holds at its limits."""
    return _between(raw, 0.005, 0.8, "m³/m³")


def flow(raw: object) -> float:
    """[m³/h] of all emitters of a zone."""
    return _between(raw, 0.001, 1e5, "m³/h")


def _between(raw: object, low: float, high: float, unit: str) -> float:
    # What no zone has would make amounts that no float holds, and one zone so would leave all without advice.
    number = _number(raw)
    if not low <= number <= high:
        raise Bad(f"cannot be {shown(raw)}: it lies outside {low:g} to {high:,.0f} {unit}")
    return number


def within(limits: Given, raw: object) -> float:
    """A number between its limits."""
    number = _number(raw)
    if not limits.low <= number <= limits.high:
        raise Bad(f"cannot be {shown(raw)}: it lies outside {limits.low:g} to {limits.high:g} {limits.unit}".rstrip())
    return number + 0.0


def altitude(raw: object) -> float:
    """[m]"""
    number = _number(raw)
    if not -500 <= number <= 9000:
        raise Bad(f"cannot be {shown(raw)}: it lies outside -500 to 9000 m")
    return number + 0.0


def _number(raw: object) -> float:
    if not _is_number(raw):
        raise Bad(f"cannot be {shown(raw)}: write a number as 39.87")
    try:
        return float(raw)  # type: ignore[arg-type]  # a number or its text
    except OverflowError:
        return math.inf


def whole(raw: object) -> int:
    """An integer as the database can hold it."""
    if not isinstance(raw, int) or isinstance(raw, bool):
        raise Bad(f"must be an integer, not {shown(raw)}")
    if raw not in _INT4:
        raise Bad(f"cannot be {shown(raw)}: {_INT4[0]} to {_INT4[-1]}")
    return raw
