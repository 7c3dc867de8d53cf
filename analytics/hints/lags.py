"""How long what leaves an outfall takes to a section downstream, and whether any of it is seen there at all.

The cross-correlation of two hourly series, pair by pair where both have a value, after each has lost what comes back
every day and what changes over weeks: an hour is held against the mean of the same hour of the days around it. Its
significance is that of `chance`: how often the best lag is as good where the two are some days apart. So neither the
runs of each series nor the choice among many lags make it look better than it is.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import polars as pl

from analytics.frames import TIME, conform, settle
from analytics.hints import chance
from analytics.hints.chance import DAY, Array, Ints, Waves

HOURS: Mapping[str, pl.DataType] = {"time": TIME, "value": pl.Float64()}
#: `lag` [h]: the second series that much later than the first; `count` of pairs, their correlation `r`, null where they
#: are too few or one of the two does not change.
LAGS: Mapping[str, pl.DataType] = {"lag": pl.Int32(), "count": pl.Int32(), "r": pl.Float64()}
#: Lags that are looked at [h], days around an hour, hours that two series must have in common.
MOST, AROUND, LEAST = 48, 7, 72


class Arrival(NamedTuple):
    """The `lags` (`LAGS`, from -most to most), and the best of those of 0 and more: `lag` [h] and `r`, the lags from
    `low` to `high` around it that are above what chance reaches in one of twenty cases, `p` by `chance.standing`. None
    where nothing can be said. An effect that is best seen before its cause, at a lag below 0, is none of it.
    """

    lags: pl.DataFrame
    lag: int | None = None
    r: float | None = None
    low: int | None = None
    high: int | None = None
    p: float | None = None


def arrival(cause: pl.DataFrame, effect: pl.DataFrame, *, most: int = MOST, around: int = AROUND) -> Arrival:
    """How much later than `cause` the `effect` moves (both time, value; hourly, times on the hour).

    Raises `ValueError` where a number is NaN or infinite.
    """
    first, second = (conform(each, HOURS).drop_nulls().unique("time", keep="first") for each in (cause, effect))
    both = pl.concat([first["time"], second["time"]])
    lags = np.arange(-most, most + 1)
    if first.is_empty() or second.is_empty():
        return Arrival(_told(lags, np.zeros(lags.size), np.full(lags.size, np.nan)))
    every = pl.DataFrame({"time": pl.datetime_range(both.min(), both.max(), "1h", eager=True)})  # type: ignore[arg-type]
    x, y = (_departure(every.join(each, on="time", how="left")["value"], around) for each in (first, second))
    shifts = [day for day in chance.days(x.size) if abs(day) * DAY > most + DAY]
    reach = max((abs(day) for day in shifts), default=0) * DAY + most
    counts, r = _correlations(x, y, min(reach, x.size - 1))
    middle = r.size // 2

    def at(lags: Ints) -> Array:
        inside = np.abs(lags) <= middle
        return np.where(inside, r[np.where(inside, middle + lags, 0)], np.nan)

    told = _told(lags, np.where(np.abs(lags) <= middle, counts[np.clip(middle + lags, 0, r.size - 1)], 0), at(lags))
    ahead = at(np.arange(most + 1))
    if not np.isfinite(ahead).any():
        return Arrival(told)
    best = int(np.nanargmax(ahead))
    others = [at(np.arange(most + 1) + day * DAY) for day in shifts]
    top = np.array([np.nanmax(each) for each in others if np.isfinite(each).any()])
    p = chance.standing(float(ahead[best]), top)[1]
    low = high = best
    if np.isfinite(p):
        line = float(np.quantile(top, 0.95))
        low, high = (_run(ahead, best, step, line) for step in (-1, 1))
    value = round(float(ahead[best]), 6)
    return Arrival(told, best, value, low, high, round(p, 6) if np.isfinite(p) else None)


def _run(r: Array, best: int, step: int, line: float) -> int:
    """The last lag from `best` on, in steps of `step`, that is above `line`."""
    here = best
    while 0 <= here + step < r.size and r[here + step] > line:
        here += step
    return here


def _told(lags: Ints, counts: Array, r: Array) -> pl.DataFrame:
    found = pl.DataFrame({"lag": lags, "count": counts, "r": pl.Series(r, nan_to_null=True)})
    return conform(found.with_columns(settle(pl.col("r"))), LAGS)


def _departure(values: pl.Series, around: int) -> Array:
    """Each hour less the mean of the same hour in the `around` days before and after it; NaN where it is null."""
    plain = values.to_numpy().astype(float)
    days = -(-plain.size // DAY)
    table = np.full((days + 2 * around, DAY), np.nan)
    table[around : around + days].flat[: plain.size] = plain
    windows = np.lib.stride_tricks.sliding_window_view(table, 2 * around + 1, axis=0)
    known = np.isfinite(windows)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(known, windows, 0).sum(axis=-1) / known.sum(axis=-1)
    off = plain - mean.ravel()[: plain.size]
    off[np.abs(off) <= 1e-9 * np.abs(plain)] = 0  # what is left of rounding is no change
    return np.asarray(off, float)


def _correlations(x: Array, y: Array, reach: int) -> tuple[Array, Array]:
    """Counts and Pearson's r of all pairs (x at t, y at t + lag), lags from -`reach` to `reach`."""
    size = 1 << (2 * x.size).bit_length()
    parts = []
    for values in (x, y):
        known = np.isfinite(values)
        plain = np.where(known, values, 0.0)
        scale = np.sqrt((plain**2).sum() / max(known.sum(), 1)) or 1.0
        plain = plain / scale
        parts.append([np.fft.rfft(np.asarray(each, float), size) for each in (known, plain, plain**2)])
    (n1, x1, x2), (n2, y1, y2) = parts

    def together(one: Waves, other: Waves) -> Array:
        full: Array = np.fft.irfft(np.conj(one) * other, size)
        return np.concatenate([full[size - reach :], full[: reach + 1]]) if reach else full[:1]

    count = np.round(together(n1, n2))
    with np.errstate(invalid="ignore", divide="ignore"):
        mean_x, mean_y = together(x1, n2) / count, together(n1, y1) / count
        of_x, of_y = together(x2, n2) / count - mean_x**2, together(n1, y2) / count - mean_y**2
        r = (together(x1, y1) / count - mean_x * mean_y) / np.sqrt(of_x * of_y)
    enough = (count >= LEAST) & (of_x > 1e-9) & (of_y > 1e-9)
    return count, np.where(enough, np.clip(r, -1, 1), np.nan)
