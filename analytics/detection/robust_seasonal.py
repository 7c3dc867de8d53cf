"""How far an hour is off its hour of the day: median profile of workdays and of days off, one robust line a series.

The score is the distance from the profile over the line. The line is learned: some robust standard deviations, but
not below the window's own high quantile (heavy tails are the rule in air) nor a floor (MAD is 0 on a flat series).
"""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl

from analytics import tables
from analytics.detection._residual import asked
from analytics.detection._rows import floats, holding, in_order, known
from analytics.frames import SCORES, conform, settle
from analytics.parameters import Parameter

NAME = "robust-seasonal"
SETTING: Mapping[str, Any] = {
    "means": list,
    "window": int,
    "hours": int,
    "slot": int,
    **dict.fromkeys(("spread", "quantile", "margin", "floor"), tables.NUMBER),
    "source": str,
    "confidence": str,
}
#: Domains of the parameters that are judged; every one where it does not say.
MAY: Mapping[str, Any] = {"domains": list}
#: A score reads no other reading.
REACH = 0
#: Hours of a day, and slots: those of a workday, then those of a day off.
HOURS, SLOTS = 24, 48
#: Of a normal distribution: standard deviation over median absolute deviation.
NORMAL = 1.4826
MINUTE = 60_000_000  # [µs]
DAY = timedelta(days=1)
_BLOB = pl.Struct({"profile": pl.List(pl.Float64), "line": pl.Float64, "count": pl.Int64})


def fit(
    hours: pl.DataFrame, voices: pl.DataFrame, parameters: Mapping[str, Parameter], setting: Mapping[str, Any]
) -> pl.DataFrame:
    """`subject`, `blob`: profile [unit, null: not judged], line [unit] and number of hours of each series, as JSON.

    Of series of one of the `domains`, where the setting names some, that were seen for a day: before, no hour is usual.
    """
    seen = pl.col("time").max().over("series") - pl.col("time").min().over("series")
    rows = (
        hours.filter(seen >= DAY)
        .join(_floors(voices, parameters, setting), on="series")
        .filter(pl.len().over("series") >= setting["hours"])
        .with_columns(_slot())
    )
    profile = _profile(rows, setting["slot"])
    off = rows.join(profile, on=["series", "slot"]).with_columns(
        (pl.col("value") - pl.col("median")).abs().alias("distance")
    )
    lines = (
        off.group_by("series")
        .agg(
            pl.col("floor").first(),
            (setting["spread"] * NORMAL * pl.col("distance").median()).alias("spread"),
            (setting["margin"] * pl.col("distance").quantile(setting["quantile"], "linear")).alias("tail"),
            pl.len().alias("count"),
        )
        .select("series", "count", settle(pl.max_horizontal("floor", "spread", "tail")).alias("line"))
        .filter(pl.col("line") > 0)
    )
    grid = lines.select("series").join(pl.DataFrame({"slot": range(SLOTS)}, schema={"slot": pl.Int16}), how="cross")
    whole = (
        grid.join(profile, on=["series", "slot"], how="left")
        .sort("series", "slot")
        .group_by("series", maintain_order=True)
        .agg(pl.col("median").alias("profile"))
        .join(lines, on="series")
        .sort("series")
    )
    blobs = [
        json.dumps({"profile": profile, "line": line, "count": count}).encode()
        for profile, line, count in whole.select("profile", "line", "count").iter_rows()
    ]
    return pl.DataFrame(
        {"subject": whole["series"], "blob": blobs}, schema={"subject": pl.Int32(), "blob": pl.Binary()}
    )


def score(hours: pl.DataFrame, fits: pl.DataFrame) -> pl.DataFrame:
    """`frames.SCORES`, a row an hour: distance from the profile over the line, null where no fit holds or judges."""
    rows, learned = in_order(hours), known(fits, _BLOB)
    which = holding(rows, learned)
    profiles = np.full((learned.height + 1, SLOTS), np.nan)  # that of none is the last
    for number, profile in enumerate(learned["profile"]):
        profiles[number, : len(profile)] = profile.to_numpy()
    lines = np.append(floats(learned, "line"), np.nan)
    distance = np.abs(rows["value"].to_numpy() - profiles[which, rows.select(_slot()).to_series().to_numpy()])
    share = pl.Series("value", distance * (1.0 / lines[which])).fill_nan(None)
    made = rows.with_columns(share, pl.lit(NAME).alias("detector")).with_columns(settle(pl.col("value")))
    return conform(made, SCORES)


def _profile(rows: pl.DataFrame, least: int) -> pl.DataFrame:
    """series, slot, `median` [unit] of the slots with `least` values; where days off (or workdays) have too few of an
    hour, that of all days stands for them."""
    hour = pl.col("slot") % HOURS
    parts = [rows, rows.with_columns(hour), rows.with_columns(hour + HOURS)]
    medians = [
        part.group_by("series", "slot")
        .agg(settle(pl.col("value").median()).alias("median"), pl.len().alias("values"))
        .filter(pl.col("values") >= least)
        for part in parts
    ]
    return pl.concat(medians).unique(["series", "slot"], keep="first", maintain_order=True)


def _floors(voices: pl.DataFrame, parameters: Mapping[str, Parameter], setting: Mapping[str, Any]) -> pl.DataFrame:
    """series, `floor` [unit] of those whose parameter has a profile."""
    floors = {
        name: setting["floor"] * (span[1] - span[0])
        for name, parameter in parameters.items()
        if asked(parameter, setting)
        for span in [parameter.quality.get("gross_range", {}).get("suspect", (0.0, 0.0))]
    }
    known = voices.filter(pl.col("parameter").is_in(list(floors))).unique("series")
    return known.select("series", pl.col("parameter").replace_strict(floors, return_dtype=pl.Float64).alias("floor"))


def _slot() -> pl.Expr:
    """Local hour of the day, 24 later on Saturdays and Sundays."""
    minute = pl.col("time").to_physical() // MINUTE + pl.col("offset")
    weekday = (minute // 1440 + 3) % 7  # 1970-01-01 was a Thursday
    return (minute % 1440 // 60 + pl.when(weekday >= 5).then(24).otherwise(0)).cast(pl.Int16).alias("slot")
