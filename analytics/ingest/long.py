"""A row a value: station, parameter, time, value, and if there are any mark and revision. CSV (gzip, too) or Parquet.

Origin: our own exchange form. Columns stand in any order, in any letter case:

- `station`: the code, at most 200 characters.
- `parameter`: the channel as it is used here, `parameter[@position][:statistic]`, at most 200 characters.
- `time`: ISO 8601 with an offset from UTC in every time (`2026-01-01T00:00:00+08:00`, `2025-12-31 16:00Z`): the start
  of the period. In Parquet a column of time stamps with a zone, or such texts. A time without an offset is a reject.
- `value`: a number in the parameter's unit of `tables/parameters.toml`; empty and `NA` are missing.
- `mark`: the source's own flag, one ASCII character; empty is none.
- `revision`: a whole number, a greater one replaces a smaller one; empty is none.

A further column is an error: nothing is left out silently.
"""

from collections.abc import Iterator
from pathlib import Path

from analytics.frames import CELLS, REJECTS, Batch, empty
from analytics.ingest._cells import Offsets, batch, spelt_out
from analytics.ingest._source import Held, Source, UnreadableSource
from analytics.ingest._tables import MOST_CELLS, Table, columns, hold, keys, lowered, open_table, parts

#: The first line says what the others mean, which stand each for itself: a file can be read in parts.
HEADER = True
NEEDED = ("station", "parameter", "time", "value")
OPTIONAL = ("mark", "revision")
HELD = dict(zip((*NEEDED, *OPTIONAL), ("names", "names", "times", "numbers", "marks", "names"), strict=True))


def recognises(source: Source) -> bool:
    """Has `source` the four columns of this form, each once?"""
    names = lowered(columns(source))
    return all(names.count(name) == 1 for name in NEEDED)


def read(source: Source) -> Iterator[Batch]:
    """Batches of `source`; values [the parameter's unit], the offset of a station [min] from its first row.

    Raises `UnreadableSource` where the columns are not those above or a Parquet file is damaged.
    """
    table = open_table(source)
    if not table.names:
        return
    numbers = _numbers(source, table)
    facts = Offsets()
    for part in parts(table, 1):
        rows = part.rows.rename({number: name for name, number in numbers.items()})
        yield batch(spelt_out(rows), part.broken, table.place, facts)


def memory(raw: bytes) -> Batch:
    """The cells, rejects and count of missing values of `raw`: a whole CSV in memory, as a POST brings it.

    Raises `UnreadableSource` where the columns are not those above.
    """
    whole = raw if raw.endswith(b"\n") else raw + b"\n"
    made = list(read(Held(Path("body"), raw=whole)))
    if len(made) > 1:
        raise UnreadableSource(f"more than {MOST_CELLS:,} rows")
    return made[0] if made else Batch(empty(CELLS), empty(REJECTS))


def _numbers(source: Source, table: Table) -> dict[str, str]:
    """The number of each column by its name, after a look at all of them."""
    names = lowered(table.names)
    extra = [name for name in table.names if name.lower() not in (*NEEDED, *OPTIONAL)]
    if extra:
        raise UnreadableSource(f"{source.name}: no such column in the long form: {', '.join(extra[:20])}")
    numbers = keys(source, table, [*NEEDED, *(name for name in OPTIONAL if name in names)])
    for key, column in numbers.items():
        hold(source, table, [column], HELD[key])
    return numbers
