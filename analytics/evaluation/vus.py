"""VUS-PR: the volume under the surface of precision over recall over the width of a buffer around the events.

J. Paparrizos et al. 2022, "Volume under the surface", as TSB-AD (Q. Liu and J. Paparrizos 2024, GitHub
TheDatumOrg/TSB-AD, `basic_metrics.py`, `RangeAUC_volume_opt`) has it: it needs no line, and forgives an alarm that
is near. For each width a label fades to both sides of a run as sqrt(1 - distance / width), down to half the width;
recall is multiplied by the share of runs that are touched at all; the mean over all widths is the volume. TSB-AD takes
250 thresholds at even ranks of the scores, and so do we.
"""

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

THRESHOLDS = 250
#: Rows looked at for the period, lags, the shortest lag; what is taken where the period is not clear.
ROWS, LAGS, SHORTEST, USUAL = 20_000, 400, 3, 125
#: Farthest place, from `SHORTEST` on, that is taken for a period.
FARTHEST = 300


def vus_pr(label: Bools, score: Array, width: int) -> float:
    """Volume under the surface of precision and recall for buffers of 0 to `width` [rows]; NaN without a label.

    A score of NaN is below all others.
    """
    if not label.any():
        return float("nan")
    score = np.nan_to_num(score, nan=np.nanmin(score) - 1 if np.isfinite(score).any() else 0.0)
    lines = -np.sort(-score)[np.linspace(0, len(score) - 1, THRESHOLDS).astype(np.int64)]
    # The first threshold at which a row is called out; the lowest is the least score, so that all are in the end.
    called = np.searchsorted(-lines, -score, side="left")
    alarms = np.cumsum(np.bincount(called, minlength=THRESHOLDS))
    within = np.cumsum(np.bincount(called[label], minlength=THRESHOLDS))
    runs, total = _runs(label), int(label.sum())
    rows, distances = _fringe(runs, width // 2, label)
    beside_at, place = np.unique(rows, return_inverse=True)
    areas = []
    for wide in range(width + 1):
        near = distances <= wide // 2
        fade = np.bincount(place[near], weights=np.sqrt(1 - distances[near] / max(wide, 1)), minlength=len(beside_at))
        # Where two runs are near it fades from both, but never counts for more than a label.
        beside = np.cumsum(np.bincount(called[beside_at], weights=np.minimum(fade, 1.0), minlength=THRESHOLDS))
        true = within + beside
        # The number of positives is half way between the labels and what the thresholds made of them.
        positives = (total + total + beside) / 2
        recall = np.minimum(true / positives, 1.0) * _touched(runs, wide // 2, called)
        areas.append(float(np.dot(np.diff(recall, prepend=0.0), true / alarms)))
    return float(np.mean(areas))


def period(value: Array) -> int:
    """Width of the buffer [rows] that TSB-AD takes for a series: the lag of the highest peak of its autocorrelation."""
    # It takes a second to import, and nothing but this needs it.
    from statsmodels.tsa.stattools import acf  # type: ignore[import-untyped]

    value = value[:ROWS]
    if len(value) < SHORTEST + 3 or np.ptp(value) == 0:
        return USUAL
    lags = acf(value, nlags=LAGS, fft=True)[SHORTEST:]
    peaks = np.flatnonzero((lags[1:-1] > lags[:-2]) & (lags[1:-1] > lags[2:])) + 1
    if not len(peaks):
        return USUAL
    place = int(peaks[np.argsort(lags[peaks])[-1]])
    return place + SHORTEST if SHORTEST <= place <= FARTHEST else USUAL


def _runs(label: Bools) -> npt.NDArray[np.int64]:
    """[runs, 2] first and last row."""
    turns = np.flatnonzero(np.diff(label.astype(np.int8), prepend=0, append=0)).reshape(-1, 2)
    return np.asarray(turns - np.array([0, 1]))


def _fringe(runs: npt.NDArray[np.int64], reach: int, label: Bools) -> tuple[npt.NDArray[np.int64], Array]:
    """Rows without a label up to `reach` before and after each run, and how far they are from it [rows]."""
    away = np.arange(1, reach + 1)
    rows = np.concatenate([(runs[:, :1] - away).ravel(), (runs[:, 1:] + away).ravel()])
    distances = np.tile(away, 2 * len(runs)).astype(np.float64)
    there = (rows >= 0) & (rows < len(label))
    there[there] = ~label[rows[there]]
    return rows[there], distances[there]


def _touched(runs: npt.NDArray[np.int64], reach: int, called: npt.NDArray[np.int64]) -> Array:
    """[thresholds] share of the runs, widened by `reach` and those that meet made one, in which a row is called out."""
    apart = np.flatnonzero(runs[:-1, 1] + reach < runs[1:, 0] - reach)
    first = np.maximum(runs[np.concatenate([[0], apart + 1]), 0] - reach, 0)
    last = np.minimum(runs[np.concatenate([apart, [len(runs) - 1]]), 1] + reach, len(called) - 1)
    edges = np.column_stack([first, last + 1]).ravel()
    earliest = np.minimum.reduceat(np.append(called, THRESHOLDS), edges)[::2]
    return np.cumsum(np.bincount(earliest, minlength=THRESHOLDS)) / len(first)
