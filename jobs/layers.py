"""Corrections as people write them, on a command line or in a file, on their way to the store."""

import csv
import io
import json
from codecs import BOM_UTF8
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import typer

from analytics import corrections
from analytics.corrections import CorrectionError
from analytics.ingest._lines import decoded, encodings
from analytics.ingest._times import LATEST
from analytics.store import derivations
from analytics.store.connection import Connection
from analytics.store.corrections import Entry
from jobs import console, targets

#: What a correction in a file says beside its numbers; `as` is a verdict in words.
WORDS = ("station", "channel", "cadence", "kind", "from", "to", "as", "author", "reason")
CODES = {"good": 1, "suspect": 3, "fail": 4}
#: Kinds that change values, which of a direction come back into its circle [°].
_TURNING, _CIRCLE = ("recalibration", "drift"), 360.0
_INSTANT = timedelta(microseconds=1)
#: Bytes of a file of corrections at most: people write some hundred each.
LIMIT = 64 * 1024**2


@dataclass(frozen=True, slots=True)
class Line:
    """A correction in words; `place` is where it was written. Without `stop` it has no end."""

    station: str
    channel: str
    kind: str
    start: str
    stop: str | None
    author: str
    reason: str
    cadence: str | None = None
    given: Mapping[str, Any] = field(default_factory=dict)
    place: str = ""


def entries(conn: Connection, lines: Sequence[Line]) -> list[Entry]:
    """The layers that `lines` mean. Raises `NotAsAsked` naming the place of what cannot be."""
    site = targets.Site.load(conn)
    turning = {name for name, parameter in site.parameters.items() if parameter.mean == "circular"}
    circles = set(site.series.filter(pl.col("parameter").is_in(turning))["series"])
    made = set(derivations.derived(conn, site.series["series"].to_list()))
    out = []
    for line in lines:
        try:
            out.append(_entry(site, line, circles))
            if out[-1].series in made:
                raise CorrectionError(f"{line.station} {line.channel} is derived: correct what it is made of")
        except (CorrectionError, console.NotAsAsked, typer.BadParameter) as problem:
            if not line.place:
                raise
            raise console.NotAsAsked(f"{line.place}: {problem}; nothing was entered") from problem
    return out


def _entry(site: targets.Site, line: Line, circles: set[int]) -> Entry:
    series = site.one(line.station, line.channel, line.cadence)
    start, stop = targets.period(line.start, line.stop or LATEST.isoformat())
    if line.kind == "drift":
        if line.stop is None:
            raise CorrectionError("drift: lies between two calibrations, it needs an end")
        stop += _INSTANT  # the second calibration belongs to it
    given = dict(line.given)
    if series in circles and line.kind in _TURNING:
        given["modulo"] = _CIRCLE
    author, reason = targets.words(line.author, "--author"), targets.words(line.reason, "--reason")
    return Entry(series, line.kind, start, stop, corrections.check(line.kind, given), author, reason)


def read(path: Path, author: str, reason: str) -> list[Line]:
    """The corrections of a CSV or JSON file: columns, or keys, WORDS and the numbers of each kind.

    `author` and `reason` stand where a line has none. Raises `NotAsAsked` naming the line and what is wrong with it.
    """
    text = _text(path)
    rows = _objects(text, path) if path.suffix.lower() == ".json" else _rows(text, path)
    lines = [_line(place, row, author, reason) for place, row in rows]
    if not lines:
        raise console.NotAsAsked(f"{path} has no corrections, nothing was entered")
    return lines


def _text(path: Path) -> str:
    """The text of `path`, UTF-8 or GB18030. Raises `NotAsAsked`."""
    try:
        with path.open("rb") as file:
            raw = file.read(LIMIT + 1)
    except OSError as problem:
        raise console.NotAsAsked(f"{path} cannot be read: {problem.strerror}") from problem
    if len(raw) > LIMIT:
        raise console.NotAsAsked(f"{path} is larger than {LIMIT // 1024**2} MiB: enter it in parts")
    raw = raw.removeprefix(BOM_UTF8)
    text = decoded(raw, encodings(raw + b"\n"))
    if text is None or "\0" in text:
        raise console.NotAsAsked(f"{path} is no text in UTF-8 or GB18030: save it as UTF-8")
    return text


def _rows(text: str, path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), skipinitialspace=True)
    try:
        for row in reader:
            place = f"{path.name}, line {reader.line_num}"
            if None in row or None in row.values():
                raise console.NotAsAsked(f"{place}: has not as many cells as the header")
            yield place, {key: cell.strip() for key, cell in row.items() if cell.strip()}
    except csv.Error as problem:
        raise console.NotAsAsked(f"{path.name}, line {reader.line_num}: {problem}") from problem


def _objects(text: str, path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as problem:  # also an integer of thousands of digits
        raise console.NotAsAsked(f"{path} is no JSON: {problem}") from problem
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise console.NotAsAsked(f"{path} is no list of corrections: write [{{...}}, {{...}}]")
    for number, row in enumerate(found, start=1):
        yield f"{path.name}, correction {number}", {key: cell for key, cell in row.items() if cell is not None}


def _line(place: str, row: Mapping[str, Any], author: str, reason: str) -> Line:
    said = {key: str(value) for key, value in row.items() if key in WORDS}
    for key in ("station", "channel", "kind", "from"):
        if key not in said:
            raise console.NotAsAsked(f"{place}: {key!r} is missing")
    return Line(
        station=said["station"],
        channel=said["channel"],
        kind=said["kind"],
        start=said["from"],
        stop=said.get("to"),
        author=said.get("author", author),
        reason=said.get("reason", reason),
        cadence=said.get("cadence"),
        given=_numbers(place, row) | _code(place, said),
        place=place,
    )


def _numbers(place: str, row: Mapping[str, Any]) -> dict[str, Any]:
    out = {}
    for key, value in row.items():
        if key in WORDS:
            continue
        try:
            out[key] = float(value) if isinstance(value, str) else value
        except ValueError:
            raise console.NotAsAsked(f"{place}: {key!r} must be a number, it cannot be {value!r}") from None
    return out


def _code(place: str, said: Mapping[str, str]) -> dict[str, int]:
    if "as" not in said:
        return {}
    if said["as"] not in CODES:
        raise console.NotAsAsked(f"{place}: 'as' cannot be {said['as']!r}, it is one of {', '.join(CODES)}")
    return {"code": CODES[said["as"]]}
