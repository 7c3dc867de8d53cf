"""What the connections of a listener share: devices, the spool, counters, the clock."""

import time
from asyncio import AbstractEventLoop
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from analytics.metrics import Line
from analytics.spool import Place
from analytics.telemetry.hj212.devices import Device, fits
from jobs import console
from jobs.listen.limits import Limits

if TYPE_CHECKING:
    from jobs.listen.session import Session

log = structlog.get_logger()

#: Bytes read at once: no connection keeps the others waiting for longer than these take.
READ = 8 * 1024
#: Lines of the log of one kind within a minute; the counters count all.
LINES, MINUTE = 10, 60.0
#: Addresses and devices of which wrong passwords are remembered.
_GUESSERS = 10_000


class Appender(Protocol):
    """A spool, as far as a connection needs it."""

    def append(self, payload: bytes, head: Mapping[str, str], received: datetime) -> "Future[Place]":
        """The place of the record, once it is on the disk."""


@dataclass(slots=True)
class House:
    """The devices that may speak, and those that do. All of it belongs to the thread of the loop."""

    loop: AbstractEventLoop
    spool: Appender
    pepper: bytes
    line: Line
    limits: Limits = field(default_factory=Limits)
    #: whether devices make series of what they send
    register: bool = False
    clock: Callable[[], datetime] = console.now
    devices: Mapping[str, Device] = field(default_factory=dict)
    sessions: "dict[Session, None]" = field(default_factory=dict)
    #: those that have not said yet whose device they are, in the order in which they came
    strangers: "dict[Session, None]" = field(default_factory=dict)
    #: which connection a device speaks through
    voices: "dict[str, Session]" = field(default_factory=dict)
    #: one for all: what is read is taken before anybody else reads
    buffer: memoryview = field(default_factory=lambda: memoryview(bytearray(READ)))
    stopping: bool = False
    #: what a device had left of its bytes [B] when its connection ended, and when: where that was less than all
    _purses: dict[str, tuple[float, float]] = field(default_factory=dict)
    #: the devices of the last look at them, and whether one of them bends what only few may
    _rare: tuple[Mapping[str, Device] | None, bool] = (None, False)
    _guesses: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    _told: dict[str, list[float]] = field(default_factory=dict)

    def admits(self, session: "Session") -> bool:
        """Whether there is room for `session`, which is a stranger from now on."""
        if len(self.sessions) >= self.limits.connections:
            oldest = next(iter(self.strangers), None)
            if oldest is None:
                return False
            oldest.leave("crowded out", abort=True)
            self.release(oldest)  # now, or the next who comes would be given the same place
        self.sessions[session] = self.strangers[session] = None
        self.line.connections.set(len(self.sessions))
        return True

    @property
    def bent(self) -> bool:
        """Whether any device may send what only few may: looked for once, not for each of ten thousand who call."""
        if self._rare[0] is not self.devices:
            self._rare = self.devices, any(device.bends for device in self.devices.values())
        return self._rare[1]

    def release(self, session: "Session") -> None:
        """Nothing; `session` is gone."""
        self.sessions.pop(session, None)
        self.strangers.pop(session, None)
        for mn in session.known:
            if self.voices.get(mn) is session:
                del self.voices[mn]
        self.line.connections.set(len(self.sessions))

    def refuses(self, mn: str, password: str, address: str) -> str | None:
        """Why `mn` may not speak with `password`; None where it may."""
        device = self.devices.get(mn)
        if device is None:
            return "unknown device"
        tries, now = self._guesses.get((address, mn), []), self.loop.time()
        tries = [at for at in tries if now - at < self.limits.guessing]
        if len(tries) >= self.limits.guesses:
            return "too many wrong passwords"
        if fits(device, self.pepper, password):
            return None
        self._guesses.pop((address, mn), None)
        if len(self._guesses) >= _GUESSERS:
            self._guesses.pop(next(iter(self._guesses)))
        self._guesses[address, mn] = [*tries, now]
        return "wrong password"

    def speaks(self, mn: str, session: "Session") -> None:
        """Nothing; `mn` is heard through `session` from now on, an older connection of it ends."""
        self.strangers.pop(session, None)
        older = self.voices.get(mn)
        self.voices[mn] = session
        if older is not None and older is not session:
            older.hand_over(mn)

    def purse(self, mn: str) -> float:
        """The bytes that `mn` may send at once: who calls again has what it left, and what it gained meanwhile."""
        left, at = self._purses.pop(mn, (float(self.limits.burst), self.loop.time()))
        return min(self.limits.burst, left + (self.loop.time() - at) * self.limits.rate)

    def put_by(self, mn: str, left: float) -> None:
        """Nothing; `mn` has so much left, and not more because it calls again."""
        if left < self.limits.burst:
            self._purses[mn] = max(left, -float(self.limits.burst)), self.loop.time()

    def silence(self, mn: str, session: "Session") -> None:
        """Nothing; `mn`, whose password is another one or who is no device any more, is not heard through `session`."""
        session.known.pop(mn, None)
        if self.voices.get(mn) is session:
            del self.voices[mn]

    def tell(self, event: str, **said: Any) -> None:
        """Nothing; a warning in the log, unless there were many of its kind just now."""
        now = time.monotonic()
        told = self._told[event] = [at for at in self._told.get(event, []) if now - at < MINUTE]
        if len(told) < LINES:
            told.append(now)
            log.warning(event, **said)
