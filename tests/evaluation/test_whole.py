"""The report of the whole chain counts what it says: found by whom, called what, and what was said beside."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import polars as pl
import pytest

from analytics.evaluation.injection import QUIET
from analytics.frames import OBSERVATIONS, SERIES, TIME, empty
from tests.published import whole_report
from tests.published.whole_report import Made

T0 = datetime.fromisoformat("2026-03-01T00:00:00+00:00")
HOUR = timedelta(hours=1)
TRUTH: Mapping[str, pl.DataType] = {
    "kind": pl.String(),
    "class": pl.String(),
    "station": pl.String(),
    "parameter": pl.String(),
    "start": TIME,
    "stop": TIME,
}


def truth(*rows: tuple[str, str, int, int]) -> pl.DataFrame:
    """A row a (class, parameter, first hour, hour of its end) at the station A."""
    made = [("kind", group, "A", name, T0 + a * HOUR, T0 + b * HOUR) for group, name, a, b in rows]
    return pl.DataFrame(made, schema=dict(TRUTH), orient="row").with_row_index("row")


def told(*rows: tuple[str, str, str, float, float]) -> pl.DataFrame:
    """A row a (by, group, parameter, from hour, to hour) of the station A."""
    made = [("A", name, T0 + a * HOUR, T0 + b * HOUR, group, by) for by, group, name, a, b in rows]
    return pl.DataFrame(made, schema=dict(whole_report.SAID), orient="row")


def test_who_speaks_of_its_parameter_while_it_lasts_has_found_it() -> None:
    found = whole_report.judge(
        truth(("event", "pm25", 5, 9), ("event", "o3", 5, 9), ("fault", "pm25", 20, 21)),
        told(
            ("episodes", "event", "pm25", 8, 30), ("detectors", "fault", "o3", 3, 4), ("quality", "fault", "no2", 6, 7)
        ),
    )
    assert found["found"].to_list() == [True, False, True]
    assert found["episodes"].to_list() == [True, False, True]
    assert not found["quality"].any()
    assert found["called"].to_list() == ["event", None, "event"]


def test_most_hours_say_what_it_is_called_and_a_reading_counts_its_hour() -> None:
    said = told(
        ("quality", "fault", "pm25", 5.0, 5.2),
        ("quality", "fault", "pm25", 5.2, 5.4),
        ("detectors", "event", "pm25", 5, 6),
    )
    assert whole_report.judge(truth(("fault", "pm25", 5, 9)), said)["called"].to_list() == ["fault"]
    longer = pl.concat([said, told(("episodes", "event", "pm25", 6, 9))])
    assert whole_report.judge(truth(("event", "pm25", 5, 9)), longer)["called"].to_list() == ["event"]


def test_what_is_said_where_nothing_is_counts_once_a_stretch() -> None:
    start = T0 - QUIET
    readings = pl.DataFrame({"series": [1, 1], "time": [start, T0 + timedelta(weeks=2)]})
    readings = readings.with_columns(pl.lit(1.0).alias("value"), pl.lit(None).alias("mark")).select(
        pl.col(name).cast(kind) for name, kind in OBSERVATIONS.items()
    )
    made = Made(readings, empty(SERIES), pl.DataFrame({"station": [1]}), truth(("event", "pm25", 5, 9)))
    said = told(
        ("detectors", "event", "pm25", 6, 7),  # of what is true
        ("detectors", "event", "pm25", 30, 31),
        ("detectors", "event", "pm25", 31, 32),  # the same stretch
        ("detectors", "event", "o3", 6, 7),  # of another parameter
        ("quality", "fault", "pm25", -500, -499),  # in the first weeks
    )
    rates = whole_report.beside(made, said)
    assert rates == {"detectors": pytest.approx(2 / 2)}
