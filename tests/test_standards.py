"""Dated tables: they can be kept as JSON, are checked, and an edition is in force by day and place."""

import copy
import json
from datetime import date

import polars as pl
import pytest

from analytics import averaging, parameters, quality, standards, tables
from analytics.tables import Content, TableError

CONTENTS = standards.tables()
STANDARDS = standards.load()


#: In force everywhere since long: they are on every day of these tests.
EVERYWHERE = {"GB 3838-2002", "GB 3096-2008", "GB 12348-2008", "GB 22337-2008"}


def force(day: date, *places: str, adoptions: pl.DataFrame = STANDARDS.adoptions) -> set[str]:
    """Standards of air in force on `day`."""
    listed = [{"place": place, "since": None, "until": None} for place in places]
    stations = pl.DataFrame({"station": [1], "places": [listed]}, schema_overrides={"places": standards.PLACES})
    days = pl.DataFrame({"station": [1, 1], "day": [day, day]})
    found = standards.in_force(adoptions, stations, days)
    assert found.height == found["standard"].n_unique()
    names = set(found["standard"].to_list())
    assert names >= EVERYWHERE
    return {name for name in names - EVERYWHERE if not name.startswith("GB 12523")}


def test_a_membership_counts_on_its_own_days() -> None:
    """In Beijing from 2014-01-01 until it moved away on 2015-01-01: its adoption holds for that year alone."""
    stay = [{"place": "city:Beijing", "since": date(2014, 1, 1), "until": date(2015, 1, 1)}]
    stations = pl.DataFrame({"station": [1], "places": [stay]}, schema_overrides={"places": standards.PLACES})
    days = [date(2013, 12, 31), date(2014, 1, 1), date(2014, 12, 31), date(2015, 1, 1)]
    rows = pl.DataFrame({"station": [1] * 4, "day": days})
    found = standards.in_force(STANDARDS.adoptions, stations, rows).filter(standard="HJ 633-2012")
    assert standards.places(stations, rows).sort("day").rows() == [(1, day, "city:Beijing") for day in days[1:3]]
    assert set(found["day"]) == {date(2014, 1, 1), date(2014, 12, 31)}


def test_every_package_table_survives_json_and_is_read_from_it() -> None:
    kept = json.loads(json.dumps(CONTENTS, ensure_ascii=False))
    assert kept == CONTENTS
    assert {"parameters", "averagings", "marks", "standards/adoptions"} <= kept.keys()
    assert {f"standards/{name}" for name in standards.SHAPES} == {n for n in kept if n.startswith("standards/")}
    assert standards.parse(kept).limits.equals(STANDARDS.limits)
    assert parameters.parse(kept["parameters"]) == parameters.load()
    assert averaging.parse(kept["averagings"]) == averaging.load()
    assert quality.marks(kept["marks"])["D"] == quality.FAIL


@pytest.mark.parametrize(
    ("day", "places", "editions"),
    [
        (date(2015, 12, 31), (), set()),
        (date(2016, 1, 1), (), {"HJ 633-2012", "GB 3095-2012"}),
        (date(2013, 1, 1), ("city:Beijing",), {"HJ 633-2012", "GB 3095-2012"}),
        (date(2013, 1, 1), ("city:Shanghai", "grid:7"), set()),
        (date(2026, 2, 28), ("city:Beijing",), {"HJ 633-2012", "GB 3095-2012"}),
        (date(2026, 3, 1), (), {"HJ 633-2026", "GB 3095-2026"}),
        (date(2031, 1, 1), (), {"HJ 633-2026", "GB 3095-2026"}),
    ],
)
def test_the_edition_is_that_of_the_day_and_place(day: date, places: tuple[str, ...], editions: set[str]) -> None:
    assert force(day, *places) == editions


@pytest.mark.parametrize(
    ("day", "names"),
    [
        (date(2002, 5, 31), set()),
        (date(2002, 6, 1), {"GB 3838-2002"}),
        (date(2008, 10, 1), EVERYWHERE),
        (date(2012, 7, 1), {*EVERYWHERE, "GB 12523-2011"}),
        (date(2025, 12, 31), {*EVERYWHERE, "GB 12523-2011"}),
        (date(2026, 1, 1), {*EVERYWHERE, "GB 12523-2025"}),
    ],
)
def test_water_and_noise_have_their_edition_of_the_day(day: date, names: set[str]) -> None:
    anywhere = pl.DataFrame({"station": [1], "places": [[]]}, schema_overrides={"places": standards.PLACES})
    found = standards.in_force(STANDARDS.adoptions, anywhere, pl.DataFrame({"station": [1], "day": [day]}))
    assert {name for name in found["standard"] if not name.startswith(("HJ 633", "GB 3095"))} == names


def test_one_more_row_puts_two_editions_side_by_side() -> None:
    row = {"standard": "HJ 633-2026", "place": "zone:trial", "valid_from": date(2025, 1, 1)}
    more = pl.concat([STANDARDS.adoptions, pl.DataFrame([row])], how="diagonal")
    assert force(date(2025, 6, 1), "zone:trial", adoptions=more) == {"HJ 633-2012", "GB 3095-2012", "HJ 633-2026"}
    assert force(date(2025, 6, 1), adoptions=more) == {"HJ 633-2012", "GB 3095-2012"}


def test_every_pollutant_of_an_index_is_a_parameter_with_that_averaging() -> None:
    known = parameters.load()
    for name, uses in STANDARDS.columns.select("parameter", "uses").unique().iter_rows():
        assert uses in known[name].averagings


def test_units_of_the_tables_are_those_of_the_parameters() -> None:
    known = parameters.load()
    for frame in (STANDARDS.breakpoints, STANDARDS.limits):
        for name, unit in frame.select("parameter", "unit").unique().iter_rows():
            assert name not in known or known[name].unit == unit
    for frame in (STANDARDS.water, STANDARDS.noise):
        for name, unit in frame.select("parameter", "unit").unique().iter_rows():
            assert known[name].unit == unit


def test_classes_of_an_edition_touch() -> None:
    for classes in STANDARDS.classes.partition_by("standard"):
        assert (classes["low"][1:] - classes["high"][:-1]).to_list() == [1] * 5
        assert classes["high"][-1] is None


def test_every_class_of_every_standard_has_a_name_and_a_colour() -> None:
    grades = STANDARDS.grades
    assert grades.select("standard", "class").is_duplicated().any() is False
    assert grades.null_count().row(0) == (0,) * grades.width
    sizes = dict(grades.group_by("standard").len().iter_rows())
    assert sizes.pop("GB 3838-2002") == 6
    assert {name: size for name, size in sizes.items() if name.startswith("HJ")} == dict.fromkeys(
        ("HJ 633-2012", "HJ 633-2026"), 6
    )
    assert {size for name, size in sizes.items() if not name.startswith("HJ")} == {2}
    assert grades.filter(standard="GB 3838-2002")["name_zh"].to_list() == ["Ⅰ", "Ⅱ", "Ⅲ", "Ⅳ", "Ⅴ", "劣Ⅴ"]
    assert grades.filter(standard="HJ 633-2026")["name"].to_list()[0] == "excellent"


def changed(table: str, row: int, key: str, value: str) -> dict[str, Content]:
    contents = copy.deepcopy(CONTENTS)
    rows = contents[table]
    assert isinstance(rows, list)
    rows[row][key] = value
    return contents


@pytest.mark.parametrize(
    ("table", "key", "value", "says"),
    [
        ("hj633_breakpoints", "concentration", "x", r"hj633_breakpoints, row 1: 'concentration' cannot be 'x'"),
        ("hj633_breakpoints", "index", "", r"hj633_breakpoints, row 1: 'index' cannot be ''"),
        ("hj633_breakpoints", "index", "60", r"hj633_breakpoints: do not rise"),
        ("hj633_breakpoints", "extra", "1", r"hj633_breakpoints, row 1: keys must be standard"),
        (
            "gb3838_limits",
            "high",
            "10",
            r"gb3838_limits: five classes must hold wider and wider ranges: GB 3838-2002, ph",
        ),
        ("gb3838_limits", "class", "2", r"gb3838_limits: five classes must hold"),
        ("gb3838_limits", "parameter", "x", r"gb3838_limits: "),
        ("gb3838_indicators", "parameter", "x", r"gb3838_limits: no indicator GB 3838-2002, ph"),
        ("gb3838_indicators", "judged", "yes", r"gb3838_indicators, row 1: 'judged' cannot be 'yes'"),
        ("gb3838_rules", "averaging", "fortnight", r"gb3838_rules: unknown averaging fortnight"),
        ("noise_limits", "limit", "loud", r"noise_limits, row 1: 'limit' cannot be 'loud'"),
        ("noise_limits", "zone", "1", r"noise_limits: twice"),
        ("noise_rules", "standard", "GB 1", r"noise_limits: no rules for GB 3096-2008"),
        ("hj633_columns", "column", "2h", r"hj633_columns: no breakpoints for"),
        ("hj633_columns", "uses", "fortnight", r"hj633_columns: unknown averaging"),
        ("hj633_columns", "step", "2", r"hj633_columns: twice"),
        ("hj633_rules", "standard", "HJ 1", r"no rules for"),
        ("hj633_rounding", "parameter", "x", r"no rounding for"),
        ("adoptions", "valid_from", "2016-13-01", r"adoptions, row 1: 'valid_from' cannot be"),
        ("adoptions", "valid_to", "2015-01-01", r"adoptions: ends before it starts"),
    ],
)
def test_a_bad_table_names_its_row_and_key(table: str, key: str, value: str, says: str) -> None:
    with pytest.raises(TableError, match=says):
        standards.parse(changed(f"standards/{table}", 0, key, value))


def test_tables_of_a_store_from_before_water_and_noise_are_read() -> None:
    """New tables hold since ever, beside the averagings that were in force until the migration."""
    content = CONTENTS["averagings"]
    assert isinstance(content, dict)
    old = {name: record for name, record in content.items() if record["code"] <= 6}
    assert standards.parse({**CONTENTS, "averagings": old}).noise.equals(STANDARDS.noise)


def test_an_absent_or_shapeless_table_is_named() -> None:
    with pytest.raises(TableError, match="standards/adoptions: is missing"):
        standards.parse({name: table for name, table in CONTENTS.items() if name != "standards/adoptions"})
    with pytest.raises(TableError, match="standards/adoptions: is not a list of rows"):
        standards.parse({**CONTENTS, "standards/adoptions": {}})


def test_there_is_no_table_of_an_unknown_name() -> None:
    with pytest.raises(KeyError):
        tables.read("weather")
