"""What a file of stations may not say: refused with its line and a reason, all of it at once."""

import pytest

from analytics.store import register
from analytics.store.errors import Nonsense
from tests.register.drafts import HEADER, adoption, problems, read, series, station


def memberships(since: str) -> str:
    return station("[[station.memberships]]", 'kind = "grid"', 'place = "G"', f"since = {since}")


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
