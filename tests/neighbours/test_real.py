"""Twelve stations of Beijing: how much their neighbours say, and that they hear the fireworks."""

import polars as pl
import pytest

from tests.conftest import needs_shared
from tests.published import neighbours_report


@pytest.fixture(scope="module")
def pm25() -> pl.DataFrame:
    return neighbours_report.judged(neighbours_report.beijing(["pm25"]))


@needs_shared
def test_few_readings_of_beijing_lie_apart_and_half_the_steps_were_taken_by_all(pm25: pl.DataFrame) -> None:
    assert neighbours_report.summary(pm25) == {
        "readings": 245_324,
        "apart": 972,  # 0.4 %
        "good_before": 870,
        "objected": 454,
        "lifted": 212,
        "good_after": 201,
    }


@needs_shared
def test_fireworks_are_no_fault(pm25: pl.DataFrame) -> None:
    """New Year's Eves of 2014 to 2016. What stays is beyond 500, or a jump that three others did not half make."""
    nights = neighbours_report.eves(pm25)
    found = neighbours_report.summary(nights)
    assert (found["objected"], found["lifted"], found["good_after"]) == (34, 20, 15)
    assert nights.filter(pl.col("code_final") > 3, pl.col("code") <= 3).is_empty()
    # Not one of the good is made worse than suspect, and what is suspect counts.
    assert nights.filter(pl.col("code") == 1)["code_final"].max() == 3
