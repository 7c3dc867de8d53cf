"""How soon chance cuts set a station's readings apart from its past ones: an isolation forest of its related sensors.

F. T. Liu, K. M. Ting and Z.-H. Zhou 2008, as scikit-learn grows it: what few cuts isolate is rare. A row is what all
series of a station say at a time, and by how much each has changed since some readings before. The score is the mean
number of cuts that the past needs over that of the row, over its own high quantile of the past, and stands at the
series that is farthest out. It is not shipped among the members: on the shared sets it finds hardly anything that they
miss (of 247 events of Logan River 25 at its best line, with 275 false ones).
"""

import base64
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

NAME = "forest"
SETTING: Mapping[str, Any] = {
    "means": list,
    **dict.fromkeys(("window", "least", "change", "trees", "sample", "seed"), int),
    **dict.fromkeys(("quantile", "margin"), tables.NUMBER),
    "source": str,
    "confidence": str,
}
#: Rows that walk together: what they need at once stays small.
_PART = 20_000
#: `change` reaches so far back at most.
REACH = _station.REACH
_BLOB = pl.Struct(
    {
        "members": pl.List(pl.Int32),
        **dict.fromkeys(("centre", "scale"), pl.List(pl.Float64)),
        **dict.fromkeys(("line", "cadence", "usual"), pl.Float64),
        **dict.fromkeys(("change", "trees", "count"), pl.Int64),
        **dict.fromkeys(("feature", "cut", "depth"), pl.String),
    }
)
#: Arrays of a forest in a blob, [tree, node], a tree as a heap: the children of node n are 2 n + 1 and 2 n + 2.
_KINDS: Mapping[str, Any] = {"feature": np.int16, "cut": np.float32, "depth": np.float32}


def fit(
    steps: pl.DataFrame, voices: pl.DataFrame, parameters: Mapping[str, Parameter], setting: Mapping[str, Any]
) -> pl.DataFrame:
    """`subject`, `blob` (`_station.fits`): members, centre and scale of each, and the trees."""
    return _station.fits(steps, voices, parameters, setting, _learn)


def score(steps: pl.DataFrame, fits: pl.DataFrame) -> pl.DataFrame:
    """`frames.SCORES`, a row a time at which all members of a fit were read, at the member farthest out."""
    return _station.scores(NAME, steps, fits, _BLOB, _judge)


def _learn(members: list[int], time: Ints, values: Array, setting: Mapping[str, Any]) -> dict[str, Any] | None:
    """What is kept of a station; None where too few of its readings stand together."""
    # Imported here: it takes a second that a command which learns nothing should not wait for.
    from sklearn.ensemble import IsolationForest  # type: ignore[import-untyped]  # it has no types

    centre = np.median(values, axis=0)
    spread = NORMAL * np.median(np.abs(values - centre), axis=0)
    scale = np.round(np.where(spread > 0, spread, np.maximum(values.std(axis=0), 1e-6)), 9)
    step = cadence(time)
    rows = _rows(time, (values - centre) / scale, setting["change"], step)
    rows = rows[np.isfinite(rows).all(axis=1)]
    if len(rows) < setting["least"] // 2:
        return None
    grown = IsolationForest(
        n_estimators=setting["trees"], max_samples=min(setting["sample"], len(rows)), random_state=setting["seed"]
    )
    forest = _heaps(grown.fit(rows))
    depth = _depth(rows, forest)
    usual = float(np.median(depth))
    line = setting["margin"] * float(np.quantile(usual / depth, setting["quantile"]))
    return {
        "members": members,
        "centre": np.round(centre, 9).tolist(),
        "scale": scale.tolist(),
        "line": round(line, 9),
        "cadence": step,
        "usual": round(usual, 9),
        "change": setting["change"],
        "trees": setting["trees"],
        "count": len(rows),
        **{name: base64.b64encode(forest[name].tobytes()).decode() for name in _KINDS},
    }


def _rows(time: Ints, scaled: Array, change: int, step: float) -> npt.NDArray[np.float32]:
    """[time, 2 members] what each says, and by how much it has changed over `change` readings; NaN where these span
    more than two more cadences than that."""
    changed = np.full(scaled.shape, np.nan)
    if len(scaled) > change:
        near = time[change:] - time[:-change] <= (change + 2) * step
        changed[change:] = np.where(near[:, None], scaled[change:] - scaled[:-change], np.nan)
    return np.concatenate([scaled, changed], axis=1).astype(np.float32)


def _heaps(grown: Any) -> dict[str, npt.NDArray[Any]]:
    """The trees of a fitted forest as `_KINDS`; `depth` counts the cuts to a leaf and those its rows would yet need."""
    width = 2 ** (1 + max(tree.tree_.max_depth for tree in grown.estimators_)) - 1
    shape = (len(grown.estimators_), width)
    out = {"feature": np.full(shape, -1), "cut": np.zeros(shape), "depth": np.zeros(shape)}
    for number, (estimator, columns) in enumerate(zip(grown.estimators_, grown.estimators_features_, strict=True)):
        tree = estimator.tree_
        left = [(0, 0, 0)]  # node, its place in the heap, cuts so far
        while left:
            node, place, cuts = left.pop()
            if tree.children_left[node] < 0:
                out["depth"][number, place] = cuts + _unsuccessful(int(tree.n_node_samples[node]))
                continue
            out["feature"][number, place] = columns[tree.feature[node]]
            out["cut"][number, place] = tree.threshold[node]
            left.append((int(tree.children_left[node]), 2 * place + 1, cuts + 1))
            left.append((int(tree.children_right[node]), 2 * place + 2, cuts + 1))
    return {name: out[name].astype(kind) for name, kind in _KINDS.items()}


def _unsuccessful(count: int) -> float:
    """Mean length of an unsuccessful search in a binary tree of `count` (Liu and others 2008, equation 1)."""
    if count <= 2:
        return max(count - 1.0, 0.0)
    return 2.0 * (float(np.log(count - 1.0)) + float(np.euler_gamma)) - 2.0 * (count - 1.0) / count


def _depth(rows: npt.NDArray[np.float32], forest: Mapping[str, npt.NDArray[Any]]) -> Array:
    """Mean number of cuts that set each of `rows` apart."""
    trees, width = forest["feature"].shape
    out = np.empty(len(rows))
    for first in range(0, len(rows), _PART):
        some = rows[first : first + _PART]
        number, total = np.arange(len(some)), np.zeros(len(some))
        for tree in range(trees):
            feature, cut = forest["feature"][tree], forest["cut"][tree]
            place = np.zeros(len(some), dtype=np.int64)
            for _ in range(int(np.log2(width + 1)) - 1):
                asked = feature[place]
                beyond = some[number, np.maximum(asked, 0)] > cut[place]
                place = np.where(asked < 0, place, 2 * place + 1 + beyond)
            total += forest["depth"][tree][place]
        out[first : first + len(some)] = total / trees
    return out


def _judge(time: Ints, values: Array, known: Mapping[str, Any]) -> tuple[npt.NDArray[np.bool_], Array, Array]:
    """As `_station.scores` asks for."""
    scaled = (values - np.array(known["centre"])) / np.array(known["scale"])
    rows = _rows(time, scaled, known["change"], known["cadence"])
    judged = np.logical_and.reduce(np.isfinite(rows), axis=1)
    forest = {
        name: np.frombuffer(base64.b64decode(known[name]), kind).reshape(known["trees"], -1)
        for name, kind in _KINDS.items()
    }
    return judged, known["usual"] / _depth(rows[judged], forest) / known["line"], scaled[judged]
