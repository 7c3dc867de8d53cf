"""Several workers on one store: who does the live work, and what becomes of one that dies, lags or hangs."""

import time
from contextlib import closing
from datetime import timedelta
from threading import Event, Thread

import pytest
import structlog

from analytics.store import connection
from analytics.store.connection import Connection
from analytics.store.ledger import Take
from jobs import chain, threads
from jobs.backfill.chunk import BEHIND
from jobs.rules import Rules
from jobs.threads import reconnect
from jobs.timetable import Books
from jobs.worker import Live
from tests import world
from tests.conftest import NOW
from tests.worker.clock import Clock, until
from tests.world import HOUR, T0

#: Hours after T0 of the newest hour before NOW.
EDGE = (NOW - T0) / HOUR - 1


def test_one_does_the_live_work_others_the_past_and_help_where_it_falls_behind(conn: Connection, dsn: str) -> None:
    [series] = world.settle_world(conn, [("A", "pm25")])
    clock = Clock(NOW)
    with closing(connection.connect(dsn)) as own, closing(connection.connect(dsn)) as third:
        first, second = Live(own, Books(), Event(), clock=clock), Live(conn, Books(), Event(), clock=clock)
        world.send(conn, [(series, EDGE - 2, 40.0, 0, None)])
        assert first.round() > 0
        world.send(conn, [(series, EDGE - 1, 40.0, 0, None)])
        assert second.round() == 0  # the first does it with what else comes in until then, in one take
        clock.now += timedelta(seconds=BEHIND + 1)
        assert second.round() > 0
        world.send(conn, [(series, 0.0, 40.0, 0, None)], now=clock.now)
        assert second.round() > 0  # what is old is everybody's
        world.send(conn, [(series, EDGE, 40.0, 0, None)], now=clock.now)
        assert second.round() == 0
        own.close()
        until(lambda: second.round() > 0)  # it is the one now, and not only until it has caught up
        assert Live(third, Books(), Event(), clock=clock).round() == 0


def test_one_that_hangs_in_a_take_loses_it_to_another_and_goes_on(
    conn: Connection, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    [series] = world.settle_world(conn, [("A", "pm25")])
    world.send(conn, [(series, float(hour), 40.0, 0, None) for hour in range(5)])
    stage, run = chain.STAGES["flag"]
    hangs, wakes = Event(), Event()

    def hung(take: Take, rules: list[Rules]) -> None:
        if not hangs.is_set():
            hangs.set()
            assert wakes.wait(30)
        run(take, rules)

    monkeypatch.setattr(chain, "STAGES", {**chain.STAGES, "flag": (stage, hung)})
    monkeypatch.setattr(threads, "HUNG", 0.5)
    stopping, served = Event(), 0

    def serve(own: Connection) -> None:
        nonlocal served
        served += 1
        Live(own, Books(), stopping, clock=Clock(NOW)).serve()

    with structlog.testing.capture_logs() as said:
        thread = Thread(target=reconnect, args=[dsn, "worker", stopping, serve])
        thread.start()
        assert hangs.wait(20)
        began = time.monotonic()
        other = Live(conn, Books(), Event(), clock=Clock(NOW))
        until(other.round)  # until the server gives the one up its take is nobody else's
        assert time.monotonic() - began > 0.3
        while other.round():
            pass
        wakes.set()
        until(lambda: served == 2)
        stopping.set()
        thread.join(20)
    assert not thread.is_alive()
    assert [line["event"] for line in said if line["log_level"] == "warning"] == [
        "the database is away",
        "the database is back",
    ]
    averages = conn.execute("SELECT count(*) FROM average WHERE count > 0").fetchone()
    world.empty(conn)
    world.send(conn, [(series, float(hour), 40.0, 0, None) for hour in range(5)])
    world.settle(conn)
    assert conn.execute("SELECT count(*) FROM average WHERE count > 0").fetchone() == averages


def test_the_server_too_gives_up_who_is_gone_without_a_word(conn: Connection) -> None:
    settings = {str(name): value for name, value in conn.execute("SELECT name, setting FROM pg_settings").fetchall()}
    idle, interval, count = (int(str(settings[f"tcp_keepalives_{name}"])) for name in ("idle", "interval", "count"))
    assert 0 < idle + interval * count <= 60
