"""A JSON document as the same parts of a table as a text: a row a record, its values by their path.

`{"date": {"utc": "…"}, "at": [1, 2]}` has the columns `date.utc`, `at.0` and `at.1`; numbers stay as they are written.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from analytics.frames import REJECTS, empty
from analytics.ingest._lines import BOM, BROKEN, MOST_COLUMNS, Part, reject
from analytics.ingest._source import Source, UnreadableSource

#: A document is read whole, so it is bounded: an answer of all stations of a country has a megabyte [byte].
LARGEST = 64 * 1024 * 1024
DEEPEST = 10
#: Cells of its records, also those a record lacks: few bytes of names that differ from record to record must not fill
#: the memory.
MOST_CELLS = 20_000_000


class Records:
    """The records of a document: their columns, and their rows in parts."""

    place = "record"

    def __init__(self, source: Source, key: str) -> None:
        """Reads the array at `key` (the document itself, where it is empty). Raises `UnreadableSource`."""
        records = _array(source, key)
        self._rows = [_flat(record) if isinstance(record, dict) else record for record in records]
        names = {name: None for row in self._rows if isinstance(row, dict) for name in row}
        if len(names) > MOST_COLUMNS or len(names) * len(self._rows) > MOST_CELLS:
            raise UnreadableSource(f"{source.name}: {len(self._rows)} records of {len(names)} columns")
        self._columns = list(names)
        self.names = tuple(name.strip() for name in names)
        self.types: list[pl.DataType] = [pl.String()] * len(names)

    def parts(self, most: int) -> Iterator[Part]:
        """The records in parts of at most `most`; what is no object is a reject."""
        for start in range(0, len(self._rows), most):
            some = list(enumerate(self._rows[start : start + most], start + 1))
            good = [(place, row) for place, row in some if isinstance(row, dict)]
            columns = {
                str(number): pl.Series([row.get(name) for _, row in good], dtype=pl.String)
                for number, name in enumerate(self._columns)
            }
            broken = [
                reject(json.dumps(row), f"record {place}", BROKEN) for place, row in some if not isinstance(row, dict)
            ]
            places = pl.Series([place for place, _ in good], dtype=pl.Int64)
            yield Part(pl.DataFrame({**columns, "place": places}), pl.concat([empty(REJECTS), *broken]))


def may_be(head: bytes, key: str) -> bool:
    """Does `head` begin as a document does that has records at `key`?"""
    head = head.removeprefix(BOM).lstrip()
    return head.startswith(b"{" if key else b"[") and (not key or json.dumps(key.partition(".")[0]).encode() in head)


def _array(source: Source, key: str) -> list[Any]:
    pieces, size = [], 0
    for block in source.blocks():
        size += len(block)
        if size > LARGEST:
            raise UnreadableSource(f"{source.name}: a JSON document of more than {LARGEST >> 20} MiB")
        pieces.append(block)
    try:
        text = b"".join(pieces).removeprefix(BOM)
        found = json.loads(text, parse_float=str, parse_int=str, parse_constant=str, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise UnreadableSource(f"{source.name}: no JSON: {error}") from error
    for name in key.split(".") if key else ():
        found = found.get(name) if isinstance(found, dict) else None
    if not isinstance(found, list):
        raise UnreadableSource(f"{source.name}: has no records at {key or 'its top'!r}")
    return found


def _once(pairs: list[tuple[str, Any]]) -> Any:
    """The object of `pairs`; the pairs themselves where a name is there twice: no value is lost unseen."""
    found = dict(pairs)
    return found if len(found) == len(pairs) else [list(pair) for pair in pairs]


def _flat(record: Mapping[str, Any]) -> dict[str, str | None] | list[Any]:
    """The values of a record by their path; where two have one path, a list of its values, which is no record."""
    out: dict[str, str | None] = {}
    left: list[tuple[str, Any, int]] = [(name, value, 1) for name, value in record.items()]
    for path, value, depth in left:
        inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
        if inside is not None and depth < DEEPEST:
            left.extend((f"{path}.{name}", deeper, depth + 1) for name, deeper in inside)
        elif path in out:
            return [list(pair) for pair in record.items()]
        else:
            out[path] = value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return out
