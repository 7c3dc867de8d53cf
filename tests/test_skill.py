"""Backtest, gate and bands: by eye, against the obvious loop, and the coverage that conformal bands promise."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import skill
from analytics.skill import Array

NAN = math.nan
NAIVE = ("calm", "lazy")


def grid(*rows: list[float]) -> Array:
    """[origins, leads, 1 series], a row an origin."""
    return np.array(rows, dtype=np.float64)[:, :, None]


def ready(*names: str, series: int = 1) -> dict[str, skill.Bools]:
    return {name: np.full(series, name in names) for name in ("calm", "lazy", "clever")}


def test_origins_go_back_from_the_end() -> None:
    assert skill.origins(100, backtest=24, step=12).tolist() == [76, 88, 100]
    assert skill.origins(30, backtest=24, step=12).tolist() == [6, 18, 30]
    assert skill.origins(10, backtest=24, step=12).tolist() == [10]


def test_truth_is_what_came_and_nothing_past_the_end() -> None:
    history = np.arange(6.0)[:, None]
    found = skill.truth(history, np.array([2, 4, 6]), 3)[:, :, 0]
    assert np.array_equal(found, np.array([[2.0, 3, 4], [4, 5, NAN], [NAN, NAN, NAN]]), equal_nan=True)


# The gate


def test_a_model_that_beats_every_naive_forecast_is_served() -> None:
    errors = {"calm": grid([4.0, 4], [4, 4]), "lazy": grid([2.0, 9], [2, 9]), "clever": grid([1.0, 5], [1, 5])}
    found = skill.gate(errors, ready("calm", "lazy", "clever"), NAIVE, [1, 2], 2)
    assert found.names == ("calm", "lazy", "clever")
    assert found.model[:, 0].tolist() == [2, 0]  # at lead 2 calm is better than clever
    assert found.skill[:, 0].tolist() == [0.5, 0]
    assert found.bar[:, 0].tolist() == [2, 4]
    assert found.tested.all()


def test_as_good_as_naive_is_not_better() -> None:
    errors = {name: grid([3.0], [3]) for name in ("calm", "lazy", "clever")}
    assert skill.gate(errors, ready("calm", "lazy", "clever"), NAIVE, [1], 2).model[0, 0] == 0


def test_models_are_compared_where_all_of_them_are() -> None:
    """Clever was absent in the storm: that the others failed in it must not make it look good."""
    errors = {"calm": grid([2.0], [90], [2]), "lazy": grid([3.0], [90], [3]), "clever": grid([2.5], [NAN], [2.5])}
    found = skill.gate(errors, ready("calm", "lazy", "clever"), NAIVE, [1], 2)
    assert found.mae[:, 0, 0].tolist() == [2, 3, 2.5]
    assert found.model[0, 0] == 0


def test_a_model_that_was_seldom_there_is_out_of_the_running() -> None:
    errors = {"calm": grid([2.0], [4], [2]), "lazy": grid([1.0], [5], [3]), "clever": grid([NAN], [0.0], [NAN])}
    found = skill.gate(errors, ready("calm", "lazy", "clever"), NAIVE, [1], 2)
    assert np.isnan(found.mae[2, 0, 0])
    assert found.mae[:2, 0, 0].tolist() == pytest.approx([8 / 3, 3])
    assert found.model[0, 0] == 0


def test_a_model_with_no_forecast_now_cannot_be_served() -> None:
    errors = {"calm": grid([2.0], [2]), "lazy": grid([3.0], [3]), "clever": grid([1.0], [1])}
    found = skill.gate(errors, ready("calm", "lazy"), NAIVE, [1], 2)
    assert found.model[0, 0] == 0
    assert skill.gate(errors, ready(), NAIVE, [1], 2).model[0, 0] == -1


def test_without_enough_origins_nothing_is_proven() -> None:
    """The first naive one that can say something is served, though another was better so far."""
    errors = {"calm": grid([2.0]), "lazy": grid([1.0]), "clever": grid([0.5])}
    found = skill.gate(errors, ready("calm", "lazy", "clever"), NAIVE, [1], 2)
    assert not found.tested.any()
    assert found.model[0, 0] == 0
    assert np.isnan(found.skill).all()
    assert skill.gate(errors, ready("lazy", "clever"), NAIVE, [1], 2).model[0, 0] == 1


def test_a_perfect_naive_forecast_cannot_be_beaten() -> None:
    errors = {"calm": grid([0.0], [0]), "lazy": grid([3.0], [3]), "clever": grid([0.0], [0])}
    found = skill.gate(errors, ready("calm", "lazy", "clever"), NAIVE, [1], 2)
    assert (found.model[0, 0], found.skill[0, 0]) == (0, 0)


figures = st.one_of(st.just(NAN), st.integers(0, 9).map(float))


@settings(max_examples=60, deadline=None)
@given(st.lists(figures, min_size=36, max_size=36), st.tuples(*[st.booleans()] * 3))
def test_the_gate_is_the_obvious_loop(values: list[float], there: tuple[bool, ...]) -> None:
    """Three models, three origins, two leads in one group, two series; two verified origins make a proof."""
    names = ("calm", "lazy", "clever")
    errors = dict(zip(names, np.array(values).reshape(3, 3, 2, 2), strict=True))
    running = {name: np.full(2, ok) for name, ok in zip(names, there, strict=True)}
    found = skill.gate(errors, running, NAIVE, [2], 2)
    for series in range(2):
        each = {name: errors[name][:, :, series] for name in names}
        proven = [name for name in names if running[name][series] and np.isfinite(each[name]).any(axis=1).sum() >= 2]
        rows = [cell for cell in product(range(3), range(2)) if all(np.isfinite(each[name][cell]) for name in proven)]
        tested = bool(proven) and len({origin for origin, _ in rows}) >= 2
        assert found.tested[0, series] == tested
        if tested:
            mae = {name: sum(each[name][cell] for cell in rows) / len(rows) for name in proven}
            naive = [mae[name] for name in NAIVE if name in mae]
            best = min(mae, key=lambda name: (mae[name], names.index(name)))
            assert found.names[found.model[0, series]] == best
            assert found.mae[names.index(best), 0, series] == pytest.approx(mae[best])
            assert found.bar[0, series] == pytest.approx(min(naive, default=math.inf))
        else:
            able = [number for number, name in enumerate(names) if running[name][series]]
            assert found.model[0, series] == (able[0] if able else -1)


# The band


def residuals(values: list[float]) -> Array:
    return np.array(values)[:, None, None]


def test_the_ends_are_the_finite_sample_quantiles() -> None:
    """Of 19 residuals -9 to 9 the end with a tenth beyond it is the 18th: (19 + 1) 0.9."""
    values = [float(value) for value in np.random.default_rng(1).permutation(np.arange(-9, 10))]
    low, high = skill.band(residuals(values), level=0.8, rate=0)
    assert (low[0, 0], high[0, 0]) == (-8, 8)


def test_nine_residuals_can_just_say_it_and_eight_cannot() -> None:
    values = [float(value) for value in range(9)]
    low, high = skill.band(residuals([*values, NAN, NAN]), level=0.8, rate=0.01)
    assert (low[0, 0], high[0, 0]) == (0, 8)
    low, high = skill.band(residuals([*values[1:], NAN, NAN]), level=0.8, rate=0.01)
    assert np.isnan(low).all()
    assert np.isnan(high).all()


def test_the_band_leans_to_where_the_misses_are() -> None:
    """A model that says too little has its band above itself."""
    low, high = skill.band(residuals([5.0 + value / 10 for value in range(40)]), level=0.8, rate=0)
    assert 5 <= low[0, 0] < high[0, 0] <= 9


def test_exchangeable_residuals_are_covered_as_promised() -> None:
    """Split conformal: 80 % or a little more on average, whatever the distribution; adapting costs next to nothing."""
    rng = np.random.default_rng(7)
    draws = rng.gamma(2, 3, (57, 20, 200)) - rng.exponential(4, (57, 20, 200))
    for rate, least, most in ((0.0, 0.79, 0.85), (0.01, 0.78, 0.85)):
        low, high = skill.band(draws[:-1], level=0.8, rate=rate)
        assert least < ((low <= draws[-1]) & (draws[-1] <= high)).mean() < most


def test_a_band_that_missed_of_late_grows() -> None:
    """Residuals four times as wide since half way: the learning band covers more of what comes than the plain one."""
    rng = np.random.default_rng(8)
    draws = rng.normal(0, 1, (57, 20, 200))
    draws[28:] *= 4
    shares = []
    for rate in (0.0, 0.02):
        low, high = skill.band(draws[:-1], level=0.8, rate=rate)
        shares.append(((low <= draws[-1]) & (draws[-1] <= high)).mean())
    assert shares[0] < 0.65
    assert shares[1] > shares[0] + 0.1


def obvious(values: list[float], level: float, rate: float) -> float:
    """The upper end of one lead of one series, step by step."""
    target, half = round((1 - level) / 2, 9), len(values) // 2
    early = sorted(value for value in values[:half] if not math.isnan(value))
    asked = target
    for value in values[half:]:
        if not math.isnan(value) and (len(early) + 1) * target >= 1:
            place = max(math.ceil(round((len(early) + 1) * (1 - asked), 9)) - 1, 0)
            asked += rate * (target - (place < len(early) and value > early[place]))
    known = sorted(value for value in values if not math.isnan(value))
    if (len(known) + 1) * target < 1:
        return NAN
    return known[min(max(math.ceil(round((len(known) + 1) * (1 - asked), 9)) - 1, 0), len(known) - 1)]


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.one_of(st.just(NAN), st.integers(-50, 50).map(float)), min_size=1, max_size=60),
    st.sampled_from([0.0, 0.01, 0.1]),
)
def test_the_band_is_the_obvious_loop(values: list[float], rate: float) -> None:
    low, high = skill.band(residuals(values), level=0.8, rate=rate)
    assert np.array_equal(high[0, 0], obvious(values, 0.8, rate), equal_nan=True)
    assert np.array_equal(-low[0, 0], obvious([-value for value in values], 0.8, rate), equal_nan=True)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.one_of(st.just(NAN), st.integers(-9, 9).map(float)), max_size=30), st.integers(-10, 10))
def test_the_chance_is_a_count(values: list[float], margin: int) -> None:
    """Of what came so far, one more on each side; nothing is said of nothing."""
    found = skill.chance(np.array(values).reshape(-1, 1), np.array([float(margin)]))[0]
    known = [value for value in values if not math.isnan(value)]
    if known:
        assert found == pytest.approx((sum(value > margin for value in known) + 1) / (len(known) + 2))
    else:
        assert math.isnan(found)
    assert math.isnan(skill.chance(np.zeros((3, 1)), np.array([NAN]))[0])
