"""Tables of a library, in a schema of their own: made from its SQL, kept up to date by its own migrations."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from psycopg import sql

from analytics.store.connection import Connection
from analytics.store.errors import NewerStore, NotMigrated


@dataclass(frozen=True, slots=True)
class Guest:
    """A library: `whole` makes all its tables in an empty `schema`, `steps` are its migrations by name, in order."""

    schema: str
    whole: str
    steps: Mapping[str, str]


def migrate(conn: Connection, guest: Guest, now: datetime) -> Iterator[str]:
    """Names of what was run: its schema where it was empty, else the migrations that are new, each all or nothing.

    The schema is there; our writer may then use its rows. Raises `NewerStore`.
    """
    done = _done(conn, guest)
    missing = [name for name in guest.steps if name not in done]
    todo = {name: (guest.steps[name], [name]) for name in missing} if done else {guest.schema: (guest.whole, missing)}
    for name, (text, names) in todo.items():
        if not names:
            return
        with conn.transaction():
            conn.execute("SET LOCAL client_min_messages = warning")
            conn.execute(sql.SQL("SET LOCAL search_path = {}").format(sql.Identifier(guest.schema)))
            conn.execute(text.encode())
            conn.execute("SET LOCAL search_path = public")
            conn.execute(
                "INSERT INTO guest_step SELECT %s, name, %s FROM unnest(%s::text[]) AS name", [guest.schema, now, names]
            )
            # Again after each: tables may be new.
            for rights in ("SELECT, INSERT, UPDATE, DELETE ON ALL TABLES", "USAGE ON ALL SEQUENCES"):
                grant = f"GRANT {rights} IN SCHEMA {{}} TO greenwatch_writer, greenwatch_admin"
                conn.execute(sql.SQL(grant).format(sql.Identifier(guest.schema)))
        yield name


def require(conn: Connection, guest: Guest) -> None:
    """Nothing. Raises `NotMigrated` or `NewerStore` where the tables of `guest` are not those of this version."""
    if not set(guest.steps) <= _done(conn, guest):
        raise NotMigrated(f"the database lacks tables of the schema {guest.schema!r}: run `greenwatch migrate`")


@contextmanager
def within(conn: Connection, schema: str) -> Iterator[None]:
    """A transaction in which the names of the library's tables and functions in `schema` are found, too."""
    with conn.transaction():
        row = conn.execute("SELECT current_setting('search_path')").fetchone()
        assert row is not None
        conn.execute("SELECT set_config('search_path', %s || ', ' || quote_ident(%s), true)", [row[0], schema])
        yield
        conn.execute("SELECT set_config('search_path', %s, true)", [row[0]])


def _done(conn: Connection, guest: Guest) -> set[str]:
    """Names of what ran here. Raises `NewerStore`."""
    done = {str(row[0]) for row in conn.execute("SELECT name FROM guest_step WHERE guest = %s", [guest.schema])}
    if ahead := sorted(done - set(guest.steps)):
        raise NewerStore(f"{guest.schema}: {ahead[-1]} ran here and is unknown to this version: install a newer one")
    return done
