"""What is measured of the hourly values of a station: the value itself, or what it did in the hours up to it.

A measure of an hour looks at the window of so many hours that ends with it, and at nothing else, so it is the same
whatever else is loaded (DESIGN.md, law 3). Sums are of whole millionths, which add up to the same bits in any order.
"""

from collections.abc import Mapping
from typing import NamedTuple

import polars as pl

from analytics.frames import TIME, empty, settle

MICRO = 1_000_000
KEY = ["station", "time"]
#: What the functions here give: of a station and hour.
MEASURED: Mapping[str, pl.DataType] = {"station": pl.Int32(), "time": TIME, "value": pl.Float64()}


class Measure(NamedTuple):
    """What it makes of a window, and of how many values at least. `own` is the value of the hour itself."""

    value: pl.Expr
    least: int = 1


def _measures() -> dict[str, Measure]:
    own, low, high, count = (pl.col(name) for name in ("own", "low", "high", "count"))
    others = (pl.col("total") - (own * MICRO).round().cast(pl.Int64)) / (count - 1) / MICRO
    return {
        "value": Measure(own),
        "newest": Measure(pl.col("newest")),
        "highest": Measure(high),
        "lowest": Measure(low),
        "mean": Measure(pl.col("total") / count / MICRO),
        "total": Measure(pl.col("total") / MICRO),
        "rise": Measure(own - low, 2),
        "fall": Measure(high - own, 2),
        "spread": Measure(high - low, 2),
        "times": Measure(pl.when(others > 0).then(own / others), 2),  # how many times the mean of the others
    }


MEASURES: Mapping[str, Measure] = _measures()


def facts(spoken: pl.DataFrame, fact: tuple[str, str]) -> pl.DataFrame:
    """`MEASURED` of what `spoken` (station, parameter, averaging, time, value) says of a (parameter, averaging)."""
    return spoken.filter(parameter=fact[0], averaging=fact[1]).select(*MEASURED)


def less(own: pl.DataFrame, other: pl.DataFrame) -> pl.DataFrame:
    """`MEASURED`: `own` minus `other`, at the hours of both."""
    both = own.join(other, on=KEY, suffix="_other")
    return both.select(*KEY, settle(pl.col("value") - pl.col("value_other")).alias("value"))


def ratio(own: pl.DataFrame, other: pl.DataFrame) -> pl.DataFrame:
    """`MEASURED`: `own` divided by `other`, at the hours of both where the other is above 0."""
    both = own.join(other.filter(pl.col("value") > 0), on=KEY, suffix="_other")
    return both.select(*KEY, settle(pl.col("value") / pl.col("value_other")).alias("value"))


def window(values: pl.DataFrame, asked: pl.DataFrame, measure: str, hours: int, least: int) -> pl.DataFrame:
    """`MEASURED` of the `hours` that end with each hour `asked` (station, time) for; no row where fewer than `least` of
    `values` (`MEASURED`) lie in them, or nothing can be said."""
    if values.height < least:
        return empty(MEASURED)
    hour = asked.select(KEY).unique()
    every = values.join(hour, on=KEY, how="full", coalesce=True).sort(KEY)
    value = pl.col("value")
    looked = every.rolling("time", period=f"{hours}h", group_by="station").agg(
        value.last().alias("own"),
        value.drop_nulls().last().alias("newest"),
        value.min().alias("low"),
        value.max().alias("high"),
        (value * MICRO).round().cast(pl.Int64).sum().alias("total"),
        value.count().cast(pl.Int64).alias("count"),
    )
    return (
        looked.filter(pl.col("count") >= least)
        .join(hour, on=KEY, how="semi")
        .select(*KEY, settle(MEASURES[measure].value).alias("value"))
        .drop_nulls()
        .select(pl.col(name).cast(dtype) for name, dtype in MEASURED.items())
    )
