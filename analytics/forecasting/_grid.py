"""What the forecasters read off a grid [hours, series] in which NaN is a gap, for many origins at once.

An origin is a row: what is known there are the rows before it.
"""

import numpy as np

from analytics.skill import Array, Ints


def last(history: Array, origins: Ints, fresh: int) -> tuple[Array, Array]:
    """[origins, series] the newest value before each origin and its age in rows; NaN where older than `fresh` rows."""
    rows = np.arange(len(history), dtype=np.int64)[:, None]
    newest = np.maximum.accumulate(np.where(np.isnan(history), -1, rows), axis=0)
    newest = np.concatenate([np.full((1, history.shape[1]), -1), newest])[origins]
    age = origins[:, None] - newest
    value = np.take_along_axis(history, np.maximum(newest, 0), axis=0)
    here = (newest >= 0) & (age <= fresh)
    return np.where(here, value, np.nan), np.where(here, age, np.nan).astype(np.float64)


def mean_before(history: Array, origins: Ints, rows: int, least: int) -> Array:
    """[origins, series] the mean of the `rows` rows before each origin, NaN where fewer than `least` have a value."""
    nothing = np.zeros((1, history.shape[1]))
    there = ~np.isnan(history)
    totals = np.concatenate([nothing, np.cumsum(np.where(there, history, 0.0), axis=0)])
    counts = np.concatenate([nothing, np.cumsum(there, axis=0)])
    start = np.maximum(origins - rows, 0)
    count = counts[origins] - counts[start]
    out = np.full(count.shape, np.nan)
    np.divide(totals[origins] - totals[start], count, out=out, where=count >= max(least, 1))
    return out
