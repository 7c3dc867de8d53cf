"""One figure a day of a series, and what is usual of it: how far above that a figure of today is, over a line."""

import json
from collections.abc import Mapping
from typing import Any

import polars as pl

from analytics import tables
from analytics.detection._residual import NORMAL
from analytics.detection._rows import judged_by
from analytics.frames import SCORES, conform, settle

SETTING: Mapping[str, Any] = {
    "parameters": list,
    **dict.fromkeys(("window", "least", "days"), int),
    **dict.fromkeys(("spread", "quantile", "margin", "share"), tables.NUMBER),
    "source": str,
    "confidence": str,
}
_BLOB = pl.Struct({"usual": pl.Float64, "line": pl.Float64, "days": pl.Int64})
MINUTE = 60_000_000  # [µs]


def mine(steps: pl.DataFrame, voices: pl.DataFrame, setting: Mapping[str, Any]) -> pl.DataFrame:
    """`steps` of series of one of the setting's `parameters`, in their order, of those with enough readings."""
    wanted = voices.filter(pl.col("parameter").is_in(setting["parameters"])).select("series")
    rows = steps.join(wanted, on="series", how="semi").sort("series", "time")
    return rows.filter(pl.len().over("series") >= setting["least"])


def known(steps: pl.DataFrame, fits: pl.DataFrame) -> pl.DataFrame:
    """`steps` of series that some of `fits` (subject) knows: of a district's parameters few have such figures."""
    return steps.join(fits.select(pl.col("subject").alias("series")), on="series", how="semi")


def clock(rows: pl.DataFrame) -> pl.DataFrame:
    """`rows` by series and time, with local `day` and `minute` of it."""
    local = pl.col("time").to_physical() // MINUTE + pl.col("offset")
    return rows.sort("series", "time").with_columns((local // 1440).alias("day"), (local % 1440).alias("minute"))


def learned(rows: pl.DataFrame, figures: pl.DataFrame, setting: Mapping[str, Any]) -> pl.DataFrame:
    """`subject`, `blob`: the usual one of the `figures` (series, figure [unit]), the line [unit above it], days."""
    spans = rows.group_by("series").agg((pl.col("value").quantile(0.99) - pl.col("value").quantile(0.01)).alias("span"))
    figure = pl.col("figure")
    found = (
        figures.drop_nulls("figure")
        .group_by("series")
        .agg(
            settle(figure.median()).alias("usual"),
            (setting["spread"] * NORMAL * (figure - figure.median()).abs().median()).alias("spread"),
            (setting["margin"] * (figure.quantile(setting["quantile"], "linear") - figure.median())).alias("tail"),
            pl.len().alias("days"),
        )
        .filter(pl.col("days") >= setting["days"])
        .join(spans, on="series")
        .with_columns(settle(pl.max_horizontal("spread", "tail", setting["share"] * pl.col("span"))).alias("line"))
        .filter(pl.col("line") > 0)
        .sort("series")
    )
    blobs = [
        json.dumps({"usual": usual, "line": line, "days": days}).encode()
        for usual, line, days in found.select("usual", "line", "days").iter_rows()
    ]
    return pl.DataFrame(
        {"subject": found["series"], "blob": blobs}, schema={"subject": pl.Int32(), "blob": pl.Binary()}
    )


def scored(rows: pl.DataFrame, fits: pl.DataFrame, name: str) -> pl.DataFrame:
    """`frames.SCORES` of `rows` with a `figure`: how far it is above the usual one, over the line; 0 below it."""
    judged = judged_by(rows, fits, _BLOB)
    share = (pl.col("figure") - pl.col("usual")).clip(0.0) * (1.0 / pl.col("line"))
    return conform(judged.with_columns(settle(share).alias("value"), pl.lit(name).alias("detector")), SCORES)
