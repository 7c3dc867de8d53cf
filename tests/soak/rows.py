"""Made-up readings of a district: the same seed and steps, the same rows."""

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from analytics.frames import TIME
from analytics.store.connection import Connection
from tests import world

#: Kilometres of a degree of latitude, about.
_DEGREE = 111.2
CADENCE = timedelta(minutes=10)
START = datetime(2024, 1, 1, tzinfo=UTC)
#: parameter -> usual value and spread in its unit
PARAMETERS = {
    "pm25": (45.0, 12.0),
    "pm10": (80.0, 18.0),
    "so2": (9.0, 2.0),
    "no2": (38.0, 9.0),
    "co": (0.9, 0.2),
    "o3": (70.0, 15.0),
    "air_temperature": (12.0, 3.0),
    "relative_humidity": (55.0, 8.0),
}


def names(series: int) -> list[tuple[str, str]]:
    """Station and parameter of the first `series` channels."""
    kinds = list(PARAMETERS)
    return [(f"S{number // len(kinds):04}", kinds[number % len(kinds)]) for number in range(series)]


def places(stations: int) -> pl.DataFrame:
    """`station`, `longitude`, `latitude` [°]: the stations of `names`, two kilometres apart, ring by ring of a square:
    as many or as few as there are, those next to one another have numbers next to one another."""
    number = np.arange(stations)
    ring = np.floor(np.sqrt(number)).astype(int)
    along = number - ring**2
    east, north = np.where(along <= ring, ring, 2 * ring - along), np.minimum(along, ring)
    return pl.DataFrame(
        {
            "station": [f"S{n:04}" for n in number],
            "longitude": 116 + 2 * east / (_DEGREE * math.cos(math.radians(40))),
            "latitude": 40 + 2 * north / _DEGREE,
        }
    )


def register(conn: Connection, series: int) -> pl.Series:
    """Ids of the first `series` channels of `names`, in their order, of stations that have their places."""
    found = world.settle_world(conn, names(series), int(CADENCE.total_seconds()))
    where = places(-(-series // len(PARAMETERS)))
    conn.execute(
        "UPDATE station SET longitude = w.longitude, latitude = w.latitude"
        " FROM unnest(%s::text[], %s::float8[], %s::float8[]) AS w (code, longitude, latitude)"
        " WHERE w.code = station.code",
        [where[name].to_list() for name in where.columns],
    )
    return pl.Series(found, dtype=pl.Int32)


def readings(series: int, first: int, steps: int, seed: int = 1) -> pl.DataFrame:
    """`number` (of the channel, from 0), `time`, `value`: `steps` steps from the step `first` on, in time order."""
    rng = np.random.Generator(np.random.PCG64([seed, first, steps]))
    kinds = np.array(list(PARAMETERS.values()))[np.arange(series) % len(PARAMETERS)]
    day = 1 + 0.3 * np.sin(2 * np.pi * (first + np.arange(steps)) / 144)
    values = kinds[:, 0] * day[:, None] + kinds[:, 1] * rng.standard_normal((steps, series))
    return pl.DataFrame(
        {
            "number": np.tile(np.arange(series, dtype=np.int32), steps),
            "time": _times(first, steps, series),
            "value": np.round(np.abs(values), 1).ravel(),
        }
    ).with_columns(pl.col("time").cast(TIME))


def _times(first: int, steps: int, series: int) -> npt.NDArray[np.int64]:
    start, step = int(START.timestamp()) * 1_000_000, CADENCE // timedelta(microseconds=1)
    return np.repeat(start + (first + np.arange(steps, dtype=np.int64)) * step, series)


def write(path: Path, rows: pl.DataFrame, series: int) -> Path:
    """`path`, a Parquet file in the long form with what `rows` (number, time, value[, revision]) says."""
    known = pl.DataFrame(names(series), schema=["station", "parameter"], orient="row")
    columns = [column.gather(rows["number"]) for column in known]
    rows.drop("number").with_columns(columns).write_parquet(path)
    return path
