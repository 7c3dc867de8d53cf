"""Encodings, lines, times, values, names and marks of the forms that are texts."""

from datetime import UTC, datetime
from fractions import Fraction
from math import pi

import polars as pl
import pytest

from analytics.ingest import UnreadableSource
from analytics.units import UnknownUnit, convert
from tests.ingest.reading import LONG, ROW, held, reasons, same, whole


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "utf-8-sig"])
@pytest.mark.parametrize("feed", ["\n", "\r\n"])
def test_chinese_names_come_in_either_encoding(encoding: str, feed: str) -> None:
    rows = ["Station, Parameter ,TIME,Value", "", *(f'"海淀{n}",pm25,2026-01-01T00:00:00Z,{n}' for n in range(9))]
    content = feed.join(rows).encode(encoding)
    batch = whole(held(content))
    assert sorted(batch.cells["station"]) == [f"海淀{n}" for n in range(9)]
    assert same(batch, whole(held(content, *range(1, len(content)))))


def test_one_damaged_byte_spoils_one_line_of_a_utf8_file() -> None:
    rows = [f"海淀{n},pm25,2026-01-01T00:00:00Z,1\n".encode() for n in range(9)]
    batch = whole(held(LONG + b"".join(rows[:4]) + rows[4][:1] + rows[4][2:] + b"".join(rows[5:])))
    assert (batch.cells.height, list(batch.rejects["place"])) == (8, ["line 6"])
    assert all(station.startswith("海淀") for station in batch.cells["station"])


def test_a_line_without_end_costs_one_line_and_no_memory() -> None:
    content = LONG + ROW + b"x" * 3_000_000 + b"\n" + ROW
    once = whole(held(content))
    assert (once.cells.height, once.rejects["text"].str.len_chars().to_list()) == (2, [1000])
    assert same(once, whole(held(content, *range(50_000, 3_000_000, 50_000))))


def test_an_odd_quote_spoils_its_own_line_only() -> None:
    batch = whole(held(LONG + b'"A1,pm25,2026-01-01T00:00:00Z,1\n' + ROW + b'A"1,pm25,2026-01-01T00:00:00Z,1\n'))
    assert (batch.cells.height, list(batch.rejects["place"])) == (1, ["line 2", "line 4"])


# Times.


@pytest.mark.parametrize(
    "stamp",
    [
        "2026-01-01T00:00:00+08:00",
        "2025-12-31T16:00:00Z",
        "2025-12-31 16:00:00z",
        "2025-12-31t16:00Z",
        "2025-12-31T16:00+00",
        "2025-12-31T11:30:00.000-0430",
        "2026-01-01 00:00:00,0 +08:00",
        " 2025-12-31T16:00:00.0000000009Z ",
    ],
)
def test_a_time_with_its_offset_is_read(stamp: str) -> None:
    content = b'station,parameter,time,value\nA,pm25,"' + stamp.encode() + b'",1\n'
    assert list(whole(held(content)).cells["time"]) == [datetime(2025, 12, 31, 16, tzinfo=UTC)]


@pytest.mark.parametrize(
    ("stamp", "reason"),
    [
        ("2026-01-01T00:00:00", "time without offset"),
        ("2026-01-01 00:00", "time without offset"),
        ("2026-02-30T00:00:00Z", "unreadable time"),
        ("2026-02-30T00:00:00", "unreadable time"),
        ("2026-01-01T24:00:00Z", "unreadable time"),
        ("2026-01-01T00:00:00+15:00", "unreadable time"),
        ("2026-01-01", "unreadable time"),
        ("", "unreadable time"),
        ("1970-01-01T00:00:00+00:01", "time out of range"),
        ("2100-01-01T00:00:00Z", "time out of range"),
        ("0001-01-01T00:00:00Z", "time out of range"),
        ("9999-12-31T23:59:59Z", "time out of range"),
    ],
)
def test_a_time_that_cannot_be_used_is_a_reject(stamp: str, reason: str) -> None:
    assert reasons(LONG + f"A,pm25,{stamp},1\n".encode()) == [reason]
    assert reasons(f"station,time,a,b,c\nA,{stamp},1,,0\n".encode(), "wide") == [reason] * 2


def test_a_microsecond_and_the_ends_of_the_range_are_kept() -> None:
    stamps = ["2026-01-01T00:00:00.000001Z", "1970-01-01T00:00:00Z", "2099-12-31T23:59:59.999999Z"]
    content = LONG + "".join(f"A,pm25,{stamp},1\n" for stamp in stamps).encode()
    times = whole(held(content)).cells["time"].dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ")
    assert sorted(times) == sorted(["1970-01-01T00:00:00.000000Z", stamps[0], stamps[2]])


def test_a_station_gets_the_offset_of_its_first_row() -> None:
    stamps = ["2026-01-01T00:00:00+08:00", "2026-01-01T00:00:00Z", "2026-01-01T01:00:00+05:30"]
    rows = [f"{station},pm25,{stamp},1\n" for number, stamp in enumerate(stamps) for station in "ABC"[: number + 1]]
    assert whole(held(LONG + "".join(rows).encode())).stations == {"A": {"utc_offset": 480}, "C": {"utc_offset": 330}}


# Values, names, marks.


@pytest.mark.parametrize(
    "text", ["NaN", "inf", "-Infinity", "1e999", "12abc", "1,5", "0x10", "１２", "1_000", "n/a", "-"]
)
def test_what_is_no_finite_number_is_a_reject(text: str) -> None:
    assert reasons(LONG + f'A,pm25,2026-01-01T00:00:00Z,"{text}"\n'.encode()) == ["not a number"]


def test_names_are_bounded_and_never_empty() -> None:
    names = [("站" * 200, "p" * 200), ("", "p"), ("s" * 201, "p"), ("s", "p" * 201)]
    rows = [f"{station},{channel},2026-01-01T00:00:00Z,1\n" for station, channel in names]
    batch = whole(held(LONG + "".join(rows).encode()))
    assert batch.cells.height == 1
    assert sorted(batch.rejects["reason"]) == ["no station", "parameter too long", "station too long"]
    assert batch.rejects["station"].str.len_chars().max() == 200


def test_a_further_column_is_refused_by_name() -> None:
    with pytest.raises(UnreadableSource, match="unit"):
        whole(held(b"station,parameter,time,value,unit\nA,pm25,2026-01-01T00:00:00Z,1,ppm\n"))


def test_columns_stand_in_any_order() -> None:
    rows = b'3,1.5,2026-01-01T00:00:00Z,"D",A,pm25\n,2,2026-01-01T01:00:00Z,,A,pm25\n'
    content = b"revision,value,time,mark,station,parameter\n" + rows
    cells = whole(held(content)).cells
    assert cells.select("value", "mark", "revision").rows() == [(1.5, 68, 3), (2.0, None, None)]


def test_a_table_of_units_converts_exactly() -> None:
    whole_numbers = pl.DataFrame({"x": [float(number) for number in range(20_000)]})
    assert whole_numbers.select(convert(pl.col("x"), "ug/m3", "mg/m³"))["x"].to_list() == [
        n / 1000 for n in range(20_000)
    ]
    assert pl.select(convert(pl.lit(212.0), "°F", "°C")).item() == 100.0
    assert pl.select(convert(pl.lit(180.0), "°", "°")).item() == 180.0
    assert pl.select(convert(pl.lit(pi), "rad", "°")).item() == 180.0
    assert pl.select(convert(pl.lit(23.5), "%", "m3/m3")).item() == 0.235
    assert pl.select(convert(pl.lit(1.8), "MJ/(m²·h)", "W/m²")).item() == 500.0
    hundredths = pl.DataFrame({"x": [number / 100 for number in range(20_000)]})
    for unit, into, times in (("kPa", "hPa", 10), ("mg/L", "ug/L", 1000)):
        wanted = [float(Fraction(number, 100) * times) for number in range(20_000)]
        assert hundredths.select(convert(pl.col("x"), unit, into))["x"].to_list() == wanted
    with pytest.raises(UnknownUnit, match="no conversion from ppb to µg/m³"):
        convert(pl.lit(1.0), "ppb", "µg/m³")
