"""The servers of a page, each told of the next: greenwatch, Prometheus, Alertmanager, the dead man's switch.

Timings are those of the files under dashboards/, or in a hurry: scrapes, evaluations and `for` of a second, groups that
wait for half of one. Expressions, labels, routes, inhibitions, receivers and words are always those of the files.
"""

import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import yaml

from analytics.store.connection import Connection
from analytics.store.register import read as read_registry
from jobs import register
from tests import tools
from tests.paging.desk import Call, Desk
from tests.panels import FOLDER, RULES
from tests.web.posting import maker

#: In a hurry: `for` of the alarms' own alerts [s]; between scrapes and evaluations; what groups wait for.
FOR, SECOND, GROUP = 1, "1s", "500ms"
#: Prometheus says again what is on: an Alertmanager that begins anew knows of nothing [s].
RESEND = 5
#: The dead man's switch tells of silence after so long [s].
DEAD = 6
#: The same without the bridge over a restart: it shows that the restart was long enough to be seen.
NAIVE = {"alert": "Naive", "expr": "greenwatch_alarm_level > 0", "labels": {"severity": "none", "team": "operations"}}
#: Of the way from a row to the desk, beyond the rule's own `for` [s].
PROMISED = 15
#: Readings [mg/m³] beyond the hard limit of hydrogen sulphide and in its gross range; on its good side.
BAD, GOOD = 15.0, 0.01
MINUTE = timedelta(minutes=1)
_HERE = "127.0.0.1"


@dataclass(slots=True)
class Loop:
    """The servers at work; `desk` is where all that is told to people ends."""

    desk: Desk
    folder: Path
    dsn: str
    ports: dict[str, int]
    hurry: bool = True
    running: dict[str, ExitStack] = field(default_factory=dict)

    def at(self, name: str) -> str:
        """The address of a server."""
        return f"http://{_HERE}:{self.ports[name]}"

    def start(self, name: str) -> None:
        """Nothing; the server answers."""
        self.running[name] = stack = ExitStack()
        path = "/healthz" if name in ("serve", "deadman") else "/-/ready"
        stack.enter_context(tools.served(self._command(name), self.at(name) + path, self.folder / f"{name}.log"))

    def stop(self, name: str) -> None:
        """Nothing; the server has ended."""
        self.running.pop(name).close()

    def _command(self, name: str) -> list[object]:
        ours, found, port = [sys.executable, "-m", "jobs.cli"], tools.prometheus_tools(), self.ports[name]
        commands: dict[str, list[object]] = {
            "serve": [*ours, "serve", "--port", port, "--dsn", self.dsn, "--no-spool"],
            "deadman": [
                *(*ours, "deadman", "--port", port, "--after", DEAD, "--tell", self.desk.at("/dead")),
                *("--file", self.folder / "deadman.json"),
            ],
            "prometheus": [
                *(found.prometheus, f"--config.file={self.folder / 'prometheus.yml'}"),
                *(f"--storage.tsdb.path={self.folder / 'data'}", f"--web.listen-address={_HERE}:{port}"),
                *([f"--rules.alert.resend-delay={RESEND}s"] if self.hurry else []),
            ],
            "alertmanager": [
                *(found.alertmanager, f"--config.file={self.folder / 'alertmanager.yml'}"),
                *(f"--storage.path={self.folder / 'alerts'}", "--cluster.listen-address="),
                f"--web.listen-address={_HERE}:{port}",
            ],
        }
        return commands[name]

    def alerts(self, name: str) -> list[dict[str, Any]]:
        """Alerts of that name that Prometheus knows now."""
        answer = httpx.get(f"{self.at('prometheus')}/api/v1/alerts", timeout=10, trust_env=False).json()
        return [alert for alert in answer["data"]["alerts"] if alert["labels"]["alertname"] == name]

    def told(self, path: str, *words: str, within: float = 60) -> Call:
        """The first message at `path` that has all `words`."""
        give_up = time.monotonic() + within
        while time.monotonic() < give_up:
            for call in self.desk.of(path):
                if all(word in call.raw.decode() for word in words):
                    return call
            time.sleep(0.05)
        heard = [(call.path, call.raw.decode()[:300]) for call in self.desk.calls if call.path != "/dead"]
        raise AssertionError(f"{path} was not told of {words} within {within} s, but {heard[-5:]}; {self.everything()}")

    def post(self, station: str, values: Mapping[datetime, float]) -> None:
        """Nothing; the readings of hydrogen sulphide are in the store."""
        lines = [f"{_quoted(station)},h2s,{at.isoformat()},{value}" for at, value in values.items()]
        answer = httpx.post(
            f"{self.at('serve')}/observations",
            params={"source": "gas"},
            content="\n".join(["station,parameter,time,value", *lines]).encode(),
            headers={"Content-Type": "text/csv"},
            timeout=30,
            trust_env=False,
        )
        assert answer.status_code == 200, answer.text

    def exceed(self, station: str, now: datetime) -> float:
        """When the row was sent that takes `station` beyond its hard limit [s, monotonic]."""
        self.post(station, {now - 7 * MINUTE: GOOD, now - 6 * MINUTE: BAD})
        began = time.monotonic()
        self.post(station, {now - 5 * MINUTE: BAD})
        return began

    def everything(self) -> list[tuple[str, str, dict[str, str]]]:
        """What Prometheus knows, for whoever wonders why a test fails."""
        answer = httpx.get(f"{self.at('prometheus')}/api/v1/alerts", timeout=10, trust_env=False).json()
        return [(one["labels"]["alertname"], one["state"], one["labels"]) for one in answer["data"]["alerts"]]


@contextmanager
def looping(desk: Desk, dsn: str, folder: Path, *, hurry: bool = True) -> Iterator[Loop]:
    """All of them at work on the store `dsn`, but the worker (`running`); in a `hurry` or as the files say."""
    names = ("serve", "alertmanager", "prometheus", "deadman")
    made = Loop(desk, folder, dsn, dict(zip(names, tools.free_ports(len(names)), strict=True)), hurry)
    secret = maker(dsn)("--source", "alertmanager", "--scope", "hook")
    (folder / "hook-key").write_text(secret)
    _alertmanager(made)
    _prometheus(made)
    try:
        with ThreadPoolExecutor() as together:
            list(together.map(made.start, names))
        yield made
    finally:
        with ThreadPoolExecutor() as together:
            list(together.map(ExitStack.close, made.running.values()))


def gas(conn: Connection, districts: Mapping[str, str]) -> None:
    """Nothing; stations that measure hydrogen sulphide each minute are there, each in its district."""
    lines = [f"{_quoted(code)},h2s,1m,{place}" for code, place in districts.items()]
    text = "\n".join(["station,parameter,cadence,member:district", *lines])
    register.write(conn, read_registry(text.encode(), "rows.csv", *register.rules(conn)))


def _quoted(word: str) -> str:
    doubled = word.replace('"', '""')
    return f'"{doubled}"'


@contextmanager
def running(log: Path, *words: object) -> Iterator[None]:
    """`greenwatch WORDS` runs; it is ended afterwards, and had not ended before."""
    with log.open("ab") as sink:
        process = subprocess.Popen([sys.executable, "-m", "jobs.cli", *map(str, words)], stdout=sink, stderr=sink)
    try:
        yield
        assert process.poll() is None, log.read_text()[-3000:]
    finally:
        process.terminate()
        process.wait(60)


def _alertmanager(loop: Loop) -> None:
    text = (FOLDER / "alertmanager/alertmanager.yml").read_text(encoding="utf-8")
    places = {":9099": loop.desk.port, ":8080": loop.ports["serve"], ":9216": loop.ports["deadman"]}
    for place, port in places.items():
        assert place in text
        text = text.replace(f"{_HERE}{place}", f"{_HERE}:{port}")
    text = text.replace("/etc/greenwatch/hook-key", str(loop.folder / "hook-key"))
    config = yaml.safe_load(text)
    config["templates"] = [str(FOLDER / "alertmanager/greenwatch.tmpl")]

    def hurry(route: dict[str, Any]) -> None:
        dead = route["receiver"] == "deadman"
        route |= {"group_wait": GROUP, "group_interval": GROUP, "repeat_interval": GROUP if dead else "1h"}
        for child in route.get("routes", []):
            hurry(child)

    if loop.hurry:
        hurry(config["route"])
    (loop.folder / "alertmanager.yml").write_text(yaml.safe_dump(config))


def _prometheus(loop: Loop) -> None:
    config = yaml.safe_load((FOLDER / "prometheus.yml").read_text(encoding="utf-8"))
    if loop.hurry:
        config["global"] = {"scrape_interval": SECOND, "scrape_timeout": "900ms", "evaluation_interval": SECOND}
    jobs = {"greenwatch": "serve", "greenwatch-deadman": "deadman", "alertmanager": "alertmanager"}
    jobs |= {"prometheus": "prometheus"}
    config["scrape_configs"] = [job for job in config["scrape_configs"] if job["job_name"] in jobs]
    for job in config["scrape_configs"]:
        job["static_configs"] = [{"targets": [f"{_HERE}:{loop.ports[jobs[job['job_name']]]}"]}]
    config["alerting"]["alertmanagers"][0]["static_configs"] = [{"targets": [f"{_HERE}:{loop.ports['alertmanager']}"]}]
    config["rule_files"] = [f"{name}.yml" for name in (*RULES, "control")]
    (loop.folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    for name in RULES:
        text = (FOLDER / f"rules/{name}.yml").read_text(encoding="utf-8")
        if loop.hurry and name == "greenwatch":  # the others are to stay quiet for as long as they would
            text = re.sub(r"^(\s+for:) .*$", rf"\1 {FOR}s", text, flags=re.MULTILINE)
            text = re.sub(r"^(\s+interval:) .*$", rf"\1 {SECOND}", text, flags=re.MULTILINE)
        (loop.folder / f"{name}.yml").write_text(text, encoding="utf-8")
    control = {"groups": [{"name": "control", "rules": [NAIVE]}]}
    (loop.folder / "control.yml").write_text(yaml.safe_dump(control))
