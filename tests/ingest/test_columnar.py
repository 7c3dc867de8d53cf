"""The body of columns: the same rows as lines, turned on their side."""

import json
from time import process_time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.ingest import BODIES, UnreadableSource
from analytics.ingest.ndjson import NAMES

TIME = "2026-06-01T00:00:00Z"
ROW = {"station": "A", "channel": "pm25", "time": TIME, "value": 1.5}

texts = st.one_of(st.none(), st.text(max_size=5), st.sampled_from(["A", "pm25", TIME, "1e3", "", "NA", "\ud800"]))
values = st.one_of(texts, st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.booleans())
rows = st.fixed_dictionaries(
    {"station": texts, "channel": texts, "time": st.one_of(texts, st.just(TIME)), "value": values},
    optional={"mark": texts, "revision": st.one_of(st.none(), st.integers(), texts)},
)


def columns(lines: list[dict[str, Any]]) -> bytes:
    there = {name for item in lines for name in item} | {"station", "channel", "time", "value"}
    return json.dumps({name: [item.get(name) for item in lines] for name in NAMES if name in there}).encode()


@settings(max_examples=40, deadline=None)  # Polars takes its time where others work, too
@given(st.lists(rows, min_size=1, max_size=8))
def test_columns_say_what_lines_say(lines: list[dict[str, Any]]) -> None:
    across = BODIES["columnar"](columns(lines))
    down = BODIES["ndjson"](b"".join(json.dumps(item).encode() + b"\n" for item in lines))
    assert across.cells.equals(down.cells)
    assert across.missing == down.missing
    assert across.read == down.read == len(lines)
    # What was wrong with a row, and which one it was; how it is shown is another matter.
    said = [
        # Of two torn names another one may be told.
        sorted((place.split()[1], reason.split(" in ")[0]) for place, reason in batch.rejects["place", "reason"].rows())
        for batch in (across, down)
    ]
    assert said[0] == said[1]


@given(st.lists(rows, min_size=1, max_size=8), st.sampled_from(["columnar", "ndjson"]))
def test_every_row_has_its_place(lines: list[dict[str, Any]], form: str) -> None:
    raw = columns(lines) if form == "columnar" else b"".join(json.dumps(item).encode() + b"\n" for item in lines)
    batch = BODIES[form](raw)
    assert batch.places is not None
    assert batch.vacant is not None
    rejected = [int(place.split()[1]) for place in batch.rejects["place"]]
    assert sorted([*batch.places, *batch.vacant, *rejected]) == list(range(1, len(lines) + 1))


def test_one_entry_stands_for_all_rows() -> None:
    said = {**ROW, "time": [TIME, TIME.replace("00Z", "30Z")], "value": [1, 2.5]}
    batch = BODIES["columnar"](json.dumps(said).encode())
    assert batch.cells.select("station", "channel", "value").rows() == [("A", "pm25", 1.0), ("A", "pm25", 2.5)]
    assert BODIES["columnar"](json.dumps(ROW).encode()).cells["value"].to_list() == [1.5]


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "no JSON"),
        (b"{", "no JSON"),
        (b"[" * 100_000, "nested too deep"),
        (b'{"station": "\xff"}', "no UTF-8"),
        (b"[1, 2]", "no JSON object of columns"),
        (b'{"station": "A"}', "needs the column channel"),
        (json.dumps({**ROW, "colour": "red"}).encode(), "no such column: 'colour'"),
        (json.dumps({**ROW, "time": [TIME, TIME], "value": [1]}).encode(), "differ in length: time 2, value 1"),
        (json.dumps(ROW).encode()[:-1] + b', "value": 2}', "'value' stands twice"),
        (json.dumps({**ROW, "value": float("nan")}).encode(), "NaN is no number"),
        (b'{"value": ' + b"9" * 5000 + b', "station": "A", "channel": "b", "time": "c"}', ""),
    ],
)
def test_what_is_no_such_object_is_said(raw: bytes, said: str) -> None:
    if said:
        with pytest.raises(UnreadableSource, match=said):
            BODIES["columnar"](raw)
    else:  # a number of any length is a row like others
        assert BODIES["columnar"](raw).read == 1


def test_few_bytes_do_not_fill_the_memory() -> None:
    """An entry for all rows stands in each of them: 3 MB of a name would be 150 GB."""
    many = {**ROW, "value": [1.0] * 50_000}
    for name, entry in (("station", "A" * 3_000_000), ("time", {"a": "A" * 1000}), ("mark", "A" * 700)):
        with pytest.raises(UnreadableSource, match="too long"):
            BODIES["columnar"](json.dumps(many | {name: entry}).encode())
    assert BODIES["columnar"](json.dumps(many | {"station": "A" * 200}).encode()).cells.height == 50_000
    assert BODIES["columnar"](json.dumps(ROW | {"station": "A" * 40_000_000}).encode()).rejects.height == 1


def test_a_name_that_stands_twice_among_very_many_is_found_at_once() -> None:
    """Counting each of them among all took an hour."""
    names = ",".join(f'"a{number}":1' for number in range(300_000))
    began = process_time()
    with pytest.raises(UnreadableSource, match="'a299999' stands twice"):
        BODIES["columnar"](f'{{{names},"a299999":2}}'.encode())
    assert process_time() - began < 20
