"""What levels are held against: zones, boundaries and rooms, each by the edition of its day."""

import csv
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from analytics import assessment, parameters, standards
from analytics.frames import ASSESSMENTS, TIME
from tests.conftest import SHARED, needs_shared
from tests.noise.levels import AVERAGINGS, HOUR, LEVELS, MIDNIGHT
from tests.rows import averages
from tests.stories import EXAMPLES

STANDARDS = standards.load()


def station(places: Mapping[str, tuple[date | None, date | None]], number: int = 1) -> pl.DataFrame:
    listed = [{"place": name, "since": a, "until": b} for name, (a, b) in places.items()]
    return pl.DataFrame(
        {"station": [number], "offset": [480], "places": [listed]},
        schema_overrides={"station": pl.Int32, "places": standards.PLACES},
    )


EVER = (None, None)


def held(
    ld: float | None,
    ln: float | None,
    *places: str,
    day: date = date(2024, 5, 2),
    rules: standards.Standards = STANDARDS,
) -> list[tuple[object, ...]]:
    """(standard, averaging, class, primary, exceedance) of a day and its night."""
    start = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=8)
    rows = pl.concat([averages({"laeq/ld": ld}, start + 6 * HOUR), averages({"laeq/ln": ln}, start + 22 * HOUR)])
    made = assessment.assess(rows, station(dict.fromkeys(places, EVER)), rules)
    assert made.schema == pl.Schema(ASSESSMENTS)
    assert made["index"].is_null().all()
    assert made["count"].to_list() == [1] * made.height
    return made.select("standard", "averaging", "class", "primary", "exceedance").rows()


def test_the_zone_check_of_the_rules() -> None:
    """noise_rules.toml, [[vector]] zone_check: the day meets 60, the night is a whole decibel over 50."""
    assert held(59.9, 51.4, "noise_zone:2") == [
        ("GB 3096-2008", "ld", 1, None, 0.0),
        ("GB 3096-2008", "ln", 2, "laeq", 1.0),
    ]


@pytest.mark.parametrize(
    ("level", "number", "over"), [(60.5, 1, 0.0), (60.51, 2, 1.0), (61.5, 2, 2.0), (48.2, 1, -12.0)]
)
def test_levels_are_held_in_whole_decibels_half_to_even(level: float, number: int, over: float) -> None:
    assert [row[2:] for row in held(level, None, "noise_zone:2")] == [(number, "laeq" if over > 0 else None, over)]


def test_rounding_is_a_row_of_a_table() -> None:
    contents = standards.tables()
    rows = contents["standards/noise_rules"]
    assert isinstance(rows, list)
    contents["standards/noise_rules"] = [{**row, "decimals": "1"} for row in rows]
    finer = standards.parse(contents)
    assert [row[2:] for row in held(60.04, 50.06, "noise_zone:2", rules=finer)] == [
        (1, None, 0.0),
        (2, "laeq", 0.1),
    ]


def test_without_a_zone_there_is_no_row() -> None:
    assert held(80.0, 80.0) == []
    assert held(80.0, 80.0, "district:A", "noise_zone:9") == []
    assert held(None, None, "noise_zone:2") == []


def test_before_the_edition_there_is_no_row() -> None:
    assert held(50.0, 40.0, "noise_zone:0", day=date(2008, 9, 30)) == []
    assert len(held(50.0, 40.0, "noise_zone:0", day=date(2008, 10, 1))) == 2


def test_the_zone_is_that_of_the_day_on_which_the_night_starts() -> None:
    moved = station({"noise_zone:1": (None, date(2024, 5, 2)), "noise_zone:3": (date(2024, 5, 2), None)})
    times = [MIDNIGHT - 2 * HOUR, MIDNIGHT + 22 * HOUR]  # the nights of the first and the second of May
    rows = pl.DataFrame({"time": times}, schema={"time": TIME}).with_columns(
        station=pl.lit(1, pl.Int32), parameter=pl.lit("laeq"), averaging=pl.lit("ln"), value=50.0
    )
    assert assessment.assess(rows, moved, STANDARDS)["exceedance"].to_list() == [5.0, -5.0]


def test_a_boundary_has_limits_of_its_own_beside_those_of_the_zone() -> None:
    assert held(71.0, 56.0, "noise_zone:4a", "boundary:plant") == [
        ("GB 12348-2008", "ld", 2, "laeq", 1.0),
        ("GB 12348-2008", "ln", 2, "laeq", 1.0),
        ("GB 3096-2008", "ld", 2, "laeq", 1.0),
        ("GB 3096-2008", "ln", 2, "laeq", 1.0),
    ]


@pytest.mark.parametrize(
    ("day", "edition"), [(date(2025, 12, 31), "GB 12523-2011"), (date(2026, 1, 1), "GB 12523-2025")]
)
def test_a_construction_site_needs_no_zone_and_changes_edition_with_the_year(day: date, edition: str) -> None:
    assert held(70.4, 56.0, "boundary:construction", day=day) == [
        (edition, "ld", 1, None, 0.0),
        (edition, "ln", 2, "laeq", 1.0),
    ]


def test_a_bedroom_has_stricter_limits_than_the_boundary_of_its_source() -> None:
    both = held(50.0, 40.0, "noise_zone:1", "boundary:social_life", "room:A")
    assert [row[2:] for row in both if row[0] == "GB 22337-2008"] == [(2, "laeq", 10.0), (2, "laeq", 10.0)]
    outside = held(50.0, 40.0, "noise_zone:1", "boundary:social_life")
    assert [row[2:] for row in outside if row[0] == "GB 22337-2008"] == [(1, None, -5.0), (1, None, -5.0)]


@settings(max_examples=EXAMPLES or 15, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["ld", "ln"]), st.integers(0, 5), st.integers(2000, 9000).map(lambda n: n / 100)),
        min_size=1,
        unique_by=lambda row: row[:2],
    ),
    st.sampled_from(["0", "1", "2", "3", "4a", "4b"]),
)
def test_a_row_depends_on_its_own_station_and_time_alone(rows: list[tuple[str, int, float]], zone: str) -> None:
    first = {"ld": 6, "ln": 22}
    parts = [averages({f"laeq/{name}": v}, MIDNIGHT + (24 * day + first[name]) * HOUR) for name, day, v in rows]
    there = station({f"noise_zone:{zone}": EVER})
    whole = assessment.assess(pl.concat(parts), there, STANDARDS)
    single = pl.concat([assessment.assess(part, there, STANDARDS) for part in parts])
    assert_frame_equal(whole, single.sort("station", "standard", "averaging", "time"))
    for name, exceedance, number in whole.select("averaging", "exceedance", "class").iter_rows():
        limit = STANDARDS.noise.filter(standard="GB 3096-2008", zone=zone, averaging=name)["limit"].item()
        assert (number == 2) == (exceedance > 0)
        assert limit + exceedance in {round(v) for other, _, v in rows if other == name}


def test_levels_that_are_held_against_limits_are_averagings_of_the_parameter() -> None:
    known = parameters.load()
    for name, made in STANDARDS.noise.drop_nulls("averaging").select("parameter", "averaging").unique().iter_rows():
        assert made in AVERAGINGS
        assert made in known[name].averagings
    assert set(LEVELS) <= set(known["laeq"].averagings)


@needs_shared
def test_limits_are_those_of_the_shared_table() -> None:
    with open(SHARED / "standards" / "noise_limits.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    spots = {
        "environment": None,
        "plant boundary": "boundary:plant",
        "social life source boundary": "boundary:social_life",
        "construction site boundary": "boundary:construction",
        "structure-borne, indoors, A room (bedroom)": "room:A",
        "structure-borne, indoors, B room (living, classroom, office)": "room:B",
    }
    expected = {
        (
            row["standard"],
            spots[row["where"]],
            zone,
            row["period"],
            row["metric"],
            float(row["limit_db_a"]),
            row["source"],
            row["confidence"],
        )
        for row in rows
        for zone in (["4a", "4b"] if row["zone"] == "4" else [row["zone"] or None])
    }
    columns = ("standard", "place", "zone", "period", "metric", "limit", "source", "confidence")
    ours = STANDARDS.noise.select(columns).rows()
    assert (set(ours), len(ours)) == (expected, len(expected))
    day = STANDARDS.noise.filter(metric="Leq").select("period", "averaging").unique().rows()
    assert set(day) == {("day", "ld"), ("night", "ln")}
