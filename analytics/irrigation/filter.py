"""The balance and the probe joined: an extended Kalman filter over many zones at once, a day a step.

Four numbers are carried for each zone, with their doubt: the depletion, how much more than its coefficient says the
zone loses, how far the probe's field capacity lies from the table's, and how much of the rain reaches the roots; and a
further one for each further probe, how far off that is. All but the first learn slowly; so does the trust in each
probe, by how well it was foretold. What a probe says against all expectation is not believed, and said: it stays out
until it agrees again.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]

#: The numbers of a zone: depletion [mm], logarithm of the loss factor, offset of the probe [m³/m³], logarithm of the
#: share of rain that counts.
DEPLETION, LOSS, OFFSET, RAIN = range(4)
_NUMBERS = 4


def offset_of(probe: int) -> int:
    """Where the offset of the `probe` (from 0) stands among the numbers of its zone: further ones come last."""
    return OFFSET if probe == 0 else _NUMBERS + probe - 1


@dataclass(frozen=True, slots=True)
class Ground:
    """What the filter must know of zones, an array each: field capacity, wilting point [m³/m³], root [m], p [1].

    `drain` [1/d]: share of the water above field capacity that is gone after a day; 1 as in the paper. `pores`
    [m³/m³]: what the soil can hold above it. `curve`: the power of the last stretch of drying (1: FAO-56 equation 84).
    """

    fc: Numbers
    wp: Numbers
    root: Numbers
    p: Numbers
    drain: float = 0.5
    pores: float = 0.15

    @property
    def taw(self) -> Numbers:
        return 1000 * (self.fc - self.wp) * self.root

    @property
    def most(self) -> Numbers:
        """The depletion of a soil that air has dried: half of what plants leave."""
        return self.taw + 500 * self.wp * self.root


@dataclass(frozen=True, slots=True)
class Doubt:
    """How sure one is at first, and what a day adds: standard deviations.

    `first`, `daily` of the four numbers (of the depletion as shares of the available water); `water` of rain and
    watering [1]; `demand` of what is used [1]; `noise` of a probe at first and at least [m³/m³]; `gate` how many
    standard deviations a reading may be off; `forget` [1/d] of the trust; `patience` [d] until a probe that agrees
    again is believed.
    """

    first: tuple[float, float, float, float] = (0.3, 0.8, 0.1, 0.5)
    daily: tuple[float, float, float, float] = (0.04, 0.1, 0.005, 0.03)
    water: float = 1.0
    demand: float = 0.2
    noise: tuple[float, float] = (0.001, 0.0003)
    gate: float = 5.0
    forget: float = 0.02
    patience: int = 3


#: Of a zone whose soil and cover are known from tables, whose water is metered, and whose probe is a common one.
ZONE = Doubt(
    (0.3, 0.3, 0.03, 0.1),
    (0.004, 0.003, 0.0001, 0.002),
    water=0.05,
    demand=0.07,
    noise=(0.01, 0.001),
    gate=3,
    forget=0.05,
)


@dataclass(slots=True)
class State:
    """Of `n` zones with `m` probes each: numbers (n, 3 + m), their covariance; of each probe (n, m) the variance of its
    noise, the running mean of its surprise [sd], the newest reading and what was thought of the soil when it
    came [m³/m³], days it has been out and days it agreed."""

    mean: Numbers
    cov: Numbers
    noise: Numbers
    drift: Numbers
    last: Numbers
    then: Numbers
    out: Numbers
    agreed: Numbers


def begin(ground: Ground, depletion: Numbers, probes: int = 1, doubt: Doubt | None = None) -> State:
    """The state of zones that begin with `depletion` [mm]."""
    doubt = doubt or Doubt()
    number, size = depletion.size, _NUMBERS + probes - 1
    mean = np.zeros((number, size))
    mean[:, DEPLETION] = depletion
    cov = np.zeros((number, size, size))
    cov[:, range(size), range(size)] = _each(doubt.first, size) ** 2
    cov[:, DEPLETION, DEPLETION] = (doubt.first[0] * ground.taw) ** 2
    shape = (number, probes)
    return State(
        mean,
        cov,
        np.full(shape, doubt.noise[0] ** 2),
        np.zeros(shape),
        np.full(shape, np.nan),
        np.full(shape, np.nan),
        np.zeros(shape),
        np.zeros(shape),
    )


#: What is known of each probe.
_PROBE = ("noise", "drift", "last", "then", "out", "agreed")


def kept(state: State) -> Singles:
    """What is kept of zones beside their depletion, a row each: rounded, so that days one by one are days at once."""
    upper = np.triu_indices(state.mean.shape[1])
    parts = [state.mean[:, 1:], state.cov[:, *upper], *(getattr(state, name) for name in _PROBE)]
    return np.concatenate(parts, axis=1).astype(np.float32)


def put(state: State, places: npt.NDArray[np.intp], rows: Singles) -> None:
    """`rows` as `kept` made them become the state of the zones at `places`, as far as those have the same probes: of
    one that is new nothing is known, of one that is gone no more is kept."""
    numbers = rows.astype(float)
    probes = next(probes for probes in range(1, numbers.shape[1]) if _width(probes) == numbers.shape[1])
    size, same = _NUMBERS + probes - 1, min(probes, state.noise.shape[1])
    both, upper = _NUMBERS + same - 1, np.triu_indices(size)
    state.mean[places, 1:both] = numbers[:, : both - 1]
    cov = np.zeros((places.size, size, size))
    cov[:, *upper] = numbers[:, size - 1 : size - 1 + upper[0].size]
    cov += np.triu(cov, 1).transpose(0, 2, 1)
    state.cov[places, :both, :both] = cov[:, :both, :both]
    rest = numbers[:, size - 1 + upper[0].size :].reshape(places.size, len(_PROBE), probes)
    for order, name in enumerate(_PROBE):
        getattr(state, name)[places, :same] = rest[:, order, :same]


def _width(probes: int) -> int:
    """How many numbers `kept` keeps of a zone with so many `probes`."""
    size = _NUMBERS + probes - 1
    return size - 1 + size * (size + 1) // 2 + len(_PROBE) * probes


def _each(four: tuple[float, float, float, float], size: int) -> Numbers:
    """What is said of the `four` numbers, of each of `size`: of further probes as of the first."""
    return np.array([*four, *[four[OFFSET]] * (size - _NUMBERS)])


def forward(mean: Numbers, ground: Ground, demand: Numbers, rain: Numbers, watered: Numbers) -> Numbers:
    """The numbers (..., 4 and more) a day on: `demand` [mm] without stress, `rain` and `watered` [mm]. Equation 85.

    The depletion may be below 0, where the soil holds more than field capacity, for the days it drains.
    """
    lost, taw = mean[..., DEPLETION], ground.taw
    raw = ground.p * taw
    stress = np.clip((taw - lost) / (taw - raw), 0, 1)
    used = demand * np.exp(mean[..., LOSS]) * stress
    now = lost + used - rain * np.exp(mean[..., RAIN]) - watered
    over = np.minimum(-np.minimum(now, 0) * (1 - ground.drain), 1000 * ground.pores * ground.root)
    out = mean.copy()
    # Plants take no more than there is for them; a soil that air has dried further stays so.
    out[..., DEPLETION] = np.where(now < 0, -over, np.minimum(now, np.maximum(taw, lost)))
    return out


def predict(
    state: State, ground: Ground, demand: Numbers, rain: Numbers, watered: Numbers, doubt: Doubt | None = None
) -> None:
    """`state` a day on, before any probe is heard."""
    doubt = doubt or Doubt()
    ahead = forward(state.mean, ground, demand, rain, watered)
    size = state.mean.shape[1]
    slope = np.zeros((*state.mean.shape, size))
    slope[:, range(size), range(size)] = 1.0
    for place, step in enumerate((0.5, 0.01, 0.0, 0.01)):
        if step:
            moved, back = state.mean.copy(), state.mean.copy()
            moved[:, place] += step
            back[:, place] -= step
            up = forward(moved, ground, demand, rain, watered)[:, DEPLETION]
            slope[:, DEPLETION, place] = (up - forward(back, ground, demand, rain, watered)[:, DEPLETION]) / (2 * step)
    state.cov = slope @ state.cov @ slope.transpose(0, 2, 1)
    daily = _each(doubt.daily, size) ** 2
    state.cov[:, range(size), range(size)] += daily
    state.cov[:, DEPLETION, DEPLETION] += (
        (doubt.daily[0] * ground.taw) ** 2
        + (doubt.water * (rain + watered)) ** 2
        + (doubt.demand * demand) ** 2
        - daily[0]
    )
    # Doubt beyond all there is says nothing: each number keeps its share of what it was.
    most = np.tile(2 * _each(doubt.first, size), (state.mean.shape[0], 1))
    most[:, DEPLETION] = 0.4 * ground.taw
    shrink = np.minimum(1.0, most / np.sqrt(state.cov[:, range(size), range(size)]))
    state.cov *= shrink[:, :, None] * shrink[:, None, :]
    state.mean = ahead


def hear(
    state: State,
    ground: Ground,
    moisture: Numbers,
    *,
    wetted: Flags,
    unmetered: Flags | None = None,
    doubt: Doubt | None = None,
) -> Flags:
    """Which of the readings `moisture` (n, m) [m³/m³] (NaN: none) were believed; `state` after them.

    `wetted`: zones that rain or a meter gave water today: how far a probe is off then says nothing of its noise.
    `unmetered`: zones that may have been watered unseen; a jump towards wet is believed there.
    """
    doubt = doubt or Doubt()
    believed = np.zeros(moisture.shape, dtype=bool)
    depth = 1000 * ground.root
    before = state.mean.copy()
    for place in range(moisture.shape[1]):
        reading, at = moisture[:, place], offset_of(place)
        there = np.isfinite(reading)
        see = np.zeros_like(state.mean)
        see[:, DEPLETION], see[:, at] = -1 / depth, 1.0
        seen = np.einsum("nij,nj->ni", state.cov, see)
        own = np.einsum("ni,ni->n", see, seen)
        noise = state.noise[:, place]
        wide = np.sqrt(own + noise)
        off = reading - moisture_of(state.mean, ground, place)
        away = np.where(there, off / wide, 0.0)
        drift = np.where(there, 0.7 * state.drift[:, place] + 0.3 * away, state.drift[:, place])
        # A reading that stands still to the last digit while the soil must have changed, and the probe would show it.
        same = there & (np.abs(reading - state.last[:, place]) < 1e-6)
        foretold = moisture_of(before, ground, place)
        stuck = same & (np.abs(foretold - state.then[:, place]) > 0.002 + np.sqrt(noise))
        odd = (np.abs(away) > doubt.gate) | (np.abs(drift) > 0.6 * doubt.gate)
        # Water nobody metered fills a soil to its field capacity, and no further.
        full = reading < ground.fc + state.mean[:, at] + doubt.gate * wide
        unseen = (np.zeros_like(wetted) if unmetered is None else unmetered) & (away > 0) & full
        odd &= ~unseen
        odd |= stuck | (reading < 0.3 * ground.wp) | (reading > 0.7)
        agrees = there & ~odd & (np.abs(away) < 2)
        out = state.out[:, place]
        agreed = np.where(agrees, state.agreed[:, place] + 1, np.where(there, 0.0, state.agreed[:, place]))
        back = (out == 0) | (agreed >= doubt.patience)
        take = there & ~odd & back
        state.out[:, place] = np.where(take, 0.0, np.where(there, out + 1, out))
        state.agreed[:, place] = agreed
        state.drift[:, place] = np.where(take & unseen, 0.0, drift)
        state.last[:, place] = np.where(there, reading, state.last[:, place])
        gain = seen / (own + noise)[:, None] * take[:, None]
        # What surprises is followed no further than what surprises half as much as may be.
        squeeze = np.where(unseen, 1.0, np.minimum(1.0, 0.5 * doubt.gate / np.maximum(np.abs(away), 1e-9)))
        state.mean = state.mean + gain * np.where(take, squeeze * off, 0.0)[:, None]
        state.cov = state.cov - gain[:, :, None] * seen[:, None, :]
        state.cov = (state.cov + state.cov.transpose(0, 2, 1)) / 2
        state.mean[:, DEPLETION] = np.clip(state.mean[:, DEPLETION], -1000 * ground.pores * ground.root, ground.most)
        state.mean[:, LOSS] = np.clip(state.mean[:, LOSS], -3.0, 1.0)
        state.mean[:, RAIN] = np.clip(state.mean[:, RAIN], -1.6, 0.5)
        learned = (1 - doubt.forget) * noise + doubt.forget * np.clip(off**2 - own, doubt.noise[1] ** 2, 0.03**2)
        # Rain tells of the rain, not of the probe.
        state.noise[:, place] = np.where(take & ~wetted, np.maximum(learned, doubt.noise[1] ** 2), noise)
        believed[:, place] = take
        state.then[:, place] = np.where(there & ~same, moisture_of(state.mean, ground, place), state.then[:, place])
    return believed


def moisture_of(mean: Numbers, ground: Ground, probe: int = 0) -> Numbers:
    """What a `probe` would say [m³/m³] of zones with these numbers."""
    return ground.fc + mean[..., offset_of(probe)] - mean[..., DEPLETION] / (1000 * ground.root)


#: Depletions that stand for its doubt, in standard deviations: of equal weight, with its mean and variance.
_POINTS = np.array([-1.0, 0.0, 1.0]) * np.sqrt(1.5)


def ahead(state: State, ground: Ground, demand: Numbers, rain: Numbers, watered: Numbers | None = None) -> Numbers:
    """The numbers (n, members, days, 4 and more) of the days ahead, without any probe.

    `demand` (n, days) [mm], `rain` (n, m, days) [mm] of m rains that may come, `watered` (n, days) [mm]. Each rain
    meets three depletions, which stand for the doubt of the state: 3 m members.
    """
    number, _, days = rain.shape
    spread = np.sqrt(np.maximum(state.cov[:, DEPLETION, DEPLETION], 0))
    mean = np.repeat(state.mean[:, None, None, :], 3, axis=1)
    mean[:, :, 0, DEPLETION] += _POINTS * spread[:, None]
    mean[:, :, 0, DEPLETION] = np.clip(
        mean[:, :, 0, DEPLETION], (-1000 * ground.pores * ground.root)[:, None], ground.most[:, None]
    )
    now = np.repeat(mean, rain.shape[1], axis=2).reshape(number, -1, state.mean.shape[1])
    rains = np.tile(rain, (1, 3, 1))
    wide = replace(ground, **{name: getattr(ground, name)[:, None] for name in ("fc", "wp", "root", "p")})
    out = np.empty((*now.shape[:2], days, now.shape[2]))
    for day in range(days):
        given = 0.0 if watered is None else watered[:, day, None]
        now = forward(now, wide, demand[:, day, None], rains[:, :, day], np.asarray(given))
        out[:, :, day] = now
    return out
