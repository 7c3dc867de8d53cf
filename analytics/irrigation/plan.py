"""What to do about the days ahead: when to water and how much, by what may come.

A zone is a cloud of depletions that may be, each met by each of the rains that may come. Every day it is asked
whether stress before the next chance costs more than what watering now would waste; and to which depletion to refill,
since rain needs room. All costs are in mm of water. What is planned for later days is what would be done if nothing
more were heard.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize, sparse  # type: ignore[import-untyped]  # it has no types

from analytics.irrigation.filter import Flags, Numbers

#: A plan is as long as this [d]; its first day begins now.
LONG = 7
#: The depletions that stand for a doubt, in standard deviations: middles of nine equal parts of a normal one.
POINTS = np.array([-1.5932, -0.9674, -0.5895, -0.2822, 0.0, 0.2822, 0.5895, 0.9674, 1.5932])
#: What of RAW may be left lost by a watering.
_TARGETS = np.linspace(0.0, 0.75, 6)


@dataclass(frozen=True, slots=True)
class Ahead:
    """What is known of `n` zones: depletion and its doubt now, RAW and TAW [mm], each (n,); what they would use
    without stress (n, LONG) and the rain that may count, (n, m, LONG) of m that are equally likely [mm]."""

    lost: Numbers
    doubt: Numbers
    raw: Numbers
    taw: Numbers
    demand: Numbers
    rain: Numbers


@dataclass(frozen=True, slots=True)
class Plan:
    """`depth` (n, LONG) [mm] to give; of the first day the probability of `stress` if nothing is done, and whether it
    is left to the `rain` that may come (n,)."""

    depth: Numbers
    stress: Numbers
    rain: Flags


#: Nobody is sent for less [mm].
_LEAST = 0.5
#: How much of what was foretold may come.
_SHARES = np.array([0.0, 0.5, 1.0, 1.5])


def rains(past: Numbers, foretold: Numbers, bands: Sequence[tuple[float, float]]) -> Numbers:
    """Rains that may count (n, m, LONG) [mm]: where none is `foretold` (n, LONG) [mm] (NaN) as in some week of `past`.

    `past` (n, days) [mm] is what counted, oldest first. Of rain that is foretold all, half, half more or nothing comes.
    """
    starts = range(0, max(past.shape[1] - LONG, 0) + 1, 4)
    weeks = np.stack([past[:, start : start + LONG] for start in starts], axis=1)
    came = foretold[:, None] * np.resize(_SHARES, weeks.shape[1])[:, None]
    counts = came * np.select([came < below for below, _ in bands], [share for _, share in bands], 0.0)
    return np.where(np.isfinite(came), counts, weeks)


def make(ahead: Ahead, rules: Mapping[str, float], shut: Flags | None = None, days: int = LONG) -> Plan:
    """The plan of each zone by itself, of the first `days`. `shut` (n, LONG): days on which it may not be watered.

    `rules`: `stress` [mm], what a day of it costs; `visit` [mm], what each watering costs; `span` [d], for how long a
    watering is to last; `swing` [1], how far a day's use may be off; `doubt`, as much of TAW counts at most.
    """
    number, rains = ahead.rain.shape[:2]
    # What lasts of a doubt is not to be drowned: a zone without a probe would be kept wet for ever.
    doubt = np.hypot(np.minimum(ahead.doubt, rules["doubt"] * ahead.taw), rules["swing"] * ahead.demand[:, 0])
    # Not cut to what can be: the same cloud about a drier mean is to ask for the same depth beyond it.
    cloud = ahead.lost[:, None] + POINTS * doubt[:, None]
    cloud = np.repeat(cloud, rains, axis=1)
    coming = np.tile(ahead.rain, (1, POINTS.size, 1))
    depth = np.zeros((number, LONG))
    risk, left = np.zeros(number), np.zeros(number, dtype=bool)
    for day in range(days):
        give, stressed, rained = _today(ahead, cloud, coming, day, rules)
        if day == 0:
            risk, left = stressed, rained
        depth[:, day] = np.where(False if shut is None else shut[:, day], 0.0, give)
        cloud = np.maximum(cloud - depth[:, day, None], 0)
        cloud, _ = _step(ahead, cloud, coming, day)
    return Plan(depth, risk, left)


def _step(ahead: Ahead, cloud: Numbers, coming: Numbers, day: int, lasting: int = 0) -> tuple[Numbers, Numbers]:
    """`cloud` a day on, and what ran through [mm]."""
    taw, raw = ahead.taw[:, None], ahead.raw[:, None]
    when = min(day + lasting, LONG - 1)
    stress = np.clip((taw - cloud) / (taw - raw), 0, 1)
    now = cloud + ahead.demand[:, when, None] * stress - coming[:, :, when]
    return np.clip(now, 0, taw), np.maximum(-now, 0)


def _today(
    ahead: Ahead, cloud: Numbers, coming: Numbers, day: int, rules: Mapping[str, float]
) -> tuple[Numbers, Numbers, Flags]:
    """What to give [mm] of a day, the probability of stress without, and whether rain alone is why nothing is given."""
    raw, mean, span = ahead.raw, cloud.mean(axis=1), int(rules["span"])
    later, _ = _step(ahead, cloud, coming, day)
    # What would run through anyhow, of a zone at RAW: of each as it is, a drier one would have more to lose and wait.
    _, spilt = _step(ahead, cloud + (raw - mean)[:, None], coming, day)
    stressed = (later > raw[:, None]).mean(axis=1)
    dry, _ = _step(ahead, cloud, np.zeros_like(coming), day)
    use = np.maximum(ahead.demand[:, day], 0.1)
    best, cost = np.zeros_like(mean), np.full_like(mean, np.inf)
    first, spare = np.zeros_like(mean), np.zeros_like(mean)
    idle = _spilt(ahead, cloud, coming, day, span)[0]
    for target in _TARGETS:
        # Of a zone wetter than that it is negative: what is best to refill to does not hang on how dry it is now.
        give = mean - target * raw
        wet = np.maximum(cloud - give[:, None], 0)
        through = np.maximum(give[:, None] - cloud, 0).mean(axis=1)
        lost, at_once, dried = _spilt(ahead, wet, coming, day, span)
        visits = rules["visit"] * span * use / (raw * (1 - target))
        total = through + lost - idle + rules["stress"] * dried + visits
        better = total < cost - 1e-9
        best, cost = np.where(better, give, best), np.where(better, total, cost)
        first = np.where(better, through + at_once - spilt.mean(axis=1), first)
        spare = np.where(better, through, spare)
    # A day's delay saves the share of a visit that a day is, and what rain would have made of the water.
    least = rules["visit"] * use / raw
    give = rules["stress"] * stressed > first + least
    thirsty = rules["stress"] * (dry > raw[:, None]).mean(axis=1) > spare + least
    return np.where(give, np.maximum(best, 0.0), 0.0), stressed, thirsty & ~give


def _spilt(ahead: Ahead, cloud: Numbers, coming: Numbers, day: int, span: int) -> tuple[Numbers, Numbers, Numbers]:
    """What runs through, what of it on the first day [mm], and of `span` days those of stress; expected, (n,)."""
    through, first, dried = np.zeros(cloud.shape[0]), np.zeros(cloud.shape[0]), np.zeros(cloud.shape[0])
    for lasting in range(max(LONG - day, span)):
        cloud, over = _step(ahead, cloud, coming, day, lasting)
        through += over.mean(axis=1)
        first = through.copy() if lasting == 0 else first
        dried += (cloud > ahead.raw[:, None]).mean(axis=1) * (lasting < span)
    return through, first, dried


def share(
    ahead: Ahead,
    wanted: Numbers,
    area: Numbers,
    supply: Numbers,
    shut: Flags | None = None,
    *,
    whole: float = np.inf,
) -> Numbers:
    """Depths (n, LONG) [mm] as near to `wanted` (n, LONG) as `supply` (LONG,) [L that reach the roots] lets, and the
    `whole` of all days.

    Water may come earlier than wanted, where the soil has room by the mean of what may be; what is late or missing is
    shared so that the stress is least: mm beyond RAW, by `area` (n,) [m²]. A linear program (HiGHS); where it finds
    nothing, each zone has the same share of what it wanted.
    """
    size = wanted.size
    closed = np.zeros(size, dtype=bool) if shut is None else shut.ravel()
    natural = ahead.lost[:, None] + np.cumsum(ahead.demand - ahead.rain.mean(axis=1), axis=1)
    total = np.cumsum(wanted, axis=1)
    # Before the use of the day: what a soil can take by then, all given before counted.
    room = np.maximum.accumulate(np.maximum(np.maximum(natural - ahead.demand, total), 0), axis=1)
    # Of each zone and day: what was given up to it, what of the wanted is behind, what is beyond RAW.
    eye, none = sparse.eye(size, format="csr"), sparse.csr_matrix((size, size))
    before = sparse.eye(size, k=-1, format="lil")
    before[np.arange(0, size, LONG)] = 0
    given = (eye - before).tocsr()
    weight = np.repeat(area, LONG)
    day_sums = sparse.kron(area[None, :], sparse.eye(LONG)).tocsr() @ given
    rows = sparse.vstack(
        [
            sparse.hstack([-eye, -eye, none]),
            sparse.hstack([-eye, none, -eye]),
            sparse.hstack([-given, none, none]),
            sparse.hstack([given[closed], none[closed], none[closed]]),
            sparse.hstack([day_sums, sparse.csr_matrix((LONG, 2 * size))]),
            sparse.hstack([sparse.csr_matrix(day_sums.sum(axis=0)), sparse.csr_matrix((1, 2 * size))]),
        ],
        format="csr",
    )
    dry = natural - ahead.raw[:, None]
    limits = np.concatenate([-total.ravel(), -dry.ravel(), np.zeros(size + int(closed.sum())), supply, [whole]])
    bounded = np.isfinite(limits)
    ceiling = np.concatenate([room.ravel(), np.full(2 * size, np.inf)])
    found = optimize.linprog(
        np.concatenate([np.zeros(size), weight, 5 * weight]) / area.sum(),
        A_ub=rows[bounded],
        b_ub=limits[bounded],
        bounds=np.stack([np.zeros(3 * size), ceiling], axis=1),
        method="highs-ipm",
    )
    if found.x is None:  # numbers beyond the solver: no zone is to go without an answer for that
        made = wanted * np.minimum(1.0, supply / np.maximum(area @ wanted, 1e-9))
        made = made * min(1.0, whole / max(float((area @ made).sum()), 1e-9))
    else:
        made = np.diff(found.x[:size].reshape(wanted.shape), axis=1, prepend=0.0)
    return np.asarray(np.where(made < _LEAST, 0.0, made), dtype=float)
