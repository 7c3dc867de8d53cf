"""The dashboard of the doors on what a real store, a listener and a subscriber tell a real Prometheus: each panel shows
something, and the rules find nothing wrong but what is."""

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta

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
from tests.conftest import Make
from tests.dashboards.scraped import ask, prometheus, told
from tests.grafana import Frame
from tests.panels import FOLDER, load, panels

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


def told_of(conn: Connection) -> dict[str, Page]:
    """Of a server on the store of `conn`, a listener and a subscriber, all of which have something to tell."""
    exporter, line, broker = Exporter("1"), Line("1"), Broker("1")
    exporter.show(Taker(conn).take())
    exporter.answers.labels("observations", 200).inc()
    line.connections.set(3)
    line.heard("MN1", console.now())
    line.commit.observe(0.3)
    broker.connected.set(1)
    broker.commit.observe(0.3)
    return {"greenwatch": exporter, "greenwatch-listen": line, "greenwatch-mqtt": broker}


@pytest.fixture(scope="module")
def home(make_database: Make, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Prometheus that has scraped them."""
    with closing(connect(make_database("apache"))) as conn:
        seed(conn, console.now().replace(microsecond=0))
        pages = told_of(conn)
    folder = tmp_path_factory.mktemp("prometheus")
    with prometheus(folder, pages, FOLDER / "rules/doors.yml") as address:
        yield address


def around() -> Frame:
    """The last hour, of both doors."""
    return Frame(console.now() - timedelta(hours=1), console.now(), DOORS)


CASES = [(panel["title"], target["expr"]) for panel in panels(NAME) for target in panel["targets"] if "expr" in target]


@pytest.mark.parametrize(("title", "expression"), CASES, ids=[f"{title} {n}" for n, (title, _) in enumerate(CASES)])
def test_a_panel_shows_something(home: str, title: str, expression: str) -> None:
    assert ask(home, around().promql(expression)), title


def test_the_figures_are_those_of_the_store(home: str) -> None:
    def shown(title: str) -> dict[tuple[str, ...], float]:
        [expression] = [expression for name, expression in CASES if name.startswith(title)]
        found = ask(home, around().promql(expression))
        return {tuple(sorted(one["metric"].values())): float(one["value"][1]) for one in found}

    assert shown("Rejects that wait") == {(): 1}
    assert shown("Rejects by source") == {("chirpstack", "unknown series"): 1}
    assert shown("Depth of the spools") == {("hj212",): 900}
    assert shown("Clocks that are wrong") == {(): 1}
    assert shown("Clocks that are off") == {("A", "hj212"): AHEAD}
    assert shown("Connections of devices") == {(): 3}
    assert set(shown("Sources, last saved")) == {("hj212",), ("chirpstack",), ("a file",)}
    live = ask(home, "greenwatch_source_live_timestamp_seconds")
    assert {one["metric"]["source"] for one in live} == {"hj212", "chirpstack"}  # nobody waits for a file
    assert 60 <= shown("Age of the spools")["hj212",] < 600


def test_the_rules_see_what_is_wrong_and_nothing_else(home: str) -> None:
    rules = [rule for group in told(home, "rules")["groups"] for rule in group["rules"]]
    assert {rule["health"] for rule in rules if rule["lastEvaluation"] > "1"} <= {"ok", "unknown"}
    assert [(rule["name"], rule["state"]) for rule in rules if rule["alerts"]] == [("ClockWrong", "pending")]


def test_the_scraped_jobs_are_those_of_the_ports_that_up_gives() -> None:
    jobs = yaml.safe_load((FOLDER / "prometheus.yml").read_text(encoding="utf-8"))["scrape_configs"]
    ours = [job for job in jobs if job["job_name"].startswith("greenwatch")]
    targets = [target for job in ours for each in job["static_configs"] for target in each["targets"]]
    ports = (serve.PORT, beside.LISTEN_METRICS, beside.MQTT_METRICS)
    assert targets == [f"127.0.0.1:{port}" for port in ports]


def test_the_variable_names_the_doors() -> None:
    [variable] = [each for each in load(NAME)["templating"]["list"] if each["type"] == "query"]
    assert variable["name"] == "door"
    assert variable["includeAll"]
