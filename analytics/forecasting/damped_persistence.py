"""Damped persistence: it returns to its mean. The naive forecast that hurts, since weather forgets."""

import numpy as np

from analytics.forecasting._grid import last, mean_before
from analytics.forecasting._settings import Settings
from analytics.skill import Array, Ints


def forecast(history: Array, origins: Ints, settings: Settings) -> Array:
    """[origins, leads, series] mean + (newest - mean) exp(-h / damping), h [h] counted from the newest value.

    The mean is that of the last `mean` hours; NaN where fewer than `least` of them have a value, or the newest is
    older than `fresh`.
    """
    value, age = last(history, origins, settings.fresh)
    mean = mean_before(history, origins, settings.mean, settings.least)
    leads = np.arange(settings.leads)[None, :, None]
    kept = np.exp(-(leads + age[:, None, :]) / settings.damping)
    return np.asarray(mean[:, None, :] + (value - mean)[:, None, :] * kept, dtype=np.float64)
