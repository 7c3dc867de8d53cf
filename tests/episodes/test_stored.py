"""Episodes as they are kept: names and what became of them, what they stand on, and what they are about."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from analytics.store import connection
from analytics.store.connection import Connection
from tests import world
from tests.conftest import Databases
from tests.world import HOUR, T0

CLEAN, FOUL = 50.0, 250.0
#: What is drawn: `#` beyond the first line of o3_1h, `.` quiet, a blank nothing.
FIRST = "....####........####............"


def told(conn: Connection, picture: str, revision: int = 0, first: int = 0) -> None:
    """Nothing; station A measured ozone as drawn, from so many hours after T0 on, and all is settled."""
    drawn = enumerate(picture, start=first)
    world.send(conn, [(1, h, FOUL if c == "#" else CLEAN, revision, None) for h, c in drawn if c != " "])
    world.settle(conn)


def tell(conn: Connection) -> None:
    assert world.settle_world(conn, [("A", "o3"), ("B", "o3")]) == [1, 2]
    told(conn, FIRST)


@pytest.fixture
def store(databases: Databases) -> Iterator[Connection]:
    """Two episodes of station A, which are settled."""
    with closing(connection.connect(databases.copy("two episodes", "apache", tell))) as conn:
        yield conn


def letters(conn: Connection) -> dict[int, str]:
    """A for the first name of o3_1h, and so on."""
    rows: list[Any] = conn.execute(
        "SELECT DISTINCT name FROM report.episode_event WHERE rule = 'o3_1h' ORDER BY 1"
    ).fetchall()
    return {name: chr(65 + number) for number, (name,) in enumerate(rows)}


def bars(conn: Connection, station: str = "A") -> str:
    """The hours after T0, those in an episode of o3_1h with its letter."""
    rows: list[Any] = conn.execute(
        "SELECT name, time, stop FROM report.episode WHERE rule = 'o3_1h' AND station = %s", [station]
    ).fetchall()
    hours, letter = ["."] * len(FIRST), letters(conn)
    for name, start, stop in rows:
        begin, end = ((moment - T0) // HOUR for moment in (start, stop))
        hours[begin:end] = [letter[name]] * (end - begin)
    return "".join(hours)


def events(conn: Connection, after: int = 0) -> list[str]:
    """Those of o3_1h, without the first `after`."""
    rows: list[Any] = conn.execute(
        "SELECT name, event, other FROM report.episode_event WHERE rule = 'o3_1h' ORDER BY time, name, event"
    ).fetchall()
    letter = letters(conn)
    return [" ".join([letter[name], event, *([letter[other]] if other else [])]) for name, event, other in rows[after:]]


def test_names_outlive_late_data(store: Connection) -> None:
    conn = store
    assert bars(conn) == "....AAAA........BBBB............"
    assert events(conn) == ["A opened", "B opened"]

    told(conn, "########", revision=1, first=8)  # what lay between was foul, too
    assert bars(conn) == "....AAAAAAAAAAAAAAAA............"
    assert events(conn, 2) == ["A extended", "B merged into A"]

    told(conn, "........", revision=2, first=8)  # no, it was not
    assert bars(conn) == "....AAAA........BBBB............"
    assert events(conn, 4) == ["A shortened", "B restored"]

    told(conn, "####", revision=3, first=20)
    assert bars(conn) == "....AAAA........BBBBBBBB........"
    assert events(conn, 6) == ["B extended"]

    told(conn, "....", revision=4, first=18)  # and in its midst it was clean
    assert bars(conn) == "....AAAA........BB....CC........"  # of eight hours both have two: the earlier keeps the name
    assert events(conn, 7) == ["B shortened", "C split from B"]

    told(conn, "....", revision=5, first=4)
    assert bars(conn) == "................BB....CC........"
    assert events(conn, 9) == ["A withdrawn"]


def test_what_is_sent_again_is_no_event(store: Connection) -> None:
    told(store, FIRST)
    assert events(store) == ["A opened", "B opened"]


def test_another_station_has_names_of_its_own(store: Connection) -> None:
    world.send(store, [(2, h, FOUL if 4 <= h < 8 else CLEAN, 0, None) for h in range(32)])
    world.settle(store)
    assert bars(store) == "....AAAA........BBBB............"
    assert bars(store, "B") == "....CCCC........................"
    assert events(store, 2) == ["C opened"]


def test_evidence_is_kept_beside_the_episode(store: Connection) -> None:
    rows = store.execute(
        "SELECT time, term, words, first, worst, last, count FROM report.episode_evidence WHERE rule = 'o3_1h'"
        " ORDER BY time"
    ).fetchall()
    expected = [(T0 + h * HOUR, 0, "o3/hour", FOUL, FOUL, FOUL, 4) for h in (4, 16)]
    assert rows == expected
    told(store, "#", revision=1, first=8)
    [row] = store.execute(
        "SELECT last, count FROM report.episode_evidence WHERE rule = 'o3_1h' AND time = %s", [T0 + 4 * HOUR]
    ).fetchall()
    assert row == (FOUL, 5)


def test_a_device_that_may_be_at_fault_is_no_pollution(store: Connection) -> None:
    """Twelve hours of one value: the sensor is stuck, and says so as a device's."""
    rows = store.execute("SELECT DISTINCT rule, about FROM report.episode ORDER BY 1").fetchall()
    assert rows == [("o3_1h", "event"), ("stuck_o3", "device")]
