"""A real TimescaleDB for the tests, a fresh migrated database for each that asks for one."""

import gc
import os
import secrets
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from psycopg import conninfo, sql

from analytics import standards
from analytics.store import connection, migrations
from analytics.store.connection import Connection
from jobs.database.home import home
from jobs.database.server import Server

SHARED = Path(__file__).parents[2] / "shared"
#: Where the real files are; a machine without them skips by name.
needs_shared = pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared, which lies beside the checkout")

#: Databases that are dropped one by one; more go with the data of their server.
MANY = 40

#: A clock for tests that must not depend on today.
NOW = datetime(2026, 6, 1, tzinfo=UTC)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Nothing; what thorough.txt names is marked as `thorough`, and what is marked as `long` comes first."""
    left = thorough()
    for item in items:
        if any(item.nodeid.startswith(name) and item.name.partition("[")[0] not in kept for name, kept in left.items()):
            item.add_marker("thorough")
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


def pytest_collection_finish() -> None:
    """Nothing; who tidies up memory passes over what thousands of tests are made of."""
    gc.collect()
    gc.freeze()


def thorough() -> dict[str, list[str]]:
    """How the names of the tests begin that `make test` leaves to `make soak` -> names of those that it does not."""
    found: dict[str, list[str]] = {}
    for line in Path(__file__).with_name("thorough.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith(" "):
            found[list(found)[-1]].append(line.strip())
        elif not line.startswith("#"):
            found[line] = []
    return found


@dataclass(frozen=True, slots=True)
class Host:
    """A server where tests may create databases; one that is `passing` goes with them."""

    dsn: str
    passing: bool = False


@pytest.fixture(scope="session")
def host() -> Iterator[Host]:
    """GREENWATCH_TEST_DSN, else a server of our own."""
    with ExitStack() as stack:
        given = os.environ.get("GREENWATCH_TEST_DSN")
        yield Host(given) if given else stack.enter_context(_own_server())


@pytest.fixture(scope="session")
def server_dsn(host: Host) -> str:
    """The DSN of `host`."""
    return host.dsn


@pytest.fixture
def guarded_dsn() -> Iterator[str]:
    """A server that asks for a password: our own, whatever GREENWATCH_TEST_DSN lets in."""
    with _own_server() as own:
        yield own.dsn


@contextmanager
def _own_server() -> Iterator[Host]:
    """A private server of this process of the tests: those that run beside it have their own."""
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    server = Server(home(), f"tests-{worker}" if worker else "tests", fast=True)
    ran = server.running
    yield Host(server.start(), passing=not ran)
    if not ran:
        server.stop()
        # A run of all tests leaves hundreds of databases; to drop them one by one takes longer than to begin anew. Nor
        # is the removal of half a million files waited for.
        if sum(1 for _ in (server.data / "base").iterdir()) > MANY:
            old = server.data.rename(server.data.with_name(f"old-{secrets.token_hex(4)}"))
            subprocess.run(["sh", "-c", 'rm -rf "$0" </dev/null >/dev/null 2>&1 &', str(old)], check=True)


Make = Callable[[str], str]


@dataclass(slots=True)
class Databases:
    """Databases of a server, and those that others are copies of: a copy takes a tenth of a second, a story many."""

    host: Host
    made: list[str] = field(default_factory=list)
    templates: dict[str, str] = field(default_factory=dict)

    def fresh(self, tier: str) -> str:
        """The DSN of a fresh migrated database of a tier, `apache` or `plain`."""
        return self._make(self._migrated(tier))

    def copy(self, story: str, tier: str, tell: Callable[[Connection], object]) -> str:
        """The DSN of a database of `tier` in which the `story` was told; `tell` tells it, once for all."""
        return self._make(self._template(f"{story} {tier}", tell, self._migrated(tier)))

    def drop(self) -> None:
        """Nothing; none of them is left."""
        with closing(psycopg.connect(self.host.dsn, autocommit=True)) as admin:
            for name in self.made:
                admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def _make(self, template: str) -> str:
        name = f"gw_{secrets.token_hex(6)}"
        with closing(psycopg.connect(self.host.dsn, autocommit=True)) as admin:
            # Copied as files: a third cheaper than through the log, and there are some thousand of them.
            origin = sql.SQL("TEMPLATE {} STRATEGY FILE_COPY").format(sql.Identifier(template))
            admin.execute(sql.SQL("CREATE DATABASE {} {}").format(sql.Identifier(name), origin))
        self.made.append(name)
        return conninfo.make_conninfo(self.host.dsn, dbname=name)

    def _migrated(self, tier: str) -> str:
        def migrate(conn: Connection) -> None:
            list(migrations.migrate(conn, standards.tables(), NOW, plain=tier == "plain"))

        return self._template(tier, migrate, "template0")

    def _template(self, key: str, fill: Callable[[Connection], object], origin: str) -> str:
        """The name of the database that is filled by `fill` and visited by nobody any more."""
        if key not in self.templates:
            dsn = self._make(origin)
            with closing(connection.connect(dsn)) as conn:
                fill(conn)
            name = str(conninfo.conninfo_to_dict(dsn)["dbname"])
            with closing(psycopg.connect(self.host.dsn, autocommit=True)) as admin:
                # TimescaleDB's scheduler stays attached for a while, and a template must have no visitors.
                admin.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(sql.Identifier(name)))
                admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
            self.templates[key] = name
        return self.templates[key]


@pytest.fixture(scope="session")
def databases(host: Host) -> Iterator[Databases]:
    """Where tests get their databases from."""
    ours = Databases(host)
    yield ours
    if not (host.passing and len(ours.made) > MANY):  # else they go with their server's data
        ours.drop()


@pytest.fixture(scope="session")
def make_database(databases: Databases) -> Make:
    """A function that gives the DSN of a fresh migrated database of a tier, `apache` or `plain`."""
    return databases.fresh


@pytest.fixture(params=["apache"])
def dsn(request: pytest.FixtureRequest, make_database: Make) -> str:
    """The DSN of a fresh migrated database, on TimescaleDB unless a test asks for tiers."""
    return make_database(request.param)


@pytest.fixture
def conn(dsn: str) -> Iterator[Connection]:
    """A connection to a fresh migrated database."""
    with closing(connection.connect(dsn)) as opened:
        opened.execute("SET lock_timeout = '20s'")  # a test that waits for itself fails, it does not hang
        yield opened


@pytest.fixture
def other(dsn: str) -> Iterator[Connection]:
    """A second connection to the database of `conn`: another process."""
    with closing(connection.connect(dsn)) as opened:
        opened.execute("SET lock_timeout = '20s'")
        yield opened


@pytest.fixture
def blank(server_dsn: str) -> Iterator[str]:
    """The DSN of a database with nothing in it, not even an extension."""
    name = f"gw_blank_{secrets.token_hex(4)}"
    with closing(psycopg.connect(server_dsn, autocommit=True)) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
        yield conninfo.make_conninfo(server_dsn, dbname=name)
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
