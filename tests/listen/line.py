"""A listener without a store in the loop of a test, and devices that speak to it over real sockets."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from concurrent.futures import Future
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from analytics.metrics import Line
from analytics.spool import Place
from analytics.telemetry.hj212.devices import Device, keyed
from analytics.telemetry.hj212.encoding import frame
from analytics.telemetry.hj212.frames import Decoder, Frame
from analytics.telemetry.hj212.messages import Message, parse
from jobs.listen.house import House
from jobs.listen.limits import Limits
from jobs.listen.session import Session
from tests.conftest import NOW

PEPPER = b"a pepper of tests"
PASSWORD = "123456"
#: A limit that nothing meets.
QUICK = Limits(rate=10_000_000, burst=10_000_000, stranger_rate=10_000_000, stranger_burst=10_000_000)


def device(mn: str, **facts: Any) -> Device:
    """The device `mn` of a station of that name, its password PASSWORD."""
    return Device(mn, facts.pop("station", mn), keyed(PEPPER, mn, PASSWORD), **facts)


def said(
    mn: str,
    number: int = 1,
    command: str = "2011",
    *,
    value: object = 35.2,
    flag: int = 5,
    password: str = PASSWORD,
    time: str = "20260601080000",
) -> bytes:
    """A frame of `mn`: PM2.5 is `value` at `time`. `number` makes its QN."""
    figures = [[("DataTime", time)], [("a34004-Rtd", str(value)), ("a34004-Flag", "N")]]
    return frame(head(mn, number, command, flag, password), figures if command[0] == "2" else ())


def head(mn: str, number: int, command: str, flag: int = 5, password: str = PASSWORD) -> dict[str, str]:
    """What stands before CP."""
    number_ = f"20260601080000{number:03}"
    return {"QN": number_, "ST": "22", "CN": command, "PW": password, "MN": mn, "Flag": str(flag)}


@dataclass
class Paper:
    """A spool that is safe when the test says so; at once unless it is `slow`."""

    slow: bool = False
    #: what each append comes to instead of a place
    problem: Exception | None = None
    records: list[tuple[bytes, Mapping[str, str], Future[Place]]] = field(default_factory=list)

    def append(self, payload: bytes, head: Mapping[str, str], received: datetime) -> "Future[Place]":
        """A future that is done by `settle`, or is done."""
        future: Future[Place] = Future()
        self.records.append((payload, head, future))
        if not self.slow:
            self.settle(future)
        return future

    def settle(self, future: "Future[Place]") -> None:
        """The disk has it, or says why not."""
        if self.problem:
            future.set_exception(self.problem)
        else:
            future.set_result(Place(1, len(self.records)))


@dataclass
class Caller:
    """A device on its line."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    _decoder: Decoder = field(default_factory=Decoder)
    _heard: list[Message] = field(default_factory=list)

    async def say(self, *data: bytes) -> None:
        """Writes `data`, each in a packet of its own, until the connection is gone."""
        with suppress(ConnectionError):
            for part in data:
                self.writer.write(part)
                await self.writer.drain()
                await asyncio.sleep(0.005 if len(data) > 1 else 0)

    async def hear(self, seconds: float = 5) -> Message | None:
        """The next message; None at the end of the connection, or where none comes in time."""
        with suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(seconds):
                while not self._heard:
                    data = await self.reader.read(4096)
                    if not data:
                        return None
                    self._heard += [parse(one.segment) for one in self._decoder.feed(data) if isinstance(one, Frame)]
        return self._heard.pop(0) if self._heard else None

    async def ended(self, seconds: float = 5) -> bool:
        """Whether the listener ends the connection, whatever it says before."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                with suppress(ConnectionError):
                    while await self.reader.read(4096):
                        pass
                return True
        return False


@dataclass
class Hall:
    """A listener: its house, and how to call it."""

    house: House
    paper: Paper
    port: int

    @asynccontextmanager
    async def caller(self, tls: ssl.SSLContext | None = None) -> AsyncIterator[Caller]:
        """A connection, closed at the end."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=tls)
        try:
            yield Caller(reader, writer)
        finally:
            writer.transport.abort()

    def transport(self) -> asyncio.Transport:
        """The listener's end of the one connection there is."""
        [session] = self.house.sessions
        assert session._transport is not None
        return session._transport

    def count(self, metric: str, *labels: str) -> float:
        """The value of a counter of the line."""
        found = getattr(self.house.line, metric)
        return float((found.labels(*labels) if labels else found)._value.get())


@asynccontextmanager
async def hall(
    *devices: Device, paper: Paper | None = None, limits: Limits = QUICK, tls: ssl.SSLContext | None = None, **more: Any
) -> AsyncIterator[Hall]:
    """A listener of `devices`; its second hand ticks fifty times as fast as of old."""
    loop = asyncio.get_running_loop()
    spool = paper or Paper()
    known = {one.mn: one for one in devices}
    house = House(loop, spool, PEPPER, Line("test"), limits, devices=known, clock=lambda: NOW, **more)
    server = await loop.create_server(lambda: Session(house), "127.0.0.1", 0, ssl=tls)

    async def tick() -> None:
        while True:
            for session in list(house.sessions):
                session.tick(loop.time())
            await asyncio.sleep(0.02)

    hand = asyncio.create_task(tick())
    try:
        yield Hall(house, spool, server.sockets[0].getsockname()[1])
    finally:
        hand.cancel()
        server.close()
        for session in list(house.sessions):
            session.leave("test", abort=True)
        await asyncio.sleep(0.01)


def limits(**less: Any) -> Limits:
    """QUICK with other figures."""
    return replace(QUICK, **less)


async def until(true: Callable[[], bool], seconds: float = 10) -> None:
    """Nothing, once `true`; fails after `seconds`."""
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.01)


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Nothing; `test` has run, within half a minute."""
    asyncio.run(asyncio.wait_for(test(), 30))
