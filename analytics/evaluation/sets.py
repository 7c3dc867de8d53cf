"""The shared labelled sets as one frame: read by who scores, by no detector.

They lie in `../shared` beside the checkout; an installation has none.

`read(name)` gives `LABELLED`: a row a reading, in the order of its file, missing readings left out. `station` is the
file, `series` that and the column, `parameter` our name of the column where we have one. What `label` says, and what to
beware of, stands at each reader. Times whose source names no zone stand in UTC as they are written.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import polars as pl

from analytics.frames import TIME, conform

DATA = Path(__file__).parents[3] / "shared" / "data"

LABELLED: Mapping[str, pl.DataType] = {
    "set": pl.String(),
    "station": pl.String(),
    "series": pl.String(),
    "parameter": pl.String(),
    "time": TIME,
    "value": pl.Float64(),
    "label": pl.Boolean(),
}


#: What the registry calls the columns that it knows; others keep their name.
NAMES: Mapping[str, str] = {
    **{"temp": "water_temperature", "cond": "conductivity", "spcond": "conductivity", "do": "dissolved_oxygen"},
    **{"do_mgl": "dissolved_oxygen", "turb": "turbidity", "stage": "water_level", "depth": "water_depth"},
    **{"atemp": "air_temperature", "rh": "relative_humidity", "bp": "air_pressure", "wspd": "wind_speed"},
    **{"totprcp": "rain", "Tp": "water_temperature", "Cl": "chlorine_dioxide", "Cl_2": "chlorine_dioxide", "pH": "ph"},
    **{"Redox": "orp", "Leit": "conductivity", "Trueb": "turbidity", "Fm": "discharge", "Fm_2": "discharge"},
    **{"Level": "water_level", "Cond": "conductivity", "Tur": "turbidity"},
}


class Labelled(NamedTuple):
    """How a set is read, and from where; `whole`: its labels are of a station, so its series are scored as one."""

    read: Callable[[Path], Iterator[pl.DataFrame]]
    folder: str
    whole: bool = False


@cache
def read(name: str) -> pl.DataFrame:
    """The set `name` (`LABELLED`); `label` is null where those who labelled did not want to say."""
    parts = [
        part.drop_nulls("value").filter(pl.col("value").is_finite()).with_columns(pl.lit(name).alias("set"))
        for part in SETS[name].read(DATA / SETS[name].folder)
    ]
    return pl.concat(conform(part, LABELLED) for part in parts)


def _long(station: str, column: str, time: pl.Expr, label: pl.Expr) -> list[pl.Expr]:
    return [
        pl.lit(station).alias("station"),
        pl.lit(f"{station}/{column}").alias("series"),
        pl.lit(NAMES.get(column, column)).alias("parameter"),
        time.dt.replace_time_zone("UTC").alias("time"),
        pl.col(column).cast(pl.Float64).alias("value"),
        label.alias("label"),
    ]


def _stem(path: Path) -> str:
    return path.name.partition(".")[0]


def _logan_river(folder: Path) -> Iterator[pl.DataFrame]:
    """A technician's qualifier is a label, whatever its code, as PyHydroQC has it.

    The files of 2020 are hardly labelled yet, and those named MS hold corrected values only: both are left out. -9999
    is a missing value. Readings that only an offset puts right (oxygen, pH) carry no label over thousands of rows.
    """
    for path in sorted(folder.glob("*201[459].csv.gz")):
        rows = pl.read_csv(path, infer_schema=False, null_values=["NULL", "-9999", ""])
        time = pl.col("datetime").str.slice(0, 16).str.to_datetime("%Y-%m-%d %H:%M")
        for column in ("temp", "cond", "ph", "do", "turb", "stage"):
            label = pl.col(f"{column}_qual").is_not_null()
            yield rows.drop_nulls("datetime").select(_long(_stem(path), column, time, label))


def _swmp(folder: Path) -> Iterator[pl.DataFrame]:
    """The sonde at Cat Point; see `_flagged`. Columns reckoned from another share its flags and are left out."""
    return _flagged(folder / "apacpwq.parquet", ("temp", "spcond", "do_mgl", "depth", "ph", "turb"))


def _swmp_weather(folder: Path) -> Iterator[pl.DataFrame]:
    """The weather station; see `_flagged`. Wind direction goes round and is left out, and so are sums of rain."""
    return _flagged(folder / "apaebmet.parquet", ("atemp", "rh", "bp", "wspd", "totpar", "totprcp"))


def _flagged(path: Path, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
    """Flag -3, rejected, is the label; 1, suspect, is no judgement: an alarm there is neither right nor wrong.

    Rejected values are still in the file. Nine in ten of the sonde's events are short runs of turbidity.
    """
    rows = pl.read_parquet(path)
    for column in columns:
        flag = pl.col(f"f_{column}").str.extract(r"^<(-?\d+)>")
        label = pl.when(flag != "1").then(flag == "-3")
        yield rows.select(_long(_stem(path), column, pl.col("datetimestamp"), label))


def _gecco(folder: Path) -> Iterator[pl.DataFrame]:
    """EVENT is of the minute, not of a sensor: the station is scored as a whole."""
    rows = pl.read_csv(folder / "gecco2018_first_half.csv.gz", infer_schema=False, null_values="NA")
    time, label = pl.col("Time").str.to_datetime("%Y-%m-%d %H:%M:%S"), pl.col("EVENT") == "TRUE"
    for column in ("Tp", "Cl", "pH", "Redox", "Leit", "Trueb", "Cl_2", "Fm", "Fm_2"):
        yield rows.select(_long("gecco", column, time, label))


def _skab(folder: Path) -> Iterator[pl.DataFrame]:
    """`anomaly` is of the second, not of a sensor. An experiment, some twenty minutes long, is a station."""
    for path in sorted((folder / "valve1").glob("*.csv.gz"), key=lambda path: int(_stem(path))):
        rows = pl.read_csv(path, separator=";", try_parse_dates=True)
        for column in rows.columns[1:9]:
            yield rows.select(_long(f"valve1-{_stem(path)}", column, pl.col("datetime"), pl.col("anomaly") == 1))


def _nab(folder: Path) -> Iterator[pl.DataFrame]:
    """A window of the benchmark is a label, edges and all. Steps jump and repeat: the order is the file's."""
    for name, windows in json.loads((folder / "labels" / "combined_windows.json").read_text()).items():
        rows = pl.read_csv(folder / "data" / f"{name}.gz", try_parse_dates=True, schema_overrides={"value": pl.Float64})
        time = pl.col("timestamp")
        edges = [[pl.lit(edge[:19]).str.to_datetime() for edge in window] for window in windows]
        label = pl.any_horizontal(pl.lit(value=False), *(time.is_between(start, stop) for start, stop in edges))
        made = rows.select(_long(name.removesuffix(".csv"), "value", time, label))
        yield made.with_columns(pl.col("station").alias("series"), pl.col("station").alias("parameter"))


def _oddwater(folder: Path) -> Iterator[pl.DataFrame]:
    """Experts label each sensor. Steps are of an hour or one and a half, and four rows repeat a time."""
    rows = pl.read_csv(folder / "data_pioneer_anom.csv", infer_schema=False, null_values="NA")
    time = pl.col("Timestamp").str.to_datetime("%d/%m/%Y %H:%M")
    for column in ("Level", "Cond", "Tur"):
        yield rows.select(_long("pioneer", column, time, pl.col(f"label_{column}") == "1"))


SETS: Mapping[str, Labelled] = {
    "logan-river": Labelled(_logan_river, "logan-river"),
    "swmp-apalachicola": Labelled(_swmp, "swmp-apalachicola"),
    "swmp-weather": Labelled(_swmp_weather, "swmp-apalachicola"),
    "gecco2018-water": Labelled(_gecco, "gecco2018-water", whole=True),
    "skab": Labelled(_skab, "skab", whole=True),
    "nab": Labelled(_nab, "nab"),
    "oddwater": Labelled(_oddwater, "oddwater"),
}
