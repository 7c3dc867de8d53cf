"""A small network of all leads at once (scikit-learn's perceptron), beside the trees of each: it errs elsewhere.

Its columns are standardised; a gap stands at the mean. What it has learned is matrices, and they are all that is kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from analytics.forecasting._boosting import hands
from analytics.forecasting._panel import Singles
from analytics.skill import Array

_BATCH, _STEPS, _RATE, _WEIGHT = 512, 300, 1e-3, 1.0
#: Standard deviations that a column may be off.
_FAR = 4.0


@dataclass(frozen=True, slots=True)
class Network:
    """`middle` and `spread` of the columns, `sizes` of what is told, and (weights, offsets) of each layer."""

    middle: Array
    spread: Array
    sizes: Array
    layers: tuple[tuple[Array, Array], ...]


def learn(
    rows: Singles, targets: Array, hidden: Sequence[int], epochs: int, pull: float, seeds: Sequence[int]
) -> tuple[Network, ...]:
    """What `targets` [rows, leads] were, by `rows` of columns, a network a seed; a target that is NaN teaches nothing.

    Huber's loss: what lies farther off than `pull` standard deviations of its lead pulls no harder, so that in the end
    the middle is told, of which the mean absolute error is least, and not the mean.
    """
    there = np.isfinite(rows)
    count = np.maximum(there.sum(axis=0), 1)
    middle = np.where(there, rows, 0.0).sum(axis=0, dtype=np.float64) / count
    off = np.where(there, rows - middle.astype(np.float32), np.float32(0))
    spread = np.sqrt((off**2).sum(axis=0, dtype=np.float64) / count)
    spread = np.where(spread > 1e-9, spread, 1.0)
    sizes = np.maximum(np.sqrt(np.nanmean(targets**2, axis=0)), 1e-9)
    plain = _plain(rows, middle, spread)
    true = (targets / sizes).astype(np.float32)

    def one(seed: int) -> Network:
        layers = _layers(plain, true, hidden, epochs, pull, seed)
        return Network(middle, spread, sizes, layers)

    return tuple(hands.each(one, seeds))


def _layers(
    plain: Singles, true: Singles, hidden: Sequence[int], epochs: int, pull: float, seed: int
) -> tuple[tuple[Array, Array], ...]:
    """(weights, offsets) of each layer, learned from standardised rows and targets."""
    from sklearn.neural_network import MLPRegressor  # type: ignore[import-untyped]  # it has no types

    model: Any = MLPRegressor(
        hidden_layer_sizes=tuple(hidden), alpha=_WEIGHT, learning_rate_init=_RATE, random_state=seed
    )
    rng = np.random.default_rng(seed)
    for _ in range(max(epochs, -(-_STEPS * _BATCH // len(plain)))):
        for some in np.array_split(rng.permutation(len(plain)), -(-len(plain) // _BATCH)):
            # scikit-learn has the squared loss alone: of a target that is drawn near it has Huber's gradient.
            told = model.predict(plain[some]) if hasattr(model, "coefs_") else np.zeros_like(true[some])
            near = told + np.nan_to_num(np.clip(true[some] - told, -pull, pull))
            model.set_params(batch_size=len(some)).partial_fit(plain[some], near)
    layers = zip(model.coefs_, model.intercepts_, strict=True)
    return tuple((w.astype(np.float64), b.astype(np.float64)) for w, b in layers)


def tell(network: Network, rows: Singles) -> Array:
    """[rows, leads] what is told of `rows` of columns."""
    found = _plain(rows, network.middle, network.spread).astype(np.float64)
    for number, (weights, offsets) in enumerate(network.layers):
        found = (np.maximum(found, 0.0) if number else found) @ weights + offsets
    return np.asarray(found * network.sizes)


def mean(networks: Sequence[Network], rows: Singles) -> Array:
    """[rows, leads] what `networks` tell of `rows` on the whole."""
    return np.asarray(np.mean([tell(network, rows) for network in networks], axis=0))


def flat(network: Network) -> Array:
    """Its numbers, one after the other."""
    layers = [part.ravel() for layer in network.layers for part in layer]
    return np.concatenate([network.middle, network.spread, network.sizes, *layers])


def built(numbers: Array, widths: Sequence[int]) -> Network:
    """The network whose columns, layers and leads have these `widths`, of the numbers that `flat` gave.

    Raises `ValueError` where they are too few, too many, or not finite.
    """
    shapes: list[tuple[int, ...]] = [(widths[0],), (widths[0],), (widths[-1],)]
    for low, high in pairwise(widths):
        shapes += [(low, high), (high,)]
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
    if len(numbers) != ends[-1] or not np.isfinite(numbers).all():
        raise ValueError("not a fit: a network does not fit together")
    parts = [part.reshape(shape) for part, shape in zip(np.split(numbers, ends[:-1]), shapes, strict=True)]
    middle, spread, sizes, *layers = parts
    return Network(middle, spread, sizes, tuple(zip(layers[::2], layers[1::2], strict=True)))


def _plain(rows: Singles, middle: Array, spread: Array) -> Singles:
    off = (rows - middle.astype(np.float32)) / spread.astype(np.float32)
    return np.nan_to_num(np.clip(off, -_FAR, _FAR))
