"""Well-known detectors as anybody would build them from libraries, to stand beside ours on the same rows.

Each takes the values of a series and gives a score a row, 1.0 at its own line, NaN where it cannot judge. Each judges
a row by rows before it alone, and none sees a label. Windows and refits are counted in rows, the same for every set.
"""

from collections.abc import Callable, Iterator, Mapping

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.signal import lfilter  # type: ignore[import-untyped]
from scipy.special import erfc  # type: ignore[import-untyped]
from sklearn.decomposition import PCA  # type: ignore[import-untyped]
from sklearn.ensemble import IsolationForest  # type: ignore[import-untyped]
from statsmodels.tsa.holtwinters import SimpleExpSmoothing  # type: ignore[import-untyped]

from analytics.evaluation.nab import Array

#: Rows to learn from at most and at least; rows after which it is learned anew.
WINDOW, LEAST, STEP = 2000, 200, 200
#: Rows of a short window, and of a vector of lags.
SHORT, LAGS = 100, 32
#: Robust or plain standard deviations at the line, and the share of the past below a line that is learned.
SIGMAS, SHARE = 3.0, 0.999
NORMAL = 1.4826
FLOOR = 1e-9


def zscore(value: Array) -> Array:
    """Distance from the mean of the window in standard deviations."""
    out = np.full(len(value), np.nan)
    for past, rows in _turns(len(value)):
        out[rows] = np.abs(value[rows] - value[past].mean()) / max(SIGMAS * value[past].std(), FLOOR)
    return out


def hampel(value: Array) -> Array:
    """Distance from the median of the last `SHORT` rows over their MAD (F. R. Hampel 1974), floored by the window's."""
    out = np.full(len(value), np.nan)
    if len(value) <= SHORT:
        return out
    short = sliding_window_view(value[:-1], SHORT)
    middle = np.median(short, axis=1)
    scale = NORMAL * np.median(np.abs(short - middle[:, None]), axis=1)
    for past, rows in _turns(len(value)):
        here = np.arange(rows.start, rows.stop) - SHORT
        # The MAD of a flat stretch is 0: a tenth of the spread of the window is the least that counts.
        spread = np.maximum(scale[here], max(0.1 * value[past].std(), FLOOR))
        out[rows] = np.abs(value[rows] - middle[here]) / (SIGMAS * spread)
    return out


def ets(value: Array) -> Array:
    """One-step residual of simple exponential smoothing (statsmodels), its line the conformal quantile of the past's.

    The weight is estimated once, on the first `LEAST` rows.
    """
    if len(value) <= LEAST or np.ptp(value[:LEAST]) == 0:
        return np.full(len(value), np.nan)
    made = SimpleExpSmoothing(value[:LEAST], initialization_method="heuristic").fit()
    weight = float(np.clip(made.params["smoothing_level"], 0.01, 1.0))
    level, _ = lfilter([weight], [1, weight - 1], value, zi=[(1 - weight) * value[0]])
    return _by_quantile(np.abs(value - np.append(value[0], level[:-1])))


def sub_pca(value: Array) -> Array:
    """What principal components of vectors of lags leave over (Sub-PCA), its line the quantile of the past's."""

    def learned(past: Array) -> Callable[[Array], Array]:
        center, scale = past.mean(), max(past.std(), FLOOR)
        model = PCA(n_components=0.95, svd_solver="full").fit((past - center) / scale)

        def left(vectors: Array) -> Array:
            inside = (vectors - center) / scale
            return np.asarray(((inside - model.inverse_transform(model.transform(inside))) ** 2).sum(axis=1) ** 0.5)

        return left

    return _of_lags(value, learned)


def forest(value: Array) -> Array:
    """Isolation forest (F. T. Liu et al. 2008) on vectors of lags, its line the quantile of the past's."""

    def learned(past: Array) -> Callable[[Array], Array]:
        model = IsolationForest(n_estimators=50, random_state=0).fit(past)
        return lambda vectors: np.asarray(-model.score_samples(vectors))

    return _of_lags(value, learned)


def windowed_gaussian(value: Array) -> Array:
    """The benchmark's own: 1 less the tail probability under the last 6400 rows, taken anew every 100.

    As it was when NAB's results were made, which are written with 12 digits: with it the whole way from file to score
    can be held against them.
    """
    size, step = 6400, 100
    rows = np.arange(len(value))
    stops = np.where(rows <= size, rows, size + (rows - size) // step * step)
    starts = np.maximum(stops - size, 0)
    # Sums of values near 0 lose nothing that matters here.
    near = value - value.mean()
    sums, squares = (np.append(0.0, np.cumsum(near**power)) for power in (1, 2))
    count = np.maximum(stops - starts, 1)
    mean = (sums[stops] - sums[starts]) / count
    variance = np.maximum((squares[stops] - squares[starts]) / count - mean**2, 0)
    deviation = np.where(variance > 1e-12 * near.var(), variance**0.5, 1e-6)
    out = 1 - 0.5 * erfc(np.abs(near - mean) / deviation / 2**0.5)
    return np.asarray(np.round(np.where(rows > 0, out, 0.0), 12), dtype=np.float64)


RIVALS: Mapping[str, Callable[[Array], Array]] = {
    "z-score": zscore,
    "Hampel": hampel,
    "ETS residual": ets,
    "Sub-PCA": sub_pca,
    "isolation forest": forest,
}


def _turns(rows: int) -> Iterator[tuple[slice, slice]]:
    """What is learned from, and the rows that are judged by it."""
    for start in range(LEAST, rows, STEP):
        yield slice(max(start - WINDOW, 0), start), slice(start, min(start + STEP, rows))


def _by_quantile(off: Array) -> Array:
    """`off` over the quantile of the window before it."""
    out = np.full(len(off), np.nan)
    for past, rows in _turns(len(off)):
        out[rows] = off[rows] / max(np.nanquantile(off[past], SHARE), FLOOR)
    return out


def _of_lags(value: Array, learn: Callable[[Array], Callable[[Array], Array]]) -> Array:
    """A score a vector of the last `LAGS` rows, learned anew every `WINDOW` rows, over its quantile of the past."""
    out = np.full(len(value), np.nan)
    if len(value) <= LEAST + LAGS:
        return out
    vectors = sliding_window_view(value, LAGS)
    starts = [LEAST, *range(WINDOW, len(vectors), WINDOW)]
    for start, stop in zip(starts, [*starts[1:], len(vectors)], strict=True):
        past = vectors[max(start - WINDOW, 0) : start]
        if np.ptp(past) == 0:
            continue
        said = learn(past)
        line = max(float(np.quantile(said(past), SHARE)), FLOOR)
        out[start + LAGS - 1 : stop + LAGS - 1] = said(vectors[start:stop]) / line
    return out
