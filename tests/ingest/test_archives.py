"""Archives: soil moisture of the ISMN in a zip, a sonde in a workbook. Read from inside, and no bomb goes off."""

import gzip
import io
import re
import struct
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.ingest import Source, UnknownFormat, UnreadableSource, _xlsx, _zip, read, recognise
from tests.conftest import needs_shared
from tests.ingest.reading import ALL, DATA, Write, held, same, whole

NAME = "NETW/a/NETW_NETW_a_sm_0.050000_0.050000_Probe_20080701_20080702.stm"
HEAD = b"NETW NETW a 33.88330 102.13330 3431.00 0.05 0.05 Probe\n"
LINE = b"2008/07/01 00:00 0.5 G M\n"
NS = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
EXO = ALL["exo"].content


def packed(*files: tuple[str, bytes], how: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", how) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return out.getvalue()


def repacked(content: bytes, **changed: tuple[str, str]) -> bytes:
    """The sample workbook with text replaced in the file whose name holds the key."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        files = {name: archive.read(name).decode() for name in archive.namelist()}
    for key, (old, new) in changed.items():
        (name,) = (name for name in files if key in name)
        assert old in files[name]
        files[name] = files[name].replace(old, new)
    return packed(*((name, text.encode()) for name, text in files.items()))


# The real ones.


@needs_shared
@pytest.mark.parametrize("path", sorted((DATA / "ismn").glob("*.zip")), ids=lambda path: path.name[:12])
def test_a_download_of_the_network_adds_up_line_for_line(path: Path) -> None:
    assert recognise(Source(path)) == "ismn"
    found = whole(Source(path), "ismn")
    lines: list[list[str]] = []
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.endswith(".stm"):
                rows = [line.split() for line in re.split("[\r\n]+", archive.read(name).decode()) if line.strip()]
                assert all(row[0].startswith("20") for row in rows[1:])
                lines += rows if rows[0][0].startswith("20") else rows[1:]
    assert (found.read, found.cells.height, found.missing) == (len(lines), len(lines), 0)
    flags = [row[13] if len(row) > 6 else row[3] for row in lines]
    marked = dict(found.cells.group_by("mark").len().rows())
    assert marked.get(ord("N"), 0) == sum(flag == "G" for flag in flags)
    assert marked.get(ord("S"), 0) == sum(flag[0] in "CD" for flag in flags)


@needs_shared
def test_both_forms_of_the_network_say_the_same() -> None:
    one, other = (whole(Source(path), "ismn") for path in sorted((DATA / "ismn").glob("*_2017*.zip")))
    assert same(one, other)
    first = one.cells.filter(station="COSMOS_Barrow-ARM", time=datetime(2017, 8, 10, 2, tzinfo=UTC))
    assert first.select("channel", "value", "mark").rows() == [("soil_moisture@0..-0.21", 0.192, ord("N"))]
    assert one.stations["COSMOS_Barrow-ARM"]["longitude"] == -156.6287


@needs_shared
def test_the_workbook_of_the_sonde_adds_up_cell_for_cell() -> None:
    path = DATA / "driftr-sonde" / "exoRaw.xlsx"
    assert recognise(Source(path)) == "exo"
    found = whole(Source(path), "exo")
    with zipfile.ZipFile(path) as archive:
        sheet = ElementTree.fromstring(archive.read("xl/worksheets/sheet1.xml"))
    rows = {row.get("r"): len(row.findall(f"{NS}c")) for row in sheet.iter(f"{NS}row")}
    below = [count for number, count in rows.items() if int(number or 0) > 25]
    assert below == [27] * 1999
    assert (found.read, found.cells.height) == (1999 * 15, 1999 * 15)
    first = found.cells.filter(time=datetime(2017, 2, 21, 14, 35, tzinfo=UTC))
    values = dict(first.select("channel", "value").rows())
    assert (values["turbidity"], values["chloride"], values["conductivity"]) == (916.7, 494.16, 832.7)


@needs_shared
def test_other_workbooks_are_not_taken_for_a_sonde() -> None:
    for name in ("kansas-other/mesonet_QC_data.xlsx", "pyfao56/test10_manual_calcs.xlsx"):
        with pytest.raises(UnknownFormat):
            recognise(Source(DATA / name))
        with pytest.raises(UnreadableSource, match="no row that begins with Date"):
            whole(Source(DATA / name), "exo")


# Bombs and damage.


def test_a_bomb_is_told_by_what_comes_out_of_it(on_disk: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_zip, "FREE", 1024 * 1024)
    content = packed((NAME, HEAD + LINE + b" " * 20_000_000))
    assert len(content) < 100_000
    with pytest.raises(UnreadableSource, match="unpack to more than"):
        whole(on_disk(content), "ismn")
    many = packed(*((f"{number}/{NAME}", HEAD + LINE * 20_000) for number in range(20)))
    with pytest.raises(UnreadableSource, match="unpack to more than"):
        whole(on_disk(many), "ismn")
    sheet = repacked(EXO, sheet1=("<sheetData>", "<sheetData>" + " " * 20_000_000))
    with pytest.raises(UnreadableSource, match=r"unpack to more than|longer than it can be"):
        whole(on_disk(sheet), "exo")


def test_a_bomb_of_entities_is_no_spreadsheet(on_disk: Write) -> None:
    lol = '<!DOCTYPE lolz [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;">]><worksheet'
    for content in (repacked(EXO, sheet1=("<worksheet", lol)), repacked(EXO, Strings=("<sst", lol[:-10] + "<sst"))):
        with pytest.raises(UnreadableSource, match="declares entities"):
            whole(on_disk(content), "exo")


def test_a_row_without_end_is_refused(on_disk: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_xlsx, "LONGEST_ROW", 1024 * 1024)
    long = repacked(EXO, sheet1=('<row r="7">', '<row r="7">' + "<c><v>1</v></c>" * 100_000))
    with pytest.raises(UnreadableSource, match="longer than it can be"):
        whole(on_disk(long), "exo")


def test_elements_in_one_another_without_end_are_refused(on_disk: Write) -> None:
    deep = repacked(EXO, sheet1=("<sheetData>", "<sheetData>" + "<a>" * 100_000 + "</a>" * 100_000))
    with pytest.raises(UnreadableSource, match="deeper than it can be"):
        whole(on_disk(deep), "exo")


def test_a_list_of_files_without_end_is_refused() -> None:
    content = bytearray(packed((NAME, HEAD + LINE)))
    at = content.rfind(b"PK\x05\x06")
    struct.pack_into("<L", content, at + 12, 0x7FFFFFFF)
    with pytest.raises(UnreadableSource, match="list of files has 2147483647 bytes"):
        whole(held(bytes(content)), "ismn")


def test_a_zip_that_was_cut_short_is_refused() -> None:
    content = packed((NAME, HEAD + LINE * 100))
    with pytest.raises(UnreadableSource, match="cut short"):
        whole(held(content[:-40]), "ismn")


def test_a_file_in_it_that_is_damaged_loses_only_its_rest() -> None:
    lines = b"".join(b"2008/07/01 00:%02d 0.%d G M\n" % (minute, minute * 7919) for minute in range(60))
    good = packed((NAME, HEAD + lines), (NAME.replace("_a_", "_b_"), HEAD.replace(b" a ", b" b ") + LINE))
    spoilt = bytearray(packed((NAME, HEAD + lines), how=zipfile.ZIP_STORED))
    spoilt[spoilt.find(b"00:59")] = ord("9")  # its checksum no longer fits
    found = whole(held(bytes(spoilt)), "ismn")
    assert (found.cells.height, {*found.rejects["reason"]}) == (59, {"unreadable time", "unreadable rest of the file"})
    whole_ = whole(held(good), "ismn")
    assert (whole_.cells.height, whole_.rejects.height, sorted(whole_.stations)) == (61, 0, ["NETW_a", "NETW_b"])


@pytest.mark.parametrize("how", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_what_no_zip_program_writes_is_refused(how: int) -> None:
    found = whole(held(packed((NAME, HEAD + LINE), how=how)), "ismn")
    assert [*found.rejects["reason"]] == ["unreadable rest of the file"]
    assert "packed by method" in found.rejects["text"][0]


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_damage_to_a_zip_is_read_or_refused(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(["ismn", "exo"]))
    content = bytearray(ALL[name].content)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    try:
        found = whole(held(bytes(content)), name)
    except UnreadableSource:
        return
    assert found.read >= 0


def test_a_file_of_any_length_comes_in_batches() -> None:
    days = b"".join(b"20%02d/01/01 00:00 0.1 G M\n" % year for year in range(80))
    content = packed((NAME, HEAD + days * 8000))
    sizes = [batch.read for batch in read(held(content), "ismn")]
    assert sum(sizes) == 640_000
    assert max(sizes) <= 200_000


# What is in them.


def test_a_file_taken_out_of_the_archive_is_read_by_itself(on_disk: Write) -> None:
    source = on_disk(gzip.compress(HEAD + LINE), NAME.rpartition("/")[2])
    assert whole(source, "ismn").cells.rows() == [
        ("NETW_a", "soil_moisture@-0.05", datetime(2008, 7, 1, tzinfo=UTC), 0.5, ord("N"), None)
    ]
    with pytest.raises(UnreadableSource, match="says no quantity and depth"):
        whole(on_disk(HEAD + LINE, "other.stm"), "ismn")
    with pytest.raises(UnreadableSource, match=r"no \.stm file"):
        whole(on_disk(packed(("a.txt", b"x")), "other.zip"), "ismn")


@pytest.mark.parametrize(
    ("depths", "position"),
    [("0.050000_0.050000", "@-0.05"), ("0.000000_0.300000", "@0..-0.3"), ("-2.000000_-2.000000", "@2")],
)
def test_a_depth_is_a_position(depths: str, position: str) -> None:
    name = NAME.replace("0.050000_0.050000", depths).replace("_sm_", "_ta_")
    found = whole(held(packed((name, HEAD + LINE))), "ismn")
    assert [*found.cells["channel"]] == [f"air_temperature{position}"]


@pytest.mark.parametrize(
    ("flag", "mark"), [("G", "N"), ("C01", "S"), ("D03,D05", "S"), ("U", None), ("M", None), ("Q", "reject")]
)
def test_a_flag_is_a_mark(flag: str, mark: str | None) -> None:
    found = whole(held(packed((NAME, HEAD + LINE.replace(b"G", flag.encode())))), "ismn")
    if mark == "reject":
        assert [*found.rejects["reason"]] == ["unknown flag"]
    else:
        assert [*found.cells["mark"]] == [None if mark is None else ord(mark)]


def test_only_a_clock_without_summer_time_is_read() -> None:
    zone = ("(UTC) Coordinated Universal Time", "(UTC-06:00) Central Time (US &amp; Canada)")
    with pytest.raises(UnreadableSource, match=r"may have had summer time: \(UTC-06:00\) Central"):
        whole(held(repacked(EXO, Strings=zone)), "exo")
    with pytest.raises(UnreadableSource, match=r"no such column is known.*: Wiper V"):
        whole(held(repacked(EXO, Strings=("ODO % sat", "Wiper V"))), "exo")


def test_dates_of_1904_are_four_years_later() -> None:
    once = whole(held(EXO), "exo").cells
    later = whole(held(repacked(EXO, workbook=("<workbookPr/>", '<workbookPr date1904="1"/>'))), "exo").cells
    counted = pl.col("time").dt.microsecond() == 0  # the other row has its date as a text
    moved = later.filter(counted)["time"] - once.filter(counted)["time"]
    assert {step.days for step in moved} == {1462}
