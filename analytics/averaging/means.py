"""Kinds of mean: values into integers, which add up to the same bits in any order, and their sums into one value."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import polars as pl

from analytics.frames import settle

MICRO = 1_000_000
#: Energies are added in ten-thousandths of the reference energy, in two limbs: ten levels of 140 dB would overflow one.
ENERGY, LIMB = 10_000, 2**30
#: Components of unit vectors are added in thousand millionths.
COMPONENT = 10**9


class Mean(NamedTuple):
    """A kind of mean: values between `low` and `high` become two integers, their sums and the count one value."""

    low: float
    high: float
    parts: Callable[[pl.Expr], tuple[pl.Expr, pl.Expr]]
    value: Callable[[pl.Expr, pl.Expr, pl.Expr], pl.Expr]
    digits: int = 6


def _micros(value: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
    return (value * MICRO).round().cast(pl.Int64), pl.lit(0, pl.Int64)


def _energy(level: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
    whole = (10 ** (level / 10) * ENERGY).round().cast(pl.Int64)
    return whole // LIMB, whole % LIMB


def _vector(degrees: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
    angle = degrees.radians()
    return (angle.sin() * COMPONENT).round().cast(pl.Int64), (angle.cos() * COMPONENT).round().cast(pl.Int64)


def _level(high: pl.Expr, low: pl.Expr, count: pl.Expr) -> pl.Expr:
    return decibel(mean_energy(high, low, count))


def mean_energy(high: pl.Expr, low: pl.Expr, count: pl.Expr) -> pl.Expr:
    """Mean energy [reference energy] of `count` levels from the two sums of their parts."""
    return (high.cast(pl.Float64) * LIMB + low) / count / ENERGY


def decibel(energy: pl.Expr) -> pl.Expr:
    """Level [dB] of `energy` [reference energy], null where there is none."""
    return pl.when(energy > 0).then(10 * energy.log10())


def _direction(sine: pl.Expr, cosine: pl.Expr, _: pl.Expr) -> pl.Expr:
    """Directions that cancel out have no mean."""
    angle = settle(pl.arctan2(sine.cast(pl.Float64), cosine.cast(pl.Float64)).degrees())
    return pl.when((sine != 0) | (cosine != 0)).then(angle % 360)


#: Sums stay below 2**63 for 90,000 values within `low` and `high`; a value outside cannot be added exactly and does
#: not enter: no unit of ours has such values. A mean level is right to 1e-4 dB from 10 dB upwards.
MEANS: Mapping[str, Mean] = {
    "arithmetic": Mean(-1e8, 1e8, _micros, lambda total, _, count: total / (count * MICRO)),
    "sum": Mean(-1e8, 1e8, _micros, lambda total, _, count: pl.when(count > 0).then(total / MICRO)),
    "energy": Mean(-20, 140, _energy, _level, digits=4),
    "circular": Mean(-360, 360, _vector, _direction),
}
