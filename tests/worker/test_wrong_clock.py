"""A machine whose clock was ahead and is set right: nothing waits until that time has come."""

from datetime import datetime, timedelta
from threading import Event

import structlog

from analytics.store import health
from analytics.store.connection import Connection
from analytics.store.health import Done
from jobs.timetable import Books, Job, Patience, Timetable
from tests.conftest import NOW
from tests.worker.clock import Clock

YEAR = timedelta(days=365)
SECOND = timedelta(seconds=1)


def test_what_was_done_in_a_time_to_come_is_done_again(conn: Connection, dsn: str) -> None:
    ran: list[datetime] = []
    clock = Clock(NOW + YEAR)
    job = Job("watch", lambda _, now: ran.append(now), 2 * SECOND)
    table = Timetable("watch", dsn, Event(), [job], Books(), clock=clock)
    table.look(conn)
    for second in range(4):
        clock.now = NOW + second * SECOND
        table.look(conn)
    assert ran == [NOW + YEAR, NOW, NOW + 2 * SECOND]


def test_so_it_is_where_another_worker_wrote_it_down(conn: Connection, dsn: str) -> None:
    health.record(conn, {"hourly": Done(runs=1, succeeded=NOW + YEAR)})
    ran: list[datetime] = []
    stopping = Event()

    def once(_: Connection, now: datetime) -> None:
        ran.append(now)
        stopping.set()

    job = Job("hourly", once, timedelta(hours=1))
    table = Timetable("clock", dsn, stopping, [job], Books(), pause=0.05, clock=Clock(NOW))
    table.start()
    assert table.join(20)
    assert ran == [NOW]


def test_patience_ends_with_the_time_it_was_for(conn: Connection, dsn: str) -> None:
    tried: list[datetime] = []
    clock = Clock(NOW + YEAR)

    def fail(_: Connection, now: datetime) -> None:
        tried.append(now)
        raise ValueError("poison")

    table = Timetable("clock", dsn, Event(), [Job("bad", fail, SECOND)], Books(), clock=clock)
    with structlog.testing.capture_logs():
        table.look(conn)
        clock.now = NOW
        table.look(conn)
        clock.now = NOW + SECOND
        table.look(conn)
    assert tried == [NOW + YEAR, NOW]  # the third waits, as it should
    patience = Patience()
    patience.failed(NOW)
    assert (patience.over(NOW), patience.over(NOW + 2 * SECOND), patience.over(NOW - YEAR)) == (False, True, True)
