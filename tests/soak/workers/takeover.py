"""A worker killed in a chunk of a backfill: how long until another one has it, by the clock and not by a test's."""

import signal
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from analytics.store import backfills, connection
from analytics.store.connection import Connection
from jobs import console, migrate
from jobs.backfill import queue, status
from tests.backfill import archive
from tests.soak.figures import Outcome

FILES, STATIONS = 20, 2
PATIENCE = 180.0


def run(out: Outcome, dsn: str, folder: Path) -> None:
    """Nothing; the figures of one kill are in `out`."""
    archive.write(folder / "past", files=FILES, stations=STATIONS)
    with closing(connection.connect(dsn)) as conn:
        list(migrate.migrate(conn))
    with (
        closing(connection.connect(dsn, application="soak")) as conn,
        archive.working(dsn) as first,
        archive.working(dsn) as second,
    ):
        _until(lambda: backfills.workers(conn, queue.DEAD) == 2)
        archive.call("backfill", "run", folder / "past", "--register", "--source", "archive", dsn=dsn)
        _until(lambda: _has(conn, first.pid) or status.standing(conn, 1, console.now()).state == "done", 0.002)
        first.send_signal(signal.SIGKILL)
        first.wait()
        began, had = time.monotonic(), _has(conn, first.pid)
        _until(lambda: not _has(conn, first.pid))
        taken = time.monotonic() - began
        _until(lambda: status.standing(conn, 1, console.now()).settled)
        assert second.poll() is None
        done = status.standing(conn, 1, console.now())
    out.add("backfill: chunks a killed worker had", had, "", least=1)
    out.add("backfill: its chunk was another's after", taken, "s", most=queue.DEAD + 2 * queue.BEAT)
    cells = FILES * STATIONS * 48 * len(archive.PARAMETERS)
    out.add("backfill: cells counted, of those there are", done.counts.read / cells, "", least=1, most=1)


def _has(conn: Connection, worker: int) -> int:
    """How many chunks the process is at."""
    query = "SELECT count(*) FROM backfill_chunk WHERE state = 'running' AND worker LIKE '%%:' || %s"
    row = conn.execute(query, [str(worker)]).fetchone()
    return int(str(row[0])) if row else 0


def _until(true: Callable[[], object], pause: float = 0.05) -> None:
    give_up = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < give_up, "it did not come true"
        time.sleep(pause)
