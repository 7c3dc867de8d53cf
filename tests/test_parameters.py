"""What is measured: the package table, and what a table may not say."""

import copy
import csv
import inspect
import re
from dataclasses import fields
from typing import Any

import pytest

from analytics import averaging, parameters, quality, tables, units
from analytics.quality.neighbours import Limits
from analytics.tables import TableError
from tests.conftest import SHARED, needs_shared
from tests.rows import spoil

PARAMETERS = parameters.load()


def content() -> dict[str, Any]:
    read = tables.read("parameters")
    assert isinstance(read, dict)
    return copy.deepcopy(read)


def test_one_parameter_has_one_name_and_one_unit() -> None:
    assert PARAMETERS["pm25"].unit == "µg/m³"
    assert PARAMETERS["co"].unit == "mg/m³"
    assert {p.mean for p in PARAMETERS.values()} == set(parameters.MEANS) == set(averaging.MEANS)
    assert PARAMETERS["aqi"].averagings == ()


def test_every_parameter_has_a_domain_and_every_domain_a_parameter() -> None:
    assert {p.domain for p in PARAMETERS.values()} == set(parameters.DOMAINS)
    some = {"pm25": "air", "tvoc": "air", "nh3n": "water", "laeq": "noise", "soil_moisture": "soil", "rain": "weather"}
    assert {name: PARAMETERS[name].domain for name in some} == some


def test_an_edition_made_before_there_were_domains_is_read() -> None:
    table = content()
    for block in table.values():
        del block["domain"]
    assert {p.domain for p in parameters.parse(table).values()} == {""}


def test_what_has_no_mean_is_never_averaged() -> None:
    without = {"aqi", "water_class", "lafmax", "lcpeak", "sel"} | {f"la{n}" for n in (1, 5, 10, 25, 50, 90, 95, 99)}
    assert {name for name, p in PARAMETERS.items() if not p.averagings} == without
    assert {p.mean for p in PARAMETERS.values() if p.domain == "noise"} == {"energy"}


#: Keys of ../shared/standards that have another name here.
CALLED = {"laeq_1h": "laeq", "soil_vwc": "soil_moisture", "flow": "discharge", "lmax": "lafmax"}
CALLED |= {"irrigation_amount": "irrigation"} | {f"l{share}": f"la{share}" for share in (5, 10, 50, 90, 95)}


def standard(name: str) -> list[dict[str, str]]:
    with (SHARED / "standards" / name).open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [{**row, "key": CALLED.get(row["key"], row["key"])} for row in rows]


@needs_shared
def test_ranges_are_those_of_the_customary_table_with_its_word_on_them() -> None:
    compared = 0
    for row in standard("qc_thresholds.csv"):
        if row["test"] != "gross_range" or row["key"] not in PARAMETERS:
            continue
        limits = content()[row["key"]]["quality"]["gross_range"]
        for key in ("suspect", "fail"):
            text = row[key].removesuffix(" per h")
            if re.fullmatch(r"-?[0-9.]+?\.\.-?[0-9.]+", text):
                assert limits[key] == [float(end) for end in text.split("..")], row
                compared += 1
        assert (limits["source"], limits["confidence"]) == (row["source"], row["confidence"])
    assert compared > 50


@needs_shared
def test_rates_are_those_of_the_customary_table() -> None:
    compared = 0
    for row in standard("qc_thresholds.csv"):
        step = row["suspect"].partition(" ")[0]
        hourly = row["test"] == "step_per_hour" or (
            row["test"] == "step" and re.fullmatch(r"[0-9.]+ per h", row["suspect"])
        )
        if hourly and row["key"] in PARAMETERS:
            assert content()[row["key"]]["quality"]["rate"]["suspect"] == float(step), row
            compared += 1
    assert compared == 13


@needs_shared
def test_names_and_units_are_those_of_the_table_of_names() -> None:
    """Units are written for people here, after UCUM there."""
    written = {"Cel": "°C", "[pH]": "1", "{NTU}": "NTU", "dB[SPL]": "dB", "deg": "°", "L/m2": "mm"}
    found = {row["key"]: row for row in standard("names_units.csv") if row["key"] in PARAMETERS}
    assert len(found) == 47
    for name, row in found.items():
        unit = row["unit_ucum"]
        assert PARAMETERS[name].unit == written.get(unit, units.spelled(unit)), name
        assert parameters.canonical(row["name_cn"], PARAMETERS) == name


@needs_shared
def test_every_indicator_of_surface_water_is_a_parameter() -> None:
    for row in standard("water_gb3838_limits.csv"):
        parameter = PARAMETERS[row["key"]]
        assert parameter.domain == "water"
        assert parameters.canonical(row["name_cn"], PARAMETERS) == row["key"]


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("PM2.5", "pm25"),
        ("pm25", "pm25"),
        ("PM25", "pm25"),
        (" so2 ", "so2"),
        ("细颗粒物", "pm25"),
        ("溶解氧", "dissolved_oxygen"),
        ("CO2", None),
    ],
)
def test_a_name_of_a_source_finds_the_parameter_whatever_its_case(word: str, name: str | None) -> None:
    assert parameters.canonical(word, PARAMETERS) == name


def test_limits_of_the_table_are_those_the_tests_take() -> None:
    assert parameters.LIMITS.keys() == {*quality.TESTS, "neighbours"} == quality.BITS.keys() - {"manual"}
    for name, (needs, allows) in parameters.LIMITS.items():
        if name == "neighbours":
            assert needs.keys() == {field.name for field in fields(Limits)} - {"cadence"}
            continue
        takes = inspect.signature(quality.TESTS[name].judge).parameters.values()
        keywords = {p.name: p.default is p.empty for p in takes if p.kind is p.KEYWORD_ONLY}
        assert keywords == {**dict.fromkeys(needs, True), **dict.fromkeys(allows, False)}


def test_bits_of_tests_are_stable_and_apart() -> None:
    own = {"gross_range": 1, "spike": 2, "rate": 4, "flat_line": 8, "gap": 16, "device_mark": 32}
    assert {name: test.bit for name, test in quality.TESTS.items()} == own
    assert {**own, "neighbours": 64, "manual": 1 << 30} == quality.BITS


def test_every_averaging_exists_with_its_parts_and_every_flat_line_is_within_reach() -> None:
    averaging.check(PARAMETERS, averaging.load())
    spans = [p.quality["flat_line"]["suspect"] for p in PARAMETERS.values() if "flat_line" in p.quality]
    assert max(spans) * 3600 <= quality.BACK.total_seconds()


def test_every_limit_has_its_source() -> None:
    for block in content().values():
        assert all({"source", "confidence"} <= line.keys() for line in block["quality"].values())


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (("pm25", "colour"), "red", r"parameters: \[pm25\]: unknown key 'colour'"),
        (("pm25", "unit"), None, r"parameters: \[pm25\]: 'unit' is missing"),
        (("pm25", "unit"), 1, r"\[pm25\]: 'unit' cannot be 1"),
        (("pm25", "domain"), "space", r"\[pm25\] 'domain' cannot be 'space': one of air, water, noise, soil, weather"),
        (("pm25", "domain"), 1, r"\[pm25\]: 'domain' cannot be 1"),
        (("pm25", "mean"), "median", r"\[pm25\] 'mean' cannot be 'median'"),
        (("pm25", "aliases"), ["PM10"], r"\[pm10\] 'aliases': 'pm10' means 'pm25' already"),
        (("pm25", "averagings"), [1], r"'averagings' must hold text"),
        (("pm25", "quality", "magic"), {}, r"\[pm25\] quality.magic: unknown test 'magic'"),
        (("pm25", "quality", "spike"), {"suspect": "a"}, r"\[pm25\] quality.spike: 'confidence' is missing"),
        (("pm25", "quality", "spike", "suspect"), "a", r"quality.spike: 'suspect' cannot be 'a'"),
        (("pm25", "quality", "gross_range", "fail"), [0, 100], r"'fail' must not be narrower than 'suspect'"),
        (("pm25", "quality", "gross_range", "suspect"), [5, 1], r"'suspect' cannot be \[5, 1\]"),
        (("pm25", "quality", "rate", "fail"), 1, r"'fail' must not be narrower"),
        (("pm25", "quality", "neighbours", "share"), 1.0, r"quality.neighbours: 'share' cannot be 1.0"),
        (("pm25", "quality", "neighbours", "tolerance"), 1.5, r"quality.neighbours: 'tolerance' cannot be 1.5"),
        (("pm25", "quality", "neighbours", "least"), 0, r"quality.neighbours: 'least' cannot be 0"),
        (("pm25", "quality", "neighbours", "most"), 2, r"quality.neighbours: 'most' must not be below 'least'"),
        (("wind_direction", "quality", "neighbours"), {}, r"quality.neighbours: directions have no median"),
        (("PM25",), {}, r"\[PM25\]"),
    ],
)
def test_a_bad_table_names_its_block_and_key(path: tuple[str, ...], value: object, says: str) -> None:
    table = content()
    spoil(table, path, value)
    with pytest.raises(TableError, match=says):
        parameters.parse(table)


def test_a_list_is_no_table_of_parameters() -> None:
    with pytest.raises(TableError, match="parameters: is not a table of records"):
        parameters.parse([])
