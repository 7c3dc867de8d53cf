"""How far the readings of a station's sensors, taken together, are from how they usually go together.

The means of the last readings of each series, in robust standard deviations, against their principal components: T² is
how far out along them, Q how far off them; the score is the greater, each over its own high quantile of the past
(J. E. Jackson and G. S. Mudholkar 1979; of the published methods on SKAB it is among the best). Past readings that are
out by that are left out, and it is learned once more: an event must not hide the next one. The score stands at the
series that is farthest out.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from analytics import tables
from analytics.detection import _station
from analytics.detection._residual import NORMAL
from analytics.detection._rows import Array, Ints, cadence
from analytics.parameters import Parameter

NAME = "related"
SETTING: Mapping[str, Any] = {
    "means": list,
    **dict.fromkeys(("window", "least", "smooth"), int),
    **dict.fromkeys(("variance", "quantile", "margin", "share"), tables.NUMBER),
    "source": str,
    "confidence": str,
}
#: Robust standard deviations beyond which a past reading counts as no more than this.
CLIP = 8.0
#: `smooth` reaches so far back at most.
REACH = _station.REACH
_BLOB = pl.Struct(
    {
        "members": pl.List(pl.Int32),
        **dict.fromkeys(("centre", "scale", "spread"), pl.List(pl.Float64)),
        "axes": pl.List(pl.List(pl.Float64)),
        **dict.fromkeys(("along", "off", "cadence"), pl.Float64),
        **dict.fromkeys(("smooth", "count"), pl.Int64),
    }
)


def fit(
    steps: pl.DataFrame, voices: pl.DataFrame, parameters: Mapping[str, Parameter], setting: Mapping[str, Any]
) -> pl.DataFrame:
    """`subject`, `blob` (`_station.fits`): members, centre and scale of each, axes and lines."""
    return _station.fits(steps, voices, parameters, setting, _learn)


def score(steps: pl.DataFrame, fits: pl.DataFrame) -> pl.DataFrame:
    """`frames.SCORES`, a row a time at which all members of a fit were read, at the member farthest out."""
    return _station.scores(NAME, steps, fits, _BLOB, _judge)


def _learn(members: list[int], time: Ints, values: Array, setting: Mapping[str, Any]) -> dict[str, Any] | None:
    """What is kept of a station; None where too few of its readings stand together."""
    step = cadence(time)
    values = _smooth(time, values, setting["smooth"], step)
    values = values[np.isfinite(values).all(axis=1)]
    if len(values) < setting["least"] // 2:
        return None
    for again in (True, False):
        model = _model(values, setting)
        along, off = _distances(values, model)
        lines = [max(float(np.quantile(one, setting["quantile"])), 1e-9) for one in (along, off)]
        if again:
            inside = (along <= lines[0]) & (off <= lines[1])
            values = values[inside]
    centre, scale, spread, axes = model
    return {
        "members": members,
        "centre": np.round(centre, 9).tolist(),
        "scale": np.round(scale, 9).tolist(),
        "spread": np.round(spread, 9).tolist(),
        "axes": np.round(axes, 9).tolist(),
        "along": round(setting["margin"] * lines[0], 9),
        "off": round(setting["margin"] * lines[1], 9),
        "cadence": step,
        "smooth": setting["smooth"],
        "count": len(values),
    }


def _model(values: Array, setting: Mapping[str, Any]) -> tuple[Array, Array, Array, Array]:
    """Centre, scale, spread of each axis, axes [member, axis]."""
    centre = np.median(values, axis=0)
    low, high = np.quantile(values, [0.01, 0.99], axis=0)
    scale = np.maximum(NORMAL * np.median(np.abs(values - centre), axis=0), setting["share"] * (high - low))
    scale = np.round(np.where(scale > 0, scale, np.maximum(values.std(axis=0), 1e-6)), 9)
    scaled = np.clip((values - centre) / scale, -CLIP, CLIP)
    variance, axes = np.linalg.eigh(scaled.T @ scaled / len(scaled))
    variance, axes = variance[::-1], axes[:, ::-1]
    count = int(np.searchsorted(np.cumsum(variance) / variance.sum(), setting["variance"])) + 1
    count = min(count, len(variance) - 1)
    return centre, scale, np.sqrt(np.maximum(variance[:count], 1e-6)), axes[:, :count]


def _distances(values: Array, model: tuple[Array, Array, Array, Array]) -> tuple[Array, Array]:
    """How far out along the axes, and how far off them, in scales."""
    centre, scale, spread, axes = model
    scaled = (values - centre) / scale
    # Column by column: a sum by BLAS may depend on how many rows there are.
    parts = [_dot(scaled, axes[:, number]) for number in range(axes.shape[1])]
    along = sum(((part / spread[number]) ** 2 for number, part in enumerate(parts)), np.zeros(len(values)))
    off = np.zeros(len(values))
    for member in range(values.shape[1]):
        off += (scaled[:, member] - sum(part * axes[member, number] for number, part in enumerate(parts))) ** 2
    return np.sqrt(along), np.sqrt(off)


def _dot(scaled: Array, axis: Array) -> Array:
    out = np.zeros(len(scaled))
    for member, weight in enumerate(axis):
        out += scaled[:, member] * weight
    return out


def _smooth(time: Ints, values: Array, count: int, step: float) -> Array:
    """Means of the last `count` readings; NaN where they span more than two more cadences than that."""
    out = np.full(values.shape, np.nan)
    if len(values) >= count:
        total = np.zeros((len(values) - count + 1, values.shape[1]))
        for lag in range(count):
            total = total + values[count - 1 - lag : len(values) - lag]
        near = time[count - 1 :] - time[: len(time) - count + 1] <= (count + 1) * step
        out[count - 1 :] = np.where(near[:, None], total / count, np.nan)
    return out


def _judge(time: Ints, values: Array, known: Mapping[str, Any]) -> tuple[npt.NDArray[np.bool_], Array, Array]:
    """As `_station.scores` asks for."""
    values = _smooth(time, values, known["smooth"], known["cadence"])
    judged = np.logical_and.reduce(np.isfinite(values), axis=1)
    values = values[judged]
    centre, scale = np.array(known["centre"]), np.array(known["scale"])
    along, off = _distances(values, (centre, scale, np.array(known["spread"]), np.array(known["axes"])))
    value = np.maximum(along * (1.0 / known["along"]), off * (1.0 / known["off"]))
    return judged, value, (values - centre) / scale
