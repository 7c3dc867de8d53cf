"""A daily wave and what is left of now: regression on harmonics of the day with autoregressive errors (statsmodels).

Durbin and Koopman, Time Series Analysis by State Space Methods, chapters 3 and 4. Its parameters are the conditional
least squares that `statsmodels` starts the search for those of SARIMAX from: the search itself takes a hundred times as
long and moves them by hundredths. Its Kalman filter then steps over gaps without filling them.
"""

import numpy as np

from analytics.forecasting._settings import Settings
from analytics.skill import Array, Ints

#: Rows before a fit's end from which its filter starts: what was before has no weight any more.
_RUN_IN = 96


def forecast(history: Array, origins: Ints, settings: Settings) -> Array:
    """[origins, leads, series] the wave fitted to the `window` before, and the error of now dying away.

    Fitted every `refit` rows, counted back from the end of `history`, so that no origin knows what came after it.
    NaN where the window has fewer than `least_fit` values, does not vary, or its errors do not die away.
    """
    out = np.full((len(origins), settings.leads, history.shape[1]), np.nan)
    wave = _wave(np.arange(len(history) + settings.leads), settings)
    fits = len(history) - -(-(len(history) - origins) // settings.refit) * settings.refit
    for end in np.unique(fits[fits > 0]):
        mine = np.flatnonzero(fits == end)
        for series in range(history.shape[1]):
            out[mine, :, series] = _ahead(history[:, series], wave, int(end), origins[mine], settings)
    return out


def _ahead(values: Array, wave: Array, end: int, origins: Ints, settings: Settings) -> Array:
    """[origins, leads] of one series, by parameters learned from the rows before `end`."""
    nothing = np.full((len(origins), settings.leads), np.nan)
    seen = values[max(end - settings.window, 0) : end]
    there = ~np.isnan(seen)
    if there.sum() < settings.least_fit or np.ptp(seen[there]) <= 1e-9 * np.abs(seen[there]).max():
        return nothing
    known = wave[end - len(seen) : end][there]
    curve = np.linalg.pinv(known) @ seen[there]
    kept, variance = _kept(seen[there] - known @ curve, settings.order)
    transition = np.eye(settings.order, k=1)
    transition[:, 0] = kept
    if not np.isfinite(transition).all() or variance <= 0 or np.abs(np.linalg.eigvals(transition)).max() >= 1:
        return nothing
    start, stop = max(end - _RUN_IN, 0), int(origins.max())
    states = _states(values[start:stop] - wave[start:stop] @ curve, transition, variance)[origins - start]
    left = np.empty((len(origins), settings.leads))
    for lead in range(settings.leads):
        left[:, lead] = states[:, 0]
        states = states @ transition.T
    rows = origins[:, None] + np.arange(settings.leads)
    return np.asarray(wave[rows] @ curve + left)


def _kept(errors: Array, order: int) -> tuple[Array, float]:
    """What of each of the last `order` errors is kept, by least squares, and the variance of what is new."""
    before = np.lib.stride_tricks.sliding_window_view(errors[:-1], order)[:, ::-1]
    kept = np.linalg.pinv(before) @ errors[order:]
    return kept, float(np.mean((errors[order:] - before @ kept) ** 2))


def _states(errors: Array, transition: Array, variance: float) -> Array:
    """[rows + 1, order] the errors of now as foreseen the hour before; gaps are stepped over."""
    # Imported here: it takes a second that a command which forecasts nothing should not wait for.
    from statsmodels.tsa.statespace.kalman_filter import KalmanFilter  # type: ignore[import-untyped]  # it has no types

    first = np.eye(len(transition), 1)
    model = KalmanFilter(k_endog=1, k_states=len(transition), k_posdef=1)
    model["design"], model["transition"], model["selection"] = first.T, transition, first
    model["state_cov"] = np.array([[variance]])
    model.bind(errors)
    model.initialize_approximate_diffuse()
    return np.asarray(model.filter().predicted_state.T)


def _wave(rows: Ints, settings: Settings) -> Array:
    """[rows, 1 + 2 harmonics] a constant, and sine and cosine of the hour of the day and its multiples."""
    angles = 2 * np.pi * rows[:, None] * np.arange(1, settings.harmonics + 1) / settings.season
    return np.concatenate([np.ones((len(rows), 1)), np.sin(angles), np.cos(angles)], axis=1)
