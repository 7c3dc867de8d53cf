"""A panel to a fit: what came beyond its anchor, learned three times and tested each time on what was not taught."""

from dataclasses import asdict
from datetime import datetime, timedelta
from importlib.metadata import version

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it has no types

from analytics.forecasting import _panel
from analytics.forecasting._boosting import hands, network
from analytics.forecasting._boosting.blocks import FOLDS, apart
from analytics.forecasting._boosting.blocks import fold as fold_of
from analytics.forecasting._boosting.fit import Fit, Shape
from analytics.forecasting._boosting.network import Network
from analytics.forecasting._boosting.trees import Nodes, kept
from analytics.forecasting._panel import Panel, Singles
from analytics.forecasting._scale import Subject, back
from analytics.forecasting._settings import Settings
from analytics.skill import Array, Bools, Ints, truth

#: Forecasts that must be there to learn from, and to test on, in each of the three.
_LEAST = 500
#: The share of leads of which the truth must be there for a row to teach the network.
_WHOLE = 0.7


def enough(panel: Panel, until: int, shape: Shape | None = None) -> bool:
    """Whether each of the three has something to be tested on; `learn` looks closer."""
    folds = fold_of(panel.start, np.arange(until), (shape or Shape()).block)
    count = np.isfinite(panel.values[:until]).sum(axis=1)
    return all(count[folds == fold].sum() >= _LEAST for fold in range(FOLDS))


def learn(panel: Panel, until: int, settings: Settings, shape: Shape | None = None) -> Fit | None:
    """The fit of the rows of `panel` before `until`; None where there is too little to learn from and to test on."""
    shape = shape or Shape()
    if not enough(panel, until, shape):
        return None
    origins, chosen = _sample(panel, until, settings, shape)
    seen = panel.values[:until]
    parts = panel.parts(len(origins))
    known = np.empty((len(origins), len(shape.leads), seen.shape[1]))
    by_part = []
    for some in parts:
        anchors = _panel.anchor(seen, origins[some], settings)
        known[some] = anchors[:, np.array(shape.leads) - 1]
        columns = _panel.at_leads(panel, origins[some], shape.leads, settings, anchors)
        by_part.append([part[chosen[some]] for part in columns])
    mine = [np.concatenate(of_lead) for of_lead in zip(*by_part, strict=True)]
    del by_part
    common = np.concatenate([_panel.base(panel, origins[some], settings.fresh)[chosen[some]] for some in parts])
    when = np.broadcast_to(origins[:, None], chosen.shape)[chosen]
    come = np.stack(
        [(truth(seen, origins + lead - 1, 1)[:, 0] - known[:, n])[chosen] for n, lead in enumerate(shape.leads)], axis=1
    )
    taught = _taught_networks(panel.start, when, _panel.every_lead(common, mine), come, shape)
    if taught is None:
        return None
    networks, beside = taught
    drawn = np.random.default_rng(shape.seed).random(len(come)) * len(come) < shape.tree_rows

    def of_lead(place: int) -> tuple[list[float], tuple[tuple[Nodes, ...], ...], tuple[float, float]] | None:
        use = np.isfinite(come[:, place]) & drawn
        wide = np.concatenate([common[use], mine[place][use]], axis=-1)
        wide[:, np.isnan(wide).all(axis=0)] = 0.0  # a column of nothing cannot be cut
        grown = _grown_trees(panel.start, when[use], wide, come[use, place], shape.leads[place], shape)
        if grown is None:
            return None
        start, trees, told = grown
        anchor = known[:, place][chosen][use]
        return start, trees, _trust(told, beside[use, place], come[use, place], anchor, panel.subject)

    learned = [made for made in hands.each(of_lead, range(len(shape.leads))) if made is not None]
    if len(learned) < len(shape.leads):
        return None
    starts, trees, trusts = zip(*learned, strict=True)
    manifest = {
        **asdict(shape),
        "leads": list(shape.leads),
        "hidden": list(shape.hidden),
        "until": (panel.start + timedelta(hours=until)).isoformat(),
        "series": panel.values.shape[1],
        "beside": sorted(panel.beside),
        "ahead": sorted(panel.ahead),
        "columns_read": common.shape[1] + mine[0].shape[1],
        "widths": [len(networks[0][0].middle), *shape.hidden, len(shape.leads)],
        "rows_read": len(come),
        "scikit-learn": version("scikit-learn"),
    }
    return Fit(manifest, np.array(starts), trees, networks, np.array(trusts))


def _taught_networks(
    start: datetime, when: Ints, rows: Singles, come: Array, shape: Shape
) -> tuple[tuple[tuple[Network, ...], ...], Array] | None:
    """The networks of each fold and of all rows, and [rows, leads] what those say that were not taught a row.

    None: too few rows.
    """
    networks, told = [], np.zeros_like(come)
    whole = np.isfinite(come).mean(axis=1) > _WHOLE
    for fold in range(FOLDS + 1):
        taught, test = apart(start, when, max(shape.leads), shape.block, fold)
        use = taught & whole
        if use.sum() < _LEAST or (fold < FOLDS and test.sum() < _LEAST):
            return None
        seeds = range(shape.seed + fold * shape.networks, shape.seed + (fold + 1) * shape.networks)
        networks.append(network.learn(rows[use], come[use], shape.hidden, shape.epochs, shape.pull, seeds))
        with threadpool_limits(1):
            told[test] = network.mean(networks[-1], rows[test])
    return tuple(networks), told


def _grown_trees(
    start: datetime, when: Ints, rows: Singles, come: Array, lead: int, shape: Shape
) -> tuple[list[float], tuple[tuple[Nodes, ...], ...], Array] | None:
    """Where the trees of each fold begin, the trees, and [rows] what those say that were not taught a row."""
    from sklearn.ensemble import HistGradientBoostingRegressor  # type: ignore[import-untyped]  # it has no types

    starts, trees, told = [], [], np.zeros(len(come))
    for fold in range(FOLDS):
        taught, test = apart(start, when, lead, shape.block, fold)
        if min(taught.sum(), test.sum()) < _LEAST:
            return None
        model = HistGradientBoostingRegressor(
            loss=shape.loss,
            max_iter=shape.rounds,
            learning_rate=shape.rate,
            max_leaf_nodes=shape.leaves,
            min_samples_leaf=shape.least,
            l2_regularization=shape.decay,
            max_features=shape.columns,
            max_bins=shape.bins,
            early_stopping=False,
            random_state=shape.seed + fold,
        )
        model.fit(rows[taught], come[taught])
        told[test] = model.predict(rows[test])
        starts.append(float(model._baseline_prediction.item()))
        trees.append(kept(model))
    return starts, tuple(trees), told


def _sample(panel: Panel, until: int, settings: Settings, shape: Shape) -> tuple[Ints, Bools]:
    """Origins to learn from, and [origins, series] which of their series: about `rows`, drawn by the seed."""
    rng, series = np.random.default_rng(shape.seed), panel.values.shape[1]
    every = np.arange(min(settings.mean // 4, until), until, dtype=np.int64)
    count = min(max(-(-shape.rows // series), 4000), len(every))
    origins = np.sort(rng.choice(every, count, replace=False))
    share = min(shape.rows / max(count * series, 1), 1.0)
    return origins, rng.random((count, series)) < share


def _trust(trees: Array, network: Array, come: Array, anchors: Array, subject: Subject) -> tuple[float, float]:
    """The shares of trees and network with which the mean absolute error [unit] is least on what neither was taught."""
    shares = [(part * whole, (1 - part) * whole) for part in np.linspace(0, 1, 5) for whole in np.linspace(0, 1.2, 13)]

    def units(beyond: Array) -> Array:
        return back((anchors + beyond)[:, None], [subject])

    true = units(come)
    off = [np.abs(true - units(one * trees + other * network)).mean() for one, other in shares]
    one, other = shares[int(np.argmin(off))]
    return float(one), float(other)
