"""The thread of a worker that tells who opens valves what is advised; it opens none.

Whenever there is newer advice, that of all zones goes out whole: what was missed is in the next, and said twice does no
harm. The other side has it when it answers 2xx; until then it is tried again, and only the newest.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog

from analytics.store import calls
from analytics.store.calls import Call
from analytics.store.connection import Connection
from jobs import console
from jobs.incidents import sending
from jobs.incidents.sending import Target
from jobs.threads import Thread

log = structlog.get_logger()

#: Between a try that failed and the next one [s]; the last one for ever.
PAUSES: Final = (5, 15, 60, 300, 900)
#: Between two looks [s].
PAUSE = 5.0


@dataclass(slots=True)
class Teller(Thread):
    """Tells what is newer, until it is stopped; on any number of workers, one at a time."""

    target: Target
    clock: Callable[[], datetime] = console.now

    def serve(self, conn: Connection) -> None:
        """Nothing; tells until `stopping` is set, or `conn` is lost."""
        while not self.stopping.is_set():
            call = calls.claim(conn, self.clock(), sending.LEASE)
            if call is not None:
                self.tell(conn, call)
            self.stopping.wait(PAUSE)

    def tell(self, conn: Connection, call: Call) -> None:
        """Nothing; they have it, or are told again later."""
        now = self.clock()
        said = {
            "type": "advice.issued",
            "timestamp": call.issued.isoformat(),
            "data": {"issued": call.issued.isoformat(), "advice": calls.advice(conn)},
        }
        answer = sending.send(self.target, str(call.id), said, now)
        now = self.clock()
        if not answer.problem:
            calls.sent(conn, call, now)
            return
        calls.failed(conn, now + sending.again(answer, call.tries, PAUSES), answer.problem)
        log.warning("advice", tries=call.tries, problem=answer.problem)
