"""Tables made and kept up to date: forward only, each migration once, in its own transaction, its hash recorded."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
from psycopg import sql
from psycopg.types.json import Jsonb

from analytics.store import files, guests, ledger
from analytics.store.connection import Busy, Connection, Deadlock, tier
from analytics.store.errors import EditedMigration, NewerStore, NotMigrated

#: One process migrates a database at a time; the number is "GWmi".
_LOCK = 0x47576D69
#: Who rebuilds views waits so long for who reads them, and lets them go on so long before it tries again, so often. A
#: reader holds a view and asks for those below it; if one of these is ours, each waits for the other, and after a
#: second (`deadlock_timeout`) the server would give up the reader.
_WAIT, _LET, _TRIES = "100ms", 0.1, 100

_BOOKS = """
    CREATE TABLE IF NOT EXISTS migration (
        number int4 PRIMARY KEY, name text NOT NULL, sha256 text NOT NULL, applied timestamptz NOT NULL
    );
    CREATE TABLE IF NOT EXISTS view_file (name text PRIMARY KEY, sha256 text NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Step:
    """Something `migrate` did: `kind` is extension, migration, library, view or edition."""

    kind: str
    name: str


def migrate(
    conn: Connection,
    tables: Mapping[str, object],
    now: datetime,
    *,
    plain: bool = False,
    libraries: Sequence[guests.Guest] = (),
) -> Iterator[Step]:
    """What was done, as it is done; nothing where the database is up to date.

    `tables` are the package tables kept in `edition`; `plain` leaves TimescaleDB out where it could be created;
    `libraries` have tables of their own here.
    Raises `EditedMigration`, `NewerStore`, or what PostgreSQL says of a statement (each migration is all or nothing).
    """
    conn.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
    try:
        if tier(conn).installable and not plain:
            conn.execute("CREATE EXTENSION timescaledb")
            yield Step("extension", "timescaledb")
        with conn.transaction():
            conn.execute("SET LOCAL client_min_messages = warning")
            conn.execute(_BOOKS)
        yield from _migrations(conn, now)
        for guest in libraries:
            for name in guests.migrate(conn, guest, now):
                yield Step("library", name)
        yield from _views(conn)
        yield from _editions(conn, tables, now)
    finally:
        conn.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])


def _migrations(conn: Connection, now: datetime) -> Iterator[Step]:
    pending(conn)  # refuses a newer store before anything is done
    done = {row[0]: row[1] for row in conn.execute("SELECT number, sha256 FROM migration")}
    for number, path in sorted(_known().items()):
        digest = _sha256(path)
        if number in done:
            if done[number] != digest:
                raise EditedMigration(f"{path.name} has run here in another form: restore the file, add a new one")
            continue
        with conn.transaction():
            conn.execute("SET LOCAL client_min_messages = warning")
            conn.execute(path.read_bytes())
            conn.execute("INSERT INTO migration VALUES (%s, %s, %s, %s)", [number, path.stem, digest, now])
        yield Step("migration", path.stem)


def _views(conn: Connection) -> Iterator[Step]:
    """A file of views is run only where it changed: dashboards read on while everything else is migrated."""
    done = {row[0]: row[1] for row in conn.execute("SELECT name, sha256 FROM view_file")}
    for path in files.sql("views"):
        digest = _sha256(path)
        if done.get(path.stem) == digest:
            continue
        for left in reversed(range(_TRIES)):
            try:
                _rebuild(conn, path, digest)
                break
            except (Busy, Deadlock):
                if not left:
                    raise
                conn.execute("SELECT pg_sleep(%s)", [_LET])
        yield Step("view", path.stem)


def _rebuild(conn: Connection, path: Path, digest: str) -> None:
    """Nothing; the views of `path` are those of its text. Raises `Busy` where somebody reads one of them for long."""
    with conn.transaction():
        conn.execute(sql.SQL("SET LOCAL lock_timeout = {}").format(_WAIT))
        conn.execute(path.read_bytes())
        conn.execute(
            "INSERT INTO view_file VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET sha256 = EXCLUDED.sha256",
            [path.stem, digest],
        )


def _editions(conn: Connection, tables: Mapping[str, object], now: datetime) -> Iterator[Step]:
    """A package table that changed is a new edition, in force for observations from now on; the old one stays.

    One that goes back to what it was is a new edition too: between the two, the other was in force.
    """
    for name, content in sorted(tables.items()):
        digest = hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
        with conn.transaction():
            row = conn.execute(
                """
                INSERT INTO edition (name, sha256, valid_from, known, rows)
                SELECT %(name)s, %(sha)s,
                       -- a clock that was set back must not put an edition before the one it replaces
                       coalesce((SELECT greatest(%(now)s, max(valid_from)) FROM edition WHERE name = %(name)s
                                 HAVING count(*) > 0), '-infinity'),
                       %(now)s, %(rows)s
                WHERE (SELECT sha256 FROM edition WHERE name = %(name)s ORDER BY id DESC LIMIT 1)
                    IS DISTINCT FROM %(sha)s
                RETURNING id
                """,
                {"name": name, "sha": digest, "now": now, "rows": Jsonb(content)},
            ).fetchone()
            if row is not None:
                _mark_since(conn, now)
        if row is not None:
            yield Step("edition", name)


def _mark_since(conn: Connection, now: datetime) -> None:
    """Nothing; what was observed since `now` and perhaps judged by the rules before is marked."""
    rows = conn.execute(
        "SELECT series, greatest(first, %(now)s), time + interval '1 us' FROM latest WHERE time >= %(now)s",
        {"now": now},
    ).fetchall()
    ledger.mark(conn, ledger.READINGS, pl.DataFrame(rows, schema=dict(ledger.WINDOWS), orient="row"), now)


def editions(conn: Connection, name: str, known: datetime | None = None) -> list[tuple[int, datetime | None, Any]]:
    """(id, in force from [None: always], content) of each edition of the package table `name`, oldest first.

    With `known`, those that were there at that time, the first one always among them. Raises `NotMigrated` where
    there is none.
    """
    rows = conn.execute(
        """
        SELECT id, nullif(valid_from, '-infinity'), rows FROM edition
        WHERE name = %(name)s AND (%(known)s::timestamptz IS NULL OR known <= %(known)s OR valid_from = '-infinity')
        ORDER BY valid_from, id
        """,
        {"name": name, "known": known},
    ).fetchall()
    if not rows:
        raise unknown(name)
    return rows  # type: ignore[return-value]  # as the select says


def unknown(table: str) -> NotMigrated:
    """What is wrong where there is no edition of a package `table`."""
    return NotMigrated(f"the table {table!r} of this version is not in the database: run `greenwatch migrate`")


def texts(conn: Connection, known: datetime | None = None) -> dict[str, list[tuple[int, datetime | None, str]]]:
    """`editions` of all package tables by name, each content as its JSON text, which need not be read twice."""
    rows = conn.execute(
        """
        SELECT name, id, nullif(valid_from, '-infinity'), rows::text FROM edition
        WHERE %(known)s::timestamptz IS NULL OR known <= %(known)s OR valid_from = '-infinity'
        ORDER BY name, valid_from, id
        """,
        {"known": known},
    ).fetchall()
    found: dict[str, list[tuple[int, datetime | None, str]]] = {}
    for name, *edition in rows:
        found.setdefault(str(name), []).append(tuple(edition))  # type: ignore[arg-type]  # as the select says
    return found


def pending(conn: Connection) -> list[str]:
    """Names of the migrations that have not run here. Raises `NewerStore`."""
    row = conn.execute("SELECT to_regclass('public.migration') IS NOT NULL").fetchone()
    done = {int(str(r[0])) for r in conn.execute("SELECT number FROM migration")} if row and row[0] else set()
    known = _known()
    if ahead := sorted(done - set(known)):
        raise NewerStore(f"migration {ahead[-1]} ran here and is unknown to this version: install a newer greenwatch")
    return [path.stem for number, path in sorted(known.items()) if number not in done]


def require(conn: Connection) -> None:
    """Nothing. Raises `NotMigrated` or `NewerStore` where the tables are not those of this version."""
    if missing := pending(conn):
        raise NotMigrated(f"the database lacks tables of this version ({missing[0]}): run `greenwatch migrate`")


def _known() -> dict[int, Path]:
    return {int(path.name.split("_")[0]): path for path in files.sql("migrations")}


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
