"""People who log in: name, role, and the argon2 hash of the password. Who is disabled stays: the log names them."""

from dataclasses import dataclass, field
from datetime import datetime

from analytics.store.connection import Connection


@dataclass(frozen=True, slots=True)
class Person:
    """A person as kept."""

    id: int
    name: str
    role: str
    hash: str = field(repr=False)
    made: datetime
    made_by: str
    disabled: datetime | None = None
    disabled_by: str | None = None


def load(conn: Connection) -> list[Person]:
    """Everybody who ever could log in, by name."""
    rows = conn.execute(
        "SELECT id, name, role, hash, made, made_by, disabled, disabled_by FROM person ORDER BY name"
    ).fetchall()
    return [Person(*row) for row in rows]  # type: ignore[arg-type]  # as the select says


def add(conn: Connection, name: str, role: str, hash: str, *, by: str, now: datetime) -> bool:
    """Whether there was nobody of that name; now there is."""
    done = conn.execute(
        """
        INSERT INTO person (name, role, hash, made, made_by) VALUES (%s, %s, %s, %s, %s)
        ON CONFLICT (name) DO NOTHING
        """,
        [name, role, hash, now, by],
    )
    return done.rowcount == 1


def change(conn: Connection, name: str, *, hash: str) -> bool:
    """Whether there is somebody of that name, who is not disabled and has another password from now on."""
    done = conn.execute("UPDATE person SET hash = %s WHERE name = %s AND disabled IS NULL", [hash, name])
    return done.rowcount == 1


def disable(conn: Connection, name: str, *, by: str, now: datetime) -> bool:
    """Whether the person of that name could log in until now; no longer."""
    done = conn.execute(
        "UPDATE person SET disabled = %s, disabled_by = %s WHERE name = %s AND disabled IS NULL", [now, by, name]
    )
    return done.rowcount == 1
