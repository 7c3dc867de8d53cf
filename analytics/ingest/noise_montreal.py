"""Sound level monitors of Montreal: equivalent levels of 1 s, 5 s and 1 min, and levels of bands. CSV or Parquet.

Origin: V. Fraisse, test data of the package noisemonitor, GitHub valerianF/noisemonitor. Three forms:

- `datetime,LEQ dB -A`: A-weighted equivalent levels [dB], `laeq`, of the monitor `montreal-laeq`. The step between them
  is in the file's name and nowhere else: `laeq1s`, `laeq1m`.
- Parquet with datetime and laeq_5s [dB], `laeq`, of `montreal-laeq-5s`.
- `datetime` (m/d/yyyy H:MM) and a column a band, named by its centre [Hz]: levels [dB], `band_level@<centre>`, of
  `montreal-bands`. Their weighting is not stated. They come twice a minute, and the stamp is to the minute: of two rows
  that follow one another the first is the first half, the second the second; a third has no place and is refused.

A stamp of `laeq1m` is the middle of its minute (the level at 00:00:30 is that of the seconds 00 to 59 of `laeq1s`), so
a time is the stamp less 30 s. The clock is local time and the files are all of summer time, so UTC-4. Missing: empty.
"""

import re
from collections.abc import Iterator

import polars as pl

from analytics.frames import Batch
from analytics.ingest._cells import Facts, batch
from analytics.ingest._source import Source, UnreadableSource
from analytics.ingest._tables import Table, columns, hold, keys, lowered, open_table, parts, stretched
from analytics.ingest._times import on_clock

#: Distance from UTC [min].
OFFSET = -240
KEY = "datetime"
LEVEL, LEVEL_5S = "leq db -a", "laeq_5s"
MINUTE, HALF = 60, 30

ISO = ("%Y-%m-%d %H:%M:%S", r"^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}$")
MONTH_FIRST = ("%m/%d/%Y %H:%M", r"^[0-9]{1,2}/[0-9]{1,2}/[0-9]{4} [0-9]{1,2}:[0-9]{2}$")
STEP = re.compile(r"laeq([1-9][0-9]?)([sm])(?![a-z0-9])", re.IGNORECASE)
CENTRE = re.compile(r"[1-9][0-9]{0,4}(\.[0-9]{1,2})?")


def recognises(source: Source) -> bool:
    """Has `source` the two columns of one of these monitors, or a datetime and bands only?"""
    names = lowered(columns(source))
    return _levels(names, packed=source.is_parquet()) or (not source.is_parquet() and _bands(names))


def _levels(names: list[str], *, packed: bool) -> bool:
    return sorted(names) == sorted((KEY, LEVEL_5S if packed else LEVEL))


def _bands(names: list[str]) -> bool:
    centres = [name for name in names if name != KEY]
    unique = len(set(names)) == len(names) and len(centres) == len(names) - 1
    return unique and len(centres) > 1 and all(CENTRE.fullmatch(centre) for centre in centres)


def read(source: Source) -> Iterator[Batch]:
    """Batches of `source`; values [dB], of the monitor its offset of -240 min and the step between its readings.

    Raises `UnreadableSource` where the columns are not those above or a Parquet file is damaged.
    """
    table = open_table(source)
    if not table.names:
        return
    names = lowered(table.names)
    if _levels(names, packed=source.is_parquet()):
        yield from _equivalent(source, table)
    elif _bands(names) and not source.is_parquet():
        yield from _octaves(source, table)
    else:
        raise UnreadableSource(f"{source.name}: has not the columns of these monitors")


def _equivalent(source: Source, table: Table) -> Iterator[Batch]:
    """A level a row."""
    packed = source.is_parquet()
    level = LEVEL_5S if packed else LEVEL
    key = keys(source, table, (KEY, level))
    hold(source, table, [key[KEY]], "times")
    hold(source, table, [key[level]], "numbers")
    step = 5 if packed else _step(source)
    facts = _facts("montreal-laeq-5s" if packed else "montreal-laeq", step)
    for part in parts(table, 1):
        rows = part.rows.rename({key[KEY]: "stamp"})
        if rows["stamp"].dtype == pl.Date:
            rows = rows.with_columns(pl.col("stamp").cast(pl.Datetime("us")))
        before = HALF if step == MINUTE else 0
        rows = rows.with_columns(*on_clock(rows["stamp"], *ISO, offset=OFFSET, before=before), *_named(facts))
        cells = stretched(rows, [key[level]], ["laeq"], label="channel")
        yield batch(cells, part.broken, table.place, lambda good: facts if good.height else {})


def _step(source: Source) -> int | None:
    """The step [s] that the file's name tells, None where it tells none."""
    found = STEP.search(source.path.name)
    return None if found is None else int(found[1]) * {"s": 1, "m": MINUTE}[found[2].lower()]


def _octaves(source: Source, table: Table) -> Iterator[Batch]:
    """A row half a minute, a column a band."""
    key = keys(source, table, (KEY,))
    values = [str(number) for number in range(len(table.names)) if str(number) != key[KEY]]
    channels = [f"band_level@{table.names[int(number)]}" for number in values]
    facts = _facts("montreal-bands", HALF)
    last, come = None, 0
    for part in parts(table, len(values)):
        rows = part.rows.rename({key[KEY]: "stamp"})
        rows = rows.with_columns(*on_clock(rows["stamp"], *MONTH_FIRST, offset=OFFSET), *_named(facts))
        run = pl.col("stamp").rle_id()
        # A run goes on where the last part ended.
        goes_on = (run == 0) & pl.lit(bool(rows.height) and rows["stamp"][0] == last)
        nth = pl.int_range(pl.len()).over(run) + pl.when(goes_on).then(come).otherwise(0)
        rows = rows.with_columns(nth=nth)
        if rows.height:
            last, come = rows["stamp"][-1], rows["nth"][-1] + 1
        third = pl.when(pl.col("nth") > 1).then(pl.lit("more than two readings in a minute"))
        half = pl.duration(seconds=HALF * pl.col("nth"))
        rows = rows.with_columns(reason=pl.coalesce("reason", third), time=pl.col("time") + half).drop("nth")
        cells = stretched(rows, values, channels, label="channel")
        yield batch(cells, part.broken, table.place, lambda good: facts if good.height else {})


def _facts(station: str, step: int | None) -> Facts:
    """What is known of the monitor."""
    known = {"title": "noise monitor, Montreal", "utc_offset": OFFSET}
    return {station: known if step is None else {**known, "cadence": step}}


def _named(facts: Facts) -> list[pl.Expr]:
    """The station of every row: the one of `facts`."""
    return [pl.lit(station).alias("station") for station in facts]
