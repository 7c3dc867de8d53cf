"""Whatever is appended comes back; whatever is done to the file, what comes back was appended."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from analytics import spool
from analytics.spool import Place, Spool
from tests.spool.folders import T, everything, files, plain, put, said

TIMES = st.datetimes(timezones=st.just(UTC))
HEADS = st.dictionaries(st.text(max_size=8), st.text(max_size=20), max_size=3)
SAID = st.lists(st.tuples(st.binary(max_size=300), HEADS, TIMES), max_size=12)


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name) / "spool"


@settings(max_examples=40, deadline=None)
@given(SAID, st.integers(1, 2000))
@example([(b"", {}, T)], 1)
@example([(b"\x00" * 300, {"Ж": "水\x00\n"}, T)] * 3, 50)
def test_what_is_appended_comes_back(records: list[tuple[bytes, dict[str, str], datetime]], most: int) -> None:
    with folder() as place:
        with Spool(place, most=most) as owner:
            places = put(owner, records)
            assert owner.number == len(records)
        found = everything(place)
        assert plain(found) == records
        assert [record.place for record in found] == places == sorted(set(places))
        assert [record.number for record in found] == list(range(1, len(records) + 1))
        # No segment is larger than was asked for, but for one record that is.
        for file in files(place):
            inside = [each for each in places if each.segment == int(file.name.partition("-")[0])]
            assert file.stat().st_size <= most or len(inside) == 1


@settings(max_examples=50, deadline=None)
@given(SAID, st.data())
def test_a_file_that_was_cut_anywhere_ends_in_a_whole_record(
    records: list[tuple[bytes, dict[str, str], datetime]], data: st.DataObject
) -> None:
    """What a kill, or a machine that went down, leaves of the newest segment: some first bytes, and rubbish."""
    with folder() as place:
        with Spool(place, most=data.draw(st.sampled_from([400, 10**6]))) as owner:
            places = put(owner, records)
        if not records:
            return
        newest = files(place)[-1]
        raw = newest.read_bytes()
        cut = data.draw(st.integers(0, len(raw)))
        newest.write_bytes(raw[:cut] + data.draw(st.sampled_from([b"", b"\x00" * 30, b"##0123"])))
        whole = [each for each in places if each < Place(places[-1].segment, cut + 1)]
        assert plain(everything(place)) == records[: len(whole)]  # before anybody owns it again
        with Spool(place) as owner:
            assert owner.end == (whole[-1] if whole else None)
            assert owner.number == len(whole)
            assert newest.stat().st_size == max([0, *(each.offset for each in whole if each[0] == places[-1][0])])
            more = put(owner, [(b"next", {}, T)])
        found = spool.read(place, None, 10**6)
        assert plain(found.records) == [*records[: len(whole)], (b"next", {}, T)]
        assert found.damages == []
        assert more[0].segment > places[-1].segment  # what was cut off is never written over


def test_a_file_cut_at_every_byte(tmp_path: Path) -> None:
    with Spool(tmp_path / "first") as owner:
        places = put(owner, said(3))
    file = files(tmp_path / "first")[0]
    raw = file.read_bytes()
    other = tmp_path / "other"
    other.mkdir()
    for cut in range(len(raw) + 1):
        (other / file.name).write_bytes(raw[:cut])
        assert plain(everything(other)) == said(sum(each.offset <= cut for each in places))


@settings(max_examples=50, deadline=None)
@given(st.integers(2, 12), st.data())
def test_damage_costs_what_it_hits_and_is_told(count: int, data: st.DataObject) -> None:
    with folder() as place:
        with Spool(place, most=data.draw(st.sampled_from([300, 10**6]))) as owner:
            places = put(owner, said(count))
        file = data.draw(st.sampled_from(files(place)))
        raw = bytearray(file.read_bytes())
        first = data.draw(st.integers(0, len(raw) - 1))
        last = data.draw(st.integers(first, min(first + 150, len(raw) - 1)))
        raw[first : last + 1] = bytes(byte ^ 0xFF for byte in raw[first : last + 1])
        file.write_bytes(raw)
        segment = int(file.name.partition("-")[0])
        spans = bytes_of(places)
        hit = [
            each.segment == segment and span.start <= last and first < span.stop
            for each, span in zip(places, spans, strict=True)
        ]
        found = spool.read(place, None, 10**6)
        assert plain(found.records) == [each for each, lost in zip(said(count), hit, strict=True) if not lost]
        # At the end of the newest segment it may be a record that was being written; elsewhere it was one.
        torn = next((at for at in range(count) if places[at].segment == places[-1].segment and all(hit[at:])), count)
        assert sum(damage.size or 0 for damage in found.damages) == sum(
            len(span) for span, lost in zip(spans[:torn], hit, strict=False) if lost
        )
        assert all(damage.place.segment == segment and str(segment) in str(damage) for damage in found.damages)


def bytes_of(places: list[Place]) -> list[range]:
    """Of each record the bytes of its segment."""
    out, before = [], Place(0, 0)
    for each in places:
        out.append(range(before.offset if before.segment == each.segment else 0, each.offset))
        before = each
    return out


def test_what_a_sender_made_look_like_a_record_is_none(tmp_path: Path) -> None:
    """A payload may hold the bytes of a segment: where its own record is damaged they must not rise from it."""
    with Spool(tmp_path / "another") as owner:
        put(owner, [(b"forged", {"mn": "somebody else"}, T)])
    forged = files(tmp_path / "another")[0].read_bytes()
    with Spool(tmp_path / "spool") as owner:
        put(owner, [(forged * 3, {}, T), (b"after", {}, T)])
    file = files(tmp_path / "spool")[0]
    raw = bytearray(file.read_bytes())
    raw[9] ^= 1
    file.write_bytes(raw)
    found = spool.read(tmp_path / "spool", None, 10)
    assert [record.payload for record in found.records] == [b"after"]
    assert len(found.damages) == 1


def test_reading_is_bounded(tmp_path: Path) -> None:
    with Spool(tmp_path / "s", most=2000) as owner:
        places = put(owner, said(60, size=100))
        found = spool.read(tmp_path / "s", places[9], 5)
        assert [record.place for record in found.records] == places[10:15]
        found = spool.read(tmp_path / "s", places[9], 50, room=350)  # bytes: no further one once it is used
        assert [record.place for record in found.records] == places[10:14]
        assert len(spool.read(tmp_path / "s", None, 10**6, upto=places[33]).records) == 34
        assert spool.read(tmp_path / "s", places[33], 10, upto=places[33]) == spool.Read(place=places[33])
        assert spool.records(tmp_path / "s", places[-1], 10) == []
        assert spool.records(tmp_path / "nowhere", None, 10) == []


def test_a_record_has_its_time_to_the_microsecond(tmp_path: Path) -> None:
    late = datetime(2261, 3, 4, 5, 6, 7, 999_999, tzinfo=UTC)
    with Spool(tmp_path / "s") as owner:
        put(owner, [(b"", {}, late), (b"", {}, late.astimezone())])
        with pytest.raises(ValueError, match="zone"):
            owner.append(b"", {}, T.replace(tzinfo=None))
    assert [record.received for record in everything(tmp_path / "s")] == [late, late]


def test_a_drained_place_behind_the_spool_is_told(tmp_path: Path) -> None:
    """A folder that was restored from an older copy would swallow what is appended until it is as long again."""
    with Spool(tmp_path / "s") as owner:
        put(owner, said(1))
    with pytest.raises(spool.Rewound, match="older copy"):
        spool.records(tmp_path / "s", Place(2**40, 0), 1)


def test_numbers_of_segments_go_on_past_a_folder_that_was_emptied(tmp_path: Path) -> None:
    with Spool(tmp_path / "s") as owner:
        (before,) = put(owner, said(1))
    for file in files(tmp_path / "s"):
        file.unlink()
    with Spool(tmp_path / "s") as owner:
        (after,) = put(owner, [(b"", {}, T + timedelta(seconds=1))])
        assert after.segment > before.segment
    assert len(spool.records(tmp_path / "s", before, 9)) == 1


def test_a_place_is_a_word() -> None:
    assert str(Place(1763812800, 523)) == "1763812800:523"
    assert Place.parse("1763812800:523") == (1763812800, 523)
    with pytest.raises(ValueError, match="unpack"):
        Place.parse("1763812800")
