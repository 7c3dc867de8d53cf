"""The table of forecasts: what it may say, the days on which nobody works, and the scales."""

import copy
from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics import forecasting, parameters, tables
from analytics.forecasting import FORECASTERS, LEARNED, NAIVE, Subject
from analytics.tables import TableError
from tests.forecasting.histories import PLAN
from tests.rows import spoil


def test_every_subject_is_a_parameter_with_hourly_means_and_known_models() -> None:
    known = parameters.load()
    for name, subject in PLAN.subjects.items():
        assert known[name].mean in ("arithmetic", "energy"), name
        assert "hour" in known[name].averagings, name
        assert set(subject.models) <= (FORECASTERS.keys() | set(LEARNED)) - set(NAIVE), name
    assert set(NAIVE) < FORECASTERS.keys()


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("settings", "leads", "value"), 72.5, r"\[settings\] 'leads': 'value' cannot be 72.5"),
        (("settings", "leads", "value"), 48, r"'groups' must rise and end with 'leads'"),
        (("settings", "groups", "value"), [24, 6, 72], r"'groups' must rise"),
        (("settings", "gates", "value"), [6, 24], r"'gates' must rise and end with 'leads'"),
        (("settings", "groups", "value"), [6, "24", 72], r"'groups' 'value' must hold whole numbers"),
        (("settings", "step", "value"), 0, r"'step' is too small"),
        (("settings", "step", "value"), 13, r"'backtest' must hold whole steps"),
        (("settings", "level", "value"), 80, r"'level' and 'rate' must lie between 0 and 1"),
        (("settings", "history", "value"), 700, r"fit into 'history'"),
        (("settings", "damping", "source"), None, r"'damping': 'source' is missing"),
        (("settings", "damping"), None, r"\[settings\]: 'damping' is missing"),
        (("settings", "speed"), {"value": 1, "source": "", "confidence": ""}, r"unknown key 'speed'"),
        (("parameters", "pm25", "scale"), "cube", r"\[parameters.pm25\] 'scale' cannot be 'cube'"),
        (("parameters", "pm25", "floor"), None, r"\[parameters.pm25\] 'scale' 'root' needs a 'floor'"),
        (("parameters", "turbidity", "offset"), 0, r"\[parameters.turbidity\] 'scale' 'log' needs an 'offset' above 0"),
        (("settings", "wide", "value"), 0.7, r"'wide' must lie between 'level' and 1"),
        (("settings", "calendar", "value"), "XX", r"\[settings\] 'calendar' cannot be 'XX'"),
        (("settings", "beside", "value"), ["pm25", 5], r"'beside' 'value' must hold names"),
        (("parameters", "pm25", "limits"), [75, "150"], r"\[parameters.pm25\] 'limits' must hold numbers"),
        (("parameters", "pm25", "models"), "harmonic", r"\[parameters.pm25\]: 'models' cannot be 'harmonic'"),
        (("parameters", "pm25"), 5, r"\[parameters\] 'pm25' must be a table"),
    ],
)
def test_a_wrong_table_is_refused_by_block_and_key(path: tuple[str, ...], value: Any, message: str) -> None:
    content: Any = copy.deepcopy(tables.read(forecasting.TABLE))
    spoil(content, path, value)
    with pytest.raises(TableError, match=message):
        forecasting.parse(content)


def test_days_on_which_nobody_works() -> None:
    """The National Day of 2015 was a Thursday; the Saturday of the week after it was worked."""
    assert forecasting.free("CN", date(2015, 9, 30), date(2015, 10, 11)) == {
        *(date(2015, 10, day) for day in range(1, 8)),
        date(2015, 10, 11),
    }
    assert forecasting.free("", date(2015, 9, 30), date(2015, 10, 11)) == frozenset()


@given(st.lists(st.floats(0, 500), min_size=1, max_size=5))
def test_a_scale_is_left_as_it_was_entered(values: list[float]) -> None:
    subjects = [Subject("", scale="root", floor=0), Subject("", scale="log", offset=1, floor=0), Subject("")]
    grid = np.array(values)[:, None].repeat(3, axis=1)
    assert np.allclose(forecasting.back(forecasting.onto(grid, subjects), subjects), grid)


def test_nothing_leaves_its_limits() -> None:
    subjects = [Subject("", scale="root", floor=0), Subject("", floor=0, ceiling=100)]
    assert forecasting.back(np.array([[-3.0, -3.0], [3.0, 103.0]]), subjects).tolist() == [[0, 0], [9, 100]]
