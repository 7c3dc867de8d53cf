"""What every forecaster promises, whatever the history."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.forecasting import FORECASTERS
from tests.forecasting.histories import NAN, SETTINGS, ahead, noisy

each = pytest.mark.parametrize("name", FORECASTERS)


@each
def test_a_forecast_has_every_lead_of_every_origin(name: str) -> None:
    found = ahead(name, noisy(800, 3), 700, 750, 800)
    assert found.shape == (3, SETTINGS.leads, 3)
    assert np.isfinite(found).all()


@each
@settings(max_examples=15, deadline=None)
@given(st.integers(1, 799), st.integers(0, 2**32 - 1))
def test_no_forecast_knows_what_came_after_its_origin(name: str, origin: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    history = np.where(rng.random((800, 1)) < 0.1, NAN, noisy(800, seed=seed))
    other = history.copy()
    other[origin:] = rng.choice([NAN, 0.0, 1e6], (800 - origin, 1))
    assert np.array_equal(ahead(name, history, origin), ahead(name, other, origin), equal_nan=True)


@each
def test_a_series_is_forecast_alike_alone_and_among_others(name: str) -> None:
    history = noisy(800, 5)
    history[200:260, 1] = NAN
    history[:, 2] = NAN
    together = ahead(name, history, 500, 800)
    for number in range(5):
        assert np.array_equal(
            ahead(name, history[:, [number]], 500, 800)[:, :, 0], together[:, :, number], equal_nan=True
        )


@each
def test_gaps_short_constant_and_empty_series_are_run_through(name: str) -> None:
    """Never an infinity, never a word of warning; what cannot be said is NaN."""
    history = noisy(800, 6)
    history[np.random.default_rng(3).random(800) < 0.3, 0] = NAN
    history[:790, 1] = NAN
    history[:, 2] = 7.0
    history[:, 3] = 0.0
    history[:, 4] = NAN
    history[700:, 5] = NAN
    found = ahead(name, history, 1, 30, 800)
    assert not np.isinf(found).any()
    assert np.isnan(found[:, :, 4]).all()
    assert np.isfinite(found[-1, :, 0]).all()
    constant = found[-1, :, 2:4]
    assert np.isnan(constant).all() or np.allclose(constant, [7.0, 0.0])
