"""What is remembered of the registry from one post to the next."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

import polars as pl

from analytics.store import health
from analytics.store.connection import Connection
from jobs.intake import CHANNELS, Intake, Order
from jobs.rules import RuleBook


class Memory:
    """What is remembered of the registry from one POST to the next, forgotten as soon as the registry is another."""

    def __init__(self) -> None:
        """Remembers nothing."""
        self._lock = Lock()
        self._book = RuleBook()
        self._state: object = None
        self._known: dict[int | None, pl.DataFrame] = {}

    @contextmanager
    def intake(self, conn: Connection, order: Order) -> Iterator[Intake]:
        """An intake for one block, which knows what those before it learned; what it learns is known to the next."""
        state = health.registry_state(conn)
        with self._lock:
            if state != self._state:
                self._state, self._known = state, {}
            known = self._known.get(order.cadence, pl.DataFrame(schema=CHANNELS))
            parameters = self._book.open(conn)[-1].parameters
        intake = Intake(conn, order, parameters=parameters, known=known)
        yield intake
        with self._lock:
            # Of two that learned at once the one that knows more is kept; the other's channels are looked up again.
            if state == self._state and intake.known.height > self._known.get(order.cadence, known).height:
                self._known[order.cadence] = intake.known
