"""HJ 212 devices in a process of their own: `python -m tests.soak.devices.fleet PORT LIVE BEATING SECONDS EVERY`.

Each has a connection, says whose it is by a heartbeat, and keeps the line. The first LIVE send a frame of moments
(2011) with eight figures once a minute, the BEATING ones behind them a heartbeat, both spread evenly over the minute.
Every EVERYth live one says what cannot be, so that each of its frames gets a verdict whose row can be waited for.

On stdout: a line once all are known; a JSON object a frame that was answered (number of the device, second of its
figures, the figures, when its last byte was sent and its answer was there); at the end one of the heartbeats and of
what went wrong. Then it keeps its connections until its input ends.
"""

import asyncio
import json
import resource
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np

from analytics.telemetry.hj212.encoding import TO_DATA, frame
from analytics.telemetry.hj212.frames import Decoder, Frame
from analytics.telemetry.hj212.messages import parse
from tests.soak import rows
from tests.soak.sender import NONSENSE

PASSWORD = "123456"
#: Code of each parameter of `rows.PARAMETERS`, in their order.
CODES = ("a34004", "a34002", "a21026", "a21004", "a21005", "a05024", "a01001", "a01002")
MINUTE = 60
#: Connections that are made at once; seconds until they all are known, and until what was sent is answered.
AT_ONCE, PATIENCE, ANSWERED = 100, 300.0, 20.0
#: The clock of the devices.
_AHEAD = timedelta(hours=8)
_MIDDLE, _SPREAD = np.array(list(rows.PARAMETERS.values())).T


def number(device: int) -> str:
    """The MN of a device."""
    return f"8888888{device:07}"


def local(at: float, form: str) -> str:
    """A moment on the devices' clock."""
    return (datetime.fromtimestamp(at, UTC) + _AHEAD).strftime(form)


@dataclass(slots=True)
class Fleet:
    """What its devices share: what was said and heard."""

    beats: list[float] = field(default_factory=list)
    lost: int = 0
    strange: int = 0
    ended: bool = False


class Device(asyncio.Protocol):
    """A device on its line."""

    def __init__(self, fleet: Fleet, device: int) -> None:
        """It has said nothing yet."""
        self.fleet, self.device = fleet, device
        self.known: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        #: QN -> when it was sent, and what a frame said: its second and its figures
        self.waiting: dict[str, tuple[float, tuple[int, list[float]] | None]] = {}
        self._decoder = Decoder()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It says who it is."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self.beat()

    def beat(self) -> None:
        """Nothing; a heartbeat is on its way."""
        self._say("9015", None)

    def report(self, second: int, figures: list[float]) -> None:
        """Nothing; a frame of moments is on its way."""
        self._say("2011", (second, figures))

    def _say(self, command: str, what: tuple[int, list[float]] | None) -> None:
        qn = local(time.time(), "%Y%m%d%H%M%S%f")[:17]
        head = {"QN": qn, "ST": "22", "CN": command, "PW": PASSWORD, "MN": number(self.device), "Flag": "5"}
        groups: list[list[tuple[str, str]]] = []
        if what:
            pairs = zip(CODES, what[1], strict=True)
            groups = [
                [("DataTime", local(what[0], "%Y%m%d%H%M%S"))],
                *([(f"{code}-Rtd", f"{figure:.1f}"), (f"{code}-Flag", "N")] for code, figure in pairs),
            ]
        assert self._transport is not None
        self._transport.write(frame(head, groups))
        if self._transport.get_write_buffer_size():  # then it was not sent when we say so
            self.fleet.strange += 1
        self.waiting[qn] = time.time(), what

    def data_received(self, data: bytes) -> None:
        """Answers, each for one thing it said."""
        now = time.time()
        for found in self._decoder.feed(data):
            head = parse(found.segment).head if isinstance(found, Frame) else {}
            said = self.waiting.pop(head.get("QN", ""), None) if head.get("CN") == TO_DATA else None
            if said is None:
                self.fleet.strange += 1
            elif not self.known.done():
                self.known.set_result(None)
            elif said[1] is None:
                self.fleet.beats.append(now - said[0])
            else:
                told = {"device": self.device, "second": said[1][0], "figures": said[1][1]}
                print(json.dumps(told | {"sent": said[0], "answered": now}), flush=True)

    def connection_lost(self, problem: Exception | None) -> None:
        """Nobody ends it but the listener, before the end."""
        if not self.fleet.ended:
            self.fleet.lost += 1
        if not self.known.done():
            self.known.set_exception(problem or ConnectionResetError("closed before it was known"))


def due(live: int, beating: int, first: int, seconds: int) -> Iterator[tuple[float, int]]:
    """When which device says something, in order of time."""
    for minute in range(-(-seconds // MINUTE)):
        slots = [(MINUTE * n / live, n) for n in range(live)]
        slots += [(MINUTE * n / beating, live + n) for n in range(beating)]
        for offset, device in sorted(slots):
            if minute * MINUTE + offset < seconds:
                yield first + minute * MINUTE + offset, device


async def run(port: int, live: int, beating: int, seconds: int, every: int) -> None:
    """Nothing; all was sent, and told."""
    loop, fleet, room = asyncio.get_running_loop(), Fleet(), asyncio.Semaphore(AT_ONCE)

    async def connect(device: int) -> Device:
        async with room:
            _, made = await loop.create_connection(lambda: Device(fleet, device), "127.0.0.1", port)
            await made.known
            return made

    async with asyncio.timeout(PATIENCE):
        devices = await asyncio.gather(*(connect(device) for device in range(live + beating)))
    print(json.dumps({"known": len(devices)}), flush=True)
    rng, late, sent = np.random.Generator(np.random.PCG64(12)), 0.0, 0
    first = int(time.time()) + 2
    for at, device in due(live, beating, first, seconds):
        if at > time.time():
            await asyncio.sleep(max(0.0, at - time.time()))
        late = max(late, time.time() - at)
        if device >= live:
            devices[device].beat()
            continue
        figures = np.round(np.abs(_MIDDLE + 0.3 * _SPREAD * rng.standard_normal(len(CODES))), 1).tolist()
        if device % every == 0:
            figures[0] = NONSENSE
        devices[device].report(int(at), figures)
        sent += 1
    give_up = time.time() + ANSWERED
    while time.time() < give_up and any(one.waiting for one in devices):
        await asyncio.sleep(0.1)
    unanswered = sum(len(one.waiting) for one in devices)
    told = {"sent": sent, "beats": fleet.beats, "lost": fleet.lost, "strange": fleet.strange, "late": late}
    print(json.dumps(told | {"unanswered": unanswered}), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    fleet.ended = True


def main() -> None:
    """Sends for as long as it was told."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, hard), hard))
    asyncio.run(run(*map(int, sys.argv[1:6])))


if __name__ == "__main__":
    main()
