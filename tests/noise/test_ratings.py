"""Levels of day, night and day-evening-night: by eye, by the obvious loop, by Whidbey."""

import math
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import averaging, tables
from analytics.frames import AVERAGES, conform
from analytics.parameters import Parameter
from tests.conftest import SHARED, needs_shared
from tests.noise.levels import AVERAGINGS, LEVELS, MIDNIGHT, facts, levels, windows
from tests.stories import EXAMPLES

#: noise_rules.toml, [[vector]] day_of_hours.
DAY = [58.1, 60.3, 61.2, 60.8, 59.9, 59.5, 60.1, 60.6, 60.2, 59.8, 60.4, 61.0, 60.7, 59.2, 57.8, 55.9]
NIGHT = [53.0, 51.2, 49.8, 48.5, 48.1, 48.9, 51.0, 55.4]


def test_day_and_night_are_named_by_their_first_hour_and_the_night_by_the_day_it_starts() -> None:
    values = dict(enumerate([*DAY, *NIGHT], start=6))
    day, night = (pytest.approx(value, abs=5e-4) for value in (59.899, 51.432))
    assert levels(values, "ld") == {6: (day, 16, 16)}
    assert levels(values, "ln") == {22: (night, 8, 8)}
    # What lies before 06:00 of the first day belongs to the night that began the day before.
    assert levels({**values, 5: 70.0}, "ln") == {-2: (None, 1, 8), 22: (night, 8, 8)}


def test_the_day_night_level_of_the_rules() -> None:
    calendar = {(6 + k) % 24: level for k, level in enumerate([*DAY, *NIGHT])}
    assert levels(calendar, "ldn") == {0: (pytest.approx(60.472, abs=5e-4), 24, 24)}


@pytest.mark.parametrize(
    ("name", "parts", "value"),
    [
        ("ldn", {60.0: range(6, 22), 50.0: [22, 23, *range(6)]}, 60.0),
        ("lden", {60.0: range(7, 19), 57.0: range(19, 23), 50.0: [23, *range(7)]}, 60.404),
        ("cnel", {60.0: range(7, 19), 55.0: range(19, 22), 50.0: [22, 23, *range(7)]}, 60.0),
        ("lden", {40.0: range(7, 19), 35.0: range(19, 23), 30.0: [23, *range(7)]}, 40.0),
    ],
)
def test_a_rating_level_raises_evening_and_night(name: str, parts: dict[float, Sequence[int]], value: float) -> None:
    held = {hour: level for level, hours in parts.items() for hour in hours}
    assert levels(held, name) == {0: (pytest.approx(value, abs=5e-4), 24, 24)}


def test_missing_hours_leave_a_period_its_weight() -> None:
    """Three loud evening hours stand for the four: the mean of the period, not of the hours of the day."""
    loud = {hour: 70.0 if 19 <= hour <= 22 else 50.0 for hour in range(24)}
    whole = levels(loud, "lden")[0][0]
    assert levels({hour: v for hour, v in loud.items() if hour != 20}, "lden")[0] == (whole, 23, 24)
    assert levels({**loud, 20: None}, "lden")[0] == (whole, 23, 24)


@pytest.mark.parametrize(
    ("name", "gone", "enough"),
    [
        ("lden", [8, 9, 10], True),
        ("lden", [8, 9, 10, 11], False),
        ("lden", [20], True),
        ("lden", [20, 21], False),
        ("lden", [23, 0], True),
        ("lden", [23, 0, 1], False),
        ("ldn", [6, 7, 8, 9, 22, 23], True),
        ("ldn", [22, 23, 0], False),
        ("cnel", [22, 23], True),
        ("cnel", [19], False),
    ],
)
def test_each_period_needs_its_own_minimum(name: str, gone: list[int], enough: bool) -> None:
    held = {hour: 55.0 for hour in range(24) if hour not in gone}
    assert (levels(held, name)[0][0] is not None) == enough


def test_twelve_hours_are_a_day_and_six_a_night() -> None:
    assert levels(dict.fromkeys(range(6, 18), 55.0), "ld") == {6: (55.0, 12, 16)}
    assert levels(dict.fromkeys(range(6, 17), 55.0), "ld") == {6: (None, 11, 16)}
    assert levels(dict.fromkeys(range(22, 28), 55.0), "ln") == {22: (55.0, 6, 8)}
    assert levels(dict.fromkeys(range(22, 27), 55.0), "ln") == {22: (None, 5, 8)}


def test_a_level_of_every_four_hours_has_a_day_of_six() -> None:
    held = dict.fromkeys(range(0, 24, 4), 55.0)
    assert levels(held, "ld", cadence=14400)[6] == (55.0, 4, 4)
    assert levels(held, "lden", cadence=14400)[0][1:] == (6, 6)


def energy_mean(values: Sequence[float]) -> float:
    return 10 * math.log10(math.fsum(10 ** (v / 10) for v in values) / len(values))


def lden_of(day: Mapping[int, float], periods: Sequence[tuple[int, int, float, int]]) -> float | None:
    """The obvious loop: mean level of each period, raised, weighed by its hours."""
    total = 0.0
    for first, last, penalty, least in periods:
        hours = [(first + k) % 24 for k in range((last - first) % 24 + 1)]
        have = [day[hour] for hour in hours if hour in day]
        if len(have) < least:
            return None
        total += len(hours) * 10 ** ((energy_mean(have) + penalty) / 10)
    return 10 * math.log10(total / 24)


RATINGS = {
    "ldn": [(6, 21, 0, 12), (22, 5, 10, 6)],
    "lden": [(7, 18, 0, 9), (19, 22, 5, 3), (23, 6, 10, 6)],
    "cnel": [(7, 18, 0, 9), (19, 21, 5, 3), (22, 6, 10, 7)],
}


@settings(max_examples=EXAMPLES or 15, deadline=None)
@given(
    st.dictionaries(st.integers(-24, 60), st.integers(200, 1100).map(lambda n: n / 10), min_size=1, max_size=80),
    st.floats(0, 0.3),
    st.randoms(use_true_random=False),
)
def test_the_obvious_loop_agrees(some: dict[int, float], share: float, dice: Any) -> None:
    base = {k: dice.randrange(300, 900) / 10 for k in range(-24, 60) if dice.random() > share}
    held = {**base, **some}
    for name, (first, length, least) in {"ld": (6, 16, 12), "ln": (22, 8, 6)}.items():
        found = levels(held, name)
        for day in (-48, -24, 0, 24, 48):
            have = [v for k, v in held.items() if day + first <= k < day + first + length]
            assert (day + first in found) == bool(have)
            if have:
                value, count, _ = found[day + first]
                assert count == len(have)
                assert value == (pytest.approx(energy_mean(have), abs=3e-4) if count >= least else None)
    for name, periods in RATINGS.items():
        found = levels(held, name)
        for day in (-24, 0, 24, 48):
            mine = {k - day: v for k, v in held.items() if day <= k < day + 24}
            assert (day in found) == bool(mine)
            if mine:
                expected = lden_of(mine, periods)
                assert found[day][:2] == (None if expected is None else pytest.approx(expected, abs=3e-4), len(mine))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"periods": [{"first": 0, "last": 22, "penalty": 0, "minimum": 1}]}, "'periods' must hold each hour"),
        ({"periods": [{"first": 0, "last": 23, "penalty": 0}]}, "'minimum' is missing"),
        ({"periods": [7]}, "'periods' must hold tables"),
        ({"periods": None}, "'periods' must hold each hour"),
        ({"kind": "day", "first": 22, "last": 46}, "'first', 'last' cannot be 22, 46"),
        ({"kind": "day_maximum", "first": 22, "last": 29}, "'first', 'last' cannot be 22, 29"),
    ],
)
def test_a_bad_rating_names_its_block_and_key(changes: dict[str, Any], says: str) -> None:
    content = tables.read("averagings")
    assert isinstance(content, dict)
    record = {key: value for key, value in {**content["lden"], **changes}.items() if value is not None}
    with pytest.raises(tables.TableError, match=rf"averagings: \[lden\].*{says}"):
        averaging.parse({**content, "lden": record})


def test_a_rating_is_one_of_levels() -> None:
    concentration = Parameter(
        "tp", "", "", unit="mg/L", mean="arithmetic", aliases=(), averagings=LEVELS, source="", confidence=""
    )
    with pytest.raises(tables.TableError, match="'ldn' is one of levels"):
        averaging.check({"tp": concentration}, AVERAGINGS)


@needs_shared
def test_levels_of_whidbey_are_met() -> None:
    """Every complete day of the Navy's monitors, Lden and (with a row for it) Ldn, within 0.01 dB."""
    frame = pl.read_csv(SHARED / "data" / "noise-whidbey" / "cumulative_NAVY.csv.gz", null_values="NA")
    named = [f"Leq{hour:02d}" for hour in range(24)]
    frame = frame.with_row_index("series", offset=1).filter(pl.all_horizontal(pl.col(named).is_not_null()))
    long = frame.unpivot(on=named, index="series", variable_name="hour", value_name="value").with_columns(
        time=pl.lit(MIDNIGHT) + pl.duration(hours=pl.col("hour").str.tail(2).cast(pl.Int64)),
        averaging=pl.lit("hour"),
        count=1,
        expected=1,
    )
    content = tables.read("averagings")
    assert isinstance(content, dict)
    night = [
        {"first": 7, "last": 21, "penalty": 0, "minimum": 12},
        {"first": 22, "last": 6, "penalty": 10, "minimum": 7},
    ]
    rules = averaging.parse({**content, "ldn": {**content["ldn"], "periods": night}})
    made = windows(
        conform(long.with_columns(pl.col("value").cast(pl.Float64)), AVERAGES), facts(frame["series"].to_list()), rules
    )
    assert frame.height == 305
    for name, column in {"cnel": "Lden", "ldn": "Ldn"}.items():
        ours = made.filter(averaging=name).select("series", "value")
        both = frame.select(pl.col("series").cast(pl.Int32), column).join(ours, on="series")
        assert both.height == 305
        assert float((both["value"] - both[column]).abs().max()) <= 0.01  # type: ignore[arg-type]  # a number


@needs_shared
def test_formulas_and_periods_are_those_of_the_shared_rules() -> None:
    rules = tomllib.loads((SHARED / "standards" / "noise_rules.toml").read_text(encoding="utf-8"))
    hours = [vector for vector in rules["vector"] if vector["kind"] == "day_of_hours"]
    assert [(v["day_06_22"], v["night_22_06"]) for v in hours] == [(DAY, NIGHT)]
    validity = rules["validity_automatic"]
    assert (AVERAGINGS["ld"].minimum, AVERAGINGS["ln"].minimum) == (
        validity["day_period_hours"],
        validity["night_period_hours"],
    )
    assert AVERAGINGS["hour"].capture == validity["hour_minutes"] / 60
    assert (AVERAGINGS["ld"].expected, AVERAGINGS["ln"].expected) == (
        rules["periods"]["day"]["hours"],
        rules["periods"]["night"]["hours"],
    )
    assert {p.hours for p in AVERAGINGS["lden"].periods} == {12, 4, 8}
