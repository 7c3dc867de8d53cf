"""Regions as they are kept: what late data at one station do to what many stations share, and to its name."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import polars as pl
import pytest

from analytics.store import connection, ledger
from analytics.store.connection import Connection
from jobs import chain
from tests import world
from tests.conftest import NOW, Databases
from tests.world import HOUR, T0

CLEAN, FOUL = 50.0, 250.0
CODES = "ABCDE"
#: A line a station; E is far away. `#` is beyond the first line of o3_1h, `.` quiet. Regions of that need three
#: stations within 60 km, and more than 3 h of quiet at all of them part two.
FIRST = (
    "..####............####..............",
    "...####...........####..............",
    "....####..........####..............",
    "..........................####......",
    "..####............####..............",
)


def told(conn: Connection, station: str, picture: str, revision: int, first: int = 0) -> None:
    """Nothing; the station measured ozone as drawn, from so many hours after T0 on, and all is settled."""
    number = CODES.index(station) + 1
    world.send(conn, [(number, first + h, FOUL if c == "#" else CLEAN, revision, None) for h, c in enumerate(picture)])
    world.settle(conn)


def stand(conn: Connection) -> None:
    """Nothing; the stations are there, ten kilometres apart, and nothing is known of them."""
    assert world.settle_world(conn, [(code, "o3") for code in CODES]) == [1, 2, 3, 4, 5]
    conn.execute("UPDATE station SET longitude = 116, latitude = 40 + (CASE code WHEN 'E' THEN 5 ELSE id * 0.1 END)")


def tell(conn: Connection) -> None:
    stand(conn)
    for station, picture in zip(CODES, FIRST, strict=True):
        told(conn, station, picture, 0)


@pytest.fixture
def store(databases: Databases) -> Iterator[Connection]:
    """Five stations, two regions of three of them each, which are settled."""
    with closing(connection.connect(databases.copy("two regions", "apache", tell))) as conn:
        yield conn


def letters(conn: Connection) -> dict[int, str]:
    """A for the first name of a region of o3_1h, and so on."""
    rows: list[Any] = conn.execute(
        "SELECT DISTINCT name FROM report.region_event WHERE rule = 'o3_1h' ORDER BY 1"
    ).fetchall()
    return {name: chr(65 + number) for number, (name,) in enumerate(rows)}


def bars(conn: Connection) -> list[str]:
    """A line a station: its hours after T0, those in which it was in a region with that one's letter."""
    rows: list[Any] = conn.execute(
        "SELECT station, name, time, stop FROM report.region_member WHERE rule = 'o3_1h'"
    ).fetchall()
    letter, hours = letters(conn), {code: ["."] * len(FIRST[0]) for code in CODES}
    for station, name, start, stop in rows:
        begin, end = ((moment - T0) // HOUR for moment in (start, stop))
        hours[station][begin:end] = [letter[name]] * (end - begin)
    return ["".join(hours[code]) for code in CODES]


def events(conn: Connection, after: int = 0) -> list[str]:
    """Those of regions of o3_1h, without the first `after`."""
    rows: list[Any] = conn.execute(
        "SELECT name, event, other FROM report.region_event WHERE rule = 'o3_1h' ORDER BY time, name, event"
    ).fetchall()
    letter = letters(conn)
    return [" ".join([letter[name], event, *([letter[other]] if other else [])]) for name, event, other in rows[after:]]


#: D's own episode is too late for the second region.
TWO = [
    "..AAAA............BBBB..............",
    "...AAAA...........BBBB..............",
    "....AAAA..........BBBB..............",
    "....................................",
    "....................................",
]


def test_three_stations_near_one_another_are_a_region(store: Connection) -> None:
    assert bars(store) == TWO
    assert events(store) == ["A opened", "B opened"]
    first: list[Any] = store.execute(
        'SELECT station, arrival, "order", hours, core FROM report.region_member WHERE rule = %s AND start = %s'
        ' ORDER BY "order"',
        ["o3_1h", T0 + 2 * HOUR],
    ).fetchall()
    assert first == [("A", 0, 1, 4, True), ("B", 1, 2, 4, True), ("C", 2, 3, 4, True)]
    [row] = store.execute(
        "SELECT first, stations, core, most, arrived, stop, closed, unit FROM report.region WHERE rule = 'o3_1h'"
        " AND time = %s",
        [T0 + 2 * HOUR],
    ).fetchall()
    assert row == ("A", 3, 3, 3, T0 + 4 * HOUR, T0 + 8 * HOUR, True, "µg/m³")
    names: list[Any] = store.execute(
        "SELECT station, region FROM report.episode WHERE rule = 'o3_1h' ORDER BY 1"
    ).fetchall()
    letter = letters(store)
    assert sorted((station, letter.get(region, "")) for station, region in names) == [
        *[(station, name) for station in "ABC" for name in "AB"],
        ("D", ""),
        *[("E", "")] * 2,
    ]


def test_late_data_join_two_regions(store: Connection) -> None:
    """Nobody had heard of D between the two: it was foul there, and within three hours of both."""
    told(store, "D", "#####", 1, 11)
    assert bars(store) == [
        "..AAAAAAAAAAAAAAAAAAAA..............",
        "...AAAAAAAAAAAAAAAAAAA..............",
        "....AAAAAAAAAAAAAAAAAA..............",
        "...........AAAAA....................",
        "....................................",
    ]
    assert events(store, 2) == ["A extended", "B merged into A"]

    told(store, "D", ".....", 2, 11)  # no, it was not
    assert bars(store) == TWO
    assert events(store, 4) == ["A shortened", "B restored"]


def test_late_data_lengthen_a_region(store: Connection) -> None:
    """C's second stretch lasted longer, and so D's is near enough."""
    told(store, "C", "##", 1, 22)
    assert bars(store)[2:4] == ["....AAAA..........BBBBBB............", "..........................BBBB......"]
    assert events(store, 2) == ["B extended"]
    told(store, "C", "..", 2, 22)
    assert bars(store) == TWO
    assert events(store, 3) == ["B shortened"]


def test_late_data_remove_a_region(store: Connection) -> None:
    """B was clean: two stations are none. Two names are withdrawn, and come back with it."""
    told(store, "B", "." * 36, 1)
    assert bars(store) == ["." * 36] * 5
    assert events(store, 2) == ["A withdrawn", "B withdrawn"]
    told(store, "B", FIRST[1], 2)
    assert bars(store) == TWO
    assert events(store, 4) == ["A restored", "B restored"]


def test_versions_are_kept(store: Connection) -> None:
    told(store, "C", "##", 1, 22)
    rows: list[Any] = store.execute(
        "SELECT stop, stations, ended IS NULL FROM report.region_version WHERE rule = 'o3_1h' AND time = %s"
        " ORDER BY known DESC LIMIT 2",
        [T0 + 18 * HOUR],
    ).fetchall()
    assert rows == [(T0 + 30 * HOUR, 4, True), (T0 + 22 * HOUR, 3, False)]


def test_order_of_stations_does_not_matter(store: Connection, databases: Databases) -> None:
    """Law 2; and law 3: what is lost comes back from any of its hours."""
    expected = world.picture(store)
    with closing(connection.connect(databases.copy("five stations", "apache", stand))) as conn:
        for station, picture in reversed([*zip(CODES, FIRST, strict=True)]):
            told(conn, station, picture[20:], 0, 20)
            told(conn, station, picture[:20], 0)
        assert world.picture(conn) == expected
        conn.execute("DELETE FROM region")
        conn.execute("DELETE FROM region_member")
        spans = [(subject, T0 + h * HOUR, T0 + (h + 1) * HOUR) for subject, h in ((1, 4), (3, 19))]
        stale = pl.DataFrame(spans, schema=dict(ledger.WINDOWS), orient="row")
        ledger.mark(conn, chain.STAGES["detect"][0], stale, NOW)
        world.settle(conn)
        assert world.picture(conn) == expected
