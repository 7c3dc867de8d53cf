"""What a file of stations says, in TOML and in CSV."""

import tomllib
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.store import register
from analytics.store.register import Registry, Series, draft, headers, model
from tests.register.drafts import SAMPLES, read, series, station


def test_a_toml_file_says_what_stands_in_it() -> None:
    said = read((SAMPLES / "district.toml").read_bytes(), "district.toml")
    said.check()
    found = said.rows
    assert found.sources == {"field": 10, "laboratory": 20}
    assert found.stations == {
        "GW01": {
            "title": "Pagoda [north]",
            "title_zh": "古塔北",
            "longitude": 116.407,
            "latitude": 39.904,
            "utc_offset": 480,
        },
        "GW02": {"utc_offset": 480},
    }
    assert {(*key, place) for key, place in found.memberships.items()} == {
        ("GW01", "district", None, "Chaoyang"),
        ("GW01", "city", None, "Beijing"),
        ("GW01", "grid", date(2024, 1, 1), "G-17"),
        ("GW01", "grid", date(2025, 7, 1), None),
    }
    minute, hour = Series("GW01", "pm25", "", "", 60), Series("GW01", "pm25", "", "", 3600)
    air = Series("GW01", "air_temperature", "2 m", "", 3600)
    assert list(found.series) == [minute, hour, air, Series("GW02", "laeq", "", "", 60)]
    assert found.authorities == {model.Spoken("GW01", "pm25"): model.Voice(hour, minute)}
    adopted = model.Adopted("GB 3095-2026", "city:Beijing", date(2026, 1, 1))
    assert found.adoptions == {adopted: model.Term(date(2026, 2, 28), "")}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_a_csv_file_says_the_same_in_every_encoding(encoding: str) -> None:
    text = (SAMPLES / "district.csv").read_text(encoding="utf-8")
    said = read(text.encode(encoding), "district.csv")
    said.check()
    toml = read((SAMPLES / "district.toml").read_bytes()).rows
    assert said.rows.series == toml.series
    assert said.rows.stations["GW01"] == toml.stations["GW01"]
    assert said.rows.stations["GW03"] == {
        "title": "Weir, lower",
        "title_zh": "下坝",
        "longitude": 116.5,
        "latitude": 39.8,
    }
    assert said.rows.memberships[model.Membership("GW03", "district", None)] == "Chaoyang"


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("30s", 30), ("10m", 600), ("1h", 3600), ("4h", 14_400), ("1d", 86_400), ("366d", 31_622_400)],
)
def test_a_cadence_is_read_and_shown_alike(written: str, seconds: int) -> None:
    (only,) = read(series('parameter = "pm25"', f'cadence = "{written}"')).rows.series
    assert only.cadence == seconds
    assert model.step(seconds) == written


@pytest.mark.parametrize(
    ("written", "minutes"),
    [('"+08:00"', 480), ("480", 480), ('"-03:30"', -210), ('"0"', 0), ('"+14:00"', 840), ("-720", -720)],
)
def test_an_offset_is_a_time_or_minutes(written: str, minutes: int) -> None:
    assert read(station(f"utc_offset = {written}")).rows.stations == {"A": {"utc_offset": minutes}}


def test_a_date_is_a_date_of_toml_or_its_text() -> None:
    for written in ("2024-01-31", '"2024-01-31"'):
        text = station("[[station.memberships]]", 'kind = "grid"', 'place = "G"', f"since = {written}")
        assert [key.since for key in read(text).rows.memberships] == [date(2024, 1, 31)]


def test_facts_of_a_station_may_come_in_parts() -> None:
    said = read(station('title = "X"') + station("utc_offset = 480") + station('title = "X"'))
    said.check()
    assert said.rows.stations == {"A": {"title": "X", "utc_offset": 480}}


def test_facts_of_the_model_and_of_the_file_agree() -> None:
    assert ("code", *model.FACTS) == tuple(draft.STATION)


def test_a_registered_series_may_have_an_authority_in_a_file_of_its_own() -> None:
    stored = Registry(stations={"A": {}}, series={Series("A", "pm25", "", "", 3600): None})
    plan = register.compare(stored, read('[[authority]]\nstation = "A"\nparameter = "PM2.5"\n'))
    assert [change.noun for change in plan.changes] == ["authority"]


# Where it stands


TRICKY = '''\
# [[station]] in a comment
a = "[[station]] # \\" [x]"
b = \'[[station]]\'
c = """
[[station]] in a text of many lines \\"""
[[station]] quotes at its end"""""
d = \'\'\'
[[station]]\'\'\'\'
e = [ "]", [1, 2], # ]
  { f = "}" },
]
[["station"]]   # line 12
code = "A"
[[ station . series ]]
"parameter" = "pm25"
[station.membership]
grid."x.y" = 1
[[station]]
[[station.series]]
[[station.series]]
cadence.z = """
"""
position = ""
["a]b".'c.d']
x = 1
'''


def test_a_line_is_found_among_brackets_that_mean_nothing() -> None:
    tomllib.loads(TRICKY.replace("a = ", "aa = "))
    found = headers.scan(TRICKY)
    lines = {
        ("a",): 2,
        ("c",): 4,
        ("d",): 7,
        ("e",): 9,
        ("station", 0): 12,
        ("station", 0, "code"): 13,
        ("station", 0, "series", 0): 14,
        ("station", 0, "series", 0, "parameter"): 15,
        ("station", 0, "membership"): 16,
        ("station", 0, "membership", "grid", "x.y"): 17,
        ("station", 1): 18,
        ("station", 1, "series", 0): 19,
        ("station", 1, "series", 1): 20,
        ("station", 1, "series", 1, "cadence", "z"): 21,
        ("station", 1, "series", 1, "position"): 23,
        ("a]b", "c.d"): 24,
        ("a]b", "c.d", "x"): 25,
    }
    assert {path: found.line(path) for path in lines} == lines
    assert found.line(("station", 0, "series", 0, "cadence")) == 14


LINES = st.sampled_from(
    [
        "# [[t]]",
        'k = "[[t]]"',
        "k = '''\n[[t]]\n'''",
        'k = """\n[[t]]\\"""\n"""',
        "k = [\n[1],\n]",
        "",
        "k = { a = '}' }",
    ]
)


@given(st.lists(st.lists(LINES, max_size=4), min_size=1, max_size=6), st.sampled_from(["\n", "\r\n"]))
def test_the_nth_header_stands_where_it_was_written(bodies: list[list[str]], end: str) -> None:
    text, starts = "", []
    for body in bodies:
        starts.append(text.count("\n") + 1)
        text += "[[t]]\n" + "".join(f"{line.replace('k =', f'k{n} =')}\n" for n, line in enumerate(body))
    assert len(tomllib.loads(text)["t"]) == len(bodies)
    found = headers.scan(text.replace("\n", end))
    assert [found.line(("t", number)) for number in range(len(bodies))] == starts
