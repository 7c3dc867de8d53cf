"""Cells of a grid above their neighbours, and the list of those to visit."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from statistics import median

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from analytics.hints import grid
from tests.hints.rows import at


def cells(found: Mapping[int, Sequence[float | None]], offset: int = 480) -> pl.DataFrame:
    """`HOURS` of cells, each with its values one after the other."""
    table = [(cell, at(hour), value, offset) for cell, values in found.items() for hour, value in enumerate(values)]
    return pl.DataFrame(table, schema=dict(grid.HOURS), orient="row")


def night_leak(hours: int = 48, leaks: Sequence[int] = (), cell: int = 2, size: float = 1.0) -> pl.DataFrame:
    """Five cells at some 0.1 mg/m³; one has a leak in the hours `leaks`."""
    return cells(
        {
            each: [0.1 + 0.01 * each + (size if each == cell and hour in leaks else 0) for hour in range(hours)]
            for each in range(5)
        }
    )


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.none() | st.integers(0, 9).map(float), min_size=6, max_size=6), min_size=1, max_size=6))
def test_standing_is_what_the_obvious_loop_finds(found: list[list[float | None]]) -> None:
    table = cells({cell: [hour[cell] for hour in found] for cell in range(6)})
    every = sorted(value for hour in found for value in hour if value is not None)
    told = {(row["station"], row["time"]): row for row in grid.standing(table, floor=50).to_dicts()}
    assert len(told) == len(every)
    for nr, hour in enumerate(found):
        for cell, value in enumerate(hour):
            if value is None:
                continue
            row = told[cell, at(nr)]
            others = [other for where, other in enumerate(hour) if where != cell and other is not None]
            assert row["cells"] == len(others)
            assert row["rank"] == 1 + sum(other > value for other in others)
            middle = median(others) if len(others) >= grid.LEAST else None
            assert row["others"] == middle
            assert row["ratio"] == (pytest.approx(value / middle, abs=1e-6) if middle else None)
            high = middle is not None and value > 2 * middle and value > median(every)
            assert row["high"] == high


def test_order_does_not_matter() -> None:
    table = night_leak(30, (5, 6, 7))
    shuffled = table.sample(fraction=1, shuffle=True, seed=5)
    assert_frame_equal(grid.standing(shuffled), grid.standing(table))


def test_what_weather_brings_makes_no_cell_high() -> None:
    haze = cells({cell: [0.1 + cell / 100 + hour / 10 for hour in range(24)] for cell in range(5)})
    assert not grid.standing(haze)["high"].any()


def test_a_cell_that_leaks_at_night_by_the_hour() -> None:
    leaks = [hour for hour in range(240) if hour % 24 in (15, 16)]  # 23 h and midnight in Beijing
    told = grid.by_hour(grid.standing(night_leak(240, leaks)))
    shares = {row["hour"]: row["share"] for row in told.filter(station=2).to_dicts()}
    assert {hour for hour, share in shares.items() if share == 1} == {23, 0}
    assert all(share == 0 for hour, share in shares.items() if hour not in (23, 0))
    assert told.filter(pl.col("station") != 2)["high"].sum() == 0
    assert told["count"].unique().to_list() == [10]


def test_a_hot_cell_with_its_evidence_and_its_expiry() -> None:
    found = grid.standing(night_leak(48, (40, 41, 42)))
    now = at(44) + timedelta(minutes=20)
    row = grid.hot(found, now).row(0, named=True)
    assert row == {
        "station": 2,
        "since": at(40),
        "last": at(42),
        "hours": 3,
        "peak": 1.12,
        "peak_time": at(40),
        "others": 0.12,
        "ratio": pytest.approx(1.12 / 0.12, abs=1e-6),
        "on": False,
        "blind": False,
        "usual": 0.5,
        "expires": at(49),
    }
    assert grid.hot(found, now).height == 1
    assert grid.hot(found, at(43)).row(0, named=True)["on"], "at the end of its last high hour"
    assert grid.hot(found, at(42))["hours"].to_list() == [2], "what has not ended is not looked at"
    assert grid.hot(found, at(41)).is_empty(), "one hour is not worth a visit"
    assert grid.hot(found, at(49) - timedelta(minutes=1)).height == 1
    assert grid.hot(found, at(49)).is_empty(), "expired"


def test_a_cell_that_went_silent_is_not_left_out() -> None:
    table = night_leak(48, (40, 41)).filter(~((pl.col("station") == 2) & (pl.col("time") > at(41))))
    row = grid.hot(grid.standing(table), at(46)).row(0, named=True)
    assert (row["on"], row["blind"], row["expires"]) == (True, True, at(48))


def test_those_that_still_are_high_come_first_then_the_worst() -> None:
    table = pl.concat(
        [
            night_leak(48, (40, 41, 42), cell=0, size=9).filter(station=0),
            night_leak(48, (45, 46, 47), cell=1, size=0.5).filter(station=1),
            night_leak(48, (45, 46, 47), cell=2, size=0.7).filter(station=2),
            night_leak(48).filter(pl.col("station") > 2),
            night_leak(48).filter(pl.col("station") > 2).with_columns(pl.col("station") + 10),
        ]
    )
    assert grid.hot(grid.standing(table), at(48))["station"].to_list() == [2, 1, 0]


@pytest.mark.parametrize("found", [{}, {1: [1.0, 2.0]}, {1: [1.0], 2: [9.0], 3: [1.0]}, {1: [None]}])
def test_too_few_cells_have_no_neighbours(found: dict[int, list[float | None]]) -> None:
    told = grid.standing(cells(found))
    assert not told["high"].any()
    assert told["others"].null_count() == told.height
    assert grid.by_hour(told).is_empty()
    assert grid.hot(told, at(5)).is_empty()


def test_a_grid_of_zeros_and_what_is_no_number() -> None:
    told = grid.standing(cells({cell: [0.0] * 30 for cell in range(5)}))
    assert not told["high"].any()
    assert told["ratio"].null_count() == told.height
    with pytest.raises(ValueError, match="NaN"):
        grid.standing(cells({1: [float("nan")]}))
