"""Files by a mapping: every cell a value, missing or a reject, whatever the file is written like."""

import csv
import io
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from analytics import ingest
from analytics.frames import Batch
from analytics.ingest import Mapped, Source, UnreadableSource, mapping, read_as
from tests.ingest.reading import Write, held, parquet, same, together

HEAD = 'origin = "test"\nstation = "yard"\n'
TIME = '[time]\ncolumns = ["time"]\nform = "%Y-%m-%d %H:%M"\nzone = "+08:00"\n'
PM25 = '[columns]\npm = { channel = "pm25", unit = "µg/m³" }\n'


def by(text: str, source: Source) -> Batch:
    return together(list(read_as(mapping(text, "test"), source)))


def values(batch: Batch) -> list[float]:
    return batch.cells.sort("time")["value"].to_list()


def times(batch: Batch) -> list[str]:
    return [f"{time:%m-%dT%H:%M}" for time in batch.cells["time"].sort()]


def test_a_row_of_a_table_is_cells_in_our_units_at_our_times() -> None:
    text = HEAD + 'cadence = "1h"\nmissing = [-999, "off"]\nignore = ["note"]\n' + TIME + PM25
    text += 't = { channel = "air_temperature", unit = "°F" }\n'
    content = b"note,PM ,time,t\nx,12.5,2026-01-01 08:00,212\ny,-999.0,2026-01-01 09:00,OFF\nz,0,2026-01-01 10:00,\n"
    batch = by(text, held(content))
    assert batch.cells.sort("time", "channel").select("station", "channel", "value").rows() == [
        ("yard", "air_temperature", 100.0),
        ("yard", "pm25", 12.5),
        ("yard", "pm25", 0.0),
    ]
    assert times(batch) == ["01-01T00:00", "01-01T00:00", "01-01T02:00"]
    assert (batch.missing, batch.rejects.height) == (3, 0)
    assert batch.stations == {"yard": {"utc_offset": 480, "cadence": 3600}}


# How it is written.


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_chinese_headers_and_words_are_read_in_any_encoding(encoding: str) -> None:
    text = 'origin = "test"\nstation = "<站点>"\nmissing = ["缺测"]\n' + TIME
    text += '[columns]\n"细颗粒物(µg/m³)" = { channel = "pm25", unit = "µg/m³" }\n'
    content = "站点,time,细颗粒物(µg/m³)\n东四,2026-01-01 08:00,35\n农展馆,2026-01-01 08:00,缺测\n".encode(encoding)
    batch = by(text, held(content))
    assert batch.cells.select("station", "value").rows() == [("东四", 35.0)]
    assert batch.missing == 1


def test_an_encoding_that_is_said_is_used() -> None:
    text = HEAD + 'encoding = "latin-1"\n' + TIME + '[columns]\n"días µg" = { channel = "pm25", unit = "µg/m³" }\n'
    assert values(by(text, held("time,días µg\n2026-01-01 00:00,7\n".encode("latin-1")))) == [7.0]


@pytest.mark.parametrize(
    ("decimal", "thousands", "cells", "good"),
    [
        (",", "", ["1,5", "-0,25", "3", "1.5", "1,2,3", "1e3", ",5"], [1.5, -0.25, 3.0, 1000.0, 0.5]),
        (".,", "", ["68,2", "063.3", "1.234,5"], [68.2, 63.3]),
        (".", ",", ["1,269.4", "12,345", "1,2", "12,34", "1269.4"], [1269.4, 12345.0, 1269.4]),
        (",", ".", ["1.269,4", "1.2", "5"], [1269.4, 5.0]),
    ],
)
def test_numbers_are_written_as_the_mapping_says_and_no_other_way(
    decimal: str, thousands: str, cells: list[str], good: list[float]
) -> None:
    text = HEAD + f'delimiter = ";"\ndecimal = "{decimal}"\nthousands = "{thousands}"\n' + TIME + PM25
    rows = [f"2026-01-01 {hour:02}:00;{cell}\n" for hour, cell in enumerate(cells)]
    batch = by(text, held(("time;pm\n" + "".join(rows)).encode()))
    assert values(batch) == good
    assert batch.rejects["reason"].to_list() == ["not a number"] * (len(cells) - len(good))


def test_blanks_tabs_and_quotes_keep_cells_apart() -> None:
    for delimiter, content in {
        "blanks": "time  clock \t pm\n2026-01-01   00:00  1\n  2026-01-01 01:00 \t 2  \n",
        r"\t": 'time\tclock\tpm\n2026-01-01\t00:00\t1\n"2026-01-01"\t"01:00"\t2\n',
        "|": 'time|clock|pm\n2026-01-01|00:00|"1"\n2026-01-01|01:00|2\n',
    }.items():
        text = HEAD + f'delimiter = "{delimiter}"\n' + TIME.replace('["time"]', '["time", "clock"]') + PM25
        batch = by(text, held(content.encode()))
        assert (values(batch), batch.rejects.height) == ([1.0, 2.0], 0)
    text = HEAD + 'delimiter = ";"\nignore = ["note"]\n' + TIME + PM25
    batch = by(text, held(b'time;note;pm\n2026-01-01 00:00;"a;b, ""c""";1\n2026-01-01 00:00;a;b;1\n'))
    assert (values(batch), batch.rejects["reason"].to_list()) == ([1.0], ["broken line"])


def test_lines_around_the_header_are_passed_over_and_places_are_those_of_the_file() -> None:
    text = HEAD + "skip = 1\nskip_after = 2\n" + TIME + PM25
    content = b"TOA5,some logger\n\ntime,pm\nTS,ug\n,Avg\n2026-01-01 00:00,1\n2026-01-01 01:00,x\n"
    batch = by(text, held(content))
    assert (values(batch), batch.rejects["place"].to_list()) == ([1.0], ["line 7"])
    text = HEAD + "names = ['time', 'pm']\nnamed = 'held'\nskip = 1\n" + TIME + PM25
    assert values(by(text, held(b"a line\n2026-01-01 00:00,1\n2026-01-01 01:00,2\n"))) == [1.0, 2.0]


def test_a_file_that_was_cut_off_gives_what_is_whole() -> None:
    whole = b"time,pm,note\n2026-01-01 00:00,1,a\n2026-01-01 01:00,2,b\n"
    text = HEAD + "ignore = ['note']\n" + TIME + PM25
    batch = by(text, held(whole[:-8]))
    assert values(batch) == [1.0]
    assert batch.rejects.select("reason", "text", "place").rows() == [("broken line", "2026-01-01 01", "line 3")]


# What stands where.


def test_the_station_comes_from_the_name_a_column_or_the_header() -> None:
    named = "origin = 'test'\nnamed = '^yard_(?P<site>[a-z]+)_'\nstation = '<site>'\n" + TIME + PM25
    content = b"time,pm\n2026-01-01 00:00,1\n"
    assert by(named, held(content, path=Path("yard_east_2026.csv"))).cells["station"].to_list() == ["east"]
    with pytest.raises(UnreadableSource, match="its name does not match"):
        by(named, held(content, path=Path("east.csv")))
    text = "origin = 'test'\nstation = '<city>-<no>'\ntitle = '<name>'\n" + TIME + PM25
    content = b"time,pm,city,no,name\n2026-01-01 00:00,1,Jinan,7,East gate\n2026-01-01 00:00,1,Jinan,,\n"
    batch = by(text, held(content))
    assert batch.stations == {"Jinan-7": {"utc_offset": 480, "title": "East gate"}}
    assert batch.rejects["reason"].to_list() == ["no station"]
    text = "origin = 'test'\nstation = 'box-<box>'\n" + TIME
    text += "[columns]\n'/v(?P<box>[0-9]+)/' = { channel = 'pm25@<box>', unit = 'mg/m³' }\n"
    batch = by(text, held(b"time,V1,V22\n2026-01-01 00:00,1,2\n"))
    assert batch.cells.select("station", "channel", "value").sort("station").rows() == [
        ("box-1", "pm25@1", 1000.0),
        ("box-22", "pm25@22", 2000.0),
    ]


WORDS = (
    HEAD
    + TIME.replace('"%Y-%m-%d %H:%M"', '"%Y/%m/%d"')
    + """
[columns]
'/h(?P<hour>[0-9]+)/' = { after = "<hour>h" }
[words]
"rain mm" = { channel = "rain", unit = "mm", values = { NR = 0 }, missing = [-1] }
"O3 ppb" = { channel = "o3", unit = "ppb" }
"wind code" = { ignore = true }
"""
).replace("[time]", 'parameter = ["item", "unit"]\ntemperature = 298.15\n[time]')


def test_a_row_says_what_it_is_of_and_its_columns_at_which_hour() -> None:
    content = "time,item,unit,h0,h13\n2026/1/1,RAIN,mm,NR,-1\n2026/1/1,o3,ppb,50,-1\n2026/1/1,wind,code,1,2\n"
    content += "2026/1/1,noise,dB,50,\n"
    batch = by(WORDS, held(content.encode()))
    # 50 ppb of ozone at 25 °C: 48.00 g/mol over 24.465 L/mol.
    assert [(c, round(v, 2)) for c, v in batch.cells.sort("channel", "time").select("channel", "value").rows()] == [
        ("o3", 98.1),
        ("o3", -1.96),
        ("rain", 0.0),
    ]
    assert times(batch) == ["12-31T16:00", "12-31T16:00", "01-01T05:00"]
    assert batch.missing == 2
    assert batch.rejects.select("channel", "text", "reason").rows() == [("noise dB", "50", "unknown parameter")]


def test_a_hole_of_a_channel_is_translated_or_refused() -> None:
    text = HEAD + 'translate.part = { D = "day", N = "night" }\n"translate"."part|x" = { D = "x-day", N = "x-night" }\n'
    text = text.replace('"translate"."part|x"', 'translate."part|x"') + TIME
    text += '[columns]\nL = { channel = "laeq:<part>", unit = "dB" }\nP = { channel = "la10:<part|x>", unit = "dB" }\n'
    batch = by(text, held(b"time,part,L,P\n2026-01-01 00:00,d,60,65\n2026-01-01 00:00,Q,60,\n"))
    assert batch.cells["channel"].sort().to_list() == ["la10:x-day", "laeq:day"]
    assert (batch.rejects["reason"].to_list(), batch.missing) == (["no parameter"], 1)


def test_the_sources_flags_become_marks_or_rejects() -> None:
    text = HEAD + "mark_pattern = '^<(-?[0-9]+)>'\nmarks = { '0' = '', '1' = 'S', '-3' = 'D' }\n" + TIME
    text += "[columns]\npm = { channel = 'pm25', unit = 'µg/m³', mark = 'F_pm' }\n"
    rows = ["1,<0> ", "2,<1> [SDO]", "3,<-3>", "4,", "5,<9>", ",<1>"]
    batch = by(text, held(("time,pm,F_pm\n" + "".join(f"2026-01-01 00:00,{row}\n" for row in rows)).encode()))
    assert batch.cells.sort("value")["mark"].to_list() == [None, ord("S"), ord("D"), None]
    assert batch.rejects.select("text", "reason").rows() == [("5", "unknown mark")]
    assert batch.missing == 1


def test_rows_that_say_they_are_none_are_missing() -> None:
    text = HEAD + "missing_where = { column = 'state', is = ['off'] }\n" + TIME
    text += "[columns]\nLn = { channel = 'laeq', unit = 'dB', missing_where = { column = 'n', is = ['0'] } }\n"
    batch = by(
        text, held(b"time,state,Ln,n\n2026-01-01 00:00,on,0.0,0\n2026-01-01 01:00,OFF,5,9\n2026-01-01 02:00,,0,1\n")
    )
    assert (values(batch), batch.missing) == ([0.0], 2)


def test_an_unknown_column_is_never_left_out_silently() -> None:
    with pytest.raises(UnreadableSource, match=r"held.csv: not of test: says nothing of the column 'no2'"):
        by(HEAD + TIME + PM25, held(b"time,pm,NO2\n"))
    with pytest.raises(UnreadableSource, match="needs the column 'pm' once, has it 2 times"):
        by(HEAD + TIME + PM25, held(b"time,pm,PM\n"))
    with pytest.raises(UnreadableSource, match="needs the column 'time' once, has it 0 times"):
        by(HEAD + TIME + PM25, held(b"pm\n"))


def test_the_first_form_that_fits_is_taken() -> None:
    text = HEAD + PM25 + "[[form]]\ndelimiter = ';'\n" + TIME.replace("[time]", "[form.time]")
    text += "[[form]]\n" + TIME.replace("[time]", "[form.time]").replace("%Y-%m-%d", "%d.%m.%Y")
    assert times(by(text, held(b"time;pm\n2026-01-02 08:00;1\n"))) == ["01-02T00:00"]
    assert times(by(text, held(b"time,pm\n02.01.2026 08:00,1\n"))) == ["01-02T00:00"]
    with pytest.raises(UnreadableSource, match=r"form 1 needs the column 'pm'.*; or form 2 needs"):
        by(text, held(b"when,pm2\n"))


def test_a_parquet_is_read_by_the_same_mapping(on_disk: Write) -> None:
    frame = pl.DataFrame(
        {"time": ["2026-01-01T08:00", None], "pm": pl.Series([1.2, 2.0], dtype=pl.Float32), "x": [True, None]}
    ).with_columns(pl.col("time").str.to_datetime("%Y-%m-%dT%H:%M"))
    batch = by(HEAD + "ignore = ['x']\n" + TIME + PM25, on_disk(parquet(frame)))
    assert (values(batch), times(batch)) == ([1.2], ["01-01T00:00"])
    assert batch.rejects.select("reason", "place").rows() == [("unreadable time", "row 2")]
    with pytest.raises(UnreadableSource, match="column x holds Boolean, no numbers"):
        by(HEAD + TIME + PM25.replace("pm =", "x ="), on_disk(parquet(frame.drop("pm"))))
    with pytest.raises(UnreadableSource, match=r"column time holds List\(String\), no text"):
        by(HEAD + TIME + PM25, on_disk(parquet(pl.DataFrame({"time": [["a"]], "pm": [1.0]}))))


# Laws.

MANY = (
    HEAD.replace("yard", "<who>")
    + "missing = [-999, 'off']\nignore = ['note']\n"
    + TIME.replace("+08:00", "Europe/Madrid")
    + "twice = 'order'\n"
    + PM25
    + "t = { channel = 'air_temperature', unit = '°F', missing_where = { column = 'note', is = ['x'] } }\n"
)
PIECES = [
    "2015-10-25 02:30",
    "2015-03-29 02:30",
    "2026-01-01 00:00",
    "1",
    "-999",
    "off",
    "x",
    "nan",
    "",
    "站",
    '"',
    "A",
]


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_cells_add_up_and_a_file_in_blocks_is_the_file(data: st.DataObject) -> None:
    lines = data.draw(st.lists(st.lists(st.sampled_from(PIECES), min_size=4, max_size=6), max_size=30))
    content = ("time,who,note,pm,t\n" + "".join(",".join(line) + "\n" for line in lines)).encode()
    batch = by(MANY, held(content))
    fit = sum(len(line) == 5 and not any('"' in cell for cell in line) for line in lines)
    quoted = sum(_reads(line) for line in lines if any('"' in cell for cell in line))
    assert batch.read == 2 * fit + 2 * quoted + (len(lines) - fit - quoted)
    cuts = sorted(data.draw(st.sets(st.integers(1, len(content)), max_size=4)))
    assert same(batch, by(MANY, held(content, *cuts)))


def _reads(line: list[str]) -> bool:
    """Is a line with quotes one of five cells, its quotes around them?"""
    text = ",".join(line)
    try:
        cells = next(csv.reader(io.StringIO(text), strict=True))
    except csv.Error:
        return False
    again = io.StringIO()
    csv.writer(again).writerow(cells)
    return len(cells) == 5 and text.count('"') % 2 == 0 and all('"' not in c or f'"{c}"' in text for c in cells)


@settings(max_examples=60, deadline=None)
@given(content=st.binary(max_size=300), header=st.booleans())
def test_any_bytes_are_read_or_refused(content: bytes, header: bool) -> None:
    source = held((b"time,who,note,pm,t\n" if header else b"") + content)
    try:
        batch = by(MANY, source)
    except UnreadableSource:
        assert not header
        return
    assert batch.cells["time"].is_between(datetime(1969, 12, 31, tzinfo=UTC), datetime(2101, 1, 1, tzinfo=UTC)).all()


def test_a_mapping_says_whether_a_file_can_be_read_in_parts() -> None:
    def header(text: str) -> bool | None:
        mapped: Mapped = mapping(text, "test")
        return mapped.header

    assert header(HEAD + TIME + PM25) is True
    assert header(MANY) is None
    assert header(HEAD + "skip = 1\n" + TIME + PM25) is None


@settings(max_examples=10, deadline=None)
@example(size=1)
@given(size=st.integers(2, 2000))
def test_parts_of_a_file_say_what_the_file_says(tmp_path_factory: pytest.TempPathFactory, size: int) -> None:
    path = tmp_path_factory.mktemp("parts") / "PRSA.csv"
    header = "No,year,month,day,hour,pm2.5,DEWP,TEMP,PRES,cbwd,Iws,Is,Ir\r\n"
    rows = [f"{n},2010,1,{1 + n // 24},{n % 24},{n or ''},-21,x,1021,NW,1.79,0,0\r\n" for n in range(40)]
    path.write_bytes((header + "".join(rows)).encode())
    cuts = ingest.cut(Source(path), "beijing-pm25-2010", size)
    assert len(cuts) > 1 or size > 1000
    parts = [list(ingest.read(ingest.part(Source(path), cut), "beijing-pm25-2010")) for cut in cuts]
    whole = together(list(ingest.read(Source(path), "beijing-pm25-2010")))
    assert (whole.read, whole.missing, whole.rejects.height) == (160, 1, 40)
    assert same(together([batch for part in parts for batch in part]), whole)
    assert ingest.cut(Source(path), "skab", 1)[1:] != []
    assert ingest.cut(Source(path), "cnemc-snapshot", 1)[1:] == []
