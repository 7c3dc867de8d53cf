"""What is marked when, what a take claims, and how little of it one row touches."""

from datetime import timedelta
from functools import partial

from analytics.store import ledger
from analytics.store.connection import Connection
from jobs import chain
from tests import world
from tests.conftest import NOW
from tests.ledger.marks import windows
from tests.world import HOUR, T0


def test_an_open_hour_is_due_at_the_next_minute_a_closed_one_at_once(conn: Connection, pm25: int) -> None:
    stage = chain.STAGES["hour"][0]
    now = T0 + timedelta(minutes=20, seconds=5)
    conn.execute("DELETE FROM stale")
    ledger.mark(conn, stage, windows((pm25, -1, 0), (pm25, 0, 1)), now)
    due = [row[0] for row in conn.execute("SELECT due FROM stale ORDER BY start")]
    assert due == [now, T0 + timedelta(minutes=21)]
    assert ledger.waiting(conn, now) == (1, 1, T0 + timedelta(minutes=21))


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


def test_what_is_due_weighs_as_much_as_it_spans(conn: Connection) -> None:
    series = world.settle_world(conn, [("A", "pm25"), ("B", "pm25")])
    world.send(conn, [(series[0], float(hour), 10.0, 0, None) for hour in range(500)])
    world.send(conn, [(series[1], 7.0, 10.0, 0, None)])
    assert chain.due(conn, NOW) == {"flag": {series[0] % ledger.SHARDS: 1 + 499, series[1] % ledger.SHARDS: 1}}
    assert chain.due(conn, NOW - 1000 * HOUR * 24) == {}
