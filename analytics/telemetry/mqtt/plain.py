"""JSON that says everything itself (the names of NDJSON), or with the help of its topic: into lines of NDJSON."""

import json
from collections.abc import Mapping
from typing import NamedTuple

from analytics.telemetry.mqtt.strict import loaded

_BOM = b"\xef\xbb\xbf"


class Lines(NamedTuple):
    """Lines of NDJSON, without their ends; and what is refused, each with its text and why."""

    lines: list[bytes]
    refused: list[tuple[str, str]]


def lines(payload: bytes, said: Mapping[str, str]) -> Lines:
    """What `payload` holds: an object, an array of objects, or an object a line. `said` by the topic stands in each.

    Who may publish under a topic is the broker's to say: an object that says something else than its topic is refused.
    What is no object stays as it is, for who reads the lines; but without a mark of its encoding before it, which
    would be another thing at the beginning of all lines than amid them.
    """
    found = Lines([], [])
    try:
        whole = loaded(_bare(payload))
    except (ValueError, RecursionError):
        for line in map(_bare, payload.splitlines()):
            if line.strip():
                try:
                    _one(loaded(line), line, said, found)
                except (ValueError, RecursionError):
                    found.lines.append(line)
        return found
    for one in whole if isinstance(whole, list) else [whole]:
        _one(one, payload, said, found)
    return found


def _one(one: object, raw: bytes, said: Mapping[str, str], found: Lines) -> None:
    if not isinstance(one, dict):
        found.lines.append(_dumped(one))
        return
    for name, word in said.items():
        there = one.get(name, one.get("parameter") if name == "channel" else None)
        if there is not None and there != word:
            found.refused.append((_dumped(one).decode(), f"its topic names another {name}"))
            return
    if "channel" in said:
        one = {name: value for name, value in one.items() if name != "parameter"}
    found.lines.append(_dumped({**one, **said}))


def _bare(raw: bytes) -> bytes:
    while raw.startswith(_BOM):
        raw = raw[len(_BOM) :]
    return raw


def _dumped(one: object) -> bytes:
    # In ASCII: halves of characters, which an escape can smuggle in, stay escapes, and are refused as such.
    return json.dumps(one, separators=(",", ":")).encode()
