"""A daily wave and what is left of now: regression on harmonics of the day with autoregressive errors (statsmodels).

Durbin and Koopman, Time Series Analysis by State Space Methods, chapters 3 and 4, as `statsmodels` has it (SARIMAX).
Its parameters are the conditional least squares that statsmodels starts its search from: the search itself takes a
hundred times as long and moves them by hundredths. The Kalman filter then steps over gaps without filling them.
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
    fits = len(history) - -(-(len(history) - origins) // settings.refit) * settings.refit
    for end in np.unique(fits[fits > 0]):
        mine = np.flatnonzero(fits == end)
        for series in range(history.shape[1]):
            out[mine, :, series] = _ahead(history[:, series], int(end), origins[mine], settings)
    return out


def _ahead(values: Array, end: int, origins: Ints, settings: Settings) -> Array:
    """[origins, leads] of one series, by parameters learned from the rows before `end`."""
    # Imported here: it takes a second that a command which forecasts nothing should not wait for.
    from statsmodels.tsa.statespace.sarimax import SARIMAX  # type: ignore[import-untyped]  # it has no types

    nothing = np.full((len(origins), settings.leads), np.nan)
    seen = values[max(end - settings.window, 0) : end]
    there = seen[~np.isnan(seen)]
    if len(there) < settings.least_fit or np.ptp(there) <= 1e-9 * np.abs(there).max():
        return nothing
    wave = _wave(np.arange(len(values) + settings.leads), settings)
    form = {"order": (settings.order, 0, 0), "enforce_stationarity": False}
    learned = SARIMAX(seen, exog=wave[end - len(seen) : end], **form).start_params
    start, stop = max(end - _RUN_IN, 0), int(origins.max())
    model = SARIMAX(values[start:stop], exog=wave[start:stop], **form)
    model.update(learned)
    transition = np.asarray(model.ssm["transition"])
    if not np.isfinite(learned).all() or learned[-1] <= 0 or np.abs(np.linalg.eigvals(transition)).max() >= 1:
        return nothing
    states = model.ssm.filter().predicted_state[:, origins - start].T
    left = np.empty((len(origins), settings.leads))
    for lead in range(settings.leads):
        left[:, lead] = states[:, 0]
        states = states @ transition.T
    rows = origins[:, None] + np.arange(settings.leads)
    return np.asarray(wave[rows] @ learned[: wave.shape[1]] + left)


def _wave(rows: Ints, settings: Settings) -> Array:
    """[rows, 1 + 2 harmonics] a constant, and sine and cosine of the hour of the day and its multiples."""
    angles = 2 * np.pi * rows[:, None] * np.arange(1, settings.harmonics + 1) / settings.season
    return np.concatenate([np.ones((len(rows), 1)), np.sin(angles), np.cos(angles)], axis=1)
