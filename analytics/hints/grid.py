"""Cells of a grid above their neighbours: by hour of the day, and the list of those to visit now.

A cell is high in an hour where it has more than `FACTOR` times the median of the other cells, and more than the
percentile `FLOOR` of all values of the grid: twice next to nothing is still next to nothing. What weather brings comes
to all cells alike and makes none of them high; what one cell has alone is its own or its neighbour's.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

import polars as pl

from analytics.frames import TIME, conform, settle

#: An hourly value of a cell, which is a station; `offset` [min] from UTC.
HOURS: Mapping[str, pl.DataType] = {
    "station": pl.Int32(),
    "time": TIME,
    "value": pl.Float64(),
    "offset": pl.Int16(),
}
#: A cell in an hour: the median of the `others` (how many: `cells`), `ratio` to it, `rank` among all, 1 the highest.
STANDING: Mapping[str, pl.DataType] = {
    **HOURS,
    "cells": pl.Int32(),
    "others": pl.Float64(),
    "ratio": pl.Float64(),
    "rank": pl.Int32(),
    "high": pl.Boolean(),
}
#: A cell in an hour of the local day: of `count` hours so many are `high`, and their `share`; the median `ratio`.
BY_HOUR: Mapping[str, pl.DataType] = {
    "station": pl.Int32(),
    "hour": pl.Int8(),
    "count": pl.Int32(),
    "high": pl.Int32(),
    "share": pl.Float64(),
    "ratio": pl.Float64(),
}
#: A cell to visit. High in `hours` of the last day, first at `since`, last in the hour of `last`; highest at
#: `peak_time` with `peak`, where the others had `others`, `ratio` times as much. `on`: it still is, as far as is known;
#: `blind`: nothing has come of it since. `usual`: how often it is high at the hours of the day when it was, in all that
#: was looked at. Not worth a visit any more at `expires`.
HOT: Mapping[str, pl.DataType] = {
    "station": pl.Int32(),
    "since": TIME,
    "last": TIME,
    "hours": pl.Int32(),
    "peak": pl.Float64(),
    "peak_time": TIME,
    "others": pl.Float64(),
    "ratio": pl.Float64(),
    "on": pl.Boolean(),
    "blind": pl.Boolean(),
    "usual": pl.Float64(),
    "expires": TIME,
}
FACTOR, FLOOR = 2.0, 75.0
#: Cells beside one of which a value must be known.
LEAST = 3
#: A cell is worth a visit for so long after its last high hour, where it had so many of them within a day.
KEEP, PERSISTENT = timedelta(hours=6), 2
_DAY, _HOUR = timedelta(days=1), timedelta(hours=1)


def standing(hours: pl.DataFrame, *, factor: float = FACTOR, floor: float = FLOOR, least: int = LEAST) -> pl.DataFrame:
    """`STANDING` of all `hours` (`HOURS`) of one grid that have a value, by time and station. `others`, `ratio` are
    null, and nothing is high, where fewer than `least` other cells have one."""
    rows = conform(hours, HOURS).drop_nulls("value").sort("time", "value", "station").with_row_index("row")
    place = pl.int_range(pl.len()).over("time")
    rows = rows.with_columns(place.alias("place"), pl.len().over("time").alias("all"), _first().alias("first"))

    def other(nr: pl.Expr) -> pl.Expr:
        """The value of the other cells of the hour that is number `nr` of them, from the least."""
        return pl.col("value").gather(pl.col("first") + nr + (nr >= pl.col("place")).cast(pl.Int64))

    enough = pl.col("all") > least
    # Where there are too few, any row will do to look at: it is not taken.
    low, top = ((pl.when(enough).then(pl.col("all") - 2 + step).otherwise(0) // 2) for step in (0, 1))
    in_reach = pl.when(enough).then(pl.col("first")).otherwise(0)
    rows = rows.with_columns(in_reach.alias("first"), pl.when(enough).then(pl.col("place")).otherwise(1).alias("place"))
    median = pl.when(enough).then(settle((other(low) + other(top)) / 2))
    bottom = pl.col("value").quantile(floor / 100, "linear")
    return conform(
        rows.with_columns(median.alias("others"), (pl.col("all") - 1).alias("cells"))
        .with_columns(
            pl.when(pl.col("others") > 0).then(settle(pl.col("value") / pl.col("others"))).alias("ratio"),
            pl.col("value").rank("min", descending=True).over("time").alias("rank"),
            ((pl.col("value") > factor * pl.col("others")) & (pl.col("value") > bottom))
            .fill_null(value=False)
            .alias("high"),
        )
        .sort("time", "station"),
        STANDING,
    )


def by_hour(found: pl.DataFrame) -> pl.DataFrame:
    """`BY_HOUR` of `STANDING`, by station and hour of its local day: hours that could be compared with others."""
    local = (pl.col("time") + pl.duration(minutes=pl.col("offset"))).dt.hour()
    return conform(
        found.drop_nulls("others")
        .group_by("station", local.alias("hour"))
        .agg(
            pl.len().alias("count"),
            pl.col("high").sum(),
            settle(pl.col("high").mean()).alias("share"),
            settle(pl.col("ratio").median()).alias("ratio"),
        )
        .sort("station", "hour"),
        BY_HOUR,
    )


def hot(found: pl.DataFrame, now: datetime, *, keep: timedelta = KEEP, persistent: int = PERSISTENT) -> pl.DataFrame:
    """`HOT`: the cells of `STANDING` that were high in `persistent` hours of the day before `now` and are still worth a
    visit; those that still are high first, then by how much above the others they were in all.

    Hours that had not ended by `now` are not looked at. That nothing came since is no reason to leave a cell out.
    """
    ended = found.filter(pl.col("time") + _HOUR <= now)
    edge = ended["time"].max()
    usual = by_hour(ended).select("station", "hour", "share")
    local = (pl.col("time") + pl.duration(minutes=pl.col("offset"))).dt.hour().cast(pl.Int8).alias("hour")
    heard = ended.group_by("station").agg(pl.col("time").max().alias("heard"))
    highs = (
        ended.filter(pl.col("high"), pl.col("time") + _DAY >= now)
        .with_columns(local)
        .join(usual, on=["station", "hour"])
        .sort("station", "time")
    )
    top = pl.col("value").arg_max()
    cells = (
        highs.group_by("station", maintain_order=True)
        .agg(
            pl.col("time").first().alias("since"),
            pl.col("time").last().alias("last"),
            pl.len().alias("hours"),
            pl.col("value").get(top).alias("peak"),
            pl.col("time").get(top).alias("peak_time"),
            pl.col("others", "ratio").get(top),
            settle(pl.col("share").mean()).alias("usual"),
            settle((pl.col("value") - pl.col("others")).sum()).alias("dose"),
        )
        .filter(pl.col("hours") >= persistent)
        .join(heard, on="station")
        .with_columns(
            (pl.col("last") == pl.col("heard")).alias("on"),
            (pl.col("heard") < pl.lit(edge, TIME)).alias("blind"),
            (pl.col("last") + _HOUR + keep).alias("expires"),
        )
        .filter(pl.col("expires") > now)
        .sort("on", "dose", "station", descending=[True, True, False])
    )
    return conform(cells, HOT)


def _first() -> pl.Expr:
    """The row where the hour begins."""
    return pl.col("row").cast(pl.Int64).min().over("time")
