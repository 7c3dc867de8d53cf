"""The listener, the server and the subscriber as processes, under load of real senders, and what strikes them down.

A sender says a reading a second of its own clock, its value made from its number, and says it again until it is
acknowledged: a device by the answer of the listener, a logger by 200 or 202, a publisher by its broker, which keeps
what comes for the subscriber. So when all have ended each station has the readings 0 to `sent`, once, and no other.
"""

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from analytics import standards
from analytics.store import connection, migrations, register
from analytics.store.connection import Connection
from analytics.store.register import Secrets
from jobs import register as job
from jobs.database.server import Server
from tests.conftest import NOW
from tests.doors.senders import PATIENCE, Device, Logger, Sender, Sensor, moment, value
from tests.listen.line import PASSWORD, PEPPER
from tests.mqtt.broker import broker
from tests.servers import crash, spare_server
from tests.serving import until
from tests.tools import free_ports

REPOSITORY = Path(__file__).parents[2]
DATABASE = "database"
#: How a command ends that finds no database when it begins.
AWAY = "the database cannot be used"


@dataclass
class Process:
    """A command of ours, and the senders that it serves; what it says goes to `log`."""

    name: str
    words: Sequence[object]
    senders: Sequence[Sender]
    environ: dict[str, str]
    log: Path
    running: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        """Nothing; it is on its way."""
        words = [sys.executable, "-m", "jobs.cli", self.name, *map(str, self.words)]
        with self.log.open("ab") as sink:
            self.running = subprocess.Popen(words, cwd=REPOSITORY, env=self.environ, stdout=sink, stderr=sink)

    def tend(self) -> int:
        """1 where it had ended since the database was away when it began, and was started again, as it is by whatever
        runs services; else 0. Fails where it had ended for another reason."""
        assert self.running is not None
        if self.running.poll() is None:
            return 0
        assert AWAY in self.log.read_text().splitlines()[-1], self.log.read_text()[-3000:]
        self.start()
        return 1

    def kill(self) -> None:
        """Nothing; it is gone without a word."""
        assert self.running is not None
        self.running.kill()
        self.running.wait(20)

    def end(self) -> int:
        """Its exit code, once it ended as it was asked to."""
        assert self.running is not None
        self.running.send_signal(signal.SIGTERM)
        return self.running.wait(40)


@dataclass
class Siege:
    """Three doors under load on a database that comes and goes, and how often each was struck."""

    postgres: Server
    dsn: str
    processes: dict[str, Process]
    dice: random.Random
    #: where listener and subscriber say how they are
    metrics: dict[str, str]
    struck: Counter[str] = field(default_factory=Counter)
    #: how long it took until all doors took readings in again [s]
    recoveries: list[float] = field(default_factory=list)
    #: how often a process ended since the database was away when it began
    again: int = 0

    @property
    def senders(self) -> list[Sender]:
        return [sender for process in self.processes.values() for sender in process.senders]

    def strike(self, name: str, *, calm: bool = True) -> None:
        """Nothing; `name` was killed, or the database stopped, at some moment, and is started again. Not `calm`: at a
        moment when others may still be on their way back."""
        if calm:
            began = time.monotonic()
            self.flow()
            self.recoveries.append(time.monotonic() - began)
        time.sleep(self.dice.uniform(0, 0.6))
        self._tend()
        if name == DATABASE:
            crash(self.postgres)
            time.sleep(self.dice.uniform(0, 0.6))
            self.postgres.start()
        else:
            self.processes[name].kill()
            self.processes[name].start()
        self.struck[name] += 1

    def flow(self) -> None:
        """Nothing, once each sender was acknowledged again, and each door has got something into the store."""
        said = {sender: sender.tries for sender in self.senders}
        stored = self._stored()

        def flows() -> bool:
            self._tend()
            if wrong := [sender.problem for sender in said if sender.problem]:
                raise AssertionError("\n".join([*wrong, *self._logs()]))
            if not all(sender.tries > tries + 1 for sender, tries in said.items()):
                return False
            now = self._stored()
            return all(now[station] > count for station, count in stored.items())

        until(flows, PATIENCE)

    def _tend(self) -> None:
        self.again += sum(process.tend() for process in self.processes.values())

    def _logs(self) -> list[str]:
        """The last words of each process."""
        return [f"{process.name}: {process.log.read_text()[-1000:]}" for process in self.processes.values()]

    def _stored(self) -> dict[str, int]:
        """Readings of each station."""
        with closing(connection.connect(self.dsn)) as conn:
            return dict(conn.execute(_STORED).fetchall())  # type: ignore[arg-type]

    def finish(self) -> list[str]:
        """What is wrong in the end, in words: when the senders have ended, all is in, and the processes were told to
        end."""
        for sender in self.senders:
            sender.stopping.set()
        for sender in self.senders:
            sender.join(2 * PATIENCE)
        self._tend()
        wrong = [sender.problem for sender in self.senders if sender.problem]
        wrong += [f"{sender.name} is still at it" for sender in self.senders if sender.is_alive()]
        wanted = {sender.station: sender.sent for sender in self.senders}
        with suppress(AssertionError):
            until(lambda: self._stored() == wanted and all(map(self._settled, self.senders)), 5 * PATIENCE)
        wrong += [f"{process.name} ended with {code}" for process in self.processes.values() if (code := process.end())]
        with closing(connection.connect(self.dsn)) as conn:
            return wrong + list(_differences(conn, wanted)) + list(_sums(conn))

    def _settled(self, sender: Sender) -> bool:
        try:
            return not isinstance(sender, Logger) or sender.settled()
        except httpx.HTTPError:
            return False


_STORED = "SELECT t.code, l.rows FROM latest l JOIN series s ON s.id = l.series JOIN station t ON t.id = s.station"


def _differences(conn: Connection, wanted: dict[str, int]) -> Iterator[str]:
    """What is in the store that nobody said, or is not there that was acknowledged."""
    found = conn.execute(
        """
        SELECT t.code, o.time, o.value FROM observation o
        JOIN series s ON s.id = o.series JOIN station t ON t.id = s.station
        """
    ).fetchall()
    there: dict[str, list[tuple[Any, ...]]] = {station: [] for station in wanted}
    for station, *row in found:
        there[str(station)].append(tuple(row))
    for station, count in wanted.items():
        made = {(moment(n), value(n)) for n in range(count)}
        lost, more = made - set(there[station]), set(there[station]) - made
        if lost or more or len(there[station]) != count:
            yield f"{station}: {len(lost)} of {count} acknowledged are not there, {len(more)} are there besides"


def _sums(conn: Connection) -> Iterator[str]:
    """What does not add up among the batches: law 1, ordinals without a hole, and nothing counted twice."""
    for words, query in (
        ("batches do not add up", "read <> new + replaced + duplicates + missing + rejects"),
        ("batches replaced, missed or refused something", "replaced + missing + rejects + conflicts > 0"),
    ):
        row = conn.execute(f"SELECT count(*) FROM batch WHERE {query}").fetchone()
        if row != (0,):
            yield f"{row} {words}"
    row = conn.execute(
        "SELECT sum(new) - (SELECT count(*) FROM observation), count(*) - max(ordinal),"
        " (SELECT count(*) FROM observation_history), (SELECT count(*) FROM reject) FROM batch"
    ).fetchone()
    if row != (0, 0, 0, 0):
        yield f"counted as new too many, holes of ordinals, history, rejects: {row}"


#: Doors -> its kind of senders and how many there are.
LOAD: dict[str, tuple[type[Sender], int]] = {"listen": (Device, 3), "serve": (Logger, 2), "mqtt": (Sensor, 2)}


def site() -> str:
    """A register file: a station a sender, of one series."""
    names = [(name, f"{name}-{number}") for name, (_, count) in LOAD.items() for number in range(count)]
    stations = [
        f'[[station]]\ncode = "{one}"\n[[station.series]]\nparameter = "pm25"\ncadence = "1m"\n' for _, one in names
    ]
    devices = [
        f'[[device]]\nmn = "{one}"\nstation = "{one}"\npassword = "{PASSWORD}"\n'
        for name, one in names
        if name == "listen"
    ]
    return "".join(stations + devices)


@contextmanager
def siege(folder: Path, seed: int) -> Iterator[Siege]:
    """Three doors at work, in `folder`, on a database of their own; killed at the end where they still run."""
    listening, serving, *scraped = free_ports(4)
    with ExitStack() as stack:
        postgres, dsn = stack.enter_context(spare_server(fast=False))
        with closing(connection.connect(dsn)) as conn:
            list(migrations.migrate(conn, standards.tables(), NOW))
            said = register.read(site().encode(), "site.toml", *job.rules(conn), secrets=Secrets(PEPPER, {}))
            job.write(conn, said)
        there = stack.enter_context(broker(folder / "broker", lasting=False))
        mqtt = ["--url", there.url, "--topic", "plain:up/<station>", "--cadence", "1m", "--client-id", "siege"]
        ports = {"listen": listening, "serve": serving, "mqtt": there.port}
        words: dict[str, list[object]] = {
            "listen": ["--port", listening, "--metrics-port", scraped[0]],
            "serve": ["--port", serving],
            "mqtt": [*mqtt, "--metrics-port", scraped[1]],
        }
        environ = {
            **os.environ,
            "GREENWATCH_PEPPER": PEPPER.decode(),
            "GREENWATCH_HOME": str(folder),
            "GREENWATCH_TOKEN": "",
        }
        processes = {
            name: Process(
                name,
                [*words[name], "--dsn", dsn],
                [kind(f"{name}-{number}", ports[name]) for number in range(count)],
                environ,
                folder / f"{name}.log",
            )
            for name, (kind, count) in LOAD.items()
        }
        metrics = {
            name: f"http://127.0.0.1:{port}/metrics" for name, port in zip(("listen", "mqtt"), scraped, strict=True)
        }
        made = Siege(postgres, dsn, processes, random.Random(seed), metrics)
        for process in processes.values():
            process.start()
            stack.callback(_gone, process)
        # The broker keeps what comes for whom it knows.
        connected = re.compile(r"^greenwatch_mqtt_connected 1", re.MULTILINE)
        until(lambda: connected.search(page(made.metrics["mqtt"])) is not None, PATIENCE)
        for sender in made.senders:
            sender.start()
        yield made


def page(address: str) -> str:
    """What a process says of itself; nothing where it says nothing."""
    with suppress(httpx.HTTPError):
        return httpx.get(address, trust_env=False).text
    return ""


def _gone(process: Process) -> None:
    if process.running is not None and process.running.poll() is None:
        process.running.kill()
        process.running.wait(20)
