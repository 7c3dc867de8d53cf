"""Which database to use."""

import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import psycopg

from jobs.database.errors import NoDatabase
from jobs.database.home import home
from jobs.database.server import DATABASE, Server

#: Each of them says where a database is, or who enters. PGPASSWORD would even win over the private server's own.
SPEAKING = ("PGHOST", "PGHOSTADDR", "PGPORT", "PGDATABASE", "PGSERVICE", "PGUSER", "PGPASSWORD")
#: Where Debian's PostgreSQL puts its socket; libpq builds differ in what they take for the default.
SOCKETS = Path("/var/run/postgresql")


def find_dsn(explicit: str | None = None, environ: Mapping[str, str] = os.environ) -> str:
    """The DSN of the database to use, for `psycopg.connect`. In this order:

    `explicit` (the option --dsn); "" if the environment has PGHOST, PGSERVICE or their like, since libpq then finds
    its way from an empty string; the private server of `home` if it runs; a local PostgreSQL on the Unix socket that
    has a database greenwatch. Else NoDatabase.
    """
    if explicit:
        return explicit
    if any(environ.get(name) for name in SPEAKING):
        return ""
    server = Server(home(environ))
    if server.running:
        return server.dsn()
    if answers(SOCKETS):
        return _local(SOCKETS)
    raise NoDatabase(
        "run `greenwatch database start`, which unpacks and starts a private one; or name yours by --dsn or by PGHOST, "
        f"PGDATABASE and PGUSER. Looked for a running server in {server.folder} and a database {DATABASE} in {SOCKETS}"
    )


def answers(sockets: Path) -> bool:
    """Whether a PostgreSQL in the folder `sockets` lets the caller into its database greenwatch, within two seconds."""
    if not (sockets / ".s.PGSQL.5432").exists():
        return False
    try:
        psycopg.connect(_local(sockets), connect_timeout=2).close()
    except psycopg.Error:
        return False
    return True


def _local(sockets: Path) -> str:
    return f"postgresql:///{DATABASE}?host={quote(str(sockets))}"
