"""Names of what all our processes serve: as Prometheus asks for them, in text and in OpenMetrics."""

import re
import subprocess
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import pytest

from analytics.metrics import Broker, Deadman, Exporter, Line, Snapshot
from tests import tools
from tests.benchmarks.scrape import PROMETHEUS
from tests.scrape import openmetrics
from tests.test_metrics import FRAMES, T

#: Endings that are no unit, and what they are: a count of something, a state, a measure without a dimension.
UNITS = (
    "seconds|bytes|celsius|ratio|meters|volts|pascals|siemens|grams|watts|decibels|degrees|ntu|psu|qsu|dimensionless"
)
COUNTED = re.compile(
    r"greenwatch_(alarms|alarm_level|incident_tier|rejects|rejects_waiting|conflicts_total|stale_windows|samples"
    r"|samples_omitted|backfill_chunks|spool_records|spool_full|pull_failures|database_up|listen_connections"
    r"|listen_connections_most|mqtt_connected|mqtt_waiting|deadman_silent|(\w+_)?build(_info)?)$"
)


def line() -> Line:
    made = Line("1")
    made.heard("MN1", T)
    made.commit.observe(0.3)
    for counter in (made.closed, made.frames, made.faults, made.bends, made.unanswered, made.requests, made.results):
        counter.labels("x").inc()
    return made


def broker() -> Broker:
    made = Broker("1")
    made.commit.observe(0.3)
    for counter in (made.messages, made.refused):
        counter.labels("x").inc()
    return made


def exporter() -> Exporter:
    made = Exporter("1")
    made.show(Snapshot(T, FRAMES))
    made.heard(datetime.now(UTC))
    made.answers.labels("observations", 200).inc()
    made.seconds.labels("observations").observe(0.02)
    return made


def deadman() -> Deadman:
    return Deadman("1")


PAGES: Mapping[str, Callable[[], Exporter | Line | Broker | Deadman]] = {
    "serve": exporter,
    "listen": line,
    "mqtt": broker,
    "deadman": deadman,
}
each_page = pytest.mark.parametrize("name", PAGES)


@each_page
def test_promtool_finds_nothing_to_say(name: str) -> None:
    text = PAGES[name]().answer("")[0]
    for found in (tools.prometheus_tools(), tools.newest_prometheus_tools()):
        done = subprocess.run(
            [found.promtool, "check", "metrics"], input=text, capture_output=True, timeout=60, check=False
        )
        assert (done.returncode, done.stdout + done.stderr) == (0, b"")


@each_page
def test_names_units_and_words(name: str) -> None:
    content = PAGES[name]().answer("")[0].decode()
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", content, re.MULTILINE))
    helps = dict(re.findall(r"^# HELP (\S+) (.*)$", content, re.MULTILINE))
    assert helps.keys() == kinds.keys()
    for metric, kind in kinds.items():
        assert re.fullmatch(r"[a-z_:][a-z0-9_:]*", metric)
        assert ":" not in metric  # of recording rules alone
        assert metric.startswith(("greenwatch_", "process_", "python_"))
        assert metric.endswith("_total") == (kind == "counter"), metric
        assert len(helps[metric]) > 8
        assert helps[metric].rstrip(".") != metric
        if metric.startswith("greenwatch_") and kind != "counter":
            unit = re.search(rf"_({UNITS})(_per_\w+)?$", metric)
            assert unit or COUNTED.match(metric), f"{metric} has no base unit"
        if "timestamp" in metric:
            assert metric.endswith("_timestamp_seconds")
    for label in set(re.findall(r'[{,](\w+)="', content)):
        assert re.fullmatch(r"[a-z][a-z0-9_]*", label)
        assert label not in ("job", "instance")
    assert not re.findall(r"^# TYPE \S+_(?:created|milliseconds|minutes|hours|kilobytes|percent|ugm3)\b", content, re.M)
    assert not re.search(r"_age_|_ago\b", content)  # of a time the age is what a rule computes


@each_page
def test_openmetrics_holds_by_its_own_parser(name: str) -> None:
    page = PAGES[name]()
    content, headers = page.answer(PROMETHEUS)
    assert headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    families = {family.name: family for family in openmetrics(content.decode())}
    text = dict(re.findall(r"^# TYPE (\S+) (\S+)$", page.answer("")[0].decode(), re.MULTILINE))
    assert {name.removesuffix("_total").removesuffix("_info") for name in text} == {
        name.removesuffix("_info") for name in families
    }
    assert all(family.documentation for family in families.values())
