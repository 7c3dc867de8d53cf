"""`greenwatch worker` and `greenwatch up` as processes: what they do, how they end, and nothing stays behind."""

import os
import signal

import httpx
import pytest

from analytics.store import health
from analytics.store.connection import Connection
from jobs import pepper
from tests import world
from tests.soak import live, rows
from tests.worker.clock import until
from tests.worker.processes import DEVICE, children, enrol, gone, running

pytestmark = pytest.mark.long


def test_a_worker_settles_what_comes_and_ends_when_told(conn: Connection, dsn: str) -> None:
    [series] = world.settle_world(conn, [("A", "pm25")])
    with running("worker", "--dsn", dsn, "--pause", "0.2") as process:
        world.send(conn, [(series, float(hour), 30.0, 0, None) for hour in range(24)])
        until(lambda: conn.execute("SELECT 1 FROM assessment").fetchone(), 60)
        until(lambda: {"flag", "watch"} <= set(health.work(conn)["job"]), 60)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()


def test_up_serves_and_works_and_ends_both(dsn: str, conn: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(pepper.NAME, raising=False)
    enrol(conn, DEVICE)
    with running("up", "--port", 0, "--dsn", dsn) as process:
        assert process.stdout is not None
        address = process.stdout.readline().split()[-1]
        assert httpx.get(f"{address}/healthz", trust_env=False).json() == {"ok": True, "wrong": [], "watchdog": None}
        both = children(process.pid)
        assert set(both) == {"serve", "worker"}
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        assert all(map(gone, both.values()))
        assert process.stderr is not None
        assert "nobody listens to them: GREENWATCH_PEPPER is not set" in process.stderr.read()  # the rest goes on


def test_up_ends_with_its_first_child_and_says_which(dsn: str) -> None:
    with running("up", "--port", 0, "--dsn", dsn) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        both = children(process.pid)
        os.kill(both["worker"], signal.SIGKILL)
        assert process.wait(60) == 1
        assert process.stderr is not None
        assert "`greenwatch worker` ended (SIGKILL)" in process.stderr.read()
        assert gone(both["serve"])


def test_killed_it_leaves_no_orphans(dsn: str) -> None:
    with running("up", "--port", 0, "--dsn", dsn) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        both = children(process.pid)
        process.kill()
        until(lambda: all(map(gone, both.values())), 60)


def test_what_is_sent_is_soon_seen(dsn: str, conn: Connection) -> None:
    """The soak's measurement, small: fifty series, each of them once in five seconds."""
    world.settle_world(conn, rows.names(50), 5)
    found = live.measure(dsn, 50, 10, cadence=5, every=5)
    assert found.rows == 100
    assert found.lost == {"verdict": 0, "metric": 0, "page": 0}
    for seen in ("verdict", "metric", "page"):
        assert len(found.delays[seen]) >= 4
        assert sorted(found.delays[seen])[int(0.95 * len(found.delays[seen]))] < 10
