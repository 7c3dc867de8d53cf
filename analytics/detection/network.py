"""How far a series is off what its neighbours say at the same time: ours, not the neighbour's; or one sensor's fault.

Each neighbour is moved by how far it usually is off this one. The score is the distance that half of them are within,
over the line: one that agrees of two is enough, so that the neighbours of a plume are not called out with it. Where the
past is skewed the line grows with what they say. Near to it: the buddy check of titanlib; the line is the series' own,
as everywhere here.
"""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from analytics import tables
from analytics.detection._residual import NORMAL, SKEW, wanted
from analytics.frames import SCORES, TIME, conform, settle
from analytics.parameters import Parameter

NAME = "network"
SETTING: Mapping[str, Any] = {
    "means": list,
    **dict.fromkeys(("window", "least"), int),
    **dict.fromkeys(("spread", "quantile", "margin", "share"), tables.NUMBER),
    "source": str,
    "confidence": str,
}
#: A score reads other series, but no other time.
REACH = 0
#: Fewest neighbours that must speak, and most that are heard.
FEWEST, MOST = 2, 8
_BLOB = pl.Struct(
    {
        "members": pl.List(pl.Int32),
        "shifts": pl.List(pl.Float64),
        **dict.fromkeys(("line", "foot"), pl.Float64),
        "count": pl.Int64,
    }
)


def fit(
    steps: pl.DataFrame, voices: pl.DataFrame, parameters: Mapping[str, Parameter], setting: Mapping[str, Any]
) -> pl.DataFrame:
    """`subject`, `blob`: neighbours, how far each is usually off [unit], line [unit, or 1 where `foot` is not null].

    `near` of `voices` lists the series that stand near each, the nearest first; without it nobody has neighbours.
    """
    made = []
    near = dict(voices.select("series", "near").drop_nulls().iter_rows()) if "near" in voices.columns else {}
    rows = wanted(steps, voices, parameters, setting).unique(["series", "time"], keep="last", maintain_order=True)
    by_series = {int(str(key)): part for (key,), part in rows.group_by("series")}
    for series in sorted(near.keys() & by_series.keys()):
        members = [one for one in near[series] if one in by_series and one != series][:MOST]
        blob = _learn(by_series[series], {one: by_series[one] for one in members}, setting)
        if blob is not None:
            made.append((series, json.dumps(blob).encode()))
    return pl.DataFrame(made, schema={"subject": pl.Int32(), "blob": pl.Binary()}, orient="row")


def score(steps: pl.DataFrame, fits: pl.DataFrame) -> pl.DataFrame:
    """`frames.SCORES`, a row a step: distance from what the neighbours say, over the line; null where too few speak."""
    learned = fits.select(
        pl.col("subject").alias("series"),
        pl.col("valid_from").alias("time").cast(TIME),
        pl.col("blob").cast(pl.String).str.json_decode(_BLOB).alias("fit"),
    ).unnest("fit")
    rows = steps.sort("series", "time", maintain_order=True)
    known = rows.join_asof(
        learned.sort("series", "time"), on="time", by="series", strategy="backward", check_sortedness=False
    )
    said = (
        known.drop_nulls("line")
        .select("series", "time", "value", "members", "shifts")
        .explode("members", "shifts")
        .join(
            rows.select(pl.col("series").alias("members"), "time", pl.col("value").alias("theirs")).unique(
                ["members", "time"], keep="last", maintain_order=True
            ),
            on=["members", "time"],
        )
        .group_by("series", "time")
        .agg(*_agree(pl.col("theirs") + pl.col("shifts")))
        .filter(pl.col("speak") >= FEWEST)
    )
    beside = known.join(said, on=["series", "time"], how="left", maintain_order="left")
    scale = pl.when(pl.col("foot").is_null()).then(1.0).otherwise(pl.col("expected").clip(0.0) + pl.col("foot"))
    share = pl.col("off") * (1.0 / (pl.col("line") * scale))
    made = beside.with_columns(pl.lit(NAME).alias("detector"), settle(share).alias("value"))
    return conform(made, SCORES)


def _agree(said: pl.Expr) -> list[pl.Expr]:
    """Of a group: what neighbours say on the whole, how far off that half of them are within, how many speak."""
    off = (pl.col("value") - said).abs().quantile(0.5, "lower")
    return [said.median().alias("expected"), off.alias("off"), pl.len().alias("speak")]


def _learn(mine: pl.DataFrame, theirs: Mapping[int, pl.DataFrame], setting: Mapping[str, Any]) -> dict[str, Any] | None:
    """What is kept of a series; None where too few neighbours were there often enough, or nothing ever changed."""
    shifts, moved = {}, []
    for member, part in theirs.items():
        both = mine.select("time", "value").join(part.select("time", pl.col("value").alias("theirs")), on="time")
        if both.height >= setting["least"]:
            shift = float((both["value"] - both["theirs"]).median())  # type: ignore[arg-type]
            shifts[member] = round(shift, 9)
            moved.append(both.select("time", "value", pl.col("theirs") + shift))
    if len(shifts) < FEWEST:
        return None
    said = pl.concat(moved).group_by("time").agg(pl.col("value").first().alias("mine"), *_agree(pl.col("theirs")))
    said = said.filter(pl.col("speak") >= FEWEST).sort("time")
    if said.height < setting["least"]:
        return None
    value, expected = said["mine"].to_numpy(), said["expected"].to_numpy()
    low, mid, high = np.quantile(value, [0.01, 0.5, 0.99])
    skewed = low >= 0 and high - mid > SKEW * (mid - low)
    foot = round(float(max(mid, setting["share"] * (high - mid))), 9) if skewed else None
    off = said["off"].to_numpy() / (1.0 if foot is None else np.maximum(expected, 0) + foot)
    line = max(
        setting["spread"] * NORMAL * float(np.median(off)),
        setting["margin"] * float(np.quantile(off, setting["quantile"])),
        setting["share"] * float(high - low) / (1.0 if foot is None else float(mid) + foot),
    )
    if not line > 0:
        return None
    return {
        "members": list(shifts),
        "shifts": list(shifts.values()),
        "line": round(line, 9),
        "foot": foot,
        "count": said.height,
    }
