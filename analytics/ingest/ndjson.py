"""A JSON object a line, a value each (NDJSON): the body of a POST, or a file (gzip, too).

Origin: our own exchange form; JSON is RFC 8259, in UTF-8. Names of an object, of which nothing may be left out silently
(another name makes the line a reject):

- `station`: the code, at most 200 characters.
- `channel` or `parameter`: `parameter[@position][:statistic]`; what follows the parameter may stand in `position` and
  `statistic` instead.
- `time`: ISO 8601 with an offset from UTC: the start of the period. A time without an offset is a reject.
- `value`: a number in the parameter's unit of `tables/parameters.toml`, or text that is one; null (or none) is missing.
- `mark`: the source's own flag, one ASCII character. `revision`: a whole number, a greater one replaces a smaller one.

A line that is no such object, or longer than 8 KiB, is one reject; the other lines are read all the same. Of a name
that stands twice in an object the first counts.
"""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl

from analytics.frames import REJECTS, Batch, empty
from analytics.ingest import _lines
from analytics.ingest._cells import KEPT, Offsets, spelt_out
from analytics.ingest._cells import batch as judged
from analytics.ingest._source import Source

#: No line says what others mean: a file can be read in parts.
HEADER = False
#: A longer line is broken [byte].
LONGEST = 8 * 1024
#: Lines of a batch, at most.
MOST_LINES = 1_000_000
NAMES = ("station", "channel", "parameter", "position", "statistic", "time", "value", "mark", "revision")
NUMBERS = (pl.Int64(), pl.Float64(), pl.Null())
#: What a column of whole lines may hold for `_quickly`: text where nothing else is said.
KINDS = {"value": NUMBERS, "revision": (pl.Int64(), pl.Null())}
TEXT = (pl.String(), pl.Null())


def recognises(source: Source) -> bool:
    """Is the first line of `source` an object with a station, a time and a channel or parameter?"""
    if source.is_parquet():
        return False
    found = _object(_lines.first_line(source.head()).strip())
    return found is not None and {"station", "time"} <= found.keys() and bool({"channel", "parameter"} & found.keys())


def read(source: Source) -> Iterator[Batch]:
    """Batches of `source`; values [the parameter's unit], the offset of a station [min] from its first row.

    Raises `UnreadableSource` where nothing of the file can be read.
    """
    facts, line = Offsets(), source.line or 1
    try:
        for raw in _lines.whole_lines(source.blocks()):
            ends = np.flatnonzero(np.frombuffer(raw, np.uint8) == 10) + 1
            for start in range(0, len(ends), MOST_LINES):
                cut = ends[start : start + MOST_LINES]
                yield _batch(raw[ends[start - 1] if start else 0 : cut[-1]], line + start, facts)
            line += len(ends)
    except _lines.Damage as damage:
        text = f"{damage.error}: {damage.rest.decode('utf-8', 'replace')}"
        broken = _lines.reject(text, f"line {line}", _lines.DAMAGED)
        yield Batch(_no_cells(), broken)


def batch(raw: bytes) -> Batch:
    """The cells, rejects and count of missing values of `raw`: whole lines in memory, as a POST brings them."""
    return _batch(raw, 1, Offsets())


def _batch(raw: bytes, line: int, facts: Offsets) -> Batch:
    """The batch of whole lines, the first of them number `line`."""
    raw = raw.removeprefix(_lines.BOM) if line == 1 else raw
    lines = raw.split(b"\n")
    filled = [number for number, text in enumerate(lines) if not text.isspace() and text]
    places = [line + number for number in filled]
    broken = empty(REJECTS)
    rows = _quickly(raw, len(filled)) if max(map(len, lines)) <= LONGEST else None
    if rows is None:
        rows, broken = _carefully([lines[number] for number in filled], places)
    else:
        rows = rows.with_columns(place=pl.Series(places, dtype=pl.Int64))
    return judged(spelt_out(_named(rows)), broken, "line", facts)


def _quickly(raw: bytes, lines: int) -> pl.DataFrame | None:
    """The objects of `raw` as columns of `NAMES`, read at once; None unless every line is flat, plain and known.

    What Polars reads otherwise than RFC 8259 wants (escapes of half a character) or makes one of (text and number in
    one column, which shows in the number of quotes) goes the careful way.
    """
    plain = raw.isascii() or _lines.decoded(raw, ("utf-8",)) is not None
    if not plain or b"\\" in raw or b"[" in raw or raw.count(b"{") != lines:
        return None
    try:
        rows = pl.read_ndjson(raw, infer_schema_length=None) if lines else pl.DataFrame()
    except pl.exceptions.PolarsError:
        return None
    fits = all(name in NAMES and kind in KINDS.get(name, TEXT) for name, kind in rows.schema.items())
    if not fits or rows.height != lines or {"channel", "parameter"} <= set(rows.columns):
        return None
    texts = rows.select(pl.col(pl.String).count()).row(0) if pl.String in rows.dtypes else ()
    quoted = sum(texts) + sum(raw.count(f'"{name}"'.encode()) for name in rows.columns)
    if raw.count(b'"') != 2 * quoted or b"true" in raw or b"false" in raw:
        return None
    return rows.rename({"channel": "parameter"}, strict=False)


def _carefully(lines: list[bytes], places: list[int]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The objects of `lines` as columns of text, with a reason where one is none of ours; and what is no object."""
    rows: list[dict[str, Any]] = []
    broken: list[dict[str, Any]] = []
    for text, place in zip(lines, places, strict=True):
        found = _object(text)
        if found is None:
            shown = _shown(text).replace("\0", "\ufffd")
            broken.append({"text": shown, "place": f"line {place}", "reason": _lines.BROKEN})
        else:
            rows.append({**_row(found, text), "place": place})
    names = ("station", "parameter", *NAMES[3:], "reason")
    schema = {**dict.fromkeys(names, pl.String()), "place": pl.Int64()}
    return pl.DataFrame(rows, schema=schema), pl.DataFrame(broken, schema=dict(REJECTS))


def _object(line: bytes) -> dict[str, Any] | None:
    """The object of a line, its numbers as they are written; None where the line is none or too long."""
    if len(line) > LONGEST:
        return None
    try:
        text = line.decode("utf-8")
        found = json.loads(
            text, parse_float=str, parse_int=str, parse_constant=_refuse, object_pairs_hook=lambda p: dict(p[::-1])
        )
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _refuse(constant: str) -> None:
    """NaN and Infinity are no JSON."""
    raise ValueError(constant)


def _shown(line: bytes) -> str:
    """The beginning of a line, as a reject shows it."""
    return line[: 4 * KEPT].decode("utf-8", "replace")[:KEPT].strip()


def _row(found: dict[str, Any], line: bytes) -> dict[str, str | None]:
    """The fields of the object of `line` as text, and `reason` why it is none of ours."""
    extra = [name for name in found if name not in NAMES]
    names = [found.get(name) for name in ("channel", "parameter")]
    odd = [name for name in NAMES if name != "value" and not isinstance(found.get(name), str | None)]
    # Halves of characters: all would be kept as one `?`, and two stations would be one.
    torn = [name for name, text in found.items() if isinstance(text, str) and _encodable(text) != text]
    reason = None
    if extra:
        reason = f"unknown name {extra[0]}"[:100]
    elif odd:
        reason = f"{odd[0]} is no text"
    elif torn:
        reason = f"half a character in {torn[0]}"
    elif None not in names:
        reason = "both channel and parameter"
    row = {name: _text(found.get(name), line) for name in NAMES}
    if reason is not None and row["value"] is None:
        # Refused for what it says, not missing: a reading called otherwise must not go by unseen.
        row["value"] = _shown(line)
    row["parameter"] = row["parameter"] if row["parameter"] is not None else row["channel"]
    del row["channel"]
    return {**row, "reason": None if reason is None else _encodable(reason)}


def _text(value: Any, line: bytes) -> str | None:
    """Text and numbers as they are written, null as null, of a list or an object the line it stands in."""
    if value is None or isinstance(value, str):
        return None if value is None else _encodable(value)
    return str(value).lower() if isinstance(value, bool) else _shown(line)


def _encodable(text: str) -> str:
    """`text` without halves of characters, which an escape can smuggle in and no file can hold."""
    return text.encode("utf-8", "replace").decode()


def _named(rows: pl.DataFrame) -> pl.DataFrame:
    """`rows` with all that `spelt_out` needs, position and statistic as parts of the parameter."""
    absent = [name for name in ("station", "parameter", *NAMES[3:], "reason") if name not in rows.columns]
    rows = rows.with_columns(pl.lit(None, pl.String).alias(name) for name in absent)
    rows = rows.with_columns(pl.col(pl.Null).cast(pl.String))
    if "position" in absent and "statistic" in absent:
        return rows.drop("position", "statistic")
    channel, reason = pl.col("parameter"), [pl.col("reason")]
    for name, sign, taken in (("position", "@", "[@:]"), ("statistic", ":", ":")):
        part = pl.col(name).cast(pl.String).str.strip_chars().replace("", None)
        twice = part.is_not_null() & pl.col("parameter").str.contains(taken)
        reason.append(pl.when(twice).then(pl.lit(f"{name} beside a parameter that is followed already")))
        reason.append(pl.when(part.str.contains("[@:]")).then(pl.lit(f"unreadable {name}")))
        channel = pl.when(part.is_null()).then(channel).otherwise(pl.concat_str(channel, pl.lit(sign), part))
    return rows.with_columns(parameter=channel, reason=pl.coalesce(reason)).drop("position", "statistic")


def _no_cells() -> pl.DataFrame:
    return judged(spelt_out(_named(pl.DataFrame(schema={"place": pl.Int64}))), empty(REJECTS), "line", Offsets()).cells
