"""How good a forecast is, judged on the series' own past: backtest, the gate, and bands that learn from their misses.

Everything here is on grids: [origins, leads, series], NaN where nothing can be said.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


def origins(rows: int, *, backtest: int, step: int) -> Ints:
    """Origins every `step` rows over the last `backtest` rows of a history of `rows`; the last one is its end."""
    first = max(rows - backtest, rows % step)
    return np.arange(rows - (rows - first) // step * step, rows + 1, step, dtype=np.int64)


def truth(history: Array, origins: Ints, leads: int) -> Array:
    """[origins, leads, series] what came: rows of `history` from each origin on, NaN past its end."""
    rows = origins[:, None] + np.arange(leads)
    values = history[np.minimum(rows, len(history) - 1)]
    return np.where((rows < len(history))[:, :, None], values, np.nan)


@dataclass(frozen=True, slots=True)
class Choice:
    """Who is served: `model` [groups, series] numbers into `names`, -1 where nobody can be.

    `mae` [models, groups, series] is over the rows that all of them have, NaN for one that is out of the running;
    `bar` [groups, series] that of the best naive one; `tested` [groups, series] whether enough origins were verified
    to tell; `skill` [groups, series] is 1 - MAE / `bar` of who is served, NaN where not tested.
    """

    names: tuple[str, ...]
    model: Ints
    mae: Array
    bar: Array
    tested: Bools
    skill: Array


def gate(
    errors: Mapping[str, Array], running: Mapping[str, Bools], naive: Sequence[str], groups: Sequence[int], least: int
) -> Choice:
    """The model to serve for each group of leads and series: the best naive one, unless another beats every naive one.

    `errors` are absolute, one grid a model; `running` [series] says who has a forecast now; `groups` are the last
    leads of the groups. With fewer than `least` verified origins nothing is proven: the first of `naive` that is in
    the running is served.
    """
    names = (*naive, *sorted(errors.keys() - set(naive)))
    borders = list(zip([0, *groups[:-1]], groups, strict=True))
    shape = (len(names), len(groups), errors[names[0]].shape[2])
    mae, tested = np.full(shape, np.nan), np.zeros(shape[1:], dtype=bool)
    for place, (start, stop) in enumerate(borders):
        rows = [np.isfinite(errors[name][:, start:stop]) for name in names]
        # A model that was seldom there would leave too few rows on which all can be compared: it is out of the running.
        proven = [running[name] & (_origins(there) >= least) for name, there in zip(names, rows, strict=True)]
        common = np.all([there | ~ready for there, ready in zip(rows, proven, strict=True)], axis=0)
        tested[place] = np.any(proven, axis=0) & (_origins(common) >= least)
        count = common.sum(axis=(0, 1))
        for number, (name, ready) in enumerate(zip(names, proven, strict=True)):
            total = np.where(common, errors[name][:, start:stop], 0.0).sum(axis=(0, 1))
            np.divide(total, count, out=mae[number, place], where=(count > 0) & ready)
    score = np.where(np.isnan(mae), np.inf, mae)
    there = np.array([running[name] for name in names])[:, None, :] & np.ones((1, len(groups), 1), dtype=bool)
    best_naive = np.argmin(score[: len(naive)], axis=0)
    bar = np.min(score[: len(naive)], axis=0)
    best = np.argmin(score, axis=0)
    won = np.where(np.min(score, axis=0) < bar, best, best_naive)
    model = np.where(tested, won, np.argmax(there, axis=0))
    model = np.where(there.any(axis=0), model, -1)
    served = np.take_along_axis(score, np.maximum(model, 0)[None], axis=0)[0]
    told = tested & np.isfinite(bar)
    skill = np.where(told, 0.0, np.nan)
    np.subtract(1, np.divide(served, bar, out=np.ones_like(bar), where=told & (bar > 0)), out=skill, where=told)
    return Choice(names, model, mae, bar, tested, skill)


def _origins(rows: Bools) -> Ints:
    """[series] origins of which a row is there."""
    return np.asarray(rows.any(axis=1).sum(axis=0))


def band(residuals: Array, *, level: float, rate: float) -> tuple[Array, Array]:
    """[leads, series] twice: what to add to a forecast for the lower and the upper end of a band of nominal `level`.

    `residuals` are truth minus forecast, by origin. The ends are quantiles of them, corrected for finite samples
    (split conformal), at levels that have learned from their own misses: adaptive conformal inference (Gibbs and
    Candès 2021, equation 2), each end by itself, the first half of the origins to take quantiles of, the second half
    to learn on at `rate`. NaN where there are too few residuals for the level.
    """
    target = round((1 - level) / 2, 12)
    below, above = (_end(side, target, rate) for side in (-residuals, residuals))
    return -below, above


def chance(residuals: Array, margin: Array) -> Array:
    """[leads] how likely the truth is over a line that lies `margin` [leads] above a forecast.

    By `residuals` [origins, leads] of its like, truth minus forecast: never nought and never one, since more of them
    could have been over it (Laplace's rule). NaN where there are none, or no margin.
    """
    there = np.isfinite(residuals)
    over = (there & (np.where(there, residuals, 0.0) > margin)).sum(axis=0)
    count = there.sum(axis=0)
    return np.where((count > 0) & np.isfinite(margin), (over + 1) / (count + 2), np.nan)


def _end(side: Array, target: float, rate: float) -> Array:
    """[leads, series] the value that the share `target` of further values of `side` should exceed."""
    count = np.isfinite(side).sum(axis=0)
    ordered = np.sort(side, axis=0)  # NaN come last
    miss = _learned(side, target, rate)
    # A level that learned to ask for more than the sample can say gets the largest there is.
    place = np.minimum(_place(count, miss), count - 1)
    value = np.take_along_axis(ordered, np.maximum(place, 0)[None], axis=0)[0]
    return np.where((count + 1) * target >= 1 - 1e-9, value, np.nan)


def _learned(side: Array, target: float, rate: float) -> Array:
    """[leads, series] the share of misses to ask for, so that the later origins would have had `target` of them."""
    half = len(side) // 2
    count = np.isfinite(side[:half]).sum(axis=0)
    ordered = np.sort(side[: max(half, 1)], axis=0)
    able = (count + 1) * target >= 1 - 1e-9
    asked = np.full(side.shape[1:], target)
    for row in side[half:]:
        place = _place(count, asked)
        end = np.take_along_axis(ordered, np.clip(place, 0, np.maximum(count - 1, 0))[None], axis=0)[0]
        miss = (place < count) & (row > end)  # beyond the sample the band is without end, and misses nothing
        asked = np.where(able & np.isfinite(row), asked + rate * (target - miss), asked)
    return np.asarray(asked)


def _place(count: Ints, miss: Array) -> Ints:
    """Which of `count` ordered values the share `miss` of further ones exceeds; `count` and more: none of them.

    A share that is a whole number of them but for the last bit is that number.
    """
    return np.maximum(np.ceil((count + 1) * (1 - miss) - 1e-9).astype(np.int64) - 1, 0)
