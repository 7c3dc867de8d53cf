"""Verdicts: each test on series whose answer is seen by eye, and law 3 for all of them together."""

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from analytics import parameters, quality, tables
from analytics.frames import OBSERVATIONS, SERIES, VERDICTS, conform
from analytics.parameters import Parameter
from analytics.quality import FAIL, GOOD, MISSING, NOT_EVALUATED, SUSPECT, TESTS
from analytics.tables import TableError

T0 = datetime(2024, 5, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
WORDS = dict.fromkeys(("title", "title_zh", "source", "confidence"), "")


def parameter(name: str = "x", **limits: Any) -> dict[str, Parameter]:
    words: dict[str, Any] = {**WORDS, "unit": "1", "mean": "arithmetic", "aliases": (), "averagings": ()}
    return {name: Parameter(name=name, quality=limits, **words)}


def series(number: int = 1, name: str = "x", cadence: int = 3600) -> pl.DataFrame:
    row = {"series": number, "station": 1, "parameter": name, "position": "", "statistic": ""}
    return conform(pl.DataFrame([{**row, "cadence": cadence, "offset": 480}]), SERIES)


def readings(values: dict[int, float], mark: str | None = None, number: int = 1, step: int = 60) -> pl.DataFrame:
    """Readings at so many steps of `step` minutes after T0."""
    rows = {"time": [T0 + k * step * MINUTE for k in values], "value": [float(v) for v in values.values()]}
    return conform(pl.DataFrame(rows).with_columns(series=number, mark=mark and ord(mark)), OBSERVATIONS)


def codes(values: dict[int, float], *, cadence: int = 3600, step: int = 60, **limits: Any) -> list[int]:
    """The flag of each reading."""
    made = quality.flag(readings(values, step=step), series(cadence=cadence), parameter(**limits))
    found = dict(zip(made["time"].to_list(), made["code"].to_list(), strict=True))
    return [found.get(T0 + k * step * MINUTE, GOOD) for k in values]


def row(*values: float) -> dict[int, float]:
    return dict(enumerate(values))


def test_gross_range_includes_its_ends() -> None:
    limits = {"suspect": [0, 10], "fail": [-5, 20]}
    found = codes(row(-6, -5, -1, 0, 10, 11, 20, 21), gross_range=limits)
    assert found == [FAIL, SUSPECT, SUSPECT, GOOD, GOOD, SUSPECT, SUSPECT, FAIL]


def test_a_spike_is_far_from_the_mean_of_both_neighbours() -> None:
    assert codes(row(1, 1, 12, 1, 1), spike={"suspect": 10}) == [NOT_EVALUATED, GOOD, SUSPECT, GOOD, NOT_EVALUATED]
    assert codes(row(1, 31, 1), spike={"suspect": 10, "fail": 20})[1] == FAIL


def test_a_neighbour_farther_than_three_cadences_does_not_exist() -> None:
    near, far = {0: 1.0, 3: 50.0, 6: 1.0}, {0: 1.0, 4: 50.0, 7: 1.0}
    assert codes(near, spike={"suspect": 10}) == [NOT_EVALUATED, SUSPECT, NOT_EVALUATED]
    assert codes(far, spike={"suspect": 10}) == [NOT_EVALUATED] * 3


def test_a_step_within_the_hour_is_held_against_the_hour_a_longer_one_against_its_hours() -> None:
    limits = {"suspect": 10, "fail": 40}
    assert codes(row(0, 10, 21, 62), rate=limits) == [NOT_EVALUATED, GOOD, SUSPECT, FAIL]
    assert codes({0: 0, 2: 19, 5: 50}, rate=limits) == [NOT_EVALUATED, GOOD, SUSPECT]
    assert codes(row(0, 9, 0, 11), cadence=60, step=1, rate=limits) == [NOT_EVALUATED, GOOD, GOOD, SUSPECT]


def test_a_flat_line_needs_all_readings_of_its_span() -> None:
    limits = {"suspect": 3, "tolerance": 0}
    assert codes(row(5, 5, 5, 5, 5, 6), flat_line=limits) == [NOT_EVALUATED] * 3 + [SUSPECT, SUSPECT, GOOD]
    assert codes({0: 5, 1: 5, 3: 5, 4: 5}, flat_line=limits) == [NOT_EVALUATED] * 4
    assert codes(row(5, 5.1, 5, 5.1), flat_line={"suspect": 3, "tolerance": 0.1})[3] == SUSPECT
    assert codes(row(5, 5, 5, 5), flat_line={"suspect": 1, "tolerance": 0})[1:] == [SUSPECT] * 3
    half = codes(dict.fromkeys(range(7), 5.0), cadence=1800, step=30, flat_line=limits)
    assert half == [NOT_EVALUATED] * 6 + [SUSPECT]
    assert codes(row(5, 5), cadence=14400, step=240, flat_line=limits) == [NOT_EVALUATED] * 2


def test_a_flat_line_beyond_the_reach_of_the_stage_is_refused() -> None:
    with pytest.raises(TableError, match="flat_line 'suspect' cannot be 4 h"):
        codes(row(1), flat_line={"suspect": 4, "tolerance": 0})


def test_the_first_reading_after_a_silence_is_suspect() -> None:
    assert codes({0: 1, 1: 1, 4: 1, 8: 1, 9: 1}, gap={}) == [SUSPECT, GOOD, GOOD, SUSPECT, GOOD]


@pytest.mark.parametrize(
    ("mark", "code"),
    [
        *[("N", GOOD), ("F", MISSING), ("M", FAIL), ("S", SUSPECT), ("D", FAIL), ("C", FAIL), ("T", SUSPECT)],
        *[("B", MISSING), ("d", FAIL), ("Z", NOT_EVALUATED), (None, GOOD)],
    ],
)
def test_a_device_mark_has_the_flag_of_its_row(mark: str | None, code: int) -> None:
    limits: dict[str, Any] = {"gross_range": {"suspect": [0, 10], "fail": [0, 10]}, "device_mark": {}}
    made = quality.flag(readings(row(5), mark), series(), parameter(**limits))
    assert made["code"].to_list() == ([] if code == GOOD else [code])
    assert made["tests"].to_list() == ([] if code == GOOD else [TESTS["device_mark"].bit])


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({"N": {}}, r"marks: \[N\]: 'confidence' is missing"),
        ({"N": {**WORDS, "code": 7}}, r"marks: \[N\]: 'code' cannot be 7"),
        ({"NN": WORDS}, r"marks: \[NN\] is not one letter"),
        ({"N": WORDS}, "marks: 'other' is missing"),
    ],
)
def test_a_bad_table_of_marks_names_its_row(table: dict[str, Any], says: str) -> None:
    with pytest.raises(TableError, match=says):
        quality.marks(table)


def test_the_worst_flag_stands_and_every_test_that_objects_leaves_its_bit() -> None:
    limits: dict[str, Any] = {"gross_range": {"suspect": [0, 10], "fail": [0, 30]}, "rate": {"suspect": 5}, "gap": {}}
    made = quality.flag(readings(row(1, 40)), series(), parameter(**limits))
    assert made.select("code", "tests").rows() == [(SUSPECT, 16), (FAIL, 1 | 4)]


def test_means_of_a_source_are_judged_value_by_value() -> None:
    """A running mean may stand still for hours: only the range speaks."""
    flat: dict[str, Any] = {"flat_line": {"suspect": 3, "tolerance": 0}, "gap": {}}
    limits = {**flat, "gross_range": {"suspect": [0, 9], "fail": [0, 9]}}
    computed = series().with_columns(statistic=pl.lit("mean-24h"))
    found = quality.flag(readings(row(5, 5, 5, 5, 5, 10)), computed, parameter(**limits))
    assert found.select("code", "tests").rows() == [(FAIL, TESTS["gross_range"].bit)]


def test_what_no_test_can_judge_is_not_evaluated() -> None:
    assert quality.flag(readings(row(1)), series(), parameter()).select("code", "tests").rows() == [(2, 0)]
    assert quality.flag(readings(row(1)), series(name="unheard"), parameter())["code"].to_list() == [NOT_EVALUATED]


def test_series_do_not_see_each_other() -> None:
    both = pl.concat([readings(row(1, 1)), readings({2: 99, 3: 99}, number=2)])
    rules = pl.concat([series(), series(2)])
    made = quality.flag(both, rules, parameter(gap={}, rate={"suspect": 5}))
    assert made.select("series", "tests").rows() == [(1, 16), (2, 16)]


def test_a_series_that_is_not_given_is_an_error_and_no_readings_are_no_verdicts() -> None:
    with pytest.raises(ValueError, match=r"not given: \[1\]"):
        quality.flag(readings(row(1)), series(2), parameter())
    made = quality.flag(readings({}), series(), parameter())
    assert (made.height, made.schema) == (0, pl.Schema(VERDICTS))


LIMITS: dict[str, Any] = {
    "gross_range": {"suspect": [1, 8], "fail": [0, 9]},
    "spike": {"suspect": 3},
    "rate": {"suspect": 4, "fail": 6},
    "flat_line": {"suspect": 3, "tolerance": 1},
    "gap": {},
    "device_mark": {},
}
RULES = {**parameter("x", **LIMITS), **parameter("y", **{**LIMITS, "rate": {"suspect": 2}})}


@st.composite
def frames(draw: st.DrawFn) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Readings of three series of other cadences, with holes and jitter, in any order."""
    facts = [(1, "x", 60), (2, "y", 3600), (3, "x", 7200)]
    # One drawn seed for the many values: drawing each would take minutes.
    dice, high = Random(draw(st.integers(0, 10**6))), draw(st.sampled_from([2, 10]))
    rows = []
    for number, _, cadence in facts:
        fill, length = draw(st.sampled_from([0.3, 0.9, 0.99])), 400 if cadence == 60 else 24
        for step in (k for k in range(length) if dice.random() < fill):
            at = T0 + timedelta(seconds=step * cadence + dice.choice([0] * 9 + [20]))
            rows.append((number, at, float(dice.randint(-1, high)), dice.choice([None, None, 68, 78])))
    dice.shuffle(rows)
    return pl.DataFrame(rows, schema=dict(OBSERVATIONS), orient="row"), pl.concat([series(*fact) for fact in facts])


@settings(max_examples=40, deadline=None)
@given(frames(), st.integers(-200, 2000), st.integers(1, 900))
def test_a_window_with_its_reach_has_the_verdicts_of_all_at_once(
    given_: tuple[pl.DataFrame, pl.DataFrame], start: int, length: int
) -> None:
    rows, facts = given_
    since, until = T0 + start * MINUTE, T0 + (start + length) * MINUTE
    inside = (pl.col("time") >= since) & (pl.col("time") < until)
    whole = quality.flag(rows, facts, RULES).filter(inside)
    for number, cadence in facts.select("series", "cadence").iter_rows():
        reach = quality.reach(cadence)
        load = (pl.col("time") >= since - reach) & (pl.col("time") < until + reach) & (pl.col("series") == number)
        part = quality.flag(rows.filter(load), facts, RULES).filter(inside)
        assert_frame_equal(part, whole.filter(pl.col("series") == number))


def loop(rows: list[tuple[datetime, float, int | None]], cadence: int, limits: dict[str, Any]) -> list[int]:
    """The obvious way: each reading looks round for itself."""
    flags = []
    for i, (time, value, mark) in enumerate(rows):
        near = timedelta(seconds=3 * cadence)
        before = rows[i - 1] if i > 0 and time - rows[i - 1][0] <= near else None
        after = rows[i + 1] if i + 1 < len(rows) and rows[i + 1][0] - time <= near else None
        votes = [SUSPECT if before is None else GOOD]
        (low, high), (floor, roof) = limits["gross_range"]["suspect"], limits["gross_range"]["fail"]
        votes.append(FAIL if not floor <= value <= roof else GOOD if low <= value <= high else SUSPECT)
        if before and after:
            off = abs(value - (before[1] + after[1]) / 2)
            votes.append(SUSPECT if off > limits["spike"]["suspect"] else GOOD)
        if before:
            change = abs(value - before[1]) / max(1.0, (time - before[0]) / timedelta(hours=1))
            rate = limits["rate"]
            votes.append(FAIL if change > rate.get("fail", 1e9) else SUSPECT if change > rate["suspect"] else GOOD)
        span, back = timedelta(hours=3), 3 * 3600 // cadence
        if 0 < back <= i and span - timedelta(seconds=cadence / 2) <= time - rows[i - back][0] <= span:
            values = [v for _, v, _ in rows[i - back : i + 1]]
            votes.append(SUSPECT if max(values) - min(values) <= limits["flat_line"]["tolerance"] else GOOD)
        votes.append(FAIL if mark == 68 else GOOD)
        flags.append(max(votes))
    return flags


@settings(max_examples=40, deadline=None)
@given(frames())
def test_the_obvious_loop_agrees(given_: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    rows, facts = given_
    made = quality.flag(rows, facts, RULES)
    for number, name, cadence in facts.select("series", "parameter", "cadence").iter_rows():
        mine = rows.filter(pl.col("series") == number).sort("time").select("time", "value", "mark").rows()
        flags = loop(mine, cadence, dict(RULES[name].quality))
        expected = [(time, flag) for (time, _, _), flag in zip(mine, flags, strict=True) if flag != GOOD]
        assert made.filter(pl.col("series") == number).select("time", "code").rows() == expected


def test_the_package_tables_judge_a_plain_day_good_but_for_its_first_reading() -> None:
    values = {k: 30.0 + 3 * (k % 5) for k in range(24)}
    made = quality.flag(readings(values), series(name="pm25"), parameters.load(), quality.marks(tables.read("marks")))
    assert made.select("time", "code", "tests").rows() == [(T0, SUSPECT, TESTS["gap"].bit)]
