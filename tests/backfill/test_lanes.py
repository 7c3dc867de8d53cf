"""Live work first, however much of the past there is to do; and in the end all of it is done."""

from datetime import datetime, timedelta
from threading import Event

import polars as pl
import pytest

from analytics.store import ledger
from analytics.store.connection import Connection
from analytics.store.ledger import Take
from jobs import chain, worker
from jobs.backfill.chunk import FRESH
from jobs.rules import Rules
from jobs.timetable import Books
from jobs.worker import Live
from tests import world
from tests.conftest import NOW
from tests.neighbours.town import Town
from tests.worker.clock import Clock
from tests.world import HOUR, T0

#: (stage, first and last time of what a take made again)
Seen = list[tuple[str, datetime, datetime]]


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Seen:
    """What each take made again, in the order of takes."""
    out: Seen = []

    def watched(name: str) -> chain.Run:
        run = chain.STAGES[name][1]

        def note(take: Take, rules: list[Rules]) -> None:
            start, stop = take.claimed["start"].min(), take.claimed["stop"].max()
            assert isinstance(start, datetime)
            assert isinstance(stop, datetime)
            out.append((name, start, stop))
            run(take, rules)

        return note

    monkeypatch.setattr(chain, "STAGES", {name: (stage, watched(name)) for name, (stage, _) in chain.STAGES.items()})
    return out


def hours(series: int, first: float, count: int) -> list[world.Reading]:
    return [(series, first + hour, 30.0 + hour % 9, 0, None) for hour in range(count)]


def rounds(conn: Connection, pause: float) -> Live:
    return Live(conn, Books(), Event(), pause=pause, clock=Clock(NOW))


#: Hours after T0 of the newest hour before NOW.
EDGE = (NOW - T0) / HOUR - 1


def test_live_work_is_done_before_all_else_and_between(
    conn: Connection, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = world.settle_world(conn, [(f"S{number}", "pm25") for number in range(4)])
    for number in numbers:
        world.send(conn, hours(number, 0, 500))
    monkeypatch.setattr(worker, "PAST", 400)
    live = rounds(conn, 0.0)  # so that one take of the past is all there is time for
    for minute in range(6):
        del seen[:]
        world.send(conn, [(numbers[minute % 4], EDGE + minute / 60, 40.0, 0, None)])
        assert live.round() > 5
        past = [start < NOW - FRESH for _, start, _ in seen]
        assert past == sorted(past)  # nothing of the past before the last of live work
        assert sum(past) == 1
        assert {name for name, start, _ in seen if start > NOW - FRESH} >= {"flag", "hour"}
    while live.round():
        pass
    picture = world.picture(conn)
    for name in ("average", "assess", "detect"):
        stale = pl.DataFrame(
            [(number, T0 - 48 * HOUR, NOW + 48 * HOUR) for number in numbers], schema=dict(ledger.WINDOWS), orient="row"
        )
        ledger.mark(conn, chain.STAGES[name][0], stale, NOW - HOUR)
    chain.settle(conn, lambda: NOW)
    assert world.picture(conn) == picture


def test_every_stage_has_its_turn(conn: Connection, seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backfill that goes on for days must not keep its own first days from being assessed."""
    numbers = world.settle_world(conn, [(f"S{number}", "pm25") for number in range(3)])
    monkeypatch.setattr(worker, "PAST", 300)
    clock = Clock(NOW)
    live = Live(conn, Books(), Event(), pause=0.0, clock=clock)
    for turn in range(30):
        clock.now = NOW + turn * timedelta(seconds=worker.PAUSE)
        world.send(conn, hours(numbers[turn % 3], 100 * (turn // 3), 100), now=clock.now)
        live.round()
    assert {name for name, _, _ in seen} >= {"flag", "hour", "average", "assess", "detect"}
    assert conn.execute("SELECT count(*) > 0 FROM assessment").fetchone() == (True,)


def test_of_older_work_neighbours_and_stations_are_done_once_but_wait_no_longer_than_they_may(
    conn: Connection, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    town = Town(conn, 4)
    for revision in (0, 1):
        town.send({n: [30.0 + revision + hour % 9 for hour in range(200)] for n in range(4)}, revision=revision)
        if revision == 0:
            town.learn()
            town.settle()
    del seen[:]
    monkeypatch.setattr(worker, "PAST", 150)
    clock = Clock(NOW)
    live = Live(conn, Books(), Event(), pause=0.0, clock=clock)
    while live.round():
        pass
    names = [name for name, _, _ in seen]
    assert names.count("flag") > 3
    for name, makers in (("compare", {"flag"}), ("assess", {"flag", "compare", "hour", "average"})):
        assert names.index(name) > max(at for at, other in enumerate(names) if other in makers)
    # What comes in all the time keeps nothing waiting for ever.
    del seen[:]
    began = clock.now
    while not {"compare", "assess"} <= {name for name, _, _ in seen}:
        clock.now += timedelta(seconds=worker.PAUSE)
        assert clock.now - began < 4 * timedelta(seconds=worker.GATHER)
        first = 200 + 30 * round((clock.now - began).total_seconds())
        world.send(conn, [(n, first + hour, 30.0, 0, None) for n in town.series for hour in range(90)], now=clock.now)
        live.round()
        assert "flag" in chain.due(conn, clock.now)


def test_what_trickles_in_keeps_no_neighbours_waiting(conn: Connection) -> None:
    town = Town(conn, 4)
    town.send({n: [30.0 + hour % 9 for hour in range(50)] for n in range(4)})
    town.learn()
    due = chain.due(conn, NOW)["compare"]
    for little, left in ((9, set(due)), (10, set())):
        assert chain.gathering(conn, "compare", {"flag": {0: 10}, "compare": due}, T0 - 9999 * HOUR, little) == left


def test_a_round_goes_on_while_there_is_time(conn: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    [series] = world.settle_world(conn, [("A", "pm25")])
    world.send(conn, hours(series, 0, 900))
    monkeypatch.setattr(worker, "PAST", 200)
    rounds(conn, 60.0).round()
    assert not chain.due(conn, NOW)


def test_a_window_that_reaches_from_the_past_into_live_work_is_parted(conn: Connection, seen: Seen) -> None:
    [series] = world.settle_world(conn, [("A", "pm25")])
    world.send(conn, hours(series, EDGE - 400, 400))
    live = rounds(conn, 60.0)
    live.round()
    flags = [(start, stop) for name, start, stop in seen if name == "flag"]
    first = T0 + (EDGE - 400) * HOUR
    last = T0 + (EDGE - 1) * HOUR + timedelta(microseconds=1)
    assert flags == [(NOW - FRESH, last), (first, NOW - FRESH)]
    while live.round():
        pass
    picture = world.picture(conn)
    world.empty(conn)
    world.send(conn, hours(series, EDGE - 400, 400))
    chain.settle(conn, lambda: NOW)
    assert world.picture(conn) == picture


def test_parts_are_the_window() -> None:
    windows = pl.DataFrame(
        [(1, T0, T0 + HOUR), (1, T0 - HOUR, T0 + HOUR), (2, T0 - 2 * HOUR, T0 - HOUR), (2, T0 - HOUR, T0)],
        schema=dict(ledger.WINDOWS),
        orient="row",
    )
    newer, older = ledger.parted(windows, T0)
    assert newer.rows() == [(1, T0, T0 + HOUR), (1, T0, T0 + HOUR)]
    assert older.rows() == [(1, T0 - HOUR, T0), (2, T0 - 2 * HOUR, T0 - HOUR), (2, T0 - HOUR, T0)]
