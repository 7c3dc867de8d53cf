"""`greenwatch worker`: settles what is due as it comes, watches alarms, does what the clock asks for."""

import signal
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Event
from types import FrameType
from typing import Annotated

import structlog
import typer

from analytics.store import registry
from analytics.store.connection import Connection, Deadlock
from analytics.store.health import Done
from jobs import chain, console, forecast, irrigate, relearn, watch
from jobs.database.dsn import find_dsn
from jobs.timetable import Books, Job, Patience, Timetable, attempt, reconnect

EXAMPLE = "Example: greenwatch worker"

log = structlog.get_logger()

#: From the start of one live round to the start of the next [s]: what came in between is one take.
PAUSE = 3.0
#: Between two looks whether something is due [s].
POLL = 1.0
#: Between two entries of what was done [s].
ENTRY = 5.0
#: A job that runs when the worker is told to end has so long [s]; then its transaction is undone.
GRACE = 15.0

#: The district's clock, for what is done once a day or a week.
_LOCAL = timedelta(minutes=registry.DEFAULT_OFFSET)
#: On every worker: whoever is first decides.
WATCH = (Job("watch", watch.run, timedelta(seconds=2)),)
#: On one worker. A forecast waits until the hour that is over was settled; advice is there before the crews are.
CLOCK = (
    Job("forecast", forecast.run, timedelta(hours=1), timedelta(minutes=4)),
    Job("irrigate", irrigate.run, timedelta(days=1), timedelta(hours=5) - _LOCAL),
    Job("relearn", relearn.run, timedelta(weeks=1), timedelta(hours=3, minutes=30) - _LOCAL),
)


def main(
    dsn: console.Dsn = None,
    pause: Annotated[float, typer.Option(min=0, help="Seconds from one live round to the next, at least.")] = PAUSE,
) -> None:
    """Settle what is due as it comes in, and do what is done by the clock, until stopped. Several may run at once."""
    stopping = Event()
    stop_at_signals(stopping)
    with console.store(dsn):
        pass  # what is wrong from the start is said at once and ends it, later it is waited for
    if work(find_dsn(dsn), stopping, pause=pause):
        raise console.NotAsAsked("the worker ended by a mistake of its own; the log above has it")


def stop_at_signals(stopping: Event) -> None:
    """Nothing; the first signal sets `stopping`, a second one ends the program where it is."""

    def handle(number: int, frame: FrameType | None) -> None:
        if stopping.is_set():
            console.stop(number, frame)
        stopping.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handle)


def work(dsn: str, stopping: Event, *, pause: float = PAUSE) -> bool:
    """Whether a thread broke; works on the store `dsn` until `stopping` is set."""
    books = Books()
    tables = [
        Timetable("watch", dsn, WATCH, books, stopping, alone=False),
        Timetable("clock", dsn, CLOCK, books, stopping),
    ]
    for table in tables:
        table.start()
    log.info("worker", state="started")
    reconnect(dsn, "worker", stopping, lambda conn: Live(conn, books, stopping, pause).serve())
    for table in tables:
        if not table.join(GRACE):
            log.warning("worker", state="ends while it works; that is undone", thread=table.name)
    log.info("worker", state="ended")
    return any(table.broken for table in tables)


@dataclass(slots=True)
class Live:
    """The chain on one connection: rounds over what is due, one stage after the other."""

    conn: Connection
    books: Books
    stopping: Event
    pause: float = PAUSE
    clock: Callable[[], datetime] = console.now
    _book: chain.RuleBook = field(default_factory=chain.RuleBook)
    #: of (stage, shard): data that one stage cannot digest keeps one shard of it waiting, and nothing else
    _patience: dict[tuple[str, int], Patience] = field(default_factory=lambda: defaultdict(Patience))
    _entry: float = 0.0

    def serve(self) -> None:
        """Nothing; rounds until `stopping` is set."""
        while not self.stopping.is_set():
            began = time.monotonic()
            took = self.round()
            self.enter()
            left = self.pause - (time.monotonic() - began) if took else POLL
            self.stopping.wait(max(0.0, left))
        self.enter(now=True)

    def round(self) -> int:
        """Number of takes: each due shard of each stage once, what one stage marks in the next one's turn."""
        took = 0
        marks = chain.due(self.conn, self.clock())
        for name in chain.STAGES:
            before = took
            for shards in self._packs(name, marks.get(name, {})):
                if self.stopping.is_set():
                    return took
                took += self._take(name, shards)
                self.enter()
            if took > before:
                marks = chain.due(self.conn, self.clock())
        return took

    def _packs(self, name: str, weights: Mapping[int, int]) -> Iterator[list[int]]:
        """The shards to be taken together; one that failed lately alone, and not before its time."""
        suspects = {shard for shard in weights if self._patience[name, shard].failures}
        yield from chain.packs({shard: weight for shard, weight in weights.items() if shard not in suspects})
        yield from ([shard] for shard in sorted(suspects) if self._patience[name, shard].over(self.clock()))

    def _take(self, name: str, shards: Sequence[int]) -> bool:
        done = chain.Work(name)

        def once() -> Done | None:
            try:
                chain.take_once(self.conn, name, shards, self._book, self.clock, chain.BUDGET, done)
            except Deadlock:  # with a registration or a save: undone, and still due
                return None
            return Done(done.takes, read=done.read, written=done.written) if done.takes else None

        return (
            attempt(self.conn, name, self.books, [self._patience[name, shard] for shard in shards], once, self.clock)
            and done.takes > 0
        )

    def enter(self, *, now: bool = False) -> None:
        """Nothing; every few seconds what was done is written down."""
        if now or time.monotonic() - self._entry >= ENTRY:
            self._entry = time.monotonic()
            self.books.write(self.conn)
