"""What all parts share: the private server, databases that go away, facts of the machine, the pace of the work."""

import hashlib
import os
import platform
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
from psycopg import conninfo, sql
from rich.console import Console

from analytics import standards
from analytics.store import connection, migrations
from jobs.database import settings
from jobs.database.home import home
from jobs.database.server import Server

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "data"
#: Databases of a soak; those that a killed one left go at the next start.
PREFIX = "gw_soak_"
#: What a whole soak may need on the disk: thirty million rows with their key, the log of the server, the files.
ROOM = 15 * 2**30

people = Console(stderr=True, highlight=False)


@dataclass(slots=True)
class House:
    """The server, and a folder for files, while a soak runs."""

    dsn: str
    folder: Path
    templates: list[str] = field(default_factory=list)

    @contextmanager
    def database(self, like: str | None = None) -> Iterator[str]:
        """The DSN of a fresh migrated database, or of a copy of the one `like` that, dropped at the end."""
        name = PREFIX + secrets.token_hex(6)
        origin = "template0" if like is None else str(conninfo.conninfo_to_dict(like)["dbname"])
        with closing(psycopg.connect(self.dsn, autocommit=True)) as admin:
            if like is not None:  # the scheduler of TimescaleDB is a visitor, and what is copied must have none
                closed = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(sql.Identifier(origin))
                admin.execute(closed)
                admin.execute(
                    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", [origin]
                )
            create = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(origin))
            admin.execute(create)
        dsn = conninfo.make_conninfo(self.dsn, dbname=name)
        try:
            if like is None:
                with closing(connection.connect(dsn)) as conn:
                    list(migrations.migrate(conn, standards.tables(), datetime.now(UTC), plain=False))
            yield dsn
        finally:
            with closing(psycopg.connect(self.dsn, autocommit=True)) as admin:
                _drop(admin, name, force=True)

    @contextmanager
    def files(self) -> Iterator[Path]:
        """A folder for files of a part, gone at the end."""
        with TemporaryDirectory(dir=self.folder) as made:
            yield Path(made)


@contextmanager
def house(name: str = "soak") -> Iterator[House]:
    """A house on a durable server of its own. If it was started here it goes at the end, with all its data."""
    place = home()
    # Named binaries are nobody's to remove: `clean` then takes this server's data and leaves the programs.
    server = Server(place, name, fast=False, binaries=place / "postgres")
    ran = server.running
    dsn = server.start()
    try:
        if shutil.disk_usage(place).free < ROOM:
            raise SystemExit(f"a soak needs {ROOM >> 30} GiB of room where the database lies")
        with closing(psycopg.connect(dsn, autocommit=True)) as admin:
            for (left,) in admin.execute(
                "SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [PREFIX]
            ).fetchall():
                _drop(admin, str(left), force=False)
        with TemporaryDirectory(prefix="greenwatch-soak-") as folder:
            yield House(dsn, Path(folder))
    finally:
        if not ran:
            server.clean()


def _drop(admin: "psycopg.Connection[tuple[Any, ...]]", name: str, *, force: bool) -> None:
    """Without `force` a database that somebody uses stays."""
    end = sql.SQL(" WITH (FORCE)" if force else "")
    with suppress(psycopg.errors.ObjectInUse):
        admin.execute(sql.SQL("DROP DATABASE IF EXISTS {}{}").format(sql.Identifier(name), end))


def machine(dsn: str) -> dict[str, Any]:
    """What the figures depend on, and nothing that names the machine."""
    with closing(connection.connect(dsn)) as conn:
        tier = connection.tier(conn)
    return {
        "cores": os.cpu_count(),
        "memory [GiB]": round(settings.memory() / 2**30, 1),
        "python": platform.python_version(),
        "polars": version("polars"),
        "psycopg": version("psycopg"),
        "postgres": tier.postgres.split()[0],
        "timescaledb": f"{tier.timescaledb} {tier.name}",
    }


def commit() -> tuple[str, bool]:
    """Short name of the commit, and whether files (but for results of soaks) differ from it."""
    name = _git("rev-parse", "--short=10", "HEAD")
    return name, bool(_git("status", "--porcelain", "--", ".", ":!tests/soak/*.json"))


def code() -> str:
    """Digest of everything the figures are made by: a finished part is kept as long as this stays."""
    digest = hashlib.sha256()
    for folder in ("analytics", "jobs", "sql", "tests/soak"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in (".py", ".sql", ".toml", ".csv") and path.is_file():
                digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def _git(*words: str) -> str:
    done = subprocess.run(["git", "--no-optional-locks", *words], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@contextmanager
def pace(name: str, total: float, unit: str) -> Iterator[Callable[..., None]]:
    """A function to be told what more was done (and what it was): shows rate and time left on stderr."""
    began = shown = time.monotonic()
    done, live = 0.0, sys.stderr.isatty()

    def step(more: float, what: str = "") -> None:
        nonlocal done, shown
        done += more
        now = time.monotonic()
        if now - shown < (0.2 if live else 5) and done < total:
            return
        shown = now
        rate = done / max(now - began, 1e-9)
        left = (total - done) / rate if rate else 0.0
        line = f"{name}: {done:,.0f} of {total:,.0f} {unit}, {rate:,.1f} {unit}/s, {left:,.0f} s left  {what}"
        people.print(line, end="\r" if live else "\n", soft_wrap=True)

    yield step
    if live:
        people.print()
