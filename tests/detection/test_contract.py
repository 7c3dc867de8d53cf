"""What every detector promises, at any cadence: a stream and a batch say the same, and nothing looks ahead."""

import json
import math
import random
import statistics
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analytics import detection, parameters, tables
from analytics.frames import SCORES, TIME

ALL = parameters.load()
SETTING = detection.parse(tables.read(detection.TABLE))
SETTING["forest"]["trees"] = 8  # as many more say nothing else here
MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
DAY = timedelta(days=1)
NAMES = ("pm25", "o3", "no2")
#: What the series measure where a detector judges nothing else.
OTHERS = {
    "rise": ("water_level", "discharge", "water_level"),
    **dict.fromkeys(("night", "meals"), ("tvoc", "nmhc", "tvoc")),
}


def voices(name: str = "") -> pl.DataFrame:
    """Three series of a station, each beside the two others, as the detector `name` takes them."""
    rows = [
        (number, parameter, 0, 7, [one for one in (1, 2, 3) if one != number])
        for number, parameter in enumerate(OTHERS.get(name, NAMES), start=1)
    ]
    schema = {"series": pl.Int32(), "parameter": pl.String(), "offset": pl.Int16(), "station": pl.Int32()}
    return pl.DataFrame(rows, schema={**schema, "near": pl.List(pl.Int32())}, orient="row")


def learner(name: str) -> str:
    """By whose fits the detector `name` judges."""
    return detection.MEMBERS[name].fit if name in detection.MEMBERS else name


def steps_of(values: dict[int, list[float | None]], cadence: timedelta = QUARTER) -> pl.DataFrame:
    """Steps from `MONDAY` on; None is missing."""
    rows = [
        (series, MONDAY + n * cadence, value, 0)
        for series, some in values.items()
        for n, value in enumerate(some)
        if value is not None
    ]
    schema = {"series": pl.Int32(), "time": TIME, "value": pl.Float64(), "offset": pl.Int16()}
    return pl.DataFrame(rows, schema=schema, orient="row")


def district(seed: int, days: int = 10) -> pl.DataFrame:
    """Three sensors of a station that rise and fall together; gaps, after which one may have jumped, and spikes."""
    dice = random.Random(seed)
    out: dict[int, list[float | None]] = {1: [], 2: [], 3: []}
    level, silent = 0.0, 0
    for n in range(days * 96):
        level += dice.gauss(0, 0.5)
        was, silent = silent, silent - 1 if silent else (dice.choice([1, 2, 5, 10, 40]) if dice.random() < 0.01 else 0)
        for series in out:
            value = 60 + level * series + 10 * (n % 96 / 96) + dice.gauss(0, 1)
            if dice.random() < 0.01:
                value += dice.choice([-40, 60, 300])
            if was and not silent and series == 1:
                value += dice.choice([0, 300])
            lost = dice.random() < 0.02 or (silent and series != 2)
            out[series].append(None if lost else round(value, 2))
    return steps_of(out)


def coarse(steps: pl.DataFrame, seed: int) -> pl.DataFrame:
    """`steps` of a sensor that says the same for up to ten readings, and for a day and a half from the seventh on."""
    dice = random.Random(seed)
    held, left, out = 0.0, 0, []
    for time, value in steps.select("time", "value").iter_rows():
        if not left:
            held, left = value, 150 if MONDAY + 6 * DAY <= time < MONDAY + 6.2 * DAY else dice.randint(1, 10)
        left -= 1
        out.append(held)
    return steps.with_columns(pl.Series("value", out))


def dated(steps: pl.DataFrame, name: str) -> pl.DataFrame:
    """Fits of `name` from the sixth and the eighth day on, each of what was before."""
    made: list[pl.DataFrame] = []
    for day in (5, 7):
        start = MONDAY + day * DAY
        learned: pl.DataFrame = detection.STUDENTS[learner(name)](
            steps.filter(pl.col("time") < start), voices(name), ALL, SETTING[learner(name)]
        )
        made.append(learned.with_columns(pl.lit(start).cast(TIME).alias("valid_from")))
    return pl.concat(made)


@pytest.mark.parametrize("name", detection.SCORERS)
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 10**6), cut=st.sampled_from([1, 7, 30, 200]))
def test_a_stream_and_a_batch_say_the_same_bit_for_bit(name: str, seed: int, cut: int) -> None:
    steps = coarse(district(seed), seed) if name == "stuck" else district(seed)
    fits = dated(steps, name)
    assert fits.height > 0
    whole = detection.SCORERS[name](steps, fits).sort("series", "time")
    assert whole.schema == pl.Schema(SCORES)
    assert whole["value"].is_not_null().any()
    reach, start, stop = detection.back(name, QUARTER), MONDAY + 6 * DAY, MONDAY + 8 * DAY
    pieces = []
    while start < stop:
        end = start + cut * QUARTER
        seen = steps.filter(pl.col("time") >= start - reach, pl.col("time") < end).sample(
            fraction=1, shuffle=True, seed=seed
        )
        pieces.append(detection.SCORERS[name](seen, fits).filter(pl.col("time") >= start))
        start = end
    wanted = whole.filter(pl.col("time").is_between(MONDAY + 6 * DAY, start, closed="left"))
    assert pl.concat(pieces).sort("series", "time").equals(wanted)


@pytest.mark.parametrize("name", detection.STUDENTS)
def test_the_same_steps_give_the_same_bytes_in_any_order(name: str) -> None:
    steps = district(3)
    made = detection.STUDENTS[name](steps, voices(name), ALL, SETTING[name])
    again = detection.STUDENTS[name](steps.sample(fraction=1, shuffle=True, seed=1), voices(name), ALL, SETTING[name])
    assert made.height > 0
    assert made.equals(again)


@pytest.mark.parametrize("name", detection.SCORERS)
def test_what_is_learned_by_the_clock_does_not_depend_on_how_long_the_file_is(name: str) -> None:
    steps, setting = district(3), SETTING[learner(name)]

    def said(some: pl.DataFrame) -> pl.DataFrame:
        fits = detection.fits_of(detection.STUDENTS[learner(name)], some, voices(name), ALL, setting)
        found: pl.DataFrame = detection.SCORERS[name](some, fits)
        return found

    half = MONDAY + timedelta(days=7, hours=5)
    whole, short = said(steps), said(steps.filter(pl.col("time") < half))
    assert short["value"].is_not_null().any()
    assert short.sort("series", "time").equals(whole.filter(pl.col("time") < half).sort("series", "time"))


def test_a_jump_is_scored_by_its_step_over_the_line_and_nothing_far_away_is_near() -> None:
    """One-step beside the obvious loop, where the past was calm."""
    fit_ = pl.DataFrame(
        {
            "subject": [1],
            "valid_from": [MONDAY],
            "blob": [b'{"line": 4.0, "foot": null, "rough": 0.0, "cadence": 900000000.0, "count": 400}'],
        },
        schema={"subject": pl.Int32, "valid_from": TIME, "blob": pl.Binary},
    )
    values: list[float | None] = [10, 12, None, None, 20, None, None, None, None, 20, 14]
    scores = detection.SCORERS["one-step"](steps_of({1: values}), fit_)
    # 12 to 20 over a gap of two; a gap of four is too far
    assert scores["value"].to_list() == [None, 0.5, 2.0, None, 1.5]


def test_the_line_grows_with_the_level_where_the_past_is_skewed() -> None:
    dice = random.Random(2)
    turbid: list[float | None] = [round(5 * 10 ** dice.gauss(0, 0.4), 2) for _ in range(900)]
    calm: list[float | None] = [round(60 + dice.gauss(0, 1), 2) for _ in range(900)]
    made = detection.STUDENTS["one-step"](steps_of({1: turbid, 2: calm}), voices(), ALL, SETTING["one-step"])
    feet = made["blob"].cast(pl.String).str.json_path_match("$.foot").to_list()
    assert feet[0] not in (None, "null")
    assert feet[1] in (None, "null")


def test_the_median_of_the_readings_before_is_that_of_the_obvious_loop() -> None:
    dice = random.Random(5)
    values = [round(50 + dice.gauss(0, 3), 2) for _ in range(600)]
    steps = steps_of({1: [*values]})
    start = MONDAY + 400 * QUARTER
    learned = detection.STUDENTS["departure"](
        steps.filter(pl.col("time") < start), voices(), ALL, {**SETTING["departure"], "rough": 0}
    )
    line = float(learned["blob"].cast(pl.String).str.json_path_match("$.line").item())
    fit_ = learned.with_columns(pl.lit(start).cast(TIME).alias("valid_from"))
    scores = detection.SCORERS["departure"](steps, fit_).filter(pl.col("time") >= start)["value"].to_list()
    expected = [
        abs(values[n] - statistics.median(values[n - lag] for lag in (1, 4, 8, 16, 24))) / line for n in range(400, 600)
    ]
    assert scores == pytest.approx(expected, abs=1e-6)


def test_sensors_that_part_from_one_another_are_out_though_each_is_where_it_was_before() -> None:
    dice = random.Random(6)
    level = [50 + 20 * dice.random() for _ in range(960)]
    values: dict[int, list[float | None]] = {
        series: [round(series * one + dice.gauss(0, 0.3), 2) for one in level] for series in (1, 2, 3)
    }
    for n in range(900, 930):
        values[3][n] = round(360 - 3 * level[n], 2)  # as high as ever, but against the others
    steps = steps_of(values)
    start = MONDAY + 800 * QUARTER
    learned = detection.STUDENTS["related"](
        steps.filter(pl.col("time") < start), voices(), ALL, {**SETTING["related"], "smooth": 1, "margin": 1.5}
    )
    fit_ = learned.with_columns(pl.lit(start).cast(TIME).alias("valid_from"))
    scores = detection.SCORERS["related"](steps, fit_).with_columns(
        inside=pl.col("time").is_between(MONDAY + 900 * QUARTER, MONDAY + 929 * QUARTER)
    )
    assert scores.filter("inside")["value"].median() > 1
    assert (scores.filter(~pl.col("inside"))["value"] < 1).mean() > 0.97


def test_a_series_is_held_against_its_neighbours_and_not_against_its_own_past() -> None:
    """Haze over all is not ours; a plume at one of three is, and so is a sensor that alone stays behind."""
    dice = random.Random(8)
    level = [40 + 10 * math.sin(n / 96 * 2 * math.pi) for n in range(960)]
    for n in range(820, 840):
        level[n] += 200  # the haze
    values: dict[int, list[float | None]] = {
        series: [round(one + 5 * series + dice.gauss(0, 1), 2) for one in level] for series in (1, 2, 3)
    }
    for n in range(880, 890):
        values[2][n] = round((values[2][n] or 0.0) + 60, 2)  # the plume
    values[3][835] = None
    steps, start = steps_of(values), MONDAY + 800 * QUARTER
    learned = detection.STUDENTS["network"](
        steps.filter(pl.col("time") < start), voices(), ALL, {**SETTING["network"], "spread": 8}
    )
    fit_ = learned.with_columns(pl.lit(start).cast(TIME).alias("valid_from"))
    scores = detection.SCORERS["network"](steps.filter(pl.col("time") >= start), fit_)
    said = {series: part["value"].to_list() for (series,), part in scores.group_by("series")}
    assert max(one for one in said[1] if one is not None) < 1
    assert [n + 800 for n, one in enumerate(said[2]) if one is not None and one >= 1] == list(range(880, 890))
    # Where one of two neighbours says nothing there is nobody to be held against.
    assert said[1][35] is None
    assert said[2][35] is None


def test_a_river_is_told_to_rise_before_it_is_high() -> None:
    dice = random.Random(9)
    values: list[float | None] = [round(100 + dice.gauss(0, 1), 1) for _ in range(700)]
    values[620] = 140.0  # a reading off is no flood
    values += [round(100 + 2 * n, 1) for n in range(40)]
    steps, start = steps_of({1: values}), MONDAY + 600 * QUARTER
    learned = detection.STUDENTS["rise"](
        steps.filter(pl.col("time") < start), voices("rise").head(1), ALL, SETTING["rise"]
    )
    blob = json.loads(learned["blob"][0])
    fit_ = learned.with_columns(pl.lit(start).cast(TIME).alias("valid_from"))
    scores = detection.SCORERS["rise"](steps, fit_)["value"].to_list()
    first = next(n for n in range(600, 740) if (scores[n] or 0) >= 1)
    high = next(n for n in range(700, 740) if (values[n] or 0) >= blob["usual"] + blob["line"])
    assert 700 <= first < high
    falling = steps_of({1: [*values, *[round(180 - 5 * n, 1) for n in range(30)]]})
    assert detection.SCORERS["rise"](falling, fit_)["value"].to_list()[-1] == 0


def street(days: int = 20) -> list[float | None]:
    """VOCs of a street by the quarter of an hour: 50 by night, 100 by day, 60 more at meals."""
    dice = random.Random(10)
    out: list[float | None] = []
    for n in range(days * 96):
        hour = n % 96 / 4
        level = 50 if hour < 5 else 160 if 11 <= hour < 13 or 17 <= hour < 20 else 100
        out.append(round(level + dice.gauss(0, 3), 1))
    return out


def said_of_the_street(name: str, values: list[float | None]) -> list[tuple[int, float]]:
    """Day and hour of each step that is at the line, by what was learned of fourteen days."""
    steps, start = steps_of({1: values}), MONDAY + 14 * DAY
    learned = detection.STUDENTS[name](steps.filter(pl.col("time") < start), voices(name).head(1), ALL, SETTING[name])
    fit_ = learned.with_columns(pl.lit(start).cast(TIME).alias("valid_from"))
    said = detection.SCORERS[name](steps, fit_).filter(pl.col("value") >= 1)["time"].sort()
    return [(n // 96, n % 96 / 4) for n in ((time - MONDAY) // QUARTER for time in said)]


def test_a_night_that_is_never_as_low_as_the_others_is_told_by_its_end() -> None:
    values = street()
    assert said_of_the_street("night", values) == []
    for n in range(16 * 96, 16 * 96 + 20):
        values[n] = 90.0  # it runs all night
    for n in range(17 * 96, 17 * 96 + 12):
        values[n] = 90.0  # and the next until three: then it was off, and the night as low as ever
    values[18 * 96 : 18 * 96 + 10] = [None] * 10  # of this one hardly half was seen
    values[18 * 96 + 10 : 18 * 96 + 20] = [90.0] * 10
    assert {day for day, _ in said_of_the_street("night", values)} == {16}
    assert {hour for _, hour in said_of_the_street("night", values)} == {4.0, 4.25, 4.5, 4.75}


def test_a_meal_that_adds_more_than_others_is_told_in_its_last_hour() -> None:
    values = street()
    assert said_of_the_street("meals", values) == []
    for n in range(15 * 96, 16 * 96):
        values[n] = (values[n] or 0.0) + 80  # a day of haze adds to all hours: no meal
    for n in range(16 * 96 + 17 * 4, 16 * 96 + 20 * 4):
        values[n] = (values[n] or 0.0) + 80  # a supper
    assert said_of_the_street("meals", values) == [(16, 19.0), (16, 19.25), (16, 19.5), (16, 19.75)]


def test_what_lasts_is_scored_by_its_mean_over_six_hours() -> None:
    blob = json.dumps({"profile": [10.0] * 48, "line": 5.0, "count": 200}).encode()
    fit_ = pl.DataFrame(
        {"subject": [1], "valid_from": [MONDAY], "blob": [blob]},
        schema={"subject": pl.Int32, "valid_from": TIME, "blob": pl.Binary},
    )
    values: list[float | None] = [*[10.0] * 24, *[20.0] * 24, *[10.0] * 24]
    scores = detection.SCORERS["sustained"](steps_of({1: values}), fit_)["value"].to_list()
    assert (scores[23], scores[35], scores[47], scores[59], scores[71]) == (0.0, 1.0, 2.0, 1.0, 0.0)
