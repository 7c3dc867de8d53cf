"""`greenwatch register`: what a file says, what it may not say, what it writes, and what it leaves alone."""

import threading
import tomllib
from collections.abc import Iterable
from contextlib import closing
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics import parameters, standards
from analytics.store import connection, register
from analytics.store.connection import Connection
from analytics.store.errors import Nonsense
from analytics.store.register import Draft, Registry, Series, draft, headers, model, rows
from jobs import chain, console
from jobs import register as job
from tests import world

SAMPLES = Path(__file__).parent / "samples" / "register"
PARAMETERS = parameters.load()
STANDARDS = register.standards_in(standards.tables())
HEADER = "station,title,longitude,latitude,utc_offset,parameter,position,statistic,cadence,member:district"


def read(text: str | bytes, name: str = "site.toml") -> Draft:
    raw = text.encode() if isinstance(text, str) else text
    return register.read(raw, name, PARAMETERS, STANDARDS)


def problems(text: str | bytes, name: str = "site.toml", stored: Registry | None = None) -> list[str]:
    """The lines of the refusal, without the first, which counts them."""
    with pytest.raises(Nonsense) as refused:
        register.compare(stored or Registry(), read(text, name))
    return str(refused.value).splitlines()[1:]


def station(*lines: str, code: str = "A") -> str:
    """A station of TOML, its code on the second line, `lines` from the third."""
    return "\n".join(["[[station]]", f'code = "{code}"', *lines, ""])


def series(*lines: str) -> str:
    """A series of a station, its keys from the fourth line."""
    return station("[[station.series]]", *lines)


# What a file says


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


# What a file may not say

REFUSED = [
    ("unknown parameter", series('parameter = "pm2.55"'), 4, "'pm2.55' is unknown: did you mean 'pm25'?"),
    ("parameter like none", series('parameter = "qqqqqqqq"'), 4, "known are pm25, pm10"),
    ("no parameter", series('cadence = "1h"'), 3, "'parameter' is missing"),
    ("cadence without unit", series('parameter = "pm25"', 'cadence = "60"'), 5, "30s, 10m, 1h, 4h or 1d"),
    ("cadence as number", series('parameter = "pm25"', "cadence = 60"), 5, "30s, 10m, 1h, 4h or 1d"),
    ("cadence of nothing", series('parameter = "pm25"', 'cadence = "0s"'), 5, "30s, 10m"),
    ("cadence of years", series('parameter = "pm25"', 'cadence = "367d"'), 5, "30s, 10m"),
    ("cadence in other digits", series('parameter = "pm25"', 'cadence = "²h"'), 5, "30s, 10m"),
    ("position with a colon", series('parameter = "pm25"', 'position = "a:b"'), 5, "begins the statistic"),
    ("position as number", series('parameter = "pm25"', "position = -0.1"), 5, "must be text"),
    ("unknown key of a series", series('parameter = "pm25"', 'unit = "ppm"'), 5, "unknown key 'unit'"),
    ("longitude", station("longitude = 181", "latitude = 0"), 3, "outside -180 to 180"),
    ("latitude", station("longitude = 39.9", "latitude = 116.4"), 4, "outside -90 to 90; is it the longitude?"),
    ("latitude nan", station("longitude = 0", "latitude = nan"), 4, "write degrees"),
    ("latitude true", station("longitude = 0", "latitude = true"), 4, "write degrees"),
    ("half a point", station("longitude = 0"), 1, "longitude without latitude"),
    ("offset as words", station('utc_offset = "Beijing"'), 3, "write +08:00, or minutes"),
    ("offset without sign", station('utc_offset = "08:00"'), 3, "write +08:00, or minutes"),
    ("offset in hours", station("utc_offset = 8"), 3, "hours are written as +08:00"),
    ("offset too far", station('utc_offset = "+15:00"'), 3, "no clock on Earth"),
    ("offset of days", station('utc_offset = "+99:00"'), 3, "no clock on Earth"),
    ("unknown key of a station", station('tilte = "x"'), 3, "unknown key 'tilte': did you mean 'title'?"),
    ("title as number", station("title = 5"), 3, "must be text, not 5"),
    ("control character", station('title = "a\\u0000b"'), 3, "control character"),
    ("long code", station(code="A" * 201), 2, "longer than 200"),
    ("no code", '[[station]]\ntitle = "x"\n', 1, "'code' is missing"),
    ("empty code", station(code=" "), 2, "code is empty"),
    ("other facts", station('title = "x"') + station('title = "y"'), 6, "has title 'y' here and 'x' at line 3"),
    ("series twice", series('parameter = "o3"', "[[station.series]]", 'parameter = "ozone"'), 5, "stands at line 3"),
    ("membership kind", station("[station.membership]", 'District = "x"'), 4, "small letters"),
    ("membership left ever", station("[station.membership]", 'grid = ""'), 4, "until a day"),
    ("membership without place", station("[[station.memberships]]", 'kind = "grid"'), 3, "'place' is missing"),
    ("membership not a table", station('membership = "x"'), 3, "must be a table"),
    ("memberships as a table", station("[station.memberships]", 'kind = "x"'), 3, "write [[station.memberships]]"),
    ("station as a table", '[station]\ncode = "A"\n', 1, "write [[station]]"),
    ("series as words", station('series = ["pm25"]'), 3, "must be tables, not 'pm25'"),
    ("unknown table", '[[stations]]\ncode = "A"\n', 1, "unknown key 'stations': did you mean 'station'?"),
    ("priority as text", '[[source]]\nname = "a"\npriority = "5"\n', 3, "must be an integer, not '5'"),
    ("priority as a part", '[[source]]\nname = "a"\npriority = 1.5\n', 3, "must be an integer"),
    ("priority true", '[[source]]\nname = "a"\npriority = true\n', 3, "must be an integer"),
    ("priority too large", '[[source]]\nname = "a"\npriority = 3000000000\n', 3, "cannot be 3000000000"),
    ("source without name", "[[source]]\npriority = 1\n", 1, "'name' is missing"),
    ("source twice", '[[source]]\nname="a"\npriority=1\n[[source]]\nname="a"\npriority=2\n', 4, "else at line 1"),
    ("no text", "", 1, "the file is empty"),
    ("only comments", "# nothing\n", 1, "the file is empty"),
    ("no array end", '[[station]]\ncode = "A"\nx = [1\n', 3, "TOML: "),
    ("no string end", '[[station]]\ncode = "A\n', 2, "TOML: Illegal character"),
    ("key twice", '[[station]]\ncode = "A"\ncode = "B"\n', 3, "TOML: Cannot overwrite a value"),
    ("deep brackets", "a = " + "[" * 20_000, 1, "TOML: "),
    ("long integer", "a = " + "9" * 5_000, 1, "TOML: "),
    ("long hexadecimal", "[[source]]\nname='a'\npriority = 0x" + "f" * 5_000, 3, "a huge number"),
]


def adoption(*lines: str) -> str:
    return "\n".join(["[[adoption]]", *lines, ""])


def memberships(since: str) -> str:
    return station("[[station.memberships]]", 'kind = "grid"', 'place = "G"', f"since = {since}")


REFUSED += [
    ("since as words", memberships('"May"'), 6, "is not a date: 'May'; write 2024-01-31"),
    ("since a day that is not", memberships('"2023-02-29"'), 6, "no such day"),
    ("since a week", memberships('"2023-W01-1"'), 6, "is not a date"),
    ("since a time", memberships("2024-01-01T00:00:00Z"), 6, "is not a date"),
    ("since a number", memberships("2024"), 6, "is not a date: 2024"),
    ("standard", adoption('standard = "GB3095-2012"', "valid_from = 2026-01-01"), 2, "did you mean 'GB 3095-2012'?"),
    ("no valid_from", adoption('standard = "GB 3095-2012"'), 1, "'valid_from' is missing"),
    (
        "place of an adoption",
        adoption('standard = "GB 3095-2012"', 'place = "Beijing"', "valid_from = 2026-01-01"),
        3,
        "write kind:name",
    ),
    (
        "ends before it starts",
        adoption('standard = "GB 3095-2012"', "valid_from = 2026-01-02", "valid_to = 2026-01-01"),
        4,
        "valid_to 2026-01-01 lies before valid_from 2026-01-02",
    ),
    ("authority of nothing", '[[authority]]\nstation = "Z"\nparameter = "pm25"\n', 1, "names station 'Z', neither"),
    (
        "authority of no series",
        series('parameter = "pm25"') + '[[authority]]\nstation = "A"\nparameter = "pm25"\ncadence = "1m"\n',
        5,
        "names A pm25 1m, neither registered nor in this file: there are A pm25 1h",
    ),
    (
        "fallback of no series",
        series('parameter = "pm25"')
        + '[[authority]]\nstation = "A"\nparameter = "pm25"\nfallback = { position = "roof" }\n',
        5,
        "falls back to A pm25@roof 1h",
    ),
    (
        "fallback to itself",
        series('parameter = "pm25"') + '[[authority]]\nstation = "A"\nparameter = "pm25"\nfallback = {}\n',
        8,
        "is that series itself",
    ),
    ("fallback as text", '[[authority]]\nstation = "A"\nparameter = "pm25"\nfallback = "1m"\n', 4, "must be a table"),
]


@pytest.mark.parametrize(("text", "line", "reason"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_nonsense_of_toml_is_refused_with_line_and_reason(text: str, line: int, reason: str) -> None:
    (found,) = problems(text)
    assert found.startswith(f"site.toml:{line}: ")
    assert reason in found


REFUSED_CSV = [
    ("no station column", "code,parameter\nA,pm25\n", ["1: unknown column 'code'", "1: there is no column 'station'"]),
    ("unknown column", "station,paramter\nA,pm25\n", ["1: unknown column 'paramter': did you mean 'parameter'?"]),
    ("column twice", "station,station\nA,A\n", ["1: column 'station' is there twice"]),
    ("kind", "station,member:Grid No\nA,x\n", ["1: column 'member:grid no': the kind cannot be"]),
    ("short row", f"{HEADER}\nA,pm25\n", ["2: the row has 2 cells, the header 10"]),
    ("no code", "station,parameter\n,pm25\n", ["2: the row names no station"]),
    ("series twice", "station,parameter\nA,pm25\nA,PM2.5\n", ["3: series A pm25 1h stands at line 2"]),
    ("no parameter", "station,parameter,cadence\nA,,1h\n", ["2: cadence without a parameter"]),
    ("other place", "station,member:grid\nA,x\nA,y\n", ["3: membership A grid says something else at line 2"]),
    ("other title", "station,title\nA,x\nA,\nA,y\n", ["4: station 'A' has title 'y' here and 'x' at line 2"]),
    ("number", "station,longitude,latitude\nA,1_0,0\n", ["2: longitude cannot be '1_0'"]),
    ("half a point", "station,longitude,latitude\nA,10,\n", ["2: longitude without latitude"]),
    ("open quote", 'station,title\nA,x\nB,"y\nC,z\n', ["3: CSV: unexpected end of data"]),
    ("text behind a quote", 'station,title\nA,"x"y\n', ["2: CSV: ',' expected after '\"'"]),
    ("huge cell", f"station,title\nA,{'x' * 200_000}\n", ["2: CSV: field larger"]),
    ("behind a cell of two lines", 'station,title\nA,"x\ny"\nB,b,c\n', ["2: title cannot be", "4: the row has 3"]),
    ("semicolons", "station;parameter\nA;pm25\n", ["1: unknown column", "1: there is no column 'station'"]),
    ("only a header", f"{HEADER}\n", ["1: the file is empty: it needs a row"]),
    ("nothing", "", ["1: the file is empty"]),
]


@pytest.mark.parametrize(("text", "wanted"), [case[1:] for case in REFUSED_CSV], ids=[case[0] for case in REFUSED_CSV])
def test_nonsense_of_csv_is_refused_with_line_and_reason(text: str, wanted: list[str]) -> None:
    found = problems(text, "site.csv")
    assert len(found) == len(wanted)
    for problem, beginning in zip(found, wanted, strict=True):
        assert problem.startswith(f"site.csv:{beginning}")


UNREADABLE = [
    ("bad byte", "a.toml", b"# x\n# \xff\n", "a.toml:2: byte 0xff is not UTF-8"),
    ("GB18030", "a.toml", '# 站点\n[[station]]\ncode = "A"\n'.encode("gb18030"), "a.toml:1: byte"),
    ("damaged UTF-8", "a.csv", "station,title_zh\nA,古塔北站一号".encode()[:-1] + b"\n", "a.csv:2: byte"),
    ("UTF-16", "a.csv", "station\nA\n".encode("utf-16"), "a.csv:1: the text is neither UTF-8 nor GB18030"),
    ("UTF-16 without its mark", "a.csv", "station\nA\n".encode("utf-16-le"), "a.csv:1: a NUL is no text"),
    ("other suffix", "a.json", b"{}", "a.json is neither .toml nor .csv"),
    ("too large", "a.csv", b"x" * (register.LIMIT + 1), "a.csv is larger than 64 MiB"),
]


@pytest.mark.parametrize(("name", "raw", "reason"), [c[1:] for c in UNREADABLE], ids=[c[0] for c in UNREADABLE])
def test_a_file_that_is_no_text_is_refused(name: str, raw: bytes, reason: str) -> None:
    with pytest.raises(Nonsense) as refused:
        read(raw, name)
    assert reason in str(refused.value)


def test_all_problems_come_at_once_and_in_order() -> None:
    text = series('parameter = "x"', 'cadence = "x"', 'unit = "x"') + '[[authority]]\nstation = "B"\nparameter = "o3"\n'
    assert [line.split(":")[1] for line in problems(text)] == ["4", "5", "6", "7"]


def test_fifty_problems_are_enough() -> None:
    found = problems("station,cadence\n" + "A,1h\n" * 60, "site.csv")
    assert len(found) == 51
    assert found[-1] == "and 10 more"


def test_an_authority_is_not_refused_for_a_series_that_was() -> None:
    text = series('parameter = "pm25"', 'cadence = "x"') + '[[authority]]\nstation = "A"\nparameter = "pm25"\n'
    assert len(problems(text)) == 1


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


# What it writes


def put(conn: Connection, text: str, name: str = "site.toml") -> register.Plan:
    return job.write(conn, read(text, name))[0]


def signs(plan: register.Plan) -> list[str]:
    return [f"{'+' if change.new else '~'} {change.noun} {change.subject}" for change in plan.changes]


def facts(conn: Connection, query: str) -> list[tuple[object, ...]]:
    return conn.execute(query).fetchall()


@pytest.mark.parametrize("name", ["district.toml", "district.csv"])
def test_the_database_holds_what_the_file_says_and_the_second_time_changes_nothing(conn: Connection, name: str) -> None:
    text = (SAMPLES / name).read_text(encoding="utf-8")
    first = put(conn, text, name)
    assert all(change.new for change in first.changes)
    assert len(first.changes) == sum(first.named.values())
    stored = register.load(conn)
    said = read(text, name).rows
    assert stored.series == said.series
    assert stored.memberships == said.memberships
    assert stored.authorities == said.authorities
    assert {name: stored.sources[name] for name in said.sources} == said.sources
    before = snapshot(conn)
    assert put(conn, text, name).changes == []
    assert snapshot(conn) == before


def snapshot(conn: Connection) -> list[tuple[object, ...]]:
    """Every row with its physical place: a row that was written again has another one."""
    tables = ("station", "membership", "source", "series", "authority", "adoption", "latest", "stale")
    return [row for table in tables for row in facts(conn, f"SELECT '{table}', ctid, xmin, t::text FROM {table} t")]


def test_every_new_series_has_its_row_where_savers_queue(conn: Connection) -> None:
    put(conn, (SAMPLES / "district.toml").read_text(encoding="utf-8"))
    assert facts(conn, "SELECT id FROM series EXCEPT SELECT series FROM latest") == []


def test_only_what_the_file_names_changes(conn: Connection) -> None:
    put(conn, station('title = "old"', "longitude = 1", "latitude = 2", 'utc_offset = "+08:00"'))
    plan = put(conn, station('title = "new [x]"'))
    assert plan.changes == [register.Change("station", "A", False, (("title", '"old"', '"new [x]"'),))]
    assert facts(conn, "SELECT title, longitude, latitude, utc_offset FROM station") == [("new [x]", 1.0, 2.0, 480)]


def test_a_membership_ends_by_the_next_one_or_by_leaving(conn: Connection) -> None:
    put(conn, station("[station.membership]", 'grid = "G1"'))
    later = station("[[station.memberships]]", 'kind = "grid"', 'place = "G2"', "since = 2024-01-01")
    left = station("[[station.memberships]]", 'kind = "grid"', 'place = ""', "since = 2025-01-01")
    assert signs(put(conn, later)) == ["+ membership A grid since 2024-01-01"]
    assert signs(put(conn, left)) == ["+ membership A grid since 2025-01-01"]
    assert facts(conn, "SELECT since::text, place FROM membership ORDER BY since") == [
        ("-infinity", "G1"),
        ("2024-01-01", "G2"),
        ("2025-01-01", None),
    ]


def test_another_cadence_is_another_series(conn: Connection) -> None:
    put(conn, series('parameter = "pm25"'))
    (change,) = put(conn, series('parameter = "pm25"', 'cadence = "10m"')).changes
    assert change.remark == "another series beside the one of 1h"
    assert facts(conn, "SELECT cadence FROM series ORDER BY 1") == [(600,), (3600,)]


def test_an_authority_and_an_adoption_change_in_place(conn: Connection) -> None:
    both = series('parameter = "pm25"', "[[station.series]]", 'parameter = "pm25"', 'cadence = "1m"')
    authority = '[[authority]]\nstation = "A"\nparameter = "pm25"\n'
    adopted = adoption('standard = "GB 3095-2026"', "valid_from = 2026-01-01")
    put(conn, both + authority + 'fallback = { cadence = "1m" }\n' + adopted, "folder/site.toml")
    plan = put(conn, authority + 'cadence = "1m"\n' + adopted + "valid_to = 2026-05-31\n")
    assert [change.fields for change in plan.changes] == [
        (("series", "pm25 1h", "pm25 1m"), ("fallback", "pm25 1m", "none")),
        (("valid_to", "open", "2026-05-31"),),
    ]
    assert facts(conn, "SELECT source FROM adoption") == [("site.toml",)]


def test_nothing_is_written_where_one_line_is_nonsense(conn: Connection) -> None:
    before = snapshot(conn)
    with pytest.raises(Nonsense):
        put(conn, series('parameter = "pm25"') + '[[authority]]\nstation = "B"\nparameter = "pm25"\n')
    assert snapshot(conn) == before


def test_two_registers_at_once_end_as_one(dsn: str) -> None:
    lines = [f"S{n:03},{p},1m,Chaoyang" for n in range(60) for p in ("pm25", "o3", "co")]
    text = "\n".join(["station,parameter,cadence,member:district", *lines])
    other = "\n".join(["station,parameter,cadence,member:district", *reversed(lines)])
    failed: list[BaseException] = []

    def work(content: str) -> None:
        try:
            with closing(connection.connect(dsn)) as mine:
                put(mine, content, "site.csv")
        except BaseException as problem:
            failed.append(problem)

    threads = [threading.Thread(target=work, args=[content]) for content in (text, other, text, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    with closing(connection.connect(dsn)) as conn:
        assert facts(conn, "SELECT count(*) FROM station") == [(60,)]
        assert facts(conn, "SELECT count(*) FROM series JOIN latest ON id = latest.series") == [(180,)]


# What it touches


def stale(conn: Connection) -> set[tuple[object, ...]]:
    return set(facts(conn, "SELECT DISTINCT stage::int, subject FROM stale"))


@pytest.fixture
def measured(conn: Connection) -> tuple[Connection, list[int]]:
    """Three series of A, the first two of which speak for PM2.5, and one of B; two days of hours, settled."""
    put(conn, series('parameter = "pm25"', "[[station.series]]", 'parameter = "pm25"', 'position = "roof"'))
    put(
        conn,
        series('parameter = "pm25"', 'position = "yard"') + station("[[station.series]]", 'parameter = "o3"', code="B"),
    )
    ids = [int(str(row[0])) for row in facts(conn, "SELECT id FROM series ORDER BY id")]
    world.send(conn, [(number, hour, 50.0 + number, 0, None) for number in ids for hour in range(48)])
    world.settle(conn)
    assert stale(conn) == set()
    return conn, ids


def station_ids(conn: Connection) -> dict[str, int]:
    return dict(facts(conn, "SELECT code, id FROM station"))  # type: ignore[arg-type]


def of_stations(conn: Connection, *codes: str) -> set[tuple[object, ...]]:
    """Marks of what is made of a station's averages."""
    ids = station_ids(conn)
    return {(chain.STAGES[stage][0].code, ids[code]) for stage in ("assess", "detect") for code in codes}


def test_another_voice_is_assessed_again_and_nothing_else(measured: tuple[Connection, list[int]]) -> None:
    conn, _ = measured
    put(conn, '[[authority]]\nstation = "A"\nparameter = "pm25"\nposition = "yard"\n')
    assert stale(conn) == of_stations(conn, "A")


def test_a_series_that_takes_the_place_of_another_is_assessed_again(measured: tuple[Connection, list[int]]) -> None:
    conn, _ = measured
    put(conn, series('parameter = "pm25"', 'position = "zenith"'))
    assert stale(conn) == set()  # behind those that speak
    put(conn, series('parameter = "pm25"', 'position = "cellar"'))  # the stand-in of old is the third now
    assert stale(conn) >= of_stations(conn, "A")


def test_another_offset_begins_other_days(measured: tuple[Connection, list[int]]) -> None:
    conn, ids = measured
    days = """
        SELECT DISTINCT extract(hour FROM a.time)::int
        FROM average a JOIN term t ON t.id = a.averaging AND t.name = 'day'
        """
    assert facts(conn, days) == [(16,)]
    put(conn, station("utc_offset = 0"))
    average = chain.STAGES["average"][0].code
    assert stale(conn) == {*((average, number) for number in ids[:3]), *of_stations(conn, "A")}
    chain.settle(conn, console.now)
    assert facts(conn, days) == [(0,)]


def test_a_place_or_a_standard_touches_its_stations(measured: tuple[Connection, list[int]]) -> None:
    conn, _ = measured
    put(conn, station("[station.membership]", 'city = "X"', code="B"))
    assert stale(conn) == of_stations(conn, "B")
    conn.execute("TRUNCATE stale")
    put(conn, adoption('standard = "GB 3095-2026"', 'place = "city:X"', "valid_from = 2020-01-01"))
    assert stale(conn) == of_stations(conn, "B")
    conn.execute("TRUNCATE stale")
    put(conn, adoption('standard = "GB 3095-2026"', "valid_from = 2020-01-01"))
    assert stale(conn) == of_stations(conn, "A", "B")


def test_the_windows_hold_all_readings_and_what_stands_on_them(measured: tuple[Connection, list[int]]) -> None:
    conn, _ = measured
    found = rows._stretches(conn, "station", [station_ids(conn)["B"]])
    first, last = found["start"].item(), found["stop"].item()
    assert isinstance(found, pl.DataFrame)
    assert facts(conn, "SELECT count(*) FROM assessment") != [(0,)]
    (extent,) = facts(conn, "SELECT min(time), max(time) FROM average")
    assert first <= extent[0]
    assert last > extent[1]


# The command


def run(file: Path, dsn: str, *, plan: bool = False) -> None:
    job.main(file, plan=plan, dsn=dsn)


def test_a_plan_writes_nothing_and_shows_the_difference(
    conn: Connection, dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = SAMPLES / "district.toml"
    before = snapshot(conn)
    run(file, dsn, plan=True)
    shown = capsys.readouterr().out
    assert snapshot(conn) == before
    assert '+ station    GW01  utc_offset +08:00, title "Pagoda [north]", title_zh "古塔北", longitude 116.407' in shown
    assert "+ series     GW01 air_temperature@2 m 1h" in shown
    run(file, dsn)
    assert capsys.readouterr().out.startswith(shown)
    run(file, dsn)
    assert "nothing to do: all 14 rows" in capsys.readouterr().out
    changed = tmp_path / "changed.toml"
    changed.write_text('[[source]]\nname = "field"\npriority = 11\n', encoding="utf-8")
    run(changed, dsn, plan=True)
    assert "~ source     field  priority 10 -> 11" in capsys.readouterr().out


def test_readings_that_waited_come_in(conn: Connection, dsn: str, tmp_path: Path) -> None:
    from jobs import ingest

    data = tmp_path / "late.csv"
    data.write_text("station,parameter,time,value\nA,pm25,2026-05-01T00:00:00Z,12\n", encoding="utf-8")
    ingest.main([data], dsn=dsn)
    assert facts(conn, "SELECT count(*) FROM observation") == [(0,)]
    file = tmp_path / "site.csv"
    file.write_text("station,parameter\nA,PM2.5\n", encoding="utf-8")
    run(file, dsn)
    assert facts(conn, "SELECT value FROM observation") == [(12.0,)]
    assert facts(conn, "SELECT count(*) FROM reject") == [(0,)]


def test_a_file_that_is_not_there_is_said_in_one_line(dsn: str, tmp_path: Path) -> None:
    for missing in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(console.NotAsAsked, match="cannot be read"):
            run(missing, dsn)


def _district(stations: int) -> Iterable[str]:
    yield HEADER
    names = ("pm25", "pm10", "so2", "no2", "co", "o3", "laeq", "air_temperature")
    for number in range(stations):
        for place, name in enumerate(names):
            first = f"T{number},116.{number:04},39.9,+08:00" if not place else ",,,"
            yield f"S{number:05},{first},{name},,,1m,{'D' if not place else ''}"


def test_a_district_is_registered_by_a_statement_a_table(conn: Connection) -> None:
    text = "\n".join(_district(1500))
    assert len(put(conn, text, "site.csv").changes) == 1500 + 1500 + 12_000
    assert put(conn, text, "site.csv").changes == []
