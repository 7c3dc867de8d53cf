"""What a mapping may not say: refused before a file is read, with the form, the column and the key at fault."""

import csv
from pathlib import Path

import pytest

from analytics import ingest, tables
from analytics.ingest import MAPPINGS, MODULES, UnknownFormat, _mapping, mapping, recognise
from analytics.ingest._gases import MOLAR, factor
from analytics.tables import TableError
from tests.conftest import SHARED, needs_shared
from tests.ingest.reading import held

GOOD = """
origin = "test"
station = "yard"
[columns]
pm = { channel = "pm25", unit = "µg/m³" }
[time]
columns = ["time"]
form = "%Y-%m-%d"
zone = "UTC"
"""


@pytest.mark.parametrize(
    ("was", "becomes", "says"),
    [
        ("origin", "origi", "my: 'origin' must say where the files come from"),
        ("[columns]", "[columns", "my: is no TOML: .*line 4"),
        ('station = "yard"', "", "my: 'station' is missing"),
        ('station = "yard"', "station = 1", "my: 'station' cannot be 1"),
        ('station = "yard"', 'station = "yard"\ncolour = "red"', "my: unknown key 'colour'"),
        ('station = "yard"', 'station = "yard"\nform = 1', r"my: 'form' must be blocks \[\[form\]\]"),
        (
            'station = "yard"',
            'station = "yard"\nform = [{}, {delimiter = ";;"}]',
            "my, form 2: 'delimiter' must be one",
        ),
        ('station = "yard"', 'station = "yard"\nnamed = "("', "my: 'named': is no pattern"),
        ('station = "yard"', 'station = "yard"\nencoding = "utf-9"', "my: 'encoding': unknown encoding: utf-9"),
        ('station = "yard"', 'station = "yard"\nencoding = "utf-16"', "my: 'encoding' 'utf-16': a line feed must be"),
        ('station = "yard"', 'station = "yard"\nskip = -1', "my: 'skip' and 'skip_after' are a hundred lines at most"),
        ('station = "yard"', 'station = "yard"\nnames = ["a"]', "my: a file without a header is known by its name"),
        ('station = "yard"', 'station = "yard"\ndecimal = "x"', "my: 'decimal' cannot be 'x': one of"),
        ('station = "yard"', 'station = "yard"\nthousands = "."', "my: 'decimal' is '.' already"),
        ('station = "yard"', 'station = "yard"\ndecimal = ","', "my: 'decimal' is ',' already"),
        ('station = "yard"', 'station = "yard"\ncadence = "1w"', "my: 'cadence' cannot be '1w': write 30s, 10m, 1h"),
        ('station = "yard"', 'station = "yard"\ncadence = "0h"', "my: 'cadence' cannot be '0h'"),
        ('station = "yard"', 'station = "yard"\nmissing = [true]', "my: 'missing' must hold texts and numbers"),
        ('station = "yard"', 'station = "yard"\nignore = ["/(/"]', r"my: 'ignore': '/\(/': is no pattern"),
        ('station = "yard"', 'station = "yard"\nmark = "f"', "my: 'marks' is missing"),
        ('station = "yard"', 'station = "yard"\nmarks = { a = "SS" }', "my: marks: 'a' cannot be 'SS': a mark is one"),
        ('station = "yard"', 'station = "yard"\nmark_pattern = "("', "my: 'mark_pattern': is no pattern with a group"),
        ('station = "yard"', 'station = "yard"\nparameter = "x"', "my: 'parameter' .* and 'words' .* go together"),
        ('station = "yard"', 'station = "yard"\ntranslate.x = { a = "b" }', "my: translate: no hole <x> asks for it"),
        (
            'station = "yard"',
            'station = "yard"\nmissing_where = { column = "x" }',
            "my: 'missing_where': 'is' is missing",
        ),
        ("pm = {", "pm = 1 #", "my: columns: 'pm' must be a table"),
        (
            "pm = {",
            "PM = { channel = 'no', unit = 'µg/m³' }\npm = {",
            "my: columns: 'pm' is there twice: case does not",
        ),
        ('"pm25"', '"pm26"', "my: column 'pm': 'channel': there is no parameter 'pm26'"),
        ('"pm25"', '"<x>"', "my: column 'pm': 'channel': there is no parameter '<x>'"),
        ('"µg/m³"', '"furlong"', "my: column 'pm': 'unit': no conversion from furlong to µg/m³"),
        (
            '"µg/m³"',
            '"ppb"',
            r"my: column 'pm': 'unit': no conversion from ppb to µg/m³; a gas wants 'temperature' \[K\]",
        ),
        (', unit = "µg/m³"', "", "my: column 'pm': 'unit' is missing; pm25 is kept in µg/m³"),
        ('"µg/m³"', '"µg/m³", optional = 1', "my: column 'pm': 'optional' must be true or false"),
        ('"µg/m³"', '"µg/m³", values = { a = "b" }', "my: column 'pm': 'values' must be numbers"),
        ('"µg/m³"', '"µg/m³", after = "<hour>h"', "my: column 'pm': nothing is called <hour>"),
        ('"µg/m³"', '"µg/m³", colour = "red"', "my: column 'pm': unknown key 'colour'"),
        ('channel = "pm25", unit = "µg/m³"', "", "my: column 'pm': has no 'channel', and there are no 'words'"),
        ('channel = "pm25", ', "", "my: column 'pm': 'unit' without a 'channel'"),
        ("[time]", "[title]", "my: 'time' is missing"),
        ('zone = "UTC"', "", "my: time: 'zone' is missing"),
        ('zone = "UTC"', 'zone = "Mars/Olympus"', "my: time: 'zone' cannot be 'Mars/Olympus': write UTC, \\+08:00 or"),
        ('zone = "UTC"', 'zone = "UTC"\nlocal = "here"', "my: time: 'zone' cannot be 'here'"),
        ('zone = "UTC"', 'zone = "UTC"\ntwice = "both"', "my: time: 'twice' cannot be 'both': one of reject, order"),
        ('zone = "UTC"', 'zone = "UTC"\nadd = "h"\nadd_unit = "y"', "my: time: 'add_unit' cannot be 'y'"),
        ('zone = "UTC"', 'zone = "UTC"\nbefore = "an hour"', "my: time: 'before' cannot be 'an hour'"),
        ('"%Y-%m-%d"', '"%Y-%q"', "my: time: 'form' '%Y-%q': %q is none of %Y"),
        ('"%Y-%m-%d"', '"%H:%M"', "my: time: 'form' '%H:%M': says no day"),
        ('"%Y-%m-%d"', '["iso", "%Y-%m-%d"]', "my: time: 'form' 'iso' goes with no other"),
        ('form = "%Y-%m-%d"', 'form = "epoch"\nadd = "h"', "my: time: 'add' does not go with the form 'epoch'"),
        ('["time"]', "[]", "my: time: 'columns' and 'form' must not be empty"),
    ],
)
def test_a_mapping_that_makes_no_sense_is_refused_by_its_key(was: str, becomes: str, says: str) -> None:
    assert was in GOOD
    mapping(GOOD, "my")
    with pytest.raises(TableError, match=says):
        mapping(GOOD.replace(was, becomes, 1), "my")


def test_what_fills_a_hole_is_a_column_or_a_pattern_that_has_it() -> None:
    text = GOOD.replace("pm = {", "'/v(?P<box>[0-9]+)/' = { channel = 'no', unit = 'µg/m³' }\npm = {")
    mapping(text, "my")
    with pytest.raises(TableError, match="my: column 'pm': nothing is called <box>"):
        mapping(text.replace('"yard"', '"<box>"'), "my")
    with pytest.raises(TableError, match="my: nothing is called <box>: a title takes"):
        mapping(text.replace('"yard"', '"yard"\ntitle = "<box>"'), "my")
    with pytest.raises(TableError, match="my: nothing is called <town>: a title takes"):
        mapping(text.replace('"yard"', '"yard"\nmemberships = { city = "<town>" }'), "my")
    optional = GOOD.replace('"yard"', '"yard<no>"\nnamed = "^held(?P<no>_[0-9])?"')
    (batch,) = ingest.read_as(mapping(optional, "my"), held(b"time,pm\n2026-01-01,1\n"))
    assert batch.cells["station"].to_list() == ["yard"]


def test_a_word_of_a_row_says_what_it_is_and_no_more() -> None:
    text = GOOD.replace('pm = { channel = "pm25", unit = "µg/m³" }', "value = {}")
    text = text.replace('"yard"', '"yard"\nparameter = "item"') + "[words]\nPM = { channel = 'pm25', unit = 'µg/m³' }\n"
    mapping(text, "my")
    with pytest.raises(TableError, match="my: word 'PM': unknown key 'mark': that is said of a column"):
        mapping(text.replace("PM = {", "PM = { mark = 'f',"), "my")
    with pytest.raises(TableError, match="my: word 'PM': 'channel' is missing"):
        mapping(text.replace("channel = 'pm25', unit = 'µg/m³'", ""), "my")


def test_an_hour_column_wants_a_clock_without_summer_time() -> None:
    text = GOOD.replace("pm = {", "'/h(?P<hour>[0-9]+)/' = { after = '<hour>h', ")
    mapping(text, "my")
    with pytest.raises(TableError, match="'after' wants a zone that has no summer time"):
        mapping(text.replace('"UTC"', '"Europe/Madrid"'), "my")


# Those of the package.


@pytest.mark.parametrize("name", MAPPINGS)
def test_every_mapping_of_the_package_makes_sense_and_says_where_its_files_come_from(name: str) -> None:
    found = _mapping.load(name)
    assert (found.name, len(found.origin) > 20) == (name, True)
    assert name not in MODULES


def test_every_mapping_is_a_format_and_none_an_edition_of_the_store() -> None:
    assert set(MAPPINGS) == ingest.FORMATS.keys() - MODULES.keys()
    assert list(ingest.FORMATS) == sorted(ingest.FORMATS)
    assert not any(name.startswith("mappings") or name in MAPPINGS for name in tables.names())


def test_the_words_of_the_guide_are_those_that_are_read() -> None:
    folder = Path(tables.__file__).parent / "mappings"
    guide = (folder / "README.md").read_text(encoding="utf-8")
    words = {*_mapping.table.NEEDS, *_mapping.table.ALLOWS, *_mapping.table.QUANTITY}
    words |= {word for part in _mapping.table.TIME for word in part} | {"origin", "recognised", "optional"}
    assert {word for word in words if f"`{word}`" not in guide and f"[{word}]" not in guide} == set()
    example = guide.split("```toml\n")[1].split("```")[0]
    assert mapping(example, "example").forms[0].dialect.delimiter == ";"


def test_what_is_not_recognised_by_itself_is_read_when_it_is_named() -> None:
    text = GOOD.replace('origin = "test"', 'origin = "test"\nrecognised = false')
    assert not mapping(text, "my").recognised
    with pytest.raises(UnknownFormat, match="columns time, pm; formats are"):
        recognise(held(b"time,pm\n2026-01-01,1\n"))


# Gases.


@needs_shared
def test_factors_of_gases_are_those_of_the_table() -> None:
    with (SHARED / "standards" / "air_gas_conversion.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = {"NMHC as C": "nmhc", "NMHC as CH4": "ch4"}
    for row in rows:
        name = names.get(row["gas"], row["gas"].lower())
        for kelvin in (273.15, 298.15):
            found = factor(name, "ppb", "µg/m³", kelvin)
            assert found is not None
            assert round(found, 4) == pytest.approx(float(row[f"ug_m3_per_ppb_at_{kelvin}K"]), abs=1.1e-4)
        assert MOLAR[name] == float(row["molar_mass_g_mol"])
    assert factor("co", "ppm", "mg/m³", 298.15) == pytest.approx(1.1449, abs=1e-4)
    assert factor("pm25", "ppb", "µg/m³", 298.15) is None
