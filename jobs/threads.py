"""Threads of a worker, each with a connection of its own to the store."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from threading import Event

import structlog

from analytics.store import connection
from analytics.store.connection import Connection, Hung, Lost
from analytics.store.errors import StoreError

log = structlog.get_logger()

#: A connection that was lost is tried again after so long [s], twice as long each time, up to the longest.
SOON, SELDOM = 0.5, 15.0
#: Whose transaction stands still for so long [s] hangs: it is undone, and its work is somebody else's.
HUNG = 300.0


@dataclass(slots=True)
class Thread(ABC):
    """A thread that serves on the store `dsn` until `stopping` is set."""

    name: str
    dsn: str
    stopping: Event
    #: whether it ended by a mistake of ours
    broken: bool = field(default=False, init=False)
    _thread: threading.Thread | None = field(default=None, init=False)

    @abstractmethod
    def serve(self, conn: Connection) -> None:
        """Nothing; works until `stopping` is set, or `conn` is lost."""

    def start(self) -> None:
        """Nothing; it runs until `stopping` is set."""
        self._thread = threading.Thread(target=self._work, name=self.name, daemon=True)
        self._thread.start()

    def join(self, seconds: float) -> bool:
        """Whether it has ended, at latest after `seconds`."""
        assert self._thread is not None
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _work(self) -> None:
        ended = False
        try:
            reconnect(self.dsn, self.name, self.stopping, self.serve)
            ended = True
        finally:
            if not ended:
                # Half a worker is worse than none: whoever watches it starts it again.
                self.broken = True
                self.stopping.set()


def reconnect(dsn: str, name: str, stopping: Event, serve: Callable[[Connection], None]) -> None:
    """Nothing; `serve` has a connection for as long as it works, another one when that is lost, until `stopping`.

    It is lost, too, when the process was stopped in a transaction for longer than `HUNG`, be it by a debugger, be it
    since its machine slept: else its locks would keep everybody from its work.
    """
    wait, lost = SOON, False
    while not stopping.is_set():
        try:
            with closing(connection.connect(dsn, application=f"greenwatch {name}")) as conn:
                if lost:
                    log.warning("the database is back", thread=name)
                wait, lost = SOON, False
                conn.execute("SELECT set_config('idle_in_transaction_session_timeout', %s, false)", [f"{HUNG}s"])
                serve(conn)
        except (Lost, Hung, StoreError) as problem:
            if not lost:  # said once, however often it is tried again
                log.warning("the database is away", thread=name, problem=str(problem).strip().splitlines()[0])
            lost = True
        stopping.wait(wait)
        wait = min(2 * wait, SELDOM)
