"""What charts are drawn from: hours, readings and forecasts of a quantity, as plain lists that JSON can carry."""

from datetime import datetime, timedelta
from typing import Any

import polars as pl

from analytics.frames import TIME
from analytics.store import derived, state
from analytics.store.connection import Connection
from jobs.readings import load_readings

#: A chart has about so many points across: more would fall on one another.
POINTS = 600
#: Readings that are not good and are shown one by one at most; the newest of them.
ODD = 400


def hours(conn: Connection, series: pl.DataFrame, start: datetime, stop: datetime) -> pl.DataFrame:
    """voice, time, value: hourly means of the series that speaks, else of its stand-in, by voice and time.

    `series` are those of the voices that are asked for: series, voice, rank, as `registry.load_voices` has them.
    """
    rows = derived.load(conn, derived.AVERAGE, _windows(series, start, stop), {"averaging": ["hour"]})
    return (
        rows.filter(pl.col("value").is_not_null())
        .join(series.select("series", "voice", "rank"), on="series")
        .sort("rank")
        .unique(["voice", "time"], keep="first", maintain_order=True)
        .select("voice", "time", "value")
        .sort("voice", "time")
    )


def readings(conn: Connection, series: pl.DataFrame, start: datetime, stop: datetime) -> pl.DataFrame:
    """voice, time, value, code (null: good): readings of who speaks, and before its first one of its stand-in.

    As they count, corrected and without what is withdrawn. `series` as for `hours`.
    """
    windows = _windows(series, start, stop)
    found = load_readings(conn, windows).counted.join(series.select("series", "voice", "rank"), on="series")
    codes = derived.load(conn, derived.VERDICT, windows).select("series", "time", "code")
    first = pl.col("time").filter(pl.col("rank") == 0).min().over("voice")
    kept = found.filter((pl.col("rank") == 0) | first.is_null() | (pl.col("time") < first))
    return (
        kept.join(codes, on=["series", "time"], how="left")
        .select("voice", "time", "value", "code")
        .sort("voice", "time")
    )


def thin(rows: pl.DataFrame, start: datetime, stop: datetime) -> pl.DataFrame:
    """time, value, low, high: good readings in equal periods, their mean and their extremes, at most POINTS of them."""
    width = max(timedelta(minutes=1), (stop - start) / POINTS)
    every = f"{round(width.total_seconds())}s"
    good = rows.filter(pl.col("code").is_null() | ~pl.col("code").is_in([3, 4, 9]))
    return (
        good.group_by(pl.col("time").dt.truncate(every))
        .agg(pl.col("value").mean(), pl.col("value").min().alias("low"), pl.col("value").max().alias("high"))
        .sort("time")
    )


def chart(
    rows: pl.DataFrame, means: pl.DataFrame, forecast: dict[str, Any] | None, span: tuple[datetime, datetime]
) -> dict[str, Any]:
    """One chart as columns on one axis of seconds: readings (mean, low, high), not-good readings, hours, forecast."""
    thinned = thin(rows, *span).rename({"value": "mean"})
    bad = rows.filter(pl.col("code").is_in([3, 4, 9])).tail(ODD)
    odd = bad.select(
        "time",
        pl.when(pl.col("code") == 3).then("value").alias("suspect"),
        pl.when(pl.col("code") != 3).then("value").alias("fail"),
    )
    hourly = means.select(pl.col("time") + pl.duration(minutes=30), pl.col("value").alias("hour"))
    frames = [thinned, odd.unique("time"), hourly, _ahead(forecast)]
    joined = frames[0]
    for frame in frames[1:]:
        joined = joined.join(frame, on="time", how="full", coalesce=True)
    joined = joined.sort("time")
    seconds = (joined["time"].dt.epoch("ms") / 1000).to_list()
    columns = ["mean", "low", "high", "hour", "forecast", "forecast_low", "forecast_high", "suspect", "fail"]
    return {
        "time": seconds,
        **{name: joined[name].round(6).to_list() for name in columns},
        "issued": None if forecast is None else forecast["issued"].timestamp(),
        "level": None if forecast is None else forecast["level"],
    }


def _ahead(forecast: dict[str, Any] | None) -> pl.DataFrame:
    names = {"forecast": "value", "forecast_low": "low", "forecast_high": "high"}
    schema: dict[str, Any] = {"time": TIME, **dict.fromkeys(names, pl.Float64)}
    if forecast is None:
        return pl.DataFrame(schema=schema)
    step = timedelta(seconds=forecast["step"])
    times = [forecast["start"] + step * (lead + 0.5) for lead in range(len(forecast["value"]))]
    return pl.DataFrame({"time": times, **{name: forecast[key] for name, key in names.items()}}, schema=schema)


def charts(
    conn: Connection, series: pl.DataFrame, now: datetime, past: timedelta, ahead: timedelta
) -> dict[int, dict[str, Any]]:
    """The chart of each voice of `series` (as for `hours`): `past` before `now`, forecasts to `ahead` after it."""
    voices = series["voice"].unique().sort().to_list()
    start, stop = now - past, now
    found = readings(conn, series, start, stop)
    means = hours(conn, series, start, stop)
    forecasts = state.forecasts(conn, voices)
    horizon = now + ahead
    out = {}
    for voice in voices:
        rows, mean = found.filter(voice=voice).drop("voice"), means.filter(voice=voice).drop("voice")
        forecast = forecasts.get(voice)
        if forecast is not None and forecast["issued"] < now - ahead:
            forecast = None  # too old to say anything of what is to come
        if rows.height or mean.height:
            out[voice] = chart(rows, mean, None if forecast is None else _until(forecast, horizon), (start, stop))
    return out


def _until(forecast: dict[str, Any], horizon: datetime) -> dict[str, Any]:
    leads = int((horizon - forecast["start"]).total_seconds() // forecast["step"])
    return {**forecast, **{key: forecast[key][:leads] for key in ("value", "low", "high")}}


def _windows(series: pl.DataFrame, start: datetime, stop: datetime) -> pl.DataFrame:
    return series.select("series", pl.lit(start, TIME).alias("start"), pl.lit(stop, TIME).alias("stop"))
