"""Kings Creek, Konza Prairie, Kansas: soil moisture at three depths, weather and stream flow, hourly. CSV.

Origin: A. Patrignani, Kansas State University, GitHub soilwater/pynotes-agriscience; the flow is of a gauge of the US
Geological Survey. A row an hour, columns pressure [kPa], tavg [°C], rhavg [%], prcp [mm], srad [MJ/m² an hour],
wspd [m/s], wdir [rad], vpd [kPa], vwc_5cm, vwc_20cm, vwc_40cm [m³/m³], soiltemp_5cm, ... [°C], battv [mV] and discharge
[m³/s]. They leave in hPa, W/m², degrees and V; a depth is a position in metres below ground, `soil_moisture@-0.05`.
That srad and wdir are in these units shows in the figures (at most 3.3 and 6.28). Missing: empty; srad is at night.

The clock is not stated. The middle of a day's irradiance lies at 13.0 all the year: there is no summer time, and it is
half an hour after the sun's noon at UTC-6 (12:26), so a label is the *end* of its hour and a time here an hour before.
"""

from collections.abc import Iterator

import polars as pl

from analytics.frames import Batch
from analytics.ingest._cells import batch
from analytics.ingest._columns import Column, converted
from analytics.ingest._source import Source, UnreadableSource
from analytics.ingest._tables import columns, keys, lowered, open_table, parts, stretched
from analytics.ingest._times import on_clock

#: Distance from UTC [min].
OFFSET = -360
HOUR = 3600
STATION = "kings-creek"
FACTS = {STATION: {"title": "Kings Creek, Konza Prairie", "utc_offset": OFFSET, "cadence": HOUR}}
KEY = "datetime"
STAMP = ("%Y-%m-%d %H:%M:%S", r"^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}$")


COLUMNS = {
    "pressure": Column("air_pressure", "kPa", "hPa"),
    "tavg": Column("air_temperature"),
    "rhavg": Column("relative_humidity"),
    "prcp": Column("rain"),
    "srad": Column("solar_radiation", "MJ/(m²·h)", "W/m²"),
    "wspd": Column("wind_speed"),
    "wdir": Column("wind_direction", "rad", "°"),
    "vpd": Column("vapour_pressure_deficit"),
    "vwc_5cm": Column("soil_moisture@-0.05"),
    "vwc_20cm": Column("soil_moisture@-0.2"),
    "vwc_40cm": Column("soil_moisture@-0.4"),
    "soiltemp_5cm": Column("soil_temperature@-0.05"),
    "soiltemp_20cm": Column("soil_temperature@-0.2"),
    "soiltemp_40cm": Column("soil_temperature@-0.4"),
    "battv": Column("battery_voltage", "mV", "V"),
    "discharge": Column("discharge"),
}


def recognises(source: Source) -> bool:
    """Has `source` just the columns of this file?"""
    return not source.is_parquet() and sorted(lowered(columns(source))) == sorted((KEY, *COLUMNS))


def read(source: Source) -> Iterator[Batch]:
    """Batches of `source`; values [see the module], of the station its title, offset of -360 min and step of an hour.

    Raises `UnreadableSource` where the columns are not those above.
    """
    table = open_table(source)
    if not table.names:
        return
    if source.is_parquet() or len(table.names) != 1 + len(COLUMNS):
        raise UnreadableSource(f"{source.name}: has not the {1 + len(COLUMNS)} columns of the Kings Creek file")
    numbers = keys(source, table, (KEY, *COLUMNS))
    values = [numbers[column] for column in COLUMNS]
    channels = [column.channel for column in COLUMNS.values()]
    for part in parts(table, len(values)):
        rows = part.rows.rename({numbers[KEY]: "stamp"})
        times = on_clock(rows["stamp"], *STAMP, offset=OFFSET, before=HOUR)
        rows = rows.with_columns(times, station=pl.lit(STATION))
        cells = stretched(rows, values, channels, label="channel")
        yield batch(_converted(cells), part.broken, table.place, lambda good: FACTS if good.height else {})


def _converted(cells: pl.DataFrame) -> pl.DataFrame:
    """Values in the units they leave in."""
    value = converted(COLUMNS.values())
    return cells.with_columns(value=value)
