"""`greenwatch deadman`: tells somebody when nothing is heard of paging. It belongs on a machine of its own.

Alertmanager sends its alert Watchdog, which is always on, all the time; what is silent for longer than it may be is
told of by another way, again and again, until it is heard again, which is told, too. It needs no database. What it last
heard and told is in a file: a restart forgets no silence, and what was told once is not told again.
"""

import json
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from threading import Event, Lock
from typing import Annotated, Any
from uuid import uuid4

import structlog
import typer
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from analytics.metrics import Deadman
from jobs import console, scraped, serve
from jobs.database.home import home
from jobs.incidents import sending, signing
from jobs.incidents.watchdog import is_on
from jobs.web.guard import CHALLENGE, equal, given

EXAMPLE = "Example: greenwatch deadman --tell https://chat.example/hooks/duty --after 300"

log = structlog.get_logger()

TOKEN, SECRET = "GREENWATCH_DEADMAN_TOKEN", "GREENWATCH_DEADMAN_SECRET"
PORT = 9216
#: Watchdog comes every two minutes (dashboards/alertmanager): twice in a row it may be missed [s].
AFTER, AGAIN = 300.0, 3600.0
#: After a start nothing could be heard before: so long [s] is waited first, less where less is silence.
GRACE = 150.0
#: Between two looks, and between tries of what could not be told; a try may take so long [s].
PAUSE, PAUSES, PATIENCE = 0.5, (2, 5, 15, 60, 300), 10.0
#: Of a body [bytes].
MOST_BYTES = 2**20


@dataclass(slots=True)
class Message:
    """What is to be told: the same to all, by the same id however often it is tried."""

    silent: bool
    heard: float
    at: float
    id: str = field(default_factory=lambda: str(uuid4()))

    def body(self) -> bytes:
        """The webhook. `text` is what a chat shows."""
        heard = datetime.fromtimestamp(self.heard, UTC).isoformat(timespec="seconds")
        words = (
            f"No Watchdog was heard since {heard}: paging may be down, and nothing else would say so. "
            f"自 {heard} 起未收到 Watchdog：报警链路可能中断，其他报警也无法送达。"
            if self.silent
            else f"Watchdog is heard again, {heard}. Watchdog 已恢复，{heard}。"
        )
        told = {
            "type": f"deadman.{'silent' if self.silent else 'heard'}",
            "timestamp": datetime.fromtimestamp(self.at, UTC).isoformat(timespec="seconds"),
            "data": {"heard": heard, "silent_seconds": round(self.at - self.heard)},
            "text": words,
        }
        return json.dumps(told, ensure_ascii=False).encode()


class Switch:
    """Since when it is silent, and what is to be told of that.

    `clock` is the time of day, which a file outlives; `ticks` is what no correction of the clock moves.
    """

    def __init__(
        self,
        after: float,
        again: float,
        file: Path,
        clock: Callable[[], float] = time.time,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        """As `file` has it; silent from now on where there is none. Raises `NotAsAsked` where it cannot be kept."""
        self.after, self.again, self._file, self._clock, self._ticks = after, again, file, clock, ticks
        self._lock = Lock()
        self._began = ticks()
        self.heard, self._sure = self._read()
        self._told = self._sure
        self._last = self._began - max(0.0, clock() - self.heard)
        self._next = self._began + again
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            self._keep()
        except OSError as problem:
            raise console.NotAsAsked(f"--file {file}: {problem.strerror or problem}") from None

    @property
    def silent(self) -> bool:
        """Whether it is, for longer than it may be."""
        now = self._ticks()
        return now - self._last > self.after and now - self._began > min(self.after, GRACE)

    def hear(self) -> None:
        """Nothing; paging works now."""
        with self._lock:
            self._last, self.heard = self._ticks(), self._clock()
            self._kept()

    def look(self) -> Message | None:
        """What is to be told now, if anything: that it is silent, or that it no longer is."""
        with self._lock:
            silent, now = self.silent, self._ticks()
            if silent and (not self._told or now >= self._next):
                self._told, self._next = True, now + self.again
            elif self._told and now - self._last <= self.after:
                self._told = False
            else:
                return None
            return Message(silent, self.heard, self._clock())

    def settle(self) -> None:
        """Nothing; what was to be told has reached everybody. Before, a restart tells it once more."""
        with self._lock:
            if self._sure != self._told:
                self._sure = self._told
                self._kept()

    def _read(self) -> tuple[float, bool]:
        now = self._clock()
        try:
            found = json.loads(self._file.read_text(encoding="utf-8"))
            return min(now, float(found["heard"])), bool(found["told"])
        except FileNotFoundError:
            return now, False
        except (OSError, ValueError, TypeError, KeyError) as problem:  # cut by a full disk: begin again, and say so
            log.warning("deadman", file=str(self._file), problem=f"{type(problem).__name__}: {problem}")
            return now, False

    def _kept(self) -> None:
        try:
            self._keep()
        except OSError as problem:  # it goes on: what is in the memory is right
            log.error("deadman", file=str(self._file), problem=str(problem))

    def _keep(self) -> None:
        """Nothing; the file is the old or the new one, never half of one."""
        fresh = self._file.with_name(f"{self._file.name}.new")
        with fresh.open("w", encoding="utf-8") as file:
            json.dump({"heard": self.heard, "told": self._sure}, file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._file)


@dataclass(slots=True)
class Teller:
    """Tells one address, in order of what is newest: what could not be told is tried again until something newer is."""

    url: str
    page: Deadman
    key: bytes | None = None
    waits: Message | None = None
    tries: int = 0
    due: float = 0.0

    def take(self, message: Message) -> None:
        """Nothing; `message` is to be told."""
        self.waits, self.tries, self.due = message, 0, 0.0

    def turn(self, now: float) -> None:
        """Nothing; what waits and is due was told, or waits for its next try."""
        if self.waits is None or now < self.due:
            return
        problem = self._post(self.waits)
        self.page.told.labels("failed" if problem else "told").inc()
        if problem:
            self.due = now + PAUSES[min(self.tries, len(PAUSES) - 1)]
            self.tries += 1
            log.error("deadman", problem=problem, tries=self.tries)
        else:
            self.waits = None

    def _post(self, message: Message) -> str:
        """What was wrong, in our own words: an address may hold a secret."""
        body, stamp = message.body(), int(time.time())
        signed = {} if self.key is None else signing.headers(self.key, message.id, stamp, body)
        headers = {"Content-Type": "application/json", **signed}
        # A chat is outside: the way there may be a proxy's.
        return sending.post(self.url, body, headers, PATIENCE, environment=True).problem


def main(
    tell: Annotated[
        list[str],
        typer.Option(help="Address that is told by POST (JSON, `text` for a chat); may be given again."),
    ],
    after: Annotated[float, typer.Option(min=1, help="Silence of so long is told of [s].")] = AFTER,
    again: Annotated[float, typer.Option(min=1, help="And again, while it lasts [s].")] = AGAIN,
    file: Annotated[Path | None, typer.Option(dir_okay=False, help="What it last heard. Default: in its home.")] = None,
    host: scraped.Host = scraped.HOST,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of /watchdog, /metrics and /healthz.")] = PORT,
    cert: scraped.Cert = None,
    key: scraped.Key = None,
) -> None:
    """Hear Alertmanager's Watchdog (POST /watchdog), and tell when it falls silent, until stopped.

    GREENWATCH_DEADMAN_TOKEN is asked for where set; GREENWATCH_DEADMAN_SECRET signs what is told (Standard Webhooks).
    """
    token = os.environ.get(TOKEN, "").encode() or None
    if token is None and not serve.loopback(host):
        raise console.NotAsAsked(f"{host} can be reached from other machines, and silence be hidden: set {TOKEN}")
    secret = signing.secret(os.environ.get(SECRET, ""), SECRET)
    if not all(map(sending.address, tell)):
        raise console.NotAsAsked("--tell is no address: it begins with https:// (or http://)")
    switch = Switch(after, again, file or home() / "deadman.json")
    page, stopping = Deadman(version("greenwatch"), switch), Event()
    tellers = [Teller(url, page, secret) for url in tell]
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    routes = [Route("/watchdog", heard(switch, token), methods=["POST"])]
    with scraped.served(page, port, host, cert, key, routes):
        while not stopping.is_set():
            if (message := switch.look()) is not None:
                log.warning(
                    "deadman", silent=message.silent, heard=datetime.fromtimestamp(message.heard, UTC).isoformat()
                )
                for teller in tellers:
                    teller.take(message)
            for teller in tellers:
                teller.turn(time.monotonic())
            if all(teller.waits is None for teller in tellers):
                switch.settle()
            stopping.wait(PAUSE)


def heard(switch: Switch, token: bytes | None) -> Callable[[Request], Any]:
    """The handler of Alertmanager's webhook: 200 where it was read, and whether Watchdog is on in it."""

    async def watchdog(request: Request) -> Response:
        if token is not None and not equal(given(request.headers.get("authorization", ""), reading=False), token):
            return JSONResponse({"heard": False}, status_code=401, headers=CHALLENGE)
        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > MOST_BYTES:
                return JSONResponse({"heard": False}, status_code=413)
        on = False
        with suppress(ValueError, RecursionError):
            on = is_on(json.loads(body))
        if on:
            switch.hear()
        return JSONResponse({"heard": on})

    return watchdog
