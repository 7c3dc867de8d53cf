"""The whole way of a page: a row in `alarm`, /metrics of a real server, a real Prometheus and Alertmanager, a webhook.

Timings of the test, not of the files under dashboards/: scrapes and evaluations every second, `for` of 2 s, groups
that wait for a second. Expressions, labels, routes and receivers are those of the files.
"""

import json
import queue
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest
import yaml

from analytics.store.connection import Connection
from analytics.store.register import read as read_registry
from analytics.synthetic import District
from jobs import chain, console, register
from jobs.intake import Intake, Order
from jobs.simulate import files as simulated
from tests import tools
from tests.tools import Tools

pytestmark = pytest.mark.long

DASHBOARDS = Path(__file__).parents[1] / "dashboards"
FOR = 2
#: The same without the bridge over a restart: it shows that the restart was long enough to be seen.
NAIVE = {"alert": "Naive", "expr": "greenwatch_alarm_level > 0", "labels": {"severity": "page"}}

Message = tuple[str, dict[str, Any]]


@pytest.fixture
def desk() -> Iterator[tuple[int, "queue.Queue[Message]"]]:
    """A duty desk: its port, and what it was told as (path, body)."""
    told: queue.Queue[Message] = queue.Queue()

    class Desk(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            told.put((self.path, json.loads(body)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing: the queue is the log."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Desk) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1], told
        server.shutdown()


@dataclass(frozen=True, slots=True)
class Loop:
    """The servers at work; `told` is what reached the duty desk."""

    told: "queue.Queue[Message]"
    address: str
    prometheus: str
    start: Callable[[], None]
    stop: Callable[[], None]

    def await_alert(self, name: str, status: str, within: float) -> tuple[str, dict[str, Any], float]:
        """Receiver's path, the alert `name` with `status`, and how long it took [s]; what is told meanwhile is lost."""
        begun = time.monotonic()
        while (left := begun + within - time.monotonic()) > 0:
            try:
                path, body = self.told.get(timeout=left)
            except queue.Empty:
                break
            for alert in body["alerts"]:
                if alert["labels"]["alertname"] == name and alert["status"] == status:
                    return path, alert, time.monotonic() - begun
        raise AssertionError(f"{name} was not {status} within {within} s; Prometheus has {self.alerts()}")

    def alerts(self) -> list[dict[str, Any]]:
        """Alerts that Prometheus knows now."""
        answer = httpx.get(f"{self.prometheus}/api/v1/alerts", timeout=5, trust_env=False)
        return list(answer.json()["data"]["alerts"])


@pytest.fixture(scope="module")
def programs() -> Tools:
    """Prometheus and Alertmanager."""
    return tools.prometheus_tools()


@pytest.fixture
def loop(programs: Tools, desk: tuple[int, "queue.Queue[Message]"], dsn: str, tmp_path: Path) -> Iterator[Loop]:
    """greenwatch, Prometheus, Alertmanager and the desk, each told of the next."""
    ours, prometheus, alertmanager = tools.free_ports(3)
    port, told = desk
    _alertmanager(tmp_path, port)
    _prometheus(tmp_path, ours, alertmanager)
    serve = [sys.executable, "-m", "jobs.cli", "serve", "--port", ours, "--dsn", dsn]
    with ExitStack() as all_of_them, ExitStack() as greenwatch:

        def start() -> None:
            address = f"http://127.0.0.1:{ours}/healthz"
            greenwatch.enter_context(tools.served(serve, address, tmp_path / "greenwatch.log"))

        all_of_them.enter_context(
            tools.served(
                [
                    *(programs.alertmanager, f"--config.file={tmp_path / 'alertmanager.yml'}"),
                    *(f"--storage.path={tmp_path / 'alerts'}", "--cluster.listen-address="),
                    f"--web.listen-address=127.0.0.1:{alertmanager}",
                ],
                f"http://127.0.0.1:{alertmanager}/-/ready",
                tmp_path / "alertmanager.log",
            )
        )
        all_of_them.enter_context(
            tools.served(
                [
                    *(programs.prometheus, f"--config.file={tmp_path / 'prometheus.yml'}"),
                    *(f"--storage.tsdb.path={tmp_path / 'data'}", f"--web.listen-address=127.0.0.1:{prometheus}"),
                ],
                f"http://127.0.0.1:{prometheus}/-/ready",
                tmp_path / "prometheus.log",
            )
        )
        start()
        yield Loop(told, f"http://127.0.0.1:{ours}", f"http://127.0.0.1:{prometheus}", start, greenwatch.close)


def _alertmanager(folder: Path, desk: int) -> None:
    text = (DASHBOARDS / "alertmanager/alertmanager.yml").read_text(encoding="utf-8")
    assert "127.0.0.1:9099" in text
    config = yaml.safe_load(text.replace("127.0.0.1:9099", f"127.0.0.1:{desk}"))

    def hurry(route: dict[str, Any]) -> None:
        route |= {"group_wait": "1s", "group_interval": "1s", "repeat_interval": "1h"}
        for child in route.get("routes", []):
            hurry(child)

    hurry(config["route"])
    (folder / "alertmanager.yml").write_text(yaml.safe_dump(config))


def _prometheus(folder: Path, ours: int, alertmanager: int) -> None:
    config = yaml.safe_load((DASHBOARDS / "prometheus.yml").read_text(encoding="utf-8"))
    config["global"] = {"scrape_interval": "1s", "scrape_timeout": "900ms", "evaluation_interval": "1s"}
    config["scrape_configs"] = [job for job in config["scrape_configs"] if job["job_name"] == "greenwatch"]
    [scrape], [pager] = config["scrape_configs"], config["alerting"]["alertmanagers"]
    scrape["static_configs"] = [{"targets": [f"127.0.0.1:{ours}"]}]
    pager["static_configs"] = [{"targets": [f"127.0.0.1:{alertmanager}"]}]
    config["rule_files"] = ["rules.yml"]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    rules = (DASHBOARDS / "rules/greenwatch.yml").read_text(encoding="utf-8")
    hurried, count = re.subn(r"^(\s+for:) .*$", rf"\1 {FOR}s", rules, flags=re.MULTILINE)
    assert count == 1
    book = yaml.safe_load(hurried)
    book["groups"].append({"name": "control", "rules": [NAIVE]})
    (folder / "rules.yml").write_text(yaml.safe_dump(book))


def fire(conn: Connection) -> None:
    """Nothing; the alarm of a station whose code needs care everywhere is on at level 2."""
    conn.execute("INSERT INTO station (code) VALUES ('O''HARE \"1\"')")
    conn.execute("INSERT INTO membership SELECT id, 'district', '-infinity', 'industrial-park' FROM station")
    conn.execute("INSERT INTO series (station, parameter, cadence) SELECT id, 'pm25', 60 FROM station")
    conn.execute("INSERT INTO term (kind, name) VALUES ('alarm', 'pm25_heavy') ON CONFLICT DO NOTHING")
    conn.execute(
        """
        INSERT INTO alarm (station, rule, state, level, since, episode, edge)
        SELECT s.id, r.id, 'firing', 2, now(), now() - interval '3 hours', now()
        FROM station s, term r WHERE r.kind = 'alarm' AND r.name = 'pm25_heavy'
        """
    )


def test_an_alarm_pages_outlives_a_restart_and_is_resolved_by_its_end(loop: Loop, conn: Connection) -> None:
    fire(conn)
    path, alert, took = loop.await_alert("PollutionEpisode", "firing", within=30)
    labels = alert["labels"]
    assert path == "/duty/industrial-park"
    assert (labels["station"], labels["parameter"], labels["district"]) == ('O\'HARE "1"', "pm25", "industrial-park")
    assert labels["severity"] == "page"
    assert alert["annotations"]["description"].endswith("is at level 2.")
    # snapshot + scrape + evaluation + for + group_wait, and 10 s for a busy machine
    assert took < 2 + 1 + 1 + FOR + 1 + 10

    begun = datetime.now(UTC)
    loop.stop()
    loop.await_alert("Naive", "resolved", within=20)
    time.sleep(2)
    loop.start()
    loop.await_alert("Naive", "firing", within=20)
    [still] = [each for each in loop.alerts() if each["labels"]["alertname"] == "PollutionEpisode"]
    assert still["state"] == "firing"
    assert datetime.fromisoformat(still["activeAt"]) < begun

    conn.execute("UPDATE alarm SET state = 'ok', level = 0, closed = now(), since = now()")
    _, resolved, _ = loop.await_alert("PollutionEpisode", "resolved", within=20)
    # It is this end that resolved it, and nothing before: the alert is the one that began before the restart.
    assert datetime.fromisoformat(resolved["startsAt"]) < begun
    assert datetime.fromisoformat(resolved["endsAt"]) > begun + timedelta(seconds=2)


@contextmanager
def running(log: Path, *words: object) -> Iterator[None]:
    """`greenwatch WORDS` runs; it is ended afterwards, and had not ended before."""
    with log.open("ab") as sink:
        process = subprocess.Popen([sys.executable, "-m", "jobs.cli", *map(str, words)], stdout=sink, stderr=sink)
    try:
        yield
        assert process.poll() is None, log.read_text()[-3000:]
    finally:
        process.terminate()
        process.wait(60)


def test_the_simulated_episode_pages_and_a_restart_resolves_nothing(
    loop: Loop, conn: Connection, dsn: str, tmp_path: Path
) -> None:
    """From the first row of a made-up district's live stream to the duty desk, through every stage."""
    stop = console.now().replace(second=0, microsecond=0)
    district = tmp_path / "district"
    simulated.write(district, simulated.plan(District(1, stop), stop, days=2, minutes=0))
    register.write(conn, read_registry((district / "stations.csv").read_bytes(), "stations.csv", *register.rules(conn)))
    Intake(conn, Order(source="synthetic", cadence=600)).file(district / "readings-10m.parquet")
    chain.settle(conn, console.now)
    assert conn.execute("SELECT count(*) > 0 FROM episode WHERE NOT closed").fetchone() == (True,)
    assert conn.execute("SELECT count(*) FROM alarm").fetchone() == (0,)  # nothing is live yet
    with (
        running(tmp_path / "worker.log", "worker", "--dsn", dsn),
        running(tmp_path / "live.log", "simulate", "live", "--like", district / "district.toml", "--url", loop.address),
    ):
        _, alert, _ = loop.await_alert("PollutionEpisode", "firing", within=90)
        assert alert["labels"]["station"].startswith("SYN-")
        paged = {(each["labels"]["station"], each["labels"]["rule"]) for each in loop.alerts() if _on(each)}
        begun = datetime.now(UTC)
        loop.stop()
        loop.await_alert("Naive", "resolved", within=20)
        loop.start()
        loop.await_alert("Naive", "firing", within=20)
        still = [each for each in loop.alerts() if _on(each) and datetime.fromisoformat(each["activeAt"]) < begun]
        assert paged <= {(each["labels"]["station"], each["labels"]["rule"]) for each in still}


def _on(alert: dict[str, Any]) -> bool:
    return (alert["labels"]["alertname"], alert["state"]) == ("PollutionEpisode", "firing")
