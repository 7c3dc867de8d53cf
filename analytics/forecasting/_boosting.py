"""One model a parameter over all its stations: gradient-boosted trees, direct by lead, and small networks beside.

Both are scikit-learn's. They learn how what came differs from damped persistence around the wave of the day, on the
scale of the parameter, three times: each time without every third block of weeks. There it is seen how far to trust
either at each lead; and there, in the past that it was taught, it is tested by the one that was not taught that block,
so that no test flatters it. Of later times the mean of all is said, between fitted leads by straight line.
A fit is data: `pack` gives bytes (arrays and a manifest, nothing that runs), the same for the same panel and manifest.
"""

import io
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import sklearn  # type: ignore[import-untyped]  # it has no types
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # nor has this

from analytics.forecasting import _network, _panel
from analytics.forecasting._network import Network
from analytics.forecasting._panel import Panel, Singles
from analytics.forecasting._settings import Settings
from analytics.skill import Array, Bools, Ints

NAME = "boosting"
LEADS = (1, 2, 3, 6, 12, 18, 24, 36, 48, 72)
_FOLDS = 3
#: Rows of features worked on at once: some hundred numbers each.
_PART = 60_000
#: Forecasts that must be there to learn from, and to test on, in each of the three.
_LEAST = 500
#: The share of leads of which the truth must be there for a row to teach the network.
_WHOLE = 0.7
#: Bytes of a fit, unpacked.
_LARGEST = 200_000_000

#: A node of a tree. A leaf has `left` 0; else rows with `feature` up to `line` go left, and those without it if `gap`.
_NODE = np.dtype(
    [("value", "<f8"), ("line", "<f8"), ("feature", "<u2"), ("left", "<u2"), ("right", "<u2"), ("gap", "u1")]
)
Nodes = npt.NDArray[np.void]


@dataclass(frozen=True, slots=True)
class Shape:
    """How it learns; the manifest of a fit has it."""

    rounds: int = 200
    rate: float = 0.07
    leaves: int = 31
    least: int = 60
    columns: float = 0.3
    decay: float = 5.0
    rows: int = 250_000
    tree_rows: int = 80_000  # of these; a network learns of all in seconds
    seed: int = 7
    block: int = 28 * 24  # hours
    hidden: tuple[int, ...] = (96, 48)
    epochs: int = 3
    networks: int = 4
    leads: tuple[int, ...] = LEADS


@dataclass(frozen=True, slots=True)
class Fit:
    """What was learned: `trees` by lead and fold, `networks` by fold and of all, the share of both, and from what."""

    manifest: Mapping[str, Any]
    start: Array  # [leads, folds]
    trees: tuple[tuple[tuple[Nodes, ...], ...], ...]
    networks: tuple[tuple[Network, ...], ...]
    trust: Array  # [leads, 2]: the shares of trees and network in what is added to the anchor

    @property
    def until(self) -> datetime:
        """The first hour it knows nothing of."""
        return datetime.fromisoformat(self.manifest["until"])


def shape_of(manifest: Mapping[str, Any]) -> Shape:
    """How the fit of a manifest was made, to make it again."""
    found = {field.name: manifest[field.name] for field in fields(Shape)}
    return Shape(**{**found, "leads": tuple(found["leads"]), "hidden": tuple(found["hidden"])})


def enough(panel: Panel, until: int, shape: Shape | None = None) -> bool:
    """Whether each of the three has something to be tested on; `learn` looks closer."""
    folds = _fold(panel.start, np.arange(until), (shape or Shape()).block)
    count = np.isfinite(panel.values[:until]).sum(axis=1)
    return all(count[folds == fold].sum() >= _LEAST for fold in range(_FOLDS))


def learn(panel: Panel, until: int, settings: Settings, shape: Shape | None = None) -> Fit | None:
    """The fit of the rows of `panel` before `until`; None where there is too little to learn from and to test on."""
    shape = shape or Shape()
    if not enough(panel, until, shape):
        return None
    origins, chosen = _sample(panel, until, settings, shape)
    seen = panel.values[:until]
    parts = [slice(a, a + _step(panel)) for a in range(0, len(origins), _step(panel))]
    known = np.concatenate(
        [_panel.anchor(seen, origins[some], settings)[:, np.array(shape.leads) - 1] for some in parts]
    )
    common = np.concatenate(
        [_panel.base(panel.at(some), origins[some], settings.fresh)[chosen[some]] for some in parts]
    )
    when = np.broadcast_to(origins[:, None], chosen.shape)[chosen]
    come = np.stack([(_came(seen, origins, lead) - known[:, n])[chosen] for n, lead in enumerate(shape.leads)], axis=1)
    mine = [
        np.concatenate([_panel.at_lead(panel.at(s), origins[s], lead, settings, known[s, n])[chosen[s]] for s in parts])
        for n, lead in enumerate(shape.leads)
    ]
    taught = _taught_networks(panel.start, when, _everything(common, mine), come, shape)
    if taught is None:
        return None
    networks, beside = taught
    starts, trees, trusts = [], [], []
    drawn = np.random.default_rng(shape.seed).random(len(come)) * len(come) < shape.tree_rows
    for place, lead in enumerate(shape.leads):
        use = np.isfinite(come[:, place]) & drawn
        wide = np.concatenate([common[use], mine[place][use]], axis=-1)
        wide[:, np.isnan(wide).all(axis=0)] = 0.0  # a column of nothing cannot be cut
        grown = _grown_trees(panel.start, when[use], wide, come[use, place], lead, shape)
        if grown is None:
            return None
        starts.append(grown[0])
        trees.append(grown[1])
        trusts.append(_trust(grown[2], beside[use, place], come[use, place]))
    manifest = {
        **asdict(shape),
        "leads": list(shape.leads),
        "hidden": list(shape.hidden),
        "until": (panel.start + timedelta(hours=until)).isoformat(),
        "series": panel.values.shape[1],
        "beside": sorted(panel.beside),
        "ahead": sorted(panel.ahead),
        "columns_read": int(wide.shape[1]),
        "widths": [len(networks[0][0].middle), *shape.hidden, len(shape.leads)],
        "rows_read": len(come),
        "scikit-learn": sklearn.__version__,
    }
    return Fit(manifest, np.array(starts), tuple(trees), tuple(networks), np.array(trusts))


def _taught_networks(
    start: datetime, when: Ints, rows: Singles, come: Array, shape: Shape
) -> tuple[tuple[tuple[Network, ...], ...], Array] | None:
    """The networks of each fold and of all rows, and [rows, leads] what those say that were not taught a row.

    None: too few rows.
    """
    networks, told = [], np.zeros_like(come)
    whole = np.isfinite(come).mean(axis=1) > _WHOLE
    for fold in range(_FOLDS + 1):
        taught, test = _apart(start, when, max(shape.leads), shape.block, fold)
        use = taught & whole
        if use.sum() < _LEAST or (fold < _FOLDS and test.sum() < _LEAST):
            return None
        seeds = range(shape.seed + fold * shape.networks, shape.seed + (fold + 1) * shape.networks)
        with threadpool_limits(1):
            mine = tuple(_network.learn(rows[use], come[use], shape.hidden, shape.epochs, seed) for seed in seeds)
            told[test] = _mean(mine, rows[test])
        networks.append(mine)
    return tuple(networks), told


def _grown_trees(
    start: datetime, when: Ints, rows: Singles, come: Array, lead: int, shape: Shape
) -> tuple[list[float], tuple[tuple[Nodes, ...], ...], Array] | None:
    """Where the trees of each fold begin, the trees, and [rows] what those say that were not taught a row."""
    from sklearn.ensemble import HistGradientBoostingRegressor  # type: ignore[import-untyped]  # it has no types

    starts, trees, told = [], [], np.zeros(len(come))
    for fold in range(_FOLDS):
        taught, test = _apart(start, when, lead, shape.block, fold)
        if min(taught.sum(), test.sum()) < _LEAST:
            return None
        model = HistGradientBoostingRegressor(
            max_iter=shape.rounds,
            learning_rate=shape.rate,
            max_leaf_nodes=shape.leaves,
            min_samples_leaf=shape.least,
            l2_regularization=shape.decay,
            max_features=shape.columns,
            early_stopping=False,
            random_state=shape.seed + fold,
        )
        with threadpool_limits(1):
            model.fit(rows[taught], come[taught])
            told[test] = model.predict(rows[test])
        starts.append(float(model._baseline_prediction.item()))
        trees.append(_nodes(model))
    return starts, tuple(trees), told


def _mean(networks: Sequence[Network], rows: Singles) -> Array:
    return np.asarray(np.mean([_network.tell(network, rows) for network in networks], axis=0))


def forecast(panel: Panel, origins: Ints, settings: Settings, fit: Fit) -> Array:
    """[origins, leads, series] on the scale of the panel, NaN where its anchor cannot say either.

    Raises `ValueError` where the fit reads other columns than the panel has.
    """
    if (sorted(panel.beside), sorted(panel.ahead)) != (fit.manifest["beside"], fit.manifest["ahead"]):
        raise ValueError(f"the fit reads {fit.manifest['beside']} beside, the panel has {sorted(panel.beside)}")
    out = np.empty((len(origins), settings.leads, panel.values.shape[1]))
    taught = np.array([panel.start + timedelta(hours=int(origin)) < fit.until for origin in origins])
    folds = np.where(taught, _fold(panel.start, origins, fit.manifest["block"]), -1)
    for first in range(0, len(origins), _step(panel)):
        some = slice(first, first + _step(panel))
        out[some] = _ahead(panel.at(some), origins[some], folds[some], settings, fit)
    return out


def _ahead(panel: Panel, origins: Ints, folds: Ints, settings: Settings, fit: Fit) -> Array:
    known = _panel.anchor(panel.values, origins, settings)
    common = _panel.base(panel, origins, settings.fresh)
    fitted = np.array(fit.manifest["leads"])
    shape = common.shape[:2]
    mine = [_panel.at_lead(panel, origins, int(lead), settings, known[:, lead - 1]) for lead in fitted]
    if common.shape[-1] + mine[0].shape[-1] != fit.manifest["columns_read"]:
        raise ValueError(f"the fit reads {fit.manifest['columns_read']} columns, the panel has others")
    beside, said = np.zeros((len(fitted), *shape)), np.empty((len(fitted), *shape))
    everything = _everything(common, mine)
    for fold, networks in enumerate(fit.networks):
        for rows, weight in _weights(folds, fold, len(fit.networks)):
            some = _mean(networks, everything[rows].reshape(-1, everything.shape[-1]))
            beside[:, rows] += weight * some.T.reshape(len(fitted), -1, shape[1])
    del everything
    for place in range(len(fitted)):
        wide = np.concatenate([common, mine[place]], axis=-1)
        told = np.zeros(shape)
        for fold, (start, trees) in enumerate(zip(fit.start[place], fit.trees[place], strict=True)):
            for rows, weight in _weights(folds, fold, _FOLDS):
                some = wide[rows].reshape(-1, wide.shape[-1]).astype(np.float64)
                told[rows] += weight * _grow(some, start, trees).reshape(-1, shape[1])
        said[place] = fit.trust[place, 0] * told + fit.trust[place, 1] * beside[place]
    leads = np.arange(1, settings.leads + 1)
    right = np.clip(np.searchsorted(fitted, leads), 1, len(fitted) - 1)
    low, high = fitted[right - 1], fitted[right]
    share = np.clip((leads - low) / (high - low), 0, 1)[:, None, None]
    return np.asarray(known + (said[right - 1] * (1 - share) + said[right] * share).swapaxes(0, 1))


def _everything(common: Singles, by_lead: Sequence[Singles]) -> Singles:
    """[..., columns] what the network reads: all of it, the clock once."""
    return np.concatenate([common, by_lead[0], *(part[..., _panel.CLOCK :] for part in by_lead[1:])], axis=-1)


def _weights(folds: Ints, fold: int, speakers: int) -> list[tuple[Bools, float]]:
    """Which origins a fold speaks of alone, and of which with all speakers."""
    found = [(folds == fold, 1.0), (folds < 0, 1 / speakers)]
    return [(rows, weight) for rows, weight in found if rows.any()]


def _apart(start: datetime, rows: Ints, lead: int, block: int, fold: int) -> tuple[Bools, Bools]:
    """What a fold is taught and what it is tested on: neither hours nor those they are about touch a tested block."""
    out = [_fold(start, rows + shift, block) == fold for shift in (-lead, 0, lead)]
    return ~np.any(out, axis=0), out[1]


def _sample(panel: Panel, until: int, settings: Settings, shape: Shape) -> tuple[Ints, Bools]:
    """Origins to learn from, and [origins, series] which of their series: about `rows`, drawn by the seed."""
    rng, series = np.random.default_rng(shape.seed), panel.values.shape[1]
    every = np.arange(min(settings.mean // 4, until), until, dtype=np.int64)
    count = min(max(-(-shape.rows // series), 4000), len(every))
    origins = np.sort(rng.choice(every, count, replace=False))
    share = min(shape.rows / max(count * series, 1), 1.0)
    return origins, rng.random((count, series)) < share


def _step(panel: Panel) -> int:
    return int(max(_PART // max(panel.values.shape[1], 1), 1))


def _fold(start: datetime, rows: Ints, block: int) -> Ints:
    """The fold of each row: a block of the calendar, so that panels that begin elsewhere agree."""
    return np.asarray((int(start.timestamp()) // 3600 + rows) // block % _FOLDS)


def _came(values: Array, origins: Ints, lead: int) -> Array:
    rows = origins + lead - 1
    there = rows < len(values)
    return np.where(there[:, None], values[np.where(there, rows, 0)], np.nan)


def _trust(trees: Array, network: Array, target: Array) -> tuple[float, float]:
    """The shares of trees and network with which the mean absolute error is least on what neither was taught."""
    shares = [(part * whole, (1 - part) * whole) for part in np.linspace(0, 1, 5) for whole in np.linspace(0, 1.2, 13)]
    off = [np.abs(target - one * trees - other * network).mean() for one, other in shares]
    one, other = shares[int(np.argmin(off))]
    return float(one), float(other)


def _nodes(model: Any) -> tuple[Nodes, ...]:
    """The trees of a fitted model, each an array of its nodes."""
    found = []
    for (tree,) in model._predictors:
        nodes = np.zeros(len(tree.nodes), dtype=_NODE)
        inner = tree.nodes["is_leaf"] == 0
        nodes["value"] = tree.nodes["value"]
        names = {"line": "num_threshold", "feature": "feature_idx", "left": "left", "right": "right"}
        for mine, theirs in {**names, "gap": "missing_go_to_left"}.items():
            nodes[mine][inner] = tree.nodes[theirs][inner]
        found.append(nodes)
    return tuple(found)


def _grow(rows: Array, start: float, trees: tuple[Nodes, ...]) -> Array:
    """What trees say of `rows`, by scikit-learn's own walk."""
    from sklearn.ensemble._hist_gradient_boosting.common import PREDICTOR_RECORD_DTYPE  # type: ignore[import-untyped]
    from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor  # type: ignore[import-untyped]

    none = np.zeros((0, 8), dtype=np.uint32)
    known = np.zeros((0, 8), dtype=np.uint32), np.zeros(rows.shape[1], dtype=np.uint32)
    out = np.full(len(rows), start)
    for mine in trees:
        nodes = np.zeros(len(mine), dtype=PREDICTOR_RECORD_DTYPE)
        for theirs, name in (("value", "value"), ("num_threshold", "line"), ("feature_idx", "feature")):
            nodes[theirs] = mine[name]
        for theirs, name in (("left", "left"), ("right", "right"), ("missing_go_to_left", "gap")):
            nodes[theirs] = mine[name]
        nodes["is_leaf"] = mine["left"] == 0
        out += TreePredictor(nodes, none, none).predict(rows, *known, 1)
    return out


def pack(fit: Fit) -> bytes:
    """The bytes of a fit."""
    counts = [[[len(nodes) for nodes in fold] for fold in lead] for lead in fit.trees]
    said = json.dumps({**fit.manifest, "nodes": counts}, sort_keys=True).encode()
    every = np.concatenate([nodes for lead in fit.trees for fold in lead for nodes in fold])
    with io.BytesIO() as out:
        weights = np.array([[_network.flat(network) for network in fold] for fold in fit.networks])
        for part in (np.frombuffer(said, np.uint8), fit.start, fit.trust, every.view(np.uint8), weights):
            np.save(out, part, allow_pickle=False)
        return zlib.compress(out.getvalue(), 6)


def unpack(blob: bytes) -> Fit:
    """The fit of bytes that `pack` gave. Raises `ValueError` where they are not: no tree of it runs in a circle, leaves
    its array or reads a column that is not there."""
    try:
        return _unpacked(blob)
    except (
        zlib.error,
        EOFError,
        KeyError,
        TypeError,
        AttributeError,
        OverflowError,
        MemoryError,
        UnicodeDecodeError,
    ) as problem:
        raise ValueError(f"not a fit: {problem}") from problem


def _unpacked(blob: bytes) -> Fit:
    loose = zlib.decompressobj()
    source = io.BytesIO(loose.decompress(blob, _LARGEST))
    if not loose.eof:
        raise ValueError("not a fit: it is cut, or too large")
    said, start, trust, flat, weights = (np.lib.format.read_array(source, allow_pickle=False) for _ in range(5))
    manifest = json.loads(said.tobytes())
    every = np.frombuffer(flat.tobytes(), dtype=_NODE)
    counts, trees, at = manifest.pop("nodes"), [], 0
    for lead in counts:
        folds = []
        for fold in lead:
            if not all(isinstance(size, int) and size > 0 for size in fold):
                raise ValueError("not a fit: a tree has no nodes")
            ends = at + np.cumsum([0, *fold])
            folds.append(tuple(every[a:b] for a, b in pairwise(ends)))
            at = int(ends[-1])
        trees.append(tuple(folds))
    networks = tuple(tuple(_network.built(row, manifest["widths"]) for row in fold) for fold in weights)
    fit = Fit(manifest, start, tuple(trees), networks, trust)
    _sound(fit, at == len(every))
    return fit


def _sound(fit: Fit, whole: bool) -> None:
    """Nothing. Raises `ValueError` where a fit could not be walked."""
    leads, columns = fit.manifest["leads"], fit.manifest["columns_read"]
    named = [name for key in ("beside", "ahead") for name in fit.manifest[key]]
    rising = fit.until.tzinfo is not None and shape_of(fit.manifest).leads == tuple(leads)
    rising &= isinstance(fit.manifest["block"], int) and fit.manifest["block"] > 0
    rising &= all(isinstance(name, str) for name in named)
    rising &= leads == sorted(set(leads)) and all(isinstance(lead, int) and lead > 0 for lead in leads)
    shapes = len(leads) == len(fit.trees) > 1 and all(len(folds) == _FOLDS for folds in fit.trees)
    shapes &= (fit.start.shape, fit.trust.shape) == ((len(leads), _FOLDS), (len(leads), 2))
    shapes &= len(fit.networks) == _FOLDS + 1 and len(fit.networks[0]) > 0 and fit.manifest["widths"][-1] == len(leads)
    if not (whole and rising and shapes and np.isfinite(fit.start).all() and np.isfinite(fit.trust).all()):
        raise ValueError("not a fit: its arrays do not fit together")
    for nodes in (nodes for folds in fit.trees for fold in folds for nodes in fold):
        inner = np.flatnonzero(nodes["left"])
        some = nodes[inner]
        below = np.minimum(some["left"], some["right"]), np.maximum(some["left"], some["right"])
        good = (below[0] > inner) & (below[1] < len(nodes)) & (some["feature"] < columns)
        if not (good.all() and np.isfinite(nodes["value"]).all() and not np.isnan(nodes["line"]).any()):
            raise ValueError("not a fit: a tree leads nowhere")
