"""Weather ahead for the panel of Beijing: as it came, and as a forecast of it might have been."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from scipy.signal import lfilter  # type: ignore[import-untyped]

from analytics.forecasting import Array, Panel
from analytics.forecasting._panel import Ahead
from analytics.skill import Ints, truth
from tests.published.forecast_beijing import PLAN

NAMES = ("air_pressure", "air_temperature", "dew_point", "rain", "wind_east", "wind_north", "wind_speed")
#: Standard deviation of a forecast's error a day ahead [hPa, °C, °C, m/s, m/s]; of the time of rain [h].
ERRORS = {"air_pressure": 1.0, "air_temperature": 1.5, "dew_point": 2.0, "wind_east": 1.2, "wind_north": 1.2}
LATE = 2.0
#: What is left of an error an hour of lead later, the share of its variance that all stations have, and the seed.
KEPT, COMMON, SEED = 0.9, 0.8, 7


def with_weather(mine: Panel, *, degraded: bool) -> Panel:
    """The panel with NAMES ahead: as observed (nobody can have more), or degraded as a forecast is.

    The error of a degraded one grows with the root of the lead from a fifth of ERRORS in the first hour to 1.7 times
    in the last, goes on from hour to hour as an autoregressive process, and is mostly the same at all stations; the
    wind's speed is that of its two parts with their errors, and rain comes as much as it did but early or late, all of
    it alike. Each time of issue draws its own errors, by SEED and its hour. The model is taught on the same kind.
    """
    weather = {name: mine.beside[name] for name in NAMES}
    tell = _degraded if degraded else _observed
    return replace(mine, ahead={name: tell(name, weather) for name in NAMES})


def _observed(name: str, weather: Mapping[str, Array]) -> Ahead:
    return lambda origins: truth(weather[name], origins, PLAN.settings.leads)


def _degraded(name: str, weather: Mapping[str, Array]) -> Ahead:
    leads = PLAN.settings.leads
    if name == "wind_speed":
        east, north = (_degraded(part, weather) for part in ("wind_east", "wind_north"))
        return lambda origins: np.hypot(east(origins), north(origins))
    if name == "rain":
        return lambda origins: _moved(weather[name], origins)
    growth = ERRORS[name] * np.sqrt(np.arange(1, leads + 1) / 24)

    def tell(origins: Ints) -> Array:
        came = truth(weather[name], origins, leads)
        off = np.stack([_off(name, int(origin), came.shape[1:]) for origin in origins])
        return np.asarray(came + growth[None, :, None] * off)

    return tell


def _off(name: str, origin: int, shape: tuple[int, ...]) -> Array:
    """[leads, series] errors of variance 1."""
    rng = np.random.default_rng((SEED, NAMES.index(name), origin))
    drawn = np.sqrt(COMMON) * rng.normal(size=(shape[0], 1)) + np.sqrt(1 - COMMON) * rng.normal(size=shape)
    drawn[1:] *= np.sqrt(1 - KEPT**2)
    return np.asarray(lfilter([1.0], [1.0, -KEPT], drawn, axis=0))


def _moved(rain: Array, origins: Ints) -> Array:
    """[origins, leads, series] the rain as many hours early or late as its forecast errs at each lead."""
    leads = np.arange(PLAN.settings.leads)
    late = np.array([np.random.default_rng((SEED, len(NAMES), int(origin))).normal() for origin in origins])
    shift = np.rint(LATE * np.sqrt((leads + 1) / 24) * late[:, None]).astype(np.int64)
    rows = origins[:, None] + leads + shift
    inside = (rows >= 0) & (rows < len(rain))
    return np.where(inside[:, :, None], rain[np.clip(rows, 0, len(rain) - 1)], np.nan)
