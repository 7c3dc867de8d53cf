"""The board where there is much of everything: what is drawn, what is counted, and what comes first."""

from datetime import datetime, timedelta

import polars as pl
import pytest

from analytics.store import state
from analytics.store.connection import Connection
from analytics.texts import Language
from jobs import board, traces
from tests import world
from tests.conftest import NOW

HOUR = timedelta(hours=1)


def stations(conn: Connection, count: int) -> list[int]:
    """Ids of the series of `count` stations with PM2.5, each with readings of the last hours, settled."""
    numbers = world.settle_world(conn, [(f"S{number:03}", "pm25") for number in range(count)])
    hours = (NOW - world.T0) / HOUR
    world.send(conn, [(series, hours - ago, 30.0, 0, None) for series in numbers for ago in (3.0, 2.0, 1.0)])
    world.settle(conn)
    return numbers


def test_only_what_is_shown_is_drawn(conn: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = stations(conn, board.MOST + 3)
    loaded: list[int] = []
    hours = traces.hours

    def counted(conn: Connection, series: pl.DataFrame, start: datetime, stop: datetime) -> pl.DataFrame:
        loaded.extend(series["voice"])
        return hours(conn, series, start, stop)

    monkeypatch.setattr(traces, "hours", counted)
    found = board.board(conn, board.Book.load(), NOW, Language.en)
    assert found.facts["stations"] == len(numbers)
    assert [bool(tile.past) for tile in found.tiles["air"]] == [True] * board.MOST + [False] * 3
    assert sorted(loaded) == numbers[: board.MOST]
    assert {tile.value for tile in found.tiles["air"]} == {30.0}


def test_what_is_counted_is_all_there_is(conn: Connection) -> None:
    world.settle_world(conn, [(f"S{number:03}", "pm25") for number in range(210)])
    world.subjects(conn)
    conn.execute("INSERT INTO term (kind, name) VALUES ('alarm', 'pm25_heavy'), ('episode', 'pm25_episode')")
    conn.execute(
        "INSERT INTO alarm (subject, rule, state, level, since) SELECT s.id, t.id, 'firing', 1, %s FROM subject s,"
        " term t WHERE t.kind = 'alarm'",
        [NOW],
    )
    conn.execute(
        "INSERT INTO episode SELECT %(now)s, %(now)s, %(now)s, %(now)s, s.id, t.id, 1, false, 1, 1, 1, '[]'"
        " FROM station s, term t WHERE t.kind = 'episode'",
        {"now": NOW},
    )
    facts = board.board(conn, board.Book.load(), NOW, Language.en).facts
    assert (facts["alarms"], facts["episodes"]) == (210, 210)


def test_what_is_on_comes_before_what_was_withdrawn_and_that_is_forgotten_in_a_day(conn: Connection) -> None:
    """One alarm in each state, that which matters least on the highest level."""
    states = ["withdrawn", "pending", "blind", "firing", "ok"]
    world.settle_world(conn, [(name, "pm25") for name in states])
    world.subjects(conn)
    conn.execute("INSERT INTO term (kind, name) VALUES ('alarm', 'pm25_heavy')")
    for level, name in zip((5, 4, 1, 2, 3), states, strict=True):
        conn.execute(
            "INSERT INTO alarm (subject, rule, state, level, since, closed) SELECT s.id, t.id, %s, %s, %s, %s"
            " FROM subject s JOIN station c ON c.id = s.station, term t WHERE t.kind = 'alarm' AND c.code = %s",
            [name, level, NOW - HOUR, NOW - HOUR, name],
        )
    assert [row["state"] for row in state.alarms(conn, NOW)] == ["firing", "blind", "pending", "withdrawn"]
    assert [row["state"] for row in state.alarms(conn, NOW + 24 * HOUR)] == ["firing", "blind", "pending"]
