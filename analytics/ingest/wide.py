"""A row a station and time, a column a parameter: station, time, <parameter>... CSV (gzip, too) or Parquet.

Origin: our own exchange form, and what most people have in a spreadsheet. Columns stand in any order:

- `station`: the code, at most 200 characters.
- `time`: as in the long form: ISO 8601 with an offset in every time, the start of the period; in a row whose time
  cannot be used every cell that is not empty is a reject.
- every other column: a channel, named by its header (`pm25`, `soil_moisture@-0.1`), in the unit of its parameter in
  `tables/parameters.toml`; empty and `NA` are missing.

A file with a column `parameter`, `value`, `mark` or `revision` is not of this form.
"""

from collections.abc import Iterator

import polars as pl

from analytics.frames import Batch
from analytics.ingest._cells import Offsets, batch, name, words
from analytics.ingest._source import Source, UnreadableSource
from analytics.ingest._tables import columns, hold, keys, lowered, open_table, parts, stretched
from analytics.ingest._times import times

#: The first line says what the others mean, which stand each for itself: a file can be read in parts.
HEADER = True
NEEDED = ("station", "time")
#: Columns of the long form: here they would become channels of these names.
FOREIGN = ("parameter", "value", "mark", "revision")


def recognises(source: Source) -> bool:
    """Has `source` a station, a time, a column more and none of the long form?"""
    names = lowered(columns(source))
    return _fits(names) and all(names.count(name) == 1 for name in NEEDED)


def _fits(names: list[str]) -> bool:
    return len(names) > len(NEEDED) and not any(name in names for name in FOREIGN)


def read(source: Source) -> Iterator[Batch]:
    """Batches of `source`; values [the parameter's unit], the offset of a station [min] from its first row.

    Raises `UnreadableSource` where the columns are not those above or a Parquet file is damaged.
    """
    table = open_table(source)
    if not table.names:
        return
    key = keys(source, table, NEEDED)
    if not _fits(lowered(table.names)):
        raise UnreadableSource(f"{source.name}: not of the wide form: no parameter, or one of {', '.join(FOREIGN)}")
    values = [str(number) for number in range(len(table.names)) if str(number) not in key.values()]
    labels = [table.names[int(number)] for number in values]
    hold(source, table, [key["station"]], "names")
    hold(source, table, [key["time"]], "times")
    hold(source, table, values, "numbers")
    facts = Offsets()
    for part in parts(table, len(values)):
        rows = part.rows.rename({key["station"]: "station", key["time"]: "stamp"})
        rows = rows.with_columns(words("station"), *times(rows["stamp"]))
        rows = rows.with_columns(reason=pl.coalesce(name("station", "station"), "reason"))
        cells = stretched(rows, values, labels, label="channel")
        reason = pl.coalesce("reason", name("channel", "parameter"))
        yield batch(cells.with_columns(reason=reason), part.broken, table.place, facts)
