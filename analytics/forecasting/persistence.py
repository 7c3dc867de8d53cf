"""Persistence: it stays as it is."""

import numpy as np

from analytics.forecasting._grid import last
from analytics.forecasting._settings import Settings
from analytics.skill import Array, Ints


def forecast(history: Array, origins: Ints, settings: Settings) -> Array:
    """[origins, leads, series] the newest value before each origin, NaN where it is older than `fresh`."""
    value, _ = last(history, origins, settings.fresh)
    return np.repeat(value[:, None, :], settings.leads, axis=1)
