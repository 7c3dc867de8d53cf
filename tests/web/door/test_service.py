"""What machines ask of the service itself: /healthz and /metrics."""

import threading
from typing import Any

import httpx
import pytest

from analytics.store.connection import Connection
from jobs.web import watcher
from jobs.web.site import Settings
from tests import world
from tests.scrape import key
from tests.serving import serving, until
from tests.web.posting import MINUTE, T0, body, figures, line, post, rows


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
    world.subjects(conn)
    [(rule,)] = rows(
        conn,
        "INSERT INTO term (kind, name) SELECT 'alarm', key FROM edition, jsonb_object_keys(rows) AS key"
        " WHERE edition.name = 'alarms' ORDER BY key LIMIT 1 RETURNING id",
    )
    conn.execute(
        "INSERT INTO alarm (subject, rule, state, level, since, first, told)"
        " SELECT id, %s, 'firing', 1, now(), 'page', 'page' FROM subject",
        [rule],
    )
    with serving(Settings(dsn)) as client:
        found = figures(client)
    levels = {labels: value for (name, labels), value in found.items() if name == "greenwatch_alarm_level"}
    assert list(levels.values()) == [1.0]
    assert found[key("greenwatch_alarms", state="firing")] == 1
