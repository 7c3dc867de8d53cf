"""Forecasts: hourly history to the hours ahead, each member of this folder in its own way; `issue` picks and bands.

A member's `forecast(history, origins, settings)` takes a grid [hours, series] on the scale where errors are alike, NaN
for gaps, and gives [origins, leads, series]: lead 1 is the row of the origin itself, and no row from there on is read.
NaN is "cannot say". Members know nothing of one another; the gate (skill.py) decides who is served.
"""

from collections.abc import Mapping, Sequence

import polars as pl

from analytics.family import members
from analytics.forecasting import _boosting as boosting
from analytics.forecasting import _issue
from analytics.forecasting._boosting import Fit, Shape
from analytics.forecasting._calendar import free
from analytics.forecasting._issue import ISSUES, Asked
from analytics.forecasting._panel import Panel
from analytics.forecasting._scale import Subject, back, onto
from analytics.forecasting._settings import TABLE, Plan, Settings, load, parse
from analytics.skill import Array, Ints
from analytics.skill import origins as _origins

__all__ = [
    "FORECASTERS",
    "ISSUES",
    "LEARNED",
    "NAIVE",
    "TABLE",
    "Array",
    "Asked",
    "Plan",
    "Settings",
    "Subject",
    "issue",
    "origins",
]
__all__ += ["Fit", "Panel", "Shape", "back", "boosting", "free", "load", "onto", "parse"]

FORECASTERS = members(__name__, "forecast")

#: What a model must beat to be served; in the order in which they are served where nothing can be tested.
NAIVE = ("damped-persistence", "persistence", "seasonal-naive")


#: Models that are taught by the clock and read more than the series itself: the caller says what they say.
LEARNED = (boosting.NAME,)


def origins(settings: Settings) -> Ints:
    """The times of issue that models are tested on, as rows of a history of `history` hours; the last is its end."""
    return _origins(settings.history, backtest=settings.backtest, step=settings.step)


def issue(
    history: Array, asked: Sequence[Asked], settings: Settings, told: Mapping[str, Array] | None = None
) -> pl.DataFrame:
    """ISSUES of the columns of `history` [hours, series] for the hours after its end, as `_issue.issue` says.

    `told` is what the LEARNED say at `origins`, by name: [origins, leads, series] on the scale of each series.
    """
    return _issue.issue(history, asked, settings, FORECASTERS, NAIVE, told or {})
