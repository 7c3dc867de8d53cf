"""What is usual for a channel: how long it pauses between readings, how late they come. Learned, dated, kept as fits.

Of each day the newest readings are looked at; a pause that is longer, as of a point that measures at night, is seen by
the hours that have a reading. Of each day the longest pause and the latest reading count, and the worst of few days are
left out: three outages in five weeks are no habit, a pause each night or each weekend is one. So both are high
quantiles of days, and one outage, however many readings came late by it, is one day.

A stamp is the start of its period: the delay of an hour's mean is more than an hour, and that is right, since it is
from the stamp on that one waits.
"""

import json

import polars as pl

from analytics.frames import settle

#: Kind of its fits; their subject is a series.
KIND = "cadence"
#: Days that are learned from, and the newest readings of each of them, at most.
DAYS, NEWEST = 35, 15
#: Days with readings, at least: else the registered cadence stands.
FEWEST = 3
#: Days whose worst is left out: of a week one, one more of each so many days more.
_WEEK, _EACH = 7, 14
_BLOB = pl.Struct(dict.fromkeys(("gap", "long", "delay", "late"), pl.Float64))
_DAY = pl.col("time").dt.truncate("1d").alias("day")
_HOURS = 7200.0


def learn(readings: pl.DataFrame, hours: pl.DataFrame) -> pl.DataFrame:
    """`subject`, `blob`: of each series its typical `gap` and `long` one, typical `delay` and `late` one [s], in JSON.

    `readings` has series, time and known (null: it did not come live) of the newest readings of each UTC day, NEWEST at
    most; `hours` series and time of the hours with any reading. Series of fewer days than FEWEST have no row.
    """
    # Where a day has more readings than were looked at, nobody knows what was before the first of them.
    whole = (pl.len().over("series", "day") < NEWEST).alias("whole")
    live = readings.with_columns(_DAY).with_columns(whole).drop_nulls("known").sort("series", "time")
    together = (pl.col("day").shift().over("series") == pl.col("day")) | pl.col("whole")
    said = live.with_columns(
        gap=pl.when(together).then(_seconds(pl.col("time") - pl.col("time").shift().over("series"))),
        delay=pl.max_horizontal(_seconds(pl.col("known") - pl.col("time")), pl.lit(0.0)),
    )
    usual = (
        said.group_by("series")
        .agg(pl.col("gap", "delay").median(), pl.col("day").n_unique().alias("days"))
        .filter(pl.col("days") >= FEWEST)
    )
    pauses = (
        hours.sort("series", "time")
        .with_columns(_DAY, gap=_seconds(pl.col("time") - pl.col("time").shift().over("series")))
        .filter(pl.col("gap") >= _HOURS)
    )
    gaps = pl.concat([frame.select("series", "day", "gap").drop_nulls() for frame in (said, pauses)])
    found = (
        usual.join(_worst(gaps, usual, "gap").rename({"gap": "long"}), on="series")
        .join(_worst(said, usual, "delay").rename({"delay": "late"}), on="series")
        .with_columns(pl.coalesce("gap", "long"))
        .sort("series")
        .select("series", *(settle(pl.col(name), 0) for name in ("gap", "long", "delay", "late")))
    )
    blobs = [json.dumps(row).encode() for row in found.drop("series").iter_rows(named=True)]
    return pl.DataFrame(
        {"subject": found["series"], "blob": blobs}, schema={"subject": pl.Int32(), "blob": pl.Binary()}
    )


def read(fits: pl.DataFrame) -> pl.DataFrame:
    """series, gap, long, delay, late [s] of `fits` (subject, valid_from, blob): of each series the newest."""
    return (
        fits.sort("subject", "valid_from")
        .unique("subject", keep="last", maintain_order=True)
        .select(
            pl.col("subject").alias("series"),
            pl.col("blob").cast(pl.String).str.json_decode(_BLOB).alias("fit"),
        )
        .unnest("fit")
    )


def _worst(rows: pl.DataFrame, usual: pl.DataFrame, name: str) -> pl.DataFrame:
    """series, `name`: the highest of the days of each series in `rows`, but for those that are left out."""
    left = (pl.col("days") + _WEEK) // _EACH
    nth = pl.col(name).rank("ordinal", descending=True).over("series")
    return (
        rows.group_by("series", "day")
        .agg(pl.col(name).max())
        .join(usual.select("series", left.alias("left")), on="series")
        .filter(nth == pl.min_horizontal(pl.col("left") + 1, pl.len().over("series")))
        .select("series", name)
    )


def _seconds(duration: pl.Expr) -> pl.Expr:
    return duration.dt.total_microseconds() / 1e6
