"""JSON as its standard has it, of strangers."""

import json
from collections.abc import Callable
from typing import Any


def loaded(raw: bytes, number: Callable[[str], Any] | None = None) -> object:
    """What `raw` says, its numbers as `number` makes them; of a name that stands twice the first counts, as everywhere.

    Raises `ValueError` (`UnicodeDecodeError` where it is not UTF-8), `RecursionError`.
    """
    text = raw.decode("utf-8")
    return json.loads(text, parse_float=number, parse_int=number, parse_constant=_refuse, object_pairs_hook=_once)


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in pairs:
        found.setdefault(name, value)
    return found


def _refuse(constant: str) -> None:
    """NaN and Infinity are no JSON."""
    raise ValueError(constant)
