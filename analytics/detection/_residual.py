"""How far a reading is off a median of some readings before it, over a line learned from a past without its spikes.

The line of a series is the greatest of: some robust standard deviations of its residuals; a multiple of a high quantile
of them after a median filter of five, so that a spike of the past does not hide the next one, while a storm that lasts
does raise the line; some steps of the sensor's resolution and a share of its range, as MAD is 0 on a flat counter.
Where the past is skewed as turbidity is, noise grows with the level, and the line with it. A quantity may have a floor
in its unit, below which a change means nothing to anybody however calm the past was. Besides, the line is lifted where
the hours just before were rough: a rough stretch is not twenty alarms. Median and MAD: Hampel, as in SaQC and
PyHydroQC (A. S. Jones et al. 2022); a line by one's own past quantile is what held from one period to the next.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import polars as pl
from numpy.lib.stride_tricks import sliding_window_view

from analytics import tables
from analytics.detection._rows import Array, Rows, cadence, floats, judged_by
from analytics.frames import SCORES, conform, settle
from analytics.parameters import Parameter

SETTING: Mapping[str, Any] = {
    "means": list,
    "window": int,
    "least": int,
    **dict.fromkeys(("spread", "quantile", "margin", "steps", "share", "rough"), tables.NUMBER),
    "floors": dict,
    "source": str,
    "confidence": str,
}
#: Domains that it is for, where not all; and from when on a series counts as skewed, where not from `SKEW`.
MAY: Mapping[str, Any] = {"domains": list, "skew": tables.NUMBER}
Fit = Callable[[pl.DataFrame, pl.DataFrame, Mapping[str, Parameter], Mapping[str, Any]], pl.DataFrame]
Score = Callable[[pl.DataFrame, pl.DataFrame], pl.DataFrame]
#: Of a normal distribution: standard deviation over median absolute deviation.
NORMAL = 1.4826
#: Readings in a block whose roughest step counts, and blocks: the median of theirs is how rough the past was.
BLOCK, BLOCKS = 8, 3
#: Readings before a row that its score reads are 25; where there are gaps the farthest is reached in five leaps (17, 4,
#: 2, 1 and 1 readings), each of which may be three cadences longer: 40 cadences.
REACH = 37
#: A series is skewed where its upper part is so many times as wide as its lower one.
SKEW = 5.0
#: A series that has one value for more than this share of its past has no residual worth a line.
CONSTANT = 0.5
_BLOB = pl.Struct(dict.fromkeys(("line", "foot", "floor", "rough", "cadence"), pl.Float64) | {"count": pl.Int64})


def behind(name: str, *, lags: Sequence[int]) -> tuple[Fit, Score]:
    """`fit` and `score` of the detector `name`, which holds a reading against the median of those `lags` before it."""

    def learn(
        steps: pl.DataFrame, voices: pl.DataFrame, parameters: Mapping[str, Parameter], setting: Mapping[str, Any]
    ) -> pl.DataFrame:
        floors = voices.select(
            "series", pl.col("parameter").replace_strict(setting["floors"], default=0.0).alias("floor")
        )
        return fit(wanted(steps, voices, parameters, setting), dict(floors.iter_rows()), setting, lags)

    return learn, partial(score, lags=lags, name=name)


def fit(
    steps: pl.DataFrame, floors: Mapping[int, float], setting: Mapping[str, Any], lags: Sequence[int]
) -> pl.DataFrame:
    """`subject`, `blob`: line [unit, or 1 where `foot` is not null], foot [unit], floor [unit], rough, cadence [µs],
    count."""
    made = []
    for (series,), part in steps.sort("series", "time").group_by("series", maintain_order=True):
        value, time = part["value"].to_numpy(), part["time"].to_physical().to_numpy()
        if len(value) >= setting["least"] and (learned := _learn(value, setting, lags)) is not None:
            line, foot = learned
            known = {"line": line, "foot": foot, "floor": floors[int(str(series))]}
            blob = known | {"rough": setting["rough"], "cadence": cadence(time)}
            made.append((series, json.dumps(blob | {"count": len(value)}).encode()))
    return pl.DataFrame(made, schema={"subject": pl.Int32(), "blob": pl.Binary()}, orient="row")


def score(steps: pl.DataFrame, fits: pl.DataFrame, lags: Sequence[int], name: str) -> pl.DataFrame:
    """`frames.SCORES`, a row a step: distance from the median of the readings `lags` before, over the line."""
    known = judged_by(steps, fits, _BLOB)
    rows, value = Rows.of(known), floats(known, "value")
    base = middle([rows.back(value, lag) for lag in lags])
    step = np.abs(value - rows.back(value, 1))
    line, rough = _line(floats(known, "line"), floats(known, "foot"), base), floats(known, "rough")
    line = np.maximum(np.maximum(line, rough * _roughness(rows, step)), np.nan_to_num(floats(known, "floor")))
    share = pl.Series("value", np.abs(value - base) / line).fill_nan(None)
    made = known.with_columns(share, pl.lit(name).alias("detector")).with_columns(settle(pl.col("value")))
    return conform(made, SCORES)


def wanted(
    steps: pl.DataFrame, voices: pl.DataFrame, parameters: Mapping[str, Parameter], setting: Mapping[str, Any]
) -> pl.DataFrame:
    """The `steps` of series that `setting` wants."""
    names = [name for name, parameter in parameters.items() if asked(parameter, setting)]
    return steps.join(voices.filter(pl.col("parameter").is_in(names)), on="series", how="semi")


def asked(parameter: Parameter, setting: Mapping[str, Any]) -> bool:
    """Whether `setting` wants the kind of mean of `parameter`, and its domain where it names some."""
    return parameter.mean in setting["means"] and parameter.domain in setting.get("domains", [parameter.domain])


def middle(values: Sequence[Array]) -> Array:
    """The median of 1, 3 or 5 arrays, place by place; NaN where one is."""
    if len(values) == 1:
        return values[0]
    if len(values) == 3:
        a, b, c = values
        return np.maximum(np.minimum(a, b), np.minimum(np.maximum(a, b), c))
    a, b, c, d, e = values
    low = np.maximum(np.minimum(a, b), np.minimum(c, d))
    high = np.minimum(np.maximum(a, b), np.maximum(c, d))
    return middle([low, high, e])


def _line(line: Array, foot: Array, base: Array) -> Array:
    """The line at a level: `line`, times how far the level is above minus `foot` where there is one."""
    return line * np.where(np.isnan(foot), 1.0, np.maximum(base, 0.0) + foot)


def _roughness(rows: Rows, step: Array) -> Array:
    """The median of the greatest step in each of three blocks of eight before the row; 0 where nothing is known."""
    greatest, width = step, 1
    while width < BLOCK:
        greatest, width = np.fmax(greatest, rows.back(greatest, width)), 2 * width
    blocks = [np.nan_to_num(rows.back(greatest, 1 + BLOCK * number)) for number in range(BLOCKS)]
    return middle(blocks)


def _learn(value: Array, setting: Mapping[str, Any], lags: Sequence[int]) -> tuple[float, float | None] | None:
    """Line and foot; None where the values have no residual worth a line."""
    low, mid, high = np.quantile(value, [0.01, 0.5, 0.99])
    if np.mean(value == mid) > CONSTANT or np.mean(value == low) > CONSTANT:
        return None
    skewed = low >= 0 and high - mid > setting.get("skew", SKEW) * (mid - low)
    foot = float(max(mid, setting["share"] * (high - mid))) if skewed else None
    usual, smooth = _residuals(value, lags), _residuals(_filtered(value), lags)
    scale = np.maximum(usual[1], 0) + foot if foot is not None else np.ones(len(usual[0]))
    calm = np.maximum(smooth[1], 0) + foot if foot is not None else np.ones(len(smooth[0]))
    apart = np.abs(np.diff(value))
    apart = apart[apart > 1e-9]
    resolution = float(np.quantile(apart, 0.1)) if len(apart) else 0.0
    typical = 1.0 if foot is None else float(mid) + foot
    line = max(
        setting["spread"] * NORMAL * float(np.median(usual[0] / scale)),
        setting["margin"] * float(np.quantile(smooth[0] / calm, setting["quantile"])),
        setting["steps"] * resolution / typical,
        setting["share"] * float(high - low) / typical if foot is None else 0.0,
    )
    line = round(line, 9)
    return (line, None if foot is None else round(foot, 9)) if line > 0 else None


def _residuals(value: Array, lags: Sequence[int]) -> tuple[Array, Array]:
    """Distance from, and, the median of the readings `lags` before, of those that have them all."""
    most = max(lags)
    base = middle([value[most - lag : len(value) - lag] for lag in lags])
    return np.abs(value[most:] - base), base


def _filtered(value: Array) -> Array:
    """The medians of five values around each, of those that have them all."""
    five = sliding_window_view(value, 5)
    return middle([np.ascontiguousarray(five[:, place]) for place in range(5)])
