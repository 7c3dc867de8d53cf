"""A fit and a panel to the hours ahead."""

from datetime import timedelta

import numpy as np

from analytics.forecasting import _panel
from analytics.forecasting._boosting import network
from analytics.forecasting._boosting.blocks import FOLDS
from analytics.forecasting._boosting.blocks import fold as fold_of
from analytics.forecasting._boosting.fit import Fit
from analytics.forecasting._boosting.trees import grow
from analytics.forecasting._panel import Panel
from analytics.forecasting._settings import Settings
from analytics.skill import Array, Bools, Ints


def forecast(panel: Panel, origins: Ints, settings: Settings, fit: Fit) -> Array:
    """[origins, leads, series] on the scale of the panel, NaN where its anchor cannot say either.

    Raises `ValueError` where the fit reads other columns than the panel has.
    """
    if (sorted(panel.beside), sorted(panel.ahead)) != (fit.manifest["beside"], fit.manifest["ahead"]):
        had = f"{sorted(panel.beside)} and {sorted(panel.ahead)}"
        raise ValueError(f"the fit reads {fit.manifest['beside']} beside and {fit.manifest['ahead']} ahead, not {had}")
    out = np.empty((len(origins), settings.leads, panel.values.shape[1]))
    taught = np.array([panel.start + timedelta(hours=int(origin)) < fit.until for origin in origins])
    folds = np.where(taught, fold_of(panel.start, origins, fit.manifest["block"]), -1)
    for some in panel.parts(len(origins)):
        out[some] = _ahead(panel, origins[some], folds[some], settings, fit)
    return out


def _ahead(panel: Panel, origins: Ints, folds: Ints, settings: Settings, fit: Fit) -> Array:
    known = _panel.anchor(panel.values, origins, settings)
    common = _panel.base(panel, origins, settings.fresh)
    fitted = np.array(fit.manifest["leads"])
    shape = common.shape[:2]
    mine = _panel.at_leads(panel, origins, fitted.tolist(), settings, known)
    if common.shape[-1] + mine[0].shape[-1] != fit.manifest["columns_read"]:
        raise ValueError(f"the fit reads {fit.manifest['columns_read']} columns, the panel has others")
    beside, said = np.zeros((len(fitted), *shape)), np.empty((len(fitted), *shape))
    everything = _panel.every_lead(common, mine)
    for fold, networks in enumerate(fit.networks):
        for rows, weight in _weights(folds, fold, len(fit.networks)):
            some = network.mean(networks, everything[rows].reshape(-1, everything.shape[-1]))
            beside[:, rows] += weight * some.T.reshape(len(fitted), -1, shape[1])
    del everything
    for place in range(len(fitted)):
        wide = np.concatenate([common, mine[place]], axis=-1)
        told = np.zeros(shape)
        for fold, (start, trees) in enumerate(zip(fit.start[place], fit.trees[place], strict=True)):
            for rows, weight in _weights(folds, fold, FOLDS):
                some = wide[rows].reshape(-1, wide.shape[-1]).astype(np.float64)
                told[rows] += weight * grow(some, start, trees).reshape(-1, shape[1])
        said[place] = fit.trust[place, 0] * told + fit.trust[place, 1] * beside[place]
    leads = np.arange(1, settings.leads + 1)
    right = np.clip(np.searchsorted(fitted, leads), 1, len(fitted) - 1)
    low, high = fitted[right - 1], fitted[right]
    share = np.clip((leads - low) / (high - low), 0, 1)[:, None, None]
    return np.asarray(known + (said[right - 1] * (1 - share) + said[right] * share).swapaxes(0, 1))


def _weights(folds: Ints, fold: int, speakers: int) -> list[tuple[Bools, float]]:
    """Which origins a fold speaks of alone, and of which with all speakers."""
    found = [(folds == fold, 1.0), (folds < 0, 1 / speakers)]
    return [(rows, weight) for rows, weight in found if rows.any()]
