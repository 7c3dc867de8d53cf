"""`greenwatch replay`: what was rejected comes in when the decoder knows better; what is in comes in no second time."""

import json
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from analytics import spool
from analytics.spool import Place, Spool
from analytics.store import spools
from analytics.store.connection import Connection
from analytics.store.observations import Counts
from jobs import doors as table_of_doors
from jobs.drain import Guarded, Saver, cursor, drain
from jobs.replay import Again, Ask, Unit, merged, replay
from tests.commands.terminal import DONE, greenwatch, wrong
from tests.mortal import Killed, mortal
from tests.spool import doors
from tests.spool.doors import DOOR, decode, fill, hours, number, place, table, taught, world
from tests.spool.folders import T, files
from tests.world import picture

Fill = Callable[..., None]
UNKNOWN = "no parameter has the code o3"


@pytest.fixture
def filled(conn: Connection, tmp_path: Path) -> Path:
    """A spool of 3 × 20 records of two sources and a channel that is not known, drained four at a time."""
    world(conn)
    with Spool(place(tmp_path), most=1500) as owner:
        fill(owner, hours(0, 20))
        fill(owner, hours(0, 20, "A", "o3"), "other")
        fill(owner, [*hours(0, 19, "B"), b"rubbish"], "other")
    drained(conn, tmp_path)
    return place(tmp_path)


def drained(conn: Connection, tmp_path: Path) -> None:
    save = Guarded(DOOR, Saver(DOOR, decode=decode))
    while drain(conn, place(tmp_path), DOOR, save, 4):
        pass


def rejects(conn: Connection) -> list[tuple[str, int]]:
    rows = conn.execute("SELECT reason, count(*) FROM reject GROUP BY 1 ORDER BY 1").fetchall()
    return [(str(reason), int(str(count))) for reason, count in rows]


WAITING = [("could not be decoded: JSONDecodeError", 1), (UNKNOWN, 20)]


def again(conn: Connection, folder: Path, *, trial: bool = False, **ask: Any) -> Again:
    return replay(conn, folder, DOOR, Ask(**ask), trial=trial, decode=decode)


def test_all_of_it_again_changes_nothing(conn: Connection, filled: Path) -> None:
    before = picture(conn)
    found = again(conn, filled, since=T)
    assert (found.records, found.damages) == (60, 0)
    assert found.counts == Counts(read=60, duplicates=39, rejects=21)
    assert picture(conn) == before
    assert rejects(conn) == WAITING
    assert again(conn, filled, since=T).counts == found.counts


def test_what_was_rejected_comes_in(conn: Connection, filled: Path) -> None:
    with taught("o3"):
        found = again(conn, filled, reason=UNKNOWN)
    assert (found.records, found.rejects) == (20, 20)
    assert found.counts == Counts(read=20, new=20)
    assert rejects(conn) == WAITING[:1]
    assert [row for row in table(conn) if row[1] == "o3"] == [
        ("A", "o3", float(hour), hour + 0.5) for hour in range(20)
    ]
    # What comes of an old record is not live, however it came then (law 6).
    assert number(conn, "SELECT count(*) FROM batch WHERE kind = 'live' AND ordinal > 17") == 0
    assert again(conn, filled, reason=UNKNOWN) == Again()


def test_what_is_still_wrong_is_a_reject_as_before_and_can_be_asked_for_again(conn: Connection, filled: Path) -> None:
    for _ in range(3):
        found = again(conn, filled, reason=UNKNOWN)
        assert (found.records, found.rejects, found.counts) == (20, 20, Counts(read=20, rejects=20))
        assert rejects(conn) == WAITING
    found = again(conn, filled, reason="could not be decoded")
    assert (found.rejects, found.counts.rejects) == (1, 1)
    with taught("o3"):
        assert again(conn, filled, reason="no parameter").counts.new == 20


def test_without_a_reason_every_reject_of_the_period_is_tried(conn: Connection, filled: Path) -> None:
    with taught("o3"):
        found = again(conn, filled, since=T, until=T + timedelta(days=1))
    assert (found.records, found.rejects) == (60, 21)
    assert found.counts == Counts(read=60, new=20, duplicates=39, rejects=1)
    assert rejects(conn) == WAITING[:1]


def test_only_what_is_asked_for(conn: Connection, filled: Path) -> None:
    asked: list[tuple[dict[str, Any], Counts]] = [
        ({"source": "field"}, Counts(read=21, duplicates=20, rejects=1)),  # rubbish has no source: it is tried, too
        ({"until": T + timedelta(seconds=8)}, Counts(read=8, duplicates=8)),
        ({"since": T + timedelta(seconds=12), "until": T + timedelta(seconds=16)}, Counts(read=4, duplicates=4)),
        # A unit of four is read whole though one of it is asked for: its rejects are one batch's.
        ({"reason": UNKNOWN, "until": T + timedelta(seconds=21)}, Counts(read=4, rejects=4)),
        ({"reason": "nothing has this"}, Counts()),
        ({"reason": UNKNOWN, "source": "field"}, Counts()),
        ({"since": T + timedelta(days=9)}, Counts()),
    ]
    for ask, counts in asked:
        assert again(conn, filled, **ask).counts == counts, ask
        assert rejects(conn) == WAITING


def test_a_dry_run_counts_the_same_and_changes_nothing(conn: Connection, filled: Path) -> None:
    before, batches = picture(conn), number(conn, "SELECT count(*) FROM batch")
    with taught("o3"):
        found = again(conn, filled, trial=True, since=T)
        assert (picture(conn), rejects(conn)) == (before, WAITING)
        assert number(conn, "SELECT count(*) FROM batch") == batches
        assert again(conn, filled, since=T) == found


def test_killed_at_any_statement_and_asked_again(conn: Connection, filled: Path) -> None:
    cut = 0
    with taught("o3"):
        for statements in range(3, 400, 7):
            with suppress(Killed), closing(mortal(conn, statements)) as dying:
                again(dying, filled, reason=UNKNOWN)
                break
            cut += 1
            # Whatever of it is in: each cell is a reading or a reject, and none is both.
            there = sum(row[1] == "o3" for row in table(conn))
            assert dict(rejects(conn)).get(UNKNOWN, 0) == 20 - there
    assert cut > 5
    assert rejects(conn) == WAITING[:1]
    assert len(table(conn)) == 59


def test_what_is_compressed_is_read_again_and_what_is_deleted_keeps_its_rejects(conn: Connection, filled: Path) -> None:
    end = cursor(conn, DOOR)
    assert end is not None
    assert spool.keep(filled, end, T).compressed > 1
    assert again(conn, filled, since=T).records == 60
    # The segment that is deleted holds the beginning of a unit, too: the rest of that comes in, its rejects stay.
    units = merged(DOOR, spools.refused(conn, DOOR, UNKNOWN, None))
    across = next(unit for unit in units if unit.first.segment < unit.last.segment)
    for file in files(filled):
        if int(file.name.partition("-")[0]) <= across.first.segment:
            file.unlink()
    with taught("o3"):
        found = again(conn, filled, reason=UNKNOWN)
    assert 0 < found.counts.new < 20
    assert found.rejects < found.counts.new
    assert dict(rejects(conn))[UNKNOWN] == 20 - found.rejects


def test_what_is_not_drained_yet_is_not_replayed(conn: Connection, tmp_path: Path) -> None:
    world(conn)
    with Spool(place(tmp_path)) as owner:
        fill(owner, hours(0, 10))
        assert again(conn, place(tmp_path), since=T) == Again()
        drain(conn, place(tmp_path), DOOR, Guarded(DOOR, Saver(DOOR, decode=decode)), 4)
        assert again(conn, place(tmp_path), since=T).records == 4


def test_batches_that_share_records_are_one_unit() -> None:
    said = [
        (1, "test 5:10 to 5:90"),
        (2, "test 5:30"),
        (3, "test 5:90 to 6:20"),
        (4, "test 7:1"),
        (5, "elsewhere"),
        (6, "test 4:7 to 4:9"),
    ]
    assert merged("test", said) == [
        Unit(Place(4, 7), Place(4, 9), [6]),
        Unit(Place(5, 10), Place(6, 20), [1, 2, 3]),
        Unit(Place(7, 1), Place(7, 1), [4]),
    ]


def test_the_command(conn: Connection, dsn: str, filled: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GREENWATCH_HOME", str(tmp_path))
    monkeypatch.setattr(table_of_doors, "DOORS", {DOOR: doors.__name__})
    with taught("o3"):
        done = greenwatch("replay", "--reason", UNKNOWN, "--dry-run", "--dsn", dsn)
        assert done.code == DONE
        assert "dry run" in done.out
        assert rejects(conn) == WAITING
        done = greenwatch("replay", "--door", DOOR, "--since", "2026-06-01T10:00+08:00", "--json", "--dsn", dsn)
        assert done.code == DONE
        (found,) = json.loads(done.out).values()
        assert (found["records"], found["counts"]["new"], found["rejects"]) == (60, 20, 21)
    wrong("replay", "--dsn", dsn)
    wrong("replay", "--door", "nowhere", "--dsn", dsn)
