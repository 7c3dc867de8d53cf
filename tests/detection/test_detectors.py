"""Detectors: what they learn of the past, and how far from it they find an hour."""

import json
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from analytics import detection, parameters, tables
from analytics.frames import SCORES, TIME
from tests.world import HOUR

ALL = parameters.load()
SETTING = detection.parse(tables.read(detection.TABLE))
#: A Monday, midnight at UTC+8.
MONDAY = datetime.fromisoformat("2026-01-05T00:00:00+08:00").astimezone(UTC)


def hours_of(values: list[float | None], series: int = 1, first: datetime = MONDAY) -> pl.DataFrame:
    """Hours in a row, as detectors take them; None is missing."""
    rows = [(series, first + n * HOUR, float(v), 480) for n, v in enumerate(values) if v is not None]
    schema = {"series": pl.Int32(), "time": TIME, "value": pl.Float64(), "offset": pl.Int16()}
    return pl.DataFrame(rows, schema=schema, orient="row")


def voice(parameter: str, series: int = 1) -> pl.DataFrame:
    schema = {"series": pl.Int32(), "parameter": pl.String(), "offset": pl.Int16()}
    return pl.DataFrame([(series, parameter, 480)], schema=schema, orient="row")


def learn(hours: pl.DataFrame, parameter: str = "pm25") -> dict[str, Any]:
    """What robust-seasonal learns of series 1."""
    made = detection.STUDENTS["robust-seasonal"](hours, voice(parameter), ALL, SETTING["robust-seasonal"])
    return json.loads(made["blob"][0]) if made.height else {}


def dated(*blobs: tuple[datetime, dict[str, Any]]) -> pl.DataFrame:
    """Fits of series 1 from these times on."""
    rows = [(1, start, json.dumps(blob).encode()) for start, blob in blobs]
    return pl.DataFrame(rows, schema={"subject": pl.Int32, "valid_from": TIME, "blob": pl.Binary}, orient="row")


def two_weeks() -> list[float | None]:
    """10 plus the local hour on workdays, 50 on days off, and an outlier on the last day."""
    values: list[float | None] = [50.0 if n // 24 % 7 >= 5 else 10.0 + n % 24 for n in range(24 * 28)]
    values[24 * 28 - 3] = 900.0
    return values


def test_the_profile_is_the_median_of_workdays_and_of_days_off() -> None:
    learned = learn(hours_of(two_weeks()))
    assert learned["profile"] == [10.0 + hour for hour in range(24)] + [50.0] * 24
    # No spread, and the outlier is rarer than the quantile: half a hundredth of the range 0 to 500 remains.
    assert (learned["line"], learned["count"]) == (2.5, 24 * 28)


def test_the_line_is_that_of_the_series_own_spread_and_tail() -> None:
    dice = random.Random(1)
    values = [100 + dice.choice([-1, 1]) * dice.uniform(9, 11) for _ in range(24 * 28)]
    assert 3 * 1.4826 * 9 < learn(hours_of([*values]))["line"] < 3 * 1.4826 * 12
    tail = [v + (400 if n % 50 == 0 else 0) for n, v in enumerate(values)]
    assert learn(hours_of([*tail]))["line"] > 1.2 * 380


def test_what_cannot_be_learned_is_not() -> None:
    week = hours_of([20.0] * 168)
    assert learn(week.head(167)) == {}
    assert learn(week)["profile"] == [20.0] * 48  # two days off are too few: they are judged as other days
    mornings = hours_of([20.0 if n % 24 < 8 else None for n in range(24 * 28)])
    assert learn(mornings)["profile"] == ([20.0] * 8 + [None] * 16) * 2
    assert learn(week, "wind_direction") == {}  # no median on a circle
    assert learn(week, "rain") == {}


def test_a_score_is_the_distance_over_the_line() -> None:
    fit_ = dated((MONDAY, {"profile": [20.0] * 24 + [None] * 24, "line": 40.0, "count": 200}))
    values = hours_of([20, 60, 0, 100, None, 70.5])
    scores = detection.SCORERS["robust-seasonal"](values, fit_)
    assert scores.schema == pl.Schema(SCORES)
    assert scores["value"].to_list() == [0, 1, 0.5, 2, 1.2625]
    saturday = hours_of([500.0], first=MONDAY + timedelta(days=5))
    assert detection.SCORERS["robust-seasonal"](saturday, fit_)["value"].to_list() == [None]


def test_a_score_does_not_depend_on_how_many_hours_and_fits_are_judged_at_once() -> None:
    """Polars divides by the line of a lone fit another way than by those of many; 103.9625 / 40 lies between two."""
    fit_ = dated((MONDAY, {"profile": [20.0] * 48, "line": 40.0, "count": 200}))
    other = fit_.with_columns(subject=pl.lit(2, pl.Int32))
    found = set()
    for count in (1, 2):
        for fits_ in (fit_, pl.concat([fit_, other])):
            scores = detection.SCORERS["robust-seasonal"](hours_of([123.9625] * count), fits_)
            found.update(scores["value"])
    assert len(found) == 1


def test_the_newest_fit_that_holds_judges_and_nothing_before_the_first() -> None:
    profile = [0.0] * 48
    fits_ = dated(
        (MONDAY + 2 * HOUR, {"profile": profile, "line": 10.0, "count": 200}),
        (MONDAY + 4 * HOUR, {"profile": profile, "line": 5.0, "count": 200}),
    )
    scores = detection.SCORERS["robust-seasonal"](hours_of([10.0] * 6), fits_)
    assert scores["value"].to_list() == [None, None, 1, 1, 2, 2]


@pytest.mark.parametrize("name", ["robust-seasonal"])
def test_a_detector_learns_the_same_bytes_and_judges_an_hour_by_its_past(name: str) -> None:
    """The promise of the family."""
    assert detection.SCORERS.keys() > detection.STUDENTS.keys() == SETTING.keys()
    dice = random.Random(7)
    values = [None if dice.random() < 0.1 else round(dice.gauss(80, 20), 3) for _ in range(24 * 28)]
    known, later = hours_of(values), hours_of(two_weeks()[:200], first=MONDAY + timedelta(days=28))
    made = detection.STUDENTS[name](known, voice("pm25"), ALL, SETTING[name])
    again = detection.STUDENTS[name](known.sample(fraction=1, shuffle=True, seed=1), voice("pm25"), ALL, SETTING[name])
    assert made.equals(again)
    held = made.with_columns(pl.lit(MONDAY + timedelta(days=28)).cast(TIME).alias("valid_from"))
    whole = detection.SCORERS[name](later, held).sort("time")
    assert whole["value"].is_not_null().all()
    pieces = [detection.SCORERS[name](later[n : n + 7], held) for n in range(0, 200, 7)]
    assert pl.concat(pieces).sort("time").equals(whole)
