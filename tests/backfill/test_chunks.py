"""Chunks: saved bite by bite, each once, whoever reads them, however often they are killed, fail or are cancelled."""

from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from threading import Event

import psycopg
import pytest
import structlog

from analytics.store import backfills, connection, health
from analytics.store.connection import Connection
from analytics.store.observations import Counts
from jobs import console
from jobs.backfill import chunk as chunks
from jobs.backfill import diff, queue, sources, status
from jobs.backfill import plan as planning
from jobs.backfill.chunk import Hands
from jobs.backfill.cli import begin
from jobs.backfill.sources import Ask
from jobs.intake import Order
from jobs.timetable import Books
from jobs.web.watcher import Taker
from tests import world
from tests.backfill import archive
from tests.conftest import Make
from tests.mortal import Killed, mortal

HOUR = timedelta(hours=1)
#: Of the four files, each cut into two.
CHUNKS = 8


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are cut into some chunks, and these into some bites."""
    monkeypatch.setattr(sources, "PART", 2500)
    monkeypatch.setattr(sources, "BITE", 70)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return archive.write(tmp_path_factory.mktemp("archive") / "files", files=4, stations=2)


@pytest.fixture(scope="module")
def ingested(make_database: Make, files: list[Path]) -> dict[str, list[tuple[object, ...]]]:
    """The tables of a store that read the files at once."""
    with closing(connection.connect(make_database("apache"))) as conn:
        archive.ingest(conn, files)
        return archive.picture(conn)


@pytest.fixture
def known(conn: Connection) -> Connection:
    """A store that knows the series: their files are cut."""
    world.settle_world(conn, [(f"S{number}", name) for number in range(2) for name in archive.PARAMETERS])
    return conn


def backfill(conn: Connection, files: list[Path], *, register: bool = False) -> int:
    """Number of a new backfill."""
    ask = Ask(Order(source="archive", register=register, kind="backfill"), tuple(files))
    return begin(conn, ask, sources.find(conn, ask))


def hands() -> Hands:
    return Hands(Event(), Books())


def waiting(conn: Connection, number: int) -> list[int]:
    found = backfills.chunks(conn, number)
    return [row["id"] for row in found.to_dicts() if row["state"] in ("waiting", "running")]


def do_all(conn: Connection, number: int) -> Counts:
    """What became of the cells of the backfill, all chunks done in their order."""
    mine = hands()
    for chunk in waiting(conn, number):
        assert mine.do(conn, chunk) is None
    return status.standing(conn, number, console.now()).counts


def batches(conn: Connection) -> Counts:
    """What became of the cells of all batches of kind backfill."""
    names = list(Counts.__dataclass_fields__)
    sums = ", ".join(f"coalesce(sum({name}), 0)::int8" for name in names)
    row = conn.execute(f"SELECT {sums} FROM batch WHERE kind = 'backfill'").fetchone()
    assert row is not None
    return Counts(*row)  # type: ignore[arg-type]  # as many numbers


@pytest.mark.parametrize("register", [False, True])
def test_a_backfill_ends_where_one_ingest_does(
    conn: Connection, files: list[Path], ingested: dict[str, list[tuple[object, ...]]], register: bool
) -> None:
    if not register:
        world.settle_world(conn, [(f"S{number}", name) for number in range(2) for name in archive.PARAMETERS])
    number = backfill(conn, files, register=register)
    found = backfills.chunks(conn, number)
    assert found.height == (len(files) if register else CHUNKS)
    counts = do_all(conn, number)
    assert counts == batches(conn).check()
    assert counts.read == 4 * 2 * 48 * 4
    assert counts.duplicates > 0
    found = backfills.chunks(conn, number)
    assert set(found["state"]) == {"done"}
    assert found["bites"].sum() == conn.execute("SELECT count(*) FROM batch").fetchone()[0]  # type: ignore[index]
    archive.settle(conn)
    assert archive.picture(conn) == ingested
    assert conn.execute("SELECT count(*) FROM latest WHERE live IS NOT NULL").fetchone() == (0,)
    # Twice without harm: another backfill of the same changes nothing and marks nothing.
    again = do_all(conn, backfill(conn, files, register=register))
    assert (again.new, again.replaced, again.read) == (0, 0, counts.read)
    assert conn.execute("SELECT count(*) FROM stale WHERE due <= now()").fetchone() == (0,)


def test_killed_at_any_statement_it_goes_on_and_counts_nothing_twice(
    known: Connection, files: list[Path], ingested: dict[str, list[tuple[object, ...]]]
) -> None:
    calm = backfill(known, files)
    expected = do_all(known, calm)
    world.empty(known)
    number = backfill(known, files)
    died, mine = 0, hands()
    for turn, chunk in enumerate(waiting(known, number)):
        for statements in (3 + turn, 19 + 7 * turn, 60 + 11 * turn):
            with closing(mortal(known, statements)) as own, suppress(Killed, psycopg.OperationalError):
                mine.do(own, chunk)
                continue
            died += 1
        mine.do(known, chunk)
    assert died > CHUNKS
    assert status.standing(known, number, console.now()).counts == expected == batches(known)
    archive.settle(known)
    assert archive.picture(known) == ingested


def test_who_was_thought_dead_and_reads_on_counts_nothing(
    known: Connection, other: Connection, files: list[Path]
) -> None:
    number = backfill(known, files[:1])
    first, *rest = waiting(known, number)
    slow = backfills.start(other, first, "slow", version("greenwatch"))
    assert slow is not None
    counts = do_all(known, number)
    with pytest.raises(backfills.Cancelled):  # the chunk is done: nothing more of it is saved
        hands()._save(other, slow)
    assert status.standing(known, number, console.now()).counts == counts == batches(known)
    assert rest


def test_another_version_begins_the_chunk_anew(
    known: Connection, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may cut it otherwise: a bite that is counted as saved might not be."""
    number = backfill(known, files[:1])
    chunk = waiting(known, number)[0]
    with closing(mortal(known, 60)) as own, suppress(Killed, psycopg.OperationalError):
        hands().do(own, chunk)
    before = backfills.chunks(known, number).row(0, named=True)
    assert before["bites"] > 0
    monkeypatch.setattr(chunks, "version", lambda name: "another")
    monkeypatch.setattr(sources, "BITE", 31)
    do_all(known, number)
    after = backfills.chunks(known, number).row(0, named=True)
    assert after["bites"] > before["bites"]
    assert after["duplicates"] >= before["new"]
    with closing(connection.connect(known.info.dsn)) as fresh:
        assert fresh.execute("SELECT count(*) FROM observation").fetchone() == (batches(known).new,)


def test_cancelled_it_saves_nothing_more_and_can_go_on(
    known: Connection, other: Connection, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    number = backfill(known, files)
    first = waiting(known, number)[0]
    keep = chunks.Mouth._keep

    def late(mouth: chunks.Mouth, *given: object) -> Counts:
        """Somebody cancels it while the third bite is read."""
        if mouth.number == 2:
            with other.transaction():
                assert len(backfills.cancel(other, number)) == CHUNKS
        return keep(mouth, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(chunks.Mouth, "_keep", late)
    assert hands().do(known, first) is None
    monkeypatch.undo()
    now = status.standing(known, number, console.now())
    assert (now.state, now.chunks["cancelled"]) == ("cancelled", CHUNKS)
    assert known.execute("SELECT count(*) FROM batch").fetchone() == (2,)
    for chunk in range(first, first + CHUNKS):
        assert hands().do(known, chunk) is None  # a job that was handed out already
    assert known.execute("SELECT count(*) FROM batch").fetchone() == (2,)
    assert len(backfills.revive(known, number)) == CHUNKS
    counts = do_all(known, number)
    assert counts == batches(known)
    assert status.standing(known, number, console.now()).state == "done"


def test_a_chunk_that_fails_is_named_waits_longer_each_time_and_stops_no_other(
    known: Connection, files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = [tmp_path / path.name for path in files[:3]]
    for path, there in zip(files, mine, strict=False):
        there.write_bytes(path.read_bytes())
    monkeypatch.setattr(sources, "PART", 1 << 20)
    number = backfill(known, mine)
    content = mine[1].read_bytes()
    mine[1].write_bytes(content.replace(b"S1", b"S2"))
    _, bad, _ = waiting(known, number)
    with structlog.testing.capture_logs():
        waits = [hands().do(known, bad) for _ in range(chunks.TRIES)]
    assert waits == [timedelta(seconds=seconds) for seconds in (5, 20, 80, 320, 1280)] + [None]
    for chunk in waiting(known, number):
        assert hands().do(known, chunk) is None
    now = status.standing(known, number, console.now())
    assert now.state == "failed"
    assert now.chunks == {"waiting": 0, "running": 0, "done": 2, "failed": 1, "cancelled": 0}
    [problem] = now.problems
    assert problem["place"] == str(mine[1])
    assert problem["failures"] == chunks.TRIES
    assert problem["problem"] == "UnreadableSource: 01.csv: it is another file than when the backfill was begun"
    mine[1].write_bytes(content)
    assert backfills.revive(known, number) == [bad]
    assert do_all(known, number) == batches(known)
    assert status.standing(known, number, console.now()).problems == []


def test_told_to_stop_it_leaves_the_rest_to_others(known: Connection, files: list[Path]) -> None:
    number = backfill(known, files[:1])
    first = waiting(known, number)[0]
    mine = hands()
    mine.stopping.set()
    assert mine.do(known, first) == timedelta(0)
    assert backfills.chunks(known, number)["state"].to_list()[0] == "waiting"


def test_the_metrics_tell_what_is_left_and_what_was_read(known: Connection, files: list[Path]) -> None:
    number = backfill(known, files)
    first, *_ = waiting(known, number)
    assert hands().do(known, first) is None
    known.execute("UPDATE backfill_chunk SET state = 'failed' WHERE id = %s", [first + 1])
    frames = Taker(known).take().frames
    assert dict(frames["backfill_chunks"].iter_rows()) == {"waiting": CHUNKS - 2, "running": 0, "failed": 1}
    assert frames["backfill_rows"]["rows"].to_list() == [backfills.chunks(known, number)["read"][0]]


@pytest.mark.parametrize("dsn", ["apache", "plain"], indirect=True)
def test_the_writer_plans_runs_and_cancels(conn: Connection, files: list[Path]) -> None:
    conn.execute("SET ROLE greenwatch_writer")
    asked = Ask(Order(source="archive", register=True, kind="backfill"), tuple(files))
    planned = planning.plan(conn, asked)
    number = begin(conn, asked, sources.find(conn, asked))
    assert do_all(conn, number) == planned.counts
    archive.settle(conn)
    assert diff.diff(conn, number, backfills.load(conn, number)["begun"].item()).days.height > 0
    with conn.transaction():
        queue.withdraw(conn, backfills.cancel(conn, backfill(conn, files)))
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute("UPDATE backfill SET begun = now()")


# behind live work


@pytest.fixture
def busy(known: Connection) -> Connection:
    """Live work that nobody does."""
    series = world.settle_world(known, [("L", "pm25")])[0]
    now = datetime.now(UTC)
    known.execute(
        "INSERT INTO stale (stage, subject, start, stop, due) VALUES (1, %s, %s, %s, %s)",
        [series, now - HOUR, now, now - timedelta(seconds=chunks.BEHIND + 1)],
    )
    return known


def test_it_gives_way_to_live_work_that_waits(busy: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "MOST", 0.6)
    assert chunks.give_way(busy, Event()) >= 0.6  # and no longer: what never ends must not keep it for ever
    busy.execute("UPDATE stale SET due = now()")
    assert chunks.give_way(busy, Event()) < 0.3
    busy.execute(
        "UPDATE stale SET due = now() - interval '1 hour', start = start - %s, stop = stop - %s", [chunks.FRESH] * 2
    )
    assert chunks.give_way(busy, Event()) < 0.3  # that is no live work
    assert health.behind(busy, console.now(), console.now() - chunks.FRESH) == 0


def test_told_to_stop_it_waits_for_nobody(busy: Connection) -> None:
    stopping = Event()
    stopping.set()
    assert chunks.give_way(busy, stopping) < 0.3
