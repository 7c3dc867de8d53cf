"""A sensor that says the same again and again: stuck, or capped at the end of its range.

The score is for how many readings it has been so over the line, 1 at most: how long it lasts says its episode. The line
is some times the longest runs that are usual for a day of the series, so that a coarse or a slow sensor, or one
that rests at 0 at night, has a long one; where it would be longer than `REACH` the series is not judged.
"""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from analytics import tables
from analytics.detection._residual import wanted
from analytics.detection._rows import SLACK, Array, Ints, Rows, cadence, floats, judged_by
from analytics.frames import SCORES, conform, settle
from analytics.parameters import Parameter

NAME = "stuck"
SETTING: Mapping[str, Any] = {
    "means": list,
    **dict.fromkeys(("window", "least", "shortest"), int),
    **dict.fromkeys(("quantile", "margin"), tables.NUMBER),
    "source": str,
    "confidence": str,
}
#: What is other for a domain.
MAY: Mapping[str, Any] = {"air": dict}
#: The longest run that is told from longer ones [cadences].
MOST = 96
REACH = MOST
DAY = 86_400_000_000  # [µs]
_BLOB = pl.Struct({"line": pl.Float64, "cadence": pl.Float64, "count": pl.Int64})


def fit(
    steps: pl.DataFrame, voices: pl.DataFrame, parameters: Mapping[str, Parameter], setting: Mapping[str, Any]
) -> pl.DataFrame:
    """`subject`, `blob`: the line [readings], cadence [µs] and number of readings of each series, as JSON."""
    made = []
    rows = wanted(steps, voices, parameters, setting).sort("series", "time")
    domains = {series: parameters[name].domain for series, name in voices.select("series", "parameter").iter_rows()}
    for (series,), part in rows.group_by("series", maintain_order=True):
        if part.height < setting["least"]:
            continue
        mine = dict(setting) | setting.get(domains[int(str(series))], {})
        time, value = part["time"].to_physical().to_numpy(), part["value"].to_numpy()
        step = cadence(time)
        run = _runs(time, value, np.zeros(len(time), dtype=np.int64), np.full(len(time), step))
        _, days = np.unique(time // DAY, return_index=True)
        usual = float(np.quantile(np.maximum.reduceat(run, days), setting["quantile"]))
        line = max(float(mine["shortest"]), mine["margin"] * usual)
        if line <= MOST:
            blob = {"line": round(line, 6), "cadence": step, "count": len(time)}
            made.append((series, json.dumps(blob).encode()))
    return pl.DataFrame(made, schema={"subject": pl.Int32(), "blob": pl.Binary()}, orient="row")


def score(steps: pl.DataFrame, fits: pl.DataFrame) -> pl.DataFrame:
    """`frames.SCORES`, a row a step: equal readings in a row that end with it over the line, at most 1."""
    known = judged_by(steps, fits, _BLOB)
    rows = Rows.of(known)
    run = _runs(rows.time, floats(known, "value"), rows.begin, rows.cadence)
    share = pl.Series("value", np.minimum(run / floats(known, "line"), 1.0)).fill_nan(None)
    made = known.with_columns(share, pl.lit(NAME).alias("detector")).with_columns(settle(pl.col("value")))
    return conform(made, SCORES)


def _runs(time: Ints, value: Array, begin: Ints, step: Array) -> Array:
    """For how long the readings up to each have been equal [cadences, the first is one], at most `MOST`; rows by series
    and time. A gap of up to `SLACK` readings breaks no run."""
    number = np.arange(len(value))
    same = np.zeros(len(value), dtype=np.bool_)
    same[1:] = (value[1:] == value[:-1]) & (np.diff(time) <= (1 + SLACK) * step[1:]) & (number[1:] > begin[1:])
    first = np.maximum.accumulate(np.where(same, 0, number)) if len(number) else number
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.minimum((time - time[first]) / step + 1, MOST), dtype=np.float64)
