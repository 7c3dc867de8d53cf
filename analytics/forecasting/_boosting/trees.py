"""Trees of gradient boosting as arrays: grown and walked by scikit-learn, kept as data."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from analytics.skill import Array

#: A node of a tree. A leaf has `left` 0; else rows with `feature` up to `line` go left, and those without it if `gap`.
NODE = np.dtype(
    [("value", "<f8"), ("line", "<f8"), ("feature", "<u2"), ("left", "<u2"), ("right", "<u2"), ("gap", "u1")]
)
Nodes = npt.NDArray[np.void]


#: Ours -> scikit-learn's.
_NAMES: Mapping[str, str] = {
    "line": "num_threshold",
    "feature": "feature_idx",
    "left": "left",
    "right": "right",
    "gap": "missing_go_to_left",
}


def kept(model: Any) -> tuple[Nodes, ...]:
    """The trees of a fitted model, each an array of its nodes."""
    found = []
    for (tree,) in model._predictors:
        nodes = np.zeros(len(tree.nodes), dtype=NODE)
        inner = tree.nodes["is_leaf"] == 0
        nodes["value"] = tree.nodes["value"]
        for mine, theirs in _NAMES.items():
            nodes[mine][inner] = tree.nodes[theirs][inner]
        found.append(nodes)
    return tuple(found)


def grow(rows: Array, start: float, trees: tuple[Nodes, ...]) -> Array:
    """What trees say of `rows`, by scikit-learn's own walk."""
    from sklearn.ensemble._hist_gradient_boosting.common import PREDICTOR_RECORD_DTYPE  # type: ignore[import-untyped]
    from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor  # type: ignore[import-untyped]

    none = np.zeros((0, 8), dtype=np.uint32)
    known = np.zeros((0, 8), dtype=np.uint32), np.zeros(rows.shape[1], dtype=np.uint32)
    out = np.full(len(rows), start)
    for mine in trees:
        nodes = np.zeros(len(mine), dtype=PREDICTOR_RECORD_DTYPE)
        nodes["value"] = mine["value"]
        for name, theirs in _NAMES.items():
            nodes[theirs] = mine[name]
        nodes["is_leaf"] = mine["left"] == 0
        out += TreePredictor(nodes, none, none).predict(rows, *known, 1)
    return out
