"""Made-up histories, and what is forecast and issued of them."""

import math
from typing import Any

import numpy as np
import polars as pl

from analytics import forecasting
from analytics.forecasting import FORECASTERS, ISSUES, Array, Asked, Subject

PLAN = forecasting.load()
SETTINGS = PLAN.settings
NAN = math.nan


def noisy(
    hours: int, series: int = 1, *, wave: float = 8.0, noise: float = 1.0, kept: float = 0.9, seed: int = 1
) -> Array:
    """[hours, series] a day's wave around 40 and an error that keeps the share `kept` of itself each hour."""
    rng = np.random.default_rng(seed)
    errors = np.zeros((hours, series))
    for hour in range(1, hours):
        errors[hour] = kept * errors[hour - 1] + noise * rng.normal(size=series)
    return np.asarray(40 + wave * np.sin(2 * np.pi * np.arange(hours)[:, None] / 24) + errors)


def ahead(name: str, history: Array, *origins: int) -> Array:
    return np.asarray(FORECASTERS[name](history, np.array(origins or [len(history)]), SETTINGS))


def issue(history: Array, subject: Subject | None = None, reason: str = "") -> dict[int, dict[str, Any]]:
    """What is issued, by column."""
    mine = subject or Subject("made_up", models=("harmonic",))
    asked = [Asked(number, mine, mine.models, reason) for number in range(history.shape[1])]
    made = forecasting.issue(history, asked, SETTINGS)
    assert made.schema == pl.Schema(ISSUES)
    return {row["series"]: row for row in made.iter_rows(named=True)}
