"""The server as senders and scrapers meet it: over a socket, on a real database."""

import base64
import gzip
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families

from analytics.store import register
from analytics.store.connection import Connection
from jobs import console, review, serve
from jobs.web import intake, site, watcher
from jobs.web.site import Settings
from tests import world
from tests.scrape import key
from tests.serving import serving, until

TYPE = {"Content-Type": "application/x-ndjson"}
T0 = datetime.fromisoformat("2025-06-01T00:00:00+00:00")
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def _brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses of a test's length."""
    for module, name, value in ((watcher, "PAUSE", 0.3), (watcher, "SLOW", 0.3), (site, "PATIENCE", 1.0)):
        monkeypatch.setattr(module, name, value)


@pytest.fixture
def client(dsn: str) -> Iterator[httpx.Client]:
    """A client of a server as it is started without options."""
    with serving(Settings(dsn)) as opened:
        yield opened


def line(station: str, channel: str, minute: float, value: float | None) -> dict[str, Any]:
    return {"station": station, "channel": channel, "time": (T0 + minute * MINUTE).isoformat(), "value": value}


def body(*lines: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(item).encode() + b"\n" for item in lines)


def post(client: httpx.Client, content: bytes, query: str = "", **headers: str) -> httpx.Response:
    return client.post(f"/observations{query}", content=content, headers=TYPE | headers)


def rows(conn: Connection, query: str) -> list[tuple[object, ...]]:
    return conn.execute(query).fetchall()


def figures(client: httpx.Client) -> dict[Any, float]:
    """Samples of /metrics by name and labels."""
    text = client.get("/metrics").text
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


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
    assert (said["new"], said["rejects"], said["waiting"]) == (1, 1, 0)
    assert said["reasons"] == [{"reason": "its period is approved or archived", "cells": 1, "first": None}]


def test_registering_by_post_must_have_been_allowed(client: httpx.Client, conn: Connection, dsn: str) -> None:
    content = body(line("N", "pm25", 0, 1.0))
    refused = post(client, content, "?register=1&cadence=60")
    assert (refused.status_code, rows(conn, "SELECT count(*) FROM station")) == (403, [(0,)])
    with serving(Settings(dsn, register=True)) as allowed:
        assert post(allowed, content, "?cadence=60").json()["waiting"] == 1
        assert post(allowed, content, "?register=1&cadence=60").json()["new"] == 1
    assert rows(conn, "SELECT cadence FROM series") == [(60,)]


def test_a_clock_that_is_ahead_does_not_hide_what_comes_after(client: httpx.Client, conn: Connection) -> None:
    world.settle_world(conn, [("A", "pm25")], 60)
    soon, late = (datetime.now(UTC) + ahead - T0 for ahead in (intake.AHEAD / 2, timedelta(days=365)))
    said = post(client, body(line("A", "pm25", soon / MINUTE, 1.0), line("A", "pm25", late / MINUTE, 2.0))).json()
    assert (said["read"], said["new"], said["rejects"], said["waiting"]) == (2, 1, 1, 0)
    assert said["reasons"][0]["reason"] == "ahead of the clock"
    assert rows(conn, "SELECT text, time FROM reject") == [("2.0", None)]
    assert rows(conn, "SELECT live < now() + interval '1 hour' FROM latest") == [(True,)]


def test_a_query_that_says_nothing_of_ours_is_refused(client: httpx.Client, conn: Connection) -> None:
    odd = ["cadence=1m", f"cadence={'9' * 5000}", "cadence=0", "cadence=-60", "kind=correction", "register=yes"]
    for query in [*odd, "source=", f"source={'x' * 201}", "source=%00", "sorce=x"]:
        assert post(client, body(line("A", "pm25", 0, 1.0)), f"?{query}").status_code == 400, query
    assert rows(conn, "SELECT count(*) FROM batch") == [(0,)]


def test_a_form_of_another_site_cannot_send(client: httpx.Client, conn: Connection) -> None:
    """A form can say neither our content type nor hide where it stands; its name in Host is not ours."""
    world.settle_world(conn, [("A", "pm25")], 60)
    content = body(line("A", "pm25", 0, 1.0))
    assert client.post("/observations", content=content).status_code == 415
    assert client.post("/observations", content=content, headers={"Content-Type": "text/plain"}).status_code == 415
    for origin in ("http://evil.example", "null", "http://[", "http://127.0.0.1"):
        assert post(client, content, Origin=origin).status_code == 403, origin
    assert post(client, content, Host="evil.example").status_code == 400
    assert client.get("/metrics", headers={"Host": "evil.example:8080"}).status_code == 400
    asked = client.options("/observations", headers={"Origin": "http://evil.example"})
    assert "access-control-allow-origin" not in asked.headers
    assert rows(conn, "SELECT count(*) FROM batch") == [(0,)]
    own = str(client.base_url).rstrip("/")
    assert post(client, content, Origin=own).status_code == 200


def test_bodies_are_bounded(client: httpx.Client, conn: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    world.settle_world(conn, [("A", "pm25")], 60)
    many = body(*[line("A", "pm25", 0, 1.0)]) * (intake.MOST_ROWS + 1)
    assert len(many) < intake.MOST_BYTES
    assert post(client, many).status_code == 413
    assert post(client, b" " * (intake.MOST_BYTES + 1)).status_code == 413

    def endless() -> Iterator[bytes]:
        for _ in range(intake.MOST_BYTES // 65_536 + 2):
            yield b" " * 65_536

    # What was refused is not kept at hand: as much again, and again, is refused for its own size alone.
    monkeypatch.setattr(intake, "ROOM", intake.MOST_BYTES + 2 * 65_536)
    for _ in range(3):
        assert client.post("/observations", content=endless(), headers=TYPE).status_code == 413
    assert rows(conn, "SELECT count(*) FROM batch") == [(0,)]
    monkeypatch.setattr(intake, "ROOM", 10)
    full = post(client, body(line("A", "pm25", 0, 1.0)))
    assert (full.status_code, full.headers["Retry-After"]) == (503, "1")
    monkeypatch.setattr(intake, "ROOM", 1000)
    assert post(client, body(line("A", "pm25", 0, 1.0))).status_code == 200


def test_gzip_is_taken_and_bounded(client: httpx.Client, conn: Connection) -> None:
    world.settle_world(conn, [("A", "pm25")], 60)
    content = body(line("A", "pm25", 0, 1.0))
    coded = {"Content-Encoding": "gzip"}
    assert post(client, gzip.compress(content), **coded).json()["new"] == 1
    two = gzip.compress(content) + gzip.compress(body(line("A", "pm25", 1, 2.0)))
    assert post(client, two, **coded).json()["read"] == 2
    bomb = gzip.compress(b" " * (3 * intake.MOST_BYTES), 9)
    assert len(bomb) < intake.MOST_BYTES
    assert post(client, bomb, **coded).status_code == 413
    assert post(client, gzip.compress(content)[:-9], **coded).status_code == 400
    assert post(client, content, **coded).status_code == 400
    assert post(client, content, **{"Content-Encoding": "br"}).status_code == 415
    # Each of these members is nothing; read from the start for each of them, the body would take half a minute.
    began = time.monotonic()
    assert post(client, gzip.compress(b"") * 300_000, **coded).status_code == 400
    assert time.monotonic() - began < 12


def test_a_body_that_is_no_ndjson_is_refused(client: httpx.Client, conn: Connection) -> None:
    for content in (b"", b"\n\n", b"time,value\n1,2\n", b"\xff\xfe\x00", b"[1, 2]"):
        assert post(client, content).status_code == 400, content
    assert rows(conn, "SELECT count(*) FROM batch") == [(0,)]


def test_a_body_that_does_not_come_is_given_up(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "SLOWEST", 0.3)

    def slow() -> Iterator[bytes]:
        yield b"{"
        time.sleep(1)
        yield b"}"

    assert client.post("/observations", content=slow(), headers=TYPE).status_code == 408


def test_the_token_is_asked_for_where_it_is_set(dsn: str) -> None:
    content = body(line("A", "pm25", 0, 1.0))
    basic = "Basic " + base64.b64encode(b"duty:s3cret").decode()
    with serving(Settings(dsn, token="s3cret")) as client:
        for said in ({}, {"Authorization": "Bearer s3cre"}, {"Authorization": "Bearer"}, {"Authorization": basic}):
            assert post(client, content, **said).status_code == 401
        assert post(client, content, Authorization="Bearer s3cret").status_code == 200
        assert client.get("/metrics").status_code == 401
        assert client.get("/metrics").headers["WWW-Authenticate"].startswith("Basic ")
        assert client.get("/metrics", headers={"Authorization": "bearer s3cret"}).status_code == 200
        assert client.get("/metrics", headers={"Authorization": basic}).status_code == 200
        assert client.get("/metrics", headers={"Authorization": "Basic !"}).status_code == 401
        assert client.get("/healthz").status_code == 200
    with serving(Settings(dsn, token="schlüssel")) as client:
        bearer = {b"Authorization": "Bearer schlüssel".encode()}
        assert client.get("/metrics", headers=bearer).status_code == 200


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
        assert refused.status_code == 503
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


def test_a_database_that_answers_nothing_is_no_health(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A frozen server, or one behind a cable that was cut, refuses nothing: statements wait for it without end."""
    frozen = threading.Event()
    take = watcher.Taker.take

    def wait(taker: watcher.Taker) -> Any:
        frozen.wait(30)
        return take(taker)

    assert client.get("/healthz").is_success
    monkeypatch.setattr(watcher, "STALE", 1.0)
    monkeypatch.setattr(watcher.Taker, "take", wait)
    until(lambda: client.get("/healthz").status_code == 503)
    assert "does not answer" in client.get("/healthz").json()["wrong"][0]
    frozen.set()
    until(lambda: client.get("/healthz").is_success)


@pytest.mark.parametrize(
    "accept", ["application/openmetrics-text; version=x", "application/openmetrics-text; version=9.9", ",", "é"]
)
def test_metrics_are_there_whatever_is_accepted(client: httpx.Client, accept: str) -> None:
    answer = client.get("/metrics", headers={b"Accept": accept.encode()})
    assert (answer.status_code, "greenwatch_database_up 1.0" in answer.text) == (200, True)


def test_metrics_follow_what_is_saved(client: httpx.Client, conn: Connection) -> None:
    world.settle_world(conn, [("A", "pm25"), ("A", "soil_moisture@-0.1")], 60)
    world.settle_world(conn, [("A", "pm25")], 600)
    labels = {"station": "A", "parameter": "pm25", "position": "", "domain": "air"}
    post(client, body(line("A", "pm25", 0, 10.0)), "?cadence=600")
    until(lambda: figures(client).get(key("greenwatch_latest_grams_per_cubic_meter", **labels)) == 10e-6)
    # The newer reading of the two series, whoever speaks.
    post(client, body(line("A", "pm25", 5, 20.0), line("A", "soil_moisture@-0.1", 5, 0.2)), "?cadence=60")
    until(lambda: figures(client).get(key("greenwatch_latest_grams_per_cubic_meter", **labels)) == 20e-6)
    found = figures(client)
    soil = {"station": "A", "parameter": "soil_moisture", "position": "-0.1", "domain": "soil"}
    assert found[key("greenwatch_latest_ratio", **soil)] == 0.2
    assert found[key("greenwatch_latest_timestamp_seconds", **labels)] == (T0 + 5 * MINUTE).timestamp()
    assert found[key("greenwatch_batches_total", kind="live")] == 2
    assert found[key("greenwatch_cells_total", kind="live", outcome="new")] == 3
    assert found[key("greenwatch_http_requests_total", handler="observations", code="200")] == 2
    # The marks are there and due, and nobody settles: that is what the metric says of it.
    until(lambda: figures(client)[key("greenwatch_stale_windows", stage="flag")] > 0)
    found = figures(client)
    taken = found[key("greenwatch_snapshot_timestamp_seconds")]
    assert found[key("greenwatch_settled_timestamp_seconds", stage="flag")] < taken
    assert found[key("greenwatch_settled_timestamp_seconds", stage="assess")] == pytest.approx(taken, abs=1e-6)


def test_alarms_are_in_the_metrics_once_they_were_loaded(conn: Connection, dsn: str) -> None:
    world.settle_world(conn, [("A", "pm25")], 3600)
    [(rule,)] = rows(
        conn,
        "INSERT INTO term (kind, name) SELECT 'alarm', key FROM edition, jsonb_object_keys(rows) AS key"
        " WHERE edition.name = 'alarms' ORDER BY key LIMIT 1 RETURNING id",
    )
    conn.execute(
        "INSERT INTO alarm (station, rule, state, level, since) SELECT id, %s, 'firing', 1, now() FROM station", [rule]
    )
    with serving(Settings(dsn)) as client:
        found = figures(client)
    levels = {labels: value for (name, labels), value in found.items() if name == "greenwatch_alarm_level"}
    assert list(levels.values()) == [1.0]
    assert found[key("greenwatch_alarms", state="firing")] == 1


@pytest.mark.parametrize(("host", "only"), [("127.0.0.1", True), ("localhost", True), ("0.0.0.0", False)])
def test_a_server_that_others_reach_needs_a_token(host: str, only: bool) -> None:
    assert serve.loopback(host) is only
    assert "localhost" in serve.names(host, [], "token") or not only
    if only:
        assert serve.names(host, ["a.example"], None)[-1] == "a.example"
    else:
        assert serve.names(host, [], "token") == ("*",)
        assert "a.example" in serve.names(host, ["a.example"], "token")
        with pytest.raises(console.NotAsAsked, match="GREENWATCH_TOKEN"):
            serve.names(host, [], None)


def test_a_port_that_is_taken_is_said() -> None:
    with closing(serve.listen("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(console.NotAsAsked, match=f"port {port} of 127.0.0.1 is used by another program"):
            serve.listen("127.0.0.1", port)
