"""The programs that run beside the database, and what those of Prometheus are told: ours, in a hurry."""

import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.paging.desk import Desk

REPOSITORY = Path(__file__).parents[2]
DASHBOARDS = REPOSITORY / "dashboards"


@dataclass
class Program:
    """A program with its `words`; what it says goes to `log`. `ready` answers 200 once it works, '' is not asked."""

    words: Sequence[object]
    log: Path
    ready: str = ""
    running: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        """Nothing; it is on its way."""
        with self.log.open("ab") as sink:
            self.running = subprocess.Popen([*map(str, self.words)], cwd=REPOSITORY, stdout=sink, stderr=sink)

    def kill(self) -> None:
        """Nothing; it is gone without a word."""
        if self.running is not None:
            self.running.kill()
            self.running.wait(20)

    def tend(self) -> None:
        """Nothing; where it ended by itself, since the database was away when it began, it is started again, as by
        whatever runs services."""
        if self.running is not None and self.running.poll() is not None:
            self.start()

    def works(self) -> bool:
        """Whether it runs and answers."""
        self.tend()
        if not self.ready:
            return True
        with suppress(httpx.HTTPError):
            return httpx.get(self.ready, timeout=2, trust_env=False).status_code == 200
        return False


def configure(folder: Path, desk: Desk, ours: str | int, prometheus: str | int, alertmanager: str | int) -> None:
    """Nothing; the files of Prometheus and Alertmanager lie in `folder`: ours, in a hurry, all told to `desk`."""
    routes = yaml.safe_load((DASHBOARDS / "alertmanager/alertmanager.yml").read_text(encoding="utf-8"))
    del routes["templates"]

    def hurry(route: dict[str, Any]) -> None:
        route |= {"group_wait": "3s", "group_interval": "1s", "repeat_interval": "1h"}
        for child in route.get("routes", []):
            hurry(child)

    hurry(routes["route"])
    routes["receivers"] = [
        {"name": each["name"], "webhook_configs": [{"url": desk.at(f"/{each['name']}"), "send_resolved": True}]}
        for each in routes["receivers"]
    ]
    (folder / "alertmanager.yml").write_text(yaml.safe_dump(routes))
    config = yaml.safe_load((DASHBOARDS / "prometheus.yml").read_text(encoding="utf-8"))
    config["global"] = {"scrape_interval": "1s", "scrape_timeout": "900ms", "evaluation_interval": "1s"}
    config["scrape_configs"] = [
        {**job, "static_configs": [{"targets": [f"127.0.0.1:{ours}"]}]}
        for job in config["scrape_configs"]
        if job["job_name"] == "greenwatch"
    ]
    config["alerting"]["alertmanagers"] = [{"static_configs": [{"targets": [f"127.0.0.1:{alertmanager}"]}]}]
    config["rule_files"] = ["rules.yml"]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    book = yaml.safe_load((DASHBOARDS / "rules/greenwatch.yml").read_text(encoding="utf-8"))
    for group in book["groups"]:
        group.pop("interval", None)
        for rule in group["rules"]:
            if "for" in rule:
                rule["for"] = "2s"
    (folder / "rules.yml").write_text(yaml.safe_dump(book))
