"""The listener: a socket, a loop, what runs beside it; begun in order and ended in order."""

import asyncio
import signal
import ssl
from asyncio import sslproto
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from socket import socket
from threading import Event

import structlog

from analytics.metrics import Line
from analytics.spool import Spool
from analytics.store.connection import Connection
from analytics.telemetry.hj212.devices import Device
from jobs import console, tls
from jobs.drain import KEPT, Guarded, Saver
from jobs.listen.door import NAME, decode
from jobs.listen.house import READ, House
from jobs.listen.limits import Limits
from jobs.listen.session import Session
from jobs.listen.threads import GATHER, Asker, Directory
from jobs.threads import Thread
from jobs.timed import Timed

log = structlog.get_logger()

#: The second hand [s]; how long threads and connections have at the end [s].
TICK, GRACE = 1.0, 20.0
HANDSHAKE = 10.0
#: Handshakes of TLS at once: they have a place in no house yet, and a crowd of them would take all open files.
SHAKING = 512
#: After the system had no file left for a connection [s].
_BREATH = 0.5


@dataclass(frozen=True, slots=True)
class Settings:
    """What the one who started the listener asked for."""

    dsn: str
    pepper: bytes
    folder: Path
    tls: ssl.SSLContext | None = None
    register: bool = False
    ask: bool = False
    room: int | None = None
    #: what its spool is called: `hj212`, or `hj212@north` where more machines have one
    door: str = NAME
    limits: Limits = field(default_factory=Limits)


def context(cert: Path | None, key: Path | None) -> ssl.SSLContext | None:
    """TLS as devices speak it; none without `cert`. Raises `NotAsAsked` where the files cannot be used."""
    # asyncio gives each connection of TLS a buffer of this size, 256 KiB unless it is told otherwise: that is 2.5 GiB
    # for ten thousand devices that say nothing.
    sslproto.SSLProtocol.max_size = READ
    return tls.context(cert, key)


async def listen(
    settings: Settings, listener: socket, line: Line, known: Mapping[str, Device], stop: asyncio.Event | None = None
) -> None:
    """Nothing, once `stop` is set or SIGINT or SIGTERM came: what was promised is kept, what was safe is answered.

    `known` are the devices as they were a moment ago. Raises `spool.InUse`, `OSError`; `NotAsAsked` where a thread
    beside it ended by a mistake of ours.
    """
    loop, stop = asyncio.get_running_loop(), stop or asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(RuntimeError, ValueError):  # in a thread, as tests have it, there are no signals
            loop.add_signal_handler(number, stop.set)
    spool, stopping = Spool(settings.folder, room=settings.room), Event()
    line.most.set(settings.limits.connections)
    house = House(loop, spool, settings.pepper, line, settings.limits, register=settings.register, devices=known)

    def learn(found: Mapping[str, Device]) -> None:
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(setattr, house, "devices", found)

    bends: Counter[str] = Counter()
    door = settings.door
    save = Guarded(door, Saver(door, decode=partial(decode, bends=bends)))

    def counted(conn: Connection) -> None:
        for rule, count in bends.items():
            line.bends.labels(str(rule)).inc(count)
        bends.clear()

    drainer = Timed(
        f"drain {door}", settings.dsn, stopping, spool, door, save, age=KEPT, page=line, gather=GATHER, then=counted
    )
    threads: list[Thread] = [drainer, Directory("devices hj212", settings.dsn, stopping, tell=learn)]
    if settings.ask:
        threads.append(Asker("ask hj212", settings.dsn, stopping, house=house))
    try:
        for thread in threads:
            thread.start()
        async with _open(house, listener, settings.tls):
            await _until(stop, stopping, house)
            house.stopping = True
        for session in list(house.sessions):
            session.hold()
    finally:
        stopping.set()
        for thread in threads:
            await asyncio.to_thread(thread.join, GRACE)
        # The last frames are on the disk, or refused, when it is closed; each has told the loop so before we go on.
        await asyncio.to_thread(spool.close)
    for session in list(house.sessions):
        session.leave("stopped")
    give_up = loop.time() + min(GRACE, 5.0)
    while house.sessions and loop.time() < give_up:
        await asyncio.sleep(0.02)
    for session in list(house.sessions):
        session.leave("stopped", abort=True)
    if any(thread.broken for thread in threads):
        raise console.NotAsAsked("the listener ended by a mistake of ours; what it answered is safe in its spool")


@asynccontextmanager
async def _open(house: House, listener: socket, tls: ssl.SSLContext | None) -> AsyncIterator[None]:
    """Connections are taken meanwhile."""
    if tls is None:
        server = await house.loop.create_server(lambda: Session(house), sock=listener, backlog=1024)
        try:
            yield
        finally:
            server.close()
        return
    greeter = asyncio.create_task(greet(house, listener, tls))
    try:
        yield
    finally:
        greeter.cancel()
        with suppress(asyncio.CancelledError):
            await greeter


async def greet(house: House, listener: socket, tls: ssl.SSLContext, most: int = SHAKING) -> None:
    """Nothing; takes connections, `most` handshakes at once: one more takes the place of the one that is longest at it.

    Ends when it is cancelled, and with it the handshakes.
    """
    shaking: dict[asyncio.Task[None], None] = {}

    async def shake(connection: socket) -> None:
        with suppress(OSError, asyncio.CancelledError):  # ssl.SSLError is one
            await house.loop.connect_accepted_socket(
                lambda: Session(house), connection, ssl=tls, ssl_handshake_timeout=HANDSHAKE
            )
            return
        house.line.closed.labels("no handshake").inc()

    listener.listen(1024)
    listener.setblocking(False)
    try:
        while True:
            try:
                connection, _ = await house.loop.sock_accept(listener)
            except OSError as problem:
                house.tell("connection not taken", problem=str(problem))
                await asyncio.sleep(_BREATH)
                continue
            if len(shaking) >= most:
                oldest = next(iter(shaking))
                del shaking[oldest]
                oldest.cancel()
            task = asyncio.create_task(shake(connection))
            shaking[task] = None
            task.add_done_callback(lambda done: shaking.pop(done, None))
    finally:
        for task in shaking:
            task.cancel()


async def _until(stop: asyncio.Event, stopping: Event, house: House) -> None:
    """Nothing, once `stop` is set or a thread gave up; meanwhile it looks after everybody's time."""
    while not stop.is_set() and not stopping.is_set():
        with suppress(TimeoutError):
            async with asyncio.timeout(TICK):
                await stop.wait()
        now = house.loop.time()
        for session in list(house.sessions):
            session.tick(now)
