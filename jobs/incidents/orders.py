"""The thread of a worker that sends work orders: each until the other side says that it has it, or for half a day."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog

from analytics.store.connection import Connection
from analytics.store.incidents import orders
from analytics.store.incidents.orders import Order
from jobs import console
from jobs.incidents import sending
from jobs.incidents.sending import Target
from jobs.threads import Thread

log = structlog.get_logger()

#: Between a try that failed and the next one [s]; after the last one nobody tries again.
PAUSES: Final = (5, 15, 60, 300, 900, 1800, 3600, 7200, 14400, 14400)
#: Between two looks [s].
PAUSE = 1.0
#: The other side wants no more of these (Standard Webhooks): nobody tries again.
GONE = 410


@dataclass(slots=True)
class Deliverer(Thread):
    """Sends what waits, until it is stopped; on any number of workers, each order by one at a time."""

    target: Target
    clock: Callable[[], datetime] = console.now

    def serve(self, conn: Connection) -> None:
        """Nothing; sends until `stopping` is set, or `conn` is lost."""
        while not self.stopping.is_set():
            order = orders.claim(conn, self.clock(), sending.LEASE)
            if order is None:
                self.stopping.wait(PAUSE)
            else:
                self.deliver(conn, order)

    def deliver(self, conn: Connection, order: Order) -> None:
        """Nothing; `order` is sent, or tried again later, or given up."""
        answer = sending.send(self.target, str(order.id), order.body, self.clock())
        now = self.clock()
        if not answer.problem:
            orders.sent(conn, order, now)
            return
        last = answer.status == GONE or order.tries > len(PAUSES)
        orders.failed(
            conn, order, now, answer.problem, None if last else now + sending.again(answer, order.tries, PAUSES)
        )
        log.warning("work order", order=str(order.id), tries=order.tries, problem=answer.problem, given_up=last)
