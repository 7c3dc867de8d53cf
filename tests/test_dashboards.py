"""The dashboards: the files are what the builder makes and hold together; every PromQL expression is understood.

No registry holds a Grafana server. *Not run*: its provisioning, permissions and drawing.
"""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
import yaml
from grafana_foundation_sdk.models import units

from analytics import metrics
from dashboards import build
from tests import tools
from tests.grafana import Frame
from tests.panels import FOLDER, NAMES, load, panels, rules

#: A station whose name has what means something in PromQL or in a regular expression.
SPAN = Frame(
    datetime(2026, 1, 1, tzinfo=UTC),
    datetime(2026, 1, 2, tzinfo=UTC),
    {"station": 'O\'HARE "1" (a|b)/c.d\\', "door": ["hj212", "http@a_1"]},
)
#: The mark of unfinished work, spelt so that who searches for it does not find this line; a host of somebody else.
NOT_TO_SHIP = re.compile(r"TO[D]O|https?://")


# --- the files


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_what_the_builder_makes(name: str) -> None:
    assert (FOLDER / f"{name}.json").read_text(encoding="utf-8") == build.text(name), "run: python -m dashboards.build"


def test_there_is_no_other_file() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.json")) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_dashboard_is_for_reading(name: str) -> None:
    found = load(name)
    assert found["uid"] == name
    assert found["editable"] is False
    assert found["schemaVersion"] == 42
    assert "id" not in found
    assert not NOT_TO_SHIP.search(json.dumps(found))
    variables = [variable["name"] for variable in found["templating"]["list"]]
    assert variables[:3] == ["sql", "prom", "door" if name == "greenwatch-doors" else "district"]


UNITS = {value for key, value in vars(units).items() if isinstance(value, str) and not key.startswith("_")}


@pytest.mark.parametrize("name", NAMES)
def test_each_panel_says_what_it_is(name: str) -> None:
    numbers = [panel["id"] for panel in load(name)["panels"]]
    assert len(set(numbers)) == len(numbers)
    assert len(panels(name)) <= 20
    for panel in panels(name):
        assert panel["title"], panel["id"]
        assert re.search(r"report\.\w+|/metrics|Prometheus", panel["description"]), panel["title"]
        assert panel["datasource"]["uid"] in ("${sql}", "${prom}"), panel["title"]
        assert panel["targets"], panel["title"]
        references = [target["refId"] for target in panel["targets"]]
        assert len(set(references)) == len(references), panel["title"]
        for target in panel["targets"]:
            assert target["datasource"] == panel["datasource"], panel["title"]
        config = panel["fieldConfig"]
        used = [config["defaults"]["unit"]]
        used += [p["value"] for o in config["overrides"] for p in o["properties"] if p["id"] == "unit"]
        assert set(used) <= UNITS, panel["title"]


@pytest.mark.parametrize("name", NAMES)
def test_no_two_panels_lie_on_one_another(name: str) -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in load(name)["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        assert place["y"] <= 40, panel["title"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert taken.setdefault((x, y), panel["title"]) == panel["title"]


@pytest.mark.parametrize("name", NAMES)
def test_no_colour_stands_without_a_word(name: str) -> None:
    for panel in panels(name):
        mappings = [*panel["fieldConfig"]["defaults"].get("mappings", [])]
        for override in panel["fieldConfig"]["overrides"]:
            mappings += [m for p in override["properties"] if p["id"] == "mappings" for m in p["value"]]
        for each in mappings:
            assert all(result["text"] and result["color"] for result in each["options"].values()), panel["title"]


@pytest.mark.parametrize("name", NAMES)
def test_a_link_leads_to_a_dashboard_and_a_variable_that_are_there(name: str) -> None:
    links = re.findall(r'"url": "([^"]*)"', (FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    for link in filter(None, links):
        uid, _, rest = link.removeprefix("/d/").partition("?")
        known = {variable["name"] for variable in load(uid)["templating"]["list"]}
        assert set(re.findall(r"var-(\w+)=", rest)) <= known
    assert links or name != "greenwatch-district"


def test_what_provisioning_names_is_what_the_dashboards_ask_for() -> None:
    text = (FOLDER / "provisioning/datasources/greenwatch.yml").read_text(encoding="utf-8")
    sources = {source["uid"]: source for source in yaml.safe_load(text)["datasources"]}
    for name in NAMES:
        for variable in load(name)["templating"]["list"]:
            if variable["type"] == "datasource":
                assert sources[variable["current"]["value"]]["type"] == variable["query"]
    assert sources["greenwatch-sql"]["secureJsonData"]["password"].startswith("$")
    [provider] = yaml.safe_load((FOLDER / "provisioning/dashboards/greenwatch.yml").read_text())["providers"]
    assert provider["allowUiUpdates"] is False


# --- PromQL


def metric_names() -> dict[str, str]:
    """What greenwatch serves, of the store and of each process, and its kind; a histogram by the names of its parts."""
    names: dict[str, str] = {family.name: family.kind for family in metrics.FAMILIES}
    names["greenwatch_snapshot_timestamp_seconds"] = "gauge"
    for page in (metrics.Exporter("1"), metrics.Line("1"), metrics.Broker("1")):
        for name, kind in re.findall(r"^# TYPE (greenwatch_\S+) (\w+)$", page.page("")[0].decode(), re.MULTILINE):
            if kind == "histogram":
                names |= {f"{name}_{part}": "counter" for part in ("bucket", "count", "sum")}
            else:
                names[name] = kind
    return names


def expressions() -> list[tuple[str, str]]:
    found = [
        (f"{name}: {panel['title']}", target["expr"])
        for name in NAMES
        for panel in panels(name)
        for target in panel["targets"]
        if "expr" in target
    ]
    return found + [(rule["alert"], rule["expr"]) for rule in rules()]


def test_prometheus_understands_each_expression_and_greenwatch_serves_what_it_asks_for(tmp_path: Path) -> None:
    (tmp_path / "prometheus.yml").write_text("{}")
    [port] = tools.free_ports(1)
    home = f"http://127.0.0.1:{port}"
    command = [tools.prometheus_tools().prometheus, f"--config.file={tmp_path / 'prometheus.yml'}"]
    command += [f"--storage.tsdb.path={tmp_path / 'data'}", f"--web.listen-address=127.0.0.1:{port}"]
    assert len(expressions()) >= 4
    with tools.served(command, f"{home}/-/ready", tmp_path / "log"), httpx.Client(trust_env=False) as client:
        for name, expression in expressions():
            sent = SPAN.promql(expression)
            answer = client.get(f"{home}/api/v1/query", params={"query": sent}).json()
            assert answer["status"] == "success", (name, answer)
            asked = set(re.findall(r"\bgreenwatch_\w+", sent))
            assert asked
            assert asked <= metric_names().keys(), name
        # A counter is only ever looked at by its rate.
        counters = {name for name, kind in metric_names().items() if kind == "counter"}
        for name, expression in expressions():
            assert not counters & set(re.findall(r"(?<!rate\()\bgreenwatch_\w+", expression)), name
