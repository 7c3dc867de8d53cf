"""NDJSON: the quick way and the careful way say the same, and a bad line costs itself only."""

import gzip
import json
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.frames import CELLS, REJECTS
from analytics.ingest import Source, ndjson, recognise
from tests.ingest.reading import Write, held, same, together, whole

LINE = b'{"station":"A1","channel":"pm25","time":"2026-01-01T00:00:00+08:00","value":1.5}\n'
NOW = datetime(2025, 12, 31, 16, tzinfo=UTC)

numbers = st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.integers(-(2**63), 2**63 - 1))
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
stamps = st.sampled_from(["2026-01-01T00:00:00+08:00", "2026-01-01 00:00:00Z", "2026-01-01T00:00:00", "soon"])
fields: dict[str, st.SearchStrategy[Any]] = {
    "station": st.one_of(st.sampled_from(["A1", "B2", " A1 ", ""]), texts, st.none()),
    "channel": st.sampled_from(["pm25", "PM2.5", "o3:mean-8h", ""]),
    "parameter": st.sampled_from(["pm25", "soil_moisture@-0.1", "o3"]),
    "position": st.sampled_from(["-0.1", "", " 2 "]),
    "statistic": st.sampled_from(["mean-8h", ""]),
    "time": stamps,
    "value": st.one_of(numbers, st.none()),
    "mark": st.sampled_from(["D", "", "DD", "é"]),
    "revision": st.integers(-5, 2**62),
    "unit": st.just("ppb"),
}
alike = st.sets(st.sampled_from(sorted(fields)), min_size=1).flatmap(
    lambda names: st.lists(st.fixed_dictionaries({name: fields[name] for name in sorted(names)}), max_size=6)
)
anything = st.lists(
    st.dictionaries(st.sampled_from(sorted(fields)), st.one_of(numbers, texts, st.none(), st.booleans()), max_size=6),
    max_size=6,
)


@settings(max_examples=100, deadline=None)
@given(
    rows=st.one_of(alike, anything),
    escaped=st.booleans(),
    feed=st.sampled_from(["\n", "\r\n", "\n\n", " \n\t"]),
)
def test_quickly_and_carefully_are_the_same(rows: list[dict[str, Any]], escaped: bool, feed: str) -> None:
    text = feed.join(json.dumps(row, ensure_ascii=escaped) for row in rows).encode()
    found = ndjson.batch(text)
    # What is broken sends all lines the careful way.
    careful = ndjson.batch(text + b"\n{")
    assert found.read == len(rows) == careful.read - 1
    assert found.cells.equals(careful.cells)
    assert found.missing == careful.missing
    assert found.stations == careful.stations
    # Their words may be spelt otherwise (1.0 for 1), not why they are refused.
    assert found.rejects.drop("text").equals(careful.rejects.drop("text").filter(pl.col("reason") != "broken line"))


@settings(max_examples=50, deadline=None)
@given(pieces=st.lists(st.one_of(st.binary(max_size=9), st.sampled_from([LINE, b"\n", b"{", b'"', b"[", b"}"]))))
def test_any_bytes_add_up(pieces: list[bytes]) -> None:
    raw = b"".join(pieces)
    lines = sum(bool(line.strip()) for line in raw.removeprefix(b"\xef\xbb\xbf").split(b"\n"))
    assert ndjson.batch(raw).read == lines
    if not raw.startswith(b"\x1f\x8b"):  # what a file would be unpacked for
        assert same(together([ndjson.batch(raw)]), whole(held(raw), "ndjson"))


def test_zero_has_no_sign() -> None:
    """Else of -0.0 and 0.0, which the store takes for equal, the one that came first would be kept (law 2)."""
    zeros = ndjson.batch(LINE.replace(b"1.5", b"-0.0") + LINE.replace(b"1.5", b"0") + LINE.replace(b"1.5", b"-1e-400"))
    assert [str(value) for value in zeros.cells["value"]] == ["0.0"] * 3


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"[" * 8000,
        b'{"a":' * 1500,
        b'{"station":"A1","channel":"pm25","time":' + b"[" * 900 + b"]" * 900 + b',"value":1}',
        b'{"station":"A1","channel":"pm25","time":"2026-01-01T00:00:00Z","val":1}',
        b'{"station":"\\ud800","channel":"pm25","time":"2026-01-01T00:00:00Z","value":1}'.replace(b"pm25", b"\xff"),
        b'{"station":"A1","value":' + b"9" * 9000 + b"}",
        b'{"station":"A1"} {"station":"A1"}',
        b"null",
        b"x" * 3_000_000,
    ],
)
def test_a_bad_line_costs_itself_only(bad: bytes) -> None:
    found = ndjson.batch(LINE + bad + b"\n" + LINE.replace(b"A1", b"B2"))
    assert found.cells["station"].to_list() == ["A1", "B2"]
    assert found.rejects.height == bool(bad)
    assert all(len(text) <= 1000 for text in found.rejects["text"])


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"station":"\\ud800","channel":"pm25","time":"2026-01-01T00:00:00Z","value":1}', "half a character"),
        ('{"station":"a\\u0000","channel":"pm25","time":"2026-01-01T00:00:00Z","value":1}', "unreadable station"),
        ('{"station":"a\\u001b[2J","channel":"pm25","time":"2026-01-01T00:00:00Z","value":1}', "unreadable station"),
        ('{"station":"A","channel":"pm25","time":"2026-01-01T00:00:00Z","value":{"a":1}}', "not a number"),
        ('{"station":"A","channel":"pm25","time":"2026-01-01T00:00:00Z","value":1e999}', "not a number"),
        ('{"station":"A","channel":"pm25","time":{"at":1},"value":1}', "time is no text"),
        ('{"station":"A","channel":"pm25","position":2,"time":"2026-01-01T00:00:00Z","value":1}', None),
        (
            '{"station":"A","channel":"pm25:x","statistic":"x","time":"2026-01-01T00:00:00Z","value":1}',
            "statistic beside",
        ),
        ('{"station":"A","channel":"o3:x","position":2,"time":"2026-01-01T00:00:00Z","value":1}', "position beside"),
        ('{"station":"A","channel":"o3","position":"2:x","time":"2026-01-01T00:00:00Z","value":1}', "unreadable posi"),
        ('{"station":"A","station":"B","channel":"pm25","time":"2026-01-01T00:00:00Z","value":1}', None),
    ],
)
def test_odd_objects_are_kept_or_refused_with_a_word(line: str, reason: str | None) -> None:
    found = ndjson.batch(line.encode())
    assert [why[:15] for why in found.rejects["reason"]] == ([] if reason is None else [reason[:15]])
    assert found.cells.height == (reason is None)
    if '"B"' in line:
        assert found.cells["station"].to_list() == ["A"]
    if '"position":2' in line and reason is None:
        assert found.cells["channel"].to_list() == ["pm25@2"]


def test_nothing_is_nothing() -> None:
    for raw in (b"", b"\n \r\n", b"\xef\xbb\xbf"):
        found = ndjson.batch(raw)
        assert (found.read, found.cells.schema, found.rejects.schema) == (0, pl.Schema(CELLS), pl.Schema(REJECTS))


def test_a_value_keeps_every_bit() -> None:
    values = [0.1, 1 / 3, 5e-324, 1.7976931348623157e308, -2.5, 9007199254740993, 123456789.123456789]
    raw = b"".join(LINE.replace(b"1.5", repr(value).encode()) for value in values)
    for some in (raw, raw + b"x"):
        assert ndjson.batch(some).cells["value"].to_list() == [float(value) for value in values]


def test_a_packed_file_is_read_as_the_bytes_are(on_disk: Write) -> None:
    source = on_disk(gzip.compress(LINE * 3 + b"x\n"), "readings.ndjson.gz")
    assert recognise(source) == "ndjson"
    found = whole(source, "ndjson")
    assert found.cells["time"].to_list() == [NOW] * 3
    assert found.rejects["place"].to_list() == ["line 4"]
    cut = whole(Source(on_disk(gzip.compress(LINE * 300)[:-9], "cut").path), "ndjson")
    assert cut.rejects["reason"].to_list() == ["unreadable rest of the file"]
    assert cut.cells.height > 200


def test_a_body_of_fifty_thousand_lines_comes_as_one_batch() -> None:
    lines = [
        b'{"station":"S%d","channel":"pm25","time":"2026-01-01T00:00:00Z","value":%d}' % (n, n) for n in range(50_000)
    ]
    found = ndjson.batch(b"\n".join(lines))
    assert found.cells["value"].to_list() == [float(n) for n in range(50_000)]
