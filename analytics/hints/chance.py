"""How often days of other weather do as well: the wind of some days before or after, laid beside the values of today.

Hours that follow one another are alike, and much has a day's rhythm and a season: a test that takes them for separate
draws finds everything significant. Laid against each other some whole days apart, the two series keep their runs, their
hours of the day and nearly their season, and only what ties them hour by hour is gone (a shift test; for its use with
series that are autocorrelated see Harris, "A shift test for independence in generic time series", 2020).
"""

from dataclasses import dataclass

import numpy as np

Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
Ints = np.ndarray[tuple[int, ...], np.dtype[np.int64]]
Waves = np.ndarray[tuple[int, ...], np.dtype[np.complex128]]
Flags = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]

#: Shifts [days]: nearer ones are still the same weather, farther ones another season.
NEAREST, FARTHEST = 2, 60
#: With fewer shifts nothing is said.
LEAST = 20
DAY = 24


@dataclass(frozen=True, slots=True)
class Contrast:
    """Of each group: the `count` of its hours and how many of them are `high`; `others` and `other_high`, of the hours
    outside. `z` is by how many standard deviations of the shifted ones the difference of the two shares is above their
    mean, `p` how often it is as great by chance; NaN where there is too little to say."""

    count: Array
    high: Array
    others: Array
    other_high: Array
    z: Array
    p: Array


def days(hours: int) -> list[int]:
    """Shifts [days] for series of so many `hours`: at least half of them are still beside each other."""
    far = min(FARTHEST, hours // (2 * DAY))
    return [sign * day for day in range(NEAREST, far + 1) for sign in (-1, 1)]


def contrast(groups: Flags, known: Flags, above: Flags, valid: Flags) -> Contrast:
    """Whether it is high more often in the hours of each group than in the others.

    `groups` has a row a group and a column an hour, one after the other without a gap; `known` says in which hours that
    is known at all (the wind has a direction), `above` in which it is high, `valid` in which there is a value.
    """
    hours = groups.shape[1]
    shifts = [0, *days(hours)]
    # float32 holds counts of hours exactly, to 16 million.
    there, up = (np.zeros((len(shifts), hours), np.float32) for _ in range(2))
    for row, day in enumerate(shifts):
        here, then = _aside(hours, day * DAY)
        there[row, here] = valid[then]
        up[row, here] = (above & valid)[then]
    whole = known.astype(np.float32)
    inside = (groups & known).astype(np.float32)
    count, high = ((inside @ each.T).astype(float) for each in (there, up))
    others, other_high = whole @ there.T - count, whole @ up.T - high
    with np.errstate(invalid="ignore", divide="ignore"):
        apart = high / count - other_high / others
    found = np.array([standing(each[0], each[1:]) for each in apart]).reshape(-1, 2)
    return Contrast(count[:, 0], high[:, 0], others[:, 0], other_high[:, 0], found[:, 0], found[:, 1])


def standing(found: float, chance: Array) -> tuple[float, float]:
    """By how many standard deviations `found` is above the mean of `chance`, and how often chance is as great, itself
    counted with it; NaN where there is too little of it, or all of it is one."""
    chance = chance[np.isfinite(chance)]
    if not np.isfinite(found) or chance.size < LEAST or np.ptp(chance) == 0:
        return np.nan, np.nan
    return float((found - chance.mean()) / chance.std()), float((1 + (chance >= found).sum()) / (1 + chance.size))


def _aside(count: int, hours: int) -> tuple[slice, slice]:
    """What lies beside each other where the second is `hours` later."""
    if hours >= 0:
        return slice(0, count - hours), slice(hours, count)
    return slice(-hours, count), slice(0, count + hours)
