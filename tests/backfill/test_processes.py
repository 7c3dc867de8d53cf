"""Real processes: any number of workers, one of them killed, and what people see of it."""

import signal
import time
from contextlib import closing
from pathlib import Path

import pytest

from analytics.store import backfills, connection
from analytics.store.connection import Connection
from jobs import console
from jobs.backfill import cli, status
from jobs.backfill import plan as planning
from jobs.backfill.sources import Ask
from jobs.intake import Order
from tests.backfill import archive
from tests.conftest import Make
from tests.worker.clock import until

pytestmark = pytest.mark.long


def test_two_workers_and_a_kill_end_where_one_ingest_does(
    conn: Connection, dsn: str, make_database: Make, tmp_path: Path
) -> None:
    files = archive.write(tmp_path / "files", files=20, stations=2)
    asked = Ask(Order(source="archive", register=True), (tmp_path / "files",))
    planned = planning.plan(conn, asked)
    with archive.working(dsn) as first, archive.working(dsn) as second:
        until(lambda: backfills.workers(conn, 20) == 2, 60)
        begun, said = archive.call("backfill", "run", tmp_path / "files", "--register", "--source", "archive", dsn=dsn)
        assert begun == {"backfill": 1}
        assert "no worker" not in said
        until(lambda: len(set(backfills.chunks(conn, 1)["worker"]) - {""}) == 2, 60)
        mine = f":{first.pid}"
        give_up = time.monotonic() + 60
        while not running(conn, mine) and time.monotonic() < give_up:
            time.sleep(0.002)
        first.send_signal(signal.SIGKILL)
        first.wait()
        assert status.standing(conn, 1, console.now()).state == "running"
        # Its heart would be missed in twenty seconds: they are over now.
        until(lambda: backfills.workers(conn, 8) == 1, 60)
        conn.execute(
            "UPDATE queue.procrastinate_workers SET last_heartbeat = now() - interval '1 minute'"
            " WHERE last_heartbeat < now() - interval '8 s'"
        )
        until(lambda: status.standing(conn, 1, console.now()).settled, 120)
        assert second.poll() is None
    shown = status.standing(conn, 1, console.now())
    assert (shown.state, shown.chunks["done"]) == ("done", planned.chunks)
    assert shown.counts == planned.counts
    assert shown.counts.read == 20 * 2 * 48 * 4
    with closing(connection.connect(make_database("apache"))) as calm:
        archive.ingest(calm, files)
        ours, theirs = archive.picture(conn), archive.picture(calm)
        for name, rows in ours.items():
            print(name, len(rows), len(theirs[name]), sorted(set(rows) ^ set(theirs[name]), key=repr)[:20])
        assert archive.picture(conn) == archive.picture(calm)


def running(conn: Connection, worker: str) -> bool:
    return conn.execute(
        "SELECT count(*) > 0 FROM backfill_chunk WHERE state = 'running' AND worker LIKE '%%' || %s", [worker]
    ).fetchone() == (True,)


def test_it_waits_for_workers_or_is_one(conn: Connection, dsn: str, tmp_path: Path) -> None:
    archive.write(tmp_path / "files", files=2, stations=1)
    begun, said = archive.call("backfill", "run", tmp_path / "files", "--register", dsn=dsn)
    assert "no worker is at work on it" in said
    cli.cancel(dsn=dsn)
    assert status.standing(conn, 1, console.now()).state == "cancelled"
    assert conn.execute("SELECT count(*) FROM queue.procrastinate_jobs").fetchone() == (0,)
    now, _ = archive.call("backfill", "run", "--resume", begun["backfill"], "--here", dsn=dsn)
    assert (now["state"], now["windows"]) == ("done", 0)
    assert now["counts"]["read"] == 2 * 48 * 4
    assert conn.execute("SELECT count(*) > 0 FROM assessment").fetchone() == (True,)
    with pytest.raises(console.NotAsAsked, match="no backfill 7"):
        cli.show(7, dsn=dsn)
