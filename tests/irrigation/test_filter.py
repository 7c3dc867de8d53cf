"""The balance and the probe joined: what it learns, whom it believes, and what faults of probes cost."""

import numpy as np
import pytest

from analytics.irrigation import drydown, filter
from analytics.irrigation.filter import DEPLETION, LOSS, OFFSET, ZONE, Ground, Numbers

DAYS, ZONES = 90, 60


def soil(number: int = ZONES) -> Ground:
    one = np.ones(number)
    return Ground(0.25 * one, 0.12 * one, 0.5 * one, 0.5 * one, drain=1.0, pores=0.0)


class Park:
    """Zones that use more than their table says, with probes that read too wet: weather, watering, truth, readings."""

    def __init__(self, seed: int, factor: float = 1.2, offset: float = 0.02) -> None:
        rng = np.random.default_rng(seed)
        self.demand = np.clip(rng.normal(4.5, 1.2, (DAYS, 1)), 1, 8) * np.ones((DAYS, ZONES))
        self.rain = np.where(rng.random((DAYS, 1)) < 0.15, rng.gamma(1.0, 8.0, (DAYS, 1)), 0.0) * np.ones((DAYS, ZONES))
        self.water = np.zeros((DAYS, ZONES))
        self.truth = np.zeros((DAYS, ZONES))
        ground, state = soil(), np.zeros((ZONES, 4))
        state[:, DEPLETION] = rng.uniform(5, 30, ZONES)
        state[:, LOSS] = np.log(factor)
        for day in range(DAYS):
            dry = state[:, DEPLETION] > 30
            self.water[day] = np.where(dry, state[:, DEPLETION], 0.0)
            spread = rng.normal(1, 0.06, ZONES)
            state = filter.forward(state, ground, self.demand[day] * spread, self.rain[day], self.water[day])
            self.truth[day] = state[:, DEPLETION]
        self.readings = 0.25 + offset - self.truth / 500 + rng.normal(0, 0.0015, (DAYS, ZONES))

    def run(self, readings: Numbers) -> tuple[Numbers, Numbers, filter.State]:
        """The depletion of each day, whether the probe was believed, and the last state."""
        ground = soil()
        state = filter.begin(ground, np.full(ZONES, 16.0), doubt=ZONE)
        lost, trusted = [], []
        for day in range(DAYS):
            filter.predict(state, ground, self.demand[day], self.rain[day], self.water[day], ZONE)
            wet = self.rain[day] + self.water[day] > 1
            trusted.append(filter.hear(state, ground, readings[day][:, None], wetted=wet, doubt=ZONE)[:, 0])
            lost.append(state.mean[:, DEPLETION].copy())
        return np.array(lost), np.array(trusted), state


def test_it_learns_what_the_tables_do_not_say() -> None:
    park = Park(1)
    lost, trusted, state = park.run(park.readings)
    alone, _, _ = park.run(np.full_like(park.readings, np.nan))
    off, off_alone = (np.abs(found[45:] - park.truth[45:]).mean() for found in (lost, alone))
    assert off < 2.0
    assert off < 0.6 * off_alone
    assert np.exp(state.mean[:, LOSS]).mean() == pytest.approx(1.2, abs=0.08)
    assert state.mean[:, OFFSET].mean() == pytest.approx(0.02, abs=0.006)
    assert trusted.mean() > 0.97


def test_it_trusts_a_noisy_probe_less() -> None:
    park = Park(2)
    noisy = park.readings + np.random.default_rng(5).normal(0, 0.015, park.readings.shape)
    _, _, good = park.run(park.readings)
    _, _, bad = park.run(noisy)
    assert np.median(bad.noise) > 2.5 * np.median(good.noise)


FAULTS = ("stuck", "offset", "dead", "salted")


def broken(readings: Numbers, kind: str, first: int, seed: int) -> Numbers:
    """`readings` with a fault from day `first` on: sizes as they come in the field, drawn by `seed`."""
    rng = np.random.default_rng(seed)
    out = readings.copy()
    late = np.arange(DAYS - first)[:, None]
    if kind == "stuck":
        out[first:] = out[first - 1]
    elif kind == "offset":
        out[first:] += rng.choice([-1, 1], ZONES) * rng.uniform(0.04, 0.12, ZONES)
    elif kind == "dead":
        out[first:] = np.nan
    else:  # salt lets it read wetter day by day, and unsteadily
        out[first:] += rng.uniform(0.01, 0.03, ZONES) * (1 + late) + rng.normal(0, 0.02, (DAYS - first, ZONES))
    return out


@pytest.mark.parametrize("kind", FAULTS)
def test_the_week_after_a_fault_is_that_of_a_good_probe(kind: str) -> None:
    off, known = [], []
    for seed in range(4):
        park = Park(10 + seed)
        first = DAYS - 7 - seed
        good, _, _ = park.run(park.readings)
        found, trusted, _ = park.run(broken(park.readings, kind, first, seed))
        off.append(np.abs(found - good)[first : first + 7].max(axis=0))
        known.append(~trusted[first + 6])
    worst, said = np.concatenate(off), np.concatenate(known)
    assert np.quantile(worst, 0.95) < 3.0
    assert said.mean() > 0.95


def test_a_probe_that_agrees_again_is_believed_again() -> None:
    park = Park(3)
    away = park.readings.copy()
    away[60:65] += 0.1
    _, trusted, _ = park.run(away)
    assert not trusted[61:65].any()
    assert trusted[75:].mean() > 0.9


def test_watering_nobody_metered_is_believed_where_there_is_no_meter() -> None:
    park = Park(4)
    ground, state = soil(), filter.begin(soil(), np.full(ZONES, 16.0), doubt=ZONE)
    for day in range(60):
        filter.predict(state, ground, park.demand[day], park.rain[day], park.water[day], ZONE)
        filter.hear(state, ground, park.readings[day][:, None], wetted=park.rain[day] > 1, doubt=ZONE)
    before = state.mean[:, DEPLETION].copy()
    dry = np.zeros(ZONES, dtype=bool)
    full = ground.fc + state.mean[:, OFFSET]
    wetter = np.minimum(filter.moisture_of(state.mean, ground) + 0.04, full)[:, None]
    filter.predict(state, ground, np.zeros(ZONES), np.zeros(ZONES), np.zeros(ZONES), ZONE)
    heard = filter.hear(state, ground, wetter, wetted=dry, unmetered=~dry, doubt=ZONE)
    assert heard.all()
    assert (state.mean[:, DEPLETION] <= before).all()
    assert (before - state.mean[:, DEPLETION]).mean() > 3.0
    heard = filter.hear(state, ground, full[:, None] + 0.1, wetted=dry, unmetered=~dry, doubt=ZONE)
    assert not heard.any()  # more than a soil holds


def test_of_several_probes_the_faulty_one_is_left_out() -> None:
    park = Park(6)
    ground = soil()
    state = filter.begin(ground, np.full(ZONES, 16.0), probes=2, doubt=ZONE)
    other = park.readings + np.random.default_rng(8).normal(0, 0.003, park.readings.shape)
    other[70:] -= 0.09
    for day in range(DAYS):
        filter.predict(state, ground, park.demand[day], park.rain[day], park.water[day], ZONE)
        both = np.stack([park.readings[day], other[day]], axis=1)
        heard = filter.hear(state, ground, both, wetted=park.rain[day] + park.water[day] > 1, doubt=ZONE)
    assert heard[:, 0].mean() > 0.9
    assert heard[:, 1].mean() < 0.1
    assert np.abs(state.mean[:, DEPLETION] - park.truth[-1]).mean() < 2.5


def test_dry_downs_tell_the_limits_of_a_soil() -> None:
    rng = np.random.default_rng(3)
    moisture, water, now = [], [], 0.30
    for day in range(240):
        rain = 25.0 if day % 24 == 0 else 0.0
        now = 0.31 if rain else now
        # Drains to 0.27, then dries towards 0.11.
        now -= 0.5 * max(now - 0.27, 0) + 0.09 * max(min(now, 0.27) - 0.11, 0) * 0.5
        moisture.append(now + rng.normal(0, 0.0007))
        water.append(rain)
    table = drydown.Limit(0.22, 0.05, 0), drydown.Limit(0.15, 0.04, 0)
    fc, wp = drydown.learn(np.array(moisture), np.array(water), *table)
    assert fc.seen == wp.seen == 10
    assert fc.value == pytest.approx(0.27, abs=0.02)
    assert wp.value == pytest.approx(0.11, abs=0.02)
    assert (fc.doubt, wp.doubt) < (0.02, 0.02)
    nothing = drydown.learn(np.full(50, np.nan), np.zeros(50), *table)
    assert nothing == table
