"""Nothing is lost, whatever is in a file, wherever it is cut, however it is packed."""

import gzip
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.ingest import FORMATS, MODULES, Source, UnknownFormat, UnreadableSource, known, read, recognise
from analytics.ingest._lines import whole_lines
from tests.ingest.reading import A_LINE, ALL, LONG, ROW, Sample, Write, counted, held, parquet, same, whole
from tests.stories import EXAMPLES

samples = pytest.mark.parametrize("sample", ALL.values(), ids=ALL)
lined = pytest.mark.parametrize("name", A_LINE)
#: Texts whose header is not their first line.
TITLED = ("hobo", "ismn.file", "pyfao56", "pyfao56.weather", "toa5")


def test_every_table_of_text_is_among_those_whose_cells_are_counted() -> None:
    assert ALL.keys() - A_LINE.keys() == {"china-water.json", "exo", "hj212", "ismn", "ndjson", "zipped", *TITLED}
    assert {sample.format for sample in ALL.values()} == set(MODULES)


@lined
@settings(max_examples=EXAMPLES or 5, deadline=None)
@given(data=st.data())
def test_any_bytes_under_a_header_add_up(name: str, data: st.DataObject) -> None:
    piece = st.one_of(
        st.binary(max_size=12),
        st.sampled_from(
            [b",", b'"', b"\n", b"\r\n", b"NA", b"1", b"2026-01-01T00:00:00Z", "站".encode("gb18030"), b"\0"]
        ),
    )
    body = b"".join(data.draw(st.lists(piece, max_size=60)))
    content = ALL[name].header + b"\n" + body
    assert whole(held(content), ALL[name].format).read == counted(content, A_LINE[name])


@settings(max_examples=EXAMPLES or 6, deadline=None)
@given(content=st.binary(max_size=300))
def test_any_bytes_at_all_are_read_or_refused(content: bytes) -> None:
    for format in FORMATS:
        try:
            whole(held(content), format)
        except UnreadableSource:
            continue
    try:
        recognise(held(content))
    except (UnknownFormat, UnreadableSource):
        return


@st.composite
def mutated(draw: st.DrawFn, content: bytes, first: int = 0) -> bytes:
    """`content` with some bytes after `first` replaced, put in or taken out."""
    out = bytearray(content)
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(first, len(out)))
        gone = draw(st.integers(0, 5))
        out[at : at + gone] = draw(
            st.one_of(st.binary(max_size=5), st.sampled_from([b'"', b",", b"\n", b"\xff", b"\0"]))
        )
    return bytes(out)


@samples
@settings(max_examples=EXAMPLES or 5, deadline=None)
@given(data=st.data())
def test_a_damaged_file_adds_up_or_is_refused(sample: Sample, data: st.DataObject) -> None:
    content = data.draw(mutated(sample.content))
    try:
        batch = whole(held(content, path=sample.path), sample.format)
    except UnreadableSource:
        return
    cut = data.draw(st.integers(1, max(1, len(content) - 1)))
    assert same(batch, whole(held(content, cut, path=sample.path), sample.format))
    assert len(known(held(content))) <= 1


@lined
def test_damage_behind_the_header_is_counted_by_line(name: str) -> None:
    content = ALL[name].content
    for at in range(len(ALL[name].header) + 1, len(content), 9):
        spoilt = content[:at] + b'"' + content[at + 1 :]
        assert whole(held(spoilt), ALL[name].format).read == counted(spoilt, A_LINE[name])


@settings(max_examples=EXAMPLES or 5, deadline=None)
@given(data=st.data())
def test_a_damaged_gzip_loses_only_its_rest(data: st.DataObject) -> None:
    content = data.draw(mutated(gzip.compress(LONG + ROW * 500, mtime=0), first=3))
    try:
        batch = whole(held(content))
    except UnreadableSource:
        return
    assert batch.rejects.height or same(batch, whole(held(LONG + ROW * 500)))


@settings(max_examples=EXAMPLES or 5, deadline=None)
@given(data=st.data())
def test_a_damaged_parquet_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    frame = pl.DataFrame({"station": ["A"], "time": [datetime(2026, 1, 1, tzinfo=UTC)], "pm25": [1.0]})
    path = tmp_path_factory.mktemp("damaged") / "file"
    path.write_bytes(data.draw(mutated(parquet(frame), first=4)))
    try:
        whole(Source(path), "wide")
    except UnreadableSource:
        return


# Where it is cut.


@samples
def test_cut_anywhere_it_is_the_same(sample: Sample) -> None:
    content, path, format = sample.content, sample.path, sample.format
    once = whole(held(content, path=path), format)
    assert once.cells.height
    assert same(once, whole(held(content, *range(1, len(content)), path=path), format))
    lines = b"".join(whole_lines(iter([content])))
    assert all(b"".join(whole_lines(iter([content[:cut], content[cut:]]))) == lines for cut in range(len(content)))
    # The whole way only where a cut can matter: around the ends of lines, between quotes, and here and there.
    ends = {cut + near for cut, code in enumerate(content) if code in b"\r\n" for near in (0, 1)}
    quotes = [cut for cut, code in enumerate(content) if code in b'"'][:20]
    telling = ends | set(quotes) | set(range(1, 99, 9))
    assert all(same(once, whole(held(content, cut, path=path), format)) for cut in telling if cut < len(content))


def test_a_large_file_comes_in_batches_of_a_million_cells_at_most() -> None:
    row = ",".join(["1"] * 100)
    header = "station,time," + ",".join(f"p{number}" for number in range(100))
    content = (header + "\n" + f"A,2026-01-01T00:00:00Z,{row}\n" * 25_000).encode()
    sizes = [batch.read for batch in read(held(content), "wide")]
    assert sum(sizes) == 2_500_000
    assert max(sizes) <= 1_000_000


def test_the_position_goes_from_nothing_to_the_size(on_disk: Write) -> None:
    frame = pl.DataFrame({"station": ["A"], "time": [datetime(2026, 1, 1, tzinfo=UTC)], "pm25": [1.0]})
    for content, format in [(gzip.compress(LONG + ROW * 9), "long"), (LONG + ROW, "long"), (parquet(frame), "wide")]:
        source = on_disk(content)
        assert (source.position, source.size) == (0, len(content))
        whole(source, format)
        assert source.position == source.size


# How it is packed and written.


@pytest.mark.parametrize("packed", [gzip.compress(LONG) + gzip.compress(ROW * 2) + bytes(600), LONG + ROW * 2])
def test_gzip_of_many_members_is_one_file_whatever_its_name(on_disk: Write, packed: bytes) -> None:
    source = on_disk(packed, "data.txt")
    assert recognise(source) == "long"
    assert whole(source).cells.height == 2


@pytest.mark.parametrize(("kept", "tail"), [(-20, b""), (-8, b"\1" * 8), (None, b"tail")])
def test_the_rest_of_a_damaged_gzip_is_a_reject(kept: int | None, tail: bytes) -> None:
    rows = (b"A%d,pm25,2026-01-01T00:00:00Z,%d\n" % (number, number**2) for number in range(9999))
    batch = whole(held(gzip.compress(LONG + b"".join(rows))[:kept] + tail))
    assert batch.cells.height > 9000
    assert list(batch.rejects["reason"]) == ["unreadable rest of the file"]
    assert batch.rejects["place"][0] == f"line {batch.cells.height + 2}"


@pytest.mark.parametrize("content", [b"\x1f\x8b", b"\x1f\x8bgarbage", b"PAR1", b"PAR1" + bytes(100) + b"PAR1"])
def test_what_cannot_be_read_at_all_is_refused(on_disk: Write, content: bytes) -> None:
    with pytest.raises(UnreadableSource, match="file: "):
        whole(on_disk(content))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(UnreadableSource, match="cannot be opened"):
            recognise(Source(path))
