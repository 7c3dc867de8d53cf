"""The races of the ledger. Each is run on the protocol, and on the protocol weakened: the weak one must fail."""

from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise
from threading import Thread
from typing import Any

import polars as pl
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.store import connection, ledger, observations
from analytics.store.connection import Connection
from analytics.store.ledger import WINDOWS, Stage, Take
from jobs import chain
from tests import world
from tests.conftest import NOW
from tests.world import HOUR, T0

Hook = Callable[[], None]


@pytest.fixture
def pm25(conn: Connection) -> int:
    """One series with a good reading at hour 0, saved and marked, not settled."""
    series = world.settle_world(conn, [("A", "pm25")])[0]
    world.send(conn, [(series, 0.0, 10.0, 0, None)])
    return series


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


def windows(*rows: tuple[int, int, int]) -> pl.DataFrame:
    """WINDOWS of (subject, first hour, last hour)."""
    return pl.DataFrame([(s, T0 + a * HOUR, T0 + b * HOUR) for s, a, b in rows], schema=dict(WINDOWS), orient="row")


def steps(*seconds: int) -> pl.DataFrame:
    """Cadences [s] of subjects 1, 2, ..., and as dense as that."""
    rows = list(enumerate(seconds, start=1))
    schema = {"subject": pl.Int32, "cadence": pl.Int32}
    return pl.DataFrame(rows, schema=schema, orient="row").with_columns(
        pl.col("cadence").cast(pl.Float64).alias("step")
    )


def test_windows_that_touch_become_one() -> None:
    given = windows((1, 5, 6), (1, 0, 2), (2, 1, 2), (1, 2, 3), (1, 1, 2))
    assert ledger.merge(given).equals(windows((1, 0, 3), (1, 5, 6), (2, 1, 2)))


def test_the_budget_cuts_a_window_and_loses_nothing() -> None:
    cadences = steps(3600, 3600)
    given = windows((1, 0, 10), (1, 20, 30), (2, 0, 10))
    kept, rest = ledger.cut(given, cadences, 15)
    assert ledger.merge(pl.concat([kept, rest])).equals(given)
    assert kept.equals(windows((1, 0, 10), (1, 20, 24)))
    everything, nothing = ledger.cut(given, cadences, 1000)
    assert everything.equals(given)
    assert nothing.is_empty()


def beside(cadences: pl.DataFrame, *reads: list[int] | None) -> pl.DataFrame:
    return cadences.with_columns(pl.Series("reads", reads, dtype=pl.List(pl.Int32)))


NEAR = Stage("x", 9, "series", abreast=True)


def test_abreast_the_budget_cuts_at_a_time_and_counts_no_row_twice() -> None:
    given = windows((1, 0, 10), (2, 0, 10), (2, 20, 30), (3, 5, 6))
    cadences = beside(steps(3600, 3600, 3600, 3600), [1, 2, 4], [2, 1, 4], [3], None)
    # two read three series: 3 rows an hour, and in one hour another one its own
    kept, rest = ledger.cut_abreast(given, NEAR, cadences, 25)
    assert kept.equals(windows((1, 0, 8), (2, 0, 8), (3, 5, 6)))
    assert ledger.merge(pl.concat([kept, rest])).equals(given)
    # then nothing for ten hours, then one that reads three
    assert ledger.cut_abreast(given, NEAR, cadences, 34)[1].equals(windows((2, 21, 30)))
    assert ledger.cut_abreast(given, NEAR, cadences, 1)[0].equals(windows((1, 0, 1), (2, 0, 1)))
    everything, nothing = ledger.cut_abreast(given, NEAR, cadences, 1000)
    assert everything.equals(given)
    assert nothing.is_empty()


def test_abreast_each_is_counted_by_its_own_step() -> None:
    """A series of minutes that is around one of hours, and reads it for an hour; one that nothing is known of."""
    cadences = beside(steps(3600, 60), [1], [1, 2])
    given = windows((1, 0, 1000), (2, 10, 11))
    kept, _ = ledger.cut_abreast(given, NEAR, cadences, 560)
    assert kept.equals(windows((1, 0, 500), (2, 10, 11)))
    assert ledger.cut_abreast(windows((7, 0, 10)), NEAR, cadences, 4)[0].equals(windows((7, 0, 4)))


def test_abreast_the_rows_of_the_reach_count_as_well() -> None:
    stage = Stage("x", 9, "series", back=HOUR, forward=HOUR, abreast=True)
    cadences = beside(steps(600), [1])
    given = windows(*((1, 20 * number, 20 * number + 1) for number in range(100)))
    kept, _ = ledger.cut_abreast(given, stage, cadences, 225)  # two hours both ways: thirty rows each
    assert kept.height == 8


def test_reach_is_the_larger_of_duration_and_cadences() -> None:
    stage = Stage("x", 9, "series", back=3 * HOUR, forward=HOUR, cadences=3)
    cadences = steps(60, 14400)
    wide = ledger.widen(windows((1, 0, 1), (2, 0, 1)), stage, cadences, stage.forward, stage.back)
    assert wide.equals(windows((1, -1, 4), (2, -12, 13)))


def test_a_gap_over_the_grain_begins_a_new_run() -> None:
    times = [T0, T0 + 3 * HOUR, T0 + 7 * HOUR, T0]
    rows = pl.DataFrame({"series": [1, 1, 1, 2], "time": times}).cast({"time": WINDOWS["start"]})
    tick = timedelta(microseconds=1)
    assert ledger.runs(rows, "series").rows() == [
        (1, T0, T0 + 3 * HOUR + tick),
        (1, T0 + 7 * HOUR, T0 + 7 * HOUR + tick),
        (2, T0, T0 + tick),
    ]


def test_an_open_hour_is_due_at_the_next_minute_a_closed_one_at_once(conn: Connection, pm25: int) -> None:
    stage = chain.STAGES["hour"][0]
    now = T0 + timedelta(minutes=20, seconds=5)
    conn.execute("DELETE FROM stale")
    ledger.mark(conn, stage, windows((pm25, -1, 0), (pm25, 0, 1)), now)
    due = [row[0] for row in conn.execute("SELECT due FROM stale ORDER BY start")]
    assert due == [now, T0 + timedelta(minutes=21)]
    assert ledger.waiting(conn, now) == (1, 1, T0 + timedelta(minutes=21))
    with suppress(AssertionError):
        world.settle(conn)


def test_one_late_row_touches_no_more_than_its_reach(conn: Connection) -> None:
    """Twelve weeks of one series; one value changes: 3 h of verdicts, one hour, 24 h of averages are made again."""
    series = world.settle_world(conn, [("A", "pm25")])[0]
    world.send(conn, [(series, float(hour), float(40 + hour % 24), 0, None) for hour in range(2000)])
    world.settle(conn)
    before = world.picture(conn)
    world.send(conn, [(series, 1000.0, 77.5, 1, None)])
    work = {item.stage: item for item in chain.settle(conn, lambda: NOW)}
    assert work["flag"].read <= 4 * 3 + 1
    assert work["hour"].written == 1
    assert work["average"].written <= 24 + 1  # moving24 of the hour and the 23 after it, and its day
    assert work["assess"].written <= 24 + 1
    changed = {name: set(rows) ^ set(before[name]) for name, rows in world.picture(conn).items()}
    times = {row[2] for row in changed["average"]}
    assert all(abs(time - (T0 + 1000 * HOUR)) <= 24 * HOUR for time in times)  # type: ignore[operator]


def test_a_take_leaves_out_the_shards_in_other_hands(conn: Connection, other: Connection) -> None:
    """Few marks of several shards are taken together; what another worker has is not waited for."""
    series = world.settle_world(conn, [(f"S{number}", "pm25") for number in range(3)])
    world.send(conn, [(number, 0.0, 10.0, 0, None) for number in series])
    stage, _ = chain.STAGES["flag"]
    shards = [number % ledger.SHARDS for number in series]
    with ledger.take(other, stage, shards[:1], NOW, partial(chain.steps, other, stage), 1000) as first:
        assert first is not None
        with ledger.take(conn, stage, shards, NOW, partial(chain.steps, conn, stage), 1000) as second:
            assert second is not None
            assert second.claimed["subject"].to_list() == series[1:]
        with ledger.take(conn, stage, shards[:1], NOW, partial(chain.steps, conn, stage), 1000) as nothing:
            assert nothing is None


def test_who_waits_for_another_stage_looks_only_at_its_own_marks(conn: Connection, other: Connection) -> None:
    """However many subjects wait: a claim that read all marks for each of them cost more than all the rest."""
    count, hour = 2000, chain.STAGES["hour"][0]
    marks = windows(*((subject, 0, 1) for subject in range(1, count + 1)))
    for name in ("compare", "hour"):
        ledger.mark(conn, chain.STAGES[name][0], marks, NOW)

    def read() -> int:
        """Rows of marks that anybody read so far."""
        conn.execute("SELECT pg_stat_force_next_flush()")
        row = other.execute(
            "SELECT t.seq_tup_read + sum(i.idx_tup_read) FROM pg_stat_user_tables t JOIN pg_stat_user_indexes i"
            " USING (relid) WHERE t.relname = 'stale' GROUP BY t.seq_tup_read"
        ).fetchone()
        assert row is not None
        return int(str(row[0]))

    # What the planner chose where marks had come and gone for a while, and may choose at any time.
    conn.execute("SET enable_hashjoin = off; SET enable_mergejoin = off")
    before = read()
    assert ledger.claim(conn, hour, range(ledger.SHARDS), NOW).is_empty()
    assert count <= read() - before < 10 * count


@given(st.dictionaries(st.integers(0, ledger.SHARDS - 1), st.integers(1, 2 * chain.PACK)))
def test_light_shards_are_taken_together_and_a_heavy_one_alone(weights: dict[int, int]) -> None:
    packs = list(chain.packs(chain.STAGES["flag"][0], weights))
    assert [shard for pack in packs for shard in pack] == list(weights)
    loads = [sum(weights[shard] for shard in pack) for pack in packs]
    assert all(len(pack) == 1 or load <= chain.PACK for pack, load in zip(packs, loads, strict=True))
    assert all(one + other > chain.PACK for one, other in pairwise(loads))
    assert list(chain.packs(chain.STAGES["compare"][0], weights)) == ([list(weights)] if weights else [])


def test_what_is_due_weighs_as_much_as_it_spans(conn: Connection) -> None:
    series = world.settle_world(conn, [("A", "pm25"), ("B", "pm25")])
    world.send(conn, [(series[0], float(hour), 10.0, 0, None) for hour in range(500)])
    world.send(conn, [(series[1], 7.0, 10.0, 0, None)])
    assert chain.due(conn, NOW) == {"flag": {series[0] % ledger.SHARDS: 1 + 499, series[1] % ledger.SHARDS: 1}}
    assert chain.due(conn, NOW - 1000 * HOUR * 24) == {}
