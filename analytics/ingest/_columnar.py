"""A JSON object of columns, one entry a value: the body of a POST.

Origin: our own exchange form; JSON is RFC 8259, in UTF-8. Members, of which nothing may be left out silently (another
name, or one that stands twice, makes the whole unreadable):

- `station`, `channel`, `time`, `value`, and if there are any `mark` and `revision`: each a list, all of one length, or
  one entry for all the rows. Without any list there is one row.
- What an entry says, and what makes its row a reject, is as in `ndjson`, whose objects these are turned on their side.
"""

import json
from typing import Any

import polars as pl

from analytics.frames import REJECTS, Batch, empty
from analytics.ingest._cells import KEPT, Offsets, spelt_out
from analytics.ingest._cells import batch as judged
from analytics.ingest._source import UnreadableSource

NEEDED = ("station", "channel", "time", "value")
NAMES = (*NEEDED, "mark", "revision")
#: Characters that single entries may come to when each stands in all the rows it is for: a body of few bytes must not
#: fill the memory.
MOST_SPREAD = 32 * 2**20


def batch(raw: bytes) -> Batch:
    """The cells, rejects and count of missing values of `raw`, placed by the number of their entry, from 1.

    Raises `UnreadableSource` where it is no such object.
    """
    columns = _columns(raw)
    lengths = {name: len(entries) for name, entries in columns.items() if isinstance(entries, list)}
    if len(set(lengths.values())) > 1:
        raise UnreadableSource(
            "the columns differ in length: " + ", ".join(f"{n} {size}" for n, size in lengths.items())
        )
    rows = next(iter(lengths.values()), 1)
    _spreadable([entry for name, entry in columns.items() if name not in lengths], rows)
    whole = {name: entries if name in lengths else [entries] * rows for name, entries in columns.items()}
    reasons = _reasons(whole, torn=b"\\u" in raw)
    frame = pl.DataFrame(
        {
            **{name: pl.Series(entries, dtype=pl.String) for name, entries in whole.items()},
            "place": pl.int_range(1, rows + 1, dtype=pl.Int64, eager=True),
            "reason": pl.Series(
                [reasons.get(row) for row in range(rows)] if reasons else [None] * rows, dtype=pl.String
            ),
        }
    )
    return judged(spelt_out(frame.rename({"channel": "parameter"})), empty(REJECTS), "row", Offsets())


def _columns(raw: bytes) -> dict[str, Any]:
    """The members of the object, numbers as they are written. Raises `UnreadableSource`."""
    try:
        text = raw.decode("utf-8-sig")
        found = json.loads(text, parse_float=str, parse_int=str, parse_constant=_refuse, object_pairs_hook=_once)
    except UnicodeDecodeError as problem:
        raise UnreadableSource(f"no UTF-8: {problem.reason} at byte {problem.start}") from None
    except RecursionError:
        raise UnreadableSource("no JSON of columns: it is nested too deep") from None
    except ValueError as problem:
        raise UnreadableSource(f"no JSON: {str(problem)[:200]}") from None
    if not isinstance(found, dict):
        raise UnreadableSource(
            "no JSON object of columns, as {" + ", ".join(f'"{name}": [...]' for name in NEEDED) + "}"
        )
    if extra := [name for name in found if name not in NAMES]:
        raise UnreadableSource(f"no such column: {extra[0][:100]!r}; there are {', '.join(NAMES)}")
    if absent := [name for name in NEEDED if name not in found]:
        raise UnreadableSource(f"needs the column {absent[0]}")
    return found


def _refuse(constant: str) -> None:
    """NaN and Infinity are no JSON."""
    raise ValueError(f"{constant} is no number of JSON")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The members of an object. Raises `ValueError` where a name stands twice."""
    found: dict[str, Any] = {}
    for name, entry in pairs:  # in one pass: of names there may be hundreds of thousands
        if name in found:
            raise ValueError(f"{name[:100]!r} stands twice")
        found[name] = entry
    return found


def _spreadable(entries: list[Any], rows: int) -> None:
    """Nothing. Raises `UnreadableSource` where `entries`, each for all the `rows`, are too long for so many."""
    length = sum(len(entry) if isinstance(entry, str) else _length(entry) for entry in entries)
    if rows > 1 and rows * length > MOST_SPREAD:  # one row is no longer than what it came in
        raise UnreadableSource(f"an entry for all {rows:,} rows is too long: give it a name, a time or a number")


def _length(entry: Any) -> int:
    """Of `entry`, which is no text, as text [characters]."""
    return 0 if entry is None else len(json.dumps(entry))


def _reasons(columns: dict[str, list[Any]], *, torn: bool) -> dict[int, str]:
    """Why rows are none of ours, by their number from 0; what is no text in `columns` is one afterwards.

    `torn`: halves of characters may have come as escapes. All would be kept as one `?`, and two stations would be one.
    """
    out: dict[int, str] = {}
    for name, entries in columns.items():
        if torn or not all(type(entry) is str or entry is None for entry in entries):
            for row, entry in enumerate(entries):
                if isinstance(entry, str):
                    if (whole := entry.encode("utf-8", "replace").decode()) != entry:
                        entries[row] = whole
                        out.setdefault(row, f"half a character in {name}")
                elif entry is not None:
                    entries[row] = json.dumps(entry, ensure_ascii=True)[:KEPT]
                    if name != "value":
                        out.setdefault(row, f"{name} is no text")
    for row in out:
        if columns["value"][row] is None:  # refused for what it says, not missing: it must not go by unseen
            columns["value"][row] = json.dumps({name: entries[row] for name, entries in columns.items()})[:KEPT]
    return out
