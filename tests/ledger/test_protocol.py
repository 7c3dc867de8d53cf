"""The races of the ledger. Each is run on the protocol, and on the protocol weakened: the weak one must fail."""

from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import datetime
from functools import partial
from threading import Thread
from typing import Any

import polars as pl
import psycopg
import pytest

from analytics.store import connection, ledger, observations
from analytics.store.connection import Connection
from analytics.store.ledger import WINDOWS, Stage, Take
from jobs import chain
from tests import world
from tests.conftest import NOW
from tests.world import HOUR, T0

Hook = Callable[[], None]


def ends_right(conn: Connection, series: int) -> bool:
    """Whether the chain ended in what the last value, 5000 at hour 0, means: failed, and no mean for that hour."""
    world.settle(conn)
    verdicts = conn.execute("SELECT code FROM verdict WHERE series = %s AND time = %s", [series, T0]).fetchall()
    hours = conn.execute(
        "SELECT value, count FROM average WHERE series = %s AND time = %s AND expected = 1", [series, T0]
    ).fetchall()
    return verdicts == [(4,)] and hours == [(None, 0)]


def correct(other: Connection, series: int) -> Hook:
    """The reading becomes 5000, by another process."""

    def send() -> None:
        assert world.send(other, [(series, 0.0, 5000.0, 1, None)]).replaced == 1

    return send


def once_after_load(monkeypatch: pytest.MonkeyPatch, hook: Hook) -> None:
    """`hook` runs right after the first stage has read its readings and before it writes."""
    real, todo = observations.load, [hook]

    def load(*given: Any, **named: Any) -> pl.DataFrame:
        rows = real(*given, **named)
        while todo:
            todo.pop()()
        return rows

    monkeypatch.setattr(observations, "load", load)


def skipping_locked(
    conn: Connection, stage: Stage, shards: Sequence[int], now: datetime, since: datetime | None = None
) -> pl.DataFrame:
    """Weak: the marks nobody else holds just now."""
    rows = conn.execute(
        """
        DELETE FROM stale WHERE id IN (
            SELECT id FROM stale WHERE stage = %s AND due <= %s AND subject %% %s = ANY(%s) FOR UPDATE SKIP LOCKED
        ) RETURNING subject, start, stop
        """,
        [stage.code, now, ledger.SHARDS, list(shards)],
    ).fetchall()
    return pl.DataFrame(rows, schema=dict(WINDOWS), orient="row")


def cleared_by_range(take: Take, rules: list[chain.Rules]) -> None:
    """Weak: what was done is cleared by its range when it is done, not as the marks that were seen."""
    chain.flag(take, rules)
    for subject, start, stop in take.affected.iter_rows():
        take.conn.execute(
            "DELETE FROM stale WHERE stage = 1 AND subject = %s AND start >= %s AND stop <= %s", [subject, start, stop]
        )


@pytest.mark.parametrize("weak", [False, True])
def test_a_mark_committed_during_a_take_is_not_swallowed(
    conn: Connection, other: Connection, pm25: int, monkeypatch: pytest.MonkeyPatch, weak: bool
) -> None:
    if weak:
        monkeypatch.setitem(chain.STAGES, "flag", (chain.STAGES["flag"][0], cleared_by_range))
    once_after_load(monkeypatch, correct(other, pm25))
    assert ends_right(conn, pm25) is not weak


@pytest.mark.parametrize("weak", [False, True])
def test_a_change_between_reading_and_claiming_is_seen(
    conn: Connection, other: Connection, pm25: int, monkeypatch: pytest.MonkeyPatch, weak: bool
) -> None:
    """Ingest commits just before the claim. Weak: the readings were loaded before the marks were claimed."""
    real, read, hook = ledger.claim, observations.load, correct(other, pm25)
    todo = [hook]

    def claim(conn: Connection, stage: Stage, shards: Sequence[int], now: datetime, *_: object) -> pl.DataFrame:
        window = pl.DataFrame([(pm25, T0, T0 + HOUR)], schema=dict(WINDOWS), orient="row")
        early = read(conn, window)
        while todo:
            todo.pop()()
            if weak:
                monkeypatch.setattr(observations, "load", lambda *_, **__: early)
        return real(conn, stage, shards, now)

    monkeypatch.setattr(ledger, "claim", claim)
    assert ends_right(conn, pm25) is not weak


@pytest.mark.parametrize("weak", [False, True])
def test_two_workers_never_write_one_shard_at_once(
    conn: Connection, other: Connection, pm25: int, monkeypatch: pytest.MonkeyPatch, weak: bool
) -> None:
    """A slow worker has read 10 when 5000 arrives and a second worker comes by.

    Weak: no lock of the shard, marks taken as job queues take theirs, with SKIP LOCKED.
    """
    if weak:
        monkeypatch.setattr(ledger, "lock", lambda _, __, shards: shards)
        monkeypatch.setattr(ledger, "claim", skipping_locked)
    send = correct(other, pm25)

    def meanwhile() -> None:
        send()
        stage, run = chain.STAGES["flag"]
        with ledger.take(other, stage, [pm25 % ledger.SHARDS], NOW, partial(chain.steps, other, stage), 1000) as take:
            assert (take is not None) is weak
            if take is not None:
                run(take, chain.load_rules(other))

    once_after_load(monkeypatch, meanwhile)
    assert ends_right(conn, pm25) is not weak


@pytest.mark.parametrize("weak", [False, True])
def test_ingest_during_a_take(
    conn: Connection, other: Connection, dsn: str, pm25: int, monkeypatch: pytest.MonkeyPatch, weak: bool
) -> None:
    """A save is under way while everything due is settled. Weak: its marks are committed before its readings."""
    if weak:
        real = ledger.mark_readings

        def early(_: Connection, changed: pl.DataFrame, now: datetime) -> int:
            with closing(connection.connect(dsn)) as own:
                return real(own, changed, now)

        monkeypatch.setattr(ledger, "mark_readings", early)
    with other.transaction():
        correct(other, pm25)()
        world.settle(conn)
        assert not ends_right(conn, pm25)  # it is not committed yet: the old value stands
    assert ends_right(conn, pm25) is not weak


@pytest.mark.parametrize("weak", [False, True])
def test_a_lock_lost_with_its_connection_takes_its_work_along(
    conn: Connection, other: Connection, dsn: str, pm25: int, monkeypatch: pytest.MonkeyPatch, weak: bool
) -> None:
    """A worker's connection is cut in the middle of its take. Weak: its marks were deleted in a transaction before."""
    correct(other, pm25)()
    if weak:
        real = ledger.claim

        def claim(_: Connection, stage: Stage, shards: Sequence[int], now: datetime, *__: object) -> pl.DataFrame:
            with closing(connection.connect(dsn)) as own:
                return real(own, stage, shards, now)

        monkeypatch.setattr(ledger, "claim", claim)
    with closing(connection.connect(dsn)) as worker:
        cut = [lambda: other.execute("SELECT pg_terminate_backend(%s)", [worker.info.backend_pid])]
        once_after_load(monkeypatch, lambda: None if cut.pop()().fetchone() == (True,) else pytest.fail("not cut"))
        with pytest.raises(psycopg.OperationalError):
            world.settle(worker)
    assert ends_right(conn, pm25) is not weak


def test_a_shard_in_other_hands_is_waited_for(conn: Connection, other: Connection, pm25: int) -> None:
    """`settle` ends only when nothing is due, be it that another worker does it."""
    correct(other, pm25)()
    stage, run = chain.STAGES["flag"]
    with ledger.take(other, stage, [pm25 % ledger.SHARDS], NOW, partial(chain.steps, other, stage), 1000) as take:
        assert take is not None
        thread = Thread(target=world.settle, args=[conn])
        thread.start()
        thread.join(0.3)
        assert thread.is_alive()
        run(take, chain.load_rules(other))
    thread.join(20)
    assert not thread.is_alive()
    assert ends_right(conn, pm25)


def test_workers_side_by_side_end_in_the_same_tables(conn: Connection, dsn: str) -> None:
    """Three settle while two send, in small takes; one settles alone: equal, bit for bit."""
    channels = [(f"S{n}", channel) for n in range(4) for channel in ("pm25", "o3", "no2")]
    series = world.settle_world(conn, channels)
    story = [
        [(s, float(hour), round((hour * 7 + s * 13) % 400 / 3, 3), r, None) for hour in range(r, 60, 2) for s in series]
        for r in range(4)
    ]
    for batch in story:
        world.send(conn, batch)
    world.settle(conn)
    expected = world.picture(conn)
    world.empty(conn)
    failures: list[BaseException] = []

    def work(job: Callable[[Connection], object]) -> None:
        try:
            with closing(connection.connect(dsn)) as own:
                job(own)
        except BaseException as problem:
            failures.append(problem)

    jobs: list[Callable[[Connection], object]] = [
        lambda own: [world.send(own, batch) for batch in story[:2]],
        lambda own: [world.send(own, batch) for batch in story[2:]],
        *[lambda own: world.settle(own, 200)] * 3,
    ]
    threads = [Thread(target=work, args=[job]) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failures
    world.settle(conn)
    assert world.picture(conn) == expected
    ordinals = [row[0] for row in conn.execute("SELECT ordinal FROM batch ORDER BY known, ordinal")]
    assert ordinals == list(range(1, len(ordinals) + 1))
