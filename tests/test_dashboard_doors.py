"""The dashboard of the doors on what a real store, a listener and a subscriber tell a real Prometheus: each panel shows
something, and the rules find nothing wrong but what is."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import polars as pl
import pytest
import yaml

from analytics.frames import CELLS, REJECTS, Batch, conform, empty
from analytics.metrics import Broker, Exporter, Line
from analytics.store import clocks, registry, spools
from analytics.store.connection import Connection, connect
from analytics.store.register import read as read_registry
from jobs import beside, console, register, serve
from jobs.intake import Intake, Order
from jobs.scraped import Page
from jobs.web.watcher import Taker
from tests import tools
from tests.conftest import Make
from tests.grafana import Frame
from tests.panels import FOLDER, load, panels
from tests.serving import until

NAME = "greenwatch-doors"
DOORS = {"door": ["hj212", "mqtt"]}
#: The clock of a device is ahead by so much [s].
AHEAD = 600


def seed(conn: Connection, now: datetime) -> None:
    """Live readings of two sources, one of which sends unknown series; a spool that waits; a pull; a clock."""
    rows = pl.DataFrame({"station": ["A"], "parameter": ["pm25"]})
    register.write(conn, read_registry(rows.write_csv().encode(), "rows.csv", *register.rules(conn)))
    for source, channel in (("hj212", "pm25"), ("chirpstack", "pm10")):
        cells = pl.DataFrame({"station": ["A"], "channel": [channel], "time": [now], "value": [50.0]})
        whole = conform(cells.with_columns(mark=None, revision=None), CELLS)
        Intake(conn, Order(source=source, kind="live")).block(Batch(whole, empty(REJECTS)), source)
    cells = pl.DataFrame({"station": ["A"], "channel": ["pm25"], "time": [now - timedelta(hours=9)], "value": [50.0]})
    whole = conform(cells.with_columns(mark=None, revision=None), CELLS)
    Intake(conn, Order(source="a file")).block(Batch(whole, empty(REJECTS)), "long")
    waits = spools.Told(bytes=900, records=3, oldest=now - timedelta(minutes=1), appended=41)
    spools.tell(conn, "hj212", waits, now)
    conn.execute("INSERT INTO pull (name, connector, ids) VALUES ('calder', 'ea-hydrology', '{}')")
    conn.execute("INSERT INTO pull_state (pull, tried, succeeded, due) VALUES ('calder', now(), now(), now())")
    hour = now.replace(minute=0, second=0)
    delays = pl.DataFrame({"hour": [hour - timedelta(hours=h) for h in range(8)]})
    delays = delays.with_columns(station=pl.lit("A"), delay=pl.lit(-AHEAD, pl.Float64))
    clocks.save(conn, delays, registry.source(conn, "hj212"))


def pages(conn: Connection) -> list[Page]:
    """Of a server on the store of `conn`, a listener and a subscriber, all of which have something to tell."""
    exporter, line, broker = Exporter("1"), Line("1"), Broker("1")
    exporter.show(Taker(conn).take())
    exporter.answers.labels("observations", 200).inc()
    line.connections.set(3)
    line.heard("MN1", console.now())
    line.commit.observe(0.3)
    broker.connected.set(1)
    broker.commit.observe(0.3)
    return [exporter, line, broker]


@pytest.fixture(scope="module")
def prometheus(make_database: Make, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Prometheus that has scraped them twice."""
    folder = tmp_path_factory.mktemp("prometheus")
    [port] = tools.free_ports(1)
    home = f"http://127.0.0.1:{port}"
    with closing(connect(make_database("apache"))) as conn:
        seed(conn, console.now().replace(microsecond=0))
        told = pages(conn)
    config = yaml.safe_load((FOLDER / "prometheus.yml").read_text(encoding="utf-8"))
    config["global"] = {"scrape_interval": "1s", "scrape_timeout": "900ms", "evaluation_interval": "1s"}
    config["rule_files"] = [str(FOLDER / "rules/doors.yml")]
    del config["alerting"]
    with ExitStack() as stack:
        for job, page in zip(config["scrape_configs"], told, strict=True):
            job["static_configs"] = [{"targets": [f"127.0.0.1:{stack.enter_context(served(page))}"]}]
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        command = [tools.prometheus_tools().prometheus, f"--config.file={folder / 'prometheus.yml'}"]
        command += [f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address=127.0.0.1:{port}"]
        stack.enter_context(tools.served(command, f"{home}/-/ready", folder / "log"))
        until(lambda: len(ask(home, "count_over_time(up[1m]) > 2")) == 3, 60)
        yield home


@contextmanager
def served(page: Page) -> Iterator[int]:
    """The port at which `page` is served."""

    class Scraped(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content, kind = page.page(self.headers.get("Accept", ""))
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Scraped) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def ask(home: str, expression: str) -> list[dict[str, Any]]:
    """Samples of `expression` now."""
    answer = httpx.get(f"{home}/api/v1/query", params={"query": expression}, timeout=20, trust_env=False).json()
    assert answer["status"] == "success", answer
    return list(answer["data"]["result"])


def around() -> Frame:
    """The last hour, of both doors."""
    return Frame(console.now() - timedelta(hours=1), console.now(), DOORS)


CASES = [(panel["title"], target["expr"]) for panel in panels(NAME) for target in panel["targets"] if "expr" in target]


@pytest.mark.parametrize(("title", "expression"), CASES, ids=[f"{title} {n}" for n, (title, _) in enumerate(CASES)])
def test_a_panel_shows_something(prometheus: str, title: str, expression: str) -> None:
    assert ask(prometheus, around().promql(expression)), title


def test_the_figures_are_those_of_the_store(prometheus: str) -> None:
    def shown(title: str) -> dict[tuple[str, ...], float]:
        [expression] = [expression for name, expression in CASES if name.startswith(title)]
        found = ask(prometheus, around().promql(expression))
        return {tuple(sorted(one["metric"].values())): float(one["value"][1]) for one in found}

    assert shown("Rejects that wait") == {(): 1}
    assert shown("Rejects by source") == {("chirpstack", "unknown series"): 1}
    assert shown("Depth of the spools") == {("hj212",): 900}
    assert shown("Clocks that are wrong") == {(): 1}
    assert shown("Clocks that are off") == {("A", "hj212"): AHEAD}
    assert shown("Connections of devices") == {(): 3}
    assert set(shown("Sources, last saved")) == {("hj212",), ("chirpstack",), ("a file",)}
    live = ask(prometheus, "greenwatch_source_live_timestamp_seconds")
    assert {one["metric"]["source"] for one in live} == {"hj212", "chirpstack"}  # nobody waits for a file
    assert 60 <= shown("Age of the spools")["hj212",] < 600


def test_the_rules_see_what_is_wrong_and_nothing_else(prometheus: str) -> None:
    answer = httpx.get(f"{prometheus}/api/v1/rules", timeout=20, trust_env=False).json()
    rules = [rule for group in answer["data"]["groups"] for rule in group["rules"]]
    assert {rule["health"] for rule in rules if rule["lastEvaluation"] > "1"} <= {"ok", "unknown"}
    assert [(rule["name"], rule["state"]) for rule in rules if rule["alerts"]] == [("ClockWrong", "pending")]


def test_the_scraped_jobs_are_those_of_the_ports_that_up_gives() -> None:
    jobs = yaml.safe_load((FOLDER / "prometheus.yml").read_text(encoding="utf-8"))["scrape_configs"]
    targets = [target for job in jobs for each in job["static_configs"] for target in each["targets"]]
    ports = (serve.PORT, beside.LISTEN_METRICS, beside.MQTT_METRICS)
    assert targets == [f"127.0.0.1:{port}" for port in ports]


def test_the_variable_names_the_doors() -> None:
    [variable] = [each for each in load(NAME)["templating"]["list"] if each["type"] == "query"]
    assert variable["name"] == "door"
    assert variable["includeAll"]
