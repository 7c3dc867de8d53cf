"""Each method on made-up hours: what is seen by eye, the obvious loop as oracle, and row by row equals all at once."""

import copy
import math
import random
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import derivation, parameters, tables
from analytics.derivation import tide_removed
from analytics.frames import AVERAGES, TIME
from analytics.tables import TableError
from tests.derivation.hours import DERIVED, HOUR, KINDS, T0, derive, formula, hours
from tests.rows import spoil

CALM = settings(max_examples=30, deadline=None)
DAY = 24 * HOUR


def test_every_method_is_a_kind_and_every_kind_has_its_parameters() -> None:
    assert {kind.method for kind in KINDS.values()} == set(derivation.METHODS) == set(derivation.REACHES)
    derivation.check(parameters.load(), KINDS)
    assert set(derivation.LEARNERS) == {"tide-removed"}


# By eye


def test_saturated_air_has_the_temperature_of_its_wet_bulb() -> None:
    assert derive("wet-bulb", {"temperature": [-5.0, 0.0, 20.0], "humidity": [100.0] * 3}) == [-5.0, 0.0, 20.0]


def test_what_is_no_air_or_no_water_has_no_value() -> None:
    said = {"temperature": [20.0, None, 61.0, -21.0, 20.0, 20.0], "humidity": [0.5, 50.0, 50.0, 50.0, None, 106.0]}
    assert derive("wet-bulb", said) == [None] * 6
    said = {"oxygen": [9.0, None, 9.0, -1.0], "temperature": [41.0, 20.0, None, 20.0]}
    assert derive("oxygen-saturation", said) == [None] * 4


def test_an_input_that_is_registered_is_needed() -> None:
    air = {"temperature": [20.0, 20.0], "humidity": [50.0, 50.0]}
    bare = derive("wet-bulb", air)
    measured = derive("wet-bulb", {**air, "pressure": [1013.0, None]})
    assert measured[1] is None
    assert measured[0] == pytest.approx(bare[0], abs=0.001)
    water = {"oxygen": [9.0, 9.0], "temperature": [20.0, 20.0]}
    fresh, salt = derive("oxygen-saturation", water), derive("oxygen-saturation", {**water, "salinity": [30.0, None]})
    assert salt[1] is None
    # As much oxygen is nearer to all that it can hold where there is salt.
    assert salt[0] is not None
    assert fresh[0] is not None
    assert salt[0] > fresh[0] + 15


def test_a_row_needs_a_row_of_every_input() -> None:
    said = pl.concat([hours(1, [20.0, 21.0, 22.0]), hours(2, [50.0, 50.0], T0 + HOUR)])
    made = derivation.derive(said, formula("wet-bulb", {"temperature": 1, "humidity": 2}), KINDS, {})
    assert made["time"].to_list() == [T0 + HOUR, T0 + 2 * HOUR]


def test_the_capture_is_that_of_the_input_with_the_least() -> None:
    rows = [
        (1, "hour", T0, 20.0, 50, 60),
        (2, "hour", T0, 50.0, 3, 4),
        (1, "hour", T0 + HOUR, 20.0, 10, 60),
        (2, "hour", T0 + HOUR, 50.0, 4, 4),
    ]
    said = pl.DataFrame(rows, schema=dict(AVERAGES), orient="row")
    made = derivation.derive(said, formula("wet-bulb", {"temperature": 1, "humidity": 2}), KINDS, {})
    assert made.select("count", "expected").rows() == [(3, 4), (10, 60)]


def test_a_day_of_fifteen_degrees_is_five_degree_days_over_ten() -> None:
    made = derive("growing-degree-days", {"temperature": [15.0] * 24})
    assert sum(value or 0.0 for value in made) == pytest.approx(5, abs=1e-4)
    assert derive("growing-degree-days", {"temperature": [9.0, 10.0, 30.0, 40.0, None]}, {"base": 10}) == [
        0.0,
        0.0,
        0.833333,
        0.833333,
        None,
    ]
    assert derive("heating-degree-days", {"temperature": [6.0, 18.0, 30.0]}) == [0.5, 0.0, 0.0]
    assert derive("cooling-degree-days", {"temperature": [50.0, 26.0]}) == [1.0, 0.0]


def test_a_tank_is_full_when_its_level_reaches_it_at_the_rate_of_the_last_hours() -> None:
    rising = [1.0, 1.1, 1.2, 1.3, 1.4]
    assert derive("time-to-full", {"level": rising}, {"capacity": 2.0}) == [None, None, None, 7.0, 6.0]
    assert derive("time-to-full", {"level": rising[::-1]}, {"capacity": 2.0}) == [None] * 5
    assert derive("time-to-full", {"level": [2.0, 2.5]}, {"capacity": 2.0}) == [0.0, 0.0]
    # A single odd hour does not turn the rate, a rise of a hair is none, and a year is out of sight.
    assert derive("time-to-full", {"level": [1.0, 1.1, 9.0, 1.3, 1.4]}, {"capacity": 2.0})[-1] == 6.0
    assert derive("time-to-full", {"level": [1.0, 1.0001, 1.0002, 1.0003]}, {"capacity": 2.0})[-1] is None
    assert derive("time-to-full", {"level": rising}, {"capacity": 100.0})[-1] is None


def test_a_sum_begins_anew_on_its_local_day() -> None:
    start = datetime(2025, 12, 31, 14, tzinfo=UTC)  # 22:00 at UTC+8
    said = pl.concat([hours(1, [1.0, 2.0, 4.0, 8.0, None, 16.0], start)])
    made = derivation.derive(said, formula("degree-days-total", {"part": 1}, offset=480), KINDS, {})
    # Of the old year only its last hours came: that is no sum. Of the new one an hour of four is missing at last.
    assert made["value"].to_list() == [None, None, 4.0, 12.0, None, None]
    assert made["expected"].to_list()[2:] == [1, 2, 3, 4]
    assert made["count"].to_list()[2:] == [1, 2, 2, 3]


# The obvious loop

LEVELS = st.lists(st.one_of(st.none(), st.floats(-5, 5).map(lambda v: round(v, 2))), min_size=1, max_size=20)


@CALM
@given(levels=LEVELS, capacity=st.sampled_from([0.5, 3.0, 400.0]))
def test_time_to_full_is_that_of_the_obvious_loop(levels: list[float | None], capacity: float) -> None:
    constants = KINDS["time-to-full"].constants
    wanted: list[float | None] = []
    for now, level in enumerate(levels):
        recent = [(t, levels[t]) for t in range(max(0, now - constants["hours"] + 1), now + 1)]
        known = [(t, value) for t, value in recent if value is not None]
        slopes = [(y - x) / (b - a) for n, (a, x) in enumerate(known) for b, y in known[n + 1 :]]
        if level is None:
            wanted.append(None)
        elif level >= capacity:
            wanted.append(0.0)
        elif len(known) < constants["minimum"] or median(slopes) < constants["slowest"]:
            wanted.append(None)
        else:
            left = (capacity - level) / median(slopes)
            wanted.append(left if left <= constants["longest"] else None)
    assert derive("time-to-full", {"level": levels}, {"capacity": capacity}) == [
        None if value is None else pytest.approx(value, abs=1e-6) for value in wanted
    ]


def test_a_season_is_added_up_as_the_obvious_loop_adds_it() -> None:
    dice = random.Random(5)
    start = datetime(2023, 12, 20, tzinfo=UTC)
    values = [None if dice.random() < 0.02 else round(dice.uniform(0, 1), 6) for _ in range(24 * 400)]
    month, day, offset = 10, 5, -420
    wanted: list[tuple[float | None, int, int]] = []
    total, count, expected, season = 0, 0, 0, None
    for number, value in enumerate(values):
        local = start + number * HOUR + timedelta(minutes=offset)
        began = datetime(local.year - ((local.month, local.day) < (month, day)), month, day, tzinfo=UTC)
        expected = int((local - began) / HOUR) + 1
        if began != season:
            total, count, season = 0, 0, began
        if value is not None:
            total, count = total + round(value * 1_000_000), count + 1
        wanted.append((total / 1_000_000 if count and count >= 0.9 * expected else None, count, expected))
    made = derivation.derive(
        hours(1, values, start),
        formula("degree-days-total", {"part": 1}, {"month": month, "day": day}, offset=offset),
        KINDS,
        {},
    )
    assert made.select("value", "count", "expected").rows() == wanted
    assert sum(row[0] is not None for row in wanted) > 2000


def test_the_wet_bulb_solves_the_equation_of_the_psychrometer() -> None:
    dice = random.Random(3)
    t = [dice.uniform(-20, 60) for _ in range(300)]
    humidity = [dice.uniform(1, 100) for _ in t]
    pressure = [dice.uniform(600, 1050) for _ in t]

    def full(c: float) -> float:
        return 0.6108 * math.exp(17.27 * c / (c + 237.3))

    for dry, moist, hpa, wet in zip(
        t,
        humidity,
        pressure,
        derive("wet-bulb", {"temperature": t, "humidity": humidity, "pressure": pressure}),
        strict=True,
    ):
        assert wet is not None
        assert wet <= dry
        below = full(wet) - 0.000662 * hpa / 10 * (dry - wet)
        assert below == pytest.approx(full(dry) * moist / 100, abs=2e-6)


# The tide

WAVES = {"M2": (28.9841042, 0.8, 40.0), "S2": (30.0, 0.3, 130.0), "K1": (15.0410686, 0.2, 200.0)}


def sea(days: int, start: datetime = T0) -> pl.DataFrame:
    """A level with a tide of three waves around 2 m, as hours of series 1; without its surges."""
    since = (start - tide_removed.EPOCH) / HOUR
    time = since + np.arange(24 * days)
    level = 2 + sum(high * np.cos(np.radians(speed * time - late)) for speed, high, late in WAVES.values())
    return hours(1, [float(value) for value in level], start)


def learned(level: pl.DataFrame, valid_from: datetime) -> dict[str, pl.DataFrame]:
    said = level.with_columns(series=pl.lit(DERIVED, pl.Int32)).select("series", "time", "value")
    made = tide_removed.fit(said, KINDS["water-level-detided"].constants)
    return {"tide-removed": made.with_columns(pl.lit(valid_from, TIME).alias("valid_from"))}


def test_a_level_less_its_tide_is_the_mean_and_the_surge() -> None:
    later = T0 + 60 * DAY
    fits = learned(sea(60), later)
    surge = [0.5 if 10 <= hour < 30 else 0.0 for hour in range(24 * 30)]
    level = sea(30, later).with_columns(pl.col("value") + pl.Series(surge))
    made = derivation.derive(level, formula("water-level-detided", {"level": 1}), KINDS, fits)
    assert made["value"].to_list() == [pytest.approx(2 + high, abs=0.002) for high in surge]


def test_before_anything_was_learned_there_is_no_value() -> None:
    fits = learned(sea(60), T0 + 60 * DAY)
    made = derivation.derive(sea(61), formula("water-level-detided", {"level": 1}), KINDS, fits)
    assert made["value"].null_count() == 24 * 60
    bare = derivation.derive(sea(2), formula("water-level-detided", {"level": 1}), KINDS, {})
    assert bare.height == bare["value"].null_count() == 48


def test_a_fit_gives_back_the_waves_and_the_same_hours_give_the_same_bytes() -> None:
    level = sea(200).with_columns(
        value=pl.when(pl.Series(np.random.default_rng(1).random(4800) > 0.3)).then("value"),
        series=pl.lit(DERIVED, pl.Int32),
    )
    constants = KINDS["water-level-detided"].constants
    made = tide_removed.fit(level, constants)
    assert made.equals(tide_removed.fit(level.sample(fraction=1, shuffle=True, seed=4), constants))
    waves: dict[str, Any] = {
        row["name"]: row
        for row in made["blob"].cast(pl.String).str.json_decode(tide_removed._BLOB).struct.field("waves").explode()
    }
    for name, wave in waves.items():
        high = WAVES[name][1] if name in WAVES else 0.0
        assert math.hypot(wave["cosine"], wave["sine"]) == pytest.approx(high, abs=1e-6)


def test_a_short_span_takes_one_of_two_waves_and_too_short_a_one_none() -> None:
    constants = KINDS["water-level-detided"].constants
    speeds = constants["speeds"]

    def names(days: int) -> set[str]:
        return {name for name, _ in tide_removed.apart(speeds, 24 * days, 1)}

    assert {"M2", "S2", "K1", "O1", "N2", "M4"} <= names(29)
    assert not {"P1", "K2"} & names(29)
    assert {"P1", "K2"} <= names(200)
    assert "N2" not in names(20)
    short = sea(28).with_columns(series=pl.lit(DERIVED, pl.Int32)).select("series", "time", "value")
    assert tide_removed.fit(short, constants).is_empty()


# All at once, and hour by hour


@CALM
@given(data=st.data())
def test_each_hour_by_itself_is_as_all_at_once(data: st.DataObject) -> None:
    """From no more hours than the kind's reach, whatever is missing."""
    kind = data.draw(st.sampled_from([name for name in KINDS if KINDS[name].reach < DAY]))
    value = st.one_of(st.none(), st.floats(0, 40).map(lambda v: round(v, 3)))
    roles = [role for role in KINDS[kind].inputs if data.draw(st.booleans()) or not KINDS[kind].inputs[role].optional]
    numbers = {role: number for number, role in enumerate(roles, 1)}
    rows = st.lists(value, min_size=12, max_size=12)
    said = pl.concat([hours(number, data.draw(rows)) for number in numbers.values()])
    said = said.filter(pl.Series(data.draw(st.lists(st.booleans(), min_size=said.height, max_size=said.height))))
    mine = formula(kind, numbers, {"capacity": 30.0} if "capacity" in KINDS[kind].given else {})
    fits = learned(sea(40, T0 - 40 * DAY), T0) if KINDS[kind].method == "tide-removed" else {}
    whole = derivation.derive(said, mine, KINDS, fits)
    for time in whole["time"]:
        near = said.filter(pl.col("time").is_between(time - KINDS[kind].reach, time))
        alone = derivation.derive(near, mine, KINDS, fits).filter(pl.col("time") == time)
        assert alone.equals(whole.filter(pl.col("time") == time))


def test_a_formula_holds_from_its_day_until_the_next() -> None:
    border = T0 + 2 * HOUR
    both = pl.concat(
        [
            formula("growing-degree-days", {"temperature": 1}, {"base": 10}, until=border),
            formula("growing-degree-days", {"temperature": 2}, {"base": 0}, since=border, until=border + HOUR),
            formula(None, {}, since=border + HOUR),
        ]
    )
    said = pl.concat([hours(1, [22.0] * 5), hours(2, [24.0] * 5)])
    assert derivation.derive(said, both, KINDS, {})["value"].to_list() == [0.5, 0.5, 1.0]


def test_a_kind_that_tables_do_not_have_makes_nothing() -> None:
    assert derivation.derive(hours(1, [1.0]), formula("magic", {"level": 1}), KINDS, {}).is_empty()


# The table


@pytest.mark.parametrize(
    ("path", "wanted", "says"),
    [
        (("wet-bulb", "colour"), "red", r"derivations: \[wet-bulb\]: unknown key 'colour'"),
        (("wet-bulb", "method"), "magic", r"\[wet-bulb\] 'method' cannot be 'magic': one of degree-days, "),
        (("wet-bulb", "source"), None, r"\[wet-bulb\]: 'source' is missing"),
        (("wet-bulb", "inputs", "humidity"), None, r"\[wet-bulb\] 'inputs' must be temperature, humidity, pressure"),
        (("wet-bulb", "inputs", "humidity"), 5, r"inputs.humidity: 'parameters' is missing"),
        (("wet-bulb", "inputs", "humidity", "parameters"), [], r"inputs.humidity 'parameters' must name a parameter"),
        (("wet-bulb", "inputs", "pressure", "optional"), "yes", r"inputs.pressure: 'optional' cannot be 'yes'"),
        (("season", "method"), "season-sum", r"\[season\]: 'confidence' is missing"),
        (("wet-bulb", "constants", "psychrometer"), None, r"\[wet-bulb\] constants: 'psychrometer' is missing"),
        (("wet-bulb", "constants", "humidity"), 5, r"\[wet-bulb\] constants: 'humidity' cannot be 5"),
        (("wet-bulb", "given", "altitude"), None, r"\[wet-bulb\] 'given' lacks altitude for wet-bulb"),
        (("wet-bulb", "given", "altitude"), 5, r"given.altitude: must be a table"),
        (("wet-bulb", "given", "altitude", "default"), 9999, r"given.altitude: 'default' 9999 is not within"),
        (("time-to-full", "inputs", "level", "optional"), True, r"needs a role that may not be left out"),
    ],
)
def test_a_bad_table_names_its_block_and_key(path: tuple[str, ...], wanted: object, says: str) -> None:
    table = copy.deepcopy(tables.read("derivations"))
    assert isinstance(table, dict)
    table.setdefault(path[0], {})
    spoil(table, path, wanted)
    with pytest.raises(TableError, match=says):
        derivation.parse(table)


def test_what_is_no_parameter_cannot_be_derived() -> None:
    with pytest.raises(TableError, match=r"\[wet-bulb\]: 'wet_bulb_temperature' is no parameter with an hourly mean"):
        derivation.check({}, KINDS)
