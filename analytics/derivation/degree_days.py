"""Degree-days [°C·d] of an hour: how far its temperature [°C] lies beyond the base, a 24th of a day long.

The hours of a day add up to its degree-days, which so are those of the temperature as it was, and not of its two
extremes: CIBSE TM41:2006 calls it the most exact of the methods. Warmer than `upper` counts as `upper` (McMaster and
Wilhelm 1997, Agric. For. Meteorol. 87, 291-300: colder than the base counts as the base, hour by hour).
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import polars as pl

#: What a block of the table must have for this method.
ROLES = ("temperature",)
GIVEN = ("base",)
CONSTANTS: Mapping[str, Any] = {"sign": int}


def reach(constants: Mapping[str, Any]) -> timedelta:
    """An hour is made of itself."""
    return timedelta(0)


def derive(rows: pl.DataFrame, constants: Mapping[str, Any], fits: pl.DataFrame) -> pl.DataFrame:
    """`rows` with `value` [°C·d], of what lies above the base, or below it where the sign is -1."""
    t = pl.col("temperature")
    if "upper" in rows.columns:
        t = pl.min_horizontal(t, "upper")
    beyond = constants["sign"] * (t - pl.col("base"))
    value = pl.when(pl.col("temperature").is_not_null()).then(pl.max_horizontal(beyond, pl.lit(0.0)) / 24)
    return rows.with_columns(value.alias("value"))
