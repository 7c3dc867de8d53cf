"""Who sends to the doors: readings of a clock of their own, again and again until they are acknowledged."""

import socket
import threading
import time
from abc import ABC, abstractmethod
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from analytics.telemetry.hj212.frames import Decoder, Frame
from analytics.telemetry.hj212.messages import parse
from tests.listen.line import head, said
from tests.mqtt.broker import Publisher
from tests.web.posting import TYPE, body

START = datetime(2025, 1, 1, tzinfo=UTC)
#: A door, an outage of the database, a start: nothing takes longer [s].
PATIENCE = 60.0
#: Between two things that a sender says [s]: a load, and room for the three processes on two cores.
PACE = 0.02


def moment(number: int) -> datetime:
    """The time of a reading."""
    return START + timedelta(seconds=number)


def value(number: int) -> float:
    """What it says."""
    return number / 10


class Sender(threading.Thread, ABC):
    """Says `some` readings at a time for its `station`, again until all are acknowledged; then the next, until told to
    stop. `sent` are acknowledged; `problem` is what was wrong with an answer."""

    some, pace = 5, PACE

    def __init__(self, station: str, port: int) -> None:
        super().__init__(daemon=True, name=station)
        self.station, self.port = station, port
        self.sent, self.tries, self.problem, self.refusal = 0, 0, "", ""
        self.stopping = threading.Event()

    def run(self) -> None:
        while not self.stopping.is_set() and not self.problem:
            numbers = range(self.sent, self.sent + self.some)
            give_up = time.monotonic() + PATIENCE
            while not self.problem and not self.acknowledged(numbers):
                if time.monotonic() > give_up:
                    self.problem = f"{self.station}: nothing is acknowledged for {PATIENCE:.0f} s, {self.refusal}"
                    return
                time.sleep(PACE)
            self.sent, self.tries = numbers.stop, self.tries + 1
            time.sleep(self.pace)
        self.close()

    @abstractmethod
    def acknowledged(self, numbers: range) -> bool:
        """Whether all of `numbers` were, now or before; else they are to be said again."""

    @abstractmethod
    def close(self) -> None:
        """Nothing; it hangs up."""


class Device(Sender):
    """HJ 212 over a line of its own."""

    line: socket.socket | None = None
    decoder: Decoder

    def acknowledged(self, numbers: range) -> bool:
        try:
            if self.line is None:
                self.line, self.decoder = socket.create_connection(("127.0.0.1", self.port), 5), Decoder()
                self.line.settimeout(3)
            self._say(self.line, numbers)
        except OSError as refusal:
            self.refusal = repr(refusal)
            self.close()
            return False
        return True

    def _say(self, line: socket.socket, numbers: range) -> None:
        waiting = {head(self.station, n % 1000, "")["QN"] for n in numbers}
        local = [f"{moment(n) + timedelta(hours=8):%Y%m%d%H%M%S}" for n in numbers]
        frames = [said(self.station, n % 1000, value=value(n), time=at) for n, at in zip(numbers, local, strict=True)]
        line.sendall(b"".join(frames))
        while waiting:
            data = line.recv(4096)
            if not data:
                raise ConnectionError
            for found in self.decoder.feed(data):
                assert isinstance(found, Frame)
                waiting.discard(parse(found.segment).head["QN"])

    def close(self) -> None:
        if self.line is not None:
            self.line.close()
            self.line = None


class Logger(Sender):
    """NDJSON over HTTP; `later` are the addresses where it is said what became of what was answered 202."""

    some = 20

    def __init__(self, station: str, port: int) -> None:
        super().__init__(station, port)
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=20)
        self.later: list[str] = []

    def acknowledged(self, numbers: range) -> bool:
        content = body(*({"station": self.station, "channel": "pm25", **reading(n)} for n in numbers))
        try:
            answer = self.client.post("/observations", params={"cadence": 60}, content=content, headers=TYPE)
        except httpx.HTTPError as refusal:
            self.refusal = repr(refusal)
            return False
        if answer.status_code == 202:
            self.later.append(answer.headers["Location"])
        elif answer.status_code == 200:
            self._check(answer.json(), len(numbers))
        elif answer.status_code == 503:
            self.refusal = answer.text
        else:
            self.problem = f"{self.station}: {answer.status_code} {answer.text}"
        return answer.status_code in (200, 202)

    def _check(self, told: dict[str, Any], count: int) -> None:
        if (told["read"], told["new"] + told["duplicates"]) != (count, count):
            self.problem = f"{self.station}: {told}"

    def settled(self) -> bool:
        """Whether all that was answered 202 is in by now."""
        while self.later:
            answer = httpx.get(f"http://127.0.0.1:{self.port}{self.later[-1]}", trust_env=False)
            if answer.status_code != 200 or answer.json()["state"] == "waiting":
                return False
            self._check(answer.json(), self.some)
            self.later.pop()
        return True

    def close(self) -> None:
        self.client.close()


class Sensor(Sender):
    """Plain JSON to a broker, which is always there; the topic says the station."""

    #: slower: the broker takes whatever comes, and keeps it while the subscriber is away
    some, pace = 10, 5 * PACE
    publisher: Publisher | None = None

    def acknowledged(self, numbers: range) -> bool:
        self.publisher = self.publisher or Publisher(self.port).__enter__()
        payloads = [body({"channel": "pm25", **reading(n)}) for n in numbers]
        self.publisher.send(f"up/{self.station}", *payloads)
        return True

    def close(self) -> None:
        if self.publisher is not None:
            self.publisher.__exit__()


def reading(number: int) -> dict[str, Any]:
    return {"time": moment(number).isoformat(), "value": value(number)}
