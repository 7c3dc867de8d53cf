"""All of it as it runs: database, server, worker, Prometheus, Alertmanager, a desk; stations that live their fates, and
what is struck down meanwhile.

Rules, routes and expressions are those of the files; only times are those of a test.
"""

import json
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import psycopg
import yaml

from analytics import incidents, standards
from analytics.frames import TIME
from analytics.store import connection, migrations, observations, register, registry, rejects
from analytics.store.connection import Connection
from analytics.store.errors import StoreError
from analytics.store.observations import READINGS, Origin
from analytics.tables import records
from jobs import chain, console
from jobs.backfill import queue
from jobs.database.server import Server
from jobs.incidents.acts import Act, act
from tests import tools
from tests.conftest import NOW
from tests.outages.fates import MASS, REST, Fate
from tests.paging.desk import Desk, listening
from tests.servers import crash, spare_server
from tests.serving import until

REPOSITORY = Path(__file__).parents[2]
DASHBOARDS = REPOSITORY / "dashboards"
DATABASE = "database"
#: Where Alertmanager tells greenwatch, and no person, what it told.
HOOK = "/greenwatch"
#: [s] of every series, and between two things the stations say.
CADENCE, PACE = 5, 2.0
#: The alerts that fates are about.
ALERTS = ("PollutionEpisode", "HardLimit")
HOUR = timedelta(hours=1)
#: A program begins, or a page comes, within so long on a busy machine [s].
PATIENCE = 90.0


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


@dataclass
class Stack:
    """The whole, at work; `struck` says how often each was struck down."""

    postgres: Server
    dsn: str
    programs: dict[str, Program]
    desk: Desk
    fates: dict[str, Fate]
    length: float
    dice: random.Random
    server: str
    began: float = 0.0
    struck: Counter[str] = field(default_factory=Counter)
    #: When Alertmanager was struck down last: it knows no more what it told before. [s, monotonic]
    forgot: float = 0.0
    problems: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    @property
    def second(self) -> float:
        """Seconds since the stations began to speak."""
        return time.monotonic() - self.began

    def live(self, strikes: bool) -> None:
        """Nothing, after `length` seconds in which all stations lived their fates; with `strikes` something was struck
        down again and again, for seconds, in any order."""
        self.began = time.monotonic()
        threads = [
            threading.Thread(target=work, daemon=True) for work in (self._speak, self._correct, self._acknowledge)
        ]
        for thread in threads:
            thread.start()
        while self.second < self.length:
            if strikes and self.second < self.length - REST:
                self._strike(self.dice.choice([DATABASE, *self.programs]))
            time.sleep(self.dice.uniform(1, 5))
            self._tend()
        until(lambda: all(program.works() for program in self.programs.values()), PATIENCE)

    def end(self) -> None:
        """Nothing; nobody speaks any more."""
        self._stop.set()

    def _strike(self, name: str) -> None:
        if name == DATABASE:
            crash(self.postgres)
            time.sleep(self.dice.uniform(0, 5))
            self.postgres.start()
        else:
            self.programs[name].kill()
            time.sleep(self.dice.uniform(0, 8))
            self.programs[name].start()
        if name == "alertmanager":
            self.forgot = time.monotonic()
        self.struck[name] += 1

    def _tend(self) -> None:
        for program in self.programs.values():
            program.tend()

    def _speak(self) -> None:
        """What the stations say, again until it is acknowledged: what could not be sent comes late, all at once."""
        waiting: dict[str, list[str]] = {fate.source: [] for fate in self.fates.values()}
        said = -1
        with httpx.Client(base_url=self.server, trust_env=False, timeout=10) as client:
            while not self._stop.wait(0.5):
                second, stamp = self.second, datetime.now(UTC).replace(microsecond=0).isoformat()
                if (slot := int(second // CADENCE)) != said:
                    said = slot
                    for code, fate in self.fates.items():
                        if fate.speaks(second):
                            row = {
                                "channel": fate.parameter,
                                "time": stamp,
                                "value": fate.value(second, paged=self._paged(code)),
                            }
                            waiting[fate.source].append(json.dumps({"station": code, **row}))
                for source, lines in waiting.items():
                    if lines and self._sent(client, source, lines):
                        lines.clear()

    def _sent(self, client: httpx.Client, source: str, lines: list[str]) -> bool:
        try:
            answer = client.post(
                "/observations",
                params={"cadence": CADENCE, "source": source},
                content="\n".join(lines) + "\n",
                headers={"Content-Type": "application/x-ndjson"},
            )
        except httpx.HTTPError:
            return False
        if answer.status_code >= 500:
            return False
        if answer.status_code not in (200, 202):
            self.problems.append(f"{answer.status_code}: {answer.text[:500]}")
        return True

    def _paged(self, code: str) -> bool:
        """Whether anybody was told of the station: who is to hear of its end must have heard of it."""
        return code in self.told(ALERTS, "station")

    def _correct(self) -> None:
        """The haze of those whose fate that is was none."""
        due = sorted((fate.withdrawn, code) for code, fate in self.fates.items() if fate.withdrawn is not None)
        for at, code in due:
            while self.second < at or not self._paged(code):
                if self._stop.wait(1):
                    return
            words = [*_GREENWATCH, "correct", "withdraw", code, "pm25"]
            span = [
                "--from",
                f"{(datetime.now(UTC) - 30 * HOUR):%Y-%m-%dT%H:%M}Z",
                "--to",
                f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}Z",
            ]
            who = ["--author", "Wang", "--reason", "inlet was closed", "--dsn", self.dsn]
            while subprocess.run([*words, *span, *who], cwd=REPOSITORY, capture_output=True).returncode != 0:
                if self._stop.wait(2):
                    return

    def _acknowledge(self) -> None:
        """Somebody acknowledges what they are to, once there is an incident."""
        left = {code: fate.acknowledged for code, fate in self.fates.items() if fate.acknowledged is not None}
        while left and not self._stop.wait(1):
            for code in [code for code, at in left.items() if self.second >= at and self._paged(code)]:
                with (
                    suppress(connection.Lost, StoreError, psycopg.Error),
                    closing(connection.connect(self.dsn)) as conn,
                ):
                    for number in _open(conn, code):
                        act(conn, number, Act("acknowledge", "Wang", incidents.ADMIN, "seen"), console.now())
                        left.pop(code, None)

    def told(self, alerts: Collection[str], label: str) -> dict[str, dict[str, dict[str, float]]]:
        """`label` -> incident -> status -> when last: what people were told of `alerts`."""
        found: dict[str, dict[str, dict[str, float]]] = {}
        for call in self.desk.calls:
            if call.path == HOOK:
                continue
            for alert in call.body["alerts"]:
                labels = alert["labels"]
                if labels["alertname"] in alerts:
                    found.setdefault(labels[label], {}).setdefault(labels["incident"], {})[alert["status"]] = call.at
        return found

    def wrong(self) -> list[str]:
        """What people were told that they should not have been, or were not told, in words; and incidents that are over
        and should not be, or the other way round.

        The one thing that may be missing is an end: an Alertmanager that was struck down since it told of the beginning
        does not know that it did, and tells of no end. The incident has it.
        """
        told, ended, out = self.told(ALERTS, "station"), self._ended(), list(self.problems)
        for code, fate in self.fates.items():
            heard = told.get(code, {})
            ends = sum("resolved" in statuses for statuses in heard.values())
            forgotten = sum(
                "resolved" not in statuses and statuses.get("firing", 0.0) < self.forgot for statuses in heard.values()
            )
            if len(heard) != fate.fires or not fate.ends - forgotten <= ends <= fate.ends:
                out.append(f"{code}: on {len(heard)}, over {ends}; should be {fate.fires}, {fate.ends}")
            if fate.fires and ended.get(code) != {bool(fate.ends)}:
                out.append(f"{code}: incidents that are over: {ended.get(code)}")
        if strange := told.keys() - self.fates.keys():
            out.append(f"pages of {', '.join(sorted(strange))}, which nobody knows")
        return out + list(self._outages())

    def _ended(self) -> dict[str, set[bool]]:
        """Station -> of the incidents of what its fate is about, whether they are over."""
        found: dict[str, set[bool]] = {}
        with closing(connection.connect(self.dsn)) as conn:
            rows = conn.execute(
                "SELECT i.station, i.state <> ALL (%s) FROM report.incident i"
                " JOIN report.alarm_rule r ON r.rule = i.rule WHERE r.kind IN ('episode', 'reading')",
                [list(incidents.ACTIVE)],
            )
            for code, over in rows.fetchall():
                found.setdefault(str(code), set()).add(bool(over))
        return found

    def _outages(self) -> Iterator[str]:
        """What is wrong about the source that fell silent: one page, none of its stations."""
        ours = {code for code, fate in self.fates.items() if fate.source == MASS}
        if not ours:
            return
        told = self.told(["SourceOutage"], "source").get(MASS, {})
        if len(told) != 1 or any("resolved" in statuses for statuses in told.values()):
            yield f"of the outage: {told}"
        if singly := ours & self.told(["ChannelSilent", "StationSilent"], "station").keys():
            yield f"silent, each told by itself: {', '.join(sorted(singly))}"


_GREENWATCH = (sys.executable, "-m", "jobs.cli")


def _open(conn: Connection, code: str) -> list[int]:
    rows = conn.execute(
        "SELECT i.id FROM incident i JOIN subject s ON s.id = i.subject"
        " LEFT JOIN series x ON x.id = s.series JOIN station t ON t.id = coalesce(s.station, x.station)"
        " WHERE t.code = %s AND i.acknowledged IS NULL AND i.ended IS NULL",
        [code],
    ).fetchall()
    return [int(str(row[0])) for row in rows]


def tables() -> dict[str, Any]:
    """The package tables, with the patience of a test: a live reading is of now for a minute."""
    content = standards.tables()
    alarms = {name: dict(row) for name, row in records(content["alarms"], "alarms").items()}
    for name in ("pm25_polluted", "pm25_heavy", "co_danger", "source_outage", "station_silent", "channel_silent"):
        alarms[name] |= {"at_least": 1}
    alarms["source_outage"] |= {"wait": 1}
    alarms["station_silent"] |= {"wait": 3}
    alarms["channel_silent"] |= {"wait": 3}
    alarms["co_danger"] |= {"clear": 3, "minutes": 1}
    return {**content, "alarms": alarms}


def seed(conn: Connection, fates: dict[str, Fate]) -> None:
    """Nothing; the stations are there, and the day before of those that have one: a backfill, its last hours live."""
    said = register.Registry(stations={code: {} for code in fates})
    for code, fate in fates.items():
        said.series[register.Series(code, fate.parameter, "", "", CADENCE)] = None
    register.learn(conn, said)
    number = registry.source(conn, "stations")
    pairs = pl.DataFrame([(code, fate.parameter) for code, fate in fates.items()], ["station", "channel"], orient="row")
    found = registry.resolve(conn, pairs, chain.load_rules(conn)[-1].parameters, None)
    now = console.now()
    hour = now.replace(minute=0, second=0, microsecond=0)
    for kind, start, stop in (
        ("backfill", hour - 26 * HOUR, hour - 2 * HOUR),
        ("live", hour - 2 * HOUR, now - HOUR / 60),
    ):
        times = pl.datetime_range(start, stop, f"{CADENCE}s", closed="left", eager=True).cast(TIME)
        rows = [
            pl.DataFrame({"time": times}).with_columns(
                pl.lit(series, pl.Int32).alias("series"),
                (pl.lit(fates[code].before, pl.Float64) * (1 + pl.col("time").dt.second() % 11 / 100)).alias("value"),
            )
            for series, code in zip(found["series"], fates, strict=True)
            if fates[code].before is not None
        ]
        frame = pl.concat(rows).with_columns(
            pl.lit(None, pl.Int16).alias("mark"), pl.lit(0, pl.Int64).alias("revision")
        )
        nothing = pl.DataFrame(schema=dict(rejects.ROWS))
        observations.save(conn, frame.select(*READINGS), nothing, Origin(number, "test", kind=kind), now)
    chain.settle(conn, console.now)


@contextmanager
def stack(folder: Path, fates: dict[str, Fate], length: float, seed_of_dice: int) -> Iterator[Stack]:
    """All of it at work in `folder`; gone at the end."""
    ours, prometheus, alertmanager = tools.free_ports(3)
    programs = tools.prometheus_tools()
    with ExitStack() as over:
        postgres, dsn = over.enter_context(spare_server(fast=False))
        desk = over.enter_context(listening())
        with closing(connection.connect(dsn)) as conn:
            list(migrations.migrate(conn, tables(), NOW, libraries=[queue.guest()]))
            seed(conn, fates)
        _configure(folder, desk, ours, prometheus, alertmanager)
        at = "http://127.0.0.1:{}".format
        made = Stack(
            postgres,
            dsn,
            {
                "serve": Program(
                    [*_GREENWATCH, "serve", "--port", ours, "--dsn", dsn], folder / "serve.log", f"{at(ours)}/healthz"
                ),
                "worker": Program([*_GREENWATCH, "worker", "--dsn", dsn, "--pause", "1"], folder / "worker.log"),
                "prometheus": Program(
                    [
                        *(programs.prometheus, f"--config.file={folder / 'prometheus.yml'}"),
                        *(f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address=127.0.0.1:{prometheus}"),
                        *("--rules.alert.for-grace-period=1s", "--rules.alert.resend-delay=5s"),
                    ],
                    folder / "prometheus.log",
                    f"{at(prometheus)}/-/ready",
                ),
                "alertmanager": Program(
                    [
                        *(programs.alertmanager, f"--config.file={folder / 'alertmanager.yml'}"),
                        *(f"--storage.path={folder / 'alerts'}", "--cluster.listen-address="),
                        f"--web.listen-address=127.0.0.1:{alertmanager}",
                    ],
                    folder / "alertmanager.log",
                    f"{at(alertmanager)}/-/ready",
                ),
            },
            desk,
            fates,
            length,
            random.Random(seed_of_dice),
            at(ours),
        )
        for program in made.programs.values():
            program.start()
            over.callback(program.kill)
        over.callback(made.end)
        until(lambda: all(program.works() for program in made.programs.values()), PATIENCE)
        yield made


def _configure(folder: Path, desk: Desk, ours: str | int, prometheus: str | int, alertmanager: str | int) -> None:
    """Nothing; the files of Prometheus and Alertmanager lie in `folder`: ours, in a hurry, all told to `desk`."""
    routes = yaml.safe_load((DASHBOARDS / "alertmanager/alertmanager.yml").read_text(encoding="utf-8"))
    del routes["templates"]

    def hurry(route: dict[str, Any]) -> None:
        route |= {"group_wait": "1s", "group_interval": "1s", "repeat_interval": "1h"}
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
