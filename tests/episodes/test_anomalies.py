"""Episodes of what detectors find unusual: they live as all others do, and follow scores that late data changes."""

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import polars as pl
import pytest

from analytics import alarms, detection, episodes
from analytics.alarms import episode
from analytics.alarms.rules import of_kind
from analytics.store import connection, fits, ledger
from analytics.store.connection import Connection
from jobs import chain
from tests import world
from tests.conftest import NOW, Databases
from tests.world import HOUR, T0

RULE = "anomaly_tvoc"
#: What is drawn: how far a value is off what is usual for its hour, in times of the line. `sustained` is the mean of
#: six hours: after one `#` it stands at its line in that hour and the five after it.
USUAL, LINE = 0.5, 0.25
DRAWN = {".": 0.0, "-": 0.5, "+": 5.5, "#": 6.0}
FIRST = "....#...............#..........."


def told(conn: Connection, picture: str, revision: int = 0, first: int = 0) -> None:
    """Nothing; station A measured as drawn, from so many hours after T0 on, and all is settled."""
    drawn = enumerate(picture, start=first)
    world.send(conn, [(1, h, USUAL + LINE * DRAWN[c], revision, None) for h, c in drawn])
    world.settle(conn)


def register(conn: Connection) -> None:
    assert world.settle_world(conn, [("A", "tvoc")]) == [1]


def learn(conn: Connection) -> None:
    """Nothing; what is usual is known, and what it judges is marked."""
    blob = json.dumps({"profile": [USUAL] * 48, "line": LINE, "count": 200}).encode()
    made = pl.DataFrame({"subject": [1], "blob": [blob]}).with_columns(
        pl.col("subject").cast(pl.Int32), since=pl.lit(T0 - 24 * HOUR), valid_from=pl.lit(T0)
    )
    fits.save(conn, "robust-seasonal", made, NOW, {})
    window = pl.DataFrame([(1, T0, T0 + 40 * HOUR)], schema=dict(ledger.WINDOWS), orient="row")
    ledger.mark(conn, chain.STAGES["detect"][0], window, NOW)


def tell(conn: Connection) -> None:
    register(conn)
    learn(conn)
    told(conn, FIRST)


@pytest.fixture
def store(databases: Databases) -> Iterator[Connection]:
    """Two anomalies of station A, which are settled."""
    with closing(connection.connect(databases.copy("two anomalies", "apache", tell))) as conn:
        yield conn


def bars(conn: Connection) -> str:
    """The hours after T0, those in an episode with the letter of its name."""
    rows: list[Any] = conn.execute("SELECT name, time, stop FROM report.episode WHERE rule = %s", [RULE]).fetchall()
    known: list[Any] = conn.execute(
        "SELECT DISTINCT name FROM report.episode_event WHERE rule = %s ORDER BY 1", [RULE]
    ).fetchall()
    letter = {name: chr(65 + number) for number, (name,) in enumerate(known)}
    hours = ["."] * len(FIRST)
    for name, start, stop in rows:
        begin, end = ((moment - T0) // HOUR for moment in (start, stop))
        hours[begin:end] = [letter[name]] * (end - begin)
    return "".join(hours)


def test_an_anomaly_outlives_late_data(store: Connection) -> None:
    conn = store
    assert bars(conn) == "....AAAAAA..........BBBBBB......"

    told(conn, "#", revision=1, first=12)  # unusual for six hours: two quiet ones on either side are bridged
    assert bars(conn) == "....AAAAAAAAAAAAAAAAAAAAAA......"

    told(conn, ".", revision=2, first=12)  # no, it was not
    assert bars(conn) == "....AAAAAA..........BBBBBB......"

    told(conn, ".", revision=3, first=4)
    assert bars(conn) == "....................BBBBBB......"
    events: list[Any] = conn.execute(
        "SELECT event FROM report.episode_event WHERE rule = %s ORDER BY time, name, event", [RULE]
    ).fetchall()
    assert [event for (event,) in events] == [
        *("opened", "opened"),
        *("extended", "merged into"),
        *("shortened", "restored"),
        "withdrawn",
    ]
    versions = conn.execute(
        "SELECT count(*) FROM episode_history h JOIN term r ON r.id = h.rule WHERE r.name = %s", [RULE]
    ).fetchone()
    assert versions == (4,)  # A, B, A and B as one, A once more


def test_an_episode_is_made_again_where_only_its_score_is_another_one(store: Connection) -> None:
    """What is unusual at hour 15 is so by a little of hour 10, with more quiet between than is bridged."""
    told(store, "..........-....+-...............", revision=1)
    assert bars(store) == "...............BBBBBB..........."
    told(store, ".", revision=2, first=10)
    assert bars(store) == "................BBBBB..........."


def test_what_lasts_too_short_is_none_and_silence_ends_nothing(store: Connection) -> None:
    told(store, "#", first=32)  # and then nothing: one hour
    told(store, "#", revision=1, first=31)
    rows = store.execute(
        "SELECT time, stop, closed, level, peak, count, unit, about FROM report.episode WHERE rule = %s ORDER BY time",
        [RULE],
    ).fetchall()
    # The last one goes on from that of hour 20 over gaps of three hours; nobody knows whether it is over.
    assert [((time - T0) // HOUR, (stop - T0) // HOUR, *rest) for time, stop, *rest in rows] == [  # type: ignore[operator]
        (4, 10, True, 1, 1.2, 6, None, "anomaly"),  # of the five hours that there are
        (20, 26, True, 1, 1.0, 6, None, "anomaly"),
        (31, 33, False, 1, 2.0, 2, None, "anomaly"),
    ]


def test_in_whatever_pieces_it_comes_it_is_the_same(store: Connection, databases: Databases) -> None:
    """Law 2: the last hours first, what was learned after half of them."""
    with closing(connection.connect(databases.copy("not learned", "apache", register))) as conn:
        for first in (24, 16, 8, 0):
            told(conn, FIRST[first : first + 8], first=first)
            if first == 16:
                assert bars(conn) == "." * len(FIRST)
                learn(conn)
        assert world.picture(conn) == world.picture(store)


def test_it_says_by_whom_it_was_found(store: Connection) -> None:
    rows: list[Any] = store.execute(
        "SELECT besides, sentence, sentence_zh FROM report.episode_explanation WHERE rule = %s ORDER BY time", [RULE]
    ).fetchall()
    besides, english, chinese = rows[1]
    assert besides == "robust-seasonal 6; sustained 1"
    assert english == (
        "volatile organics: unusual at A from 2026-02-28 04:00 to 2026-02-28 10:00: total volatile organic compounds"
        " (how unusual) reached 1 at 2026-02-28 04:00, where 1 is the line. Found by: what is usual at that hour of the"
        " week (6); hours that stay off what is usual (1). Unusual for this series; no limit is asked."
    )
    assert chinese.endswith("判据：同时段常值（6）；持续偏离常值（1）。仅表示相对该序列异常，不对照限值。")


def test_nobody_is_told_of_what_is_merely_unusual() -> None:
    unusual = {name for name, rule in episodes.load().items() if rule.scored}
    assert RULE in unusual
    assert unusual == {name for name, rule in episodes.load().items() if rule.about == episodes.ANOMALY}
    told_of = {name for rule in of_kind(alarms.load(), "episode").values() for name, _ in episode.conditions(rule)}
    assert not unusual & told_of


def test_how_unusual_it_is_say_those_that_count() -> None:
    rows = [(1, "stuck", 0, 1.0), (1, "network", 0, 3.0), (1, "robust-seasonal", 0, 9.0), (2, "alarm", 0, 4.0)]
    said = pl.DataFrame(rows, schema=["series", "detector", "time", "value"], orient="row")
    assert detection.levels(said).rows() == [(1, 0, 3.0)]
