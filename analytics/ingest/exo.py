"""Sondes of YSI (EXO), as KorEXO exports them to Excel: a workbook with the sonde's words above its rows (.xlsx).

Origin: YSI / Xylem, KorEXO, "KOR Export File"; a sample in the R package driftR, GitHub shaughnessyar/driftR. Above
the rows stand Sonde ID, Site, Time Zone and the sensors; the row that begins with `Date (MM/DD/YYYY)` names the
columns, each with its unit: `ODO mg/L`. `COLUMNS` has those that are known; `IGNORED` hold the same once more in
another form (a signal in mV, relative fluorescence, nLF Cond) or none; any other is refused. Cond is conductivity as it
is in the water, `conductivity:uncompensated`; SpCond that at 25 °C.

The station is the column Site Name, and where that is empty the Sonde ID above. Only a sonde that kept UTC is read: of
every other time zone the export says its name, and not whether an hour was of summer time. Date and time are numbers of
Excel (42787 and 0.6041666), or texts. Missing: empty.
"""

from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import NamedTuple

import polars as pl

from analytics.frames import REJECTS, Batch, empty
from analytics.ingest._cells import Facts, batch, name, words
from analytics.ingest._columns import Column, converted
from analytics.ingest._source import Source, UnreadableSource
from analytics.ingest._tables import MOST_CELLS, stretched
from analytics.ingest._times import within
from analytics.ingest._xlsx import STRINGS, Row, day_zero, is_workbook, rows
from analytics.ingest._zip import is_zip, opened

TITLE = "KOR Export File"
KEYS = ("Date (MM/DD/YYYY)", "Time (HH:MM:SS)", "Time (Fract. Sec)", "Site Name")
UTC = "(UTC) Coordinated Universal Time"
#: Rows above the header at most.
MOST_ABOVE = 200
DATE, TIME = "^[0-9]{1,2}/[0-9]{1,2}/[0-9]{4}$", "^[0-9]{1,2}:[0-9]{2}:[0-9]{2}$"


COLUMNS = {
    "Battery V": Column("battery_voltage"),
    "ODO % sat": Column("oxygen_saturation"),
    "ODO mg/L": Column("dissolved_oxygen"),
    "Turbidity FNU": Column("turbidity", "FNU", "NTU"),
    "Turbidity NTU": Column("turbidity"),
    "TSS mg/L": Column("suspended_solids"),
    "Temp °C": Column("water_temperature"),
    "Cond µS/cm": Column("conductivity:uncompensated"),
    "SpCond µS/cm": Column("conductivity"),
    "Sal psu": Column("salinity"),
    "TDS mg/L": Column("dissolved_solids"),
    "pH": Column("ph"),
    "ORP mV": Column("orp"),
    "Cl- mg/L": Column("chloride"),
    "Chlorophyll µg/L": Column("chlorophyll_a"),
    "BGA-PC µg/L": Column("phycocyanin"),
    "fDOM QSU": Column("fdom"),
    "Depth m": Column("water_depth"),
}
IGNORED = frozenset(
    ("Fault Code", "Cable Pwr V", "nLF Cond µS/cm", "pH mV", "ORP raw mV", "Cl- mV", "Chlorophyll RFU", "BGA-PC RFU")
)


class Above(NamedTuple):
    """What stands above the rows: the names of the columns by number, the sonde, its time zone."""

    names: dict[int, str]
    sonde: str
    zone: str


def recognises(source: Source) -> bool:
    """Is `source` a workbook with the title of such an export?"""
    if not is_zip(source):
        return False
    try:
        with opened(source) as archive:
            if not is_workbook(archive):
                return False
            strings = archive.find(STRINGS)
            head = b"" if strings is None else next(archive.blocks(strings), b"")
            return TITLE.encode() in head or any(
                TITLE in cells.values() for _, cells in islice(rows(source, archive), 1)
            )
    except UnreadableSource:
        return False


def read(source: Source) -> Iterator[Batch]:
    """Batches of `source`; values [their parameter's unit], of every station its offset of 0.

    Raises `UnreadableSource` where it is no such workbook, is damaged, or its clock had summer time.
    """
    if not is_zip(source):
        if source.head().strip(b"\xef\xbb\xbf\r\n "):
            raise UnreadableSource(f"{source.name}: is no workbook of Excel (.xlsx)")
        return
    with opened(source) as archive:
        if not is_workbook(archive):
            raise UnreadableSource(f"{source.name}: is no workbook of Excel (.xlsx)")
        zero = day_zero(source, archive)
        found = rows(source, archive)
        above = _above(source, found)
        known = _known(source, above)
        while some := list(islice(found, max(1, MOST_CELLS // 10 // len(known)))):
            yield _batch(some, above, known, zero)
        source.position = source.size


def _above(source: Source, found: Iterator[Row]) -> Above:
    said: dict[str, str] = {}
    for _, cells in islice(found, MOST_ABOVE):
        names = {number: " ".join(text.split()) for number, text in cells.items()}
        if names.get(0) == KEYS[0]:
            return Above(names, said.get("Sonde ID", ""), said.get("Time Zone", ""))
        said.setdefault(names.get(0, ""), names.get(1, ""))
    raise UnreadableSource(f"{source.name}: there is no row that begins with {KEYS[0]}")


def _known(source: Source, above: Above) -> dict[int, Column]:
    """Number of each column that is read -> what it is. Raises `UnreadableSource`."""
    if above.zone != UTC:
        raise UnreadableSource(
            f"{source.name}: its clock may have had summer time: {above.zone[:100] or 'no time zone'}"
        )
    names = [*above.names.values()]
    for key in KEYS[:2]:
        if names.count(key) != 1:
            raise UnreadableSource(f"{source.name}: has the column {key} {names.count(key)} times")
    for name_ in names:
        if name_ not in (*KEYS, *COLUMNS, *IGNORED) or names.count(name_) > 1:
            raise UnreadableSource(f"{source.name}: no such column is known, or it is there twice: {name_[:100]}")
    out = {number: COLUMNS[name_] for number, name_ in above.names.items() if name_ in COLUMNS}
    if not out:
        raise UnreadableSource(f"{source.name}: there is no column of readings in it")
    return out


def _batch(some: list[Row], above: Above, known: dict[int, Column], zero: datetime) -> Batch:
    at = {name_: number for number, name_ in above.names.items()}
    keys = {key: [cells.get(at.get(key, -1)) for _, cells in some] for key in KEYS}
    frame = pl.DataFrame(
        {
            "place": [number for number, _ in some],
            **dict(zip(("day", "clock", "fraction", "site"), keys.values(), strict=True)),
            **{str(number): [cells.get(number) for _, cells in some] for number in known},
        },
        schema={
            "place": pl.Int64,
            **dict.fromkeys(("day", "clock", "fraction", "site"), pl.String),
            **{str(number): pl.String for number in known},
        },
    )
    site = words("site").replace("", None)
    frame = frame.with_columns(station=pl.coalesce(site, pl.lit(above.sonde)), time=_time(zero))
    wrong = [name("station", "station"), within(pl.col("time"))]
    frame = frame.with_columns(stamp=pl.format("{} {}", pl.col("day").fill_null(""), pl.col("clock").fill_null("")))
    numbers = [str(number) for number in known]
    frame = frame.select("place", "station", "stamp", "time", *numbers, reason=pl.coalesce(*wrong))
    cells = stretched(frame, numbers, [column.channel for column in known.values()], label="channel")
    value = converted(known.values())
    return batch(cells.with_columns(value=value), empty(REJECTS), "row", _facts)


def _time(zero: datetime) -> pl.Expr:
    """The time (UTC) of `day`, `clock` and `fraction` [s], to the millisecond; null where one cannot be read."""
    number = words("day").cast(pl.Float64, strict=False)
    whole = pl.when(number.is_between(1, 100_000) & (number == number.floor())).then(number)
    counted = pl.lit(zero) + pl.duration(days=whole.cast(pl.Int64))
    read = pl.when(words("day").str.contains(DATE)).then(words("day").str.to_date("%m/%d/%Y", strict=False))
    share = words("clock").cast(pl.Float64, strict=False)
    passed = pl.duration(milliseconds=pl.when((share >= 0) & (share < 1)).then((share * 86_400_000).round()))
    shown = words("clock").str.extract_groups("^([0-9]{1,2}):([0-5][0-9]):([0-5][0-9])$")
    hour, minute, second = (shown.struct.field(str(part)).cast(pl.Int64) for part in (1, 2, 3))
    said = pl.when(hour < 24).then(pl.duration(hours=hour, minutes=minute, seconds=second))
    bit = words("fraction").cast(pl.Float64, strict=False).fill_null(0)
    more = pl.duration(milliseconds=pl.when((bit >= 0) & (bit < 1)).then((bit * 1000).round()))
    moment = pl.coalesce(counted, read.cast(pl.Datetime("us"))) + pl.coalesce(passed, said) + more
    return moment.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")


def _facts(good: pl.DataFrame) -> Facts:
    return {station: {"utc_offset": 0} for station in good["station"].unique().sort()}
