"""A district at work for the pictures: its past in the store, its stations sending, a Prometheus that hears of it."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from datetime import timedelta
from pathlib import Path

import httpx
import yaml

from analytics.store import connection
from jobs import console, demo, pepper
from jobs.simulate import files as simulated
from tests import panels, tools
from tests.paging.desk import listening

#: Days of the past that Grafana's longest default range shows twice.
DAYS = 20
#: The stations of devices that speak HJ 212 beside the rest, which sends by HTTP.
DEVICES = 6
#: So long [s] everything is at work before it is drawn: rates need some scrapes, the worker's clock a minute.
AT_WORK = 100
#: Somebody is told of something within so long [s] after stations began to send.
PATIENCE = 240
SCRAPE = "2s"
#: Of a made-up district's devices.
PEPPER = "of-nobody-but-the-tests-of-the-pictures"


@contextmanager
def stage(dsn: str, folder: Path) -> Iterator[str]:
    """The address of a Prometheus that has heard of the district in `dsn` (a migrated store) for AT_WORK seconds."""
    environ = os.environ | {pepper.NAME: PEPPER, "GREENWATCH_HOME": str(folder / "home")}
    (folder / "home").mkdir()
    with closing(connection.connect(dsn)) as conn:
        story = demo.Story(conn)
        story.district(folder / "district", 1, DAYS)
        story.think(console.now())
    like = ["--like", str(folder / "district" / simulated.MANIFEST)]
    _devices(dsn, folder, like, environ)
    serve, listen, metrics, prometheus, alertmanager = tools.free_ports(5)
    with ExitStack() as stack:
        desk = stack.enter_context(listening())

        def start(name: str, *words: str, ready: str | None = None) -> None:
            command = [sys.executable, "-m", "jobs.cli", *words]
            log = folder / f"{name}.log"
            if ready:
                stack.enter_context(tools.served(command, ready, log, environ))
            else:
                stack.enter_context(running(command, log, environ))

        where = f"http://127.0.0.1:{serve}"
        start("serve", "serve", "--port", str(serve), "--dsn", dsn, ready=f"{where}/healthz")
        start("worker", "worker", "--dsn", dsn)
        ports = ("--port", str(listen), "--metrics-port", str(metrics))
        start("listen", "listen", *ports, "--dsn", dsn, ready=f"http://127.0.0.1:{metrics}/metrics")
        programs = tools.prometheus_tools()
        settings = _paging(dsn, folder, serve, desk.port, environ)
        stack.enter_context(
            tools.served(
                [
                    *(programs.alertmanager, f"--config.file={settings}", f"--storage.path={folder / 'alerts'}"),
                    *("--cluster.listen-address=", f"--web.listen-address=127.0.0.1:{alertmanager}"),
                ],
                f"http://127.0.0.1:{alertmanager}/-/ready",
                folder / "alertmanager.log",
            )
        )
        settings = _config(
            folder, alertmanager, {"greenwatch": serve, "greenwatch-listen": metrics, "prometheus": prometheus}
        )
        stack.enter_context(
            tools.served(
                [
                    *(programs.prometheus, f"--config.file={settings}"),
                    *(f"--storage.tsdb.path={folder / 'tsdb'}", f"--web.listen-address=127.0.0.1:{prometheus}"),
                ],
                f"http://127.0.0.1:{prometheus}/-/ready",
                folder / "prometheus.log",
            )
        )
        start("simulate", "simulate", "live", "--url", where, *like)
        address = f"hj212://127.0.0.1:{listen}"
        start("devices", "simulate", "live", "--url", address, "--stations", str(DEVICES), *like)
        _people(dsn, environ)
        time.sleep(AT_WORK)
        targets = httpx.get(f"http://127.0.0.1:{prometheus}/api/v1/targets", timeout=10, trust_env=False).json()
        down = [each["labels"]["job"] for each in targets["data"]["activeTargets"] if each["health"] != "up"]
        assert not down, f"Prometheus cannot hear {down}"
        yield f"http://127.0.0.1:{prometheus}"


@contextmanager
def running(command: list[str], log: Path, environ: Mapping[str, str]) -> Iterator[None]:
    """`command` while the block runs; its words are in `log`. Raises AssertionError where it ended by itself."""
    with log.open("ab") as sink:
        process = subprocess.Popen(command, stdout=sink, stderr=sink, env=environ)
    try:
        yield
        assert process.poll() is None, f"{' '.join(command[2:5])} ended:\n{log.read_text()[-2000:]}"
    finally:
        process.terminate()
        try:
            process.wait(tools.PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _devices(dsn: str, folder: Path, like: list[str], environ: Mapping[str, str]) -> None:
    file = folder / "devices.toml"
    command = [sys.executable, "-m", "jobs.cli"]
    with file.open("wb") as out:
        subprocess.run([*command, "simulate", "devices", *like], stdout=out, env=environ, check=True)
    subprocess.run(
        [*command, "register", str(file), "--dsn", dsn], env=environ, check=True, capture_output=True, text=True
    )


def _paging(dsn: str, folder: Path, serve: int, desk: int, environ: Mapping[str, str]) -> Path:
    """Alertmanager's settings of the dashboards, told of the ports here."""
    made = subprocess.run(
        [sys.executable, "-m", "jobs.cli", "key", "make", "--scope", "hook", "--source", "alertmanager", "--dsn", dsn],
        env=environ,
        check=True,
        capture_output=True,
        text=True,
    )
    (folder / "hook-key").write_text(made.stdout.strip())
    origin = panels.FOLDER / "alertmanager"
    for template in origin.glob("*.tmpl"):
        shutil.copy(template, folder / template.name)
    text = (origin / "alertmanager.yml").read_text(encoding="utf-8").replace("/etc/greenwatch", str(folder))
    for port, other in ((9099, desk), (9216, desk), (8080, serve)):
        text = text.replace(f"127.0.0.1:{port}", f"127.0.0.1:{other}")
    path = folder / "alertmanager.yml"
    path.write_text(text, encoding="utf-8")
    return path


def _config(folder: Path, alertmanager: int, ports: Mapping[str, int]) -> Path:
    """Prometheus's settings of the dashboards, with the ports of this stage, what is not here left out, in a hurry."""
    config = yaml.safe_load((panels.FOLDER / "prometheus.yml").read_text(encoding="utf-8"))
    config["global"] = {"scrape_interval": SCRAPE, "scrape_timeout": "1900ms", "evaluation_interval": SCRAPE}
    config["rule_files"] = [str(panels.FOLDER / name) for name in config["rule_files"]]
    config["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{alertmanager}"]}]}]}
    every = {**ports, "alertmanager": alertmanager}
    config["scrape_configs"] = [
        job | {"static_configs": [{"targets": [f"127.0.0.1:{every[job['job_name']]}"]}]}
        for job in config["scrape_configs"]
        if job["job_name"] in every
    ]
    path = folder / "prometheus.yml"
    path.write_text(yaml.safe_dump(config))
    return path


def _people(dsn: str, environ: Mapping[str, str]) -> None:
    """What duty staff do in a morning: incidents taken, one dispatched; an event planned, a correction entered."""
    now = console.now()
    until, since = (f"{now + timedelta(hours=hours):%Y-%m-%dT%H:%M:%SZ}" for hours in (6, -8))

    def do(*words: str) -> str:
        command = [sys.executable, "-m", "jobs.cli", *words, "--author", "Wang", "--dsn", dsn]
        return subprocess.run(command, env=environ, check=True, capture_output=True, text=True).stdout

    give_up, open_ones = time.monotonic() + PATIENCE, list[str]()
    with closing(connection.connect(dsn)) as conn:
        # Nobody is told of the past: only what still holds when readings come in again.
        while not open_ones:
            assert time.monotonic() < give_up, "nobody was told of anything"
            time.sleep(2)
            open_ones = [str(row[0]) for row in conn.execute("SELECT id FROM incident WHERE ended IS NULL ORDER BY id")]
    for each in open_ones[::2]:
        do("incidents", "acknowledge", each, "--note", "on the way 已出发")
    do("incidents", "dispatch", open_ones[0], "--note", "sprinkle the road 道路洒水")
    do("alarms", "calendar", "add", "station", "SYN-A03", "--from", since, "--to", until, "--reason", "span gas 校准")
    given = ("--gain", "1.03", "--from", since, "--cadence", "10m", "--reason", "span check 量程校准")
    do("correct", "recalibrate", "SYN-A01", "pm25", *given)
