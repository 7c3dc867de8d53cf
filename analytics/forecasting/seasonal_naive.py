"""Seasonal naive: it is as it was at this hour of the day."""

import numpy as np

from analytics.forecasting._settings import Settings
from analytics.skill import Array, Ints


def forecast(history: Array, origins: Ints, settings: Settings) -> Array:
    """[origins, leads, series] the newest value before the origin that lies whole seasons before each lead.

    A gap is passed over to the season before, `seasons_back` times at most. Where all of those are gaps (an analyser
    reads every fourth hour) the hour before stands in, within `fresh`; else NaN.
    """
    season = settings.season
    known = np.full((len(origins), season, history.shape[1]), np.nan)
    for back in range(1, settings.seasons_back + 1):
        rows = origins[:, None] - back * season + np.arange(season)
        values = history[np.maximum(rows, 0)]
        known = np.where(np.isnan(known) & (rows >= 0)[:, :, None], values, known)
    filled = known
    for hour in range(1, settings.fresh):
        filled = np.where(np.isnan(filled), np.roll(known, hour, axis=1), filled)
    return filled[:, np.arange(settings.leads) % season, :]
