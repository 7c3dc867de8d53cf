"""By whose clock it rises."""

from collections.abc import Callable
from math import comb

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from analytics.hints import signature
from tests.hints.rows import at


def days(count: int, value: Callable[[int, int], float | None], offset: int = 480) -> pl.DataFrame:
    """`HOURS` of days from a Monday, local midnight; `value` of the day's number and the hour."""
    zero = -offset // 60
    table = [(1, at(24 * day + hour + zero), value(day, hour), offset) for day in range(count) for hour in range(24)]
    return pl.DataFrame(table, schema=dict(signature.HOURS), orient="row")


def told(hours: pl.DataFrame) -> dict[str, dict[str, object]]:
    return {row["signature"]: row for row in signature.signatures(hours).to_dicts()}


def test_a_workshop_of_workdays() -> None:
    found = told(days(28, lambda day, hour: 5.0 if day % 7 < 5 and 8 <= hour < 18 else 1.0))
    assert found["work"] == {
        "series": 1,
        "signature": "work",
        "units": 20,
        "inside": 5.0,
        "beside": 1.0,
        "ratio": 5.0,
        "positive": 1.0,
        "p": round(0.5**20, 6),
    }
    assert (found["weekday"]["units"], found["weekday"]["positive"], found["weekday"]["p"]) == (4, 1.0, 0.0625)
    assert found["night"]["positive"] == 0
    assert found["lunch"]["p"] is None, "no day differs"


def test_who_lets_it_out_at_night_and_who_cooks() -> None:
    night = told(days(14, lambda day, hour: 3.0 if hour in (1, 2, 3) else 1.0))
    assert night["night"]["p"] == round(0.5**14, 6)
    assert night["work"]["positive"] == 0
    meals = told(days(14, lambda day, hour: 3.0 if hour in (11, 12, 17, 18, 19) else 1.0))
    assert meals["lunch"]["p"] == meals["dinner"]["p"] == round(0.5**14, 6)
    assert meals["weekday"]["p"] is None


def test_a_profile_has_local_hours_and_both_kinds_of_day() -> None:
    found = signature.profile(days(7, lambda day, hour: float(hour + 100 * (day > 4))))
    assert found.height == 48
    assert found.filter(weekend=False)["mean"].to_list() == list(range(24))
    assert found.filter(weekend=True)["median"].to_list() == list(range(100, 124))
    assert found["count"].to_list() == [5] * 24 + [2] * 24


def test_the_sign_test_is_that_of_a_coin() -> None:
    draw = np.random.default_rng(3).random(60)
    found = told(days(60, lambda day, hour: 1 + (0.5 if draw[day] < 0.6 else -0.5) * (hour in (11, 12))))["lunch"]
    more = int((draw < 0.6).sum())
    assert found["positive"] == pytest.approx(more / 60, abs=1e-6)
    assert found["p"] == pytest.approx(sum(comb(60, heads) for heads in range(more, 61)) / 2**60, abs=1e-6)


def test_days_with_gaps_do_not_count() -> None:
    found = told(days(14, lambda day, hour: None if day < 4 and hour == 11 else 1.0 + (hour == 12)))
    assert found["lunch"]["units"] == 10, "one of two hours is too few"
    assert found["work"]["units"] == 10, "nine of ten are enough"
    none = told(days(14, lambda day, hour: None if hour > 7 else 1.0))
    assert {row["units"] for row in none.values()} == {0}
    assert {row["ratio"] for row in none.values()} == {None}


@pytest.mark.parametrize("value", [0.0, 3.0], ids=["zero", "constant"])
def test_a_constant_has_no_signature(value: float) -> None:
    found = told(days(21, lambda day, hour: value))
    assert {row["p"] for row in found.values()} == {None}
    assert {row["ratio"] for row in found.values()} == {1.0 if value else None}


def test_nothing_and_no_number_and_order() -> None:
    assert signature.signatures(days(0, lambda day, hour: 1.0)).is_empty()
    assert signature.profile(days(3, lambda day, hour: None)).is_empty()
    with pytest.raises(ValueError, match="NaN"):
        signature.signatures(days(1, lambda day, hour: float("nan")))
    found = days(21, lambda day, hour: (day * 7 + hour * 5) % 11 / 3)
    shuffled = found.sample(fraction=1, shuffle=True, seed=2)
    assert_frame_equal(signature.signatures(shuffled), signature.signatures(found))
    assert_frame_equal(signature.profile(shuffled), signature.profile(found))
