"""A file that is read in parts: the same cells and rejects, whatever the parts; and no part of another file."""

import gzip
from pathlib import Path

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from analytics import ingest
from analytics.ingest import HEADERS, Source, UnreadableSource
from tests.ingest.reading import ALL, Sample

CUT = {name: sample for name, sample in ALL.items() if HEADERS[sample.format] is not None}


def everything(sources: list[Source], format: str) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]], int]:
    """Cells and rejects with their places, sorted, and the count of missing cells."""
    batches = [batch for source in sources for batch in ingest.read(source, format)]
    cells = pl.concat([batch.cells for batch in batches]).rows()
    rejects = pl.concat([batch.rejects for batch in batches]).rows()
    return sorted(cells, key=repr), sorted(rejects, key=repr), sum(batch.missing for batch in batches)


def test_formats_that_are_read_in_parts() -> None:
    assert {name for name, header in HEADERS.items() if header} == {"beijing-prsa", "long", "wide"}
    assert {name for name, header in HEADERS.items() if header is False} == {"ndjson"}
    assert {sample.format for sample in CUT.values()} == {"beijing-prsa", "long", "ndjson", "wide"}


@pytest.mark.parametrize("sample", CUT.values(), ids=CUT)
@settings(max_examples=10, deadline=None)
@example(size=1)
@given(size=st.integers(2, 2000))
def test_parts_say_what_the_file_says(sample: Sample, size: int) -> None:
    source = Source(sample.path)
    cuts = ingest.cut(source, sample.format, size)
    assert len(cuts) > 1 or source.size < size + 500
    parts = [ingest.part(source, cut) for cut in cuts]
    assert everything(parts, sample.format) == everything([source], sample.format)
    assert {ingest.recognise(part) for part in parts} == {sample.format}


@pytest.mark.parametrize("size", [1, 300, 5000])
def test_parts_of_a_damaged_text_find_the_same_damage_in_the_same_lines(tmp_path: Path, size: int) -> None:
    rows = [f"A,2026-01-{day:02}T00:00Z,{day}" for day in range(1, 29)]
    rows[4], rows[9], rows[13], rows[20] = '"A,1', "A,2026-01-10T00:00,x", "北,2026-01-14T00:00Z,5", ""
    path = tmp_path / "readings.csv"
    path.write_bytes(("\ufeff\n\nstation,time,pm25\r\n" + "\r\n".join(rows)).encode())
    source = Source(path)
    parts = [ingest.part(source, cut) for cut in ingest.cut(source, "wide", size)]
    found = everything(parts, "wide")
    assert found == everything([source], "wide")
    assert {place for *_, place, _ in found[1]} == {"line 8", "line 13"}


def test_a_packed_file_and_one_of_another_kind_are_one_part(tmp_path: Path) -> None:
    sample = ALL["long"]
    packed = tmp_path / "long.csv.gz"
    packed.write_bytes(gzip.compress(sample.content))
    for source, format in ((Source(packed), "long"), (Source(ALL["china-water"].path), "china-water")):
        [cut] = ingest.cut(source, format, 10)
        assert cut.stop is None
        assert everything([ingest.part(source, cut)], format) == everything([source], format)


def test_a_parquet_file_is_cut_by_rows(tmp_path: Path) -> None:
    path = tmp_path / "readings.parquet"
    pl.DataFrame(
        {
            "station": ["A"] * 1000,
            "parameter": ["pm25"] * 1000,
            "time": [f"2026-01-01T00:{row // 60 % 60:02}:{row % 60:02}Z" for row in range(1000)],
            "value": ["x" if row == 777 else str(row) for row in range(1000)],
        }
    ).write_parquet(path)
    source = Source(path)
    cuts = ingest.cut(source, "long", source.size // 7)
    assert len(cuts) == 8
    found = everything([ingest.part(source, cut) for cut in cuts], "long")
    assert found == everything([source], "long")
    assert [place for *_, place, _ in found[1]] == ["row 778"]


def test_a_file_that_changed_is_refused_where_it_changed(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    path.write_bytes(b"station,parameter,time,value\n" + b"A,pm25,2026-01-01T00:00Z,1\n" * 20)
    source = Source(path)
    first, *_, last = ingest.cut(source, "long", 100)
    with path.open("ab") as file:
        file.write(b"A,pm25,2026-01-01T01:00Z,1\n")
    ingest.part(source, first)
    ingest.part(source, last)  # what was there is the same
    path.write_bytes(path.read_bytes().replace(b"00Z,1\n", b"00Z,2\n", 1))
    ingest.part(source, last)
    with pytest.raises(UnreadableSource, match=r"long.csv: it is another file"):
        ingest.part(source, first)


def test_an_empty_file_is_a_part(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    path.write_bytes(b"station,parameter,time,value\n")
    source = Source(path)
    [cut] = ingest.cut(source, "long", 1)
    assert list(ingest.read(ingest.part(source, cut), "long")) == []
