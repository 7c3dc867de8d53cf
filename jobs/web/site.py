"""What handlers share: connections, the newest snapshot, what is remembered of the registry."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from starlette.requests import Request

from analytics.metrics import Exporter
from analytics.store.connection import Connection
from jobs.web.backlog import Backlog
from jobs.web.clerk import Clerk
from jobs.web.fair import Held
from jobs.web.keys import Buckets, Keys
from jobs.web.memory import Memory
from jobs.web.pools import pool
from jobs.web.reads import Reads
from jobs.web.shared import Shared
from jobs.web.watcher import Watcher

#: Savers at once: two cores have no use for more, and each may hold some ten megabytes of frames.
SAVERS = 4
READERS = 4
ACTORS = 2
#: A request waits so long [s] for a connection before it is told that the database is away.
PATIENCE = 5.0
#: What the database is told of those who save, and of those who read.
SAVING = "-c lock_timeout=15s -c statement_timeout=30s"
READING = "-c default_transaction_read_only=on -c statement_timeout=10s"
#: Rows a second that a key may send in the long run, and at once: some bodies of a logger that was away for a day.
RATE, BURST = 5_000.0, 1_000_000.0
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
    #: whether nobody sends or reads without a key, even where none was made
    keys: bool = False
    #: rows a second that a key may send in the long run
    rate: float = RATE
    #: the name of the spool of posts that have to wait (`jobs.doors`), and its folder where it is not that of the name
    door: str | None = None
    spool: Path | None = None
    #: opens /metrics and nothing else
    metrics: str | None = None
    #: the secret that signs webhooks about work orders, theirs as ours; without one none is taken
    orders: bytes | None = field(default=None, repr=False)


class Site:
    """The store behind the application, from the start of the server to its end."""

    def __init__(self, settings: Settings) -> None:
        """Opens nothing yet."""
        self.settings = settings
        # A saver that waits for another one gives up before its client does.
        self.savers = pool(settings.dsn, SAVERS, SAVING, PATIENCE)
        self.readers = pool(settings.dsn, READERS, READING, PATIENCE)
        self.reads = Reads(settings.dsn)
        #: for what duty staff do: never behind readings, of which there may be many
        self.duty = pool(settings.dsn, ACTORS, SAVING, PATIENCE, application="greenwatch serve: duty")
        self.exporter = Exporter(version("greenwatch"))
        #: bytes of bodies
        self.held = Held()
        self.shared = Shared()
        self.keys, self.buckets = Keys(settings.dsn, always=settings.keys), Buckets(settings.rate, BURST)
        memory = Memory()
        self.backlog = Backlog(settings.dsn, settings.door, memory, settings.spool)
        self.clerk = Clerk(self.savers, memory, self.backlog, SAVERS)
        self.watcher = Watcher(settings.dsn, self.exporter)

    def __enter__(self) -> "Site":
        for each in (self.savers, self.readers, self.duty, self.reads.pool):
            each.open(wait=False)
        self.backlog.start()
        self.keys.start()
        self.watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.watcher.stop()
        self.keys.stop()
        self.clerk.stop()
        self.backlog.stop()
        for each in (self.savers, self.readers, self.duty, self.reads.pool):
            each.close()

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection that can only read, its statements bounded in time. Raises `connection.Lost`."""
        with self.readers.connection() as conn:
            yield conn

    def wrong(self) -> list[str]:
        """What keeps this server from its work, in words; empty where nothing does."""
        return [problem for problem in (self.watcher.problem, self.keys.problem) if problem]


def site(request: Request) -> Site:
    """The site of the application that `request` came to."""
    found: Site = request.app.state.site
    return found
