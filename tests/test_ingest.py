"""Reading files: nothing is lost, whatever is in them, wherever they are cut, however they are packed."""

import csv
import gzip
import io
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.frames import CELLS, REJECTS, Batch
from analytics.ingest import FORMATS, RECOGNISERS, Source, UnknownFormat, UnreadableSource, read, recognise
from analytics.ingest._lines import decoded, encodings, whole_lines
from analytics.units import UnknownUnit, convert

SAMPLES = Path(__file__).parent / "samples"
DATA = Path(__file__).parent.parent.parent / "shared" / "data"
with_all = pytest.mark.skipif(not DATA.parent.exists(), reason="needs ../shared/data")
with_prsa = pytest.mark.skipif(not DATA.parent.exists(), reason="needs ../shared/data/beijing-prsa")
with_cnemc = pytest.mark.skipif(not DATA.parent.exists(), reason="needs ../shared/data/cnemc-2019")

NAIVE = datetime(2026, 1, 1)  # noqa: DTZ001

#: Header of each format's sample, and the value cells of a line under it.
HEADERS = {name: (SAMPLES / name / "sample.csv").read_bytes().partition(b"\n")[0] for name in FORMATS}
A_LINE = {"beijing-prsa": 12, "cnemc": 2, "long": 1, "wide": 3}
LONG = b"station,parameter,time,value\n"
ROW = b"A1,pm25,2026-01-01T00:00:00+08:00,1\n"


@dataclass(slots=True)
class Held(Source):
    """A source that holds its bytes, handed on in the blocks of `cuts`."""

    content: bytes = b""
    cuts: tuple[int, ...] = ()

    def _open(self) -> BinaryIO:
        return io.BytesIO(self.content)

    def blocks(self) -> Iterator[bytes]:
        if not self.cuts:
            yield from Source.blocks(self)
            return
        for start, end in zip((0, *self.cuts), (*self.cuts, len(self.content)), strict=True):
            if self.content[start:end]:
                yield self.content[start:end]


def held(content: bytes, *cuts: int) -> Held:
    return Held(Path("held.csv"), content=content, cuts=cuts)


def together(batches: list[Batch]) -> Batch:
    """One batch of many, in an order that does not depend on where they were cut."""
    stations: dict[str, Mapping[str, object]] = {}
    for batch in batches:
        stations |= batch.stations
    return Batch(
        pl.concat([pl.DataFrame(schema=dict(CELLS)), *(batch.cells for batch in batches)]).sort(*CELLS),
        pl.concat([pl.DataFrame(schema=dict(REJECTS)), *(batch.rejects for batch in batches)]).sort(*REJECTS),
        missing=sum(batch.missing for batch in batches),
        stations=stations,
    )


def whole(source: Source, format: str = "long") -> Batch:
    return together(list(read(source, format)))


def same(one: Batch, other: Batch) -> bool:
    return (
        one.cells.equals(other.cells)
        and one.rejects.equals(other.rejects)
        and (one.missing, one.stations) == (other.missing, other.stations)
    )


def reasons(content: bytes, format: str = "long") -> list[str]:
    return list(whole(held(content), format).rejects["reason"])


def parquet(frame: pl.DataFrame) -> bytes:
    file = io.BytesIO()
    frame.write_parquet(file)
    return file.getvalue()


Write = Callable[..., Source]


@pytest.fixture
def on_disk(tmp_path: Path) -> Write:
    def write(content: bytes, name: str = "file") -> Source:
        (tmp_path / name).write_bytes(content)
        return Source(tmp_path / name)

    return write


# An independent count: lines by Python, cells by the grammar of RFC 4180.

CELL = r'(?:[^",]*|"(?:[^"]|"")*")'
LINE = re.compile(f"{CELL}(?:,{CELL})*", re.DOTALL)


def counted(content: bytes, cells: int) -> int:
    """Value cells of a file: `cells` a line that has as many as the header, one a line that has not."""
    header, _, body = content.partition(b"\n")
    columns, known, total = header.count(b",") + 1, encodings(content), 0
    for line in body.replace(b"\r\n", b"\n").split(b"\n"):
        text = decoded(line, known)
        # A byte order mark is nothing, wherever it stands.
        text = None if text is None else text.replace("\ufeff", "")
        good = text is not None and "\0" not in text and "\x1f" not in text and LINE.fullmatch(text)
        parts = _bare(text).count(",") + 1 if good and text is not None else 0
        total += cells if parts == columns else bool(line.strip() if text is None else text.encode().strip())
    return total


def _bare(text: str) -> str:
    """A well-formed line without what stands between quotes."""
    return re.sub(r'"(?:[^"]|"")*"', "", text)


@pytest.mark.parametrize("format", FORMATS)
@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_any_bytes_under_a_header_add_up(format: str, data: st.DataObject) -> None:
    piece = st.one_of(
        st.binary(max_size=12),
        st.sampled_from(
            [b",", b'"', b"\n", b"\r\n", b"NA", b"1", b"2026-01-01T00:00:00Z", "站".encode("gb18030"), b"\0"]
        ),
    )
    body = b"".join(data.draw(st.lists(piece, max_size=60)))
    content = HEADERS[format] + b"\n" + body
    assert whole(held(content), format).read == counted(content, A_LINE[format])


@settings(max_examples=80, deadline=None)
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


@pytest.mark.parametrize("format", FORMATS)
@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_a_damaged_file_adds_up_or_is_refused(format: str, data: st.DataObject) -> None:
    content = data.draw(mutated((SAMPLES / format / "sample.csv").read_bytes()))
    try:
        batch = whole(held(content), format)
    except UnreadableSource:
        return
    cut = data.draw(st.integers(1, max(1, len(content) - 1)))
    assert same(batch, whole(held(content, cut), format))
    assert sum(recognises(held(content)) for recognises in RECOGNISERS.values()) <= 1


@pytest.mark.parametrize("format", FORMATS)
def test_damage_behind_the_header_is_counted_by_line(format: str) -> None:
    content = (SAMPLES / format / "sample.csv").read_bytes()
    first = len(HEADERS[format]) + 1
    for at in range(first, len(content), 5):
        spoilt = content[:at] + b'"' + content[at + 1 :]
        assert whole(held(spoilt), format).read == counted(spoilt, A_LINE[format])


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_damaged_gzip_loses_only_its_rest(data: st.DataObject) -> None:
    content = data.draw(mutated(gzip.compress(LONG + ROW * 500, mtime=0), first=3))
    try:
        batch = whole(held(content))
    except UnreadableSource:
        return
    assert batch.rejects.height or same(batch, whole(held(LONG + ROW * 500)))


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_damaged_parquet_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    frame = pl.DataFrame({"station": ["A"], "time": [datetime(2026, 1, 1, tzinfo=UTC)], "pm25": [1.0]})
    path = tmp_path_factory.mktemp("damaged") / "file"
    path.write_bytes(data.draw(mutated(parquet(frame), first=4)))
    try:
        whole(Source(path), "wide")
    except UnreadableSource:
        return


# Which format it is.

WORDS = ["station", "parameter", "time", "value", "mark", "revision", "date", "hour", "type", "ts"]
WORDS += ["pm25", "PM2.5", "AQI", "No", "year", "month", "day"]


@settings(max_examples=200, deadline=None)
@given(names=st.lists(st.sampled_from(WORDS), max_size=8), packed=st.booleans())
def test_no_header_is_known_to_two_formats(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], packed: bool
) -> None:
    path = tmp_path_factory.mktemp("header") / "file"
    if packed:
        pl.DataFrame(schema=dict.fromkeys(names, pl.String)).write_parquet(path)
    else:
        path.write_text(",".join(names))
    assert sum(recognises(Source(path)) for recognises in RECOGNISERS.values()) <= 1


@with_all
def test_no_file_at_hand_is_known_to_two_formats() -> None:
    known: dict[str, list[str]] = {}
    for path in sorted(path for path in DATA.rglob("*") if path.is_file()):
        found = [name for name, recognises in RECOGNISERS.items() if recognises(Source(path))]
        assert len(found) <= 1, path
        for name in found:
            known.setdefault(name, []).append(path.parent.relative_to(DATA).as_posix())
    assert {name: (len(folders), set(folders)) for name, folders in known.items()} == {
        "beijing-prsa": (12, {"beijing-prsa"}),
        "cnemc": (13, {"cnemc-2019", "cnemc-2019/raw"}),
    }


# Where it is cut.


@pytest.mark.parametrize("format", FORMATS)
def test_cut_anywhere_it_is_the_same(format: str) -> None:
    content = (SAMPLES / format / "sample.csv").read_bytes()
    once = whole(held(content), format)
    assert same(once, whole(held(content, *range(1, len(content))), format))
    lines = b"".join(whole_lines(iter([content])))
    assert all(b"".join(whole_lines(iter([content[:cut], content[cut:]]))) == lines for cut in range(len(content)))
    # The whole way only where a cut can matter: around the ends of lines, between quotes, and here and there.
    ends = {cut + near for cut, code in enumerate(content) if code in b'\r\n"' for near in (0, 1)}
    telling = ends | set(range(1, 99, 9))
    assert all(same(once, whole(held(content, cut), format)) for cut in telling if cut < len(content))


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


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf", b"\n \r\n", gzip.compress(b"")])
def test_an_empty_file_has_no_cells(format: str, content: bytes) -> None:
    assert whole(held(content), format).read == 0
    with pytest.raises(UnknownFormat, match="no header"):
        recognise(held(content))


def test_an_unknown_file_is_told_what_was_seen_and_what_there_is() -> None:
    with pytest.raises(UnknownFormat, match=r"columns when, what; formats are beijing-prsa, cnemc, long, wide"):
        recognise(held(b"when,what\n1,2\n"))
    with pytest.raises(UnknownFormat, match="hj212; formats are"):
        read(held(b""), "hj212")


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
    with pytest.raises(UnknownUnit, match="no conversion from ppb to µg/m³"):
        convert(pl.lit(1.0), "ppb", "µg/m³")


# Parquet.


def frames(frame: pl.DataFrame, on_disk: Write, format: str) -> Batch:
    source = on_disk(parquet(frame))
    assert recognise(source) == format
    return whole(source, format)


def long_frame(**columns: object) -> pl.DataFrame:
    known = {"station": ["A"], "parameter": ["pm25"], "time": [datetime(2026, 1, 1, tzinfo=UTC)], "value": [1.0]}
    return pl.DataFrame(known | columns, strict=False)


def test_parquet_times_need_a_zone(on_disk: Write) -> None:
    naive = frames(long_frame(time=[NAIVE]), on_disk, "long")
    assert naive.rejects.row(0) == ("A", "pm25", "2026-01-01 00:00:00.000000", "1.0", "row 1", "time without offset")
    zoned = frames(long_frame().with_columns(pl.col("time").dt.convert_time_zone("Asia/Kolkata")), on_disk, "long")
    assert zoned.cells["time"][0] == datetime(2026, 1, 1, tzinfo=UTC)
    assert zoned.stations == {"A": {"utc_offset": 330}}
    text = frames(long_frame(time=["2026-01-01T00:00:00Z"]), on_disk, "long")
    assert text.cells["time"][0] == datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_parquet_times_far_out_are_rejects(on_disk: Write, unit: str) -> None:
    far = pl.Series([2**62, -(2**62), None], dtype=pl.Int64).cast(pl.Datetime(unit, "Asia/Shanghai"))  # type: ignore[arg-type]
    frame = pl.DataFrame({"station": ["A"] * 3, "time": far, "pm25": [1.0] * 3})
    batch = frames(frame, on_disk, "wide")
    assert sorted(batch.rejects["reason"]) == ["time out of range", "time out of range", "unreadable time"]


def test_parquet_values_keep_their_shortest_decimal(on_disk: Write) -> None:
    values = pl.Series([0.1, float("nan"), None, 1e38], dtype=pl.Float32)
    frame = pl.DataFrame({"station": ["A"] * 4, "time": [datetime(2026, 1, 1, tzinfo=UTC)] * 4, "pm25": values})
    for some in (frame, frame.with_columns(count=pl.lit(3)), frame.with_columns(other=pl.lit(" 4 "))):
        batch = frames(some, on_disk, "wide")
        assert batch.cells.filter(channel="pm25")["value"].to_list() == [0.1, 1e38]
        assert (list(batch.rejects["text"]), batch.missing) == (["NaN"], 1)
        assert batch.read == 4 * (some.width - 2)


@pytest.mark.parametrize(
    "columns",
    [{"value": [[1.0]]}, {"value": [True]}, {"station": [1.5]}, {"time": [5]}, {"mark": [68]}, {"revision": [1.5]}],
)
def test_a_column_of_the_wrong_type_is_refused(on_disk: Write, columns: dict[str, object]) -> None:
    with pytest.raises(UnreadableSource, match=f"column {next(iter(columns))} holds"):
        whole(on_disk(parquet(long_frame(**columns))))


def test_parquet_names_without_text_or_with_a_zero_are_rejects(on_disk: Write) -> None:
    frame = pl.concat(
        [long_frame(), long_frame(station=[None]), long_frame(station=["a\0b"]), long_frame(value=[None])]
    )
    batch = frames(frame, on_disk, "long")
    assert sorted(batch.rejects["reason"]) == ["no station", "unreadable station"]
    assert (batch.cells.height, batch.missing) == (1, 1)
    assert not batch.rejects["station"].str.contains("\0", literal=True).any()


NUMBERS = st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False, width=64))
TIMES = st.datetimes(datetime(1970, 1, 2), datetime(2099, 12, 30))  # noqa: DTZ001


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.tuples(st.sampled_from("ABC"), TIMES, NUMBERS, NUMBERS), min_size=1, max_size=20),
    hours=st.integers(-12, 14),
    packed=st.booleans(),
)
def test_a_table_comes_back_in_either_form(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[str, datetime, float | None, float | None]],
    hours: int,
    packed: bool,
) -> None:
    schema: dict[str, pl.DataType | type[pl.DataType]] = {
        "station": pl.String,
        "time": pl.Datetime("us", "UTC"),
        "pm25": pl.Float64,
        "o3": pl.Float64,
    }
    table = pl.DataFrame([(s, t.replace(tzinfo=UTC), a, b) for s, t, a, b in rows], schema=schema, orient="row")
    long = table.unpivot(index=["station", "time"], variable_name="parameter")
    wanted = long.filter(pl.col("value").is_not_null()).with_columns(pl.col("value") + 0.0)
    order = ["station", "parameter", "time", "value"]
    sign, size = "-" if hours < 0 else "+", abs(hours)
    local = (pl.col("time") + timedelta(hours=hours)).dt.strftime(f"%Y-%m-%dT%H:%M:%S%.6f{sign}{size:02}:00")
    path = tmp_path_factory.mktemp("table") / "file"
    for frame, format in ((table, "wide"), (long, "long")):
        if packed:
            frame.write_parquet(path)
        else:
            frame.with_columns(local).write_csv(path)
        assert recognise(Source(path)) == format
        batch = whole(Source(path), format)
        got = batch.cells.rename({"channel": "parameter"}).select(order).sort(order)
        assert got.equals(wanted.select(order).sort(order))
        assert (batch.missing, batch.rejects.height) == (long.height - wanted.height, 0)


# Real files.


@with_prsa
def test_the_twelve_files_of_beijing_add_up() -> None:
    paths = sorted((DATA / "beijing-prsa").glob("*.csv.gz"))
    batches = [batch for path in paths for batch in read(Source(path), recognise(Source(path)))]
    assert sum(batch.read for batch in batches) == 4_421_376
    assert sum(batch.rejects.height for batch in batches) == 0
    cells = pl.concat([batch.cells for batch in batches])
    assert 368_448 - cells.filter(channel="pm25").height == 7_483
    first = cells.filter(station="Changping", time=datetime(2013, 2, 28, 16, tzinfo=UTC))
    values = dict(first.select("channel", "value").iter_rows())
    assert (values["co"], values["wind_direction"], values["air_pressure"]) == (0.3, 90.0, 1020.8)
    assert batches[0].stations == {"Aotizhongxin": {"utc_offset": 480, "memberships": {"city": "Beijing"}}}


@with_cnemc
@pytest.mark.parametrize("path", sorted((DATA / "cnemc-2019" / "raw").glob("*.gz")), ids=lambda path: path.name[12:20])
def test_a_day_of_the_national_stations_adds_up_cell_for_cell(path: Path) -> None:
    assert recognise(Source(path)) == "cnemc"
    batch = whole(Source(path), "cnemc")
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        header, *lines = list(csv.reader(file))
    full = [line for line in lines if len(line) == len(header)]
    filled = sum(cell != "" for line in full for cell in line[3:])
    empty = sum(cell == "" for line in full for cell in line[3:])
    assert (batch.cells.height, batch.rejects.height, batch.missing) == (filled, len(lines) - len(full), empty)


@with_cnemc
def test_the_wide_file_and_the_daily_files_say_the_same() -> None:
    source = Source(DATA / "cnemc-2019" / "sixty_stations_jan_oct.parquet")
    assert recognise(source) == "cnemc"
    batches = list(read(source, "cnemc"))
    assert sum(batch.read for batch in batches) == 401_283 * 15
    wide = pl.concat([batch.cells for batch in batches])
    daily = whole(Source(DATA / "cnemc-2019" / "raw" / "china_sites_20190513.csv.gz"), "cnemc").cells
    keys = ["station", "channel", "time"]
    both = wide.filter(pl.col("time").is_in(daily["time"].unique())).join(daily, on=keys, suffix="_daily")
    assert both.height > 59 * 15 * 20
    assert (both["value"] == both["value_daily"]).all()
    # The label 2019-01-01 00:00 is the end of its hour: 23:00 of the day before, 15:00 UTC.
    assert wide["time"].min() == datetime(2018, 12, 31, 15, tzinfo=UTC)
