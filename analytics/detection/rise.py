"""A river that rises: where its level will be soon if it goes on so, against how high it usually comes.

The level is the median of three readings, so that one off is no flood; its rate the median of those over 2, 4 and 8
readings; it is carried on by it for a short look-ahead. The score is how far that is above the usual level, over some
times as far as it came in all but few hours of the past: it says so before the level itself is there. It is not among
the shipped members: beside them it costs more than it finds (F1 of Logan River's events 0.51 to 0.47); a rising river
is an episode by rule.
"""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from analytics import tables
from analytics.detection._residual import middle
from analytics.detection._rows import Array, Rows, cadence, floats, judged_by
from analytics.frames import SCORES, conform, settle
from analytics.parameters import Parameter

NAME = "rise"
SETTING: Mapping[str, Any] = {
    "parameters": list,
    **dict.fromkeys(("window", "least"), int),
    **dict.fromkeys(("ahead", "quantile", "margin", "share"), tables.NUMBER),
    "source": str,
    "confidence": str,
}
#: Readings that a rate is over, before three that a level is of. Two leaps, each of which may be three cadences longer.
SPANS = (2, 4, 8)
REACH = 2 + SPANS[-1] + 3
HOUR = 3_600_000_000.0  # [µs]
_BLOB = pl.Struct(dict.fromkeys(("usual", "line", "ahead", "cadence"), pl.Float64) | {"count": pl.Int64})


def fit(
    steps: pl.DataFrame, voices: pl.DataFrame, parameters: Mapping[str, Parameter], setting: Mapping[str, Any]
) -> pl.DataFrame:
    """`subject`, `blob`: usual level [unit], line [unit above it], look-ahead [h], cadence [µs] and number of readings
    of each series of one of the setting's `parameters`, as JSON."""
    made = []
    rivers = voices.filter(pl.col("parameter").is_in(setting["parameters"])).select("series")
    for (series,), part in (
        steps.join(rivers, on="series", how="semi").sort("series", "time").group_by("series", maintain_order=True)
    ):
        value = part["value"].to_numpy()
        if len(value) < setting["least"]:
            continue
        time = part["time"].to_physical().to_numpy()
        rows = Rows(time, np.zeros(len(time), dtype=np.int64), np.full(len(time), cadence(time)))
        rate, soon = _ahead(rows, value, np.full(len(time), float(setting["ahead"])))
        if not np.isfinite(rate).any():
            continue
        low, usual = np.quantile(value, [0.01, 0.5])
        high = float(np.nanquantile(soon, setting["quantile"])) - float(usual)
        line = setting["margin"] * max(high, setting["share"] * float(usual - low), 1e-6)
        blob = {"usual": round(float(usual), 9), "line": round(line, 9), "ahead": float(setting["ahead"])}
        blob |= {"cadence": float(rows.cadence[0]), "count": len(value)}
        made.append((series, json.dumps(blob).encode()))
    return pl.DataFrame(made, schema={"subject": pl.Int32(), "blob": pl.Binary()}, orient="row")


def score(steps: pl.DataFrame, fits: pl.DataFrame) -> pl.DataFrame:
    """`frames.SCORES`, a row a step: the level soon above the usual one, over the line; 0 where it does not rise."""
    known = judged_by(steps, fits, _BLOB)
    rows, value = Rows.of(known), floats(known, "value")
    rate, soon = _ahead(rows, value, floats(known, "ahead"))
    share = np.where(rate > 0, np.maximum(soon - floats(known, "usual"), 0.0) / floats(known, "line"), 0.0)
    share = np.where(np.isnan(rate), np.nan, share)
    made = known.with_columns(pl.Series("value", share).fill_nan(None), pl.lit(NAME).alias("detector"))
    return conform(made.with_columns(settle(pl.col("value"))), SCORES)


def _ahead(rows: Rows, value: Array, hours: Array) -> tuple[Array, Array]:
    """The rate of the level [unit/h], and where it is `hours` ahead."""
    time = rows.time.astype(np.float64) / HOUR
    level = middle([value, rows.back(value, 1), rows.back(value, 2)])
    rate = middle([(level - rows.back(level, span)) / (time - rows.back(time, span)) for span in SPANS])
    return rate, level + rate * hours
