"""What is measured: the package table, and what a table may not say."""

import copy
import inspect
from typing import Any

import pytest

from analytics import averaging, parameters, quality, tables
from analytics.tables import TableError

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


@pytest.mark.parametrize(
    ("word", "name"),
    [("PM2.5", "pm25"), ("pm25", "pm25"), ("PM25", "pm25"), (" so2 ", "so2"), ("细颗粒物", "pm25"), ("CO2", None)],
)
def test_a_name_of_a_source_finds_the_parameter_whatever_its_case(word: str, name: str | None) -> None:
    assert parameters.canonical(word, PARAMETERS) == name


def test_limits_of_the_table_are_those_the_tests_take() -> None:
    assert parameters.LIMITS.keys() == quality.TESTS.keys()
    for name, (needs, allows) in parameters.LIMITS.items():
        takes = inspect.signature(quality.TESTS[name].judge).parameters.values()
        keywords = {p.name: p.default is p.empty for p in takes if p.kind is p.KEYWORD_ONLY}
        assert keywords == {**dict.fromkeys(needs, True), **dict.fromkeys(allows, False)}


def test_bits_of_tests_are_stable_and_apart() -> None:
    assert {name: test.bit for name, test in quality.TESTS.items()} == {
        "gross_range": 1,
        "spike": 2,
        "rate": 4,
        "flat_line": 8,
        "gap": 16,
        "device_mark": 32,
    }


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
        (("pm25", "mean"), "median", r"\[pm25\] 'mean' cannot be 'median'"),
        (("pm25", "aliases"), ["PM10"], r"\[pm10\] 'aliases': 'pm10' means 'pm25' already"),
        (("pm25", "averagings"), [1], r"'averagings' must hold text"),
        (("pm25", "quality", "magic"), {}, r"\[pm25\] quality.magic: unknown test 'magic'"),
        (("pm25", "quality", "spike"), {"suspect": "a"}, r"\[pm25\] quality.spike: 'confidence' is missing"),
        (("pm25", "quality", "spike", "suspect"), "a", r"quality.spike: 'suspect' cannot be 'a'"),
        (("pm25", "quality", "gross_range", "fail"), [0, 100], r"'fail' must not be narrower than 'suspect'"),
        (("pm25", "quality", "gross_range", "suspect"), [5, 1], r"'suspect' cannot be \[5, 1\]"),
        (("pm25", "quality", "rate", "fail"), 1, r"'fail' must not be narrower"),
        (("PM25",), {}, r"\[PM25\]"),
    ],
)
def test_a_bad_table_names_its_block_and_key(path: tuple[str, ...], value: object, says: str) -> None:
    table = content()
    place = table
    for key in path[:-1]:
        place = place[key]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    with pytest.raises(TableError, match=says):
        parameters.parse(table)


def test_a_list_is_no_table_of_parameters() -> None:
    with pytest.raises(TableError, match="parameters: is not a table of records"):
        parameters.parse([])
