"""Scales on which errors of low and high values are alike, and the way back within a parameter's limits."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from analytics.skill import Array


@dataclass(frozen=True, slots=True)
class Subject:
    """How one parameter is forecast: the scale its errors are alike on, what it cannot leave [unit], models beside the
    naive, and limits [unit] of which the chance of being over them is told."""

    parameter: str
    scale: str = "none"
    offset: float = 0.0
    floor: float = -np.inf
    ceiling: float = np.inf
    models: tuple[str, ...] = ()
    limits: tuple[float, ...] = ()


#: name -> (onto the scale, back from it), of values and an offset. What lies below the scale stands on its floor.
SCALES: Mapping[str, tuple[Callable[[Array, float], Array], Callable[[Array, float], Array]]] = {
    "none": (lambda x, _: x, lambda z, _: z),
    "root": (lambda x, offset: np.sqrt(np.maximum(x + offset, 0)), lambda z, offset: np.maximum(z, 0) ** 2 - offset),
    "log": (lambda x, offset: np.log(np.maximum(x + offset, offset)), lambda z, offset: np.exp(z) - offset),
}


def onto(values: Array, subjects: Sequence[Subject]) -> Array:
    """`values` [..., series], each series on its scale."""
    return _apply(values, subjects, 0)


def back(values: Array, subjects: Sequence[Subject]) -> Array:
    """`values` [..., series] in their units, none outside its parameter's floor and ceiling."""
    floor = np.array([subject.floor for subject in subjects])
    ceiling = np.array([subject.ceiling for subject in subjects])
    return np.clip(_apply(values, subjects, 1), floor, ceiling)


def _apply(values: Array, subjects: Sequence[Subject], way: int) -> Array:
    out = np.array(values, dtype=np.float64)
    for scale, offset in sorted({(subject.scale, subject.offset) for subject in subjects}):
        mine = np.array([(subject.scale, subject.offset) == (scale, offset) for subject in subjects])
        out[..., mine] = SCALES[scale][way](out[..., mine], offset)
    return out
