"""Reviews: approved periods take no changes; what came for them waits, and comes in when the approval is ended."""

from contextlib import closing
from threading import Thread

import polars as pl
import pytest

from analytics.store import connection, corrections, observations, register, rejects, reviews
from analytics.store.connection import Connection
from analytics.store.corrections import Entry
from analytics.store.errors import Locked
from analytics.store.observations import Counts
from jobs import chain, review
from jobs.intake import readmit
from tests import world
from tests.conftest import NOW
from tests.world import HOUR, T0


@pytest.fixture
def series(conn: Connection) -> list[int]:
    """A day of hours of two quantities of a station, settled."""
    ids = world.settle_world(conn, [("A", "pm25"), ("A", "o3")])
    world.send(conn, [(s, float(hour), 30.0, 0, None) for s in ids for hour in range(24)])
    world.settle(conn)
    return ids


def say(conn: Connection, number: int, state: str, first: float, last: float) -> Counts:
    return review.enter(conn, [number], T0 + first * HOUR, T0 + last * HOUR, state, "Wang", "looked at", NOW)


def states(conn: Connection, number: int) -> list[tuple[float, float, str]]:
    rows = reviews.load(conn, [number]).select("start", "stop", "state").iter_rows()
    return [((start - T0) / HOUR, (stop - T0) / HOUR, state) for start, stop, state in rows]


def stored(conn: Connection, number: int) -> dict[float, float]:
    rows = conn.execute("SELECT time, value FROM observation WHERE series = %s", [number]).fetchall()
    return {(time - T0) / HOUR: value for time, value in rows}  # type: ignore[misc,operator]


def test_a_new_state_takes_the_place_of_what_it_overlaps(conn: Connection, series: list[int]) -> None:
    say(conn, series[0], "approved", 0, 20)
    say(conn, series[0], "reviewed", 5, 10)
    assert states(conn, series[0]) == [(0, 5, "approved"), (5, 10, "reviewed"), (10, 20, "approved")]
    say(conn, series[0], "unreviewed", 8, 30)
    assert states(conn, series[0]) == [(0, 5, "approved"), (5, 8, "reviewed"), (8, 30, "unreviewed")]
    assert states(conn, series[1]) == []
    # Nothing is forgotten: what is left over of a state knows which one it follows.
    rows = conn.execute(
        "SELECT count(*), count(*) FILTER (WHERE ended IS NULL), count(follows), count(DISTINCT follows) FROM review"
    ).fetchone()
    assert rows == (6, 3, 3, 2)


def test_what_would_change_an_approved_period_waits_and_comes_in_when_that_is_ended(
    conn: Connection, series: list[int]
) -> None:
    number = series[0]
    say(conn, number, "approved", 0, 10.25)
    news = [
        (number, 5.0, 31.0, 1, None),  # other
        (number, 6.0, 30.0, 0, None),  # the same
        (number, 10.1, 30.0, 0, None),  # new there
        (number, 11.0, 31.0, 1, None),  # outside
        (series[1], 5.0, 31.0, 1, None),  # of another series
    ]
    counts = world.send(conn, news)
    assert (counts.read, counts.replaced, counts.duplicates, counts.rejects) == (5, 2, 1, 2)
    assert stored(conn, number)[5.0] == 30.0
    rows = conn.execute("SELECT reason, station, channel, time, value FROM reject ORDER BY time").fetchall()
    assert rows == [
        ("approved", "A", "pm25", T0 + 5 * HOUR, 31.0),
        ("approved", "A", "pm25", T0 + 10.1 * HOUR, 30.0),
    ]
    # Sent again they are the same two rejects; and they wait for nobody else.
    assert world.send(conn, news).rejects == 2
    assert readmit(conn, chain.load_rules(conn)[-1].parameters) == Counts()
    assert conn.execute("SELECT count(*) FROM reject").fetchone() == (2,)
    # The end of a part lets in what lies there.
    came = say(conn, number, "reviewed", 0, 6)
    assert (came.read, came.replaced) == (1, 1)
    assert stored(conn, number)[5.0] == 31.0
    came = say(conn, number, "unreviewed", 0, 12)
    assert (came.read, came.new) == (1, 1)
    assert conn.execute("SELECT count(*) FROM reject").fetchone() == (0,)
    world.settle(conn)
    settled = world.picture(conn)
    # As if nothing had ever been approved.
    world.empty(conn)
    world.send(conn, [(s, float(hour), 30.0, 0, None) for s in series for hour in range(24)])
    world.send(conn, news)
    world.settle(conn)
    assert world.picture(conn) == settled


def test_what_is_approved_and_approved_again_lets_nothing_in(conn: Connection, series: list[int]) -> None:
    say(conn, series[0], "approved", 0, 10)
    world.send(conn, [(series[0], 5.0, 31.0, 1, None)])
    assert say(conn, series[0], "approved", 2, 30) == Counts()
    assert states(conn, series[0]) == [(0, 2, "approved"), (2, 30, "approved")]
    assert stored(conn, series[0])[5.0] == 30.0


def test_a_loser_within_a_batch_waits_beside_its_winner(conn: Connection, series: list[int]) -> None:
    """History holds nothing of what is not stored, or a past time would be made of it."""
    say(conn, series[0], "approved", 0, 10)
    counts = world.send(conn, [(series[0], 5.0, 31.0, 1, None), (series[0], 5.0, 32.0, 2, None)])
    assert counts.rejects == 2
    assert conn.execute("SELECT count(*) FROM observation_history").fetchone() == (0,)
    say(conn, series[0], "reviewed", 0, 10)
    assert stored(conn, series[0])[5.0] == 32.0


def test_corrections_of_an_approved_period_are_refused(conn: Connection, series: list[int]) -> None:
    def entry(first: float, last: float, number: int = series[0]) -> Entry:
        return Entry(number, "withdrawal", T0 + first * HOUR, T0 + last * HOUR, {}, "Li", "x")

    standing = corrections.enter(conn, [entry(3, 4)], NOW).ids
    say(conn, series[0], "approved", 0, 10)
    with pytest.raises(Locked, match="A pm25 is approved from 2026-02-27T00:00Z to 2026-02-27T10:00Z: nothing was"):
        corrections.enter(conn, [entry(0, 5, series[1]), entry(9, 12)], NOW)
    with pytest.raises(Locked):
        corrections.end(conn, standing, "Li", "x", NOW)
    assert corrections.enter(conn, [entry(10, 12), entry(0, 5, series[1])], NOW).new == 2
    say(conn, series[0], "reviewed", 3, 4)
    assert corrections.end(conn, standing, "Li", "x", NOW) == 1


def test_an_approval_waits_for_what_is_being_saved(
    conn: Connection, other: Connection, dsn: str, series: list[int]
) -> None:
    """Either the reading is in before the approval, or it is held back: never after."""
    number, done = series[0], list[Counts]()

    def approve() -> None:
        with closing(connection.connect(dsn)) as own:
            done.append(say(own, number, "approved", 0, 100))

    with other.transaction():
        world.send(other, [(number, 60.0, 50.0, 0, None)])
        thread = Thread(target=approve)
        thread.start()
        thread.join(0.3)
        assert thread.is_alive()
    thread.join(20)
    assert done == [Counts()]
    assert stored(conn, number)[60.0] == 50.0
    assert world.send(conn, [(number, 61.0, 50.0, 0, None)]).rejects == 1


def test_a_series_that_is_registered_later_finds_its_readings_and_not_those_held_back(conn: Connection) -> None:
    """Both wait in one table, each for its own."""
    number = world.settle_world(conn, [("A", "pm25")])[0]
    world.send(conn, [(number, 1.0, 30.0, 0, None)])
    say(conn, number, "approved", 0, 10)
    world.send(conn, [(number, 1.0, 31.0, 1, None)])
    waiting = rejects.held(conn, world.frame([(number, 2.0, 9.0, 0, None)]), "unknown series").with_columns(
        channel=pl.lit("o3")
    )
    observations.save(conn, world.frame([]), waiting, observations.Origin(1, "test"), NOW)
    said = register.Registry(stations={"A": {}}, series={register.Series("A", "o3", "", "", 3600): None})
    register.learn(conn, said)
    assert readmit(conn, chain.load_rules(conn)[-1].parameters).new == 1
    assert conn.execute("SELECT reason FROM reject").fetchall() == [("approved",)]
