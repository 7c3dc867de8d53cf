"""What cooking adds: the mean of a meal's hours over that of the two hours before, against that of the days before.

Meals are eaten from 11 to 13 and from 17 to 20 local time; each is judged in its last hour, by what was seen of it so
far. Catering is the largest source of VOCs that a street has at these hours.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import polars as pl

from analytics.detection import _daily
from analytics.parameters import Parameter

NAME = "meals"
SETTING = _daily.SETTING
#: Minutes of the local day at which each meal begins and ends; what is judged, and what is before it [min].
MEALS = ((660, 780), (1020, 1200))
LAST, BEFORE = 60, 120
REACH = timedelta(hours=5)


def fit(
    steps: pl.DataFrame, voices: pl.DataFrame, parameters: Mapping[str, Parameter], setting: Mapping[str, Any]
) -> pl.DataFrame:
    """`subject`, `blob`: the most that a meal usually adds [unit], the line [unit above it] and the number of meals."""
    rows = _daily.mine(steps, voices, setting)
    most = _so_far(rows).group_by("series", "day", "meal").agg(pl.col("figure").max())
    return _daily.learned(rows, most, setting)


def score(steps: pl.DataFrame, fits: pl.DataFrame) -> pl.DataFrame:
    """`frames.SCORES`, a row a step of a meal or before it; null but in the last hour of one seen, and before."""
    return _daily.scored(_so_far(_daily.known(steps, fits)), fits, NAME)


def _so_far(steps: pl.DataFrame) -> pl.DataFrame:
    """`steps` of meals and before, with `day`, `meal` and `figure`: what it adds [unit], null where not judged."""
    minute, key = pl.col("minute"), ["series", "day", "meal"]
    meal, eating, last = pl.lit(None, pl.Int32), pl.lit(value=False), pl.lit(value=False)
    for number, (start, stop) in enumerate(MEALS):
        meal = pl.when(minute.is_between(start - BEFORE, stop, closed="left")).then(number).otherwise(meal)
        eating |= minute.is_between(start, stop, closed="left")
        last |= minute.is_between(stop - LAST, stop, closed="left")
    rows = _daily.clock(steps).with_columns(meal.alias("meal"), eating.alias("eating"), last.alias("last"))
    rows = rows.drop_nulls("meal")
    # Added up as whole millionths: the same sum in any piece.
    whole = (pl.col("value") * 1_000_000).round().cast(pl.Int64)
    inside = pl.when("eating").then(whole).otherwise(0).cum_sum().over(key) / pl.col("eating").cum_sum().over(key)
    before = pl.when(~pl.col("eating")).then(whole).mean().over(key)
    return rows.with_columns(pl.when("last").then((inside - before) / 1_000_000).alias("figure"))
