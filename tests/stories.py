"""Stories of a small world that the laws are tried on: random readings, orders, batches and repeats."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager

import polars as pl
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from analytics.frames import TIME
from analytics.store import connection, fits, registry
from analytics.store.connection import Connection
from analytics.store.corrections import Entry
from tests import world
from tests.conftest import NOW, Make
from tests.world import HOUR, T0, Reading

CHANNELS = [
    ("A", "pm25"),
    ("A", "o3"),
    ("A", "wind_direction"),
    ("B", "pm25"),
    ("B", "laeq"),
    ("C", "pm25"),
    ("D", "pm25"),
]
#: Places in CHANNELS of the series that are around each other.
CROWD = (0, 3, 5, 6)
#: Hypothesis gives the same examples every time, so that a red test stays red; the soak asks for more and others.
EXAMPLES = int(os.environ.get("GREENWATCH_LAW_EXAMPLES", "0"))
LAW = settings(
    max_examples=EXAMPLES or 4,
    deadline=None,
    derandomize=not EXAMPLES,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
#: Where an example takes seconds.
FEW = settings(LAW, max_examples=EXAMPLES or 2)


@contextmanager
def opened(make_database: Make, tier: str) -> Iterator[tuple[Connection, list[int]]]:
    """A database of that tier for all examples of a law, emptied between them, and its series."""
    with closing(connection.connect(make_database(tier))) as conn:
        registry.source(conn, "test")
        conn.execute("INSERT INTO source (name, priority) VALUES ('better', 1)")
        series = world.settle_world(conn, CHANNELS)
        conn.execute(
            "INSERT INTO membership (station, kind, since, place) SELECT id, 'noise_zone', since::date, zone"
            " FROM station, (VALUES ('-infinity', '1'), ('2026-03-01', '4a')) AS z (since, zone) WHERE code = 'B'"
        )
        conn.execute("UPDATE station SET longitude = 116, latitude = 40 + id / 10.0")  # near enough to make regions
        yield conn, series


def begin(conn: Connection, series: list[int]) -> None:
    """Nothing; the world is empty but for the same fits: what is usual for three series, from two times on, and who is
    around whom: each of four has the other three as neighbours, until two of them lose one."""
    world.empty(conn)
    crowd = [series[place] for place in CROWD]
    maps = [(number, -1000, [other for other in crowd if other != number]) for number in crowd]
    maps += [(number, 50, crowd[2:]) for number in crowd[:2]]
    drawn = pl.DataFrame(
        [(number, T0 + hours * HOUR, json.dumps({"neighbours": others}).encode()) for number, hours, others in maps],
        schema={"subject": pl.Int32, "valid_from": TIME, "blob": pl.Binary},
        orient="row",
    )
    fits.save(conn, "neighbours", drawn.with_columns(since="valid_from"), NOW, {})
    for hours, line in ((10, 40.0), (60, 15.0)):
        blob = json.dumps({"profile": [20.0] * 40 + [None] * 8, "line": line, "count": 200}).encode()
        start = T0 + hours * HOUR
        made = pl.DataFrame({"subject": [series[n] for n in (0, 1, 4)], "blob": [blob] * 3}).with_columns(
            pl.col("subject").cast(pl.Int32), since=pl.lit(start - 24 * HOUR), valid_from=pl.lit(start)
        )
        fits.save(conn, "robust-seasonal", made, NOW, {})


def readings(series: list[int]) -> st.SearchStrategy[list[Reading]]:
    """Readings over four days on and off the hour, across the change of edition on 2026-03-01 local."""
    value = st.one_of(
        st.floats(-8, 1200, allow_nan=False).map(lambda v: round(v, 1)),
        st.sampled_from([0.0, 35.0, 35.0, 60.0, 120.5, 5000.0]),
        st.floats(0.001, 300, allow_nan=False, width=64),
    )
    hour = st.one_of(st.integers(0, 96).map(float), st.integers(0, 96 * 6).map(lambda n: n / 6))
    mark = st.sampled_from([None, None, None, None, ord("N"), ord("D"), ord("T")])
    revision = st.sampled_from([0, 0, 0, 1, 2])
    single = st.tuples(st.sampled_from(series), hour, value, revision, mark).map(lambda reading: [reading])
    parts = st.lists(st.one_of(single, single, single, runs(series), crowds(series)), min_size=1, max_size=60)
    return parts.map(lambda some: [reading for part in some for reading in part][:400]).filter(bool)


def runs(series: list[int]) -> st.SearchStrategy[list[Reading]]:
    """Hours in a row, some of them none: what episodes, running means and scores are made of."""
    values = st.lists(st.sampled_from([None, 5.0, 48.0, 60.0, 130.0, 170.0, 240.0, 320.0]), min_size=2, max_size=5)
    return st.builds(
        lambda number, first, parts, length, revision: [
            (number, float(first + at), parts[at // length], revision, None)
            for at in range(len(parts) * length)
            if parts[at // length] is not None
        ],
        st.sampled_from(series),
        st.integers(0, 90),
        values,
        st.sampled_from([1, 3, 12]),
        revision_of_runs,
    )


revision_of_runs = st.sampled_from([0, 0, 1, 3])


def crowds(series: list[int]) -> st.SearchStrategy[list[Reading]]:
    """Hours in which neighbours rise and fall together, or one of them alone: what they are compared by."""
    apart = st.lists(st.sampled_from([0.0, 0.0, 4.0, 180.0]), min_size=len(CROWD), max_size=len(CROWD))
    return st.builds(
        lambda first, values, offsets, revision: [
            (series[place], float(first + at), value + offset, revision, None)
            for place, offset in zip(CROWD, offsets, strict=True)
            for at, value in enumerate(values)
        ],
        st.integers(0, 90),
        st.lists(st.sampled_from([20.0, 30.0, 260.0, 480.0]), min_size=2, max_size=4),
        apart,
        revision_of_runs,
    )


#: What layers of each kind are given: wind direction comes back into its circle.
GIVEN: Mapping[str, st.SearchStrategy[dict[str, float]]] = {
    "recalibration": st.fixed_dictionaries(
        {"gain": st.sampled_from([0.5, 1.0, 3.0]), "offset": st.sampled_from([-20.0, 0.0, 100.0])}
    ),
    "drift": st.one_of(
        st.fixed_dictionaries({"gap": st.sampled_from([-30.0, 200.0])}),
        st.just({"low_standard": 0.0, "low_reading": 3.0, "high_standard": 100.0, "high_reading": 180.0}),
    ),
    "verdict": st.fixed_dictionaries({"code": st.sampled_from([1.0, 3.0, 4.0])}),
    "withdrawal": st.just({}),
}


def layers(series: list[int]) -> st.SearchStrategy[list[Entry]]:
    """Layers of every kind over the days of `readings`, many of them one over the other."""

    def entry(number: int, kind: str, first: int, length: int, given: dict[str, float]) -> Entry:
        turned = {"modulo": 360.0} if number == series[2] and kind in ("recalibration", "drift") else {}
        return Entry(number, kind, T0 + first * HOUR, T0 + (first + length) * HOUR, given | turned, "somebody", "why")

    kinds = st.sampled_from(sorted(GIVEN)).flatmap(lambda kind: st.tuples(st.just(kind), GIVEN[kind]))
    one = st.builds(
        lambda number, kind, first, length: entry(number, kind[0], first, length, kind[1]),
        st.sampled_from([*series, *(series[place] for place in CROWD)]),
        kinds,
        st.integers(-5, 90),
        st.sampled_from([1, 6, 24, 200]),
    )
    return st.lists(one, min_size=1, max_size=8)


@st.composite
def stories(draw: st.DrawFn, series: list[int]) -> tuple[list[tuple[str, Reading]], list[list[tuple[str, Reading]]]]:
    """The same messages twice: as one ordered story, and cut into batches in any order, some of them sent again."""
    sources = st.sampled_from(["test", "test", "test", "better"])
    messages = [(draw(sources), reading) for reading in draw(readings(series))]
    shuffled = draw(st.permutations(messages)) + draw(st.lists(st.sampled_from(messages), max_size=30))
    cuts = sorted(draw(st.lists(st.integers(0, len(shuffled)), max_size=6)))
    batches = [shuffled[a:b] for a, b in zip([0, *cuts], [*cuts, len(shuffled)], strict=True)]
    return messages, [batch for batch in batches if batch]


def send(conn: Connection, batch: list[tuple[str, Reading]]) -> None:
    for source in ("test", "better"):
        if part := [reading for name, reading in batch if name == source]:
            counts = world.send(conn, part, source)
            assert counts.read == len(part) == counts.new + counts.replaced + counts.duplicates
