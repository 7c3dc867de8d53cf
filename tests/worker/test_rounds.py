"""Live rounds over what is due: they end where settling ends, and poison keeps only its shard waiting."""

from contextlib import closing
from datetime import datetime, timedelta
from threading import Event, Thread

import pytest
import structlog

from analytics.store import connection, health, ledger
from analytics.store.connection import Connection
from analytics.store.ledger import SHARDS, Take
from jobs import chain, worker
from jobs.rules import Rules
from jobs.timetable import LONGEST, Books
from tests import world
from tests.conftest import NOW, Make
from tests.worker.clock import Clock, until


def test_rounds_end_where_settling_ends(conn: Connection, dsn: str, make_database: Make) -> None:
    channels = [(f"S{number:02}", name) for number in range(6) for name in ("pm25", "o3")]
    numbers = world.settle_world(conn, channels)
    readings = [(number, float(hour), 30.0 + hour, 0, None) for number in numbers for hour in range(30)]
    with closing(connection.connect(make_database("apache"))) as calm:
        assert world.settle_world(calm, channels) == numbers
        world.send(calm, readings)
        world.settle(calm)
        expected = world.picture(calm)
    books, stopping = Books(), Event()
    rounds = worker.Live(conn, books, stopping, clock=Clock(NOW))
    for start in range(0, len(readings), 50):
        world.send(conn, readings[start : start + 50])
        rounds.round()
    while rounds.round():
        pass
    assert world.picture(conn) == expected
    rounds.enter(now=True)
    flag = health.work(conn).filter(job="flag").to_dicts()[0]
    assert flag["runs"] > 0
    assert flag["read"] >= len(readings)
    assert flag["failures"] == 0


def test_data_that_a_stage_cannot_digest_keep_only_their_shard_waiting(
    conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = world.settle_world(conn, [(f"S{number:02}", "pm25") for number in range(2 * SHARDS)])
    poison, stage, run = numbers[5], *chain.STAGES["hour"]
    tried: list[datetime] = []
    clock = Clock(NOW)

    def touchy(take: Take, rules: list[Rules]) -> None:
        if poison in take.affected["subject"]:
            tried.append(clock.now)
            raise ZeroDivisionError("poison")
        run(take, rules)

    monkeypatch.setattr(chain, "STAGES", {**chain.STAGES, "hour": (stage, touchy)})
    world.send(conn, [(number, 0.0, 30.0, 0, None) for number in numbers])
    rounds = worker.Live(conn, Books(), Event(), clock=clock)
    with structlog.testing.capture_logs():
        for second in range(0, 1200, 3):
            clock.now = NOW + timedelta(seconds=second)
            rounds.round()
    behind = {number for number in numbers if number % SHARDS == poison % SHARDS}
    done = {row[0] for row in conn.execute("SELECT DISTINCT series FROM average").fetchall()}
    assert done == set(numbers) - behind
    assert {row[0] for row in conn.execute("SELECT DISTINCT subject FROM stale WHERE stage = 3").fetchall()} == behind
    assert 5 < len(tried) < 14  # in twenty minutes, and each time twice as long after the last
    rounds.enter(now=True)
    [hour] = health.work(conn).filter(job="hour").to_dicts()
    assert (hour["failures"], hour["problem"]) == (len(tried), "ZeroDivisionError: poison")
    monkeypatch.setattr(chain, "STAGES", {**chain.STAGES, "hour": (stage, run)})
    clock.now += LONGEST
    rounds.round()
    done = {row[0] for row in conn.execute("SELECT DISTINCT series FROM average").fetchall()}
    assert done == set(numbers)


def test_told_to_stop_it_ends_between_two_takes(conn: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = world.settle_world(conn, [("A", "pm25")])
    world.send(conn, [(numbers[0], 0.0, 30.0, 0, None)])
    stopping = Event()
    stage, run = chain.STAGES["flag"]

    def last(take: Take, rules: list[Rules]) -> None:
        run(take, rules)
        stopping.set()

    monkeypatch.setattr(chain, "STAGES", {**chain.STAGES, "flag": (stage, last)})
    worker.Live(conn, Books(), stopping, clock=Clock(NOW)).serve()
    assert {row[0] for row in conn.execute("SELECT DISTINCT stage::int4 FROM stale").fetchall()} == {2, 3}


def test_who_has_nothing_to_do_hears_of_a_mark_when_it_is_committed(
    conn: Connection, other: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    series = world.settle_world(conn, [("A", "pm25")])[0]
    world.settle(conn)
    ledger.listen(other)
    with conn.transaction():
        world.send(conn, [(series, 0.0, 30.0, 0, None)])
        assert not ledger.wait(other, 0.1)
    assert ledger.wait(other, 10)
    assert not ledger.wait(other, 0.1)
    monkeypatch.setattr(worker, "POLL", 60.0)
    stopping = Event()
    thread = Thread(target=worker.Live(other, Books(), stopping, pause=0, clock=Clock(NOW)).serve)
    thread.start()
    until(lambda: not chain.due(conn, NOW))
    world.send(conn, [(series, 1.0, 30.0, 0, None)])
    until(lambda: not chain.due(conn, NOW))
    stopping.set()
    world.send(conn, [(series, 2.0, 30.0, 0, None)])
    thread.join(10)
    assert not thread.is_alive()
