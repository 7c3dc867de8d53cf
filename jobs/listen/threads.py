"""What runs beside the loop of a listener, each with a connection of its own: what it learns it tells the loop."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from analytics.store import devices
from analytics.store.connection import Connection
from analytics.telemetry.hj212 import encoding
from analytics.telemetry.hj212.devices import Device
from analytics.telemetry.hj212.gaps import Gap, gaps
from jobs import console
from jobs.listen.exchange import DONE
from jobs.listen.house import House
from jobs.threads import Thread

#: Between two looks whether a device is another one [s].
LOOK = 2.0
#: What comes within this time [s] of a frame is saved with it: few large batches cost less than many small ones. Of
#: 1,500 devices a batch has some 25 frames, whose transaction takes a hundredth of that second.
GATHER = 1.0
#: What is asked for, in this order, how far back, and how many intervals at once.
ASKED: Mapping[str, tuple[timedelta, int]] = {
    "2061": (timedelta(days=7), 48),
    "2051": (timedelta(days=2), 72),
    "2031": (timedelta(days=31), 31),
}
#: A figure may come so late by itself; a device is looked at again so long after nothing was to be asked, or so soon
#: after an answer; who was asked for a gap is not asked for the same one before that.
LATE, EVERY, SOON, AGAIN = (timedelta(minutes=minutes) for minutes in (15, 10, 0.25, 360))
#: Gaps that are remembered.
_MOST = 50_000


@dataclass(slots=True)
class Directory(Thread):
    """Keeps the loop informed of which devices may speak."""

    tell: Callable[[Mapping[str, Device]], None] = field(kw_only=True)

    def serve(self, conn: Connection) -> None:
        """Nothing; looks until `stopping`."""
        state: object = None
        while not self.stopping.is_set():
            if (found := devices.state(conn)) != state:
                state = found
                self.tell(devices.load(conn))
            self.stopping.wait(LOOK)


@dataclass(slots=True)
class Asker(Thread):
    """Asks the devices that are here for what is missing of their figures, one request at a time each."""

    house: House = field(kw_only=True)
    _next: dict[str, datetime] = field(default_factory=dict, init=False)
    _asked: dict[tuple[str, str, Gap], datetime] = field(default_factory=dict, init=False)

    def serve(self, conn: Connection) -> None:
        """Nothing; asks until `stopping`."""
        while not self.stopping.is_set():
            here = list(self.house.voices)
            self._next = {mn: self._next[mn] for mn in here if mn in self._next}
            for mn in here:
                device = self.house.devices.get(mn)
                now = console.now()
                if device is None or now < self._next.get(mn, now) or self.stopping.is_set():
                    continue
                found = self.wanted(conn, device, now)
                self._next[mn] = now + (EVERY if found is None else SOON)
                if found is not None:
                    self.house.loop.call_soon_threadsafe(self._ask, device, *found, now)
            self.stopping.wait(LOOK)

    def wanted(self, conn: Connection, device: Device, now: datetime) -> tuple[str, Gap] | None:
        """Command and newest gap of what is missing of `device` and was not asked for lately, if anything is."""
        for command, (reach, most) in ASKED.items():
            step, until = device.step(command), now - LATE
            first, there = devices.seen(conn, device.station, step, now - reach, until)
            if first is None:
                continue  # it does not send them at all
            local = [_local(time, device) for time in there]
            start = _local(max(first, now - reach), device)
            for gap in gaps(local, start, _local(until, device), step, most):
                before = self._asked.get((device.mn, command, gap))
                if before is None or now - before >= AGAIN:
                    return command, gap
        return None

    def _ask(self, device: Device, command: str, gap: Gap, now: datetime) -> None:
        """Nothing; in the loop: the request is on its way unless the device is busy."""
        session = self.house.voices.get(device.mn)
        exchange = session and session.request(device, command, encoding.span(*gap))
        if not exchange:
            return
        if len(self._asked) >= _MOST:
            self._asked.pop(next(iter(self._asked)))
        self._asked[device.mn, command, gap] = now

        def ended(outcome: str) -> None:
            self.house.line.results.labels(outcome).inc()
            if outcome != DONE:
                self.house.tell("request not carried out", device=device.mn, command=command, outcome=outcome)

        exchange.ended = ended


def _local(time: datetime, device: Device) -> datetime:
    return time.replace(tzinfo=None) + device.ahead
