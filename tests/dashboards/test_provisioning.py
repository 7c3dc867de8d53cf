"""The provisioning files hold together, with one another and with the dashboards. *Not run*: Grafana reading them."""

import re
from typing import Any

import yaml

from tests.panels import FOLDER, NAMES, load

FILES = sorted((FOLDER / "provisioning").rglob("*.yml"))
#: What a data source may say (Grafana 10 to 13): a word that it does not know it does not mind, and nobody notices.
SOURCE = {"name", "uid", "type", "access", "url", "user", "secureJsonData", "jsonData", "editable", "isDefault"}
POSTGRES = {
    "database": str,
    "sslmode": str,
    "postgresVersion": int,
    "timescaledb": bool,
    "maxOpenConns": int,
    "maxIdleConns": int,
    "timeInterval": str,
}
PROMETHEUS = {"httpMethod": str, "timeInterval": str}
PROVIDER = {"name", "folder", "type", "disableDeletion", "allowUiUpdates", "updateIntervalSeconds", "options"}


def read(path: str) -> dict[str, Any]:
    return dict(yaml.safe_load((FOLDER / "provisioning" / path).read_text(encoding="utf-8")))


SOURCES = {source["uid"]: source for source in read("datasources/greenwatch.yml")["datasources"]}


def test_there_are_data_sources_and_dashboards_and_no_alert_of_grafanas() -> None:
    """One alert, one engine: what pages is decided by `watch` and carried by Prometheus."""
    assert [str(path.relative_to(FOLDER / "provisioning")) for path in FILES] == [
        "dashboards/greenwatch.yml",
        "datasources/greenwatch.yml",
    ]
    assert all(read(str(path.relative_to(FOLDER / "provisioning")))["apiVersion"] == 1 for path in FILES)


def test_each_data_source_says_what_grafana_knows() -> None:
    assert set(SOURCES) == {"greenwatch-sql", "greenwatch-prom"}
    for uid, known in (("greenwatch-sql", POSTGRES), ("greenwatch-prom", PROMETHEUS)):
        assert set(SOURCES[uid]) <= SOURCE
        given = SOURCES[uid]["jsonData"]
        assert set(given) <= set(known), uid
        assert all(type(value) is known[name] or str(value).startswith("$") for name, value in given.items()), given
        assert SOURCES[uid]["access"] == "proxy"
        assert SOURCES[uid]["editable"] is False
    # The server that is started here: Grafana writes other SQL for older ones.
    assert SOURCES["greenwatch-sql"]["jsonData"]["postgresVersion"] == 1700


def test_no_secret_host_or_name_of_somebody_stands_in_a_file() -> None:
    for path in FILES:
        words = re.sub(r"#.*", "", path.read_text(encoding="utf-8"))
        assert not re.search(r"https?://|localhost|\d+\.\d+\.\d+\.\d+", words), path
        for key, value in re.findall(r"^\s*(password|user|url|database|path):\s*(\S+)", words, re.MULTILINE):
            assert value.startswith("$GREENWATCH_"), (path, key)


def test_the_readme_names_all_that_the_environment_is_to_say() -> None:
    asked = {name for path in FILES for name in re.findall(r"\$(GREENWATCH_\w+)", path.read_text(encoding="utf-8"))}
    told = set(re.findall(r"GREENWATCH_\w+", (FOLDER / "README.md").read_text(encoding="utf-8")))
    assert asked <= told
    assert len(asked) >= 7


def test_the_data_sources_are_those_that_the_dashboards_ask_for() -> None:
    for name in NAMES:
        chosen = {each["name"]: each for each in load(name)["templating"]["list"] if each["type"] == "datasource"}
        assert set(chosen) == {"sql", "prom"}
        for variable in chosen.values():
            assert SOURCES[variable["current"]["value"]]["type"] == variable["query"]


def test_the_provider_reads_the_folder_of_the_dashboards_and_lets_nobody_change_them() -> None:
    [provider] = read("dashboards/greenwatch.yml")["providers"]
    assert set(provider) <= PROVIDER
    assert provider["type"] == "file"
    assert provider["allowUiUpdates"] is False
    assert provider["options"] == {"path": "$GREENWATCH_DASHBOARDS"}
    # It reads every JSON file below that folder: each has to be a dashboard, with a uid of its own.
    assert sorted(path.stem for path in FOLDER.rglob("*.json")) == sorted(NAMES)
