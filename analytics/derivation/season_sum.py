"""What has come together since the start of the season, the last one that was: a sum of hours [unit of the part].

The season begins at local midnight of a day of the year, and its first hour begins the sum anew. The hours are added
as whole millionths, so that the sum has the same bits however it was cut. `count` of `expected`: hours of the season so
far that have a value, of those that there were. What is missing adds nothing, and where too much is missing there is no
sum.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import polars as pl

MICRO = 1_000_000
HOUR = 3_600_000_000  # [µs]


#: What a block of the table must have for this method.
ROLES = ("part",)
GIVEN = ("month", "day")
CONSTANTS: Mapping[str, Any] = {"capture": float}


def reach(constants: Mapping[str, Any]) -> timedelta:
    """A season is a year."""
    return timedelta(days=366)


def derive(rows: pl.DataFrame, constants: Mapping[str, Any], fits: pl.DataFrame) -> pl.DataFrame:
    """`rows` with `value`, null below the data capture of `constants`; `count` and `expected` [h] of the season."""
    season = ["formula", "_start"]
    parts = rows.with_columns(_start=_start())
    there = pl.col("part").is_not_null()
    sums = parts.with_columns(
        _sum=(pl.col("part").fill_null(0.0) * MICRO).round().cast(pl.Int64).cum_sum().over(season, order_by="time"),
        count=there.cast(pl.Int64).cum_sum().over(season, order_by="time"),
        expected=(pl.col("time") - pl.col("_start")).dt.total_microseconds() // HOUR + 1,
    )
    enough = pl.col("count") >= constants["capture"] * pl.col("expected")
    value = pl.when(enough & (pl.col("count") > 0)).then(pl.col("_sum") / MICRO)
    return sums.with_columns(value.alias("value")).drop("_start", "_sum")


def _start() -> pl.Expr:
    """UTC time at which the season of an hour began."""
    local = pl.col("time").dt.replace_time_zone(None) + pl.duration(minutes="offset")
    month, day = pl.col("month").cast(pl.Int8), pl.col("day").cast(pl.Int8)
    this = pl.datetime(local.dt.year(), month, day)
    began = pl.when(local >= this).then(this).otherwise(pl.datetime(local.dt.year() - 1, month, day))
    return (began - pl.duration(minutes="offset")).dt.replace_time_zone("UTC").cast(pl.Datetime("us", "UTC"))
