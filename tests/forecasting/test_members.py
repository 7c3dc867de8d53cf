"""Each forecaster by eye."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.forecasting import FORECASTERS, NAIVE
from tests.forecasting.histories import NAN, SETTINGS, ahead, noisy


def test_persistence_stays_as_it_is_while_fresh() -> None:
    history = np.array([3.0, 5.0, *[NAN] * 5])[:, None]
    assert set(ahead("persistence", history)[0, :, 0]) == {5.0}
    assert np.isnan(ahead("persistence", np.vstack([history, [[NAN]]]))).all()


def test_damped_persistence_returns_to_the_mean() -> None:
    """Mean of 27 hours 10 and an hour 38: 11; 36 h ahead the difference is a third of what it was."""
    history = np.array([*[10.0] * 27, 38.0])[:, None]
    found = ahead("damped-persistence", history)[0, :, 0]
    assert found[0] == pytest.approx(11 + 27 * math.exp(-1 / 36))
    assert found[35] == pytest.approx(11 + 27 / math.e)
    late = ahead("damped-persistence", np.vstack([history, [[NAN]]]))[0, :, 0]
    assert late[0] == pytest.approx(found[1])  # an hour later, counted from the newest value
    assert np.isnan(ahead("damped-persistence", history[5:])).all()  # 23 hours are no mean


@settings(max_examples=40, deadline=None)
@given(st.lists(st.one_of(st.just(NAN), st.integers(0, 99).map(float)), min_size=1, max_size=40), st.integers(0, 40))
def test_damped_persistence_is_the_obvious_loop(values: list[float], origin: int) -> None:
    few = replace(SETTINGS, mean=12, least=3, leads=4, fresh=3)
    origin = min(origin, len(values))
    found = FORECASTERS["damped-persistence"](np.array(values)[:, None], np.array([origin]), few)[0, :, 0]
    recent = [value for value in values[max(origin - 12, 0) : origin] if not math.isnan(value)]
    ages = [age for age in (1, 2, 3) if age <= origin and not math.isnan(values[origin - age])]
    for lead in range(4):
        if len(recent) < 3 or not ages:
            assert math.isnan(found[lead])
        else:
            mean, last = sum(recent) / len(recent), values[origin - ages[0]]
            assert found[lead] == pytest.approx(mean + (last - mean) * math.exp(-(lead + ages[0]) / 36))


def test_seasonal_naive_repeats_the_day_and_passes_over_gaps() -> None:
    history = np.arange(96.0)[:, None]
    found = ahead("seasonal-naive", history)[0, :, 0]
    assert found.tolist() == [*range(72, 96)] * 3
    history[80] = NAN  # lead 9: the day before that
    assert ahead("seasonal-naive", history)[0, 8, 0] == 56
    assert ahead("seasonal-naive", history)[0, 32, 0] == 56
    history[8::24] = NAN  # never measured at that hour: the hour before
    assert ahead("seasonal-naive", history)[0, 8, 0] == 79


def test_an_analyser_that_reads_every_fourth_hour_is_forecast_by_the_naive() -> None:
    history = noisy(1440)
    history[np.arange(1440) % 4 != 3] = NAN
    for name in NAIVE:
        assert np.isfinite(ahead(name, history)).all()
    assert np.isnan(ahead("harmonic", history)).all()


def test_harmonic_goes_on_with_the_wave() -> None:
    """A wave with next to no noise is continued; so it is after half a day of silence."""
    truth = noisy(1440 + 72, noise=0.01)
    history = truth[:1440].copy()
    assert np.abs(ahead("harmonic", history)[0, :, 0] - truth[1440:, 0]).max() < 0.1
    history[1428:] = NAN
    assert np.abs(ahead("harmonic", history)[0, :, 0] - truth[1440:, 0]).max() < 0.1


def test_harmonic_lets_the_error_of_now_die_away() -> None:
    """No wave, an error that keeps 0.9 of itself an hour, and ends 20 above the mean."""
    history = noisy(1440, wave=0, kept=0.9, seed=4)
    history[-1] = history[-672:].mean() + 20
    left = ahead("harmonic", history)[0, :, 0] - 40
    assert 16 < left[0] < 20
    assert left[9] == pytest.approx(20 * 0.9**10, abs=2)
    assert abs(left[71]) < 1.5


def test_harmonic_learns_again_in_time_for_each_stretch() -> None:
    """The wave grows half way: origins before and after it are served by what was known then."""
    history = noisy(1440, wave=2, noise=0.05)
    history[720:] = noisy(1440, wave=12, noise=0.05)[720:]
    early, late = ahead("harmonic", history, 710, 1440)[:, :24, 0]
    assert np.ptp(early) == pytest.approx(4, abs=1)
    assert np.ptp(late) == pytest.approx(24, abs=2)


def test_harmonic_says_nothing_of_errors_that_never_die_away() -> None:
    history = (1.001 ** np.arange(1440))[:, None] + noisy(1440, noise=0.001, wave=0)
    found = ahead("harmonic", history)
    assert np.isnan(found).all() or np.isfinite(found).all()
    assert not (np.abs(found) > 1e4).any()
