"""What is drained is compressed, read as before, and deleted when it is old; what is not drained is left alone."""

import gzip
import io
import os
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from analytics import spool
from analytics.spool import Kept, Place, Spool
from tests.spool.folders import T, everything, files, plain, put, said

NEVER = datetime.fromisoformat("2000-01-01T00:00:00Z")


@pytest.fixture
def places(tmp_path: Path) -> list[Place]:
    """Of 60 records in a few segments of the folder `s`."""
    with Spool(tmp_path / "s", most=1000) as owner:
        return put(owner, said(60))


def segments(places: list[Place]) -> list[int]:
    return sorted({each.segment for each in places})


def test_compressed_segments_are_read_as_before(tmp_path: Path, places: list[Place]) -> None:
    before = sum(file.stat().st_size for file in files(tmp_path / "s"))
    ages = [file.stat().st_mtime_ns for file in files(tmp_path / "s")]
    kept = spool.keep(tmp_path / "s", places[-1], NEVER)
    count = len(segments(places))
    assert kept.compressed == count - 1 > 2
    assert [file.suffix for file in files(tmp_path / "s")] == [".gz"] * (count - 1) + [".spool"]
    assert before - sum(file.stat().st_size for file in files(tmp_path / "s")) == kept.freed > 0
    assert [file.stat().st_mtime_ns for file in files(tmp_path / "s")] == ages  # as old as what is in it
    found = everything(tmp_path / "s")
    assert plain(found) == said(60)
    assert [record.place for record in found] == places
    assert spool.keep(tmp_path / "s", places[-1], NEVER) == Kept()
    with Spool(tmp_path / "s") as owner:
        assert owner.end == places[-1]
        put(owner, said(1, first=60))
    assert plain(everything(tmp_path / "s")) == said(61)


def test_what_is_not_drained_is_left_alone(tmp_path: Path, places: list[Place]) -> None:
    numbers = segments(places)
    last = max(place for place in places if place.segment == numbers[1])
    inside = max(place for place in places if place < last)
    late = T + timedelta(days=36_500)
    assert spool.keep(tmp_path / "s", inside, NEVER).compressed == 1
    assert spool.keep(tmp_path / "s", last, NEVER).compressed == 1  # its last record is the last drained
    assert spool.keep(tmp_path / "s", inside, late).deleted == 2  # compressed: drained to its end
    assert plain(everything(tmp_path / "s")) == said(60)[places.index(last) + 1 :]
    assert spool.keep(tmp_path / "s", places[-1], late).deleted == len(numbers) - 3
    assert len(files(tmp_path / "s")) == 1  # the newest stays: numbers go on from it


def test_what_is_old_goes_and_what_is_younger_stays(tmp_path: Path, places: list[Place]) -> None:
    for age, file in enumerate(reversed(files(tmp_path / "s"))):
        then = (T - timedelta(days=age)).timestamp()
        os.utime(file, (then, then))
    kept = spool.keep(tmp_path / "s", places[-1], T - timedelta(days=2))
    assert (kept.deleted, kept.compressed) == (len(segments(places)) - 3, 2)
    assert {record.place.segment for record in everything(tmp_path / "s")} == set(segments(places)[-3:])
    assert spool.keep(tmp_path / "s", places[-1], T - timedelta(days=1)).deleted == 1


def test_what_all_may_hold_costs_the_oldest_first(tmp_path: Path, places: list[Place]) -> None:
    kept = spool.keep(tmp_path / "s", places[-1], NEVER, most=2500)
    assert kept.deleted > 0
    assert kept.compressed > 0
    assert sum(file.stat().st_size for file in files(tmp_path / "s")) <= 2500
    assert everything(tmp_path / "s")[-1].place == places[-1]


def test_killed_between_two_steps_nothing_is_lost(tmp_path: Path, places: list[Place]) -> None:
    """The compressed one is whole before the plain one goes: both may be there, and half a one that nobody reads."""
    oldest = files(tmp_path / "s")[0]
    raw = oldest.read_bytes()
    oldest.with_name(oldest.name + ".gz.part").write_bytes(gzip.compress(raw)[:50])
    assert plain(everything(tmp_path / "s")) == said(60)
    oldest.with_name(oldest.name + ".gz").write_bytes(gzip.compress(raw))
    assert plain(everything(tmp_path / "s")) == said(60)
    kept = spool.keep(tmp_path / "s", places[-1], NEVER)
    assert kept.compressed == len(segments(places)) - 1
    assert not oldest.exists()
    assert not list((tmp_path / "s").glob("*.part"))
    assert plain(everything(tmp_path / "s")) == said(60)


def test_a_compressed_segment_that_does_not_read_back_replaces_nothing(
    tmp_path: Path, places: list[Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gzip, "open", lambda path, mode: io.BytesIO(b"something else"))
    with pytest.raises(OSError, match="does not read as it was written"):
        spool.keep(tmp_path / "s", places[-1], NEVER)
    monkeypatch.undo()
    assert all(file.suffix == ".spool" for file in files(tmp_path / "s"))
    assert plain(everything(tmp_path / "s")) == said(60)


@pytest.mark.parametrize("at", [0, 30, -6])
def test_a_damaged_compressed_segment_costs_its_rest_and_is_told(tmp_path: Path, places: list[Place], at: int) -> None:
    spool.keep(tmp_path / "s", places[-1], NEVER)
    second = files(tmp_path / "s")[1]
    raw = bytearray(second.read_bytes())
    raw[at] ^= 0xFF
    second.write_bytes(raw)
    found = spool.read(tmp_path / "s", None, 99)
    lost = [place for place in places if place.segment == segments(places)[1]]
    there = {record.place for record in found.records}
    assert {place for place in places if place not in lost} <= there
    (damage,) = found.damages
    assert damage.size is None
    assert "the rest of segment" in str(damage)
    # Who goes on behind it is not told again.
    assert spool.read(tmp_path / "s", damage.place, 99).damages == []


def test_a_reader_whose_segment_is_compressed_goes_on_in_the_other(tmp_path: Path, places: list[Place]) -> None:
    from analytics.spool import reading
    from analytics.spool.segments import listing

    oldest = listing(tmp_path / "s")[0]
    spool.keep(tmp_path / "s", places[-1], NEVER)
    found = list(reading._items(oldest, 0, None, newest=False))
    assert [item.place for item in found] == [place for place in places if place.segment == oldest.number]


def test_where_to_begin_for_a_time(tmp_path: Path) -> None:
    numbers = []
    for hour in range(0, 30, 3):
        with Spool(tmp_path / "s") as owner:
            numbers += put(owner, [(b"", {}, T + timedelta(hours=hour))])
    assert spool.earliest(tmp_path / "s", None) == (numbers[0].segment, 0)
    assert spool.earliest(tmp_path / "s", T + timedelta(hours=13)) == (numbers[3].segment, 0)
    assert spool.earliest(tmp_path / "s", T - timedelta(days=1)) == (numbers[0].segment, 0)
    assert spool.earliest(tmp_path / "nowhere", T) == (0, 0)
