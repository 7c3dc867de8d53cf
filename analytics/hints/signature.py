"""By whose clock it rises: work hours, nights, meals, weekdays.

A signature is a contrast within a day, or within a week: hours when people of some kind are at it, against hours of the
same day when they are not. Each day gives one difference, and the sign test counts the days it is positive: hours of
one day are hardly more than one draw, and the weather of a day is on both sides of it (the sign test: Dixon and Mood,
Journal of the American Statistical Association 41, 1946, 557-566). Whether a day is a holiday is not looked at.
"""

from collections.abc import Mapping
from math import comb
from typing import NamedTuple

import polars as pl

from analytics.frames import TIME, conform, settle

#: An hourly value; `offset` [min] from UTC.
HOURS: Mapping[str, pl.DataType] = {
    "series": pl.Int32(),
    "time": TIME,
    "value": pl.Float64(),
    "offset": pl.Int16(),
}
#: The local day: `weekend` or not, `hour`; `count`, `mean` and `median` of its values.
PROFILE: Mapping[str, pl.DataType] = {
    "series": pl.Int32(),
    "weekend": pl.Boolean(),
    "hour": pl.Int8(),
    "count": pl.Int32(),
    "mean": pl.Float64(),
    "median": pl.Float64(),
}
#: Mean of the hours `inside` the signature and of those `beside` it, over the `units` (days, or weeks) that have enough
#: of both; `ratio` of the two, `positive` the share of units where inside is higher, `p` of the sign test that it is no
#: more than half of them. Null where no unit can tell.
SIGNATURES: Mapping[str, pl.DataType] = {
    "series": pl.Int32(),
    "signature": pl.String(),
    "units": pl.Int32(),
    "inside": pl.Float64(),
    "beside": pl.Float64(),
    "ratio": pl.Float64(),
    "positive": pl.Float64(),
    "p": pl.Float64(),
}


class Contrast(NamedTuple):
    """Local hours `inside` and `beside`, on days of the week from `first` to `last` (1: Monday)."""

    inside: tuple[int, ...]
    beside: tuple[int, ...]
    first: int = 1
    last: int = 7


_NIGHT, _WORK = (22, 23, 0, 1, 2, 3, 4, 5), tuple(range(8, 18))
#: Against the hours around them, so that the traffic and the mixing of the day are on both sides.
CONTRASTS: Mapping[str, Contrast] = {
    "work": Contrast(_WORK, (0, 1, 2, 3, 4, 5, 20, 21, 22, 23), last=5),
    "night": Contrast(_NIGHT, _WORK),
    "lunch": Contrast((11, 12), (9, 10, 14, 15)),
    "dinner": Contrast((17, 18, 19), (14, 15, 22, 23)),
}
#: Monday to Friday against the weekend that follows.
WEEKDAY = "weekday"
#: Of the hours of each side so many must have a value, as elsewhere of a mean.
CAPTURE = 0.75


def profile(hours: pl.DataFrame) -> pl.DataFrame:
    """`PROFILE` of each series in `hours` (`HOURS`)."""
    return conform(
        _local(hours)
        .group_by("series", (pl.col("weekday") > 5).alias("weekend"), "hour")
        .agg(
            pl.len().alias("count"),
            settle(pl.col("value").mean()).alias("mean"),
            settle(pl.col("value").median()).alias("median"),
        )
        .sort("series", "weekend", "hour"),
        PROFILE,
    )


def signatures(hours: pl.DataFrame) -> pl.DataFrame:
    """`SIGNATURES` of each series in `hours` (`HOURS`): the `CONTRASTS`, and weekdays against weekends."""
    local = _local(hours)
    units = [_daily(local, name, contrast) for name, contrast in CONTRASTS.items()] + [_weekly(local)]
    told = (
        local.select("series")
        .unique()
        .join(pl.DataFrame({"signature": [*CONTRASTS, WEEKDAY]}), how="cross")
        .join(
            pl.concat(units)
            .with_columns((pl.col("inside") - pl.col("beside")).sign().alias("sign"))
            .group_by("series", "signature")
            .agg(
                pl.len().alias("units"),
                pl.col("inside", "beside").mean(),
                (pl.col("sign") > 0).sum().alias("more"),
                (pl.col("sign") != 0).sum().alias("other"),
            ),
            on=["series", "signature"],
            how="left",
        )
        .with_columns(pl.col("units").fill_null(0))
    )
    # Days without a difference say nothing, as Dixon and Mood have it.
    chance = [_tail(more or 0, other or 0) for more, other in told.select("more", "other").rows()]
    order = pl.col("signature").replace_strict([*CONTRASTS, WEEKDAY], range(len(CONTRASTS) + 1), return_dtype=pl.Int8)
    return conform(
        told.with_columns(
            pl.when(pl.col("other") > 0).then(settle(pl.lit(pl.Series(chance, dtype=pl.Float64)))).alias("p"),
            pl.when(pl.col("units") > 0).then(settle(pl.col("more") / pl.col("units"))).alias("positive"),
            pl.when(pl.col("beside") > 0).then(settle(pl.col("inside") / pl.col("beside"))).alias("ratio"),
            settle(pl.col("inside")),
            settle(pl.col("beside")),
        ).sort("series", order),
        SIGNATURES,
    )


def _tail(more: int, count: int) -> float:
    """How often a fair coin shows so many heads of `count`, or more."""
    ways = sum(comb(count, heads) for heads in range(more, count + 1))
    return float(ways / 2**count)


def _local(hours: pl.DataFrame) -> pl.DataFrame:
    clock = pl.col("time") + pl.duration(minutes=pl.col("offset"))
    return (
        conform(hours, HOURS)
        .drop_nulls("value")
        .sort("series", "time")
        .with_columns(
            clock.dt.date().alias("day"),
            clock.dt.weekday().alias("weekday"),
            clock.dt.hour().cast(pl.Int8).alias("hour"),
        )
    )


def _daily(local: pl.DataFrame, name: str, contrast: Contrast) -> pl.DataFrame:
    """series, signature, inside, beside: a row a day that has enough hours of both."""
    sides = {"inside": contrast.inside, "beside": contrast.beside}
    within = {side: pl.col("hour").is_in(hours) for side, hours in sides.items()}
    enough = [pl.col(f"{side}_count") >= CAPTURE * len(hours) for side, hours in sides.items()]
    return (
        local.filter(pl.col("weekday").is_between(contrast.first, contrast.last))
        .group_by("series", "day", maintain_order=True)
        .agg(
            *(pl.col("value").filter(mine).mean().alias(side) for side, mine in within.items()),
            *(mine.sum().alias(f"{side}_count") for side, mine in within.items()),
        )
        .filter(*enough)
        .select("series", pl.lit(name).alias("signature"), "inside", "beside")
    )


def _weekly(local: pl.DataFrame) -> pl.DataFrame:
    """The same, a row a week: the mean of its five working days, and of its two others."""
    week = pl.col("day").dt.truncate("1w")
    means = local.group_by("series", "day", "weekday", maintain_order=True).agg(
        pl.col("value").mean(), pl.len().alias("count")
    )
    working = pl.col("weekday") <= 5
    return (
        means.filter(pl.col("count") >= CAPTURE * 24)
        .group_by("series", week.alias("week"), maintain_order=True)
        .agg(
            pl.col("value").filter(working).mean().alias("inside"),
            pl.col("value").filter(~working).mean().alias("beside"),
            working.sum().alias("inside_count"),
            (~working).sum().alias("beside_count"),
        )
        .filter(pl.col("inside_count") >= CAPTURE * 5, pl.col("beside_count") >= CAPTURE * 2)
        .select("series", pl.lit(WEEKDAY).alias("signature"), "inside", "beside")
    )
