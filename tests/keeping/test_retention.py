"""Old rows that are deleted for good: just those, in parts, and never what is still spoken of."""

from datetime import datetime, timedelta

import polars as pl
import pytest

from analytics.frames import TIME
from analytics.store import derived, retention
from analytics.store.connection import Connection
from analytics.store.errors import Forgotten
from tests import world
from tests.conftest import NOW, Make
from tests.keeping import story

DAY = timedelta(days=1)
BEFORE = NOW - 90 * DAY


@pytest.fixture
def dsn(make_database: Make) -> str:
    """A store with nothing in it."""
    return make_database("apache")


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "PART", 3)
    monkeypatch.setattr(retention, "SERIES", 1)


def times(conn: Connection, query: str) -> list[datetime]:
    return [row[0] for row in conn.execute(query).fetchall()]  # type: ignore[misc]  # times


def test_forecasts_go_when_they_are_old_and_over(conn: Connection) -> None:
    """One as old that still speaks of what is ahead (365 days of it) stays."""
    series = world.settle_world(conn, [("A", "pm25"), ("B", "pm25")])
    for number in series:
        for age, leads in ((91, 72), (91.5, 365), (89, 72), (0, 72), (200, 72)):
            conn.execute(
                """
                INSERT INTO forecast SELECT %(series)s, %(at)s, %(at)s, %(step)s, 0.9, v, v, v, m, '', v, %(at)s
                FROM (SELECT array_agg(1.0::float8) AS v, array_agg('x'::text) AS m FROM generate_series(1, %(n)s)) AS a
                """,
                {"series": number, "at": NOW - age * DAY, "step": 86400 if leads == 365 else 3600, "n": leads},
            )
    assert retention.old(conn, "forecast", BEFORE, NOW) == 4
    assert retention.forget(conn, "forecast", BEFORE, NOW) == 4
    left = times(conn, "SELECT issued FROM forecast WHERE series = 1 ORDER BY 1")
    assert left == [NOW - 91.5 * DAY, NOW - 89 * DAY, NOW]
    assert retention.forget(conn, "forecast", BEFORE, NOW) == 0
    retention.require_issued(conn, "forecast", None, None)
    retention.require_issued(conn, "forecast", NOW, None)  # as of a time after it was done
    retention.require_issued(conn, "forecast", NOW - DAY, BEFORE)
    with pytest.raises(Forgotten, match="rows of forecast from before 2026-03-03T00:00Z were deleted since"):
        retention.require_issued(conn, "forecast", NOW - DAY, BEFORE - DAY)


def test_events_of_an_alarm_that_is_on_stay(conn: Connection) -> None:
    world.settle_world(conn, [("A", "pm25"), ("B", "pm25")])
    since = NOW - 300 * DAY
    world.subjects(conn)
    conn.execute("INSERT INTO alarm (subject, rule, state, level, since) VALUES (1, 1, 'firing', 1, %s)", [since])
    for subject in (1, 2):
        for age in (400, 300, 200, 10):
            conn.execute(
                "INSERT INTO alarm_event (at, subject, rule, before, after, level, reason, evidence)"
                " VALUES (%s, %s, 1, 'ok', 'firing', 1, 'x', '{}')",
                [NOW - age * DAY, subject],
            )
    assert retention.forget(conn, "alarm_event", BEFORE, NOW) == 4
    kept = conn.execute("SELECT subject, at FROM alarm_event ORDER BY 1, 2").fetchall()
    assert kept == [(1, NOW - 300 * DAY), (1, NOW - 200 * DAY), (1, NOW - 10 * DAY), (2, NOW - 10 * DAY)]


def test_scores_go_where_nothing_changes_any_more(conn: Connection) -> None:
    world.settle_world(conn, [("A", "pm25")])
    conn.execute("INSERT INTO term (kind, name) VALUES ('detector', 'robust-seasonal')")
    for age in (400, 300, 100, 10):
        conn.execute("INSERT INTO score SELECT %s, 2.0, 1, id FROM term WHERE kind = 'detector'", [NOW - age * DAY])
    assert retention.forget(conn, "score", BEFORE, NOW) == 0  # there is no line: all of them may still change
    conn.execute("INSERT INTO horizon (time, known, author) VALUES (%s, %s, 'x')", [NOW - 200 * DAY, NOW])
    assert retention.forget(conn, "score", BEFORE, NOW) == 2
    assert times(conn, "SELECT time FROM score ORDER BY 1") == [NOW - 100 * DAY, NOW - 10 * DAY]


def test_versions_that_go_are_written_down(conn: Connection) -> None:
    """What people saw then can no longer be told, and whoever asks hears so."""
    for age in (400, 300, 100, 95, 10):
        conn.execute(
            "INSERT INTO assessment_history (time, known, ended, station, averaging, standard)"
            " VALUES (%(at)s, %(at)s, %(at)s, 1, 1, 1)",
            {"at": NOW - age * DAY},
        )
    assert retention.forget(conn, "assessment_history", BEFORE, NOW) == 4
    retention.forget(conn, "assessment_history", BEFORE - DAY, NOW)
    assert retention.forgotten(conn, "assessment_history") == (BEFORE, NOW)
    nothing = pl.DataFrame(schema={"station": pl.Int32, "start": TIME, "stop": TIME})
    assert derived.load(conn, derived.ASSESSMENT, nothing, known=BEFORE).is_empty()
    with pytest.raises(Forgotten, match="ask as of a later time"):
        derived.load(conn, derived.ASSESSMENT, nothing, known=BEFORE - DAY)
    assert retention.forgotten(conn, "episode_history") is None


def test_sums_of_jobs_nobody_does_any_more(conn: Connection) -> None:
    conn.execute("INSERT INTO work (job, succeeded, failed) VALUES ('old', %s, NULL)", [BEFORE - DAY])
    conn.execute("INSERT INTO work (job, succeeded, failed) VALUES ('failing', %s, %s)", [BEFORE - DAY, NOW])
    conn.execute("INSERT INTO work (job) VALUES ('new')")
    assert retention.forget(conn, "work", BEFORE, NOW) == 1
    assert conn.execute("SELECT job FROM work ORDER BY 1").fetchall() == [("failing",), ("new",)]


def test_readings_and_what_is_made_of_them_are_never_deleted(conn: Connection) -> None:
    story.tell(conn)
    before = story.everything(conn)
    for name in retention.TABLES:
        retention.forget(conn, name, NOW + DAY, NOW)
    after = story.everything(conn)
    assert {name: after[name] for name in after if name != "score"} == {
        name: before[name] for name in before if name != "score"
    }
