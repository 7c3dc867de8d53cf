"""Keys of programs that send and read over HTTP: who they speak for, what they may do. Only their hashes are kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from analytics.store.connection import Connection

SCOPES = ("write", "read", "hook")


@dataclass(frozen=True, slots=True)
class Key:
    """A key as it is kept. `hash` is its SHA-256; `stations` are codes, None for any."""

    id: int
    hash: bytes
    source: str
    scopes: frozenset[str]
    stations: frozenset[str] | None
    made: datetime
    made_by: str
    revoked: datetime | None = None
    revoked_by: str | None = None
    note: str = ""


def load(conn: Connection) -> list[Key]:
    """Every key ever made, the revoked ones too, oldest first."""
    rows = conn.execute(
        """
        SELECT id, hash, source, scopes, stations, made, made_by, revoked, revoked_by, note FROM key ORDER BY id
        """
    ).fetchall()
    return [_key(*row) for row in rows]  # type: ignore[arg-type]  # as the select says


def _key(
    id: int,
    hash: bytes,
    source: str,
    scopes: list[str],
    stations: list[str] | None,
    *rest: Any,
) -> Key:
    return Key(id, bytes(hash), source, frozenset(scopes), None if stations is None else frozenset(stations), *rest)


def make(
    conn: Connection,
    hash: bytes,
    *,
    source: str,
    scopes: Sequence[str],
    stations: Sequence[str] | None,
    by: str,
    note: str,
    now: datetime,
) -> int:
    """The id of the key that is there now."""
    row = conn.execute(
        """
        INSERT INTO key (hash, source, scopes, stations, made, made_by, note) VALUES (%s, %s, %s, %s, %s, %s, %s)
        RETURNING id
        """,
        [hash, source, sorted(set(scopes)), None if stations is None else sorted(set(stations)), now, by, note],
    ).fetchone()
    assert row is not None
    return int(str(row[0]))


def revoke(conn: Connection, id: int, *, by: str, now: datetime) -> bool:
    """Whether key `id` was in force until now; it no longer is."""
    done = conn.execute("UPDATE key SET revoked = %s, revoked_by = %s WHERE id = %s AND revoked IS NULL", [now, by, id])
    return done.rowcount == 1
