"""Priorities that change: the readings end as if they had been so from the start, and every past moment stays known."""

import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.store import connection, knowledge, ledger, observations, priorities, registry
from analytics.store.connection import Connection
from jobs import chain, review, source
from tests import world
from tests.conftest import NOW, Make
from tests.stories import LAW
from tests.world import HOUR, T0, Reading

SOURCES = ("a", "b", "c")
#: A save of a source, a priority of one, or None: what is marked is settled.
Step = tuple[str, list[Reading]] | tuple[str, int] | None


def rank(conn: Connection, name: str, priority: int) -> int:
    """Stretches marked, since `name` has this priority now."""
    return source.change(conn, name, priority, "test", NOW).decide.height


def clock(conn: Connection) -> datetime:
    row = conn.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None
    return row[0]  # type: ignore[return-value]


def as_of(conn: Connection, series: list[int], known: datetime | None = None) -> list[tuple[object, ...]]:
    """(series, hour, value, mark) as they were known."""
    windows = pl.DataFrame(
        [(number, T0, T0 + 100 * HOUR) for number in series], schema=dict(ledger.WINDOWS), orient="row"
    )
    found = observations.load(conn, windows, known=known).sort("series", "time")
    hours = ((pl.col("time") - T0) / pl.duration(hours=1)).cast(pl.Float64).alias("hour")
    return found.select("series", hours, "value", "mark").rows()


def begin(conn: Connection) -> None:
    world.empty(conn)
    conn.execute("TRUNCATE registry_change")
    conn.execute("UPDATE source SET priority = 0")


@pytest.fixture(scope="module")
def store(make_database: Make) -> Iterator[tuple[Connection, list[int]]]:
    with closing(connection.connect(make_database("apache"))) as conn:
        for name in SOURCES:
            registry.source(conn, name)
        yield conn, world.settle_world(conn, [("A", "pm25"), ("B", "pm25")])


@st.composite
def stories(draw: st.DrawFn, series: list[int]) -> list[Step]:
    reading = st.tuples(
        st.sampled_from(series),
        st.integers(0, 3).map(float),
        st.sampled_from([5.0, 40.0, 60.0]),
        st.sampled_from([0, 0, 1]),
        st.sampled_from([None, None, ord("N")]),
    )
    step = st.one_of(
        st.tuples(st.sampled_from(SOURCES), st.lists(reading, min_size=1, max_size=6)),
        st.tuples(st.sampled_from(SOURCES), st.integers(-1, 2)),
        st.none(),
    )
    return draw(st.lists(step, min_size=4, max_size=12))


def best(sent: list[tuple[str, Reading]], ranks: dict[str, int]) -> list[tuple[object, ...]]:
    """The obvious loop: of all that was sent, the greatest (priority, revision, value, mark) of each hour."""
    found: dict[tuple[int, float], tuple[int, int, float, int]] = {}
    for name, (number, hour, value, revision, mark) in sent:
        weight = (ranks[name], revision, value, -1 if mark is None else mark)
        found[number, hour] = max(found.get((number, hour), weight), weight)
    return [
        (number, hour, value, None if mark == -1 else mark)
        for (number, hour), (_, _, value, mark) in sorted(found.items())
    ]


@LAW
@given(data=st.data())
def test_priorities_end_as_if_they_had_been_so_from_the_start(store: tuple[Connection, list[int]], data: Any) -> None:
    """And as of each moment in between, the winner is the one of the priorities of that moment."""
    conn, series = store
    story = data.draw(stories(series))
    begin(conn)
    ranks, sent = dict.fromkeys(SOURCES, 0), list[tuple[str, Reading]]()
    moments = []
    for step in story:
        if step is None:
            world.settle(conn, 50)
            assert as_of(conn, series) == best(sent, ranks)
        elif isinstance(step[1], int):
            rank(conn, step[0], step[1])
            ranks[step[0]] = step[1]
        else:
            world.send(conn, step[1], step[0])
            sent += [(step[0], reading) for reading in step[1]]
        moments.append((clock(conn), best(sent, ranks)))
    world.settle(conn)
    assert as_of(conn, series) == best(sent, ranks)
    for known, expected in moments:
        assert as_of(conn, series, known) == expected
    ended = world.picture(conn)
    begin(conn)
    for name, priority in ranks.items():
        rank(conn, name, priority)
    for name in SOURCES:
        world.send(conn, [reading for said, reading in sent if said == name], name)
    world.settle(conn)
    assert world.picture(conn) == ended


def test_what_two_sources_said_alike_is_remembered_of_both(store: tuple[Connection, list[int]]) -> None:
    """a and b say 5, c says 7; whoever of the first two is believed most, 5 it is, even when the other falls."""
    conn, series = store
    begin(conn)
    rank(conn, "c", 1)
    for name, value in (("a", 5.0), ("b", 5.0), ("c", 7.0)):
        world.send(conn, [(series[0], 0.0, value, 0, None)], name)
    seen = []
    for name, priority in (("b", 2), ("b", 0), ("a", 2), ("c", 3)):
        rank(conn, name, priority)
        world.settle(conn)
        seen.append(as_of(conn, series)[0][2])
    assert seen == [5.0, 7.0, 5.0, 7.0]


def test_the_newest_reading_is_the_winner_and_a_live_edge_stays(store: tuple[Connection, list[int]]) -> None:
    conn, series = store
    begin(conn)
    for name, value in (("a", 5.0), ("b", 70.0)):
        world.send(conn, [(series[0], 1.0, value, 0, None)], name)
    rank(conn, "a", 1)
    world.settle(conn)
    row = conn.execute("SELECT value, live, rows FROM latest WHERE series = %s", [series[0]]).fetchone()
    assert row == (5.0, None, 1)
    hours = "SELECT value FROM average a JOIN term t ON t.id = a.averaging WHERE t.name = 'hour'"
    assert conn.execute(hours).fetchall() == [(5.0,)]


def test_what_would_change_is_counted_before_and_nothing_else_is_marked(store: tuple[Connection, list[int]]) -> None:
    conn, series = store
    begin(conn)
    world.send(conn, [(series[0], float(hour), 50.0, 0, None) for hour in range(60)], "a")
    world.send(conn, [(series[0], float(hour), 40.0, 0, None) for hour in (3, 50)], "b")
    world.send(conn, [(series[0], 4.0, 50.0, 0, None)], "c")
    world.settle(conn)
    found = priorities.compare(conn, {"b": 1, "nobody": 5})
    assert (found.contested, found.readings, found.series) == (3, 2, 1)
    assert priorities.compare(conn, {"c": 1}).readings == 0  # it says the same
    assert priorities.compare(conn, {"a": -1}).readings == 2
    review.enter(conn, series[:1], T0, T0 + 10 * HOUR, "approved", "li", "", NOW)
    assert priorities.compare(conn, {"b": 1}).readings == 1  # what is approved stays
    review.enter(conn, series[:1], T0, T0 + 10 * HOUR, "reviewed", "li", "", NOW)
    assert rank(conn, "b", 1) == 1
    stage = chain.STAGES["decide"][0]
    with ledger.take(conn, stage, range(16), NOW, lambda ids: chain.steps(conn, stage, ids), 10_000) as take:
        assert take is not None
        assert priorities.decide(take)["time"].sort().to_list() == [T0 + 3 * HOUR, T0 + 50 * HOUR]
        assert (take.read, take.written) == (6, 2)
    assert rank(conn, "b", 1) == 0  # as it is: nothing to do


def test_a_change_waits_for_who_is_saving_and_savers_for_it(store: tuple[Connection, list[int]]) -> None:
    """A saver that ranked by the old priorities is in before the marks are made: its reading is decided again too."""
    conn, series = store
    begin(conn)
    world.send(conn, [(series[0], 0.0, 5.0, 0, None)], "a")
    with closing(connection.connect(conn.info.dsn)) as other, closing(connection.connect(conn.info.dsn)) as third:
        changing = threading.Thread(target=lambda: rank(other, "b", 1))
        saving = threading.Thread(target=lambda: world.send(third, [(series[1], 0.0, 9.0, 0, None)], "a"))
        with conn.transaction():
            world.send(conn, [(series[0], 0.0, 1.0, 0, None)], "b")  # loses by its value
            changing.start()
            changing.join(0.5)
            assert changing.is_alive()
            saving.start()
        changing.join(20)
        saving.join(20)
    world.settle(conn)
    assert as_of(conn, series) == [(series[0], 0.0, 1.0, None), (series[1], 0.0, 9.0, None)]


def test_batches_and_changes_are_one_order_even_on_a_clock_set_back(store: tuple[Connection, list[int]]) -> None:
    conn, series = store
    begin(conn)
    world.send(conn, [(series[0], 0.0, 5.0, 0, None)], "a")
    conn.execute("UPDATE batch SET known = known + interval '1 day'")
    rank(conn, "b", 1)
    world.send(conn, [(series[0], 0.0, 1.0, 0, None)], "b")
    known = [
        row[0]
        for row in conn.execute(
            "SELECT known FROM batch WHERE ordinal = 1 UNION ALL SELECT known FROM registry_change"
            " UNION ALL SELECT known FROM batch WHERE ordinal = 2"
        )
    ]
    assert known == sorted(known)  # type: ignore[type-var]
    assert known[0] > clock(conn)  # type: ignore[operator]
    assert knowledge.moment(conn) >= known[2]  # type: ignore[operator]  # what is known now is all there is
    assert as_of(conn, series, knowledge.moment(conn)) == [(series[0], 0.0, 1.0, None)]


def test_what_is_approved_is_not_decided_again_until_it_is_opened(store: tuple[Connection, list[int]]) -> None:
    """And as of every moment the reading is the one that stood there, approved under the priorities of before."""
    conn, series = store
    begin(conn)
    conn.execute("TRUNCATE review")
    for name, value in (("a", 70.0), ("b", 5.0)):
        world.send(conn, [(number, 1.0, value, 0, None) for number in series], name)
    hours, moments = (T0, T0 + 3 * HOUR), []

    def seen(expected: list[float]) -> None:
        world.settle(conn)
        assert [row[2] for row in as_of(conn, series)] == expected
        moments.append((clock(conn), expected))

    review.enter(conn, series[:1], *hours, "approved", "li", "", NOW)
    rank(conn, "b", 1)
    seen([70.0, 5.0])
    rank(conn, "b", -1)
    seen([70.0, 70.0])
    rank(conn, "b", 2)  # pending while it is approved again: who approves sees what is decided
    review.enter(conn, series[:1], *hours, "approved", "li", "", NOW)
    seen([5.0, 5.0])
    rank(conn, "a", 3)
    seen([5.0, 70.0])
    review.enter(conn, series[:1], T0, T0 + HOUR, "reviewed", "li", "again", NOW)  # the rest goes on as it was
    seen([5.0, 70.0])
    review.enter(conn, series[:1], T0 + HOUR, hours[1], "reviewed", "li", "again", NOW)
    seen([70.0, 70.0])
    rank(conn, "b", 9)
    seen([5.0, 5.0])
    query = "SELECT value FROM report.observation_as_of(%s, %s, %s) ORDER BY station"
    for known, expected in moments:
        assert [row[2] for row in as_of(conn, series, known)] == expected
        assert [row[0] for row in conn.execute(query, [known, *hours])] == expected


def test_what_is_sealed_is_not_exchanged_by_an_approval_but_once_it_is_restored(
    store: tuple[Connection, list[int]],
) -> None:
    """Its files would say other than the store. Restored, it is as the approval decided, whatever came after."""
    conn, series = store
    begin(conn)
    for name, value in (("a", 70.0), ("b", 5.0)):
        world.send(conn, [(number, 1.0, value, 0, None) for number in series], name)
    world.settle(conn)
    conn.execute("INSERT INTO archive (start, stop, begun) VALUES (%s, %s, now())", [T0, T0 + 5 * HOUR])
    try:
        rank(conn, "b", 1)
        world.settle(conn)
        review.enter(conn, series[:1], T0, T0 + 3 * HOUR, "approved", "li", "", NOW)
        rank(conn, "a", 2)
        world.settle(conn)
        assert [row[2] for row in as_of(conn, series)] == [70.0, 70.0]
    finally:
        conn.execute("DELETE FROM archive")
    windows = pl.DataFrame([(n, T0, T0 + 5 * HOUR) for n in series], schema=dict(ledger.WINDOWS), orient="row")
    ledger.mark(conn, ledger.DECIDE, windows, NOW)  # as a restore does
    world.settle(conn)
    assert [row[2] for row in as_of(conn, series)] == [5.0, 70.0]
    assert as_of(conn, series, clock(conn)) == as_of(conn, series)


def test_the_writer_may_do_it(store: tuple[Connection, list[int]]) -> None:
    """The rights of migrations are enough for a change, for deciding and for what was known."""
    conn, series = store
    begin(conn)
    conn.execute("SET ROLE greenwatch_writer")
    try:
        for name, value in (("a", 70.0), ("b", 5.0)):
            world.send(conn, [(series[0], 1.0, value, 0, None)], name)
        before = clock(conn)
        rank(conn, "b", 1)
        world.settle(conn)
        assert [row[2] for row in as_of(conn, series, before)] == [70.0]
        assert [row[2] for row in as_of(conn, series, clock(conn))] == [5.0]
        assert knowledge.stood_on(conn, before)["ordinal"] == 2
    finally:
        conn.execute("RESET ROLE")
