"""The laws of DESIGN.md on a real database: random batches, orders, repeats, corrections, deletions."""

import random
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any

import polars as pl
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.store import corrections, ledger, observations
from analytics.store.connection import Connection
from jobs import chain
from tests import world
from tests.conftest import NOW, Make
from tests.mortal import Killed, mortal
from tests.stories import LAW, begin, layers, opened, readings, send, stories
from tests.world import HOUR, T0

pytestmark = pytest.mark.long


@pytest.fixture(scope="module", params=["apache", "plain"])
def store(request: pytest.FixtureRequest, make_database: Make) -> Iterator[tuple[Connection, list[int]]]:
    """One database for all examples of a law, on both tiers."""
    with opened(make_database, request.param) as made:
        yield made


@LAW
@given(data=st.data())
def test_law_2_order_batching_and_repetition_do_not_matter(store: tuple[Connection, list[int]], data: Any) -> None:
    conn, series = store
    story, batches = data.draw(stories(series))
    pauses = data.draw(st.lists(st.booleans(), min_size=len(batches), max_size=len(batches)))
    budget = data.draw(st.sampled_from([60, 300, 10_000]))
    begin(conn, series)
    send(conn, sorted(story, key=lambda m: (m[1][1], m[1][0])))
    world.settle(conn)
    expected = world.picture(conn)
    begin(conn, series)
    for batch, pause in zip(batches, pauses, strict=True):
        send(conn, batch)
        if pause:  # what is settled too early must be repaired by what comes later
            world.settle(conn, budget)
    world.settle(conn, budget)
    assert world.picture(conn) == expected


@LAW
@given(data=st.data())
def test_law_2_the_winner_is_the_greatest_priority_revision_value(
    store: tuple[Connection, list[int]], data: Any
) -> None:
    """The obvious loop as oracle for what is stored, and history holds every other value ever sent."""
    conn, series = store
    _, batches = data.draw(stories(series))
    world.empty(conn)
    for batch in batches:
        send(conn, batch)
    best: dict[tuple[int, float], tuple[int, int, float, int]] = {}
    sent: dict[tuple[int, float], set[float]] = {}
    for source, (number, hour, value, revision, mark) in (m for batch in batches for m in batch):
        rank = (int(source == "better"), revision, value, -1 if mark is None else mark)
        best[number, hour] = max(best.get((number, hour), rank), rank)
        sent.setdefault((number, hour), set()).add(value)
    rows = conn.execute(
        "SELECT series, extract(epoch FROM time - %s)::float8 / 3600, value, coalesce(mark, -1) FROM observation", [T0]
    )
    stored = {(row[0], round(float(str(row[1])), 6)): (row[2], row[3]) for row in rows}
    assert stored == {(s, round(h, 6)): rank[2:] for (s, h), rank in best.items()}
    history = conn.execute(
        "SELECT series, extract(epoch FROM time - %s)::float8 / 3600, value FROM observation_history", [T0]
    )
    kept: dict[Any, set[Any]] = {key: {value} for key, (value, _) in stored.items()}
    for number, hour, value in history:
        kept[number, round(float(str(hour)), 6)].add(value)
    assert kept == {(s, round(h, 6)): values for (s, h), values in sent.items()}


@LAW
@given(data=st.data())
def test_law_3_deleted_windows_come_back_bit_for_bit(store: tuple[Connection, list[int]], data: Any) -> None:
    """Whatever part of the derived rows is lost, settling its window again gives the same rows, whole or in pieces."""
    conn, series = store
    story = data.draw(readings(series))
    begin(conn, series)
    world.send(conn, story)
    corrections.enter(conn, data.draw(layers(series)), NOW)
    world.settle(conn)
    expected = world.picture(conn)
    windows = data.draw(st.lists(st.tuples(st.integers(-30, 120), st.integers(1, 60)), min_size=1, max_size=4))
    for first, length in windows:
        start, stop = T0 + first * HOUR, T0 + (first + length) * HOUR
        for table in (
            *("corrected", "first_verdict", "verdict", "average", "assessment", "score"),
            *("episode", "episode_evidence", "episode_share", "region", "region_member"),
        ):
            conn.execute(f"DELETE FROM {table} WHERE time >= %s AND time < %s", [start, stop])
        for name, subjects in (
            ("flag", series),
            ("compare", series),
            ("hour", series),
            ("average", series),
            ("assess", [1, 2, 3, 4]),
            ("detect", [1, 2, 3, 4]),
        ):
            stale = pl.DataFrame(
                [(subject, start, stop) for subject in subjects], schema=dict(ledger.WINDOWS), orient="row"
            )
            ledger.mark(conn, chain.STAGES[name][0], stale, NOW)
    world.settle(conn, data.draw(st.sampled_from([50, 300, 10_000])))
    assert world.picture(conn) == expected


@LAW
@given(data=st.data())
def test_law_1_sending_again_changes_nothing_and_marks_nothing(store: tuple[Connection, list[int]], data: Any) -> None:
    conn, series = store
    story = data.draw(readings(series))
    begin(conn, series)
    world.send(conn, story)
    world.settle(conn)
    before = world.picture(conn), conn.execute("SELECT count(*) FROM observation_history").fetchone()
    random.Random(0).shuffle(story)
    counts = world.send(conn, story)
    assert (counts.new, counts.replaced, counts.duplicates) == (0, 0, len(story))
    assert conn.execute("SELECT count(*) FROM stale").fetchone() == (0,)
    assert (world.picture(conn), conn.execute("SELECT count(*) FROM observation_history").fetchone()) == before


@LAW
@given(data=st.data())
def test_law_7_killed_anywhere_nothing_is_lost_or_counted_twice(store: tuple[Connection, list[int]], data: Any) -> None:
    """Savers and settlers die at any statement, inside takes and between them; whoever got no answer sends again."""
    conn, series = store
    story, batches = data.draw(stories(series))
    begin(conn, series)
    send(conn, story)
    world.settle(conn)
    expected = world.picture(conn)
    begin(conn, series)
    lives = st.lists(st.integers(0, 90), max_size=4)
    for batch in batches:
        for statements in data.draw(lives):
            with closing(mortal(conn, statements)) as own, suppress(Killed, psycopg.OperationalError):
                send(own, batch)
        send(conn, batch)
        for statements in data.draw(lives):
            with closing(mortal(conn, statements)) as own, suppress(Killed, psycopg.OperationalError):
                world.settle(own, 60)
    world.settle(conn)
    assert world.picture(conn) == expected
    assert conn.execute("SELECT count(*) = max(ordinal) FROM batch").fetchone() == (True,)


def test_as_of_shows_what_was_known(store: tuple[Connection, list[int]]) -> None:
    """Law 4 for readings: three batches, each moment seen again, whatever replaced what."""
    conn, series = store
    world.empty(conn)
    moments = []
    for value, revision in ((10.0, 5), (11.0, 4), (12.0, 6)):
        world.send(conn, [(series[0], 0.0, value, revision, None), (series[0], float(value), value, 0, None)])
        row = conn.execute("SELECT max(ordinal), max(known) FROM batch").fetchone()
        assert row is not None
        moments.append(row)
    windows = pl.DataFrame([(series[0], T0, T0 + 100 * HOUR)], schema=dict(ledger.WINDOWS), orient="row")
    seen = []
    for ordinal, known in moments:
        assert observations.ordinal_at(conn, known) == ordinal  # type: ignore[arg-type]
        seen.append(observations.load(conn, windows, known=known).sort("time")["value"].to_list())  # type: ignore[arg-type]
    assert seen == [[10.0, 10.0], [10.0, 10.0, 11.0], [12.0, 10.0, 11.0, 12.0]]
