"""Scores of several detectors as one, its line calibrated on each series' own unlabelled past, and where it begins.

A series that would have called out on most days says nothing to anybody: it gets the line that the budget would have
let pass. One that calls out now and then keeps its own, however far over the budget: a past with real events in it must
not silence what comes after.
"""

import json
from collections.abc import Sequence

import polars as pl

from analytics.frames import SCORES, TIME, conform, empty, settle

NAME = "combined"
#: Alarms a station-week; share of days beyond which a series that calls out says nothing.
BUDGET, OFTEN = 0.5, 0.85
_BLOB = pl.Struct({"line": pl.Float64, "days": pl.Int64})


def combine(parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """`frames.SCORES`: the greatest score of each series at each time in any of `parts`, one of each detector; null
    where none of them could judge."""
    key = ["series", "time"]
    if not parts:
        return empty(SCORES)
    if all(part.select(key).equals(parts[0].select(key)) for part in parts[1:]):
        # Members that judge row by row give the same rows in the same order: then nothing need be looked up.
        values = [part["value"].alias(f"value {number}") for number, part in enumerate(parts)]
        made = parts[0].select(key).with_columns(value=pl.max_horizontal(values))
    else:
        made = pl.concat(parts).group_by(key).agg(pl.col("value").max()).sort(key)
    return conform(made.with_columns(pl.lit(NAME).alias("detector")), SCORES)


def onsets(combined: pl.DataFrame) -> pl.DataFrame:
    """`frames.SCORES`: `combined`, but 0 where it does not beat everything of the day before it: once is enough."""
    before = pl.col("value").rolling_max_by("time", window_size="1d", closed="left").over("series")
    beaten = (before >= pl.col("value")).fill_null(value=False)
    rows = combined.sort("series", "time")
    return conform(rows.with_columns(pl.when(beaten).then(0.0).otherwise("value").alias("value")), SCORES)


def calibrate(
    combined: pl.DataFrame, voices: pl.DataFrame, *, budget: float = BUDGET, often: float = OFTEN
) -> pl.DataFrame:
    """`subject`, `blob`: the line of each series, from the `combined` scores of its past: 1, but where more than the
    share `often` of its days had a score of 1, that of the day's peak that `budget` lets pass.

    `budget` is alarms a station-week, shared by the series of a station that are in `voices` (series, offset, station).
    """
    shares = voices.with_columns((1 / pl.len().over("station")).alias("share")).select("series", "offset", "share")
    day = (pl.col("time") + pl.duration(minutes=pl.col("offset"))).dt.truncate("1d").alias("day")
    peaks = (
        combined.drop_nulls("value")
        .join(shares, on="series")
        .group_by("series", day)
        .agg(pl.col("value").max(), pl.col("share").first())
    )
    made = []
    for (series,), days in peaks.sort("series", "value", descending=[False, True]).group_by(
        "series", maintain_order=True
    ):
        passed = int(budget * days["share"][0] * days.height / 7)
        peak = days["value"][min(passed, days.height - 1)]
        chronic = int((days["value"] >= 1).sum()) > often * days.height
        line = round(max(peak * (1 + 1e-6), 1.0), 6) if chronic else 1.0
        made.append((series, json.dumps({"line": line, "days": days.height}).encode()))
    return pl.DataFrame(made, schema={"subject": pl.Int32(), "blob": pl.Binary()}, orient="row")


def on_line(combined: pl.DataFrame, fits: pl.DataFrame) -> pl.DataFrame:
    """`frames.SCORES`: `combined` over the line that held at its time; before there is one, over 1."""
    learned = fits.select(
        pl.col("subject").alias("series"),
        pl.col("valid_from").alias("time").cast(TIME),
        pl.col("blob").cast(pl.String).str.json_decode(_BLOB).struct.field("line"),
    )
    rows = combined.sort("series", "time").join_asof(
        learned.sort("series", "time"), on="time", by="series", strategy="backward", check_sortedness=False
    )
    over = pl.col("value") * (1.0 / pl.col("line").fill_null(1.0))
    return conform(rows.with_columns(settle(over).alias("value")), SCORES)
