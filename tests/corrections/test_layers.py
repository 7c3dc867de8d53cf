"""Layers over readings, as pure functions: what each kind makes of a value, order, overlap, what cannot be."""

import math
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import corrections
from analytics.corrections import KINDS, CorrectionError, apply, check, differing, verdicts
from analytics.frames import VERDICTS
from tests.corrections.layers import HOUR, T0, Layer, layers, readings, seen

LINE = {"gain": 2.0, "offset": 1.0}


def test_a_line_in_its_interval_and_nowhere_else() -> None:
    rows = readings({(1, hour): 10.0 for hour in range(5)} | {(2, 2.0): 10.0})
    made = apply(rows, layers((1, "recalibration", 1, 3, LINE)))
    assert seen(made) == {(1, 0): 10, (1, 1): 21, (1, 2): 21, (1, 3): 10, (1, 4): 10, (2, 2): 10}


def test_drift_grows_from_nothing_to_the_whole_gap_at_the_last_instant() -> None:
    rows = readings({(1, hour): 10.0 for hour in range(6)})
    end = 4 + 1e-6 / 3600  # the second calibration itself is in
    made = apply(rows, layers((1, "drift", 0, end, {"gap": -4.0})))
    assert seen(made) == {(1, 0): 10, (1, 1): 9, (1, 2): 8, (1, 3): 7, (1, 4): 6, (1, 5): 10}


def test_a_gap_is_the_standard_less_what_the_sensor_read_of_it() -> None:
    rows = readings({(1, hour): 10.0 for hour in range(5)})
    one = apply(rows, layers((1, "drift", 0, 4, {"standard": 1.0, "reading": 3.0})))
    assert one.equals(apply(rows, layers((1, "drift", 0, 4, {"gap": -2.0}))))


def test_at_the_second_calibration_both_readings_become_their_standards() -> None:
    """What driftR's formula promises at f = 1; half way the line lies half way."""
    two = {"low_standard": 7.0, "low_reading": 7.1, "high_standard": 10.0, "high_reading": 11.0}
    end = 4 + 1e-6 / 3600
    made = apply(
        readings({(1, 4): 7.1, (2, 4): 11.0, (1, 0): 8.0}), layers(*((n, "drift", 0, end, two) for n in (1, 2)))
    )
    assert seen(made) == {(1, 0): 8.0, (1, 4): 7.0, (2, 4): 10.0}
    middle = apply(readings({(1, 2): 8.0}), layers((1, "drift", 0, end, two)))
    assert seen(middle)[1, 2] == pytest.approx((8.0 - 7.05) / (10.5 - 7.05) * 3 + 7, abs=1e-6)


def test_what_is_withdrawn_is_gone_whatever_is_laid_over_it() -> None:
    some = layers((1, "withdrawal", 1, 2, {}), (1, "recalibration", 0, 3, LINE))
    assert seen(apply(readings({(1, hour): 10.0 for hour in range(3)}), some)) == {(1, 0): 21, (1, 2): 21}


def test_layers_apply_in_the_order_they_were_entered() -> None:
    double, more = (
        ("recalibration", 0.0, 3.0, {"gain": 2.0, "offset": 0.0}),
        ("recalibration", 1.0, 2.0, {"gain": 1.0, "offset": 5.0}),
    )
    rows = readings({(1, hour): 10.0 for hour in range(3)})
    assert seen(apply(rows, layers((1, *double), (1, *more)))) == {(1, 0): 20, (1, 1): 25, (1, 2): 20}
    assert seen(apply(rows, layers((1, *more), (1, *double)))) == {(1, 0): 20, (1, 1): 30, (1, 2): 20}


def test_what_was_ended_is_as_if_it_had_never_been() -> None:
    rows = readings({(1, 0): 10.0})
    assert apply(rows, layers((1, "recalibration", 0, 1, LINE), ended=(1,))).equals(rows)


def test_what_no_layer_touches_keeps_every_bit_and_what_one_touches_is_rounded_once() -> None:
    third = 1 / 3
    made = seen(
        apply(
            readings({(1, 0): third, (1, 1): third}),
            layers(
                (1, "recalibration", 1, 2, {"gain": 3e-6, "offset": 0.0}),
                (1, "recalibration", 1, 2, {"gain": 1e6, "offset": 0.0}),
            ),
        )
    )
    assert made == {(1, 0): third, (1, 1): 1.0}


def test_a_direction_comes_back_into_its_circle() -> None:
    turn = {"gain": 1.0, "offset": -20.0, "modulo": 360.0}
    rows = readings({(1, 0): 10.0, (1, 1): 20.0, (1, 2): 355.5, (1, 3): 19.9999999})
    assert seen(apply(rows, layers((1, "recalibration", 0, 4, turn)))) == {
        (1, 0): 350,
        (1, 1): 0,
        (1, 2): 335.5,
        (1, 3): 0,
    }


def test_a_value_that_becomes_infinite_does_not_count() -> None:
    made = apply(
        readings({(1, 0): 1e300, (1, 1): 1.0}), layers((1, "recalibration", 0, 2, {"gain": 1e300, "offset": 0.0}))
    )
    assert seen(made) == {(1, 1): 1e300}


def test_what_differs_from_what_was_received() -> None:
    rows = readings({(1, hour): 10.0 for hour in range(4)})
    some = layers(
        (1, "withdrawal", 1, 2, {}),
        (1, "recalibration", 2, 3, LINE),
        (1, "recalibration", 3, 4, {"gain": 1.0, "offset": 0.0}),
    )
    assert seen(differing(rows, apply(rows, some))) == {(1, 1): None, (1, 2): 21.0}


# Manual verdicts


def judged(codes: dict[tuple[int, float], tuple[int, int]]) -> pl.DataFrame:
    rows = [(series, T0 + hour * HOUR, *code) for (series, hour), code in codes.items()]
    return pl.DataFrame(rows, schema=dict(VERDICTS), orient="row")


def test_a_person_has_the_last_word_on_readings_and_on_nothing_else() -> None:
    final = judged({(1, 0): (3, 2), (1, 1): (4, 1), (2, 0): (3, 16)})
    some = layers((1, "verdict", 0, 1, {"code": 1.0}), (1, "verdict", 1, 9, {"code": 3.0}))
    made = verdicts(final, some, readings({(1, hour): 10.0 for hour in range(3)} | {(2, 0.0): 1.0}))
    manual = corrections.MANUAL
    assert seen(made, "code", "tests") == {(1, 1): (3, 1 | manual), (1, 2): (3, manual), (2, 0): (3, 16)}
    assert made.schema == pl.Schema(VERDICTS)


def test_of_two_verdicts_the_later_holds_and_an_ended_one_says_nothing() -> None:
    rows, nothing = readings({(1, 0): 10.0, (1, 1): 10.0}), judged({})
    some: list[Layer] = [(1, "verdict", 0, 2, {"code": 4.0}), (1, "verdict", 1, 2, {"code": 1.0})]
    assert seen(verdicts(nothing, layers(*some), rows), "code") == {(1, 0): 4}
    assert seen(verdicts(nothing, layers(*some, ended=(2,)), rows), "code") == {(1, 0): 4, (1, 1): 4}


def test_verdicts_leave_values_alone_and_values_leave_verdicts_alone() -> None:
    rows, some = readings({(1, 0): 10.0}), layers((1, "verdict", 0, 1, {"code": 4.0}))
    assert apply(rows, some) is rows
    final = judged({(1, 0): (3, 2)})
    assert verdicts(final, layers((1, "recalibration", 0, 1, LINE)), rows) is final


# What cannot be


@pytest.mark.parametrize(
    ("kind", "numbers", "said"),
    [
        ("repair", {}, "no kind 'repair'; there are recalibration, drift, verdict, withdrawal"),
        ("recalibration", {"gain": 1.0}, "recalibration: takes 'gain' and 'offset'; not 'gain'"),
        ("recalibration", {"gain": 0, "offset": 1}, "recalibration: 'gain' cannot be 0"),
        ("recalibration", {"gain": "2", "offset": 1}, "recalibration: 'gain' must be a number, it cannot be '2'"),
        ("recalibration", {"gain": True, "offset": 1}, "'gain' must be a number, it cannot be True"),
        ("recalibration", {"gain": math.nan, "offset": 1}, "'gain' must be a number, it cannot be nan"),
        ("recalibration", {"gain": 1, "offset": math.inf}, "'offset' must be a number, it cannot be inf"),
        ("recalibration", {**LINE, "modulo": -360}, "'modulo' must be above 0"),
        ("drift", {}, "drift: takes 'gap'; or 'reading' and 'standard'; or 'high_reading' and"),
        ("drift", {"gap": 1, "standard": 2}, "not 'gap', 'standard'"),
        ("drift", {"standard": 2}, "not 'standard'"),
        (
            "drift",
            {"low_standard": 7, "low_reading": 7, "high_standard": 4, "high_reading": 10},
            "drift: 'low_standard' must be below 'high_standard'",
        ),
        (
            "drift",
            {"low_standard": 4, "low_reading": 7, "high_standard": 7, "high_reading": 7},
            "drift: 'low_reading' must be below 'high_reading'",
        ),
        ("verdict", {"code": 2}, "verdict: 'code' cannot be 2, it is one of 1, 3, 4"),
        ("verdict", {"code": 4, "gain": 1}, "verdict: takes 'code'; not 'code', 'gain'"),
        ("withdrawal", {"code": 4}, "withdrawal: takes nothing; not 'code'"),
    ],
)
def test_what_a_layer_cannot_be_given(kind: str, numbers: dict[str, Any], said: str) -> None:
    with pytest.raises(CorrectionError) as problem:
        check(kind, numbers)
    assert said in str(problem.value)


# Any layers: the obvious loop as oracle, and a window is enough


GIVEN: dict[str, st.SearchStrategy[dict[str, float]]] = {
    "recalibration": st.fixed_dictionaries(
        {"gain": st.sampled_from([0.5, 1.0, -2.0]), "offset": st.sampled_from([0.0, 3.25, -7.0])}
    ),
    "drift": st.one_of(
        st.fixed_dictionaries({"gap": st.sampled_from([-4.0, 0.0, 1.5])}),
        st.fixed_dictionaries({"standard": st.just(1.0), "reading": st.sampled_from([0.5, 1.07])}),
        st.just({"low_standard": 7.0, "low_reading": 7.01, "high_standard": 10.0, "high_reading": 11.8}),
    ),
    "withdrawal": st.just({}),
}
VALUES = st.dictionaries(
    st.tuples(st.sampled_from([1, 2]), st.integers(0, 40).map(lambda n: n / 2)),
    st.floats(-100, 500).map(lambda v: round(v, 3)),
    min_size=1,
    max_size=40,
)


@st.composite
def some_layers(draw: st.DrawFn) -> list[Layer]:
    out: list[Layer] = []
    for _ in range(draw(st.integers(0, 7))):
        kind = draw(st.sampled_from(sorted(GIVEN)))
        first = draw(st.integers(0, 20))
        out.append((draw(st.sampled_from([1, 2])), kind, first, first + draw(st.integers(1, 12)), draw(GIVEN[kind])))
    return out


def loop(series: int, hour: float, value: float, some: list[Layer]) -> float | None:
    """What one reading counts as, layer after layer."""
    touched = False
    for number, kind, a, b, said in some:
        if number != series or not a <= hour < b:
            continue
        touched = True
        if kind == "withdrawal":
            return None
        f = (hour - a) / (b - a - 1e-6 / 3600)
        if kind == "recalibration":
            value = said["gain"] * value + said["offset"]
        elif "low_standard" in said:
            low = said["low_standard"] + f * (said["low_reading"] - said["low_standard"])
            high = said["high_standard"] + f * (said["high_reading"] - said["high_standard"])
            value = (value - low) / (high - low) * (said["high_standard"] - said["low_standard"]) + said["low_standard"]
        else:
            value += f * said.get("gap", said.get("standard", 0.0) - said.get("reading", 0.0))
    return round(value, 6) if touched else value


@settings(max_examples=60, deadline=None, derandomize=True)
@given(values=VALUES, some=some_layers(), data=st.data())
def test_any_layers_do_what_the_obvious_loop_does_window_by_window(
    values: dict[tuple[int, float], float], some: list[Layer], data: st.DataObject
) -> None:
    for _, kind, _, _, said in some:
        assert check(kind, said) == said
    rows, over = readings(values), layers(*some)
    whole = apply(rows, over)
    looped = {key: loop(*key, value, some) for key, value in values.items()}
    expected = {key: value for key, value in looped.items() if value is not None}
    assert seen(whole).keys() == expected.keys()
    assert all(seen(whole)[key] == pytest.approx(value, abs=2e-6) for key, value in expected.items())
    # Law 3: any part of the readings, with the layers in any order, counts as it does in the whole, bit for bit.
    part = data.draw(st.sets(st.sampled_from(sorted(values)), max_size=10))
    alone = apply(readings({key: values[key] for key in part}), over.sample(fraction=1, shuffle=True, seed=1))
    assert seen(alone) == {key: value for key, value in seen(whole).items() if key in part}


def test_every_kind_is_tried() -> None:
    assert set(GIVEN) == {name for name, kind in KINDS.items() if kind.value is not None}
