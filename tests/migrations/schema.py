"""What the tests of migrations share: migrate, what stands in the database then, and the sums of what has landed."""

import hashlib
from datetime import datetime
from pathlib import Path
from typing import Any

from analytics import standards
from analytics.store import migrations
from analytics.store.connection import Connection
from analytics.store.migrations import Step
from tests.conftest import NOW

REPOSITORY = Path(__file__).parents[2]
MIGRATIONS = REPOSITORY / "sql" / "migrations"
TABLES = standards.tables()


def migrate(conn: Connection, now: datetime = NOW, tables: Any = TABLES, *, plain: bool = True) -> list[Step]:
    return list(migrations.migrate(conn, tables, now, plain=plain))


def one(conn: Connection, query: str, *given: object) -> Any:
    row = conn.execute(query, given).fetchone()
    assert row is not None
    return row[0]


def shape(conn: Connection) -> list[tuple[object, ...]]:
    """Tables, views and their columns of our schemas, rights included."""
    return conn.execute(
        """
        SELECT c.relnamespace::regnamespace::text, c.relname, c.relkind, c.relacl::text,
               a.attname, a.atttypid::regtype::text
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
        WHERE c.relnamespace::regnamespace::text IN ('public', 'report') ORDER BY 1, 2, a.attnum
        """
    ).fetchall()


def sums_problems(folder: Path) -> list[str]:
    """What the list SHA256SUMS (the form of sha256sum) of `folder` and its files say differently; empty: nothing."""
    listed: dict[str, str] = {}
    sums = folder / "SHA256SUMS"
    if not sums.exists():
        return [f"{sums} is missing: cd {folder} && sha256sum *.sql > SHA256SUMS"]
    for line in sums.read_text(encoding="utf-8").splitlines():
        digest, _, name = line.partition("  ")
        listed[name.removeprefix("*")] = digest
    out = []
    for path in sorted(folder.glob("*.sql")):
        if path.name not in listed:
            out.append(f"{path.name} is not in SHA256SUMS: when it lands add its line (sha256sum {path.name})")
        elif listed[path.name] != hashlib.sha256(path.read_bytes()).hexdigest():
            out.append(f"{path.name} was edited after it landed: restore it and write a new migration")
    out += [f"{name} has landed and is gone: restore it" for name in listed if not (folder / name).exists()]
    return out


def write_sums(folder: Path) -> None:
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in folder.glob("*.sql")]
    (folder / "SHA256SUMS").write_text("".join(sorted(lines)))
