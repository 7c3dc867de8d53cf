"""`greenwatch worker`: settles what is due as it comes, watches alarms, does what the clock asks for, and backfills."""

import math
import os
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

from analytics.store import health, ledger, registry
from analytics.store.connection import Connection, Deadlock
from analytics.store.health import Done
from analytics.store.ledger import WHOLE, Lane
from jobs import chain, console, forecast, foresee, irrigate, keep, relearn, verify, watch
from jobs.backfill.chunk import BEHIND, FRESH, Hands
from jobs.backfill.queue import Porter
from jobs.database.dsn import find_dsn
from jobs.incidents import sending, signing
from jobs.incidents.orders import Deliverer
from jobs.incidents.sending import Target
from jobs.irrigate.telling import Teller
from jobs.pull import run as pull
from jobs.threads import Thread, reconnect
from jobs.timetable import Books, Job, Patience, Timetable, attempt

EXAMPLE = "Example: greenwatch worker"

log = structlog.get_logger()

#: From the start of one live round to the start of the next [s]: what came in between is one take.
PAUSE = 3.0
#: Rows of a take of what is older, at most: so long live work waits where that has begun.
PAST = 200_000
#: So long [s] may older work of a station wait for that of its series: else each of these would have it done again.
GATHER = 20.0
#: Between two looks whether something came due, unless a mark is heard of before [s].
POLL = 1.0
#: Between two entries of what was done [s].
ENTRY = 5.0
#: A job that runs when the worker is told to end has so long [s]; then its transaction is undone.
GRACE = 15.0

#: The district's clock, for what is done once a day or a week.
_LOCAL = timedelta(minutes=registry.DEFAULT_OFFSET)
#: On every worker: whoever is first decides.
WATCH = (Job("watch", watch.run, timedelta(seconds=2)),)
#: On one worker. Forecast and advice wait until the hour that is over was settled.
CLOCK = (
    Job("forecast", forecast.run, timedelta(hours=1), timedelta(minutes=4)),
    Job("irrigate", irrigate.run, timedelta(hours=1), timedelta(minutes=9)),
    Job("relearn", relearn.run, timedelta(weeks=1), timedelta(hours=3, minutes=30) - _LOCAL),
)
#: On one worker, beside the clock: a first archive of years takes its time, and so do models of all stations. What is
#: old goes at night, where a site has set that anything does.
NIGHT = (
    Job("keep", keep.run, timedelta(days=1), timedelta(hours=2) - _LOCAL),
    Job("verify", verify.run, timedelta(days=1), timedelta(hours=3) - _LOCAL),
    Job("foresee", foresee.run, timedelta(days=1), timedelta(hours=4) - _LOCAL),
)
#: On one worker, beside the clock: a service that is slow to answer keeps nobody waiting. Each pull has its own times.
PULLS = (Job("pull", pull.run, timedelta(seconds=30)),)


def main(
    dsn: console.Dsn = None,
    pause: Annotated[float, typer.Option(min=0, help="Seconds from one live round to the next, at least.")] = PAUSE,
) -> None:
    """Settle what is due as it comes in, do what is done by the clock and backfills, until stopped. Several may run."""
    stopping = Event()
    stop_at_signals(stopping)
    with console.store(dsn):
        pass  # what is wrong from the start is said at once and ends it, later it is waited for
    told = {"orders": sending.target(os.environ), "advice": sending.target(os.environ, signing.ADVICE)}
    if work(find_dsn(dsn), stopping, pause=pause, **told):
        raise console.NotAsAsked("the worker ended by a mistake of its own; the log above has it")


def stop_at_signals(stopping: Event) -> None:
    """Nothing; the first signal sets `stopping`, a second one ends the program where it is."""

    def handle(number: int, frame: FrameType | None) -> None:
        if stopping.is_set():
            console.stop(number, frame)
        stopping.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handle)


def work(
    dsn: str, stopping: Event, *, pause: float = PAUSE, orders: Target | None = None, advice: Target | None = None
) -> bool:
    """Whether a thread broke; works on the store `dsn` until `stopping` is set. `orders`: where work orders go; without
    it they wait. `advice`: who is told of advice to water; without it nobody."""
    books = Books()
    beside: list[Thread] = [
        Timetable("watch", dsn, stopping, WATCH, books, alone=False),
        Timetable("clock", dsn, stopping, CLOCK, books),
        Timetable("night", dsn, stopping, NIGHT, books),
        Timetable("pulls", dsn, stopping, PULLS, books),
        Porter("chunks", dsn, stopping, Hands(stopping, books).do),
        *([Deliverer("orders", dsn, stopping, orders)] if orders else []),
        *([Teller("advice", dsn, stopping, advice)] if advice else []),
    ]
    for thread in beside:
        thread.start()
    log.info("worker", state="started")
    reconnect(dsn, "worker", stopping, lambda conn: Live(conn, books, stopping, pause).serve())
    for thread in beside:
        if not thread.join(GRACE):
            log.warning("worker", state="ends while it works; that is undone", thread=thread.name)
    log.info("worker", state="ended")
    return any(thread.broken for thread in beside)


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
    _leads: bool = False
    #: the stage with which older work goes on
    _turn: int = 0

    def serve(self) -> None:
        """Nothing; rounds until `stopping` is set."""
        while not self.stopping.is_set():
            began = time.monotonic()
            took = self.round()
            self.enter()
            if took:
                self.stopping.wait(max(0.0, self.pause - (time.monotonic() - began)))
            elif self._leads:
                ledger.wait(self.conn, POLL)
            else:
                self.stopping.wait(POLL)
        self.enter(now=True)

    def round(self) -> int:
        """Number of takes: of live work each due shard of each stage once, what one stage marks in the next one's turn.

        First all live work; then what is older, in small takes, as long as the next live round has time.
        """
        until = time.monotonic() + self.pause
        since = self.clock() - FRESH
        names, took, lane = list(chain.STAGES), 0, Lane(before=since)
        if self._is_for_me(since):
            took, lane = self._pass(names, Lane(since), chain.BUDGET, math.inf), WHOLE
        while more := self._pass([*names[self._turn :], *names[: self._turn]], lane, PAST, until):
            took += more
            if time.monotonic() >= until:
                break
        return took

    def _is_for_me(self, since: datetime) -> bool:
        """Whether this worker does the live work, which is what changed after `since`.

        Of all workers one does, since a take has its price: two would take the same rows in twice as many takes. The
        others do what is older, and help where live work falls behind; when the one is gone, another one is it.
        """
        if not self._leads and health.only_one(self.conn, "live"):
            self._leads = True
            ledger.listen(self.conn)  # the others are not woken by each reading
        return self._leads or health.behind(self.conn, self.clock(), since) >= BEHIND

    def _pass(self, names: Sequence[str], lane: Lane, budget: int, until: float) -> int:
        """Number of takes of the stages `names`, of what is in the `lane`; but one, none is made after `until`."""
        took, live = 0, lane.since > WHOLE.since
        marks = chain.due(self.conn, self.clock(), lane)
        for name in names:
            before, weights = took, marks.get(name, {})
            if weights and not live:
                ripe = self.clock() - timedelta(seconds=GATHER)
                early = chain.gathering(self.conn, name, marks, ripe, budget // 10)
                weights = {shard: weight for shard, weight in weights.items() if shard not in early}
            for shards in self._packs(name, weights):
                more = True
                while more:
                    if self.stopping.is_set():
                        return took
                    more = self._take(name, shards, lane, budget)
                    took += more
                    self.enter()
                    # Whatever there is to do, each stage has its turn; one that has to wait for another has had none.
                    if more and time.monotonic() >= until:
                        self._turn = (list(chain.STAGES).index(name) + 1) % len(chain.STAGES)
                        return took
                    more = more and chain.STAGES[name][0].abreast
            if took > before:
                marks = chain.due(self.conn, self.clock(), lane)
        return took

    def _packs(self, name: str, weights: Mapping[int, int]) -> Iterator[list[int]]:
        """The shards to be taken together; one that failed lately alone, and not before its time."""
        suspects = {shard for shard in weights if self._patience[name, shard].failures}
        sound = {shard: weight for shard, weight in weights.items() if shard not in suspects}
        yield from chain.packs(chain.STAGES[name][0], sound)
        yield from ([shard] for shard in sorted(suspects) if self._patience[name, shard].over(self.clock()))

    def _take(self, name: str, shards: Sequence[int], lane: Lane, budget: int) -> bool:
        done = chain.Work(name)

        def once() -> Done | None:
            try:
                chain.take_once(self.conn, name, shards, self._book, self.clock, budget, done, lane)
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
