"""The listener: a socket, a loop, what runs beside it; begun in order and ended in order."""

import asyncio
import signal
import ssl
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from socket import socket
from threading import Event

import structlog

from analytics.metrics import Line
from analytics.spool import Spool
from analytics.telemetry.hj212.devices import Device
from jobs import console
from jobs.drain import KEPT, Guarded, Saver
from jobs.listen.door import NAME, decode
from jobs.listen.house import House
from jobs.listen.limits import Limits
from jobs.listen.session import Session
from jobs.listen.threads import Asker, Directory, Timed
from jobs.threads import Thread

log = structlog.get_logger()

#: The second hand [s]; how long threads and connections have at the end [s].
TICK, GRACE = 1.0, 20.0
HANDSHAKE = 10.0


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
    limits: Limits = field(default_factory=Limits)


def context(cert: Path, key: Path | None) -> ssl.SSLContext:
    """TLS as a server speaks it. Raises `NotAsAsked` where the files cannot be used."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        made.load_cert_chain(cert, key, password=lambda: "")
    except (OSError, ssl.SSLError) as problem:
        raise console.NotAsAsked(f"--tls-cert {cert}: {problem}") from None
    return made


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
    house = House(loop, spool, settings.pepper, line, settings.limits, register=settings.register, devices=known)

    def learn(found: Mapping[str, Device]) -> None:
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(setattr, house, "devices", found)

    bends: Counter[str] = Counter()
    save = Guarded(NAME, Saver(NAME, decode=partial(decode, bends=bends)))
    drainer = Timed("drain hj212", settings.dsn, stopping, spool, NAME, save, age=KEPT, line=line, bends=bends)
    threads: list[Thread] = [drainer, Directory("devices hj212", settings.dsn, stopping, tell=learn)]
    if settings.ask:
        threads.append(Asker("ask hj212", settings.dsn, stopping, house=house))
    secure, handshake = settings.tls, HANDSHAKE if settings.tls else None
    try:
        for thread in threads:
            thread.start()
        server = await loop.create_server(
            lambda: Session(house), sock=listener, backlog=1024, ssl=secure, ssl_handshake_timeout=handshake
        )
        await _until(stop, stopping, house)
        house.stopping = True
        server.close()
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


async def _until(stop: asyncio.Event, stopping: Event, house: House) -> None:
    """Nothing, once `stop` is set or a thread gave up; meanwhile it looks after everybody's time."""
    while not stop.is_set() and not stopping.is_set():
        with suppress(TimeoutError):
            async with asyncio.timeout(TICK):
                await stop.wait()
        now = house.loop.time()
        for session in list(house.sessions):
            session.tick(now)
