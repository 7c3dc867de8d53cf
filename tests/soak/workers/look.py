"""Who works, which marks wait, and what comes of killing a worker in a take."""

import time
from datetime import datetime

from analytics.store.connection import Connection
from jobs.backfill.chunk import FRESH
from tests.soak.workers.crew import PAUSE, SESSION, Member, begin, sessions
from tests.soak.workers.found import Kill, Run

#: All is settled, and what a dead worker had is taken over, within so long [s].
PATIENCE = 1800.0


class Look:
    """Looks who works and which marks wait; `settled` once nothing is due."""

    def __init__(self, conn: Connection, found: Run, base: datetime) -> None:
        self.conn, self.found, self.fresh = conn, found, base - FRESH
        self.settled = False
        self._waited: dict[int, float] = {}
        self._last = time.monotonic()

    def __call__(self) -> None:
        """Nothing; what is seen now is in `found`."""
        row = self.conn.execute(
            f"{_HANDS} SELECT (SELECT count(*) FROM hands WHERE xid IS NULL), (SELECT max(age) FROM hands),"
            " (SELECT max(extract(epoch FROM clock_timestamp() - due))::float8 FROM stale s WHERE due <= now()"
            f" AND stop > %(fresh)s AND {_WAITS}), NOT EXISTS (SELECT FROM stale WHERE due <= now())",
            {"name": SESSION, "fresh": self.fresh},
        ).fetchone()
        assert row is not None
        free, age, live, self.settled = row  # type: ignore[assignment]  # as the select says
        now = time.monotonic()
        since, self._last = now - self._last, now
        self.found.take = max(self.found.take, float(str(age or 0)))
        self.found.live = max(self.found.live, float(str(live or 0)))
        if free:
            self.found.free += since
            ids = self.conn.execute(
                f"{_HANDS} SELECT id FROM stale s WHERE due <= now() AND {_WAITS}", {"name": SESSION}
            ).fetchall()
            self._waited = {int(str(mark)): self._waited.get(int(str(mark)), 0.0) + since for (mark,) in ids}
            self.found.waited = max([self.found.waited, *self._waited.values()])


#: The sessions that settle, the transaction each has begun to write in, and how long ago that began [s].
_HANDS = """
    WITH hands AS MATERIALIZED (
        SELECT pid, backend_xid::text AS xid, extract(epoch FROM clock_timestamp() - xact_start)::float8 AS age
        FROM pg_stat_activity WHERE datname = current_database() AND application_name = %(name)s
    )
"""
#: A mark that somebody takes is deleted by a transaction that is not over.
_WAITS = "NOT EXISTS (SELECT FROM hands WHERE xid = s.xmax::text)"


def strike(conn: Connection, look: Look, victim: Member) -> Kill | None:
    """What came of killing `victim` in a take; None where it was in none, and lives."""
    row = conn.execute(
        f"{_HANDS} SELECT xid, age FROM hands WHERE pid = %(pid)s", _named(pid=victim.session)
    ).fetchone()
    if row is None or row[0] is None:
        return None
    taken = conn.execute("SELECT id FROM stale WHERE xmax::text = %s", [row[0]]).fetchall()
    if not taken:
        return None
    victim.kill()
    began, kill = time.monotonic(), Kill(float(str(row[1])))
    ids = [mark for (mark,) in taken]
    while not (kill.gone and kill.over):
        assert time.monotonic() - began < PATIENCE, "nobody takes what the dead worker had"
        look()
        there = victim.session in sessions(conn)
        if not there and not kill.gone:
            kill.gone = time.monotonic() - began
        left = conn.execute(
            f"{_HANDS} SELECT count(*) FROM stale s WHERE id = ANY(%(ids)s) AND {_WAITS}", _named(ids=ids)
        ).fetchone()
        if kill.gone and left == (0,):
            kill.over = time.monotonic() - began
        time.sleep(PAUSE / 4)
    [kill.undone] = conn.execute("SELECT (pg_xact_status(%s::xid8) = 'aborted')::int", [row[0]]).fetchone() or (0,)  # type: ignore[assignment]  # a number
    others = sessions(conn)
    victim.process = begin(victim.dsn, victim.log)
    victim.connected(conn, others)
    return kill


def _named(**given: object) -> dict[str, object]:
    return {"name": SESSION, **given}
