"""Every PromQL expression of the dashboards, asked of a real Prometheus that has scraped the seeded district."""

import re
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime

import pytest

from analytics.metrics import FAMILIES, Broker, Exporter, Line
from analytics.store.connection import Connection, connect
from jobs.web.watcher import Taker
from tests.dashboards.asked import CHOSEN, Page, Shown, expressions, filled
from tests.dashboards.scraped import ask, prometheus, told
from tests.grafana import Frame
from tests.panels import NAMES

EXPRESSIONS = list(expressions())

#: Names that mean something in PromQL, in a regular expression, or in both. All but a backtick, which no format of
#: Grafana escapes for a raw string: the panel says so then.
ODD = ['O\'HARE "1" (a|b)/c.d\\', "{}", "*"]
#: What is only there while something is wrong.
QUIET = {"greenwatch-duty: Escalated now 已升级 A"}


@pytest.fixture(scope="module")
def home(seeded: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The Prometheus."""
    exporter, line, broker = Exporter("1"), Line("1"), Broker("1")
    with closing(connect(seeded)) as conn:
        exporter.show(Taker(conn).take())
    exporter.answers.labels("observations", 200).inc()
    line.connections.set(3)
    line.heard("MN1", datetime.now(UTC))
    line.commit.observe(0.3)
    broker.connected.set(1)
    broker.commit.observe(0.3)
    pages = {"greenwatch": exporter, "greenwatch-listen": line, "greenwatch-mqtt": broker}
    with prometheus(tmp_path_factory.mktemp("prometheus"), pages) as address:
        yield address


@pytest.fixture(scope="module")
def shown(grafana: Connection) -> Shown:
    """Every page of every dashboard, its variables filled."""
    now = datetime.now(UTC)
    return {(name, page): filled(grafana, name, page, now) for name in NAMES for page in (Page.WHOLE, Page.LITTLE)}


@pytest.mark.parametrize(("name", "expression"), EXPRESSIONS, ids=[name for name, _ in EXPRESSIONS])
def test_an_expression_is_answered(home: str, shown: Shown, name: str, expression: str) -> None:
    dashboard = name.partition(":")[0]
    for page in (Page.WHOLE, Page.LITTLE):
        sent = shown[dashboard, page].promql(expression)
        assert "$" not in sent, sent
        assert ask(home, sent) or name in QUIET, sent


@pytest.mark.parametrize(("name", "expression"), EXPRESSIONS, ids=[name for name, _ in EXPRESSIONS])
def test_no_name_breaks_out_of_an_expression(home: str, shown: Shown, name: str, expression: str) -> None:
    known = shown[name.partition(":")[0], Page.LITTLE]
    odd = {each: ODD if isinstance(value, list) else ODD[0] for each, value in known.variables.items()}
    ask(home, Frame(known.start, known.stop, odd, known.interval).promql(expression))


def test_each_name_is_one_that_somebody_serves_and_counters_are_looked_at_by_their_rate(home: str) -> None:
    kinds = kinds_of(home)
    for name, expression in EXPRESSIONS:
        for used in re.findall(r"\b(?:greenwatch|prometheus|alertmanager)_\w+", without_values(expression)):
            assert used in kinds, name
            if kinds[used] == "counter":
                assert re.search(rf"(?:rate|increase)\(\s*{used}\b", expression), name


def test_figures_are_grouped_by_labels_of_their_own() -> None:
    """Not by `job`, which each scrape has: it stands for the process."""
    labels = {family.name: {*family.labels, "instance"} for family in FAMILIES}
    looked_at = 0
    for name, expression in EXPRESSIONS:
        for used in labels.keys() & set(re.findall(r"\bgreenwatch_\w+", without_values(expression))):
            for group in re.findall(r"\bby\s*\(([^)]*)\)", expression):
                assert {each.strip() for each in group.split(",") if each.strip()} <= labels[used], (name, used)
                looked_at += 1
    assert looked_at > 3


def test_there_are_expressions() -> None:
    assert len(EXPRESSIONS) >= 20
    assert {name for name, _ in EXPRESSIONS} >= QUIET
    assert set(CHOSEN) >= {"station", "door"}


def without_values(expression: str) -> str:
    """`expression` without what its labels are to be."""
    return re.sub(r"`[^`]*`|\"[^\"]*\"", "", expression)


def kinds_of(home: str) -> dict[str, str]:
    """Name of each metric that was scraped -> its kind; a histogram by the names of its parts."""
    kinds = {name: str(said[0]["type"]) for name, said in told(home, "metadata").items()}
    # Of OpenMetrics a counter is named without its ending, of the text format with it.
    counters = {
        f"{name}_total".replace("_total_total", "_total"): "counter" for name in kinds if kinds[name] == "counter"
    }
    parts = {
        f"{name}_{part}": "counter" for name in kinds if kinds[name] == "histogram" for part in ("bucket", "count")
    }
    return kinds | counters | parts
