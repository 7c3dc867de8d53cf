"""Readings in by POST, as senders meet it: over a socket, on a real database."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest

from analytics import clocks
from analytics.store import register
from analytics.store.connection import Connection
from jobs import review
from jobs.web import intake
from jobs.web.site import Settings
from tests import world
from tests.scrape import key
from tests.serving import serving, until
from tests.web.posting import MINUTE, T0, TYPE, body, figures, line, post, problem, rows


def test_what_is_answered_is_durable_and_adds_up(client: httpx.Client, conn: Connection) -> None:
    world.settle_world(conn, [("A", "pm25")], 60)
    content = body(line("A", "pm25", 0, 10.5), line("A", "pm25", 1, None), line("A", "pm25", 2, 0.0)) + b"no json\n"
    answer = post(client, content, "?cadence=60")
    assert answer.status_code == 200
    said = answer.json()
    reasons = said.pop("reasons")
    assert said == {
        "read": 4, "new": 2, "replaced": 0, "duplicates": 0, "missing": 1, "rejects": 1, "conflicts": 0, "waiting": 0
    }  # fmt: skip
    assert [(item["cells"], item["first"]["text"]) for item in reasons] == [(1, "no json")]
    stored = rows(conn, "SELECT time, value FROM observation ORDER BY 1")
    assert stored == [(T0, 10.5), (T0 + 2 * MINUTE, 0.0)]
    assert rows(conn, "SELECT kind, decoder, read, new FROM batch") == [("live", "ndjson", 4, 2)]
    assert rows(conn, "SELECT live FROM latest") == [(T0 + 2 * MINUTE,)]
    again = post(client, content, "?cadence=60").json()
    assert (again["new"], again["duplicates"], again["missing"], again["rejects"]) == (0, 2, 1, 1)


def test_what_is_late_by_its_own_word_is_not_live(client: httpx.Client, conn: Connection) -> None:
    world.settle_world(conn, [("A", "pm25")], 60)
    assert post(client, body(line("A", "pm25", 0, 1.0)), "?kind=late&source=logger").status_code == 200
    assert rows(conn, "SELECT live FROM latest") == [(None,)]
    assert rows(conn, "SELECT b.kind, s.name FROM batch b JOIN source s ON s.id = b.source") == [("late", "logger")]


def test_what_is_not_registered_waits_and_is_named(client: httpx.Client, conn: Connection) -> None:
    world.settle_world(conn, [("A", "pm25")], 60)
    said = post(client, body(line("A", "o3", 0, 1.0), line("B", "pm25", 0, 2.0), line("A", "gold", 0, 3.0))).json()
    assert (said["new"], said["rejects"], said["waiting"]) == (0, 3, 2)
    assert {item["reason"] for item in said["reasons"]} == {"unknown series", "unknown station", "unknown parameter"}
    assert rows(conn, "SELECT count(*) FROM series") == [(1,)]
    until(lambda: figures(client).get(key("greenwatch_cells_total", kind="live", outcome="reject")) == 3)


def test_what_comes_for_an_approved_period_waits_and_is_named(client: httpx.Client, conn: Connection) -> None:
    (number,) = world.settle_world(conn, [("A", "pm25")], 60)
    review.enter(conn, [number], T0, T0 + MINUTE, "approved", "Wang", "looked at", T0)
    said = post(client, body(line("A", "pm25", 0, 1.0), line("A", "pm25", 1, 2.0))).json()
    assert (said["new"], said["rejects"], said["waiting"]) == (1, 1, 1)
    assert said["reasons"] == [{"reason": "its period is approved or archived", "cells": 1, "first": None}]


def test_registering_by_post_must_have_been_allowed(client: httpx.Client, conn: Connection, dsn: str) -> None:
    content = body(line("N", "pm25", 0, 1.0))
    refused = post(client, content, "?register=1&cadence=60")
    assert (problem(refused), rows(conn, "SELECT count(*) FROM station")) == ("not-allowed", [(0,)])
    with serving(Settings(dsn, register=True)) as allowed:
        assert post(allowed, content, "?cadence=60").json()["waiting"] == 1
        assert post(allowed, content, "?register=1&cadence=60").json()["new"] == 1
    assert rows(conn, "SELECT cadence FROM series") == [(60,)]


def test_a_clock_that_is_ahead_does_not_hide_what_comes_after(client: httpx.Client, conn: Connection) -> None:
    world.settle_world(conn, [("A", "pm25")], 60)
    soon, late = (datetime.now(UTC) + ahead - T0 for ahead in (clocks.AHEAD / 2, timedelta(days=365)))
    said = post(client, body(line("A", "pm25", soon / MINUTE, 1.0), line("A", "pm25", late / MINUTE, 2.0))).json()
    assert (said["read"], said["new"], said["rejects"], said["waiting"]) == (2, 1, 1, 0)
    assert said["reasons"][0]["reason"] == "ahead of the clock"
    assert rows(conn, "SELECT text, time, place FROM reject") == [("2.0", None, "line 2")]
    assert rows(conn, "SELECT live < now() + interval '1 hour' FROM latest") == [(True,)]


def test_a_query_that_says_nothing_of_ours_is_refused(client: httpx.Client, conn: Connection) -> None:
    odd = ["cadence=1m", f"cadence={'9' * 5000}", "cadence=0", "cadence=-60", "kind=correction", "register=yes"]
    for query in [*odd, "source=", f"source={'x' * 201}", "source=%00", "sorce=x"]:
        assert problem(post(client, body(line("A", "pm25", 0, 1.0)), f"?{query}")) == "bad-query", query
    assert rows(conn, "SELECT count(*) FROM batch") == [(0,)]


def test_a_body_that_does_not_come_is_given_up(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "SLOWEST", 0.3)

    def slow() -> Iterator[bytes]:
        yield b"{"
        time.sleep(1)
        yield b"}"

    assert problem(client.post("/observations", content=slow(), headers=TYPE)) == "too-slow"


def test_many_small_posts_at_once_neither_hang_nor_lose(client: httpx.Client, conn: Connection) -> None:
    """Each of them in another order over the same series, every reading sent by two of them."""
    channels = [(f"S{number:02}", "pm25") for number in range(20)]
    world.settle_world(conn, channels, 60)

    def send(number: int) -> dict[str, Any]:
        turned = channels if number % 2 else channels[::-1]
        content = body(*(line(station, channel, number // 2, 1.0 + number // 2) for station, channel in turned))
        answer = post(client, content, "?cadence=60")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(send, range(60)))
    assert sum(item["new"] for item in said) == 600
    assert sum(item["duplicates"] for item in said) == 600
    assert rows(conn, "SELECT count(*), max(ordinal) FROM batch") == [(60, 60)]
    assert rows(conn, "SELECT count(*) FROM observation") == [(600,)]


def test_a_registration_counts_from_the_next_post_on(client: httpx.Client, conn: Connection) -> None:
    """A channel without a cadence means the series that speaks; what is remembered of it is forgotten in time."""
    [hourly] = world.settle_world(conn, [("A", "pm25")], 3600)
    post(client, body(line("A", "pm25", 0, 1.0)))
    said = register.Registry(stations={"A": {}})
    said.series[register.Series("A", "pm25", "", "", 60)] = None
    register.learn(conn, said)
    post(client, body(line("A", "pm25", 60, 2.0)))
    found = rows(conn, "SELECT series = {}, value FROM observation ORDER BY time".format(hourly))  # noqa: UP032
    assert found == [(True, 1.0), (False, 2.0)]


def test_nothing_is_acknowledged_while_the_database_is_away(
    client: httpx.Client, conn: Connection, dsn: str, server_dsn: str
) -> None:
    world.settle_world(conn, [("A", "pm25")], 60)
    first, second = body(line("A", "pm25", 0, 1.0)), body(line("A", "pm25", 1, 2.0))
    assert post(client, first, "?cadence=60").status_code == 200
    name = psycopg.conninfo.conninfo_to_dict(dsn)["dbname"]
    until(lambda: any(sample[0] == "greenwatch_latest_timestamp_seconds" for sample in figures(client)))
    conn.close()
    with closing(psycopg.connect(server_dsn, autocommit=True)) as admin:
        admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        refused = post(client, second, "?cadence=60")
        assert (refused.status_code, problem(refused)) == (503, "away")
        assert int(refused.headers["Retry-After"]) > 0
        until(lambda: client.get("/healthz").status_code == 503)
        assert "database" in client.get("/healthz").json()["wrong"][0]
        there = figures(client)  # the last that was known, and how old it is
        assert there[key("greenwatch_database_up")] == 0
        labels = {"station": "A", "parameter": "pm25", "position": "", "domain": "air"}
        assert there[key("greenwatch_latest_timestamp_seconds", **labels)] == T0.timestamp()
        admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
    until(lambda: post(client, second, "?cadence=60").status_code == 200)
    until(lambda: client.get("/healthz").status_code == 200)
