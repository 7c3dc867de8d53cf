"""Our side of each comparison, in a process of its own like the rivals: `python -m tests.compare.ours NAME IN OUT`."""

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import polars as pl

from analytics import assessment, averaging, parameters, quality, standards
from analytics.frames import OBSERVATIONS, SERIES, conform
from tests.soak.worker import peak

PARAMETERS, AVERAGINGS = parameters.load(), averaging.load()


def aqi(source: Path, target: Path) -> float:
    """Seconds; `index` of each row in `source` (row, station, time and six concentrations) into `target`."""
    names = ["pm25", "pm10", "so2", "no2", "co", "o3"]
    rows = pl.read_parquet(source)
    stations = rows.select("station").unique().with_columns(offset=pl.lit(480), places=pl.lit([], pl.List(pl.String)))
    rules = standards.load()
    # The hourly index alone, as the rival makes it: not the one of the moving means, which the same values feed.
    rules = replace(rules, columns=rules.columns.filter(pl.col("averaging") == "hour"))
    began = time.perf_counter()
    averages = rows.unpivot(names, index=["station", "time"], variable_name="parameter").with_columns(
        averaging=pl.lit("hour")
    )
    found = assessment.assess(averages, stations, rules)
    seconds = time.perf_counter() - began
    rows.join(found, on=["station", "time"], how="left", maintain_order="left").select("index").write_parquet(target)
    return seconds


def flags(source: Path, target: Path) -> float:
    """Seconds; the bits of the tests of each row of `source` (series, time, value) into `target`."""
    rows, series = _readings(source)
    began = time.perf_counter()
    found = quality.flag(rows, series, PARAMETERS)
    seconds = time.perf_counter() - began
    rows.join(found, on=["series", "time"], how="left", maintain_order="left").select(
        pl.col("tests").fill_null(0)
    ).write_parquet(target)
    return seconds


def averages(source: Path, target: Path) -> float:
    """Seconds; `whole` and `piece`, the means of each row of `source`, all at once and from a later start."""
    rows, series = _readings(source)
    hours = averaging.hours(rows.with_columns(code=pl.lit(None, pl.Int16)), series, PARAMETERS, AVERAGINGS)
    only = {name: AVERAGINGS[name] for name in ("hour", "moving24")}
    began = time.perf_counter()
    whole = averaging.windows(hours, series, PARAMETERS, only)
    seconds = time.perf_counter() - began
    first, last = pl.col("time").min(), pl.col("time").max()
    piece = averaging.windows(
        hours.filter(pl.col("time") >= first + (last - first) / 2), series, PARAMETERS, only
    ).select("series", "time", piece="value")
    whole.rename({"value": "whole"}).join(piece, on=["series", "time"], how="left", maintain_order="left").select(
        "whole", "piece"
    ).write_parquet(target)
    return seconds


def _readings(source: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    rows = pl.read_parquet(source).with_columns(mark=None)
    facts = {"parameter": "pm25", "position": "", "statistic": "", "cadence": 3600, "offset": 480}
    series = rows.select("series", station="series").unique().sort("series")
    named = series.with_columns(**{name: pl.lit(fact) for name, fact in facts.items()})
    return conform(rows, OBSERVATIONS), conform(named, SERIES)


SIDES: Mapping[str, Callable[[Path, Path], float]] = {"aqi": aqi, "quality": flags, "averages": averages}

if __name__ == "__main__":
    print(SIDES[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3])), peak())
