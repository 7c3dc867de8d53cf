"""Windows of time that are stale: made of changes, merged, widened by a reach, cut to a budget."""

from datetime import datetime, timedelta

import polars as pl

from analytics.frames import TIME
from analytics.store.ledger.stages import INSTANT, WINDOWS, Stage

#: A stretch with no change longer than this splits a run.
_GRAIN = timedelta(hours=3)
#: Less time is no take.
_LEAST = timedelta(hours=1)


def runs(rows: pl.DataFrame, subject: str, grain: timedelta = _GRAIN) -> pl.DataFrame:
    """WINDOWS that cover the times of `rows` (`subject`, time): one a run, a gap over `grain` begins a new one."""
    ordered = rows.select(pl.col(subject).cast(pl.Int32).alias("subject"), "time").sort("subject", "time")
    new = (pl.col("subject") != pl.col("subject").shift()) | (pl.col("time").diff() > grain)
    return (
        ordered.with_columns(new.fill_null(True).cum_sum().alias("run"))
        .group_by("run", maintain_order=True)
        .agg(pl.col("subject").first(), pl.col("time").min().alias("start"), pl.col("time").max().alias("stop"))
        .select("subject", "start", pl.col("stop") + INSTANT)
    )


def merge(windows: pl.DataFrame) -> pl.DataFrame:
    """`windows`, those of a subject that overlap or touch made one, sorted."""
    if windows.height < 2:  # as nearly always where readings come one by one
        return windows.select(*WINDOWS)
    ordered = windows.select(*WINDOWS).sort("subject", "start")
    reach = pl.col("stop").cum_max().shift().over("subject")
    apart = (reach.is_null() | (pl.col("start") > reach)).cum_sum().alias("run")
    return (
        ordered.with_columns(apart)
        .group_by("run", maintain_order=True)
        .agg(pl.col("subject").first(), pl.col("start").min(), pl.col("stop").max())
        .select(*WINDOWS)
    )


def widen(
    windows: pl.DataFrame, stage: Stage, cadences: pl.DataFrame, before: timedelta, after: timedelta
) -> pl.DataFrame:
    """`windows` from `before` earlier to `after` later, on the stage's grid; its cadences may ask for more."""
    if stage.cadences:
        steps = pl.duration(seconds=stage.cadences * pl.col("cadence").fill_null(0))
        early, late = pl.max_horizontal(pl.lit(before), steps), pl.max_horizontal(pl.lit(after), steps)
        known = cadences.select("subject", "cadence")
        windows = windows.join(known, on="subject", how="left", maintain_order="left")
    else:
        early, late = pl.lit(before), pl.lit(after)
    grid = f"{stage.grid // INSTANT}us"
    stop = (pl.col("stop") + late - INSTANT).dt.truncate(grid) + stage.grid
    return windows.with_columns((pl.col("start") - early).dt.truncate(grid).alias("start"), stop.alias("stop")).select(
        *WINDOWS
    )


def parted(windows: pl.DataFrame, since: datetime) -> tuple[pl.DataFrame, pl.DataFrame]:
    """`windows` as far as they lie after `since`, and as far as they lie before it."""
    border = pl.lit(since, TIME)
    return (
        windows.filter(pl.col("stop") > border).with_columns(pl.max_horizontal("start", border).alias("start")),
        windows.filter(pl.col("start") < border).with_columns(pl.min_horizontal("stop", border).alias("stop")),
    )


def cut(windows: pl.DataFrame, cadences: pl.DataFrame, budget: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The first windows that hold about `budget` rows, and the rest; the window at the border is cut in two."""
    step = pl.col("step").fill_null(3600.0)
    rows = ((pl.col("stop") - pl.col("start")).dt.total_seconds() / step + 1).alias("rows")
    counted = windows.join(cadences, on="subject", how="left", maintain_order="left").with_columns(rows)
    counted = counted.with_columns((pl.col("rows").cum_sum() - pl.col("rows")).alias("before"))
    room = pl.duration(microseconds=((pl.lit(budget) - pl.col("before")) * step * 1_000_000).ceil())
    border = pl.min_horizontal(pl.col("stop"), pl.col("start") + room)
    inside = counted.filter(pl.col("before") < budget).with_columns(border.alias("border"))
    rest = pl.concat(
        [
            inside.filter(pl.col("border") < pl.col("stop"))
            .with_columns(pl.col("border").alias("start"))
            .select(*WINDOWS),
            counted.filter(pl.col("before") >= budget).select(*WINDOWS),
        ]
    )
    return inside.with_columns(pl.col("border").alias("stop")).select(*WINDOWS), rest


def cut_abreast(
    windows: pl.DataFrame, stage: Stage, cadences: pl.DataFrame, budget: int
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """`windows` up to a time, before which about `budget` rows are read, an hour at least; and after it.

    `cadences` says, beside `subject` and `step` [s], whom a subject `reads`, itself among them, and the steps of those
    and times of their `first` and `last` row, null where there is none: a take reads a row once, whoever asks.
    """
    affected = merge(widen(windows, stage, cadences, stage.forward, stage.back))
    load = merge(widen(affected, stage, cadences, stage.back, stage.forward))
    reads = pl.coalesce("reads", pl.concat_list("subject"))
    asked = load.join(cadences, on="subject", how="left").select(reads.alias("subject"), "start", "stop")
    rate = (1 / pl.col("step").fill_null(3600.0)).alias("rate")
    whole = merge(asked.explode("subject", empty_as_null=False)).join(cadences, on="subject", how="left")
    known = pl.col("step").is_not_null()
    start = pl.when(known).then(pl.max_horizontal("start", "first")).otherwise("start").alias("start")
    stop = pl.when(known).then(pl.min_horizontal("stop", pl.col("last") + INSTANT)).otherwise("stop").alias("stop")
    whole = whole.filter(~known | pl.col("first").is_not_null()).select(start, stop, rate)
    whole = whole.filter(pl.col("start") < pl.col("stop"))
    if whole.is_empty():
        return windows, windows.clear()
    edges = pl.concat([whole.select("rate", time="start"), whole.select(-pl.col("rate"), time="stop")])
    length = (pl.col("time").shift(-1) - pl.col("time")).dt.total_microseconds() / 1e6
    read = (
        edges.group_by("time")
        .agg(pl.col("rate").sum())
        .sort("time")
        .with_columns(pl.col("rate").cum_sum().clip(1e-9))
        .with_columns((pl.col("rate") * length).fill_null(0).alias("rows"))
        .with_columns((pl.col("rows").cum_sum() - pl.col("rows")).alias("before"))
    )
    last = read.filter(pl.col("before") < budget).row(-1, named=True)
    room = timedelta(seconds=round(min((budget - last["before"]) / last["rate"], 1e9)))
    later, sooner = parted(windows, max(last["time"] + room, windows["start"].min() + _LEAST))  # type: ignore[operator]  # a time
    return sooner, later


def inside(rows: pl.DataFrame, windows: pl.DataFrame, subject: str) -> pl.DataFrame:
    """The `rows` whose `subject` and time lie in `windows` (WINDOWS, merged)."""
    if rows.is_empty() or windows.is_empty():
        return rows.clear()
    borders = windows.select(
        pl.col("subject").alias(subject), pl.col("start").alias("time"), pl.col("stop").alias("_stop")
    ).sort(subject, "time")
    return (
        rows.sort(subject, "time")
        .join_asof(borders, on="time", by=subject, strategy="backward", check_sortedness=False)
        .filter(pl.col("time") < pl.col("_stop"))
        .drop("_stop")
    )
