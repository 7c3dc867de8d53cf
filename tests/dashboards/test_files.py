"""The dashboards: the files are what the builder makes, and hold together. No registry holds a Grafana server."""

import json
import re
from typing import Any

import pytest
from grafana_foundation_sdk.models import units

from dashboards import build
from tests.panels import FOLDER, NAMES, load, panels

#: The mark of unfinished work, spelt so that who searches for it does not find this line; a host of somebody else.
NOT_TO_SHIP = re.compile(r"TO[D]O|https?://")
#: What somebody reads is in both languages.
CHINESE = re.compile(r"[\u4e00-\u9fff]")
#: What a dashboard asks its reader first.
FIRST = {"greenwatch-doors": ["door"], "greenwatch-pipeline": []}


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
    assert variables[:2] == ["sql", "prom"]
    assert variables[2:3] == FIRST.get(name, ["district"])
    [link] = found["links"]
    assert (link["type"], link["tags"], link["keepTime"]) == ("dashboards", found["tags"], True)


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
        # What Grafana has no unit for is written behind the figure.
        assert {unit for unit in used if not re.fullmatch(r"suffix:\S+|time:.+", unit)} <= UNITS, panel["title"]


@pytest.mark.parametrize("name", NAMES)
def test_no_two_panels_lie_on_one_another(name: str) -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in load(name)["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        assert place["y"] <= 56, panel["title"]
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


def links(panel: dict[str, Any]) -> list[str]:
    """Addresses that `panel` leads to."""
    settings = [each for override in panel["fieldConfig"]["overrides"] for each in override["properties"]]
    given = [link for each in settings if each["id"] == "links" for link in each["value"]]
    given += panel["fieldConfig"]["defaults"].get("links", []) + panel.get("links", [])
    return [link["url"] for link in given]


@pytest.mark.parametrize("name", NAMES)
def test_a_link_leads_to_a_dashboard_and_a_variable_that_are_there(name: str) -> None:
    for panel in panels(name):
        asked = " ".join(target.get("rawSql", "") for target in panel["targets"])
        for link in links(panel):
            uid, _, rest = link.removeprefix("/d/").partition("?")
            known = {variable["name"] for variable in load(uid)["templating"]["list"]}
            assert set(re.findall(r"var-(\w+)=", rest)) <= known, link
            for column in re.findall(r"\$\{__data\.fields\.(\w+)\}", rest):
                assert re.search(rf"\b{column}\b", asked), (panel["title"], column)


def test_the_ways_from_one_dashboard_to_the_next_are_there() -> None:
    led = {name: {link.split("?")[0] for panel in panels(name) for link in links(panel)} for name in NAMES}
    assert {name for name, to in led.items() if "/d/greenwatch-station" in to} >= {
        "greenwatch-district",
        "greenwatch-duty",
        "greenwatch-quality",
    }


@pytest.mark.parametrize("name", NAMES)
def test_what_is_read_is_in_both_languages(name: str) -> None:
    found = load(name)
    names = [found["title"], *(panel["title"] for panel in found["panels"])]
    names += [each["name"] for each in found["annotations"].get("list", []) if "rawSql" in each.get("target", {})]
    names += [each["label"] for each in found["templating"]["list"] if each["type"] != "datasource"]
    assert [each for each in names if not CHINESE.search(each) and "${" not in each] == []
