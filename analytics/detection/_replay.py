"""What a detector would have learned of the past by the clock: for benchmarks, reports and tests."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import polars as pl

from analytics.frames import TIME, empty
from analytics.parameters import Parameter

Fit = Callable[[pl.DataFrame, pl.DataFrame, Mapping[str, Parameter], Mapping[str, Any]], pl.DataFrame]

DAY, WEEK = timedelta(days=1), timedelta(weeks=1)
#: What is young is learned every day.
YOUNG = timedelta(days=28)


def fits_of(
    fit: Fit,
    steps: pl.DataFrame,
    voices: pl.DataFrame,
    parameters: Mapping[str, Parameter],
    setting: Mapping[str, Any],
    every: timedelta = WEEK,
) -> pl.DataFrame:
    """`subject`, `valid_from`, `blob`: what `fit` learns of `steps` as soon as a series of its station, or one near it
    where `voices` say so, has as many readings as the setting asks for, at each local midnight of the `YOUNG` days
    after that, and then at one of `every`. Nothing looks ahead, and nothing depends on where the steps end."""
    rows = steps.sort("time", "series")
    times, last = rows["time"], rows["time"].max()
    least = setting.get("least") or setting["hours"]
    whole = rows.group_by("series").agg(
        pl.col("time").sort().get(least, null_on_oob=True).alias("ready"),
        pl.col("offset").first(),
    )
    beside = {series: {series} for series in voices["series"]}
    if "station" in voices.columns:
        stations = voices.group_by("station").agg("series")["series"].to_list()
        beside = {series: set(together) for together in stations for series in together}
    if "near" in voices.columns:
        for series, near in voices.select("series", "near").drop_nulls().iter_rows():
            beside[series] = beside[series] | set(near)
    dates: dict[Any, set[int]] = {}
    for series, ready, offset in whole.drop_nulls("ready").sort("series").iter_rows():
        dates.setdefault(ready, set()).update(beside[series])
        shift = timedelta(minutes=offset)
        midnight = (ready + shift).replace(hour=0, minute=0, second=0, microsecond=0) - shift + DAY
        while midnight <= last:
            dates.setdefault(midnight, set()).add(series)
            midnight += DAY if midnight - ready < YOUNG else every
    window, made = timedelta(days=setting["window"]), []
    for date, series in sorted(dates.items()):
        low, high = times.search_sorted(date - window), times.search_sorted(date)
        wanted = pl.col("series").is_in(sorted(series))
        found = fit(rows.slice(low, high - low).filter(wanted), voices.filter(wanted), parameters, setting)
        made.append(found.with_columns(pl.lit(date).cast(TIME).alias("valid_from")))
    schema = {"subject": pl.Int32(), "blob": pl.Binary(), "valid_from": TIME}
    return pl.concat(made) if made else empty(schema)
