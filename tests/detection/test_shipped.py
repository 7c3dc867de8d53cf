"""The shipped configuration: a stream and a batch say the same, an event is told once, a fault is called one."""

import math
import random
from datetime import timedelta

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analytics import detection
from analytics.detection import MEMBERS
from analytics.frames import TIME
from tests.detection.test_contract import ALL, DAY, MONDAY, QUARTER, SETTING, district, steps_of, voices

HOUR = timedelta(hours=1)


def learned(steps: pl.DataFrame, *days: int) -> pl.DataFrame:
    """Fits of all that was before each of `days`, from then on; of what every detector of the shipped ones hears."""
    parts, several = [], voices().with_columns(pl.Series("parameter", ["pm25", "tvoc", "laeq"]))
    for day in days:
        start = MONDAY + day * DAY
        made = detection.learn(steps.filter(pl.col("time") < start), several, ALL, SETTING)
        parts.append(made.with_columns(pl.lit(start).cast(TIME).alias("valid_from")))
    return pl.concat(parts)


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 10**6), cut=st.sampled_from([5, 30, 200]))
def test_a_stream_and_a_batch_say_the_same_bit_for_bit(seed: int, cut: int) -> None:
    steps = district(seed)
    fits = learned(steps, 5, 7)
    assert set(fits["detector"]) == set(detection.LEARN)
    whole = detection.judge(steps, fits)
    assert whole.schema == pl.Schema(detection.JUDGED)
    assert whole["by"].is_not_null().any()
    start, stop, pieces = MONDAY + 7 * DAY, MONDAY + 8 * DAY, []
    while start < stop:
        end = start + cut * QUARTER
        seen = steps.filter(pl.col("time") >= start - detection.reach(QUARTER), pl.col("time") < end)
        judged = detection.judge(seen.sample(fraction=1, shuffle=True, seed=seed), fits)
        pieces.append(judged.filter(pl.col("time") >= start))
        start = end
    wanted = whole.filter(pl.col("time").is_between(MONDAY + 7 * DAY, start, closed="left"))
    assert pl.concat(pieces).sort("series", "time").equals(wanted)


def calm(days: int, seed: int = 1) -> list[float | None]:
    """A day's rise and fall of 10 about 60, with some noise."""
    dice = random.Random(seed)
    return [round(60 + 10 * math.sin(n / 96 * 2 * math.pi) + dice.gauss(0, 0.5), 2) for n in range(days * 96)]


def judged_of(values: list[float | None], parameter: str = "pm25") -> pl.DataFrame:
    """What is said from the fifteenth day on, by what was learned of the fourteen before; `n` numbers the steps."""
    steps, start = steps_of({1: values}), MONDAY + 14 * DAY
    facts = voices().head(1).with_columns(pl.lit(parameter).alias("parameter"))
    fits = detection.learn(steps.filter(pl.col("time") < start), facts, ALL, SETTING)
    judged = detection.judge(steps, fits.with_columns(pl.lit(start).cast(TIME).alias("valid_from")))
    return judged.with_columns(((pl.col("time") - MONDAY).dt.total_minutes() // 15).alias("n")).filter(
        pl.col("time") >= start
    )


def alarms(values: list[float | None], parameter: str = "pm25") -> list[tuple[int, str]]:
    """Number of each step that raises an alarm, and by whom."""
    return judged_of(values, parameter).filter(pl.col("alarm") >= 1).select("n", "by").rows()


def test_nothing_is_said_of_a_calm_series() -> None:
    assert alarms(calm(17)) == []


def test_a_spike_is_a_fault_told_once() -> None:
    values = calm(17)
    values[1500] = 160.0
    # Back again is as far as there: within the hour that is no news.
    assert alarms(values) == [(1500, "one-step")]
    assert MEMBERS["one-step"].group == "fault"


def test_a_jump_on_a_clear_day_is_told_by_its_level_where_haze_jumps_as_far() -> None:
    # Every four days haze of ten times as much, and ten times the scatter.
    haze = [5.5 - 4.5 * math.cos(n / 384 * 2 * math.pi) for n in range(17 * 96)]
    values: list[float | None] = [round((value or 0.0) * some, 2) for value, some in zip(calm(17), haze, strict=True)]
    assert alarms(values) == []
    values[1536] = 120.0  # of 60
    assert alarms(values) == [(1536, "swing")]
    assert alarms(values, "conductivity") == []
    assert MEMBERS["swing"].group == "fault"


def test_a_sensor_that_stands_still_is_told_once_when_it_has_stood_for_long() -> None:
    values = calm(17)
    values[1500:1560] = [values[1499]] * 60  # the third part of a day: it is as high as it may be all the time
    (told,) = [n for n, by in alarms(values, "conductivity") if by == "stuck"]
    assert 1499 + 11 <= told <= 1499 + 20  # at the earliest the twelfth reading in a row
    (sooner,) = [n for n, by in alarms(values) if by == "stuck"]
    assert sooner == 1499 + 7  # of air the eighth
    judged = judged_of(values).filter(pl.col("n").is_between(1520, 1559))
    assert (judged["level"] >= 1).all()  # it is still stuck, though that is no news
    assert "stuck" not in judged["by"].to_list()


def test_a_capped_reading_is_a_stuck_one() -> None:
    values = [min(value or 0.0, 66.0) if n >= 1400 else value for n, value in enumerate(calm(17))]
    assert any(by == "stuck" for _, by in alarms(values))


def test_a_slow_plateau_is_an_event_told_once_a_day() -> None:
    values = calm(17)
    for n in range(1500, 1540):
        values[n] = round((values[n] or 0.0) + 40 * min(1, (n - 1500) / 20, (1540 - n) / 10), 2)
    found = alarms(values)
    assert {by for _, by in found} == {"robust-seasonal"}
    assert 1500 < found[0][0] < 1515
    assert MEMBERS["robust-seasonal"].group == "event"
    # While it grows it beats what was before; from its top on it is silent.
    assert found[-1][0] <= 1530
    assert judged_of(values).filter(pl.col("n").is_between(1522, 1535))["level"].min() > 1  # type: ignore[operator]


def test_water_has_no_usual_hour() -> None:
    values = calm(17)
    for n in range(1500, 1540):
        values[n] = round((values[n] or 0.0) + 40 * min(1, (n - 1500) / 20, (1540 - n) / 10), 2)
    assert alarms(values, "conductivity") == []


def test_a_change_below_the_floor_of_its_quantity_says_nothing() -> None:
    dice = random.Random(4)
    values: list[float | None] = [round(2 + abs(dice.gauss(0, 0.1)), 2) for _ in range(17 * 96)]
    values[1500] = 40.0
    assert [by for _, by in alarms(values, "conductivity")] == ["one-step"]
    assert alarms(values, "turbidity") == []
    values[1500] = 80.0
    assert [by for _, by in alarms(values, "turbidity")] == ["one-step"]


def test_a_replay_has_the_rows_as_they_came_and_does_not_look_ahead() -> None:
    steps = district(5, days=8)
    rows = steps.select(
        pl.lit("A").alias("station"),
        pl.col("series").cast(pl.String),
        pl.format("unheard of {}", "series").alias("parameter"),
        "time",
        "value",
    ).sample(fraction=1, shuffle=True, seed=2)
    whole = detection.replay(rows, ALL, SETTING)
    assert whole.select(rows.columns).equals(rows)
    half = MONDAY + timedelta(days=6, hours=5)
    short = detection.replay(rows.filter(pl.col("time") < half), ALL, SETTING)
    assert short["level"].is_not_null().any()
    assert whole.filter(pl.col("time") < half).equals(short)


def test_of_two_rows_with_one_time_the_last_counts() -> None:
    steps = district(6, days=6).filter(series=1)
    rows = steps.select(
        pl.lit("A").alias("station"),
        pl.lit("s").alias("series"),
        pl.lit("pm25").alias("parameter"),
        "time",
        "value",
    )
    twice = pl.concat([rows.head(1).with_columns(value=9999.0), rows])
    assert detection.replay(twice, ALL, SETTING).slice(1).equals(detection.replay(rows, ALL, SETTING))


@pytest.mark.parametrize("name", MEMBERS)
def test_every_member_is_learned_by_a_block_of_the_table(name: str) -> None:
    assert MEMBERS[name].fit in SETTING
    assert MEMBERS[name].group in ("fault", "event")
