"""A connection to the store, and what kind of server it found."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg

from analytics.store.errors import NotPreloaded

Connection = psycopg.Connection[tuple[object, ...]]
#: What a reader is allowed (migration `read`): nothing but SELECT, of no more than it needs.
READER = "greenwatch_api"
#: Two transactions waited for each other and this one was given up; it may be tried again.
Deadlock = psycopg.errors.DeadlockDetected
#: What this transaction read or would write, another one changed meanwhile.
Conflict = psycopg.errors.SerializationFailure
#: Somebody held a lock for longer than this transaction would wait.
Busy = psycopg.errors.LockNotAvailable
#: The server ended this session since its transaction stood still for too long.
Hung = psycopg.errors.IdleInTransactionSessionTimeout
#: The server refuses what it was given as data: a number or a text that no column holds, a row that cannot be.
Unfit = (psycopg.DataError, psycopg.IntegrityError, psycopg.errors.ProgramLimitExceeded)
#: Anything that is wrong between the program and the server.
Failure = psycopg.Error
#: The statement took longer than it may.
Late = psycopg.errors.QueryCanceled
#: The server is away, refuses, or gave up a statement that waited too long: nothing is known to be kept.
Lost = psycopg.OperationalError

_TIER = """
    SELECT (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'),
           current_setting('timescaledb.license', true),
           EXISTS (SELECT FROM pg_available_extensions WHERE name = 'timescaledb')
               AND EXISTS (SELECT FROM pg_settings WHERE name LIKE 'timescaledb.%'),
           current_setting('server_version')
"""


@dataclass(frozen=True, slots=True)
class Tier:
    """What the server offers: `name` is plain, apache or community; results are equal on all."""

    name: str
    postgres: str
    timescaledb: str | None = None
    #: the extension could be created here but is not
    installable: bool = False


def arguments(*, application: str = "greenwatch", fast: bool = False, options: str = "") -> dict[str, Any]:
    """What `psycopg.connect` is told beside the DSN: in UTC, autocommit, READ COMMITTED; and more server `options`."""
    return {
        "autocommit": True,
        "connect_timeout": 10,
        "application_name": application,
        # A peer that is gone without a word is given up after half a minute [ms, s], not after the system's hours.
        "tcp_user_timeout": 30_000,
        "keepalives_idle": 30,
        # And the server gives us up as soon: a machine that is gone without a word must not keep its locks for hours.
        # A settler relies on seeing what was committed before each of its statements, whatever the server's default.
        # Messages stay English, plans are made for the values at hand: one window or a thousand.
        # Who asks by a key gets the index. A chunk analysed while its first rows are being committed counts as empty
        # until the next time: its index, read whole, would then be dearer to the planner than the chunk, a window.
        "options": "-c timezone=UTC -c default_transaction_isolation=read\\ committed"
        " -c tcp_keepalives_idle=30 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3 -c tcp_user_timeout=30000"
        " -c plan_cache_mode=force_custom_plan -c client_encoding=UTF8 -c jit=off"
        " -c seq_page_cost=2 -c random_page_cost=1"
        + (" -c synchronous_commit=off" if fast else "")
        + (f" {options}" if options else ""),
    }


def connect(dsn: str, *, application: str = "greenwatch", fast: bool = False) -> Connection:
    """A connection in UTC, autocommit (every write opens its own transaction), READ COMMITTED.

    An empty `dsn` means libpq's own environment (PGHOST, ...). Raises `psycopg.OperationalError` where the server
    cannot be reached or refuses the password, `NotPreloaded` where TimescaleDB is created but not loaded.
    """
    conn = psycopg.connect(dsn, **arguments(application=application, fast=fast))
    try:
        adapt(conn)
    except NotPreloaded:
        conn.close()
        raise
    return conn


def adapt(conn: Connection) -> None:
    """Nothing; the new connection suits the server it found. Raises `NotPreloaded`."""
    if tier(conn).name == "community":
        # A statement without parameters keeps its plan once it is prepared, and TimescaleDB does not tell it when rows
        # come into a chunk that was packed by column (seen in 2.19.3): it would not read them.
        conn.prepare_threshold = None


@contextmanager
def reading(conn: Connection) -> Iterator[None]:
    """A transaction that sees one state of the store, with no more rights than a reader needs, and writes nothing.

    Raises `psycopg.errors.InsufficientPrivilege` where whoever logged in may not put the rest of the rights down.
    """
    with conn.transaction():
        conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        conn.execute(f"SET LOCAL ROLE {READER}")
        yield


def tier(conn: Connection) -> Tier:
    """The tier of the server. Raises `NotPreloaded`."""
    # A connection loads TimescaleDB's library before the statement that first sees the extension: one that was created
    # in between (two migrate at once) is seen and not loaded yet, and loaded by the next statement.
    for _ in range(2):
        row = conn.execute(_TIER).fetchone()
        assert row is not None
        version, license_, installable, postgres = row
        if version is None or license_ is not None:
            break
    if version is None:
        return Tier("plain", str(postgres), installable=bool(installable))
    if license_ is None:
        # A SELECT would still answer here; the first INSERT would be FATAL and drop the connection.
        raise NotPreloaded(
            "TimescaleDB is created in this database but its server does not load it. Set "
            "shared_preload_libraries = 'timescaledb' in postgresql.conf and restart the server"
        )
    return Tier("apache" if license_ == "apache" else "community", str(postgres), str(version))
