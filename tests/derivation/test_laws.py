"""The laws of DESIGN.md for derived series, one of each method: any order, any cut, killed anywhere, the same hours."""

import json
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any

import polars as pl
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics import derivation
from analytics.store import connection, fits, ledger, register, registry
from analytics.store.connection import Connection
from jobs import chain
from jobs import register as job
from tests import world
from tests.conftest import NOW, Make
from tests.mortal import Killed, mortal
from tests.stories import FEW
from tests.world import HOUR, T0, Reading

pytestmark = pytest.mark.long

CHANNELS = ["air_temperature", "relative_humidity", "air_pressure", "dissolved_oxygen", "water_temperature"]
CHANNELS += ["conductivity", "water_level"]
#: By how much values around 20 are moved.
SHIFTS = {"air_pressure": 960.0, "conductivity": 300.0}
SITE = """
[[derivation]]
station = "A"
kind = "wet-bulb"
inputs = { pressure = {} }
[[derivation]]
station = "A"
kind = "oxygen-saturation"
inputs = { conductivity = {} }
[[derivation]]
station = "A"
kind = "growing-degree-days"
[[derivation]]
station = "A"
kind = "growing-degree-days"
since = 2026-03-01
given = { base = 4 }
[[derivation]]
station = "A"
kind = "degree-days-total"
given = { month = 2, day = 28 }
[[derivation]]
station = "A"
kind = "water-level-detided"
[[derivation]]
station = "A"
kind = "time-to-full"
given = { capacity = 30 }
"""


@pytest.fixture(scope="module")
def store(make_database: Make) -> Iterator[tuple[Connection, list[int]]]:
    """One database for all examples, emptied between them: series that are measured, a derived one of each method."""
    with closing(connection.connect(make_database("apache"))) as conn:
        registry.source(conn, "test")
        series = world.settle_world(conn, [("A", name) for name in CHANNELS])
        draft = register.read(SITE.encode(), "site.toml", *job.rules(conn))
        job.write(conn, draft)
        kinds = {formula.kind for formula in draft.rows.derivations.values() if formula}
        assert {draft.kinds[kind].method for kind in kinds} == set(derivation.METHODS)
        yield conn, series


def begin(conn: Connection) -> None:
    """Nothing; the world is empty but for the same fits: two tides, each from its time on."""
    world.empty(conn)
    row = conn.execute("SELECT id FROM series WHERE parameter = 'water_level_detided'").fetchone()
    assert row is not None
    for hours, high in ((20, 0.5), (70, 0.8)):
        wave = {"name": "M2", "speed": 28.9841042, "cosine": high, "sine": 0.25}
        made = pl.DataFrame(
            {"subject": [row[0]], "blob": [json.dumps({"waves": [wave], "count": 700}).encode()]},
            schema={"subject": pl.Int32, "blob": pl.Binary},
        )
        start = T0 + hours * HOUR
        dated = made.with_columns(since=pl.lit(start - 700 * HOUR), valid_from=pl.lit(start))
        fits.save(conn, "tide-removed", dated, NOW, {})


def readings(series: list[int]) -> st.SearchStrategy[list[Reading]]:
    """Readings over four days, on and off the hour: runs of all series, and single ones that correct them."""
    value = st.one_of(st.sampled_from([0.0, 5.0, 12.5, 20.0, 29.0]), st.floats(0.1, 60, allow_nan=False))
    hour = st.one_of(st.integers(0, 96).map(float), st.integers(0, 96 * 6).map(lambda n: n / 6))
    mark = st.sampled_from([None, None, None, ord("D")])
    single = st.tuples(st.sampled_from(series), hour, value, st.sampled_from([0, 1, 2]), mark).map(lambda one: [one])

    def run(first: int, values: list[float], skip: int) -> list[Reading]:
        return [
            (number, float(first + at), one + number, 0, None)
            for number in series
            for at, one in enumerate(values)
            if (at + number) % skip
        ]

    runs = st.builds(run, st.integers(0, 80), st.lists(value, min_size=3, max_size=10), st.integers(2, 9))
    parts = st.lists(st.one_of(single, single, runs), min_size=1, max_size=30)
    return parts.map(lambda some: [usual(series, reading) for part in some for reading in part][:400]).filter(bool)


def usual(series: list[int], reading: Reading) -> Reading:
    """`reading` with a value that its series can have."""
    number, hour, value, revision, mark = reading
    return number, hour, value + SHIFTS.get(CHANNELS[series.index(number)], 0.0), revision, mark


@st.composite
def stories(draw: st.DrawFn, series: list[int]) -> tuple[list[Reading], list[list[Reading]]]:
    """The same messages twice: as one story, and cut into batches in any order, some of them sent again."""
    messages = draw(readings(series))
    shuffled = draw(st.permutations(messages)) + draw(st.lists(st.sampled_from(messages), max_size=30))
    cuts = sorted(draw(st.lists(st.integers(0, len(shuffled)), max_size=5)))
    batches = [shuffled[a:b] for a, b in zip([0, *cuts], [*cuts, len(shuffled)], strict=True)]
    return messages, [batch for batch in batches if batch]


def ordered(conn: Connection, story: list[Reading]) -> dict[str, Any]:
    """What one ordered batch ends in."""
    begin(conn)
    world.send(conn, sorted(story, key=lambda one: (one[1], one[0])))
    world.settle(conn)
    return world.picture(conn)


@FEW
@given(data=st.data())
def test_law_2_order_batching_and_repetition_do_not_matter(store: tuple[Connection, list[int]], data: Any) -> None:
    conn, series = store
    story, batches = data.draw(stories(series))
    budget = data.draw(st.sampled_from([60, 300, 10_000]))
    expected = ordered(conn, story)
    begin(conn)
    for batch in batches:
        world.send(conn, batch)
        if data.draw(st.booleans()):
            world.settle(conn, budget)
    world.settle(conn, budget)
    assert world.picture(conn) == expected


@FEW
@given(data=st.data())
def test_law_3_deleted_windows_come_back_bit_for_bit(store: tuple[Connection, list[int]], data: Any) -> None:
    conn, series = store
    expected = ordered(conn, data.draw(readings(series)))
    derived = [row[0] for row in conn.execute("SELECT DISTINCT series FROM derivation ORDER BY 1")]
    windows = data.draw(st.lists(st.tuples(st.integers(-30, 120), st.integers(1, 60)), min_size=1, max_size=4))
    for first, length in windows:
        start, stop = T0 + first * HOUR, T0 + (first + length) * HOUR
        conn.execute("DELETE FROM average WHERE time >= %s AND time < %s AND series = ANY(%s)", [start, stop, derived])
        for stage in ("derive", "average"):
            stale = pl.DataFrame([(n, start, stop) for n in derived], schema=dict(ledger.WINDOWS), orient="row")
            ledger.mark(conn, chain.STAGES[stage][0], stale, NOW)
    world.settle(conn, data.draw(st.sampled_from([50, 300, 10_000])))
    assert world.picture(conn) == expected


@FEW
@given(data=st.data())
def test_law_7_killed_anywhere_nothing_is_lost_or_counted_twice(store: tuple[Connection, list[int]], data: Any) -> None:
    conn, series = store
    story, batches = data.draw(stories(series))
    expected = ordered(conn, story)
    begin(conn)
    lives = st.lists(st.integers(0, 140), max_size=4)
    for batch in batches:
        world.send(conn, batch)
        for statements in data.draw(lives):
            with closing(mortal(conn, statements)) as own, suppress(Killed, psycopg.OperationalError):
                world.settle(own, 60)
    world.settle(conn)
    assert world.picture(conn) == expected


def test_the_stories_derive_something_of_each_kind(store: tuple[Connection, list[int]]) -> None:
    conn, series = store
    story: list[Reading] = [(number, float(h), 10.0 + 0.1 * h, 0, None) for number in series for h in range(90)]
    ordered(conn, [usual(series, reading) for reading in story])
    rows = conn.execute(
        "SELECT s.parameter, count(a.value) FROM average a JOIN series s ON s.id = a.series"
        " JOIN term t ON t.id = a.averaging WHERE t.name = 'hour' AND s.id IN (SELECT series FROM derivation)"
        " GROUP BY 1"
    ).fetchall()
    assert len(rows) == 6
    assert all(int(str(count)) > 40 for _, count in rows), rows
