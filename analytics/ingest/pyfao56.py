"""Files of pyfao56: daily weather (.wth), measured soil water (.sws), irrigation records (.irr). Text, a title above.

Origin: K. R. Thorp, USDA Agricultural Research Service, GitHub kthorp/pyfao56 (FAO-56 evapotranspiration in Python).
The title block of each file says which of the three it is; the line that starts with `Year-DOY` is its header, and
cells stand blanks apart. Its other files (.out, .sum, .fit, .par, .sol, .upd, .ati) hold no measured series.

- weather: Srad [MJ/(m²·d)], Tmax, Tmin and Tdew [°C], Vapr [kPa], RHmax and RHmin [%], Wndsp [m/s, at the height that
  the title says], Rain [mm], ETref [mm]: `solar_radiation:mean-24h` [W/m²], `air_temperature:max-24h` and so on. ETref
  is for short grass, or `reference_evapotranspiration:tall` where the title says T. A day whose MorP is not M is
  predicted, not measured: its cells are rejects.
- soil water: n layers, D01.. their lower ends [cm] from the surface down, SWC01.. their water [m³/m³]. A reading stands
  for its layer: its position is the middle, `soil_moisture@-0.1` of the layer to 20 cm (the neutron probe was read at
  10, 30, ... cm). Columns behind them (Zr, mDr, ...) come out of a model and are not read.
- irrigation: Depth [mm]; fw and IrrEff say how it was given and are not read.

A row is a day, named by year and day of the year; what is measured in it stands at its start. The clock is not in the
files: the fields and weather stations lie in Maricopa, Arizona and Greeley, Colorado, at UTC-7, and a weather file of
another latitude is refused. A station is called as its file. Missing: NaN, and the layers a row has not.
"""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import polars as pl

from analytics.frames import Batch
from analytics.ingest._cells import LONGEST_NAME, MISSING, batch, number, words
from analytics.ingest._columns import Column, converted
from analytics.ingest._lines import BLANKS, BOM, Dialect, Part, Text
from analytics.ingest._source import Source, UnreadableSource
from analytics.ingest._tables import parts, stretched
from analytics.ingest._times import within

#: Distance from UTC [min]; the latitudes [°] of the weather stations that keep it.
OFFSET = -420
LATITUDES = (33.069, 40.391537)
DAY = 86_400
WORDS = (*MISSING, "NaN", "nan")
KEY = "Year-DOY"
SHAPE = "^[0-9]{4}-[0-9]{3}$"
#: What the title calls a file -> its kind.
KINDS = {b"Weather Data": "weather", b"Measured Soil Water Data": "soil", b"Irrigation Data": "irrigation"}
LATITUDE = re.compile(rb"^ *(-?[0-9.]+) Weather station latitude", re.MULTILINE)
CROP = re.compile(rb"^ *([A-Za-z]+) Reference crop", re.MULTILINE)
LAYER = re.compile("SWC([0-9]{2})")
#: Layers of a file at most.
MOST_LAYERS = 99


WEATHER = {
    "Srad": Column("solar_radiation:mean-24h", "MJ/(m²·d)", "W/m²"),
    "Tmax": Column("air_temperature:max-24h"),
    "Tmin": Column("air_temperature:min-24h"),
    "Vapr": Column("vapour_pressure:mean-24h"),
    "Tdew": Column("dew_point:mean-24h"),
    "RHmax": Column("relative_humidity:max-24h"),
    "RHmin": Column("relative_humidity:min-24h"),
    "Wndsp": Column("wind_speed:mean-24h"),
    "Rain": Column("rain"),
    "ETref": Column("reference_evapotranspiration"),
}
MEASURED = "MorP"
IRRIGATION = {"Depth": Column("irrigation")}
BESIDE = ("fw", "IrrEff")


class Above(NamedTuple):
    """What stands above the rows: the kind of the file, how many lines come before its header, its whole title."""

    kind: str
    lines: int
    title: bytes


def recognises(source: Source) -> bool:
    """Has `source` the title block of one of the three, and a header?"""
    return not source.is_parquet() and _above(source) is not None


def _above(source: Source) -> Above | None:
    lines = [line for line in source.head().removeprefix(BOM).splitlines() if line.strip()]
    title = lines[:4]
    if len(title) < 4 or not title[0].startswith(b"****") or not title[1].startswith(b"pyfao56:"):
        return None
    kind = KINDS.get(title[2].strip())
    at = next((number for number, line in enumerate(lines) if line.startswith(KEY.encode())), None)
    return None if kind is None or at is None else Above(kind, at, b"\n".join(lines[:at]))


def read(source: Source) -> Iterator[Batch]:
    """Batches of `source`; values [see the module], of the station its offset of -420 min and its step of a day.

    Raises `UnreadableSource` where it has not such a title, a column is unknown, or the weather is of elsewhere.
    """
    above = None if source.is_parquet() else _above(source)
    if above is None:
        if source.head().strip(b"\xef\xbb\xbf\r\n "):
            raise UnreadableSource(f"{source.name}: has not the title of a file of pyfao56")
        return
    table = Text(source, Dialect(delimiter=BLANKS, skip=above.lines))
    station = source.path.name.partition(".")[0][:LONGEST_NAME]
    facts = {station: {"utc_offset": OFFSET, "cadence": DAY}}
    rows_of = {"weather": _weather, "soil": _soil, "irrigation": _irrigation}[above.kind](source, table, above)
    for part, cells in rows_of:
        cells = cells.with_columns(station=pl.lit(station))
        yield batch(cells, part.broken, table.place, lambda good: facts if good.height else {}, WORDS)


Rows = Iterator[tuple[Part, pl.DataFrame]]


def _weather(source: Source, table: Text, above: Above) -> Rows:
    found = LATITUDE.search(above.title)
    if found is None or float(found[1] or b"nan") not in LATITUDES:
        where = found[1].decode() if found else "no latitude"
        raise UnreadableSource(f"{source.name}: the clock of a weather station at {where} is not known")
    crop = CROP.search(above.title)
    tall = crop is not None and crop[1].upper() == b"T"
    _only(source, table, (KEY, *WEATHER, MEASURED))
    columns = dict(WEATHER)
    columns["ETref"] = Column(columns["ETref"].channel + (":tall" if tall else ""))
    for part in parts(table, len(columns)):
        rows = _days(part.rows, table)
        measured = words(str(table.names.index(MEASURED))) == "M"
        guess = pl.when(~measured.fill_null(value=False)).then(pl.lit("predicted, not measured"))
        yield part, _cells(rows.with_columns(reason=pl.coalesce("reason", guess)), table, columns)


def _irrigation(source: Source, table: Text, above: Above) -> Rows:
    _only(source, table, (KEY, *IRRIGATION, *(name for name in BESIDE if name in table.names)))
    for part in parts(table, 1):
        yield part, _cells(_days(part.rows, table), table, IRRIGATION)


def _soil(source: Source, table: Text, above: Above) -> Rows:
    """The depths stand in every row, and may differ from row to row."""
    names = list(table.names)
    layers = [found[1] for name in names if (found := LAYER.fullmatch(name))]
    needed = [KEY, "n", *(f"D{layer}" for layer in layers), *(f"SWC{layer}" for layer in layers)]
    if not layers or len(layers) > MOST_LAYERS or any(names.count(name) != 1 for name in needed):
        raise UnreadableSource(f"{source.name}: has not the columns {KEY}, n, D01.., SWC01.. each once")
    for part in parts(table, len(layers)):
        rows = _days(part.rows, table)
        ends = [number(str(names.index(f"D{layer}")), pl.String()) for layer in layers]
        ends = [pl.lit(0.0), *ends]
        rows = rows.with_columns(
            middle.alias(f"D{layer}")
            for layer, middle in zip(layers, [_middle(top, bottom) for top, bottom in pairwise(ends)], strict=True)
        )
        values = {f"SWC{layer}": Column(f"D{layer}") for layer in layers}
        cells = _cells(rows, table, values, [f"D{layer}" for layer in layers])
        depth = pl.coalesce(pl.when(pl.col("channel") == f"D{layer}").then(f"D{layer}") for layer in layers)
        cells = cells.with_columns(depth=depth)
        nowhere = pl.when(pl.col("depth").is_null()).then(pl.lit("unreadable depth"))
        channel = pl.format("soil_moisture@{}", (-pl.col("depth")).cast(pl.String))
        yield part, cells.with_columns(reason=pl.coalesce("reason", nowhere), channel=pl.coalesce(channel, "channel"))


def _middle(top: pl.Expr, bottom: pl.Expr) -> pl.Expr:
    """The middle [m] of a layer between two depths [cm]; null where they are none, or not one below the other."""
    middle = ((top + bottom) / 200).round_sig_figs(6)
    return pl.when((bottom > top) & bottom.is_finite() & (bottom <= 10_000)).then(middle)


def _only(source: Source, table: Text, names: tuple[str, ...]) -> None:
    if sorted(table.names) != sorted(names):
        raise UnreadableSource(f"{source.name}: has not just the columns {', '.join(names)}")


def _days(rows: pl.DataFrame, table: Text) -> pl.DataFrame:
    """`rows` with `stamp`, `time` and `reason`: the day's start on the clock of the files."""
    text = words(str(table.names.index(KEY)))
    day = pl.when(text.str.contains(SHAPE)).then(text.str.to_date("%Y-%j", strict=False))
    time = (day.cast(pl.Datetime("us")) - pl.duration(minutes=OFFSET)).dt.replace_time_zone("UTC")
    made = rows.with_columns(stamp=text, time=time)
    return made.with_columns(reason=pl.coalesce(within(pl.col("time")), pl.lit(None, pl.String)))


def _cells(
    rows: pl.DataFrame, table: Text, columns: dict[str, Column], beside: list[str] | None = None
) -> pl.DataFrame:
    """A row a cell of `columns`, its value in the unit it leaves in."""
    numbers = [str(table.names.index(name)) for name in columns]
    kept = rows.select("stamp", "time", "reason", "place", *(beside or []), *numbers)
    cells = stretched(kept, numbers, [column.channel for column in columns.values()], label="channel")
    value = converted(columns.values())
    return cells.with_columns(value=value)
