"""The Prometheus rule, its cases and the configurations beside it, by the real promtool and amtool."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import tools
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


def cases(programs: Tools, folder: Path) -> subprocess.CompletedProcess[str]:
    return run(programs.promtool, "test", "rules", folder / "rules/greenwatch.test.yml")


def test_the_rule_is_clean_and_its_cases_hold(programs: Tools) -> None:
    done = run(programs.promtool, "check", "rules", "--lint=all", "--lint-fatal", DASHBOARDS / "rules/greenwatch.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    done = cases(programs, DASHBOARDS)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        pytest.param("last_over_time(greenwatch_alarm_level[6h])", "greenwatch_alarm_level", id="silence resolves"),
        pytest.param("[6h]", "[5m]", id="forgets within minutes"),
        pytest.param("last_over_time", "max_over_time", id="an explicit 0 does not count"),
        pytest.param("> 0", ">= 0", id="0 fires"),
        pytest.param("for: 30s", "for: 0s", id="one odd scrape fires"),
        pytest.param("max by (rule, station, parameter, district, severity) (", "(", id="an alert for each instance"),
        pytest.param("(rule, station,", "(rule,", id="two stations are one"),
        pytest.param("| urlquery", "", id="a link that breaks at a blank"),
    ],
)
def test_a_spoilt_rule_fails_its_cases(programs: Tools, copy: Path, right: str, wrong: str) -> None:
    rules = copy / "rules/greenwatch.yml"
    text = rules.read_text(encoding="utf-8")
    code = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    assert right in code
    rules.write_text(code.replace(right, wrong), encoding="utf-8")
    assert cases(programs, copy).returncode != 0


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((DASHBOARDS / "rules/greenwatch.yml").read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


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
        dashboard = re.fullmatch(r"/d/([a-z-]+)\?var-(\w+)=.*", said["dashboard_url"])
        assert dashboard is not None
        assert (DASHBOARDS / f"{dashboard[1]}.json").exists()
        assert rule["labels"]["team"]


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
    ],
)
def test_who_is_told(programs: Tools, labels: list[str], receiver: str) -> None:
    words = ["--config.file", ALERTMANAGER, f"--verify.receivers={receiver}", "alertname=PollutionEpisode"]
    done = run(programs.amtool, "config", "routes", "test", *words, *labels)
    assert done.returncode == 0, done.stdout + done.stderr
