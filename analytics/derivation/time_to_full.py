"""Hours until a tank or basin is full at the rate of its last hours: 0 where it is full, null where it does not rise.

The rate is the median of the slopes between any two of the last hours (Theil 1950; Sen 1968, J. Am. Stat. Assoc. 63,
1379-1389), so that one odd hour does not turn it. The time counts from the middle of the hour, whose mean the level is.
"""

from collections.abc import Mapping
from datetime import timedelta
from itertools import combinations
from typing import Any

import polars as pl

from analytics.tables import NUMBER

#: What a block of the table must have for this method.
ROLES = ("level",)
GIVEN = ("capacity",)
CONSTANTS: Mapping[str, Any] = {"hours": int, "minimum": int, "slowest": NUMBER, "longest": NUMBER}


def reach(constants: Mapping[str, Any]) -> timedelta:
    """The hours of the rate, the last of which is the hour itself."""
    return timedelta(hours=constants["hours"] - 1)


def derive(rows: pl.DataFrame, constants: Mapping[str, Any], fits: pl.DataFrame) -> pl.DataFrame:
    """`rows` with `value` [h], null where it does not rise, too few hours have a level, or it takes too long."""
    back = range(constants["hours"])
    levels = rows.select("formula", "time", "level")
    known = rows.with_columns(pl.col("level").alias("_0"))
    for hours in back[1:]:
        later = levels.with_columns(pl.col("time") + pl.duration(hours=hours)).rename({"level": f"_{hours}"})
        known = known.join(later, on=["formula", "time"], how="left", maintain_order="left")
    slopes = [(pl.col(f"_{late}") - pl.col(f"_{early}")) / (early - late) for late, early in combinations(back, 2)]
    there = pl.sum_horizontal(pl.col(f"_{hours}").is_not_null().cast(pl.Int32) for hours in back)
    rate = pl.concat_list(slopes).list.drop_nulls().list.median()
    left = pl.col("capacity") - pl.col("level")
    soon = (rate >= constants["slowest"]) & (left / rate <= constants["longest"])
    value = pl.when(left <= 0).then(0.0).when((there >= constants["minimum"]) & soon).then(left / rate)
    return known.with_columns(value.alias("value")).drop(f"_{hours}" for hours in back)
