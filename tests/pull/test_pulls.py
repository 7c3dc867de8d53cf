"""Pulls against recorded answers and a real database: pages, late publishers, failures, restarts."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any

import pytest

from analytics.frames import Batch
from analytics.store import connection, pulls
from analytics.store.connection import Connection
from jobs import worker
from jobs.pull import run as job
from jobs.pull.connectors import CONNECTORS, ea_hydrology, openaq
from jobs.pull.contract import Answer
from jobs.timetable import Books, Timetable
from tests.conftest import NOW
from tests.pull.pulling import GAUGE, pull, puller, put, registered
from tests.pull.service import Asked, Reply, Service, recorded


def values(conn: Connection) -> list[tuple[Any, ...]]:
    return conn.execute(
        "SELECT t.code, s.parameter, to_char(o.time AT TIME ZONE 'UTC', 'HH24:MI'), o.value, chr(o.mark)"
        " FROM observation o JOIN series s ON s.id = o.series JOIN station t ON t.id = s.station ORDER BY 1, 2, o.time"
    ).fetchall()


def state(conn: Connection) -> tuple[Any, ...]:
    [row] = conn.execute("SELECT succeeded, due, failures, failed, problem FROM pull_state").fetchall()
    return row


def csv(name: str) -> Reply:
    return Reply(recorded(name), kind="text/csv; charset=UTF-8")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of three rows."""
    monkeypatch.setattr(ea_hydrology, "_ROWS", 3)
    monkeypatch.setattr(openaq, "_ROWS", 3)


def test_pages_of_a_measure_come_one_after_another_and_again_change_nothing(
    conn: Connection, service: Service, small: None
) -> None:
    registered(conn, service, "ea-hydrology", f'["{GAUGE}"]')

    def page(asked: Asked) -> Reply:
        return csv("readings-1.csv" if asked.params["_offset"] == "0" else "readings-2.csv")

    service.answers = [page]
    done = pull(conn)
    assert (done.problem, done.requests, done.counts.read, done.counts.new, done.counts.missing) == ("", 2, 4, 3, 1)
    first, second = service.asked
    assert first.path == f"/id/measures/{GAUGE}/readings.csv"
    assert first.params == {"mineq-date": "2026-05-18", "_limit": "3", "_offset": "0"}
    assert second.params["_offset"] == "3"
    stored = values(conn)
    assert stored == [
        ("0bf8-44", "water_level", "22:00", 0.5, "N"),
        ("0bf8-44", "water_level", "22:15", 0.51, None),
        ("0bf8-44", "water_level", "22:45", 0.53, None),
    ]
    again = pull(conn, NOW + timedelta(hours=1))
    assert (again.counts.new, again.counts.replaced, again.counts.duplicates) == (0, 0, 3)
    assert values(conn) == stored
    assert conn.execute("SELECT count(*) FROM observation_history").fetchone() == (0,)
    assert conn.execute("SELECT cadence FROM series").fetchall() == [(900,)]


def test_what_the_publisher_changes_replaces_what_it_said_whatever_is_greater(
    conn: Connection, service: Service, small: None
) -> None:
    registered(conn, service, "ea-hydrology", f'{{ "{GAUGE}" = "A" }}')
    first = [csv("readings-1.csv"), csv("readings-2.csv")]
    late = [csv("readings-late.csv"), csv("readings-2.csv")]
    for answers, new, replaced in ((first, 3, 0), (late, 1, 1), (late, 0, 0), (first, 0, 1), (late, 0, 1)):
        now = NOW + timedelta(hours=len(service.asked))
        service.answers = list(answers)
        done = pull(conn, now)
        assert (done.problem, done.counts.new, done.counts.replaced) == ("", new, replaced)
    assert values(conn) == [
        ("A", "water_level", "22:00", 0.5, "N"),
        ("A", "water_level", "22:15", 0.41, "N"),
        ("A", "water_level", "22:30", 0.52, "S"),
        ("A", "water_level", "22:45", 0.53, None),
    ]


def test_measurements_of_a_sensor_stand_at_its_station(conn: Connection, service: Service, small: None) -> None:
    registered(conn, service, "openaq", '{ "3917" = "A" }', 'horizon = "1d"')
    service.answers = [Reply(recorded("measurements-1.json")), Reply(recorded("measurements-2.json"))]
    done = pull(conn)
    counts = done.counts
    assert (done.problem, counts.read, counts.new, counts.missing, counts.rejects) == ("", 5, 3, 1, 1)
    assert values(conn) == [
        ("A", "pm25", "18:00", 12.5, None),
        ("A", "pm25", "19:00", 0, None),
        ("A", "pm25", "21:00", 14, "S"),
    ]
    assert service.asked[0].path == "/v3/sensors/3917/measurements"
    assert service.asked[0].params == {"datetime_from": "2026-05-31T00:00:00Z", "limit": "3", "page": "1"}
    assert service.asked[1].params["page"] == "2"
    assert {asked.headers["X-API-Key"] for asked in service.asked} == {"k-123"}
    service.answers = [Reply(recorded("measurements-none.json"))]
    assert (pull(conn).counts.read, state(conn)[4]) == (0, "")


def test_a_pull_that_needs_a_key_says_where_it_looked(
    conn: Connection, service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    registered(conn, service, "openaq", '{ "3917" = "A", "3918" = "A" }')
    service.answers = [Reply(code=401)]
    assert "OPENAQ_API_KEY" in pull(conn, env={}).problem
    assert service.asked == []
    done = pull(conn)
    assert done.problem == "3917: 401: the key is not accepted, or there is none"
    assert len(service.asked) == 1  # nobody else is asked for with it
    out = capsys.readouterr()
    assert "k-123" not in out.out + out.err + str(conn.execute("SELECT s::text FROM pull_state s").fetchall())


def test_failures_wait_longer_each_time_and_one_success_ends_it(conn: Connection, service: Service) -> None:
    registered(conn, service, "ea-hydrology", f'["{GAUGE}"]', 'every = "15m"')
    service.answers = [Reply(b"<html>", kind="text/html")]
    waits = []
    for _ in range(4):
        pull(conn)
        waits.append((state(conn)[1] - NOW).total_seconds())
    assert waits == [60, 120, 240, 480]
    assert state(conn)[2:] == (4, 4, f"{GAUGE}: it answers with text/html, not text/csv")
    service.answers = [Reply(code=429, headers={"Retry-After": "7200"})]
    pull(conn)
    assert state(conn)[1] == NOW + timedelta(hours=2)
    service.answers = [csv("readings-2.csv")]
    pull(conn)
    assert state(conn) == (NOW, NOW + timedelta(minutes=15), 0, 5, "")


def test_what_a_service_asks_of_one_pull_holds_for_its_others_after_a_restart_too(
    conn: Connection, other: Connection, service: Service
) -> None:
    for name in "PQ":
        registered(conn, service, "ea-hydrology", f'["{GAUGE}"]', name=name)
    service.answers = [Reply(code=429, headers={"Retry-After": "7200"})]
    assert [done.name for done in job.each(puller(conn), NOW)] == ["P"]
    later = NOW + timedelta(minutes=119)
    assert list(job.each(puller(other, later), later)) == []
    assert len(service.asked) == 1
    service.answers = [csv("readings-2.csv")]
    later = NOW + timedelta(hours=2)
    assert sorted((done.name, done.problem) for done in job.each(puller(other, later), later)) == [("P", ""), ("Q", "")]


def test_a_service_that_is_away_is_not_asked_for_every_id(conn: Connection, service: Service) -> None:
    registered(conn, service, "ea-hydrology", str([f"{GAUGE}-{number}" for number in range(9)]))
    service.answers = [Reply(code=500)]
    assert pull(conn).closed
    assert len({asked.path for asked in service.asked}) == job.SILENT


def test_what_took_long_to_fail_is_left_alone_from_then_on(conn: Connection, service: Service) -> None:
    registered(conn, service, "ea-hydrology", f'["{GAUGE}"]')
    service.answers = [Reply(code=404)]
    [found] = pulls.load(conn)
    puller(conn, NOW + timedelta(minutes=10)).run(found, NOW)
    assert state(conn)[1] == NOW + timedelta(minutes=11)


def test_a_key_that_is_said_back_is_not_written_down(
    conn: Connection, service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    registered(conn, service, "openaq", '{ "1" = "A" }')
    service.answers = [Reply(b"no sensor for k-123", "text/plain", 404)]
    assert pull(conn).problem == "1: 404 Not Found: no sensor for ***"
    assert state(conn)[4] == "1: 404 Not Found: no sensor for ***"
    out = capsys.readouterr()
    assert "k-123" not in out.out + out.err


def test_one_id_that_fails_keeps_no_other_from_its_turn(conn: Connection, service: Service) -> None:
    registered(conn, service, "ea-hydrology", f'["gone-level-i-900-m-qualified", "{GAUGE}"]')

    def known(asked: Asked) -> Reply:
        return csv("readings-2.csv") if GAUGE in asked.path else Reply(b"no such measure", "text/plain", 404)

    service.answers = [known]
    done = pull(conn)
    assert done.counts.new == 1
    assert done.problem == "gone-level-i-900-m-qualified: 404 Not Found: no such measure"


def test_an_answer_that_breaks_us_breaks_nothing_else(
    conn: Connection, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    registered(conn, service, "ea-hydrology", f'["odd", "{GAUGE}"]')
    whole = CONNECTORS["ea-hydrology"]

    def read(answer: Answer) -> Iterator[Batch]:
        if answer.request.state.id == "odd":
            raise ZeroDivisionError("by nought")
        return whole.read(answer)

    monkeypatch.setitem(CONNECTORS, "ea-hydrology", replace(whole, read=read))
    service.answers = [csv("readings-2.csv")]
    [done] = job.run(conn, NOW)
    assert (done.problem, done.counts.new) == ("odd: ZeroDivisionError: by nought", 1)
    assert state(conn)[4] == done.problem


def test_what_came_before_a_failure_stays_and_the_rest_comes_after_a_restart(
    conn: Connection, dsn: str, service: Service, small: None
) -> None:
    registered(conn, service, "ea-hydrology", f'["{GAUGE}"]')
    service.answers = [csv("readings-1.csv"), Reply(code=500)]
    assert "500" in pull(conn).problem
    assert len(values(conn)) == 2
    service.answers = [csv("readings-1.csv"), csv("readings-2.csv")]
    with closing(connection.connect(dsn)) as fresh:
        assert job.run(fresh, NOW + timedelta(seconds=59)) == []  # what another process wrote down holds
        [found] = pulls.load(fresh)
        assert (found.failures, found.is_due(NOW + timedelta(seconds=60))) == (1, True)
        assert found.is_due(NOW - timedelta(days=500))  # the clock was set back
        done = pull(fresh, NOW + timedelta(seconds=60))
    assert (done.problem, done.counts.duplicates, done.counts.new, len(values(conn))) == ("", 2, 1, 3)


def test_after_a_silence_the_horizon_begins_before_it(conn: Connection, service: Service) -> None:
    registered(conn, service, "openaq", '{ "1" = "A" }', 'horizon = "2h"')
    service.answers = [Reply(recorded("measurements-none.json"))]
    for now, since in (
        (NOW, "2026-05-31T22:00:00Z"),
        (NOW + timedelta(days=3), "2026-05-31T22:00:00Z"),
        (NOW + timedelta(days=4), "2026-06-03T22:00:00Z"),
        (NOW + timedelta(days=1004), (NOW + timedelta(days=1004 - 92)).strftime("%Y-%m-%dT%H:%M:%SZ")),
    ):
        pull(conn, now)
        assert service.asked[-1].params["datetime_from"] == since
    pull(conn, since=datetime(2020, 1, 1, tzinfo=UTC))
    assert service.asked[-1].params["datetime_from"] == "2020-01-01T00:00:00Z"


def test_pages_have_an_end(conn: Connection, service: Service, small: None, monkeypatch: pytest.MonkeyPatch) -> None:
    registered(conn, service, "ea-hydrology", f'["{GAUGE}"]')
    monkeypatch.setitem(CONNECTORS, "ea-hydrology", replace(CONNECTORS["ea-hydrology"], pages=4))
    service.answers = [csv("readings-1.csv")]  # full for ever
    assert "more than 4 pages" in pull(conn).problem
    assert len(service.asked) == 4


def test_a_dry_run_changes_nothing(conn: Connection, service: Service) -> None:
    registered(conn, service, "ea-hydrology", f'["{GAUGE}"]')
    service.answers = [csv("readings-1.csv")]
    done = pull(conn, dry_run=True)
    assert done.counts.new == 2
    tables = ("observation", "batch", "series", "pull_state", "reject")
    assert [conn.execute(f"SELECT count(*) FROM {name}").fetchone() for name in tables] == [(0,)] * 5


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"results": 5}', b"[" * 100_000, b"\xff\xfe", b'{"results": [7]}'])
def test_json_of_another_form_is_a_failure_or_a_reject(conn: Connection, service: Service, body: bytes) -> None:
    registered(conn, service, "openaq", '{ "1" = "A" }')
    service.answers = [Reply(body)]
    done = pull(conn)
    assert done.problem or done.counts.rejects == done.counts.read == 1
    assert values(conn) == []


def test_two_do_not_ask_at_once(conn: Connection, other: Connection, service: Service) -> None:
    registered(conn, service, "ea-hydrology", f'["{GAUGE}"]')
    with pulls.alone(other, "P") as mine:
        assert mine
        assert "by another process" in pull(conn).problem
    assert service.asked == []
    assert conn.execute("SELECT count(*) FROM pull_state").fetchone() == (0,)


def test_metrics_tell_of_pulls_that_are_on(conn: Connection, service: Service) -> None:
    registered(conn, service, "ea-hydrology", f'["{GAUGE}"]')
    service.answers = [csv("readings-2.csv")]
    pull(conn)
    [told] = pulls.told(conn).to_dicts()
    assert told == {
        **{"pull": "P", "succeeded": NOW, "due": NOW + timedelta(hours=1), "failures": 0, "failed": 0},
        **{"requests": 1, "read": 1, "new": 1, "replaced": 0, "rejects": 0},
    }
    put(conn, '[[pull]]\nname = "P"\non = false\n')
    assert pulls.told(conn).is_empty()
    assert job.run(conn, NOW + timedelta(days=9)) == []


def test_the_worker_pulls_what_is_due_and_nothing_twice(conn: Connection, dsn: str, service: Service) -> None:
    registered(conn, service, "ea-hydrology", f'["{GAUGE}"]', 'every = "1h"')
    service.answers = [csv("readings-2.csv")]
    now = [NOW]
    clock = Timetable("pulls", dsn, Event(), worker.PULLS, Books(), clock=lambda: now[0])
    for minutes, requests in ((0, 1), (1, 1), (59, 1), (60, 2), (61, 2)):
        now[0] = NOW + timedelta(minutes=minutes)
        clock.look(conn)
        assert len(service.asked) == requests
    assert state(conn)[:3] == (NOW + timedelta(hours=1), NOW + timedelta(hours=2), 0)
