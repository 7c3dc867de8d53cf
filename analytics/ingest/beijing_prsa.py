"""Beijing multi-site air quality (PRSA): twelve stations, hourly, 2013 to 2017. CSV, gzip or not.

Origin: Song Xi Chen, UCI Machine Learning Repository, "Beijing Multi-Site Air Quality"; Zhang et al. 2017, Proceedings
of the Royal Society A 473: 20170457. Columns: No, year, month, day, hour (the start of the hour, UTC+8 without summer
time), PM2.5, PM10, SO2, NO2, CO, O3 [µg/m³], TEMP [°C], PRES [hPa], DEWP [°C], RAIN [mm], wd (16 points), WSPM [m/s],
station. Missing: NA or empty. CO comes in µg/m³ and leaves in mg/m³; points of the compass leave in degrees, N is 0.
"""

from collections.abc import Iterator

import polars as pl

from analytics.frames import Batch
from analytics.ingest._cells import batch, name, same_facts
from analytics.ingest._columns import Column, converted
from analytics.ingest._source import Source, UnreadableSource
from analytics.ingest._tables import columns, keys, lowered, open_table, parts, stretched
from analytics.ingest._times import clock

#: The first line says what the others mean, which stand each for itself: a file can be read in parts.
HEADER = True
#: Distance from UTC [min].
OFFSET = 480
FACTS = {"utc_offset": OFFSET, "memberships": {"city": "Beijing"}}


COLUMNS = {
    "pm2.5": Column("pm25", "µg/m³", "µg/m³"),
    "pm10": Column("pm10", "µg/m³", "µg/m³"),
    "so2": Column("so2", "µg/m³", "µg/m³"),
    "no2": Column("no2", "µg/m³", "µg/m³"),
    "co": Column("co", "µg/m³", "mg/m³"),
    "o3": Column("o3", "µg/m³", "µg/m³"),
    "temp": Column("air_temperature", "°C", "°C"),
    "pres": Column("air_pressure", "hPa", "hPa"),
    "dewp": Column("dew_point", "°C", "°C"),
    "rain": Column("rain", "mm", "mm"),
    "wd": Column("wind_direction", "°", "°"),
    "wspm": Column("wind_speed", "m/s", "m/s"),
}
KEYS = ("no", "year", "month", "day", "hour", "station")

POINTS = ["N", "NNE", "NE", "ENE", "E", "ESE", "SE", "SSE", "S", "SSW", "SW", "WSW", "W", "WNW", "NW", "NNW"]
DEGREES = {point: 22.5 * number for number, point in enumerate(POINTS)}


def recognises(source: Source) -> bool:
    """Has `source` just the 18 columns of these files?"""
    return not source.is_parquet() and sorted(lowered(columns(source))) == sorted((*KEYS, *COLUMNS))


def read(source: Source) -> Iterator[Batch]:
    """Batches of `source`; values [see the module], of every station its offset of 480 min and its city.

    Raises `UnreadableSource` where the columns are not those above.
    """
    table = open_table(source)
    if not table.names:
        return
    if source.is_parquet() or len(table.names) != len(KEYS) + len(COLUMNS):
        raise UnreadableSource(f"{source.name}: has not the 18 columns of a PRSA file")
    numbers = keys(source, table, [*KEYS, *COLUMNS])
    values = [numbers[column] for column in COLUMNS]
    channels = [column.channel for column in COLUMNS.values()]
    names = {numbers[key]: key for key in KEYS}
    for part in parts(table, len(values)):
        rows = _timed(part.rows.rename(names))
        cells = stretched(rows, values, channels, label="channel")
        yield batch(_converted(cells), part.broken, table.place, same_facts(FACTS))


def _timed(rows: pl.DataFrame) -> pl.DataFrame:
    """With time, stamp and reason instead of year, month, day and hour."""
    parts = [pl.col(part).fill_null("") for part in ("year", "month", "day", "hour")]
    rows = rows.with_columns(stamp=pl.format("{}-{}-{} {}", *parts))
    rows = rows.with_columns(clock(rows["stamp"], "%Y-%m-%d", offset=OFFSET))
    return rows.with_columns(reason=pl.coalesce(name("station", "station"), "reason")).drop(KEYS[:5])


def _converted(cells: pl.DataFrame) -> pl.DataFrame:
    """Values in the units they leave in."""
    value = converted(COLUMNS.values())
    blows = pl.col("channel") == "wind_direction"
    degrees = pl.col("text").str.to_uppercase().replace_strict(DEGREES, default=None, return_dtype=pl.Float64)
    cells = cells.with_columns(value=pl.when(blows).then(degrees).otherwise(value))
    unknown = pl.when(blows & pl.col("value").is_null()).then(pl.lit("unknown direction"))
    return cells.with_columns(reason=pl.coalesce("reason", unknown))
