"""The queue: its tables from the installed library, old or new, and the thread of a worker that empties it."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from threading import Event

import psycopg
import pytest

from analytics import standards
from analytics.store import connection, guests, migrations
from analytics.store.connection import Connection
from analytics.store.errors import NewerStore, NotMigrated
from jobs import migrate
from jobs.backfill import queue
from jobs.backfill.queue import Porter
from tests.conftest import NOW
from tests.worker.clock import until

SHAPE = """
    SELECT 'table', c.relname, a.attname, a.atttypid::regtype::text, c.relacl::text
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
    WHERE c.relnamespace = 'queue'::regnamespace
    UNION ALL SELECT 'function', p.proname, pg_get_function_identity_arguments(p.oid), md5(p.prosrc), NULL
    FROM pg_proc p WHERE p.pronamespace = 'queue'::regnamespace
    UNION ALL SELECT 'trigger', t.tgname, t.tgrelid::regclass::text, NULL, NULL
    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
    WHERE c.relnamespace = 'queue'::regnamespace AND NOT t.tgisinternal
    ORDER BY 1, 2, 3
"""


@pytest.fixture
def empty(blank: str) -> Iterator[Connection]:
    """A database of our own tables, with nothing in the schema of the queue."""
    with closing(connection.connect(blank)) as opened:
        list(migrations.migrate(opened, standards.tables(), NOW, plain=True))
        yield opened


# tables


@pytest.mark.parametrize("plain", [False, True], ids=["apache", "plain"])
def test_from_nothing_and_twice(blank: str, plain: bool) -> None:
    with closing(connection.connect(blank)) as conn:
        steps = list(migrate.migrate(conn, plain=plain))
        assert [step.name for step in steps if step.kind == "library"] == ["queue"]
        before = conn.execute(SHAPE).fetchall()
        assert len(before) > 60
        assert list(migrate.migrate(conn, plain=plain)) == []
        assert conn.execute(SHAPE).fetchall() == before
        guests.require(conn, queue.guest())
        places = "SELECT DISTINCT relnamespace::regnamespace::text FROM pg_class WHERE relname LIKE 'procrastinate%'"
        assert conn.execute(places).fetchall() == [("queue",)]


def test_an_older_library_s_tables_become_those_of_the_newer_one(empty: Connection) -> None:
    """Made as the library made them some versions ago, by all its migrations up to then."""
    guest = queue.guest()
    names = list(guest.steps)
    at = names.index("03.02.00_01_pre_batch_defer_jobs")
    old = replace(
        guest, whole="\n".join(guest.steps[name] for name in names[:at]), steps={n: guest.steps[n] for n in names[:at]}
    )
    assert list(guests.migrate(empty, old, NOW)) == ["queue"]
    with pytest.raises(NotMigrated, match="greenwatch migrate"):
        guests.require(empty, guest)
    assert list(guests.migrate(empty, guest, NOW)) == names[at:]
    guests.require(empty, guest)
    functions = {
        row[0] for row in empty.execute("SELECT proname FROM pg_proc WHERE pronamespace = 'queue'::regnamespace")
    }
    assert "procrastinate_defer_jobs_v1" in functions
    assert queue.put(empty, [7]) == {7: 1}
    with pytest.raises(NewerStore, match="install a newer one"):
        list(guests.migrate(empty, old, NOW))


def test_a_step_that_breaks_leaves_no_trace(empty: Connection) -> None:
    guest = queue.guest()
    list(guests.migrate(empty, guest, NOW))
    broken = replace(guest, steps={**guest.steps, "99_broken": "CREATE TABLE half (a int); SELECT 1 / 0"})
    with pytest.raises(psycopg.errors.DivisionByZero):
        list(guests.migrate(empty, broken, NOW))
    assert empty.execute("SELECT to_regclass('queue.half')").fetchone() == (None,)
    mended = replace(guest, steps={**guest.steps, "99_broken": "CREATE TABLE half (a int)"})
    assert list(guests.migrate(empty, mended, NOW)) == ["99_broken"]


@pytest.mark.parametrize("dsn", ["apache", "plain"], indirect=True)
def test_a_worker_needs_no_more_than_the_writer_s_rights(conn: Connection, dsn: str) -> None:
    conn.execute("SET ROLE greenwatch_writer")
    jobs = queue.put(conn, [1, 2, 3])
    queue.withdraw(conn, [jobs[3]])
    conn.execute("RESET ROLE")
    did: list[int] = []
    as_writer = psycopg.conninfo.make_conninfo(dsn, options="-c role=greenwatch_writer")
    with porter(as_writer, lambda _, chunk: did.append(chunk)):
        until(lambda: len(did) == 2)
        until(lambda: conn.execute("SELECT count(*) FROM queue.procrastinate_jobs").fetchone() == (0,))
    assert did == [1, 2]


# the thread


@contextmanager
def porter(dsn: str, do: queue.Do) -> Iterator[Porter]:
    """A thread that does what `do` says, until the end."""
    made = Porter("chunks", dsn, Event(), do)
    made.start()
    try:
        yield made
    finally:
        made.stopping.set()
        assert made.join(15)
        assert not made.broken


def test_a_chunk_stays_until_it_is_over(conn: Connection, dsn: str) -> None:
    did: list[tuple[int, float]] = []

    def do(_: Connection, chunk: int) -> timedelta | None:
        did.append((chunk, time.monotonic()))
        times = sum(number == chunk for number, _ in did)
        if chunk == 2 and times < 3:
            return timedelta(seconds=0.3)
        if chunk == 3 and times < 2:
            raise ValueError("an accident")
        return None

    queue.put(conn, [1, 2, 3])
    with porter(dsn, do):
        until(lambda: sorted(number for number, _ in did) == [1, 2, 2, 2, 3, 3])
        until(lambda: conn.execute("SELECT count(*) FROM queue.procrastinate_jobs").fetchone() == (0,))
    second = [at for number, at in did if number == 2]
    assert second[1] - second[0] >= 0.3


def test_what_is_put_is_there_when_its_transaction_is(conn: Connection, dsn: str) -> None:
    did: list[int] = []
    with porter(dsn, lambda _, chunk: did.append(chunk)):
        with suppress(ZeroDivisionError), conn.transaction():
            queue.put(conn, [1])
            raise ZeroDivisionError
        with conn.transaction():
            queue.put(conn, [2])
        until(lambda: did)
    assert did == [2]


def test_a_dead_worker_s_chunk_is_another_s(conn: Connection, dsn: str) -> None:
    """One took it and was never heard of again."""
    queue.put(conn, [1])
    conn.execute("SET search_path = queue")
    [worker] = conn.execute("SELECT * FROM procrastinate_register_worker_v1()").fetchone() or [None]
    assert conn.execute("SELECT id FROM procrastinate_fetch_job_v2(NULL, %s)", [worker]).fetchone() == (1,)
    did: list[int] = []
    with porter(dsn, lambda _, chunk: did.append(chunk)):
        time.sleep(1.5)
        assert not did  # it may live
        conn.execute(
            "UPDATE procrastinate_workers SET last_heartbeat = now() - interval '1 minute' WHERE id = %s", [worker]
        )
        until(lambda: did)
    assert did == [1]


def test_without_tables_it_waits_for_them(empty: Connection, blank: str) -> None:
    did: list[int] = []
    with porter(blank, lambda _, chunk: did.append(chunk)):
        time.sleep(0.5)
        list(guests.migrate(empty, queue.guest(), NOW))
        queue.put(empty, [1])
        until(lambda: did)


def test_a_lost_connection_is_found_again(conn: Connection, dsn: str) -> None:
    did: list[int] = []
    with porter(dsn, lambda _, chunk: did.append(chunk)):
        queue.put(conn, [1])
        until(lambda: did == [1])
        conn.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name LIKE 'greenwatch chunks%'"
        )
        queue.put(conn, [2])
        until(lambda: did == [1, 2])


def test_told_to_stop_it_waits_for_its_chunk(conn: Connection, dsn: str) -> None:
    began, done = Event(), Event()

    def do(_: Connection, chunk: int) -> None:
        began.set()
        time.sleep(0.7)
        done.set()

    queue.put(conn, [1])
    with porter(dsn, do):
        assert began.wait(20)
    assert done.is_set()
    assert conn.execute("SELECT count(*) FROM queue.procrastinate_jobs").fetchone() == (0,)
