"""Loggers of Onset (HOBO), as HOBOware exports them: a title, then tabs or commas between the cells.

Origin: Onset Computer Corporation, HOBOware, "Export Table Data"; a sample in the R package driftR, GitHub
shaughnessyar/driftR. `Plot Title: <name>` stands above the header or not; then #, `Date Time, GMT-04:00`, and a
column a quantity, `Temp, °C (LGR S/N: 20089046, SEN S/N: 20089046)`, in quotes. The distance from UTC stands in the
header and holds for every row: a logger has no summer time. The station is the title, or else the logger's number.

Full Range [µS/cm] is conductivity as it is in the water, `conductivity:uncompensated`; SpC at 25 °C, `conductivity`.
Temp is of the water where the file has one of these or another quantity of water beside it, of the air where it has RH,
and else nobody's: such a file is refused. Columns of events (Coupler Attached, Stopped, End Of File, ...) have no unit
and are not read; a column with a unit that is not known is refused.

Date and time as 11/10/17 02:54:05 PM (month first, as HOBOware has it unless it is told otherwise) or 2017-11-10
14:54:05. Thousands may be parted by commas. Missing: empty, as in the rows of events.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

import polars as pl

from analytics.frames import Batch
from analytics.ingest._cells import batch, name, same_facts, words
from analytics.ingest._columns import Column, coming_in, converted
from analytics.ingest._lines import BOM, Dialect, Text, encodings, fields
from analytics.ingest._source import Source, UnreadableSource
from analytics.ingest._tables import parts, stretched
from analytics.ingest._times import within

CLOCK = re.compile(r"Date Time, GMT(?P<sign>[+-])(?P<hours>[0-9]{2}):(?P<minutes>[0-9]{2})", re.IGNORECASE)
TITLE = re.compile(r"Plot Title: *(?P<title>.*)", re.IGNORECASE)
NAMED = re.compile(r"(?P<what>[^,(]+?)(?:, (?P<unit>[^(]+?))?(?: *\((?P<about>.*)\))?")
SERIAL = re.compile(r"LGR S/N: *(?P<serial>[0-9A-Za-z-]+)")
#: As text -> with four digits of the year and a clock of 24 hours.
FORMS = (
    ("%m/%d/%y %I:%M:%S %p", r"^[0-9]{1,2}/[0-9]{1,2}/[0-9]{2} [0-9]{1,2}:[0-9]{2}:[0-9]{2} [AaPp][Mm]$"),
    ("%Y-%m-%d %H:%M:%S", r"^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}$"),
)
#: Commas between thousands, nowhere else.
THOUSANDS = r"^-?[0-9]{1,3}(,[0-9]{3})+(\.[0-9]+)?$"


WATER = {
    "full range": Column("conductivity:uncompensated", into="µS/cm"),
    "spc": Column("conductivity", into="µS/cm"),
    "specific conductance": Column("conductivity", into="µS/cm"),
    "salinity": Column("salinity", into="PSU"),
    "do conc": Column("dissolved_oxygen", into="mg/L"),
    "do percent sat": Column("oxygen_saturation", into="%"),
    "water level": Column("water_level", into="m"),
}
AIR = {"rh": Column("relative_humidity", into="%"), "dewpt": Column("dew_point", into="°C")}
TEMPERATURE = "temp"


def recognises(source: Source) -> bool:
    """Does the first or second line of `source` say `Date Time, GMT...` behind a `#`?"""
    return not source.is_parquet() and _top(source) is not None


class Top(NamedTuple):
    """What stands above the rows."""

    title: str
    skip: int
    delimiter: str
    names: tuple[str, ...]


def _top(source: Source) -> Top | None:
    head = source.head()
    lines = [line.rstrip(b"\r") for line in head.removeprefix(BOM).split(b"\n") if line.strip()][:2]
    known, title = encodings(head), ""
    for number, line in enumerate(lines):
        for delimiter in ("\t", ","):
            names = fields(line, known, delimiter)
            if len(names) > 2 and names[0] == "#" and CLOCK.fullmatch(names[1]):
                return Top(title, number, delimiter, names)
        first = fields(line, known)
        found = TITLE.match(first[0]) if first else None
        if found is None:
            return None
        title = found["title"].strip()
    return None


def read(source: Source) -> Iterator[Batch]:
    """Batches of `source`; values [their parameter's unit], of the station its offset [min].

    Raises `UnreadableSource` where it has not such a header, or a column is not known.
    """
    top = None if source.is_parquet() else _top(source)
    if top is None:
        if source.is_parquet() or source.head().strip(b"\xef\xbb\xbf\r\n "):
            raise UnreadableSource(f"{source.name}: has not the header of an export of HOBOware")
        return
    table = Text(source, Dialect(delimiter=top.delimiter, skip=top.skip))
    known = _known(source, table.names)
    clock = CLOCK.fullmatch(table.names[1])
    serial = next((found["serial"] for column in table.names if (found := SERIAL.search(column))), "")
    station = top.title or serial
    assert clock is not None
    offset = int(f"{clock['sign']}1") * (60 * int(clock["hours"]) + int(clock["minutes"]))
    numbers = [str(number) for number in known]
    for part in parts(table, len(numbers)):
        rows = part.rows.select("place", *numbers, station=pl.lit(station), stamp="1")
        rows = rows.with_columns(_timed(rows["stamp"], offset))
        rows = rows.with_columns(reason=pl.coalesce(name("station", "station"), "reason"))
        cells = stretched(rows, numbers, [column.channel for column in known.values()], label="channel")
        yield batch(_valued(cells, known), part.broken, table.place, same_facts({"utc_offset": offset}))


def _known(source: Source, names: tuple[str, ...]) -> dict[int, Column]:
    """Number of each column that is read -> what it is, and the unit it comes in. Raises `UnreadableSource`."""
    parts = [NAMED.fullmatch(column) for column in names[2:]]
    quantities = [(part["what"].strip().lower(), (part["unit"] or "").strip()) if part else ("", "") for part in parts]
    whats = {what for what, unit in quantities if unit}
    of = "water_temperature" if whats & WATER.keys() else "air_temperature" if whats & AIR.keys() else ""
    columns = {**WATER, **AIR} | ({TEMPERATURE: Column(of, into="°C")} if of else {})
    out = {}
    for number, (what, unit) in enumerate(quantities, 2):
        if not unit:
            continue
        if what == TEMPERATURE and not of:
            raise UnreadableSource(
                f"{source.name}: nothing in it says whether {names[number][:100]} is of water or air"
            )
        if what not in columns or [found for found, _ in quantities].count(what) > 1:
            raise UnreadableSource(f"{source.name}: no such quantity is known, or it is there twice: {what[:100]}")
        out[number] = coming_in(source, columns[what], unit, what)
    if not out:
        raise UnreadableSource(f"{source.name}: there is no column of readings in it")
    return out


def _timed(stamps: pl.Series, offset: int) -> pl.DataFrame:
    """`time` (UTC) and `reason`."""
    text = pl.col("stamp")
    read = [pl.when(text.str.contains(shape)).then(text.str.to_datetime(form, strict=False)) for form, shape in FORMS]
    local = pl.coalesce(read).cast(pl.Datetime("us"))
    time = (local - pl.duration(minutes=offset)).dt.replace_time_zone("UTC")
    found = stamps.str.strip_chars().to_frame().select(time=time)
    return found.with_columns(reason=pl.coalesce(within(pl.col("time")), pl.lit(None, pl.String)))


def _valued(cells: pl.DataFrame, known: dict[int, Column]) -> pl.DataFrame:
    """Numbers without commas between thousands, in the units they leave in."""
    text = words("text")
    bare = pl.when(text.str.contains(THOUSANDS)).then(text.str.replace_all(",", "", literal=True)).otherwise(text)
    cells = cells.with_columns(value=bare.cast(pl.Float64, strict=False))
    return cells.with_columns(value=converted(known.values()))
