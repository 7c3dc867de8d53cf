"""A drainer whose owner serves /metrics: how long what came through its door took from its receipt to its commit."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from analytics.metrics import Door
from analytics.spool import Place, Record
from analytics.store.connection import Connection
from jobs import console
from jobs.drain import Drainer


@dataclass(slots=True)
class Timed(Drainer):
    """A drainer that tells `page` how soon records are in the store.

    After a transaction it waits for `gather` [s], unless more waits already: few large batches cost less than many
    small ones. `then` is what its owner wants done after each.
    """

    page: Door = field(kw_only=True)
    gather: float = field(kw_only=True)
    then: Callable[[Connection], object] = field(kw_only=True, default=lambda conn: None)
    #: when the records of the last transaction were received
    _came: list[datetime] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        """Listens to what is saved."""
        inner = self.save

        def save(conn: Connection, records: list[Record]) -> None:
            inner(conn, records)
            self._came = [record.received for record in records]

        self.save = save

    def _step(self, conn: Connection, most: int) -> bool:
        before: Place | None = self.place
        well = Drainer._step(self, conn, most)  # a class with slots has no `super()` without words
        now = console.now()
        self.page.drained.set(now.timestamp())
        came, self._came = self._came, []
        if self.place != before:
            for received in came:
                self.page.commit.observe(max(0.0, (now - received).total_seconds()))
        self.then(conn)
        if self.place != before and len(came) < most:
            self.stopping.wait(self.gather)
        return well
