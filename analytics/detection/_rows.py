"""Steps of many series as arrays, and what stood so many readings before each."""

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from analytics.frames import TIME

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: A neighbour in time farther than this many cadences beyond its place does not exist.
SLACK = 3


@dataclass(frozen=True, slots=True)
class Rows:
    """Readings of series, one after the other, each in the order of time. `begin` [rows]: where its series begins."""

    time: Ints
    begin: Ints
    cadence: Array

    @classmethod
    def of(cls, steps: pl.DataFrame) -> "Rows":
        """Of `steps`, sorted by series and time, with the `cadence` [µs] that the fit of each row knows, or null."""
        series = steps["series"].to_numpy()
        rows = np.arange(len(series))
        first = np.append(True, series[1:] != series[:-1])[: len(series)]
        begin = np.maximum.accumulate(np.where(first, rows, 0)) if len(rows) else rows
        return cls(steps["time"].to_physical().to_numpy(), begin, floats(steps, "cadence"))

    def back(self, values: Array, count: int) -> Array:
        """`values` of the reading `count` before; NaN before the first, and where it is too far away in time."""
        out = np.full(len(values), np.nan)
        if 0 < count < len(values):
            there = np.arange(count, len(values)) - count >= self.begin[count:]
            near = self.time[count:] - self.time[:-count] <= (count + SLACK) * self.cadence[count:]
            out[count:] = np.where(there & near, values[:-count], np.nan)
        return out


def back_of(reach: int | timedelta, cadence: timedelta) -> timedelta:
    """How long before a step the readings begin that a score reads which reaches `reach` readings, or so long, back."""
    if isinstance(reach, timedelta):
        return reach
    return (reach + SLACK) * cadence if reach else timedelta()


def floats(frame: pl.DataFrame, column: str) -> Array:
    """`column` of `frame`, NaN for null."""
    return frame[column].cast(pl.Float64).fill_null(float("nan")).to_numpy()


def judged_by(steps: pl.DataFrame, fits: pl.DataFrame, blob: pl.Struct) -> pl.DataFrame:
    """`steps` by series and time, with what the newest fit says that holds from their time or earlier, else null."""
    learned = fits.select(
        pl.col("subject").alias("series"),
        pl.col("valid_from").alias("time").cast(TIME),
        pl.col("blob").cast(pl.String).str.json_decode(blob).alias("fit"),
    ).unnest("fit")
    return steps.sort("series", "time", maintain_order=True).join_asof(
        learned.sort("series", "time"), on="time", by="series", strategy="backward", check_sortedness=False
    )


def cadence(time: Ints) -> float:
    """The usual distance [µs] of times in order."""
    apart = np.diff(time)
    apart = apart[apart > 0]
    return float(np.median(apart)) if len(apart) else 0.0
