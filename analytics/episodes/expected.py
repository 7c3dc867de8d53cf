"""What the mean of the local day will be, as known hour by hour: what was measured of it, and a forecast of the rest.

A day counts by its mean (HJ 633), so this says "heavy" as soon as the day can hardly be anything else, hours before the
mean of the last 24 h does; and it does not call heavy what ends with the day.
"""

import polars as pl

from analytics.episodes.measures import MICRO
from analytics.frames import TIME, settle

#: What it is called among the averagings that rules speak of.
EXPECTED = "expected_day"
HOUR = pl.duration(hours=1)
#: Hours a forecast may be old and still count.
FRESH = 6
#: Hours of a day that must be known or forecast, as of a day mean.
LEAST = 20
_QUANTITY = ["station", "parameter"]


def expected(hours: pl.DataFrame, issues: pl.DataFrame, stations: pl.DataFrame, fresh: int = FRESH) -> pl.DataFrame:
    """station, parameter, averaging, time, value: the mean of the local day of each hour that was measured, as expected
    at its end, by station, parameter and time; no row where fewer than `LEAST` of its hours are known or forecast.

    `hours` (station, parameter, time, value): hourly means. `issues` (station, parameter, issued, time, value):
    forecasts; that counts which was issued last, and at most `fresh` hours before. `stations`: station, offset [min].
    """
    rows = hours.join(stations.select("station", "offset"), on="station").sort(*_QUANTITY, "time")
    micros = (pl.col("value") * MICRO).round().cast(pl.Int64)
    known = rows.with_columns(
        micros.cum_sum().over(*_QUANTITY, _day("time")).alias("sum"),
        pl.int_range(1, pl.len() + 1).over(*_QUANTITY, _day("time")).alias("count"),
        (pl.col("time") + HOUR).alias("end"),
    )
    ahead = issues.join(stations.select("station", "offset"), on="station").rename({"time": "hour"})
    newest = ahead.select(*_QUANTITY, "issued").unique().sort("issued")
    asked = (
        known.sort("end")
        .join_asof(
            newest.with_columns(pl.col("issued").alias("end")),
            on="end",
            by=_QUANTITY,
            tolerance=f"{fresh}h",
            check_sortedness=False,
        )
        .select(*_QUANTITY, "time", "offset", "sum", "count", "issued")
    )
    rest = (
        asked.drop_nulls("issued")
        .join(ahead.select(*_QUANTITY, "issued", "hour", "value"), on=[*_QUANTITY, "issued"])
        .filter(pl.col("hour") > pl.col("time"), _day("hour") == _day("time"))
        .group_by(*_QUANTITY, "time")
        .agg(micros.sum().alias("sum_ahead"), pl.len().cast(pl.Int64).alias("count_ahead"))
    )
    both = asked.join(rest, on=[*_QUANTITY, "time"], how="left").with_columns(
        pl.col("sum_ahead", "count_ahead").fill_null(0)
    )
    count = pl.col("count") + pl.col("count_ahead")
    return (
        both.filter(count >= LEAST)
        .select(
            pl.col("station").cast(pl.Int32),
            "parameter",
            pl.lit(EXPECTED).alias("averaging"),
            pl.col("time").cast(TIME),
            settle((pl.col("sum") + pl.col("sum_ahead")) / count / MICRO).alias("value"),
        )
        .sort(*_QUANTITY, "time")
    )


def _day(time: str) -> pl.Expr:
    """Number of the local day."""
    minute = pl.col(time).to_physical() // (60 * MICRO) + pl.col("offset")
    return minute // 1440
