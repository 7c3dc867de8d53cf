"""The Prometheus rules and their cases, by the real promtool of Prometheus 2 and 3; what each alert says."""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from analytics import alarms
from dashboards import build
from tests import tools
from tests.panels import RULES, load, rules
from tests.scrape import served_names
from tests.tools import Tools

DASHBOARDS = Path(build.__file__).parent
#: File of cases -> file of rules.
CASES = {name: name for name in RULES} | {"weeks": "doors", "hours": "service"}
#: Of what the rules ask that is none of greenwatch's: of Prometheus and Alertmanager themselves.
OTHERS = re.compile(r"\b(up|ALERTS|prometheus_\w+|alertmanager_\w+)\b")
#: The kinds of alarms, each of which has its alert: a kind without one would wake nobody.
KINDS = set(alarms.KINDS)
CHINESE = re.compile("[\u4e00-\u9fff]{2}")
LANGUAGES = (("Meaning", "含义"), ("Impact", "影响"), ("Check", "检查"), ("Fix", "处置"), ("Escalation", "升级"))


@pytest.fixture(scope="module")
def programs() -> Tools:
    """promtool of Prometheus 2, amtool and the servers."""
    return tools.prometheus_tools()


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The rules, to be spoiled."""
    return shutil.copytree(DASHBOARDS / "rules", tmp_path / "rules")


def run(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("install", [tools.prometheus_tools, tools.newest_prometheus_tools], ids=["2", "3"])
def test_the_rules_are_clean_and_their_cases_hold(install: Callable[[], Tools]) -> None:
    promtool = install().promtool
    files = [DASHBOARDS / f"rules/{name}.yml" for name in RULES]
    done = run(promtool, "check", "rules", "--lint=all", "--lint-fatal", *files)
    assert done.returncode == 0, done.stdout + done.stderr
    done = run(promtool, "test", "rules", *(DASHBOARDS / f"rules/{name}.test.yml" for name in CASES))
    assert done.returncode == 0, done.stdout + done.stderr
    done = run(promtool, "check", "config", "--lint=all", "--lint-fatal", DASHBOARDS / "prometheus.yml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_two_are_what_they_are_called() -> None:
    said = [run(found.promtool, "--version") for found in (tools.prometheus_tools(), tools.newest_prometheus_tools())]
    versions = [re.search(r"version (\d+)", each.stdout + each.stderr) for each in said]
    assert [found[1] for found in versions if found] == ["2", "3"]


def test_each_file_of_rules_has_cases_and_is_asked_for() -> None:
    there = sorted(path.name for path in (DASHBOARDS / "rules").iterdir())
    assert there == sorted([f"{name}.yml" for name in RULES] + [f"{name}.test.yml" for name in CASES])
    config = yaml.safe_load((DASHBOARDS / "prometheus.yml").read_text(encoding="utf-8"))
    assert config["rule_files"] == [f"rules/{name}.yml" for name in RULES]


def test_no_rule_is_without_a_case_that_fires_and_one_that_does_not() -> None:
    """Watchdog alone fires always."""
    texts = [(DASHBOARDS / f"rules/{name}.test.yml").read_text(encoding="utf-8") for name in CASES]
    asked = [case for text in texts for test in yaml.safe_load(text)["tests"] for case in test["alert_rule_test"]]
    for rule in rules():
        found = [case["exp_alerts"] for case in asked if case["alertname"] == rule["alert"]]
        own = {name: value for name, value in rule["labels"].items() if "{{" not in value}
        assert any(own.items() <= one["exp_labels"].items() for alerts in found for one in alerts), rule
        assert rule["alert"] == "Watchdog" or not all(found), rule["alert"]


#: By file of cases: what is replaced in its rules, by what, and which cases see it where not all are run: some look at
#: hours, which takes its time.
SPOILT = {
    "greenwatch": [
        pytest.param(
            "last_over_time(greenwatch_alarm_level[6h])", "greenwatch_alarm_level", "restarts", id="silence resolves"
        ),
        pytest.param("[6h]", "[5m]", "restarts", id="forgets within minutes"),
        pytest.param("last_over_time", "max_over_time", "explicit 0", id="an explicit 0 does not count"),
        pytest.param('kind="episode"} > 0', 'kind="episode"} >= 0', "it does not fire at 0", id="0 fires"),
        pytest.param("for: 30s", "for: 0s", "it does not fire at 0", id="one odd scrape fires"),
        pytest.param("scope, station,", "scope,", "two instances", id="two stations are one"),
        pytest.param("| urlquery", "", "two instances", id="a link that breaks at a blank"),
        pytest.param(', scope="channel"', "", "silent channel is no", id="a station is a channel"),
        pytest.param("max_last6h >= 2", "max_last6h >= 1", "a tier a rule", id="all tiers at once"),
        pytest.param("for: 10s", "for: 30s", "HardLimit", id="a hard limit waits"),
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
    "weeks": [pytest.param("> 120 < 604800", "> 120", id="a door that was given up")],
    "service": [
        pytest.param("or absent(up", "and absent(up", id="what is not scraped is not missed"),
        pytest.param("or absent(greenwatch_work", "and absent(greenwatch_work", id="nobody ever looked"),
    ],
    "hours": [
        pytest.param(
            "and service:greenwatch_errors:ratio_rate5m > 14.4 * 0.005",
            "",
            "8 % of requests",
            id="a fault that is over",
        ),
        pytest.param(">= 10", ">= 0", "all goes well", id="a few in all"),
        pytest.param('code=~"5.."', 'code=~"[45].."', "all goes well", id="whoever asks wrongly burns our budget"),
        pytest.param("time() - min by (stage)", "min by (stage)", "a stage", id="a time is no age"),
        pytest.param("unless on (task)", "or on (task)", "a job", id="a job that goes well between"),
    ],
    "paging": [
        pytest.param("> 0.05", "> 0.005", id="one of a hundred"),
        pytest.param('or absent(up{job="alertmanager"})', "", id="no Alertmanager at all"),
        pytest.param("> 900", "> 9000", id="hours without a Watchdog"),
        pytest.param("expr: vector(1)", "expr: vector(0) > 0", id="a Watchdog that sleeps"),
    ],
}


@pytest.mark.parametrize(
    ("name", "spoilt"),
    [pytest.param(name, each.values, id=str(each.id)) for name, some in SPOILT.items() for each in some],
)
def test_a_spoilt_rule_fails_its_cases(programs: Tools, copy: Path, name: str, spoilt: tuple[str, ...]) -> None:
    right, wrong, *sees = spoilt
    file = copy / f"{CASES[name]}.yml"
    text = file.read_text(encoding="utf-8")
    code = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    assert right in code
    file.write_text(code.replace(right, wrong), encoding="utf-8")
    done = run(programs.promtool, "test", "rules", *(f"--run={case}" for case in sees), copy / f"{name}.test.yml")
    assert done.returncode != 0
    assert "FAILED" in done.stdout + done.stderr


def test_a_rule_asks_for_what_is_served() -> None:
    names = served_names()
    books = [yaml.safe_load((DASHBOARDS / f"rules/{name}.yml").read_text(encoding="utf-8")) for name in RULES]
    every = [rule for book in books for group in book["groups"] for rule in group["rules"]]
    records = {rule["record"] for rule in every if "record" in rule}
    assert all(re.fullmatch(r"[a-z]+:greenwatch_[a-z_]+:[a-z0-9_]+", name) for name in records)
    for rule in every:
        asked = set(re.findall(r"[a-z]+:greenwatch_\w+:\w+", rule["expr"]))
        assert asked <= records, rule
        bare = re.sub(r"[a-z]+:greenwatch_\w+:\w+|\"[^\"]*\"", "", rule["expr"])
        ours = set(re.findall(r"\bgreenwatch_\w+", bare))
        assert ours <= names.keys(), rule
        assert asked | ours or OTHERS.search(bare) or rule["alert"] == "Watchdog"
        # a counter is only ever looked at by its rate, and nothing else is
        rated = set(re.findall(r"(?:rate|increase)\((\w+)", bare))
        assert {name for name in rated if name in names} == {name for name in ours if names[name] == "counter"}
    of_alarms = [rule for rule in every if rule.get("alert") and "alarm:greenwatch" in rule["expr"]]
    assert {re.findall(r'kind="(\w+)"', rule["expr"])[0] for rule in of_alarms} == KINDS


def test_each_alert_says_what_whom_and_where_to_read_on() -> None:
    for rule in rules():
        said = rule["annotations"]
        assert re.fullmatch(r"([A-Z][a-z]+)+", rule["alert"])
        assert rule.get("for") or rule["alert"] == "Watchdog"
        assert set(said) == {"summary", "description", "runbook_url", "dashboard_url"}
        assert "{{" not in said["summary"]
        assert "$value" in said["description"]
        for words in (said["summary"], said["description"]):  # in both languages
            assert re.search("[a-z] [a-z]", words)
            assert CHINESE.search(words)
        assert said["runbook_url"] == f"dashboards/runbooks/{rule['alert']}.md"
        dashboard, _, asked = said["dashboard_url"].removeprefix("/d/").partition("?")
        variables = {each["name"] for each in load(dashboard)["templating"]["list"]}
        given = re.findall(r"(?:^|&)var-(\w+)=\{\{ \$labels\.(\w+) \| urlquery \}\}", asked)
        assert "&".join(f"var-{name}={{{{ $labels.{label} | urlquery }}}}" for name, label in given) == asked
        assert {name for name, _ in given} <= variables
        # what greenwatch decides brings these labels along
        carried = set(re.findall(r"\w+", rule["expr"])) >= {"max_last6h"}
        assert carried or rule["labels"]["severity"] in ("page", "ticket", "none")
        assert rule["labels"].get("team") in ("duty", "operations") or "incident:" in rule["expr"]


def test_each_alert_has_a_runbook_and_each_runbook_an_alert() -> None:
    pages = {path.stem: path.read_text(encoding="utf-8") for path in (DASHBOARDS / "runbooks").glob("*.md")}
    assert set(pages) == {rule["alert"] for rule in rules()}
    for name, text in pages.items():
        assert text.startswith(f"# {name}\n"), name
        headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
        assert headings == [f"{english} {chinese}" for english, chinese in LANGUAGES], name
        for part in re.split(r"^## .+$", text, flags=re.MULTILINE)[1:]:
            assert re.search("[a-z] [a-z]", part), (name, part)
            assert CHINESE.search(part), (name, part)
        for other in re.findall(r"\[(\w+)\]\((\w+)\.md\)", text):
            assert other[0] == other[1]
            assert other[0] in pages, (name, other)
