"""Steps of many series as arrays, and what stood so many readings before each."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import polars as pl

from analytics.frames import TIME

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: Times [µs] and values of a series.
Readings = tuple[Ints, Array]
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


def since(rows: pl.DataFrame, span: timedelta, *, open_: bool, some: Ints | None = None) -> Ints:
    """Of each of `rows` by series and time, or `some` of them, the first of its series at most `span` older;
    less than that if `open_`."""
    if rows.is_empty():
        return np.array([], dtype=np.int64)
    series, time = rows["series"].to_numpy(), rows["time"].to_physical().to_numpy()
    wide = span // timedelta(microseconds=1)
    # One series after the other on one axis, farther apart than that.
    first = np.append(True, series[1:] != series[:-1])
    shift = np.zeros(len(time), dtype=np.int64)
    shift[1:] = np.where(first[1:], time[:-1] - time[1:] + wide + 1, 0)
    axis = time + np.cumsum(shift)
    asked = axis if some is None else axis[some]
    return np.searchsorted(axis, asked - wide, side="right" if open_ else "left")


def greatest(values: Array, start: Ints) -> Array:
    """The greatest of `values` from `start` of each on, up to itself, which is left out; -inf where there is none."""
    place = np.arange(len(values))
    length, out = place - start, np.full(len(values), -np.inf)
    level, width = np.nan_to_num(values, nan=-np.inf), 1
    while len(values) and width <= length.max():
        # `level` is the greatest of `width` values from each on: two of them span what is less than twice as long.
        some = np.flatnonzero((length >= width) & (length < 2 * width))
        out[some] = np.maximum(level[start[some]], level[some - width])
        level, width = np.append(np.maximum(level[:-width], level[width:]), np.full(width, -np.inf)), 2 * width
    return out


def by_series(steps: pl.DataFrame) -> dict[int, Readings]:
    """Times and values of each series, in order; of several rows with one time the last."""
    rows = in_order(steps.select("series", "time", "value")).with_columns(pl.col("time").to_physical())
    if rows.is_empty():
        return {}
    series, time, value = (rows[name].to_numpy() for name in ("series", "time", "value"))
    last = np.append((series[1:] != series[:-1]) | (time[1:] != time[:-1]), True)
    series, time, value = series[last], time[last], value[last]
    cuts = np.flatnonzero(series[1:] != series[:-1]) + 1
    edges = [0, *cuts.tolist(), len(series)]
    return {int(series[low]): (time[low:high], value[low:high]) for low, high in pairwise(edges)}


def together(read: Sequence[Readings]) -> tuple[Ints, Array]:
    """Times at which every member was read, and their values [time, member]."""
    time = read[0][0]
    if all(np.array_equal(time, theirs) for theirs, _ in read[1:]):
        return time, np.column_stack([value for _, value in read])
    for theirs, _ in read[1:]:
        time = np.intersect1d(time, theirs, assume_unique=True)
    return time, np.column_stack([value[np.searchsorted(theirs, time)] for theirs, value in read])


def in_order(rows: pl.DataFrame) -> pl.DataFrame:
    """`rows` by series and time; as they are where they come so, as they mostly do."""
    series, time = rows["series"].to_numpy(), rows["time"].to_physical().to_numpy()
    later = (series[1:] > series[:-1]) | ((series[1:] == series[:-1]) & (time[1:] >= time[:-1]))
    return rows if later.all() else rows.sort("series", "time", maintain_order=True)


def places(rows: pl.DataFrame, some: pl.DataFrame) -> Ints:
    """Of each of `some` (series, time) its number among `rows`, in which it is; both in order."""
    series, time = rows["series"].to_numpy(), rows["time"].to_physical().to_numpy()
    theirs, at = some["series"].to_numpy(), some["time"].to_physical().to_numpy()
    out = np.empty(len(theirs), dtype=np.int64)
    for one in theirs[np.append(True, theirs[1:] != theirs[:-1])[: len(theirs)]]:
        mine, own = (slice(*np.searchsorted(each, [one, one + 1])) for each in (series, theirs))
        out[own] = mine.start + np.searchsorted(time[mine], at[own])
    return out


def holding(rows: pl.DataFrame, learned: pl.DataFrame) -> Ints:
    """Of each of `rows` in order the newest of `learned` (series, time), by its number, that holds from its time or
    earlier; -1 where there is none. `learned` is by series and time, too."""
    series, time = rows["series"].to_numpy(), rows["time"].to_physical().to_numpy()
    theirs, since_ = learned["series"].to_numpy(), learned["time"].to_physical().to_numpy()
    low, high = (np.searchsorted(series, theirs, side=side) for side in ("left", "right"))
    which = np.full(len(series), -1, dtype=np.int64)
    for number, (begin, end, start) in enumerate(zip(low, high, since_, strict=True)):
        which[begin + np.searchsorted(time[begin:end], start) : end] = number
    return which


def judged_by(steps: pl.DataFrame, fits: pl.DataFrame, blob: pl.Struct) -> pl.DataFrame:
    """`steps` by series and time, with what the newest fit says that holds from their time or earlier, else null."""
    rows, learned = in_order(steps), known(fits, blob)
    place = pl.Series(holding(rows, learned))
    found = learned.drop("series", "time").select(pl.all().gather(place.set(place < 0, None)))
    return rows.hstack(found)


def known(fits: pl.DataFrame, blob: pl.Struct) -> pl.DataFrame:
    """What `fits` (subject, valid_from, blob) say, as `blob` has it, by `series` and the `time` from which it holds."""
    return (
        fits.select(
            pl.col("subject").alias("series"),
            pl.col("valid_from").alias("time").cast(TIME),
            pl.col("blob").cast(pl.String).str.json_decode(blob).alias("fit"),
        )
        .unnest("fit")
        .sort("series", "time", maintain_order=True)
    )


def cadence(time: Ints) -> float:
    """The usual distance [µs] of times in order."""
    apart = np.diff(time)
    apart = apart[apart > 0]
    return float(np.median(apart)) if len(apart) else 0.0
