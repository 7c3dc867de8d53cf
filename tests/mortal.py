"""A process that is killed between two statements, as the server sees it."""

from typing import Any

import psycopg

from analytics.store import connection
from analytics.store.connection import Connection


class Killed(BaseException):
    """The process is gone."""


def mortal(conn: Connection, statements: int) -> Connection:
    """A connection of its own to the same database, cut without a word when so many statements were sent."""
    left = [statements]

    class Cut(psycopg.Cursor[tuple[object, ...]]):
        def execute(self, *given: Any, **named: Any) -> Any:
            self._count()
            return super().execute(*given, **named)

        def copy(self, *given: Any, **named: Any) -> Any:
            self._count()
            return super().copy(*given, **named)

        def _count(self) -> None:
            left[0] -= 1
            if left[0] < 0:
                self.connection.pgconn.finish()  # what the server sees of a SIGKILL
                raise Killed

    own = connection.connect(conn.info.dsn)
    own.cursor_factory = Cut
    return own
