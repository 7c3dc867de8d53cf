"""Jobs by the clock: each once in its time, by one worker, again later where it failed."""

import itertools
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from threading import Event

import psycopg
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from analytics.store import connection, health
from analytics.store.connection import Connection
from jobs import threads, timetable, worker
from jobs.timetable import FIRST, LONGEST, Books, Job, Patience, Timetable
from tests.conftest import NOW
from tests.worker.clock import Clock, until
from tests.world import HOUR, T0

DAY, WEEK = timedelta(days=1), timedelta(weeks=1)


def nothing(conn: Connection, now: datetime) -> None:
    """A job."""


@pytest.mark.parametrize(
    ("every", "at", "now", "slot"),
    [
        (HOUR, timedelta(minutes=4), "2026-11-21T10:03:59", "2026-11-21T09:04:00"),
        (HOUR, timedelta(minutes=4), "2026-11-21T10:04:00", "2026-11-21T10:04:00"),
        # five o'clock in Beijing is nine in the evening before, in UTC
        (DAY, timedelta(hours=5 - 8), "2026-11-21T20:59:00", "2026-11-20T21:00:00"),
        (DAY, timedelta(hours=5 - 8), "2026-11-21T21:00:00", "2026-11-21T21:00:00"),
        # 2026-11-23 is a Monday; half past three there is Sunday evening in UTC
        (WEEK, timedelta(hours=3.5 - 8), "2026-11-22T19:29:59", "2026-11-15T19:30:00"),
        (WEEK, timedelta(hours=3.5 - 8), "2026-11-22T19:30:00", "2026-11-22T19:30:00"),
    ],
)
def test_when_a_job_was_last_to_be_done(every: timedelta, at: timedelta, now: str, slot: str) -> None:
    said = Job("job", nothing, every, at).slot(datetime.fromisoformat(f"{now}+00:00"))
    assert said == datetime.fromisoformat(f"{slot}+00:00")


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001  # given a zone
    st.sampled_from([HOUR, DAY, WEEK]),
    st.timedeltas(timedelta(hours=-24), timedelta(hours=24)),
)
def test_a_slot_is_the_newest_one_that_has_come(now: datetime, every: timedelta, at: timedelta) -> None:
    job = Job("job", nothing, every, at)
    slot = job.slot(now)
    assert slot <= now < slot + every
    assert job.slot(slot) == slot
    assert job.slot(slot - timedelta(microseconds=1)) == slot - every


def table(dsn: str, clock: Clock, *jobs: Job, alone: bool = True) -> Timetable:
    return Timetable("clock", dsn, Event(), jobs, Books(), alone=alone, pause=0.05, clock=clock)


def test_a_job_is_done_once_in_its_time(conn: Connection, dsn: str) -> None:
    ran: list[datetime] = []
    clock = Clock(datetime(2026, 11, 21, 10, 30, tzinfo=UTC))
    times = table(dsn, clock, Job("hourly", lambda _, now: ran.append(now), HOUR, timedelta(minutes=4)))
    for minutes in (0, 1, 33, 34, 35, 94, 95, 300):
        clock.now = datetime(2026, 11, 21, 10, 30, tzinfo=UTC) + timedelta(minutes=minutes)
        times.look(conn)
    # At once, as nobody knows of an earlier run; then at 11:04, at 12:04, and once for the three that were missed.
    assert [f"{now:%H:%M}" for now in ran] == ["10:30", "11:04", "12:04", "15:30"]


def test_a_job_that_fails_waits_longer_each_time_and_stops_no_other(conn: Connection, dsn: str) -> None:
    tried: list[datetime] = []
    other: list[datetime] = []
    clock = Clock(T0)

    def fail(_: Connection, now: datetime) -> None:
        tried.append(now)
        raise ValueError("poison")

    times = table(dsn, clock, Job("bad", fail, HOUR), Job("good", lambda _, now: other.append(now), HOUR))
    with structlog.testing.capture_logs() as said:
        for second in range(7200):
            clock.now = T0 + timedelta(seconds=second)
            times.look(conn)
    waits = [(b - a).total_seconds() for a, b in itertools.pairwise(tried)]
    assert waits[:6] == [2, 4, 8, 16, 32, 64]
    assert max(waits) == LONGEST.total_seconds()
    assert len(other) == 2
    assert len([line for line in said if line["event"] == "failed"]) == len(tried) < 25
    times.books.write(conn)
    [bad] = health.work(conn).filter(job="bad").to_dicts()
    assert (bad["runs"], bad["failures"], bad["problem"]) == (0, len(tried), "ValueError: poison")
    assert bad["failed"] == tried[-1]


def test_patience_has_an_end_and_success_restores_it(conn: Connection) -> None:
    patience = Patience()
    for _ in range(2000):
        patience.failed(NOW)
    assert patience.until == NOW + LONGEST
    assert timetable.attempt(conn, "job", Books(), [patience], lambda: None)
    patience.failed(NOW)
    assert patience.until == NOW + FIRST


def test_a_statement_that_was_given_up_is_a_failure_and_no_lost_connection(conn: Connection, dsn: str) -> None:
    """PostgreSQL's errors of both kinds have one class."""

    def slow(conn: Connection, _: datetime) -> None:
        conn.execute("SET statement_timeout = '10ms'")
        conn.execute("SELECT pg_sleep(5)")

    times = table(dsn, Clock(T0), Job("slow", slow, HOUR))
    with structlog.testing.capture_logs():
        times.look(conn)
    times.books.write(conn)
    assert health.work(conn)["failures"].to_list() == [1]


def test_what_was_done_before_a_restart_is_not_done_again(conn: Connection, dsn: str) -> None:
    ran: list[str] = []

    def job(name: str, every: timedelta) -> Job:
        return Job(name, lambda *_: ran.append(name), every)

    clock = Clock(NOW + timedelta(minutes=10))
    first = table(dsn, clock, job("daily", DAY), job("other", DAY))
    first.jobs = first.jobs[:1]
    first.look(conn)
    first.books.write(conn)
    second = table(dsn, clock, job("daily", DAY), job("other", DAY))
    second.start()
    until(lambda: "other" in ran)
    second.stopping.set()
    assert second.join(10)
    assert ran == ["daily", "other"]


def test_one_worker_of_two_does_what_the_clock_asks(
    conn: Connection, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "SELDOM", 0.1)
    ran: list[datetime] = []
    times = table(dsn, Clock(NOW), Job("daily", lambda _, now: ran.append(now), DAY))
    assert health.only_one(conn, "clock")  # another worker
    times.start()
    time.sleep(1)
    assert not ran
    conn.close()  # it died
    until(lambda: ran)
    times.stopping.set()
    assert times.join(10)


def test_a_lost_connection_is_found_again_and_said_once(dsn: str, server_dsn: str) -> None:
    pids: list[int] = []

    def ask(conn: Connection, _: datetime) -> None:
        pids.extend(row[0] for row in conn.execute("SELECT pg_backend_pid()"))  # type: ignore[misc]  # an int

    times = table(dsn, Clock(NOW), Job("beat", ask, timedelta(microseconds=1)))
    times.clock = lambda: datetime.now(UTC)
    name = psycopg.conninfo.conninfo_to_dict(dsn)["dbname"]
    with structlog.testing.capture_logs() as said, closing(psycopg.connect(server_dsn, autocommit=True)) as admin:
        times.start()
        until(lambda: pids)
        first = pids[0]
        admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        admin.execute("SELECT pg_terminate_backend(%s)", [first])
        time.sleep(3)  # it tries some times
        admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
        until(lambda: pids[-1] != first)
        times.stopping.set()
        assert times.join(10)
    assert [line["event"] for line in said] == ["the database is away", "the database is back"]
    assert not times.broken


def test_a_thread_that_breaks_ends_the_worker(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    only_one = health.only_one

    def broken(conn: Connection, part: str) -> bool:
        if part == "live":  # not a thread's: the worker itself asks
            return only_one(conn, part)
        raise RuntimeError("a mistake")

    monkeypatch.setattr(health, "only_one", broken)
    monkeypatch.setattr("threading.excepthook", lambda _: None)
    monkeypatch.setattr(worker, "WATCH", ())
    monkeypatch.setattr(worker, "CLOCK", ())
    monkeypatch.setattr(worker, "NIGHT", ())
    assert worker.work(dsn, Event())


def test_sums_of_work_are_kept_while_they_cannot_be_written(conn: Connection, dsn: str) -> None:
    books = Books()
    books.add("flag", health.Done(runs=1, read=10, succeeded=NOW))
    with closing(connection.connect(dsn)) as lost:
        lost.close()
        with pytest.raises(connection.Lost):
            books.write(lost)
    books.add("flag", health.Done(runs=2, read=5, failures=1, failed=NOW + HOUR, problem="x"))
    books.write(conn)
    books.write(conn)
    [row] = health.work(conn).to_dicts()
    assert (row["runs"], row["read"], row["failures"], row["problem"]) == (3, 15, 1, "x")
    assert (row["succeeded"], row["failed"]) == (NOW, NOW + HOUR)
