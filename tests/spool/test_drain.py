"""From the spool into the store: killed, lost, deadlocked or fed rubbish, each record is in once."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path
from threading import Event

import psycopg
import pytest

from analytics import spool
from analytics.spool import Place, Record, Spool
from analytics.store import connection, spools
from analytics.store.connection import Connection, Lost
from analytics.store.errors import Passed
from analytics.store.observations import Counts
from jobs import drain as draining
from jobs.drain import Drainer, Guarded, Saver, cursor, drain, told
from tests.mortal import Killed, mortal
from tests.spool import doors
from tests.spool.doors import DOOR, fill, hours, number, payload, place, table, world
from tests.spool.folders import T, files


def saver(conn: Connection) -> Guarded:
    return Guarded(DOOR, Saver(DOOR, decode=doors.decode))


def expected(first: int, count: int, station: str = "A") -> list[tuple[object, ...]]:
    return [(station, "pm25", float(hour), hour + 0.5) for hour in range(first, first + count)]


@pytest.mark.parametrize("dsn", ["apache", "plain"], indirect=True)
def test_records_come_in_once_and_in_order(conn: Connection, tmp_path: Path) -> None:
    world(conn)
    save = saver(conn)
    with Spool(place(tmp_path), most=2000) as owner:
        fill(owner, hours(0, 25))
        assert cursor(conn, DOOR) is None
        assert drain(conn, place(tmp_path), DOOR, save, 10, upto=owner.end) == 10
        assert table(conn) == expected(0, 10)
        assert [drain(conn, place(tmp_path), DOOR, save, 10) for _ in range(3)] == [10, 5, 0]
        assert cursor(conn, DOOR) == owner.end
        fill(owner, hours(25, 1))
        assert drain(conn, place(tmp_path), DOOR, save, 10) == 1
    assert table(conn) == expected(0, 26)
    # A batch says where its bytes are.
    origins = [str(row[0]) for row in conn.execute("SELECT origin FROM batch ORDER BY ordinal")]
    assert origins[0].startswith(f"{DOOR} ")
    assert " to " in origins[0]
    assert origins[-1] == f"{DOOR} {cursor(conn, DOOR)}"
    assert number(conn, "SELECT count(*) FROM batch WHERE read <> new") == 0


def test_killed_at_any_statement_nothing_is_lost_and_nothing_twice(conn: Connection, tmp_path: Path) -> None:
    world(conn)
    save, cut = saver(conn), 0
    with Spool(place(tmp_path)) as owner:
        for statements in range(200):
            fill(owner, [*hours(2 * statements, 2), *hours(2 * statements, 1, "B")])
            with suppress(Killed), closing(mortal(conn, statements)) as dying:
                drain(dying, place(tmp_path), DOOR, save, 100)
                break  # it had statements enough
            cut += 1
            while drain(conn, place(tmp_path), DOOR, save, 100):
                pass
            assert cursor(conn, DOOR) == owner.end
    assert cut > 15
    there = table(conn)
    assert there == [*expected(0, 2 * cut + 2), *[row for row in expected(0, 2 * cut + 2, "B") if row[2] % 2 == 0]]  # type: ignore[operator]
    # Nothing was even read twice: what was undone left no batch.
    assert number(conn, "SELECT sum(read) FROM batch") == len(there)


def test_a_connection_that_is_lost_gives_up_the_whole_take(conn: Connection, other: Connection, tmp_path: Path) -> None:
    world(conn)
    inner = saver(conn)

    def cut(conn: Connection, records: list[Record]) -> None:
        inner(conn, records)
        other.execute("SELECT pg_terminate_backend(%s)", [conn.info.backend_pid])

    with Spool(place(tmp_path)) as owner:
        fill(owner, hours(0, 5))
        with closing(connection.connect(conn.info.dsn)) as lost, pytest.raises(Lost):
            drain(lost, place(tmp_path), DOOR, cut, 10)
        assert cursor(conn, DOOR) is None
        assert table(conn) == []
        assert drain(conn, place(tmp_path), DOOR, inner, 10) == 5
    assert table(conn) == expected(0, 5)


def test_a_deadlock_repeats_the_take_with_fewer(conn: Connection, other: Connection, tmp_path: Path) -> None:
    world(conn)
    inner, sizes, mine, held = saver(conn), list[int](), Event(), Event()
    conn.execute("SET deadlock_timeout = '50ms'")
    other.execute("SET deadlock_timeout = '20s'")  # of the two it is not the one that gives up

    def locks(conn: Connection, records: list[Record]) -> None:
        sizes.append(len(records))
        conn.execute("SELECT pg_advisory_xact_lock(1)")
        mine.set()
        conn.execute("SELECT pg_advisory_xact_lock(2)")
        inner(conn, records)

    def opposes() -> None:
        with other.transaction():
            other.execute("SELECT pg_advisory_xact_lock(2)")
            held.set()
            assert mine.wait(20)
            other.execute("SELECT pg_advisory_xact_lock(1)")

    with Spool(place(tmp_path)) as owner, ThreadPoolExecutor(1) as pool:
        fill(owner, hours(0, 8))
        opposing = pool.submit(opposes)
        assert held.wait(20)
        assert drain(conn, place(tmp_path), DOOR, locks, 8) == 2
        opposing.result(20)
        assert sizes == [8, 2]
        assert drain(conn, place(tmp_path), DOOR, locks, 8) == 6
    assert table(conn) == expected(0, 8)


def test_a_deadlock_that_does_not_end_is_raised_and_leaves_nothing(conn: Connection, tmp_path: Path) -> None:
    world(conn)
    sizes = []

    def dead(conn: Connection, records: list[Record]) -> None:
        sizes.append(len(records))
        raise psycopg.errors.DeadlockDetected("deadlock detected")

    with Spool(place(tmp_path)) as owner:
        fill(owner, hours(0, 100))
        with pytest.raises(connection.Deadlock):
            drain(conn, place(tmp_path), DOOR, dead, 100)
    assert sizes == [100, 25, 1, 1, 1]
    assert cursor(conn, DOOR) is None


def test_two_who_drain_one_spool_wait_for_each_other(conn: Connection, other: Connection, tmp_path: Path) -> None:
    """One owner a spool: but one that hangs may be followed by another before it wakes."""
    world(conn)
    with Spool(place(tmp_path)) as owner:
        fill(owner, hours(0, 40))

        def work(own: Connection) -> int:
            save, total = saver(own), 0
            while more := drain(own, place(tmp_path), DOOR, save, 3):
                total += more
            return total

        with ThreadPoolExecutor(2) as pool:
            assert sum(pool.map(work, (conn, other))) == 40
    assert table(conn) == expected(0, 40)
    assert number(conn, "SELECT sum(read) FROM batch") == 40


def test_a_cursor_never_goes_back(conn: Connection) -> None:
    assert spools.hold(conn, DOOR) is None
    spools.move(conn, DOOR, (7, 100))
    spools.move(conn, DOOR, (7, 101))
    spools.move(conn, DOOR, (8, 0))
    for before in ((8, 0), (7, 500)):
        with pytest.raises(Passed, match="one owner"):
            spools.move(conn, DOOR, before)
    assert spools.cursor(conn, DOOR) == (8, 0)
    assert spools.cursor(conn, f"{DOOR}@elsewhere") is None


RUBBISH = b"##0123 not \x00\xff JSON"


@pytest.mark.parametrize("at", [{0, 3, 4, 9}, set(range(10))])
def test_a_record_that_cannot_be_decoded_stops_nobody(conn: Connection, tmp_path: Path, at: set[int]) -> None:
    world(conn)
    said = hours(0, 10)
    for bad in at:
        said[bad] = RUBBISH + str(bad).encode()
    with Spool(place(tmp_path)) as owner:
        fill(owner, said)
        guard = saver(conn)
        assert drain(conn, place(tmp_path), DOOR, guard, 100) == 10
        places = [record.place for record in spool.records(place(tmp_path), None, 100)]
    assert guard.refused == Counts(read=len(at), rejects=len(at))
    assert table(conn) == [row for row in expected(0, 10) if row[2] not in at]
    rejects = conn.execute("SELECT reason, place, text, station FROM reject ORDER BY place").fetchall()
    assert [row[1] for row in rejects] == sorted(str(places[bad]) for bad in at)
    assert {row[0] for row in rejects} == {"could not be decoded: UnicodeDecodeError"}
    assert sorted(str(row[2]) for row in rejects) == [f"##0123 not �\\xff JSON{bad}" for bad in sorted(at)]
    assert number(conn, "SELECT count(*) FROM batch WHERE read <> new + rejects") == 0


def test_a_record_whose_cells_no_column_holds_is_a_reject_too(conn: Connection, tmp_path: Path) -> None:
    """Not the decoder raises but the frame it makes, or the server that should keep it."""
    world(conn)
    with Spool(place(tmp_path)) as owner:
        fill(owner, [*hours(0, 2), payload(("A", "pm25", 3, float("nan")))])
        fill(owner, hours(7, 1), "no name \x00")
        fill(owner, hours(2, 1))
        assert drain(conn, place(tmp_path), DOOR, saver(conn), 100) == 5
    assert table(conn) == expected(0, 3)
    reasons = conn.execute("SELECT reason FROM reject ORDER BY 1").fetchall()
    assert reasons == [("could not be decoded: DataError",), ("could not be decoded: ValueError",)]


def test_what_is_no_fault_of_a_record_stops_the_drain(conn: Connection, tmp_path: Path) -> None:
    """A right that is missing must not turn a day of readings into rejects."""
    world(conn)
    with Spool(place(tmp_path)) as owner:
        fill(owner, hours(0, 3))
        conn.execute("SET ROLE greenwatch_reader")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            drain(conn, place(tmp_path), DOOR, saver(conn), 10)
        conn.execute("RESET ROLE")
        assert number(conn, "SELECT count(*) FROM reject") == 0
        conn.execute("SET ROLE greenwatch_writer")
        assert drain(conn, place(tmp_path), DOOR, saver(conn), 10) == 3
        spools.tell(conn, DOOR, told(owner, cursor(conn, DOOR)), T)
        assert spools.load(conn)["appended"].to_list() == [3]
        conn.execute("RESET ROLE")


def test_damage_is_passed_and_among_the_rejects(conn: Connection, tmp_path: Path) -> None:
    world(conn)
    with Spool(place(tmp_path), most=700) as owner:
        fill(owner, hours(0, 20))
    file = files(place(tmp_path))[1]
    raw = bytearray(file.read_bytes())
    raw[10] ^= 1
    file.write_bytes(raw)
    while drain(conn, place(tmp_path), DOOR, saver(conn), 6):
        pass
    assert len(table(conn)) == 19
    ((reason, words),) = conn.execute("SELECT reason, text FROM reject").fetchall()
    assert reason == "damaged in the spool"
    assert f"of segment {int(file.name.partition('-')[0])} from byte 0" in str(words)
    assert cursor(conn, DOOR) == owner.end


def test_an_older_copy_of_a_spool_is_said_not_waited_for(conn: Connection, tmp_path: Path) -> None:
    world(conn)
    with Spool(place(tmp_path)) as owner:
        fill(owner, hours(0, 1))
        spools.move(conn, DOOR, Place(2**40, 5))
        with pytest.raises(spool.Rewound):
            drain(conn, place(tmp_path), DOOR, saver(conn), 10)


def test_what_waits_is_told_to_dashboards(conn: Connection, tmp_path: Path) -> None:
    world(conn)
    with Spool(place(tmp_path)) as owner:
        fill(owner, hours(0, 30))
        drain(conn, place(tmp_path), DOOR, saver(conn), 10)
        spools.tell(conn, DOOR, told(owner, cursor(conn, DOOR), "why"), T + timedelta(minutes=1))
    conn.execute("SET ROLE greenwatch_reader")
    (row,) = conn.execute(
        "SELECT door, records, bytes > 20 * 60, oldest, age > interval '0', \"full\", appended, problem, told"
        " FROM report.spool"
    ).fetchall()
    conn.execute("RESET ROLE")
    assert row == (DOOR, 20, True, T + timedelta(seconds=10), row[4], False, 30, "why", T + timedelta(minutes=1))
    assert spools.load(conn).row(0, named=True)["records"] == 20


def until(true: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 20
    while not true():
        assert time.monotonic() < give_up
        time.sleep(0.01)


def test_what_is_drained_makes_room_for_what_comes(
    conn: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Segments are kept to be read again; they must not keep out what comes."""
    world(conn)
    monkeypatch.setattr(draining, "PAUSE", 0.02)
    stopping, refused = Event(), 0
    with Spool(place(tmp_path), room=8000) as owner:
        drainer = Drainer("drain test", conn.info.dsn, stopping, owner, DOOR, saver(conn))
        drainer.start()
        for hour in range(250):
            while True:
                future = owner.append(hours(hour, 1)[0], {"source": "field"}, T)
                if future.exception(20) is None:
                    break
                assert isinstance(future.exception(), spool.Full)
                refused += 1
                time.sleep(0.02)
                assert refused < 500
        until(lambda: drainer.place == owner.end)
        stopping.set()
        assert drainer.join(10)
    assert refused
    assert table(conn) == expected(0, 250)
    assert sum(file.stat().st_size for file in files(place(tmp_path))) <= 8000


def test_the_thread_drains_as_it_comes_and_survives_what_comes(
    conn: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rubbish, a connection that is cut, a saver that fails for a while: afterwards all is in, and it is told."""
    world(conn)
    monkeypatch.setattr(draining, "TELL", 0.05)
    monkeypatch.setattr(draining, "TIDY", 0.05)
    stopping, failing = Event(), Event()
    inner = saver(conn)

    def save(conn: Connection, records: list[Record]) -> None:
        if failing.is_set():
            raise RuntimeError("not today")
        inner(conn, records)

    with Spool(place(tmp_path), most=1000) as owner:
        drainer = Drainer("drain test", conn.info.dsn, stopping, owner, DOOR, save)
        drainer.start()
        fill(owner, [*hours(0, 20), RUBBISH])
        until(lambda: len(table(conn)) == 20)
        conn.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE '%drain test'")
        fill(owner, hours(20, 20))
        until(lambda: len(table(conn)) == 40)
        failing.set()
        fill(owner, hours(40, 5))
        until(lambda: "not today" in drainer.problem)
        failing.clear()
        until(lambda: len(table(conn)) == 45 and not drainer.problem)
        until(lambda: spools.load(conn).select("records", "appended").rows() == [(0, 46)])
        until(lambda: drainer.place == owner.end)
        until(lambda: {file.suffix for file in files(place(tmp_path))[:-1]} == {".gz"})
        stopping.set()
        assert drainer.join(10)
        assert not drainer.broken
    assert table(conn) == expected(0, 45)
    assert number(conn, "SELECT count(*) FROM reject") == 1
