"""Room for reads: few at a time, on connections of their own, and so much at once that has not been sent yet.

Who looks at the live page, and who posts, waits for none of them. Of all this one reader has half, while others ask.
"""

from collections.abc import Callable
from threading import Lock
from typing import TypeVar

import anyio
import anyio.to_thread
import structlog
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from analytics.store.connection import READER, Connection, adapt
from jobs.rules import RuleBook, Rules
from jobs.web.fair import Held, Turns
from jobs.web.pools import pool
from jobs.web.problems import Refused

log = structlog.get_logger()

#: Reads at once; and how many more may wait, so long [s].
READS, QUEUE, PATIENCE = 2, 16, 10.0
#: A statement of a read is given up after so long [s]; a page has several of them.
STATEMENT = 20
#: Bytes of answers that are being sent, of all together; and so long one may take to be fetched [s].
SENDING, SLOWEST = 256 * 2**20, 300.0
_PIECE = 2**18

Result = TypeVar("Result")


class Reads:
    """The reads of one server."""

    def __init__(self, dsn: str) -> None:
        """Opens nothing yet."""
        self.pool = pool(
            dsn,
            READS,
            f"-c default_transaction_read_only=on -c statement_timeout={STATEMENT}s",
            PATIENCE,
            application="greenwatch serve: read",
            configure=_modest,
        )
        self.sending = Held()
        self._turns = Turns(READS)
        self._threads = anyio.CapacityLimiter(READS)
        self._book, self._lock = RuleBook(), Lock()

    def rules(self, conn: Connection) -> list[Rules]:
        """The package tables in force."""
        with self._lock:
            return self._book.open(conn)

    async def read(self, who: str, work: Callable[[Connection], Result]) -> Result:
        """What `work` gives, done in a thread when it is the turn of `who`. Raises `Refused` where too many wait."""
        queue, sending = self._turns.waiting, self.sending
        if queue() >= QUEUE or sending.all >= SENDING:
            raise Refused("busy", "too much is being read at once", Retry_After="2")
        if queue(who) >= QUEUE // 2 or sending.of(who) >= SENDING // 2:
            raise Refused("busy", "you read too much at once: one after the other is no slower", Retry_After="2")
        begun = False
        with anyio.move_on_after(PATIENCE):
            await self._turns.take(who)
            begun = True
        if not begun:
            raise Refused("busy", f"others were being read for {PATIENCE:.0f} s", Retry_After="5")
        try:
            return await anyio.to_thread.run_sync(self._work, work, limiter=self._threads)
        finally:
            self._turns.give(who)

    def _work(self, work: Callable[[Connection], Result]) -> Result:
        with self.pool.connection() as conn:
            return work(conn)


def _modest(conn: Connection) -> None:
    """Nothing; `conn` has no more rights than reading needs, as far as whoever logs in may put them down."""
    adapt(conn)
    row = conn.execute(
        "SELECT count(*) FROM pg_roles WHERE rolname = %s AND pg_has_role(session_user, oid, 'MEMBER')", [READER]
    ).fetchone()
    if row and row[0]:
        conn.execute(f"SET ROLE {READER}")
    else:
        log.warning(
            "read", problem=f"this user is no member of {READER}: it reads with all its rights, and writes nothing"
        )


class Sent:
    """An answer on its way: in pieces, each when the one before is taken, and counted while it is here."""

    def __init__(self, reads: Reads, who: str, response: Response) -> None:
        """`response` to `who`, not begun."""
        self._reads, self._who, self._response = reads, who, response

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends it. Who does not take it in time loses the connection."""
        body = memoryview(self._response.body)
        self._reads.sending.add(self._who, len(body))
        try:
            with anyio.move_on_after(SLOWEST):
                start = {"status": self._response.status_code, "headers": self._response.raw_headers}
                await send({"type": "http.response.start", **start})
                for at in range(0, len(body), _PIECE):
                    piece = bytes(body[at : at + _PIECE])
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            self._reads.sending.add(self._who, -len(body))
