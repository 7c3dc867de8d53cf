"""Tables of Campbell Scientific data loggers, as LoggerNet writes them (TOA5). CSV with four lines of header.

Origin: Campbell Scientific, CRBasic data tables, "TOA5 header, ASCII". The first line says TOA5, station, model, serial
number, operating system, program, its signature, and table; then names, units, and how each was made (Avg, Tot, Min,
Max, Smp); then a row a record: TIMESTAMP, RECORD, and a column a quantity, as the program calls them, `_Avg` and so on
behind. `COLUMNS` has the names that are known with their channels, `IGNORED` those that hold none; a table with any
other is refused, and so is a known name in a unit that is not known. A lowest or highest value of a record is a
statistic, `wind_speed:max`. The station is that of the column `station`, or else of the first line.

A record is stamped with its end. How long it is the table does not say: it is the step to the record before, or to the
one behind where that is shorter (a logger that was off). Records count on by one; where they do not, the logger began
anew, with another step maybe. The step is the cadence of the series, and the record starts a step before its stamp; one
that stands alone, or whose step is no part of a day, is a reject. Stamps are on the logger's clock, which is nowhere
stated: `STATIONS` has the clocks that are known, rows of another station are rejects.

KS003 (Kansas State University, GitHub soilwater/crnpy) is at UTC-6 all the year: the middle of its irradiance lies at
12:42 in June and 12:45 in April, where the sun's noon is at 12:31 of UTC-6, and half a record of 15 minutes is 8.
Missing: NAN, empty, and -7999, which the logger's two-byte numbers have for NAN. INF, out of range, is a reject.
"""

from collections.abc import Iterator

import polars as pl

from analytics.frames import Batch
from analytics.ingest._cells import MISSING, batch, name, words
from analytics.ingest._columns import Column, coming_in, converted
from analytics.ingest._lines import BOM, Dialect, Text, encodings, fields
from analytics.ingest._source import Source, UnreadableSource
from analytics.ingest._tables import parts, stretched
from analytics.ingest._times import on_clock
from analytics.units import spelled

FIRST = "TOA5"
STAMP = ("%Y-%m-%d %H:%M:%S%.f", r"^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?$")
KEYS = ("timestamp", "record")
DAY = 86_400
NOTHING, WORDS = -7999.0, (*MISSING, "NAN", "NaN")
#: How a program writes its units -> how we do.
UNITS = {
    "volts": "V",
    "celsius": "°C",
    "deg c": "°C",
    "w/m^2": "W/m²",
    "degrees": "°",
    "mbar": "mbar",
    "m^3/m^3": "m³/m³",
}


#: A column's name in lower case, how it was made behind it -> what it is.
COLUMNS = {
    "battery_voltage_min": Column("battery_voltage:min", into="V"),
    "solar_flux_density_avg": Column("solar_radiation", into="W/m²"),
    "precipitation_tot": Column("rain", into="mm"),
    "wind_speed_avg": Column("wind_speed", into="m/s"),
    "wind_direction_avg": Column("wind_direction", into="°"),
    "wind_speed_gust_max": Column("wind_speed:max", into="m/s"),
    "air_temperature_avg": Column("air_temperature", into="°C"),
    "vapor_pressure_avg": Column("vapour_pressure", into="kPa"),
    "barometric_pressure_avg": Column("air_pressure", into="hPa"),
    "relative_humidity_avg": Column("relative_humidity", into="%"),
}
#: Where it stands, what the logger counts, how it leans, and what no stage asks for.
IGNORED = frozenset(
    (
        *("station", "farm", "field", "latitude", "longitude", "altitude", "ptemp_avg", "counts_1_tot", "counts_2_tot"),
        *("lightning_strike_count_tot", "strike_distance_min", "humidity_sensor_temperature_avg", "ndvi_avg"),
        *("tilt_north_south_avg", "tilt_west_east_avg"),
    )
)
#: Loggers whose clock is known -> its distance from UTC [min].
STATIONS = {"KS003": -360}


def recognises(source: Source) -> bool:
    """Does the first line of `source` say TOA5?"""
    return not source.is_parquet() and _top(source)[:1] == (FIRST,)


def _top(source: Source, line: int = 0) -> tuple[str, ...]:
    """The cells of the first lines of `source` that are not blank, the first of which is number 0."""
    head = source.head()
    lines = [text for text in head.removeprefix(BOM).split(b"\n") if text.strip()]
    return fields(lines[line].rstrip(b"\r"), encodings(head)) if len(lines) > line else ()


def read(source: Source) -> Iterator[Batch]:
    """Batches of `source`, one a step; values [their parameter's unit], of the station its offset and cadence.

    Raises `UnreadableSource` where it has not the four lines above, or a column is not known.
    """
    if source.is_parquet() or (_top(source) and _top(source)[0] != FIRST):
        raise UnreadableSource(f"{source.name}: is no table of a logger: its first line does not say {FIRST}")
    if not _top(source):
        return
    table = Text(source, Dialect(skip=1, after=2))
    known = _known(source, table)
    numbers = [str(number) for number in known]
    names = [column.lower() for column in table.names]
    stamp, record = (str(names.index(key)) for key in KEYS)
    station = words(str(names.index("station"))) if "station" in names else pl.lit(_top(source)[1])
    held: pl.DataFrame | None = None
    for part in parts(table, len(numbers)):
        rows = part.rows.select("place", *numbers, stamp=stamp, record=record, station=station)
        rows = rows.with_columns(_timed(rows)).with_columns(new=pl.lit(value=True))
        if held is not None:
            rows = pl.concat([held, rows])
        whole = _stepped(rows)
        # The last row waits for the next: its step may be the one to it. The one before tells the step up to it.
        held = rows.tail(2).with_columns(new=pl.int_range(pl.len()) == pl.len() - 1)
        yield from _batches(whole.head(whole.height - 1).filter("new"), part.broken, table, known)
    if held is not None:
        yield from _batches(_stepped(held).filter("new"), part.broken.clear(), table, known)


def _known(source: Source, table: Text) -> dict[int, Column]:
    """Number of each column that is read -> what it is, and the unit it comes in. Raises `UnreadableSource`."""
    names, units = [column.lower() for column in table.names], _top(source, 2)
    for key in KEYS:
        if names.count(key) != 1:
            raise UnreadableSource(f"{source.name}: has the column {key.upper()} {names.count(key)} times")
    out = {}
    for number, column in enumerate(names):
        unit = units[number] if number < len(units) else ""
        if column in KEYS or column in IGNORED:
            continue
        if column not in COLUMNS or names.count(column) > 1:
            raise UnreadableSource(f"{source.name}: no such column is known, or it is there twice: {column[:100]}")
        unit = UNITS.get(unit.lower(), spelled(unit))
        out[number] = coming_in(source, COLUMNS[column], unit, f"column {column}")
    if not out:
        raise UnreadableSource(f"{source.name}: there is no column of readings in it")
    return out


def _timed(rows: pl.DataFrame) -> pl.DataFrame:
    """`end` (UTC) and `reason` of every record."""
    stamps, clocks = rows["stamp"], pl.DataFrame({"station": list(STATIONS), "clock": [*STATIONS.values()]})
    local = on_clock(stamps, *STAMP, offset=0)
    clock = rows.select("station").join(clocks, on="station", how="left", maintain_order="left")["clock"]
    late = pl.when(pl.col("clock").is_null()).then(pl.lit("time without offset"))
    return local.with_columns(clock).select(
        end=pl.col("time") - pl.duration(minutes="clock"), reason=pl.coalesce("reason", late)
    )


def _stepped(rows: pl.DataFrame) -> pl.DataFrame:
    """`rows` with `step` [s], and `reason` where there is none."""
    record, end = pl.col("record").cast(pl.Int64, strict=False), pl.col("end")
    on = (record - record.shift() == 1) & (pl.col("station") == pl.col("station").shift())
    since = pl.when(on).then((end - end.shift()).dt.total_microseconds() / 1e6)
    whole = (since >= 1) & (since <= DAY) & (pl.lit(float(DAY)) % since == 0)
    rows = rows.with_columns(since=pl.when(whole).then(since).cast(pl.Int32))
    step = pl.min_horizontal("since", pl.col("since").shift(-1))
    alone = pl.when(pl.col("step").is_null()).then(pl.lit("length of the record unknown"))
    return rows.with_columns(step=step).with_columns(reason=pl.coalesce("reason", alone))


def _batches(rows: pl.DataFrame, broken: pl.DataFrame, table: Text, known: dict[int, Column]) -> Iterator[Batch]:
    """A batch for every step in `rows`, in their order; the first has what broke, too."""
    steps = rows["step"].unique(maintain_order=True).to_list() if rows.height else [None] if broken.height else []
    for step in steps:
        some = rows.filter(pl.col("step").eq_missing(pl.lit(step, pl.Int32)))
        time = pl.col("end") - pl.duration(seconds="step")
        some = some.with_columns(time=time, reason=pl.coalesce(name("station", "station"), "reason"))
        numbers = [str(number) for number in known]
        some = some.select("station", "stamp", "time", "place", "reason", *numbers)
        cells = stretched(some, numbers, [column.channel for column in known.values()], label="channel")
        nothing = (pl.col("value") == NOTHING).fill_null(value=False)
        cells = cells.with_columns(text=pl.when(nothing).then(pl.lit("")).otherwise("text"))
        value = converted(known.values(), pl.when(~nothing).then("value"))
        facts = {} if step is None else {"cadence": step}
        yield batch(
            cells.with_columns(value=value),
            broken,
            table.place,
            lambda good, facts=facts: {  # type: ignore[misc]
                station: {"utc_offset": STATIONS[station], **facts} for station in good["station"].unique().sort()
            },
            WORDS,
        )
        broken = broken.clear()
