"""A store into one file, and back: PostgreSQL's own pg_dump and pg_restore, with what TimescaleDB asks for around them.

A dump is one snapshot: who saves and settles meanwhile is in it whole or not at all, the ledger with it. A restore is
made beside its goal and renamed when it is whole: a killed one leaves nothing that could be taken for a store.
"""

import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import conninfo, sql

from analytics.spool import sync
from jobs.database.errors import (
    BrokenBackup,
    NotBackedUp,
    NotRestored,
    OtherServer,
    OtherVersion,
    TargetExists,
)
from jobs.database.provision import MAJOR, Programs
from jobs.database.server import DATABASE

#: What a restored store is called until it is whole.
_ASIDE = "_restoring"
_ROLES = ("greenwatch_writer", "greenwatch_reader", "greenwatch_duty", "greenwatch_admin", "greenwatch_api")
#: What a dump says in its head.
_FROM = re.compile(r"^;\s+Dumped from database version: (\d+)", re.MULTILINE)
_EXTENSION = re.compile(r"EXTENSION - timescaledb\b")
_VERSION = re.compile(r"^timescaledb_version\t(\S+)", re.MULTILINE)

Admin = psycopg.Connection[tuple[object, ...]]
Notice = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup's file: bytes, PostgreSQL's major version, TimescaleDB's version ("": none in it)."""

    file: Path
    bytes: int
    postgres: int
    timescaledb: str


def backup(programs: Programs, dsn: str, file: Path, notice: Notice = lambda done: None) -> Backup:
    """The backup of the store at `dsn` in `file`, which is there whole or not at all.

    Raises `TargetExists`, `OtherServer`, `NotBackedUp`.
    """
    if file.exists():
        raise TargetExists(f"{file}. Name another, or move it away")
    if not file.absolute().parent.is_dir():
        raise NotBackedUp(f"there is no folder {file.absolute().parent}. Make it")
    with psycopg.connect(dsn, autocommit=True) as conn:
        _check_server(conn)
        if not _tables(conn):
            raise NotBackedUp("there is no store in this database. Run: greenwatch migrate")
    part = file.with_name(f".{file.name}.part")
    words = ["--format=custom", "--no-password", f"--file={part}"]
    part.unlink(missing_ok=True)  # of one that was killed
    try:
        part.touch(mode=0o600)  # all readings, and hashes of keys: nobody else's to read
        _run([programs.bin / "pg_dump", *words], NotBackedUp, lambda: notice(_size(part)), dsn)
        found = inspect(programs, part)
        sync(part)
        part.rename(file)
        sync(file.absolute().parent)
    finally:
        part.unlink(missing_ok=True)
    return Backup(file, _size(file), found.postgres, found.timescaledb)


def inspect(programs: Programs, file: Path) -> Backup:
    """What the backup in `file` says of itself. Raises `BrokenBackup`."""
    if not file.is_file():
        raise BrokenBackup(f"there is no file {file}. Name one that `greenwatch database backup` made")
    head = _run([programs.bin / "pg_restore", "--list", file], BrokenBackup)
    found = _FROM.search(head)
    if found is None:
        raise BrokenBackup(f"{file} does not say what it was made from. Take another one")
    version = ""
    if _EXTENSION.search(head):
        words = ["--data-only", "--schema=_timescaledb_catalog", "--table=metadata", "--file=-", str(file)]
        told = _VERSION.search(_run([programs.bin / "pg_restore", *words], BrokenBackup))
        version = told.group(1) if told else ""
    return Backup(file, _size(file), int(found.group(1)), version)


def restore(
    programs: Programs, admin_dsn: str, file: Path, database: str = DATABASE, notice: Notice = lambda done: None
) -> str:
    """The DSN of `database`, on the server of `admin_dsn`, that holds what the backup in `file` does.

    Raises `BrokenBackup`, `OtherServer`, `OtherVersion`, `TargetExists`, `NotRestored`.
    """
    found = inspect(programs, file)
    with psycopg.connect(admin_dsn, autocommit=True, options="-c client_min_messages=error") as admin:
        _check_server(admin)
        _check_versions(admin, found)
        target = conninfo.make_conninfo(admin_dsn, dbname=database)
        if database in (admin.info.dbname, "template0", "template1"):
            raise TargetExists(f"the database {database} is the server's own. Name another with --database")
        there = _exists(admin, database)
        if there:
            with psycopg.connect(target, autocommit=True) as conn:
                if _tables(conn):
                    raise TargetExists(
                        f"the database {database} has tables. Name another with --database, then --dsn leads to it"
                    )
        aside = f"{database}{_ASIDE}"
        _make_roles(admin)
        admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(aside)))
        admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(aside)))
        _fill(programs, conninfo.make_conninfo(admin_dsn, dbname=aside), found, notice)
        if there:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(database)))
        _rename(admin, aside, database)
    return target


def _fill(programs: Programs, dsn: str, found: Backup, notice: Notice) -> None:
    """Nothing; the database at `dsn`, which is empty, holds what the backup does."""
    with psycopg.connect(dsn, autocommit=True, options="-c client_min_messages=error") as conn:
        if found.timescaledb:
            conn.execute("CREATE EXTENSION timescaledb")
            conn.execute("SELECT timescaledb_pre_restore()")

        def told() -> None:
            row = conn.execute("SELECT pg_database_size(current_database())").fetchone()
            notice(int(str(row[0])) if row else 0)

        words = ["--no-owner", "--no-password", "--exit-on-error", str(found.file)]
        _run([programs.bin / "pg_restore", *words], NotRestored, told, dsn)
        if found.timescaledb:
            conn.execute("SELECT timescaledb_post_restore()")
        conn.execute("ANALYZE")


def _check_server(conn: Admin) -> None:
    if conn.info.server_version // 10_000 != MAJOR:
        raise OtherServer(
            f"it runs PostgreSQL {conn.info.server_version // 10_000}, the programs here are of {MAJOR}. Use its own: "
            "pg_dump --format=custom; to restore: CREATE EXTENSION timescaledb, SELECT timescaledb_pre_restore(), "
            "pg_restore --no-owner, SELECT timescaledb_post_restore()"
        )


def _check_versions(admin: Admin, found: Backup) -> None:
    if found.postgres > MAJOR:
        raise OtherVersion(f"it was made on PostgreSQL {found.postgres}, this server has {MAJOR}. Restore it there")
    if not found.timescaledb:
        return
    row = admin.execute("SELECT default_version FROM pg_available_extensions WHERE name = 'timescaledb'").fetchone()
    here = str(row[0]) if row else "none"
    if here != found.timescaledb:
        raise OtherVersion(
            f"it was made with TimescaleDB {found.timescaledb}, this server has {here}. Restore it on a server with "
            f"{found.timescaledb}; there ALTER EXTENSION timescaledb UPDATE, and back it up again"
        )


def _tables(conn: Admin) -> bool:
    """Whether there is a table in the schema of the store."""
    row = conn.execute("SELECT EXISTS (SELECT FROM pg_tables WHERE schemaname = 'public')").fetchone()
    return bool(row and row[0])


def _exists(admin: Admin, database: str) -> bool:
    return admin.execute("SELECT FROM pg_database WHERE datname = %s", [database]).rowcount > 0


def _make_roles(admin: Admin) -> None:
    """Nothing; the roles that the grants in a backup name are there: they belong to the server, not to the database."""
    for name in _ROLES:
        if not admin.execute("SELECT FROM pg_roles WHERE rolname = %s", [name]).rowcount:
            admin.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(name)))
    admin.execute("GRANT greenwatch_api TO greenwatch_writer, greenwatch_admin")  # as migration 0021 has it


def _rename(admin: Admin, name: str, goal: str) -> None:
    # TimescaleDB's scheduler visits each database; who visits keeps it from being renamed.
    with _nobody_in(admin, name):
        admin.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(name), sql.Identifier(goal)))
    admin.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(sql.Identifier(goal)))


@contextmanager
def _nobody_in(admin: Admin, name: str) -> Iterator[None]:
    admin.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(sql.Identifier(name)))
    while admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]).rowcount:
        time.sleep(0.05)
    yield


def _run(
    command: Sequence[str | Path],
    error: type[NotBackedUp],
    told: Callable[[], None] = lambda: None,
    dsn: str | None = None,
) -> str:
    """What `command` printed, on the database at `dsn` if one is given; `told` is called now and then while it runs.
    Raises `error` with its last words.
    """
    words, secret = [str(word) for word in command], {}
    if dsn is not None:
        parts = conninfo.conninfo_to_dict(dsn)
        if (password := parts.pop("password", None)) is not None:  # words can be read by all users of the machine
            secret["PGPASSWORD"] = str(password)
        words.append(f"--dbname={conninfo.make_conninfo('', **parts)}")
    with subprocess.Popen(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env={**os.environ, **secret, "LC_ALL": "C"},
    ) as process:
        try:
            while True:
                try:
                    out, said = process.communicate(timeout=0.5)
                    break
                except subprocess.TimeoutExpired:
                    told()
        finally:  # interrupted, it must not go on by itself
            if process.poll() is None:
                process.kill()
    if process.returncode:
        lines = said.strip().splitlines()
        told_so = [number for number, line in enumerate(lines) if "error:" in line]  # before it: warnings and hints
        reason = " ".join(lines[told_so[0] :][:3]) if told_so else f"nothing, and ended with {process.returncode}"
        raise error(f"{Path(command[0]).name} says: {reason}")
    return out


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0
