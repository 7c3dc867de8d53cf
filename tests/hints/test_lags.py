"""How long what leaves an outfall takes to a section; odour beside gas."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from analytics.hints import lags, odours
from analytics.hints.chance import Array
from tests.hints.rows import at


def hourly(values: Array) -> pl.DataFrame:
    """time, value; NaN is no row."""
    rows = [(at(hour), float(value)) for hour, value in enumerate(values) if np.isfinite(value)]
    return pl.DataFrame(rows, schema=dict(lags.HOURS), orient="row")


def wandering(draw: np.random.Generator, count: int, keep: float = 0.8) -> Array:
    """A series that forgets slowly."""
    out = np.zeros(count)
    steps = draw.normal(size=count)
    for hour in range(1, count):
        out[hour] = keep * out[hour - 1] + steps[hour]
    return out


def river(days: int = 150, lag: int = 7) -> tuple[Array, Array]:
    """What leaves an outfall, and what a section has of it beside a day's rhythm and a season of its own."""
    draw = np.random.default_rng(11)
    clock = np.arange(24 * days)
    rhythm = 3 * np.sin(2 * np.pi * clock / 24) + clock / 400
    left = wandering(draw, clock.size)
    return left + rhythm, 0.6 * np.roll(left, lag) + draw.normal(size=clock.size) + 2 * rhythm


def test_the_lag_of_a_section_is_found_under_a_common_rhythm() -> None:
    cause, effect = river()
    found = lags.arrival(hourly(cause), hourly(effect))
    assert found.lag == 7
    assert found.r == pytest.approx(0.7, abs=0.1)
    assert found.p is not None
    assert found.p < 0.01
    assert found.low is not None
    assert found.high is not None
    assert found.low <= 7 <= found.high
    assert found.lags["lag"].to_list() == list(range(-48, 49))
    back = lags.arrival(hourly(effect), hourly(cause))
    assert back.lags.sort("r", nulls_last=False)["lag"][-1] == -7, "seen before its cause: none of it"


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 50), st.integers(90, 200), st.sampled_from([0.0, 0.2]))
def test_correlations_are_those_of_the_obvious_loop(seed: int, count: int, gaps: float) -> None:
    draw = np.random.default_rng(seed)
    pair = [np.where(draw.random(count) < gaps, np.nan, 1e4 + draw.normal(size=count)) for _ in range(2)]
    # Both ends are there, so that both series have the same hours.
    for each in pair:
        each[[0, -1]] = 1e4
    x, y = (departure(each) for each in pair)
    for row in lags.arrival(*map(hourly, pair), most=10).lags.to_dicts():
        both = [(x[t], y[t + row["lag"]]) for t in range(count) if 0 <= t + row["lag"] < count]
        both = [(a, b) for a, b in both if np.isfinite(a) and np.isfinite(b)]
        assert row["count"] == len(both)
        wanted = np.corrcoef(np.array(both).T)[0, 1] if len(both) >= lags.LEAST else None
        assert row["r"] == (None if wanted is None else pytest.approx(wanted, abs=1e-5))


def departure(values: Array) -> Array:
    """Each hour less the mean of the same hour of the days around it, by a loop."""
    out = np.full(values.size, np.nan)
    for hour, value in enumerate(values):
        near = [values[h] for d in range(-7, 8) if 0 <= (h := hour + 24 * d) < values.size and np.isfinite(values[h])]
        out[hour] = value - np.mean(near) if near else np.nan
    return out


def test_chance_is_found_significant_as_often_as_it_says() -> None:
    draw = np.random.default_rng(5)
    pairs = [[hourly(wandering(draw, 24 * 60, 0.95)) for _ in range(2)] for _ in range(40)]
    found = [p for pair in pairs if (p := lags.arrival(*pair).p) is not None]
    assert len(found) == 40
    # Of a chance of 1 in 20, 6 and more of 40 come once in 70 times; taken for separate draws, most of them would be.
    assert sum(p <= 0.05 for p in found) < 6


@pytest.mark.parametrize("days", [0, 1, 3, 20])
def test_few_hours_say_nothing_of_chance(days: int) -> None:
    cause, effect = river(max(days, 1))
    found = lags.arrival(hourly(cause[: 24 * days]), hourly(effect[: 24 * days]))
    assert found.p is None
    assert found.lags.height == 97
    assert (found.lag is None) == (days < 3)


def test_a_constant_and_what_is_no_number() -> None:
    cause, effect = river(60)
    found = lags.arrival(hourly(np.full(cause.size, 4.2)), hourly(effect))
    assert (found.lag, found.p) == (None, None)
    assert found.lags["r"].null_count() == 97
    with pytest.raises(ValueError, match="NaN"):
        lags.arrival(pl.DataFrame({"time": [at(0)], "value": [float("nan")]}), hourly(effect))


def test_order_does_not_matter() -> None:
    cause, effect = (hourly(each) for each in river(80))
    one = lags.arrival(cause, effect)
    other = lags.arrival(*(each.sample(fraction=1, shuffle=True, seed=1) for each in (cause, effect)))
    assert_frame_equal(one.lags, other.lags)
    assert one[1:] == other[1:]


def smelled(days: int = 100, *, later: int = 1) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Gas with a puff now and then; two people report each of them `later` [h]."""
    draw = np.random.default_rng(2)
    puffs = draw.random(24 * days) < 0.05
    gas = pl.DataFrame(
        {"series": 1, "time": [at(h) for h in range(24 * days)], "value": 1 + 9.0 * puffs + draw.random(24 * days)}
    )
    hours = [hour + later for hour in np.flatnonzero(puffs) if hour + later < 24 * days]
    times = [at(int(hour)) + (at(1) - at(0)) * share for hour in hours for share in (0.2, 0.9)]
    return pl.DataFrame({"time": times}), gas.cast({"series": pl.Int32})


def test_reports_follow_the_gas_by_an_hour() -> None:
    reports, gas = smelled()
    found = {row["lag"]: row for row in odours.beside(reports, gas).to_dicts()}
    assert found.keys() == set(range(-6, 7))
    assert found[-1]["probability"] == 1, "an hour before each report it was high"
    assert found[-1]["hours"] == found[-1]["high"] == reports.height // 2
    assert found[-1]["p"] == round(1 / 99, 6), "better than all of 98 shifts"
    assert found[-1]["lift"] > 10
    assert all(found[lag]["p"] > 0.01 for lag in (-4, 2, 4))


def test_odours_are_what_the_obvious_loop_counts() -> None:
    reports, gas = smelled(later=0)
    gas = gas.filter(pl.int_range(pl.len()) % 5 != 2)
    counts = dict(reports.group_by(pl.col("time").dt.truncate("1h")).len().rows())
    line = float(np.percentile(gas["value"].to_numpy(), 90))
    first, last = min(counts), max(counts)
    for row in odours.beside(reports, gas, around=2).to_dicts():
        inside: list[bool] = []
        outside: list[bool] = []
        for time, value in gas.select("time", "value").iter_rows():
            report = time - (at(1) - at(0)) * row["lag"]
            if first <= report <= last and gas["time"][0] <= report <= gas["time"][-1]:
                (inside if counts.get(report, 0) >= 2 else outside).append(value > line)
        assert (row["hours"], row["high"]) == (len(inside), sum(inside))
        assert row["elsewhere"] == pytest.approx(sum(outside) / len(outside), abs=1e-6)


def test_no_reports_no_gas_no_odour() -> None:
    reports, gas = smelled(10)
    assert odours.beside(reports.clear(), gas).is_empty()
    assert odours.beside(reports, gas.clear()).is_empty()
    alone = odours.beside(reports.head(1), gas)
    assert alone["hours"].sum() == 0
    assert alone["p"].null_count() == alone.height
    with pytest.raises(ValueError, match="NaN"):
        odours.beside(reports, gas.with_columns(value=pl.lit(float("nan"))))
