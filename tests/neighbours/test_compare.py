"""The final pass on readings whose answer is seen by eye, against the obvious loop, and the laws it keeps."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from analytics import quality
from analytics.frames import OBSERVATIONS, PAIRS, SERIES, VERDICTS, conform
from analytics.parameters import Parameter
from analytics.quality import BITS, FAIL, GOOD, NOT_EVALUATED, SUSPECT
from tests.neighbours.loops import Reading, loop
from tests.stories import EXAMPLES

T0 = datetime(2024, 5, 1, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
MARKS: dict[str, int | None] = {"D": 4, "N": None, "other": 2}
NEAR: dict[str, Any] = {
    "radius": 10,
    "most": 8,
    "least": 3,
    "floor": 10,
    "factor": 5,
    "share": 0.5,
    "tolerance": 0.75,
}
STEP = {"spike": {"suspect": 20}, "rate": {"suspect": 20}}


def parameter(name: str = "x", near: dict[str, Any] | None = NEAR, **limits: Any) -> dict[str, Parameter]:
    words: dict[str, Any] = {**dict.fromkeys(("title", "title_zh", "unit", "source", "confidence"), "")}
    quality_ = {**limits, **({} if near is None else {"neighbours": near})}
    return {name: Parameter(name=name, mean="arithmetic", aliases=(), averagings=(), quality=quality_, **words)}


def series(*numbers: int, name: str = "x", cadence: int = 3600) -> pl.DataFrame:
    row = {"parameter": name, "position": "", "statistic": "", "cadence": cadence, "offset": 480}
    return conform(pl.DataFrame([{"series": n, "station": n, **row} for n in numbers]), SERIES)


Values = Mapping[int, Sequence[float | None]]


def rows(values: Values, step: timedelta = HOUR) -> pl.DataFrame:
    """Readings of each series, one a step; None: no reading."""
    found = [(n, T0 + k * step, v, None) for n, row in values.items() for k, v in enumerate(row) if v is not None]
    return pl.DataFrame(found, schema=dict(OBSERVATIONS), orient="row")


def around(*neighbours: int, number: int = 1) -> pl.DataFrame:
    found = [(number, n, T0 - 1000 * HOUR, None) for n in neighbours]
    return pl.DataFrame(found, schema=dict(PAIRS), orient="row")


def final(values: Values, rules: dict[str, Parameter], **named: Any) -> list[tuple[int, int]]:
    """Code and tests of each reading of series 1, whose neighbours are all others, after both passes."""
    step = named.get("step", HOUR)
    readings = rows(values, step)
    facts = series(*values, cadence=round(step.total_seconds()))
    first = quality.flag(readings, facts, rules, MARKS)
    pairs = named.get("pairs", around(*(n for n in values if n != 1)))
    mine = readings.filter(series=1)
    found = quality.compare(mine, readings, first, pairs, facts.filter(series=1), rules, MARKS)
    said = {time: (code, tests) for time, code, tests in found.select("time", "code", "tests").iter_rows()}
    return [said.get(time, (GOOD, 0)) for time in mine["time"]]


APART = (SUSPECT, BITS["neighbours"])
FINE = (GOOD, 0)
RANGE: dict[str, Any] = {"gross_range": {"suspect": [-100, 900], "fail": [-100, 1000]}}


def test_a_reading_apart_from_its_neighbours_is_suspect_whatever_its_own_past() -> None:
    """Steady at 30 while all around have 10: nothing in its own series objects."""
    assert final({1: [30, 30], 2: [10, 10], 3: [11, 11], 4: [9, 9]}, parameter(**RANGE)) == [APART, APART]
    assert final({1: [20, 21], 2: [10, 10], 3: [11, 11], 4: [9, 9]}, parameter(**RANGE)) == [FINE, APART]


@pytest.mark.parametrize(
    ("near", "value", "said"),
    [
        # neighbours 100, 110, 130: median 110, MAD 10
        ({"floor": 90, "factor": 0, "share": 0}, 200, FINE),
        ({"floor": 90, "factor": 0, "share": 0}, 200.1, APART),
        ({"floor": 1, "factor": 2, "share": 0}, 110 + 29.6, FINE),
        ({"floor": 1, "factor": 2, "share": 0}, 110 - 29.7, APART),
        ({"floor": 1, "factor": 0, "share": 0.5}, 165, FINE),
        ({"floor": 1, "factor": 0, "share": 0.5}, 54.9, APART),
    ],
)
def test_the_widest_of_floor_spread_and_share_is_the_limit(near: dict[str, Any], value: float, said: object) -> None:
    rules = parameter(near={**NEAR, **near}, **RANGE)
    assert final({1: [value], 2: [100], 3: [110], 4: [130]}, rules) == [said]


def test_fewer_neighbours_than_asked_for_judge_nothing() -> None:
    assert final({1: [30], 2: [10], 3: [10]}, parameter(**RANGE)) == [FINE]
    assert final({1: [30, 30], 2: [10, 10], 3: [10, 10], 4: [None, 10]}, parameter(**RANGE)) == [FINE, APART]
    assert final({1: [30], 2: [10], 3: [10], 4: [10]}, parameter(**RANGE), pairs=around(2, 3)) == [FINE]
    assert final({1: [30], 2: [10], 3: [10], 4: [10]}, parameter(**RANGE), pairs=around()) == [FINE]
    assert final({1: [30], 2: [10], 3: [10], 4: [10]}, parameter(near=None, **RANGE)) == [FINE]


def test_what_is_void_stays_void_and_what_none_could_judge_is_judged() -> None:
    both = BITS["neighbours"] | BITS["gross_range"]
    assert final({1: [5000], 2: [10], 3: [10], 4: [10]}, parameter(**RANGE)) == [(FAIL, both)]
    assert final({1: [15], 2: [10], 3: [10], 4: [10]}, parameter(spike={"suspect": 5})) == [FINE]
    assert final({1: [15], 2: [10], 3: [10]}, parameter(spike={"suspect": 5})) == [(NOT_EVALUATED, 0)]


def test_a_neighbour_that_is_void_stuck_or_marked_is_not_heard() -> None:
    """Its 5000 is no witness, and its 10 that has stood still for three hours is none either."""
    flat: dict[str, Any] = {"flat_line": {"suspect": 3, "tolerance": 0}, **RANGE}
    still: Values = {1: [30, 31, 30, 31], 2: [10, 11, 10, 11], 3: [11, 10, 11, 10], 4: [10.0] * 4}
    assert final(still, parameter(**flat)) == [APART, APART, APART, FINE]
    assert final({1: [30], 2: [10], 3: [10], 4: [5000]}, parameter(**RANGE)) == [FINE]


def test_the_nearest_reading_within_the_tolerance_counts_of_two_the_earlier() -> None:
    """Minutes: series 1 at each full step, the others before and after it."""
    readings = rows({1: [30.0]}, HOUR)

    def said(*beside: tuple[int, float]) -> int:
        others = [(n, T0 + minutes * MINUTE, v, None) for n in (2, 3, 4) for minutes, v in beside]
        everything = pl.concat([readings, pl.DataFrame(others, schema=dict(OBSERVATIONS), orient="row")])
        rules, first = parameter(**RANGE), pl.DataFrame(schema=dict(VERDICTS))
        found = quality.compare(readings, everything, first, around(2, 3, 4), series(1), rules, MARKS)
        return found.height

    assert said((45, 10.0)) == said((-45, 10.0)) == 1
    assert said((46, 10.0)) == said((-46, 10.0)) == 0
    assert said((-20, 10.0), (19, 30.0)) == 0
    assert said((-20, 10.0), (21, 30.0)) == 1
    assert said((-20, 10.0), (20, 30.0)) == 1
    assert said((-20, 30.0), (20, 10.0)) == 0


def test_a_map_holds_from_its_time_to_the_next() -> None:
    values: Values = {
        1: [30] * 4,
        2: [10] * 4,
        3: [10] * 4,
        4: [10] * 4,
        5: [30] * 4,
        6: [30] * 4,
    }
    maps = [(1, n, T0 + HOUR, T0 + 2 * HOUR) for n in (2, 3, 4)] + [(1, n, T0 + 2 * HOUR, None) for n in (4, 5, 6)]
    pairs = pl.DataFrame(maps, schema=dict(PAIRS), orient="row")
    assert final(values, parameter(**RANGE), pairs=pairs) == [FINE, APART, FINE, FINE]


NEW_YEAR: Values = {
    1: [20, 25, 300, 280, 60],
    2: [25, 20, 250, 240, 70],
    3: [30, 30, 400, 350, 80],
    4: [20, 20, 180, 170, 50],
}


def test_an_event_all_around_is_no_fault() -> None:
    """Fireworks: each jumps far beyond what a step may be, and falls again: only the first pass objects."""
    steps = {"rate": {"suspect": 100}, "spike": {"suspect": 200}, **RANGE}
    alone = final(NEW_YEAR, parameter(near=None, **steps))
    assert [code for code, _ in alone] == [GOOD, GOOD, SUSPECT, GOOD, SUSPECT]
    assert final(NEW_YEAR, parameter(**steps)) == [FINE] * 5


def test_a_jump_that_nobody_around_sees_stays_suspect() -> None:
    steps = {"rate": {"suspect": 100}, **RANGE}
    lone = {**NEW_YEAR, 2: [20.0] * 5, 3: [21.0] * 5, 4: [22.0] * 5}
    both = (SUSPECT, BITS["rate"] | BITS["neighbours"])
    assert final(lone, parameter(**steps))[2:] == [both, APART, (SUSPECT, BITS["rate"] | BITS["neighbours"])]
    downward = {
        1: NEW_YEAR[1],
        2: [900, 900, 500, 500, 900],
        3: [900, 900, 500, 500, 900],
        4: [900, 900, 500, 500, 900],
    }
    assert all(tests & BITS["rate"] for _, tests in final(downward, parameter(**steps))[2:3])  # they fell as it rose


def test_neighbours_must_have_gone_as_far_but_for_floor_or_share() -> None:
    """It rose by 100; with a share of 0.4 three others must have risen by 60, with a floor of 45 by 55."""
    steps = {"rate": {"suspect": 50}, **RANGE}

    def lifted(step: float, **near: float) -> bool:
        values: Values = {1: [100, 200], **{n: [100, 100 + step] for n in (2, 3, 4)}}
        found = final(values, parameter(near={**NEAR, "floor": 45, "share": 0.4, **near}, **steps))
        return not found[1][1] & BITS["rate"]

    assert lifted(60) and lifted(55) and not lifted(54.9)  # noqa: PT018  # one picture
    assert lifted(60, floor=1) and not lifted(59.9, floor=1)  # noqa: PT018


def test_what_else_objects_goes_on_objecting() -> None:
    """With the objection to the step gone a reading is what its range says: void, suspect or good."""
    values = {**NEW_YEAR, 3: [30, 30, 240, 230, 80]}
    for failing, suspect, said in ((290, 150, FAIL), (900, 150, SUSPECT), (900, 900, GOOD)):
        rules = parameter(rate={"suspect": 20}, gross_range={"suspect": [0, suspect], "fail": [0, failing]})
        assert final(values, rules)[2] == (said, 0 if said == GOOD else BITS["gross_range"])


def test_a_step_that_fails_becomes_good_where_all_around_took_it() -> None:
    """The first pass voids the jump everywhere. That it does so is no reason not to hear a neighbour."""
    steps: dict[str, Any] = {"rate": {"suspect": 20, "fail": 50}, **RANGE}
    assert [code for code, _ in final(NEW_YEAR, parameter(near=None, **steps))] == [GOOD, GOOD, FAIL, GOOD, FAIL]
    assert final(NEW_YEAR, parameter(**steps)) == [FINE] * 5


LIMITS: dict[str, Any] = {
    "gross_range": {"suspect": [1, 18], "fail": [0, 19]},
    "spike": {"suspect": 3},
    "rate": {"suspect": 4},
    "flat_line": {"suspect": 3, "tolerance": 1},
    "gap": {},
    "device_mark": {},
}
RULES = {
    **parameter("x", {**NEAR, "floor": 2, "factor": 1.5, "share": 0.3}, **LIMITS),
    **parameter("y", {**NEAR, "least": 2, "floor": 3, "factor": 3, "share": 0.0, "tolerance": 0.4}, **LIMITS),
}
#: series, parameter, cadence [s]: two groups, and in each a series of another cadence
FACTS = [
    (1, "x", 3600),
    (2, "x", 3600),
    (3, "x", 3600),
    (4, "x", 1800),
    (5, "x", 3600),
    (6, "y", 600),
    (7, "y", 600),
    (8, "y", 1200),
]


@st.composite
def worlds(draw: st.DrawFn) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Readings of eight series that rise and fall together and sometimes alone, with holes and jitter; series; maps."""
    dice = Random(draw(st.integers(0, 10**6)))  # one drawn seed for the many values: drawing each would take minutes
    fill, lone = draw(st.sampled_from([0.5, 0.95])), draw(st.sampled_from([0.02, 0.3]))
    level = [dice.choice([3, 3, 3, 9, 16]) for _ in range(40)]
    found: list[tuple[object, ...]] = []
    maps: list[tuple[object, ...]] = []
    for number, _, cadence in FACTS:
        for k in range(24 * 3600 // cadence if cadence > 600 else 60):
            if dice.random() < fill:
                at = T0 + timedelta(seconds=k * cadence + dice.choice([0] * 8 + [60, -200]))
                shared = level[k * cadence // 3600 % len(level)]
                value = float(dice.randint(-1, 20) if dice.random() < lone else shared + dice.choice([0, 0, 1, -1]))
                found.append((number, at, value, dice.choice([None] * 9 + [68])))
    for number, name, _ in FACTS:
        others = [n for n, other, _ in FACTS if other == name and n != number]
        cut = T0 + draw(st.integers(0, 20)) * HOUR
        maps += [(number, n, T0 - HOUR, cut) for n in draw(st.sets(st.sampled_from(others)))]
        maps += [(number, n, cut, None) for n in draw(st.sets(st.sampled_from(others)))]
    facts = pl.concat([series(n, name=name, cadence=cadence) for n, name, cadence in FACTS])
    rows_ = pl.DataFrame(found, schema=dict(OBSERVATIONS), orient="row").unique(["series", "time"], keep="first")
    return rows_, facts, pl.DataFrame(maps, schema=dict(PAIRS), orient="row")


World = tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]


@settings(max_examples=EXAMPLES or 20, deadline=None)
@given(worlds())
def test_the_obvious_loop_agrees(world: World) -> None:
    readings, facts, pairs = world
    first = quality.flag(readings, facts, RULES, MARKS)
    made = quality.compare(readings, readings, first, pairs, facts, RULES, MARKS)
    said = {(n, t): (c, b) for n, t, c, b in first.iter_rows()}
    known = {(n, t): Reading(v, *said.get((n, t), (GOOD, 0))) for n, t, v, _ in readings.iter_rows()}
    for number, name, cadence in FACTS:
        mine = [row[1:] for row in pairs.filter(series=number).iter_rows()]
        expected = loop(number, cadence, known, mine, RULES[name].quality["neighbours"])
        found = {t: (c, b) for _, t, c, b in made.filter(series=number).iter_rows()}
        assert {t: found.get(t, (GOOD, 0)) for t in expected} == expected


@settings(max_examples=EXAMPLES or 10, deadline=None)
@given(worlds(), st.integers(-60, 1500), st.integers(1, 900), st.randoms())
def test_a_window_with_its_reach_has_the_verdicts_of_all_at_once(
    world: World, start: int, length: int, dice: Random
) -> None:
    """Whatever else is loaded, and in whatever order it comes."""
    readings, facts, pairs = world
    first = quality.flag(readings, facts, RULES, MARKS)
    since, until = T0 + start * MINUTE, T0 + (start + length) * MINUTE
    inside = (pl.col("time") >= since) & (pl.col("time") < until)
    whole = quality.compare(readings, readings, first, pairs, facts, RULES, MARKS).filter(inside)
    for number, _, cadence in FACTS:
        reach = timedelta(seconds=quality.REACH * cadence)
        load = (pl.col("time") >= since - reach) & (pl.col("time") < until + reach)
        wanted = pairs.filter(series=number)
        who = pl.col("series").is_in([number, *wanted["neighbour"]])
        asked = readings.filter(inside, pl.col("series") == number)
        part = quality.compare(
            asked.sample(fraction=1, shuffle=True, seed=dice.randint(0, 99)),
            readings.filter(load, who).sample(fraction=1, shuffle=True, seed=dice.randint(0, 99)),
            first.filter(load, who).sample(fraction=1, shuffle=True, seed=1),
            pairs.sample(fraction=1, shuffle=True, seed=2),
            facts.filter(series=number),
            RULES,
            MARKS,
        )
        assert_frame_equal(part, whole.filter(series=number))


@settings(max_examples=EXAMPLES or 10, deadline=None)
@given(worlds(), st.integers(1, 8))
def test_no_circles_the_final_word_on_a_neighbour_does_not_matter(world: World, number: int) -> None:
    """Series by series, each from the first pass of the others alone, is all at once."""
    readings, facts, pairs = world
    first = quality.flag(readings, facts, RULES, MARKS)
    whole = quality.compare(readings, readings, first, pairs, facts, RULES, MARKS)
    mine, alone = readings.filter(series=number), pairs.filter(series=number)
    part = quality.compare(mine, readings, first, alone, facts.filter(series=number), RULES, MARKS)
    assert_frame_equal(part, whole.filter(series=number))


def test_nothing_asked_is_nothing_said() -> None:
    none = rows({})
    first = pl.DataFrame(schema=dict(VERDICTS))
    made = quality.compare(none, none, first, around(2), series(1), parameter(), MARKS)
    assert (made.height, made.schema) == (0, pl.Schema(VERDICTS))


def test_series_over_many_years_are_told_apart() -> None:
    """More series over a longer time than fit on one line of microseconds."""
    many, ages = range(2, 40_000), timedelta(days=365 * 30)
    found = [(n, T0 + (n % 2) * ages, 10.0, None) for n in many] + [(1, T0, 30.0, None)]
    readings = pl.DataFrame(found, schema=dict(OBSERVATIONS), orient="row")
    first = pl.DataFrame(schema=dict(VERDICTS))
    for neighbours, said in (((2, 20_000, 39_998), 1), ((3, 20_001, 39_999), 0)):
        made = quality.compare(
            readings.filter(series=1), readings, first, around(*neighbours), series(1), parameter(**RANGE), MARKS
        )
        assert made.height == said
