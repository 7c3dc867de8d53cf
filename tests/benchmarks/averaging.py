"""Means: `averaging.hours` and `windows` against pandas. `python -m tests.benchmarks.averaging`."""

from datetime import timedelta
from importlib import import_module
from typing import Any

import numpy as np
import polars as pl

from analytics import averaging, parameters
from tests.benchmarks.common import measure, readings, report

PARAMETERS, AVERAGINGS = parameters.load(), averaging.load()


def hours_in_pandas(frame: Any, expected: int) -> Any:
    """Mean and count of each series and hour, null below the capture."""
    grouped = frame.set_index("time").groupby("series")["value"].resample("1h")
    found = grouped.agg(["mean", "count"])
    found = found[found["count"] > 0]
    found["mean"] = found["mean"].where(found["count"] >= AVERAGINGS["hour"].capture * expected)
    return found


def moving_in_pandas(hourly: Any) -> Any:
    """Mean and count of the last 24 hours, at each hour."""
    rolled = hourly.set_index("time").groupby("series")["value"].rolling("24h", min_periods=1)
    found = rolled.agg(["mean", "count"])
    found["mean"] = found["mean"].where(found["count"] >= AVERAGINGS["moving24"].minimum)
    return found


def main() -> None:
    """Prints two tables."""
    pd = import_module("pandas")
    frame, series = readings(200, 5000, timedelta(minutes=10))
    frame = frame.with_columns(code=pl.lit(None, pl.Int16))
    table = pd.DataFrame({name: frame[name].to_numpy() for name in ("series", "time", "value")})
    hourly = averaging.hours(frame, series, PARAMETERS, AVERAGINGS)
    _compare("hours", hourly, hours_in_pandas(table, 6))
    seconds = measure(
        {
            "averaging.hours": lambda: averaging.hours(frame, series, PARAMETERS, AVERAGINGS),
            "pandas groupby and resample": lambda: hours_in_pandas(table, 6),
        }
    )
    report("hourly means with their capture", frame.height, "readings", seconds)
    long, series = readings(100, 8760, timedelta(hours=1))
    hourly = averaging.hours(long.with_columns(code=pl.lit(None, pl.Int16)), series, PARAMETERS, AVERAGINGS)
    moving = {"moving24": AVERAGINGS["moving24"], "hour": AVERAGINGS["hour"]}
    table = pd.DataFrame({name: hourly[name].to_numpy() for name in ("series", "time", "value")})
    ours = averaging.windows(hourly, series, PARAMETERS, moving)
    _compare("moving means", ours, moving_in_pandas(table))
    seconds = measure(
        {
            "averaging.windows": lambda: averaging.windows(hourly, series, PARAMETERS, moving),
            "pandas groupby and rolling": lambda: moving_in_pandas(table),
        }
    )
    report("moving means of 24 hours", hourly.height, "hours", seconds)


def _compare(what: str, ours: pl.DataFrame, theirs: Any) -> None:
    mean = pl.Series(theirs["mean"].to_numpy()).fill_nan(None)
    apart = np.nanmax((ours["value"] - mean).abs().fill_null(0).to_numpy())
    nulls = (ours["value"].is_null() != mean.is_null()).sum()
    counts = (ours["count"] != pl.Series(theirs["count"].to_numpy())).sum()
    print(f"{what}: {ours.height:,} rows, farthest apart {apart:.1e}, null in one only {nulls}, other counts {counts}")


if __name__ == "__main__":
    main()
