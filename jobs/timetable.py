"""What is done by the clock: jobs, when each is due, and a thread that does them on a connection of its own."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import Lock

import structlog

from analytics.store import health
from analytics.store.connection import Connection
from analytics.store.health import Done
from jobs import console, threads
from jobs.threads import Thread

log = structlog.get_logger()

#: After a failure a job waits so long, twice as long after the next one, up to the longest.
FIRST, LONGEST = timedelta(seconds=2), timedelta(minutes=10)
_EVER = datetime(1970, 1, 1, tzinfo=UTC)
_MONDAY = datetime(1970, 1, 5, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Job:
    """Something done once in each `every`, counted from `at` after midnight UTC (of a Monday, where it is weeks)."""

    name: str
    run: Callable[[Connection, datetime], object]
    every: timedelta
    at: timedelta = timedelta(0)

    def slot(self, now: datetime) -> datetime:
        """When it was last to be done, at or before `now`."""
        return now - (now - _MONDAY - self.at) % self.every


@dataclass(slots=True)
class Patience:
    """How long something that fails is left alone."""

    failures: int = 0
    until: datetime = _EVER

    def over(self, now: datetime) -> bool:
        """Whether it may be tried again; where the clock was set back, at once."""
        return not now < self.until <= now + LONGEST

    def failed(self, now: datetime) -> None:
        """Nothing; it waits, longer than the last time."""
        # Bounded before it is doubled: what fails for days must not overflow.
        self.until = now + min(LONGEST, FIRST * 2 ** min(self.failures, 20))
        self.failures += 1


class Books:
    """What was done since it was last written down, by whatever thread."""

    def __init__(self) -> None:
        """Nothing was done yet."""
        self._lock = Lock()
        self._done: dict[str, Done] = {}

    def add(self, job: str, more: Done) -> None:
        """Nothing; `more` was done of `job`."""
        with self._lock:
            self._done[job] = self._done.get(job, Done()) + more

    def write(self, conn: Connection) -> None:
        """Nothing; all of it is in the store. What could not be written stays for the next time."""
        with self._lock:
            done, self._done = self._done, {}
        written = False
        try:
            health.record(conn, done)
            written = True
        finally:
            if not written:
                with self._lock:
                    for job, less in done.items():
                        self._done[job] = less + self._done.get(job, Done())


def attempt(
    conn: Connection,
    job: str,
    books: Books,
    patience: Sequence[Patience],
    work: Callable[[], Done | None],
    clock: Callable[[], datetime] = console.now,
) -> bool:
    """Whether `work` went well. What it did, or why it failed, is in `books` under `job`; a lost connection is raised.

    `work` gives None where there was nothing to do.
    """
    began = time.perf_counter()
    try:
        done = work()
    except console.Stopped:
        raise
    except Exception as problem:  # whatever is wrong with one job, the others go on
        if conn.closed:
            raise
        now = clock()
        words = f"{type(problem).__name__}: {problem}".splitlines()[0][:500]
        for item in patience:
            item.failed(now)
        books.add(job, Done(seconds=time.perf_counter() - began, failures=1, failed=now, problem=words))
        log.error(
            "failed", job=job, problem=words, again=f"{patience[0].until:%H:%M:%S}", exc_info=patience[0].failures == 1
        )
        return False
    for item in patience:
        item.failures = 0
    if done is not None:
        done.seconds, done.succeeded = time.perf_counter() - began, done.succeeded or clock()
        books.add(job, done)
    return True


@dataclass(slots=True)
class Timetable(Thread):
    """A thread that does `jobs` when they are due, one after another, on a connection of its own.

    `alone`: of all workers of a store only one does them; the others stand by.
    """

    jobs: Sequence[Job]
    books: Books
    alone: bool = True
    #: [s] between two looks at the clock
    pause: float = 1.0
    clock: Callable[[], datetime] = console.now
    last: dict[str, datetime] = field(default_factory=dict)
    _patience: dict[str, Patience] = field(default_factory=dict)

    def serve(self, conn: Connection) -> None:
        """Nothing; looks until `stopping`, once no other worker does where it is `alone`."""
        if self.alone:
            while not health.only_one(conn, self.name):
                if self.stopping.wait(threads.SELDOM):
                    return
        # What another worker did, or this one before it was restarted, is not done again.
        known = health.work(conn).drop_nulls("succeeded")
        self.last.update(zip(known["job"].to_list(), known["succeeded"].to_list(), strict=True))
        while not self.stopping.is_set():
            self.look(conn)
            self.stopping.wait(self.pause)

    def look(self, conn: Connection) -> None:
        """Nothing; the jobs that are due are done, or have failed."""
        for job in self.jobs:
            now = self.clock()
            patience = self._patience.setdefault(job.name, Patience())
            last = self.last.get(job.name)
            # What was done in a time that is still to come was done by a clock that was wrong, and says nothing.
            done = last is not None and job.slot(now) <= last <= now
            if self.stopping.is_set() or done or not patience.over(now):
                continue
            if attempt(conn, job.name, self.books, [patience], partial(_run, job, conn, now), self.clock):
                self.last[job.name] = now


def _run(job: Job, conn: Connection, now: datetime) -> Done:
    job.run(conn, now)
    return Done(runs=1, succeeded=now)
