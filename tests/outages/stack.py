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
from collections.abc import Collection, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx
import psycopg

from analytics import incidents
from analytics.alarms import SEVERITIES
from analytics.store import connection, migrations
from analytics.store.connection import Connection
from analytics.store.errors import StoreError
from jobs import console
from jobs.backfill import queue
from jobs.database.server import Server
from jobs.incidents.acts import Act, act
from tests import tools
from tests.conftest import NOW
from tests.outages.fates import MASS, REST, Fate
from tests.outages.programs import REPOSITORY, Program, configure
from tests.outages.story import CADENCE, HOUR, seed, tables
from tests.paging.desk import Desk, listening
from tests.servers import crash, spare_server
from tests.serving import until

DATABASE = "database"
#: Where Alertmanager tells greenwatch, and no person, what it told.
HOOK = "/greenwatch"
#: The alerts that fates are about.
ALERTS = ("PollutionEpisode", "HardLimit")
#: A program begins, or a page comes, within so long on a busy machine [s].
PATIENCE = 90.0


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
    #: When what was struck down, and for how long it was not begun again: (second, name, seconds).
    strikes: list[tuple[float, str, float]] = field(default_factory=list)
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
        at = self.second
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
        self.strikes.append((round(at, 1), name, round(self.second - at, 1)))

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

    def told(
        self, alerts: Collection[str], label: str, severity: str = "page"
    ) -> dict[str, dict[str, dict[str, float]]]:
        """`label` -> incident -> status -> when last: what people were told of `alerts` of that severity."""
        found: dict[str, dict[str, dict[str, float]]] = {}
        for call in self.desk.calls:
            if call.path == HOOK:
                continue
            for alert in call.body["alerts"]:
                labels = alert["labels"]
                if labels["alertname"] in alerts and labels["severity"] == severity:
                    found.setdefault(labels[label], {}).setdefault(labels["incident"], {})[alert["status"]] = call.at
        return found

    def heard(self) -> list[tuple[float, str, str, str, str]]:
        """Second, alert, station, incident and status of all that people were told, for whoever asks why."""
        return [
            (
                round(call.at - self.began, 1),
                *(alert["labels"].get(name, "") for name in ("alertname", "station", "incident")),
                alert["status"],
            )
            for call in self.desk.calls
            if call.path != HOOK
            for alert in call.body["alerts"]
        ]

    def wrong(self) -> list[str]:
        """What people were told that they should not have been, or were not told, in words; and incidents that are over
        and should not be, or the other way round.

        What an Alertmanager that was struck down does not know it may tell otherwise: of no end, where it told of the
        beginning before (the incident has it); and of the ticket beside a page, until it has heard of the page again.
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
        silences = ["ChannelSilent", "StationSilent"]
        if singly := ours & {code for rank in SEVERITIES for code in self.told(silences, "station", rank)}:
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
        configure(folder, desk, ours, prometheus, alertmanager)
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
                        # Alertmanager takes for over what it has not heard of for four of these.
                        *("--rules.alert.for-grace-period=1s", "--rules.alert.resend-delay=15s"),
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
