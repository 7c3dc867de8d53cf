"""Index, class and primary pollutant: by eye, and against exact fractions."""

import math
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from analytics import assessment, standards
from analytics.frames import ASSESSMENTS
from analytics.standards import Standards
from tests.rows import averages

STANDARDS = standards.load()
OLD, NEW = datetime(2025, 6, 1, 4, tzinfo=UTC), datetime(2026, 6, 1, 4, tzinfo=UTC)
CLEAN = {"so2": 10.0, "no2": 20.0, "co": 0.5, "o3": 60.0, "pm10": 30.0, "pm25": 15.0}


def station(number: int = 1, *places: str, offset: int = 480) -> pl.DataFrame:
    rows = {
        "station": [number],
        "offset": [offset],
        "places": [[{"place": place, "since": None, "until": None} for place in places]],
    }
    return pl.DataFrame(rows, schema_overrides={"station": pl.Int32, "places": standards.PLACES})


def assessed(
    values: Mapping[str, float | None], time: datetime, averaging: str = "hour", kind: str | None = None, **more: Any
) -> list[tuple[int | None, int | None, str | None]]:
    """(index, class, primary) of assessment averaging `kind`."""
    made = assessment.assess(averages(values, time, averaging), station(), more.get("tables", STANDARDS))
    assert made.schema == pl.Schema(ASSESSMENTS)
    return made.filter(pl.col("averaging") == (kind or averaging)).select("index", "class", "primary").rows()


def test_the_index_is_the_highest_and_only_above_fifty_has_a_primary_pollutant() -> None:
    assert assessed(CLEAN, OLD) == [(30, 1, None)]
    assert assessed({**CLEAN, "pm25": 35}, OLD) == [(50, 1, None)]
    assert assessed({**CLEAN, "pm25": 36}, OLD) == [(52, 2, "pm25")]
    assert assessed({**CLEAN, "pm25": 900}, OLD) == [(500, 6, "pm25")]


def test_a_row_says_on_how_many_pollutants_it_rests() -> None:
    high = {**CLEAN, "so2": 801.0, "so2/moving24": 475.0}
    cases: list[tuple[dict[str, Any], int]] = [
        (CLEAN, 6),
        ({**CLEAN, "o3": None}, 5),
        (high, 6),
        ({**high, "so2/moving24": None}, 5),
    ]
    for values, count in cases:
        made = assessment.assess(averages(values, OLD), station(), STANDARDS).filter(averaging="hour")
        assert made.select("count", "exceedance").rows() == [(count, None)]


def test_air_water_and_noise_of_a_station_stand_side_by_side() -> None:
    values = {**CLEAN, "nh3n": 1.2, "laeq/ld": 61.0}
    made = assessment.assess(averages(values, NEW), station(1, "noise_zone:2"), STANDARDS)
    assert made.schema == pl.Schema(ASSESSMENTS)
    assert made.select("standard", "averaging", "index", "class", "primary", "count", "exceedance").rows() == [
        ("GB 3096-2008", "ld", None, 2, "laeq", 1, 1.0),
        ("GB 3838-2002", "hour", None, 4, "nh3n", 1, 0.2),
        ("HJ 633-2026", "hour", 30, 1, None, 6, None),
    ]


def test_ties_are_all_primary_in_table_order() -> None:
    assert assessed({**CLEAN, "pm25": 75, "pm10": 150, "co": 10}, OLD) == [(100, 2, "co,pm10,pm25")]


def test_a_negative_concentration_counts_as_none() -> None:
    assert assessed({**dict.fromkeys(CLEAN, -1.0), "co": -0.2}, OLD) == [(0, 1, None)]


@pytest.mark.parametrize(
    ("value", "index"), [(35.5, 52), (34.5, 49), (36.5, 52), (35.499999, 50), (35.500001, 52), (60.0, 82)]
)
def test_concentrations_are_rounded_half_to_even_first(value: float, index: int) -> None:
    assert assessed({**CLEAN, "pm25": value}, OLD)[0][0] == index


def test_carbon_monoxide_is_rounded_to_a_tenth() -> None:
    assert assessed({**CLEAN, "co": 5.05}, OLD)[0][0] == 50
    assert assessed({**CLEAN, "co": 5.15}, OLD)[0][0] == 52


def test_rounding_is_a_row_of_a_table() -> None:
    contents = standards.tables()
    rows = contents["standards/hj633_rounding"]
    assert isinstance(rows, list)
    contents["standards/hj633_rounding"] = [{**row, "decimals": ""} for row in rows]
    plain = standards.parse(contents)
    assert assessed({**CLEAN, "pm25": 35.2}, OLD, tables=plain)[0][0] == 51
    assert assessed({**CLEAN, "pm25": 35.2}, OLD)[0][0] == 50


def test_sixty_is_a_hundred_in_the_new_edition_not_a_hundred_and_one() -> None:
    assert assessed({**CLEAN, "pm25": 60}, NEW) == [(100, 2, "pm25")]
    assert assessed({**CLEAN, "pm25": 60}, OLD) == [(82, 2, "pm25")]


def test_the_hour_of_2012_has_two_readings_and_that_of_2026_has_one() -> None:
    values = {**CLEAN, "pm25": 36.0, "pm25/moving24": 115.0, "pm10/moving24": 30.0}
    old = assessment.assess(averages(values, OLD), station(), STANDARDS)
    assert old.select("averaging", "index").rows() == [("hour", 52), ("hour-moving24", 150)]
    new = assessment.assess(averages(values, NEW), station(), STANDARDS)
    assert new.select("standard", "averaging", "index").rows() == [("HJ 633-2026", "hour", 52)]


def test_sulphur_dioxide_above_800_takes_the_24_hours_in_2012_and_200_in_2026() -> None:
    high = {**CLEAN, "so2": 801.0, "so2/moving24": 475.0}
    assert assessed(high, OLD) == [(150, 3, "so2")]
    assert assessed({**high, "so2/moving24": None}, OLD) == [(30, 1, None)]
    assert assessed(high, NEW) == [(200, 4, "so2")]
    assert assessed({**high, "so2": 10.0}, OLD) == [(30, 1, None)]
    # No hourly value: the 24 hours do not stand in.
    assert assessed({**high, "so2": None}, OLD) == [(30, 1, None)]


def test_ozone_above_800_takes_the_hour_in_2012_and_300_in_2026() -> None:
    day: dict[str, float | None] = {
        **{k: v for k, v in CLEAN.items() if k != "o3"},
        "o3/mda8": 801.0,
        "o3/mda1": 1000.0,
    }
    assert assessed(day, OLD, "day") == [(400, 6, "o3")]
    assert assessed(day, NEW, "day") == [(300, 5, "o3")]
    assert assessed({**day, "o3/mda8": 800.0}, OLD, "day") == [(300, 5, "o3")]


def test_with_a_pollutant_missing_2026_has_no_index_up_to_100_and_2012_has_one() -> None:
    few: dict[str, float | None] = {k: v for k, v in CLEAN.items() if k != "o3"}
    assert assessed(few, NEW) == [(None, None, None)]
    assert assessed({**few, "pm25": 60}, NEW) == [(None, None, None)]
    assert assessed({**few, "pm25": 61}, NEW) == [(101, 3, "pm25")]
    assert assessed(few, OLD) == [(30, 1, None)]


def test_without_any_usable_pollutant_there_is_no_row() -> None:
    assert assessed({"pm25": None}, OLD) == []
    assert assessed({"nmhc": 1.0}, OLD) == []
    assert assessed(CLEAN, datetime(2010, 1, 1, tzinfo=UTC)) == []


def test_the_edition_turns_at_local_midnight() -> None:
    last = datetime(2026, 2, 28, 15, tzinfo=UTC)
    for time, edition in [(last, "HJ 633-2012"), (last + timedelta(hours=1), "HJ 633-2026")]:
        made = assessment.assess(averages(CLEAN, time), station(), STANDARDS)
        assert made["standard"].unique().to_list() == [edition]


def test_an_adoption_of_a_place_puts_two_editions_side_by_side() -> None:
    row = pl.DataFrame({"standard": ["HJ 633-2026"], "place": ["zone:trial"], "valid_from": [date(2025, 1, 1)]})
    trial = pl.concat([STANDARDS.adoptions, row], how="diagonal")
    tables = Standards(**{**{k: getattr(STANDARDS, k) for k in Standards.__slots__}, "adoptions": trial})
    rows = pl.concat([averages({**CLEAN, "pm25": 60}, OLD, number=n) for n in (1, 2)])
    made = assessment.assess(rows, pl.concat([station(1, "zone:trial"), station(2)]), tables).filter(averaging="hour")
    found = [(1, "HJ 633-2012", 82), (1, "HJ 633-2026", 100), (2, "HJ 633-2012", 82)]
    assert made.select("station", "standard", "index").rows() == found


def test_limits_are_those_of_the_day_phase_and_area() -> None:
    for day, limit in {OLD: 75.0, NEW: 60.0, datetime(2031, 6, 1, tzinfo=UTC): 50.0}.items():
        rows = [averages({"pm25": limit + k}, day + timedelta(days=k), "day") for k in (0, 1)]
        made = assessment.exceedances(pl.concat(rows), station(), STANDARDS)
        assert made.select("value", "limit").rows() == [(limit + 1, limit)]
    made = assessment.exceedances(averages({"pm25": 40.0}, OLD, "day"), station(), STANDARDS, area="class1")
    assert made.select("standard", "phase", "limit", "multiple").rows() == [("GB 3095-2012", "base", 35.0, 0.142857)]


def test_a_phase_ends_at_local_midnight() -> None:
    last = datetime(2030, 12, 31, 15, tzinfo=UTC)
    for time, phase in [(last, "transition"), (last + timedelta(hours=1), "final")]:
        made = assessment.exceedances(averages({"no2": 250.0}, time), station(), STANDARDS)
        assert made["phase"].to_list() == [phase]


def index_of(edition: str, parameter: str, column: str, value: float) -> int | None:
    """The obvious way, in fractions: rounded half to even, interpolated, rounded up."""
    exact = max(Fraction(round(value * 10**6), 10**6), Fraction(0))
    exact = round(exact, 1) if parameter == "co" else Fraction(round(exact))
    points = STANDARDS.breakpoints.filter(standard=edition, parameter=parameter, column=column)
    line = [(i, Fraction(str(c))) for i, c in points.select("index", "concentration").iter_rows()]
    for (i, low), (j, high) in pairwise(line):
        if exact <= high:
            inside: int = math.ceil((j - i) / (high - low) * (exact - low) + i)
            return inside
    beyond = STANDARDS.columns.filter(standard=edition, parameter=parameter, column=column)
    return None if beyond["above"][0] is None else int(beyond["above"][0])


CURVES = STANDARDS.columns.select("standard", "parameter", "column").unique().sort(pl.all()).rows()


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(CURVES), st.integers(-1_000_000, 4_000_000_000), st.sampled_from([1, 500_000, 1_000_000]))
def test_the_individual_index_is_exact(curve: tuple[str, str, str], micros: int, grain: int) -> None:
    value = micros // grain * grain / 1e6 / (50 if curve[1] == "co" else 1)
    given_ = pl.DataFrame(
        [(*curve, round(value, 6))], schema=["standard", "parameter", "column", "value"], orient="row"
    )
    assert assessment.indices(given_, STANDARDS)["iaqi"].item() == index_of(*curve, round(value, 6))


NAMES = [*CLEAN, *(f"{n}/{a}" for n in ("pm25", "so2") for a in ("moving24", "day")), "o3/mda8", "o3/mda1"]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.dictionaries(st.sampled_from(NAMES), st.one_of(st.none(), st.integers(-2, 1000).map(float)), max_size=8),
        min_size=1,
        max_size=6,
    ),
    st.sampled_from([OLD, NEW]),
)
def test_a_row_depends_on_its_own_station_and_time_alone(hours: list[dict[str, float | None]], start: datetime) -> None:
    parts = [averages(values, start + timedelta(hours=k)) for k, values in enumerate(hours)]
    whole = assessment.assess(pl.concat(parts), station(), STANDARDS)
    single = pl.concat([assessment.assess(part, station(), STANDARDS) for part in parts])
    assert_frame_equal(whole, single.sort("station", "standard", "averaging", "time"))
    shuffled = pl.concat(parts).sample(fraction=1, shuffle=True, seed=1)
    assert_frame_equal(whole, assessment.assess(shuffled, station(), STANDARDS))
