"""The lowest of a night: what is left on where all should be off. A leak, a vent, a works that runs by night.

The lowest reading between midnight and five, local time, against those of the nights before: as water works find leaks
by their minimum night flow. It is judged in the last of these hours, where at least three of them were seen.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import polars as pl

from analytics.detection import _daily
from analytics.parameters import Parameter

NAME = "night"
SETTING = _daily.SETTING
#: Minutes of the local day: the night, and from when on it is judged; how much of it must have been seen.
UNTIL, FROM, SEEN = 300, 240, timedelta(hours=3)
REACH = timedelta(hours=5)


def fit(
    steps: pl.DataFrame, voices: pl.DataFrame, parameters: Mapping[str, Parameter], setting: Mapping[str, Any]
) -> pl.DataFrame:
    """`subject`, `blob`: the usual lowest of a night [unit], the line [unit above it] and the number of nights."""
    rows = _daily.mine(steps, voices, setting)
    nights = _so_far(rows).group_by("series", "day").agg(pl.col("figure").min())
    return _daily.learned(rows, nights, setting)


def score(steps: pl.DataFrame, fits: pl.DataFrame) -> pl.DataFrame:
    """`frames.SCORES`, a row a step of a night; null but from four to five, where three hours were seen."""
    return _daily.scored(_so_far(_daily.known(steps, fits)), fits, NAME)


def _so_far(steps: pl.DataFrame) -> pl.DataFrame:
    """`steps` of nights with `day` and `figure`: the lowest of the night so far [unit], null where it is not judged."""
    key = ["series", "day"]
    rows = _daily.clock(steps).filter(pl.col("minute") < UNTIL)
    seen = pl.col("time") - pl.col("time").min().over(key)
    judged = (pl.col("minute") >= FROM) & (seen >= SEEN)
    return rows.with_columns(pl.when(judged).then(pl.col("value").cum_min().over(key)).alias("figure"))
