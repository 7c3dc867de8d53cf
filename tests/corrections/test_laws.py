"""The laws with layers: entered and ended in any order relative to readings, killed anywhere, as they were known."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from datetime import datetime
from typing import Any

import polars as pl
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.store import corrections
from analytics.store.connection import Connection
from analytics.store.corrections import Entry
from jobs.export.ask import Ask
from jobs.export.kinds import KINDS
from tests import world
from tests.conftest import NOW, Make
from tests.mortal import Killed, mortal
from tests.stories import FEW, begin, layers, opened, send, stories

pytestmark = pytest.mark.long

Step = Callable[[Connection], object]


@pytest.fixture(scope="module")
def store(make_database: Make) -> Iterator[tuple[Connection, list[int]]]:
    with opened(make_database, "apache") as made:
        yield made


def enter(conn: Connection, entry: Entry) -> int:
    return corrections.enter(conn, [entry], NOW).ids[0]


def end(conn: Connection, entry: Entry) -> None:
    """Nothing; the layer that `entry` became is ended."""
    number = enter(conn, entry)  # it is in force, so this only tells its number
    corrections.end(conn, [number], "somebody else", "wrong", NOW)


@st.composite
def scripts(draw: st.DrawFn, batches: Sequence[Any], entries: Sequence[Entry], ended: Sequence[int]) -> list[Step]:
    """Batches, layers in their order, and the ends of those numbered in `ended`, each somewhere after its layer."""
    steps: list[Step] = [lambda conn, some=batch: send(conn, some) for batch in batches]  # type: ignore[misc]
    at = 0
    for number, entry in enumerate(entries):
        at = draw(st.integers(at, len(steps)))
        steps.insert(at, lambda conn, some=entry: enter(conn, some))  # type: ignore[misc]
        at += 1
        if number in ended:
            steps.insert(draw(st.integers(at, len(steps))), lambda conn, some=entry: end(conn, some))  # type: ignore[misc]
    return steps


@st.composite
def plots(
    draw: st.DrawFn, batches: Sequence[Any], series: Sequence[int]
) -> tuple[Sequence[Entry], set[int], list[Step]]:
    """Layers, the numbers of those that are ended, and all that happens in its order."""
    entries = _distinct(draw(layers(list(series))))
    ended = draw(st.sets(st.integers(0, len(entries) - 1)))
    return entries, ended, draw(scripts(batches, entries, sorted(ended)))


@FEW
@given(data=st.data())
def test_laws_1_and_2_layers_come_and_go_in_any_order_relative_to_readings(
    store: tuple[Connection, list[int]], data: Any
) -> None:
    """Whatever was in force meanwhile, the tables are those of the layers that are left, entered after all readings."""
    conn, series = store
    story, batches = data.draw(stories(series))
    entries, ended, steps = data.draw(plots(batches, series))
    begin(conn, series)
    send(conn, story)
    for number, entry in enumerate(entries):
        if number not in ended:
            enter(conn, entry)
    world.settle(conn)
    expected = world.picture(conn)
    begin(conn, series)
    for step in steps:
        step(conn)
        if data.draw(st.booleans()):
            world.settle(conn, data.draw(st.sampled_from([60, 10_000])))
    world.settle(conn)
    assert world.picture(conn) == expected
    # Ended too, the rest leaves what readings alone make.
    corrections.end(
        conn, [enter(conn, entry) for number, entry in enumerate(entries) if number not in ended], "x", "y", NOW
    )
    world.settle(conn)
    left = world.picture(conn)
    begin(conn, series)
    send(conn, story)
    world.settle(conn)
    assert left == world.picture(conn)


def _distinct(entries: Sequence[Entry]) -> list[Entry]:
    """`entries`, each once: what is in force is not entered twice."""
    return list({(e.series, e.kind, e.start, e.stop, *sorted(e.given.items())): e for e in entries}.values())


@FEW
@given(data=st.data())
def test_law_7_killed_anywhere_no_layer_is_lost_or_laid_twice(store: tuple[Connection, list[int]], data: Any) -> None:
    conn, series = store
    story, batches = data.draw(stories(series))
    entries = _distinct(data.draw(layers(series)))
    begin(conn, series)
    send(conn, story)
    for entry in entries:
        enter(conn, entry)
    world.settle(conn)
    expected = world.picture(conn)
    begin(conn, series)
    lives = st.lists(st.integers(0, 60), max_size=2)
    for step in data.draw(scripts(batches, entries, [])):
        for statements in data.draw(lives):
            with closing(mortal(conn, statements)) as own, suppress(Killed, psycopg.OperationalError):
                step(own)
        step(conn)
        for statements in data.draw(lives):
            with closing(mortal(conn, statements)) as own, suppress(Killed, psycopg.OperationalError):
                world.settle(own, 60)
    world.settle(conn)
    assert world.picture(conn) == expected
    assert conn.execute("SELECT count(*) FROM correction").fetchone() == (len(entries),)


@FEW
@given(data=st.data())
def test_law_4_as_of_between_enter_and_end_equals_the_export_taken_then(
    store: tuple[Connection, list[int]], data: Any
) -> None:
    conn, series = store
    _, batches = data.draw(stories(series))
    _, _, steps = data.draw(plots(batches, series))
    looks = data.draw(st.sets(st.integers(0, len(steps) - 1), min_size=1, max_size=3))
    begin(conn, series)
    taken: dict[datetime, dict[str, Any]] = {}
    for number, step in enumerate(steps):
        step(conn)
        if number in looks:
            world.settle(conn)
            row = conn.execute("SELECT clock_timestamp()").fetchone()
            assert row is not None
            taken[row[0]] = exported(conn, None)  # type: ignore[index]  # a time
    world.settle(conn)
    for known, then in taken.items():
        assert exported(conn, known) == then


def exported(conn: Connection, known: datetime | None) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of what is exported of readings and what is made of them, as `known` at a time."""
    kinds = ("observations", "verdicts", "averages")
    return {kind: sorted(pl.concat(KINDS[kind].pages(conn, Ask(known=known))).rows(), key=repr) for kind in kinds}
