"""The Prometheus rules, their cases and the configurations beside it, by the real promtool and amtool."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests import tools
from tests.panels import RULES, load, rules
from tests.tools import Tools

DASHBOARDS = Path(__file__).parents[1] / "dashboards"


@pytest.fixture(scope="module")
def programs() -> Tools:
    """promtool, amtool and the servers."""
    return tools.prometheus_tools()


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The folder, to be spoiled."""
    return shutil.copytree(DASHBOARDS, tmp_path / "dashboards")


def run(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=60, check=False)


def cases(programs: Tools, folder: Path, name: str = "greenwatch") -> subprocess.CompletedProcess[str]:
    return run(programs.promtool, "test", "rules", folder / f"rules/{name}.test.yml")


#: File of cases -> file of rules.
CASES = {"greenwatch": "greenwatch", "doors": "doors", "weeks": "doors"}


@pytest.mark.parametrize("name", CASES)
def test_the_rules_are_clean_and_their_cases_hold(programs: Tools, name: str) -> None:
    file = DASHBOARDS / f"rules/{CASES[name]}.yml"
    done = run(programs.promtool, "check", "rules", "--lint=all", "--lint-fatal", file)
    assert done.returncode == 0, done.stdout + done.stderr
    done = cases(programs, DASHBOARDS, name)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_rule_is_without_a_case_that_fires_and_one_that_does_not() -> None:
    assert set(CASES.values()) == set(RULES)
    texts = [(DASHBOARDS / f"rules/{name}.test.yml").read_text(encoding="utf-8") for name in CASES]
    asked = [case for text in texts for test in yaml.safe_load(text)["tests"] for case in test["alert_rule_test"]]
    for rule in rules():
        found = [case["exp_alerts"] for case in asked if case["alertname"] == rule["alert"]]
        assert any(found), rule["alert"]
        assert not all(found), rule["alert"]


SPOILT = {
    "greenwatch": [
        pytest.param("last_over_time(greenwatch_alarm_level[6h])", "greenwatch_alarm_level", id="silence resolves"),
        pytest.param("[6h]", "[5m]", id="forgets within minutes"),
        pytest.param("last_over_time", "max_over_time", id="an explicit 0 does not count"),
        pytest.param("> 0", ">= 0", id="0 fires"),
        pytest.param("for: 30s", "for: 0s", id="one odd scrape fires"),
        pytest.param("max by (rule, station, parameter, district, severity) (", "(", id="an alert for each instance"),
        pytest.param("(rule, station,", "(rule,", id="two stations are one"),
        pytest.param("| urlquery", "", id="a link that breaks at a blank"),
    ],
    "doors": [
        pytest.param("or max by (door) (rate(greenwatch_spool_refused_total[5m])) > 0", "", id="refused now and then"),
        pytest.param("> 300", "> 3000", id="a record waits for an hour"),
        pytest.param("> 268435456", ">= 268435456", id="a spool fills a little"),
        pytest.param("greenwatch_snapshot_timestamp_seconds\n            -", "time() -", id="no database, no door"),
        pytest.param('{door=~"(hj212|mqtt)(@.*)?"}', "", id="posts need no spool"),
        pytest.param("for: 2m", "for: 0s", id="a moment without broker or database"),
        pytest.param("or min by (station, source)", "and min by (station, source)", id="one way is enough"),
        pytest.param("for: 30m", "for: 1m", id="a clock that is set right"),
        pytest.param("unless time()", "or time()", id="two failures"),
        pytest.param("> 1800", "> 0", id="due a minute ago"),
    ],
    "weeks": [
        pytest.param("> 120 < 604800", "> 120", id="a door that was given up"),
        pytest.param("> 4 * 604800", "> 604800", id="one gap"),
        pytest.param("> 4 * 604800 / changes", "> 7200 + 0 * changes", id="no habit"),
    ],
}


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [pytest.param(name, *each.values, id=str(each.id)) for name, some in SPOILT.items() for each in some],
)
def test_a_spoilt_rule_fails_its_cases(programs: Tools, copy: Path, name: str, right: str, wrong: str) -> None:
    file = copy / f"rules/{CASES[name]}.yml"
    text = file.read_text(encoding="utf-8")
    code = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    assert right in code
    file.write_text(code.replace(right, wrong), encoding="utf-8")
    assert cases(programs, copy, name).returncode != 0


def test_each_alert_says_what_whom_and_where_to_read_on() -> None:
    headings = re.findall(r"^## (\w+)$", (DASHBOARDS / "runbook.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings == [rule["alert"] for rule in rules()]
    for rule in rules():
        said = rule["annotations"]
        assert "{{" not in said["summary"]
        assert "$value" in said["description"]
        page, _, anchor = said["runbook_url"].partition("#")
        assert page == "dashboards/runbook.md"
        assert anchor == rule["alert"].lower()
        dashboard = re.fullmatch(r"/d/([a-z-]+)(?:\?var-(\w+)=.+)?", said["dashboard_url"])
        assert dashboard is not None
        variables = {each["name"] for each in load(dashboard[1])["templating"]["list"]}
        assert dashboard[2] is None or dashboard[2] in variables
        assert rule["labels"]["team"]
        if rule["labels"]["team"] == "operations":
            assert rule["labels"]["severity"] in ("page", "ticket")
            for words in (said["summary"], said["description"]):  # in both languages
                assert re.search("[a-z] [a-z]", words)
                assert re.search("[\u4e00-\u9fff]{2}", words)


def test_an_alert_silences_none_of_another_name() -> None:
    config = yaml.safe_load(ALERTMANAGER.read_text(encoding="utf-8"))
    assert all("alertname" in rule["equal"] for rule in config["inhibit_rules"])


def test_prometheus_would_start_with_its_example(programs: Tools) -> None:
    done = run(programs.promtool, "check", "config", "--lint=all", "--lint-fatal", DASHBOARDS / "prometheus.yml")
    assert done.returncode == 0, done.stdout + done.stderr


ALERTMANAGER = DASHBOARDS / "alertmanager/alertmanager.yml"


def test_alertmanager_would_start_with_its_example(programs: Tools) -> None:
    done = run(programs.amtool, "check-config", ALERTMANAGER)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        (["severity=page", "district=riverside"], "duty"),
        (["severity=page"], "duty"),
        (["severity=page", "district=industrial-park"], "duty-industrial-park"),
        (["severity=ticket", "district=industrial-park"], "tickets"),
        (["severity=none"], "tickets"),
        (["alertname=SpoolRefuses", "door=hj212", "severity=page", "team=operations"], "duty"),
        (["alertname=ClockWrong", "station=A", "severity=ticket", "team=operations"], "tickets"),
    ],
)
def test_who_is_told(programs: Tools, labels: list[str], receiver: str) -> None:
    words = ["--config.file", ALERTMANAGER, f"--verify.receivers={receiver}"]
    labels = labels if labels[0].startswith("alertname") else ["alertname=PollutionEpisode", *labels]
    done = run(programs.amtool, "config", "routes", "test", *words, *labels)
    assert done.returncode == 0, done.stdout + done.stderr
