"""`greenwatch up`: all of it on this machine: a database, the server, a worker, the doors that are registered."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from threading import Event
from types import FrameType

import httpx

from analytics.store import connection
from jobs import beside, console, migrate, serve
from jobs.database.dsn import SPEAKING, find_dsn
from jobs.database.home import home
from jobs.database.server import Server

EXAMPLE = (
    "Example: GREENWATCH_PEPPER=... greenwatch up --listen-port 9212 --mqtt-url mqtts://greenwatch@broker.example "
    "--mqtt-topic 'chirpstack:application/+/device/+/event/up'"
)

#: The server answers within so long [s] after its start, and a child ends within so long after it is told to.
PATIENCE, GRACE = 60.0, 40.0
# Found now: between fork and exec nothing may be loaded.
_PRCTL = ctypes.CDLL(None).prctl
_PR_SET_PDEATHSIG = 1


def main(
    host: serve.Host = serve.HOST,
    port: serve.Port = serve.PORT,
    name: serve.Names = None,
    register: beside.Register = False,
    keys: serve.Keys = False,
    listen: beside.Listen = True,
    listen_host: beside.Host = beside.HOST,
    listen_port: beside.Port = beside.PORT,
    listen_metrics_port: beside.ListenMetrics = beside.LISTEN_METRICS,
    ask: beside.Ask = False,
    mqtt: beside.Mqtt = True,
    mqtt_url: beside.Url = None,
    mqtt_topic: beside.Topics = None,
    mqtt_metrics_port: beside.MqttMetrics = beside.MQTT_METRICS,
    dsn: console.Dsn = None,
) -> None:
    """Start the database if there is none, make its tables, then serve, work and take in until stopped.

    HJ 212 devices are listened to where any are registered and GREENWATCH_PEPPER is set; a broker is subscribed to
    where its address and topics are said. With other options of theirs run `greenwatch listen` and `mqtt` yourself,
    beside --no-listen and --no-mqtt.
    """
    token = os.environ.get("GREENWATCH_TOKEN") or None
    serve.names(host, name or [], token)  # what will be refused is refused before a database is started
    devices = beside.Devices(listen_host, listen_port, listen_metrics_port, ask, register) if listen else None
    broker = beside.Broker(mqtt_url, mqtt_topic or [], mqtt_metrics_port, register).check() if mqtt else None
    with closing(serve.listen(host, port)) as listener:
        port = listener.getsockname()[1]
    address = database(dsn)
    doors = beside.doors(address, devices, broker)
    place = [] if not address else ["--dsn", address]
    words = [f"--host={host}", f"--port={port}", *(f"--name={item}" for item in name or [])]
    family = Family()
    with family.heeding():
        family.start("serve", [*words, *(["--register"] * register), *(["--keys"] * keys), *place])
        family.start("worker", place)
        for door in doors:
            family.start(door.name, [*door.words, *place])
        if family.answers(f"http://{serve.shown('127.0.0.1' if host in ('0.0.0.0', '::') else host)}:{port}"):
            console.out.print(f"greenwatch is up: http://{serve.shown(host)}:{port}", markup=False)
            for door in doors:
                if family.answers(door.health):
                    console.out.print(door.said, markup=False, soft_wrap=True)
        family.watch()


def database(dsn: str | None) -> str:
    """The address of a migrated database: the one that is named, else the private one, started as far as needed."""
    named = dsn or any(os.environ.get(name) for name in SPEAKING)
    address = find_dsn(dsn) if named else Server(home()).start()
    with closing(connection.connect(address)) as conn:
        for step in migrate.migrate(conn):
            console.people.print(f"{step.kind} {step.name}")
    return address


@dataclass(slots=True)
class Family:
    """Commands that run together: when one of them ends, all do."""

    children: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)
    stopping: Event = field(default_factory=Event)

    def start(self, name: str, words: Sequence[str], environ: Mapping[str, str] | None = None) -> None:
        """Nothing; `greenwatch NAME WORDS` runs, its words on our stderr."""
        self.children[name] = subprocess.Popen(
            [sys.executable, "-m", "jobs.cli", name, *words],
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr.fileno(),
            env=None if environ is None else dict(environ),
            # Ctrl-C reaches us alone, and we end them in order; where we are killed the kernel ends them.
            start_new_session=True,
            preexec_fn=_ends_with_its_parent,
        )

    @contextmanager
    def heeding(self) -> Iterator[None]:
        """A context in which SIGINT and SIGTERM set `stopping`; at its end every child has ended."""

        def handle(number: int, frame: FrameType | None) -> None:
            self.stopping.set()

        before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            self.end()
            for number, handler in before.items():
                signal.signal(number, handler)

    def answers(self, address: str) -> bool:
        """Whether the server at `address` is well before anything ends. Raises `NotAsAsked` where it takes too long."""
        give_up = time.monotonic() + PATIENCE
        while not self.stopping.is_set() and not self.ended():
            with suppress(httpx.HTTPError):
                if httpx.get(f"{address}/healthz", timeout=2, trust_env=False).is_success:
                    return True
            if time.monotonic() > give_up:
                raise console.NotAsAsked(f"nobody answers at {address} after {PATIENCE:.0f} s")
            self.stopping.wait(0.1)
        return False

    def ended(self) -> list[str]:
        """Names of the children that have ended."""
        return [name for name, child in self.children.items() if child.poll() is not None]

    def watch(self) -> None:
        """Nothing; returns when it is stopped. Raises `NotAsAsked` where a child ends by itself."""
        while not self.stopping.is_set():
            if gone := self.ended():
                code = self.children[gone[0]].returncode
                how = f"exit code {code}" if code >= 0 else signal.Signals(-code).name
                raise console.NotAsAsked(f"`greenwatch {gone[0]}` ended ({how}); its words are above. All is stopped")
            self.stopping.wait(0.2)

    def end(self) -> None:
        """Nothing; the children are told to end, and after GRACE they are ended."""
        for child in self.children.values():
            if child.poll() is None:
                child.terminate()
        give_up = time.monotonic() + GRACE
        for name, child in self.children.items():
            try:
                child.wait(max(0.1, give_up - time.monotonic()))
            except subprocess.TimeoutExpired:
                console.people.print(f"{name} does not end: killed. What was committed is safe")
                child.kill()
                child.wait()


def _ends_with_its_parent() -> None:
    """Asks the kernel for SIGTERM when the parent is gone, be it killed: no orphan keeps the port."""
    _PRCTL(_PR_SET_PDEATHSIG, signal.SIGTERM)
