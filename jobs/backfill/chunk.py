"""A chunk done: read, saved bite by bite, never in the way of live work."""

import os
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from importlib.metadata import version
from threading import Event

import polars as pl
import structlog

from analytics.parameters import Parameter
from analytics.store import backfills, health, observations
from analytics.store.backfills import Cancelled, Chunk
from analytics.store.connection import Connection
from analytics.store.health import Done
from analytics.store.observations import Counts, Origin, Saved
from jobs import console
from jobs.backfill import sources
from jobs.intake import Intake, Order
from jobs.rules import RuleBook
from jobs.timetable import Books

log = structlog.get_logger()

#: What changed within so long before now is live work, and so long [s] it may wait before chunks give way to it.
FRESH, BEHIND = timedelta(days=2), 5.0
#: A chunk gives way for so long [s] before each bite, at most: live work that never ends must not keep it for ever.
MOST = 60.0
#: After a failure a chunk waits so long, four times as long after each further one, and fails for good after so many.
FIRST, TRIES = timedelta(seconds=5), 6
#: Between two looks whether live work is behind [s].
_POLL = 0.25


class Stopping(Exception):
    """The worker ends; what is left of the chunk is somebody else's."""


@dataclass(slots=True)
class Hands:
    """Does chunks for a worker, until `stopping`; `books` hear how much."""

    stopping: Event
    books: Books
    clock: Callable[[], datetime] = console.now
    _rules: RuleBook = field(default_factory=RuleBook)

    def do(self, conn: Connection, number: int) -> timedelta | None:
        """After how long the chunk `number` is to be done again; None: it is over, be it done, failed or cancelled."""
        worker = f"{platform.node()}:{os.getpid()}"
        chunk = backfills.start(conn, number, worker, version("greenwatch"))
        if chunk is None:
            return None
        log.info("chunk", backfill=chunk.backfill, chunk=chunk.id, place=chunk.place, bites=chunk.bites)
        try:
            self._save(conn, chunk)
        except Cancelled:
            return None
        except Stopping:
            backfills.end(conn, chunk.id, "waiting")
            return timedelta(0)
        except Exception as problem:  # whatever is wrong with one chunk, the others go on
            if conn.closed:
                raise
            return self._failed(conn, chunk, problem)
        backfills.end(conn, chunk.id, "done")
        return None

    def _failed(self, conn: Connection, chunk: Chunk, problem: Exception) -> timedelta | None:
        words = f"{type(problem).__name__}: {problem}".splitlines()[0][:500]
        last = chunk.failures + 1 >= TRIES
        backfills.end(conn, chunk.id, "failed" if last else "waiting", words)
        self.books.add("backfill", Done(failures=1, failed=self.clock(), problem=words))
        wait = None if last else FIRST * 4**chunk.failures
        log.error("chunk failed", backfill=chunk.backfill, place=chunk.place, problem=words, again=wait and str(wait))
        return wait

    def _save(self, conn: Connection, chunk: Chunk) -> None:
        parameters = self._rules.open(conn)[-1].parameters
        intake = Mouth(conn, sources.order(chunk.ask), chunk, parameters)
        began = time.perf_counter()
        for number, bite in enumerate(sources.bites(chunk.piece, chunk.ask)):
            if number < chunk.bites:
                began = time.perf_counter()
                continue
            waited = give_way(conn, self.stopping, self.clock)
            if self.stopping.is_set():
                raise Stopping
            intake.expect(number, began + waited)
            counts = intake.surely(bite.batch, bite.decoder, chunk.place, bite.sha256)
            spent = time.perf_counter() - began - waited
            written = counts.new + counts.replaced
            self.books.add(
                "backfill", Done(runs=1, seconds=spent, read=counts.read, written=written, succeeded=self.clock())
            )
            began = time.perf_counter()


def give_way(conn: Connection, stopping: Event, clock: Callable[[], datetime] = console.now) -> float:
    """Seconds waited until live work was no longer behind, or it had been given way to for long enough."""
    began = time.perf_counter()
    while time.perf_counter() - began < MOST and not stopping.is_set():
        now = clock()
        if health.behind(conn, now, now - FRESH) < BEHIND:
            break
        stopping.wait(_POLL)
    return time.perf_counter() - began


class Mouth(Intake):
    """An intake of bites: each is kept together with the note that it is, so that none is counted twice."""

    def __init__(self, conn: Connection, order: Order, chunk: Chunk, parameters: Mapping[str, Parameter]) -> None:
        super().__init__(conn, order, parameters=parameters)
        self.chunk, self.number, self.began = chunk, 0, 0.0

    def expect(self, number: int, began: float) -> None:
        """Nothing; the next one is bite `number`, whose reading was begun at `began` (by `time.perf_counter`)."""
        self.number, self.began = number, began

    def _keep(self, readings: pl.DataFrame, refused: pl.DataFrame, origin: Origin, missing: int) -> Counts:
        with self.conn.transaction():
            if backfills.next_bite(self.conn, self.chunk.id) != self.number:
                return Counts()  # a worker thought dead was not
            return observations.save(
                self.conn, readings, refused, origin, console.now(), missing=missing, note=self._note
            )

    def _note(self, saved: Saved) -> None:
        held, spent = saved.archived.height + saved.approved.height, time.perf_counter() - self.began
        backfills.bitten(self.conn, self.chunk, saved.counts, held, saved.changed, spent)
