"""Emitters by the wind from them, and the test that hints share."""

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from analytics.hints import candidates, chance
from analytics.hints.candidates import EMITTERS, PLACES
from tests.hints.rows import START, blown, rows

#: A degree of latitude [km].
DEGREE = math.pi * 6371.0088 / 180


def emitters(*found: tuple[str, float, float, list[str]]) -> pl.DataFrame:
    return pl.DataFrame(found, schema=dict(EMITTERS), orient="row")


def places(*found: tuple[int, str, float | None, float | None]) -> pl.DataFrame:
    return pl.DataFrame(found, schema=dict(PLACES), orient="row")


AT_EQUATOR = places((1, "so2", 0.0, 0.0))
AROUND = emitters(
    ("north", 0.0, 0.05, []),
    ("east", 0.05, 0.0, ["so2"]),
    ("south", 0.0, -0.05, ["so2", "h2s"]),
    ("west", -0.05, 0.0, []),
    ("other gas", 0.0, 0.04, ["h2s"]),
    ("far", 0.0, 1.0, []),
)


def test_bearings_by_eye() -> None:
    found = candidates.bearings(AT_EQUATOR, AROUND).sort("bearing")
    assert found.select("emitter", "bearing").rows() == [
        ("north", 0.0),
        ("east", 90.0),
        ("south", 180.0),
        ("west", 270.0),
    ]
    assert found["distance"].to_list() == pytest.approx([0.05 * DEGREE] * 4, abs=1e-6)
    assert candidates.bearings(places((1, "so2", None, None)), AROUND).is_empty(), "who has no place is near nothing"


def test_the_source_upwind_comes_first_and_the_others_are_no_better_than_chance() -> None:
    told = candidates.candidates(blown(120, 90), AT_EQUATOR, AROUND)
    assert told["emitter"][0] == "east"
    first = told.row(0, named=True)
    assert first["probability"] > 0.4 > 0.1 > first["elsewhere"]
    assert first["lift"] == pytest.approx(first["probability"] / first["elsewhere"], rel=1e-4)
    assert first["z"] > 5
    assert first["p"] == pytest.approx(1 / 119, abs=1e-6), "better than all of 118 shifts"
    assert told.filter(pl.col("emitter") != "east")["p"].min() > 0.5  # type: ignore[operator]  # a number
    assert told["count"].sum() < 24 * 120, "wind from between two of them counts for none"


def test_emitters_of_one_side_stand_by_their_distance() -> None:
    several = emitters(("ahead", 0.09, 0.0, []), ("a little off", 0.05, -0.013, []), ("behind us", -0.02, 0.0, []))
    told = candidates.candidates(blown(120, 90), AT_EQUATOR, several)
    assert told.select("emitter", "side").rows() == [("a little off", 1), ("ahead", 1), ("behind us", None)]
    assert told["z"][1] > told["z"][0] > told["z"][2]


def test_the_wind_of_another_year_points_nowhere() -> None:
    values, wind = blown(120, 90, seed=1), blown(120, 90, seed=2)
    foreign = values.with_columns(wind["direction"])
    told = candidates.candidates(foreign, AT_EQUATOR, AROUND)
    assert told["p"].min() > 0.02  # type: ignore[operator]  # a number


def test_two_stations_tell_two_emitters_in_a_line_apart() -> None:
    line = emitters(("near", 0.03, 0.0, []), ("behind", 0.09, 0.0, []))
    where = places((1, "so2", 0.0, 0.0), (2, "so2", 0.05, 0.05))
    east = blown(120, 90)
    # From the second station the one behind lies in the south-east (141°), the near one in the south-west (202°).
    south_east = blown(120, 141.3, seed=3).with_columns(series=pl.lit(2, pl.Int32))
    alone = candidates.candidates(east, where, line)
    assert alone["emitter"].to_list() == ["near", "behind"], "the same evidence: the nearer one"
    assert alone["z"].n_unique() == 1
    assert alone["side"].to_list() == [1, 1]
    both = candidates.ranked(candidates.candidates(pl.concat([east, south_east]), where, line))
    assert both["emitter"].to_list() == ["behind", "near"]
    assert both.row(0, named=True)["agree"] == 2
    assert both["rank"].to_list() == [1, 2]


def test_little_to_go_by() -> None:
    few = candidates.candidates(rows([(1.0, 2.0, 90.0)] * 5), AT_EQUATOR, AROUND)
    assert few.filter(emitter="east").select("count", "high", "probability", "z", "p").row(0) == (5, 0, 0.0, None, None)
    calm = candidates.candidates(rows([(float(n), 0.0, 90.0) for n in range(900)]), AT_EQUATOR, AROUND)
    assert calm["count"].sum() == 0
    assert calm["z"].null_count() == calm.height == 4
    constant = candidates.candidates(blown(60, 90).with_columns(value=pl.lit(1.0)), AT_EQUATOR, AROUND)
    assert constant["high"].sum() == 0
    assert constant["p"].null_count() == 4
    assert candidates.ranked(constant)["z"].null_count() == 0 or candidates.ranked(constant).height == 4
    for nothing in (rows([]), rows([(None, 2.0, 90.0)])):
        assert candidates.candidates(nothing, AT_EQUATOR, AROUND).is_empty()
    assert candidates.ranked(candidates.candidates(rows([]), AT_EQUATOR, AROUND)).is_empty()
    assert candidates.candidates(blown(60, 90), AT_EQUATOR, AROUND.clear()).is_empty()


def test_many_emitters_are_looked_at_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = candidates.candidates(blown(60, 90), AT_EQUATOR, AROUND)
    monkeypatch.setattr(candidates, "_BLOCK", 1)
    assert_frame_equal(candidates.candidates(blown(60, 90), AT_EQUATOR, AROUND), whole)


def test_gaps_and_order_do_not_matter() -> None:
    whole = blown(90, 90)
    gap = pl.int_range(pl.len()) % 7 == 3
    told = candidates.candidates(whole.filter(~gap), AT_EQUATOR, AROUND)
    empty = whole.with_columns(value=pl.when(~gap).then("value")).sample(fraction=1, shuffle=True, seed=1)
    assert_frame_equal(candidates.candidates(empty, AT_EQUATOR, AROUND), told)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 100), st.integers(21 * 48, 21 * 48 + 30))
def test_a_contrast_is_what_the_obvious_loop_counts(seed: int, count: int) -> None:
    draw = np.random.default_rng(seed)
    known, above, valid = (draw.random(count) < share for share in (0.9, 0.2, 0.8))
    groups = draw.random((2, count)) < 0.3
    told = chance.contrast(groups, known, above, valid)
    for nr, group in enumerate(groups):
        apart = []
        for day in [0, *chance.days(count)]:
            counted = {True: [0, 0], False: [0, 0]}
            for hour in range(count):
                other = hour + 24 * day
                if known[hour] and 0 <= other < count and valid[other]:
                    side = counted[bool(group[hour])]
                    side[0] += 1
                    side[1] += bool(above[other])
            apart.append(counted[True][1] / counted[True][0] - counted[False][1] / counted[False][0])
            if day == 0:
                assert [told.count[nr], told.high[nr], told.others[nr], told.other_high[nr]] == [
                    *counted[True],
                    *counted[False],
                ]
        others = np.array(apart[1:])
        assert told.p[nr] == pytest.approx(
            (1 + (others >= apart[0] - 1e-6).sum()) / (1 + others.size), abs=1 / others.size
        )
        assert told.z[nr] == pytest.approx((apart[0] - others.mean()) / others.std(), abs=1e-3)


def test_shifts_leave_half_of_the_hours_beside_each_other() -> None:
    assert chance.days(24 * 9) == [-2, 2, -3, 3, -4, 4]
    assert chance.days(24) == []
    assert max(chance.days(10**6)) == chance.FARTHEST
    assert START.hour == 0
