"""Judging readings: `quality.flag` against the same tests in pandas. `python -m tests.benchmarks.quality`."""

from datetime import timedelta
from importlib import import_module
from typing import Any

import polars as pl

from analytics import parameters, quality
from tests.benchmarks.common import measure, readings, report

PARAMETERS = parameters.load()
#: The tests that both do; the device's mark is null in these readings.
LIMITS = PARAMETERS["pm25"].quality
HOUR = timedelta(hours=1)


def in_pandas(frame: Any, cadence: timedelta) -> Any:
    """Code and bits of the readings in `frame` (series, time, value; by series and time) that are not good."""
    pd = import_module("pandas")
    grouped = frame.groupby("series", sort=False)
    value, time = frame["value"], frame["time"]
    near = quality.CADENCES * cadence
    elapsed = time - grouped["time"].shift(1)
    before = grouped["value"].shift(1).where(elapsed <= near)
    after = grouped["value"].shift(-1).where((grouped["time"].shift(-1) - time) <= near)
    low, high = LIMITS["gross_range"]["suspect"]
    least, most = LIMITS["gross_range"]["fail"]
    failed = ~value.between(least, most)
    span = timedelta(hours=LIMITS["flat_line"]["suspect"])
    rows = span // cadence
    covered = time - grouped["time"].shift(rows)
    rolled = grouped["value"].rolling(rows + 1)
    spread = (rolled.max() - rolled.min()).reset_index(level=0, drop=True)
    tolerance = float(LIMITS["flat_line"]["tolerance"]) + quality.SLACK
    hours = elapsed.clip(lower=HOUR) / HOUR
    bits = (
        (~value.between(low, high)) * 1
        + ((value - (before + after) / 2).abs() > float(LIMITS["spike"]["suspect"])) * 2
        + ((value - before).abs() > float(LIMITS["rate"]["suspect"]) * hours) * 4
        + (covered.between(span - cadence / 2, span) & (spread <= tolerance)) * 8
        + before.isna() * 16
    )
    code = pd.Series(quality.SUSPECT, index=frame.index).where(~failed, quality.FAIL)
    return pd.DataFrame({"code": code, "tests": bits})[bits > 0]


def main() -> None:
    """Prints the table."""
    cadence = timedelta(minutes=10)
    frame, series = readings(200, 5000, cadence)
    pandas = import_module("pandas").DataFrame({name: frame[name].to_numpy() for name in ("series", "time", "value")})
    found, theirs = quality.flag(frame, series, PARAMETERS), in_pandas(pandas, cadence)
    same = found.select(pl.col("code", "tests").cast(pl.Int64)).rows() == list(
        theirs.itertuples(index=False, name=None)
    )
    print(f"verdicts: {found.height:,}, the same in both: {same}")
    seconds = measure(
        {
            "quality.flag": lambda: quality.flag(frame, series, PARAMETERS),
            "the same five tests in pandas": lambda: in_pandas(pandas, cadence),
        },
        times=5,
    )
    report("five tests of 200 series", frame.height, "points", seconds)


if __name__ == "__main__":
    main()
