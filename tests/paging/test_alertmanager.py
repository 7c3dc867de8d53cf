"""Who is told, of what not, and in which words: Alertmanager's file and template, by its own tools and by itself."""

import json
import re
import subprocess
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest
import yaml

from analytics import alarms
from analytics.frames import conform
from analytics.store import alarms as store
from analytics.store.connection import Connection
from analytics.store.register import read as read_registry
from jobs import console, register
from tests import tools
from tests.panels import FOLDER, rules
from tests.serving import until

CONFIG, TEMPLATE = FOLDER / "alertmanager/alertmanager.yml", FOLDER / "alertmanager/greenwatch.tmpl"
PARK = "industrial-park"
#: Whose work it is, how urgent, and whether the district has a desk of its own: who is told.
RECEIVERS = {
    ("duty", "page", True): "duty-industrial-park",
    ("duty", "page", False): "duty",
    ("duty", "ticket", True): "tickets",
    ("duty", "ticket", False): "tickets",
    ("operations", "page", True): "operations",
    ("operations", "page", False): "operations",
    ("operations", "ticket", True): "operations-tickets",
    ("operations", "ticket", False): "operations-tickets",
}
#: Of a name that needs care, and of another district.
CODES = ('O\'HARE "1"', "B")
#: What an alarm may be about, by the parts of its name.
SUBJECTS = {
    "station": "SELECT id FROM station WHERE code = %s",
    "channel": "SELECT x.id FROM series x JOIN station t ON t.id = x.station WHERE t.code = %s AND x.parameter = %s",
    "source": "SELECT id FROM source WHERE name = %s",
    "district": "SELECT %s::text",
}


def amtool(*words: object) -> str:
    """What `amtool WORDS` says."""
    command = [str(word) for word in (tools.prometheus_tools().amtool, *words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def told(**labels: str) -> list[str]:
    """The receivers of an alert with `labels`."""
    words = [f"{name}={value}" for name, value in labels.items() if value]
    return amtool("config", "routes", "test", f"--config.file={CONFIG}", *words).strip().split(",")


def test_the_file_is_whole() -> None:
    said = amtool("check-config", CONFIG)
    config = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    assert f"{len(config['inhibit_rules'])} inhibit rules" in said
    assert f"{len(config['receivers'])} receivers" in said
    assert "1 templates" in said


@pytest.mark.parametrize("district", [PARK, "SYN-WEST", ""])
def test_each_district_role_and_severity_has_whom_to_tell(district: str) -> None:
    for team, severity, incident in product(("duty", "operations"), ("page", "ticket"), ("", "7")):
        one = RECEIVERS[team, severity, district == PARK]
        # whatever has an incident is said to greenwatch, too
        expected = ["greenwatch", one] if incident else [one]
        assert told(alertname="X", team=team, severity=severity, district=district, incident=incident) == expected


def test_who_is_next_where_nobody_acknowledged_is_said_by_the_tier() -> None:
    late = {"alertname": "IncidentUnacknowledged", "incident": "7", "district": PARK, "team": "duty"}
    for tier in "123":
        for severity in ("page", "ticket"):
            assert told(**late, tier=tier, severity=severity) == ["greenwatch", f"escalation-{tier}"]
    assert told(**late | {"team": "operations"}, tier="2", severity="page") == ["greenwatch", "escalation-2"]


def test_watchdog_reaches_the_dead_mans_switch_alone() -> None:
    assert told(alertname="Watchdog", severity="none", team="operations") == ["deadman"]


def test_every_alert_of_the_rules_reaches_somebody() -> None:
    known = {each["name"] for each in yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["receivers"]}
    reached = set(RECEIVERS.values()) | {"deadman", "greenwatch", "escalation-1", "escalation-2", "escalation-3"}
    assert reached == known
    for rule in rules():
        own = {name: value for name, value in rule["labels"].items() if "{{" not in value}
        found = told(alertname=rule["alert"], **{"severity": "page", "team": "duty"} | own)
        assert found[0] in known
        assert rule["labels"].get("team") != "operations" or found[0] in ("operations", "operations-tickets", "deadman")


# -- in which words


def rendered(folder: Path, text: str, alerts: list[dict[str, Any]], status: str = "firing") -> str:
    """The template `text` of a message about `alerts`."""
    shared = [dict(set.intersection(*(set(one[kind].items()) for one in alerts))) for kind in ("labels", "annotations")]
    data = {"receiver": "duty", "status": status, "alerts": alerts, "groupLabels": {}, "externalURL": "http://x"}
    data |= {"commonLabels": shared[0], "commonAnnotations": shared[1]}
    (folder / "data.json").write_text(json.dumps(data), encoding="utf-8")
    words = ["--template.type=text", f"--template.data={folder / 'data.json'}", f"--template.glob={TEMPLATE}"]
    return amtool("template", "render", *words, "--template.text", f'{{{{ template "greenwatch.{text}" . }}}}')


def alert(station: str, severity: str = "page", status: str = "firing") -> dict[str, Any]:
    [rule] = [rule for rule in rules() if rule["alert"] == "PollutionEpisode"]
    labels = {"alertname": "PollutionEpisode", "rule": "pm25_heavy", "station": station, "parameter": "pm25"}
    labels |= {"district": PARK, "severity": severity, "team": "duty", "incident": "7"}
    annotations = {
        "summary": rule["annotations"]["summary"],
        "description": f"At {station}. 在 {station}。",
        "runbook_url": "dashboards/runbooks/PollutionEpisode.md",
        "dashboard_url": "/d/greenwatch-station?var-station=A",
    }
    times = {"startsAt": "2026-06-01T12:34:56+08:00", "endsAt": "2026-06-01T15:00:00Z"}
    return {"status": status, "labels": labels, "annotations": annotations, "fingerprint": "1", **times}


def test_a_message_says_all_in_both_languages(tmp_path: Path) -> None:
    said = rendered(tmp_path, "text", [alert(CODES[0]), alert("B", "ticket")])
    first, second = said.strip().splitlines()
    assert first.startswith("【紧急 PAGE】PollutionEpisode pm25_heavy · ")
    for words in (
        f"{PARK} {CODES[0]} pm25",  # a quote stays one: it is no page of the web
        f"At {CODES[0]}. 在 {CODES[0]}。",
        "自 since 2026-06-01 04:34 UTC",
        "事件 incident http://127.0.0.1:8080/v1/incidents/7",
        "依据 evidence http://127.0.0.1:3000/d/greenwatch-station?var-station=A",
        "处置 runbook dashboards/runbooks/PollutionEpisode.md",
    ):
        assert words in first, words
    assert "until" not in first
    assert second.startswith("【工单 TICKET】")
    title = rendered(tmp_path, "title", [alert(CODES[0]), alert("B")])
    assert title.strip() == (
        f"2 × PollutionEpisode pm25_heavy · {PARK} · A pollution episode is under way. 污染过程正在发生。"
    )
    link = rendered(tmp_path, "link", [alert("A")])
    assert link.strip() == "http://127.0.0.1:3000/d/greenwatch-station?var-station=A"


def test_an_end_is_said_as_one(tmp_path: Path) -> None:
    over = [alert("A", status="resolved")]
    line = rendered(tmp_path, "text", over, "resolved").strip()
    assert line.startswith("【解除 RESOLVED】PollutionEpisode")
    assert "至 until 2026-06-01 15:00 UTC" in line
    assert rendered(tmp_path, "title", over, "resolved").startswith("【解除 RESOLVED】PollutionEpisode pm25_heavy")


def test_every_template_that_is_asked_for_is_there() -> None:
    text = TEMPLATE.read_text(encoding="utf-8")
    defined = set(re.findall(r'define "([^"]+)"', text))
    asked = set(re.findall(r'template "([^"]+)"', text + CONFIG.read_text(encoding="utf-8")))
    assert asked <= defined
    assert defined <= asked


# -- of what nobody is told beside something else


@pytest.fixture
def alertmanager(tmp_path: Path) -> Iterator[str]:
    """A real one, with the inhibitions of the file; it tells nobody."""
    config = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    quiet = {"route": {"receiver": "nobody"}, "receivers": [{"name": "nobody"}]}
    (tmp_path / "quiet.yml").write_text(yaml.safe_dump(quiet | {"inhibit_rules": config["inhibit_rules"]}))
    [port] = tools.free_ports(1)
    words = [f"--config.file={tmp_path / 'quiet.yml'}", f"--storage.path={tmp_path}", "--cluster.listen-address="]
    home = f"http://127.0.0.1:{port}"
    command = [tools.prometheus_tools().alertmanager, *words, f"--web.listen-address=127.0.0.1:{port}"]
    with tools.served(command, f"{home}/-/ready", tmp_path / "log"):
        yield home


def hushed(home: str, alerts: list[dict[str, str]], expected: list[dict[str, str]]) -> None:
    """Nothing; of `alerts`, all of which are on now, just `expected` are told nobody."""
    now = datetime.now(UTC)
    times = {"startsAt": now.isoformat(), "endsAt": (now + timedelta(hours=1)).isoformat()}
    body = [{"labels": {k: v for k, v in labels.items() if v}, **times} for labels in alerts]
    httpx.post(f"{home}/api/v2/alerts", json=body, trust_env=False, timeout=30).raise_for_status()

    def quiet() -> list[str]:
        found = httpx.get(f"{home}/api/v2/alerts", trust_env=False, timeout=30).json()
        return sorted(written(one["labels"]) for one in found if one["status"]["inhibitedBy"])

    wanted = sorted(written(labels) for labels in expected)
    try:
        until(lambda: quiet() == wanted, 20)
        time.sleep(0.2)
        assert quiet() == wanted
    except AssertionError:
        assert quiet() == wanted  # which says what is there


def written(labels: Mapping[str, str]) -> str:
    return json.dumps({name: value for name, value in labels.items() if value}, sort_keys=True)


def served(conn: Connection, on: list[tuple[str, str, str, str]]) -> dict[tuple[str, str, str], dict[str, str]]:
    """Labels of the alert of each of `on` (scope, its name, rule, severities), as the gauge serves it and the rules
    call it; by name, rule and severity."""
    now = console.now()
    states = []
    for number, (scope, name, rule, severities) in enumerate(on, 1):
        [(found,)] = conn.execute(SUBJECTS[scope], name.split("/")).fetchall()
        kept = store.subjects(conn, scope, pl.Series([found], dtype=None if scope == "district" else pl.Int32))
        first, _, last = severities.partition(" ")
        told = {"first": first, "told": last or first, "incident": number, "since": now, "fired": now}
        states.append({"subject": kept["subject"][0], "rule": rule, "state": "firing", "level": 1} | told)
    frame = pl.DataFrame(states).with_columns(
        pl.lit(None).alias(name) for name in alarms.STATE if name not in states[0]
    )
    store.save(conn, conform(frame, alarms.STATE), pl.DataFrame(schema=dict(alarms.EVENTS)))
    of_kind = [rule for rule in rules() if "alarm:greenwatch" in rule["expr"]]
    made = {}
    for row in store.gauge(conn, now).drop("level").iter_rows(named=True):
        [named] = [
            each
            for each in of_kind
            if all(row[label] == value for label, value in re.findall(r'(\w+)="(\w+)"', each["expr"]))
        ]
        name = row["source"] or row["station"] or row["district"]
        made[name, row["rule"], row["severity"]] = row | {"alertname": named["alert"], **named["labels"]}
    return made


def test_what_follows_from_something_else_is_told_nobody_beside_it(conn: Connection, alertmanager: str) -> None:
    codes = [code.replace('"', '""') for code in CODES]
    text = "\n".join(
        ["station,parameter,cadence,member:district"]
        + [f'"{codes[0]}",{parameter},10m,WEST' for parameter in ("pm25", "pm10")]
        + [f'"{codes[1]}",{parameter},10m,EAST' for parameter in ("pm25", "pm10")]
    )
    register.write(conn, read_registry(text.encode(), "rows.csv", *register.rules(conn)))
    conn.execute("INSERT INTO source (name) VALUES ('gas')")
    a, b = CODES
    on = [
        ("station", a, "pm25_heavy", "page"),  # its district is told of together
        ("station", b, "pm25_heavy", "page"),  # another district
        ("station", a, "pm10_heavy", "page"),  # another quantity
        ("station", b, "pm10_polluted", "ticket page"),  # a ticket that was told again, louder
        ("district", "WEST", "pm25_heavy_region", "page"),
        ("station", a, "station_silent", "ticket"),
        ("channel", f"{a}/pm25", "channel_silent", "ticket"),  # under its station
        ("channel", f"{b}/pm25", "channel_silent", "ticket"),
        ("source", "gas", "source_outage", "page"),  # what lies under it greenwatch holds back itself
    ]
    made = served(conn, on)
    assert len(made) == len(on) + 1
    quiet = [
        made[a, "pm25_heavy", "page"],
        made[b, "pm10_polluted", "ticket"],
        made[a, "channel_silent", "ticket"],
    ]
    hushed(alertmanager, list(made.values()), quiet)


def test_who_was_called_last_and_what_stands_still_say_it_alone(alertmanager: str) -> None:
    def one(alertname: str, severity: str = "page", **labels: str) -> dict[str, str]:
        return {"alertname": alertname, "severity": severity, "team": "operations", **labels}

    tiers = {n: one("IncidentUnacknowledged", incident="7", tier=n, district="WEST") for n in "123"}
    other = one("IncidentUnacknowledged", incident="8", tier="1", district="WEST")
    twice = one("IncidentUnacknowledged", "ticket", incident="8", tier="1", district="WEST")
    spent = one("ErrorBudgetBurning", service="http", window="1h")
    later = one("ErrorBudgetBurning", "ticket", service="http", window="3d")
    work = one("ErrorBudgetBurning", "ticket", service="work", window="3d")
    full, pull = one("SpoolRefuses", door="mqtt"), one("PullFails", "ticket", pull="calder")
    behind = one("SettlingBehind", "ticket", stage="flag")
    every = [*tiers.values(), other, twice, spent, later, work, full, pull, behind]
    quiet = [tiers["1"], tiers["2"], twice, later]
    hushed(alertmanager, every, quiet)
    away = one("StoreAway", instance="a:8080")
    hushed(alertmanager, [away], [*quiet, behind])
    down, old = one("GreenwatchDown", instance="b:8080"), one("SnapshotOld", instance="b:8080")
    hushed(alertmanager, [down, old], [*quiet, behind, old])
