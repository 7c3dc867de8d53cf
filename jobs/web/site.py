"""What handlers share: connections, the newest snapshot, what is remembered of the registry."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from threading import Lock

import anyio
import polars as pl
from psycopg_pool import ConnectionPool
from starlette.requests import Request

from analytics.metrics import Exporter
from analytics.store import health
from analytics.store.connection import Connection, adapt, arguments
from jobs.ingest import CHANNELS, Intake, Order
from jobs.rules import RuleBook
from jobs.web.shared import Shared
from jobs.web.watcher import Watcher

#: Savers at once: two cores have no use for more, and each may hold some ten megabytes of frames.
SAVERS = 4
READERS = 4
#: A request waits so long [s] for a connection before it is told that the database is away.
PATIENCE = 5.0
#: What this machine calls itself.
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


@dataclass(frozen=True, slots=True)
class Settings:
    """What the one who started the server asked for. `hosts` are the names it answers to in Host."""

    dsn: str
    token: str | None = None
    hosts: tuple[str, ...] = LOOPBACK
    #: whether a POST may make stations and series
    register: bool = False


class Desk:
    """Where bodies come in: how many bytes are at hand, and who of them is saved now."""

    def __init__(self) -> None:
        """Nothing is at hand."""
        self.held = 0
        self.limiter = anyio.CapacityLimiter(SAVERS)


class Site:
    """The store behind the application, from the start of the server to its end."""

    def __init__(self, settings: Settings) -> None:
        """Opens nothing yet."""
        self.settings = settings
        # A saver that waits for another one gives up before its client does.
        self.savers = _pool(settings.dsn, SAVERS, "-c lock_timeout=15s -c statement_timeout=30s")
        self.readers = _pool(settings.dsn, READERS, "-c default_transaction_read_only=on -c statement_timeout=10s")
        self.exporter = Exporter(version("greenwatch"))
        self.memory, self.desk, self.shared = Memory(), Desk(), Shared()
        self.watcher = Watcher(settings.dsn, self.exporter)

    def __enter__(self) -> "Site":
        for pool in (self.savers, self.readers):
            pool.open(wait=False)
        self.watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.watcher.stop()
        for pool in (self.savers, self.readers):
            pool.close()

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection that can only read, its statements bounded in time. Raises `connection.Lost`."""
        with self.readers.connection() as conn:
            yield conn

    def wrong(self) -> list[str]:
        """What keeps this server from its work, in words; empty where nothing does."""
        return [self.watcher.problem] if self.watcher.problem else []


def site(request: Request) -> Site:
    """The site of the application that `request` came to."""
    found: Site = request.app.state.site
    return found


def _pool(dsn: str, size: int, options: str) -> "ConnectionPool[Connection]":
    return ConnectionPool(
        dsn,
        kwargs=arguments(application="greenwatch serve", options=options),
        min_size=1,
        max_size=size,
        timeout=PATIENCE,
        configure=adapt,
        check=ConnectionPool.check_connection,
        open=False,
    )


class Memory:
    """What is remembered of the registry from one POST to the next, forgotten as soon as the registry is another."""

    def __init__(self) -> None:
        """Remembers nothing."""
        self._lock = Lock()
        self._book = RuleBook()
        self._state: object = None
        self._known: dict[int | None, pl.DataFrame] = {}

    @contextmanager
    def intake(self, conn: Connection, order: Order) -> Iterator[Intake]:
        """An intake for one block, which knows what those before it learned; what it learns is known to the next."""
        state = health.registry_state(conn)
        with self._lock:
            if state != self._state:
                self._state, self._known = state, {}
            known = self._known.get(order.cadence, pl.DataFrame(schema=CHANNELS))
            parameters = self._book.open(conn)[-1].parameters
        intake = Intake(conn, order, parameters=parameters, known=known)
        yield intake
        with self._lock:
            # Of two that learned at once the one that knows more is kept; the other's channels are looked up again.
            if state == self._state and intake.known.height > self._known.get(order.cadence, known).height:
                self._known[order.cadence] = intake.known
