"""A connection: bytes in, frames taken apart, whoever sent them known; answers out, once what they answer is safe.

Nothing here waits. What is read is at most some kilobytes, and is dealt with at once; the disk says by itself when it
has a frame; a second hand (`tick`) looks after everybody's time. So a device that is slow, silent or mad costs the
others nothing.

A frame that is refused is not answered: most devices take an answer, whatever it says, for a sign that they may forget.
"""

import asyncio
import hmac
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress
from typing import cast

from analytics.spool import Full, Place
from analytics.telemetry.hj212 import encoding
from analytics.telemetry.hj212.devices import Device, masked
from analytics.telemetry.hj212.encoding import RESULT, TO_DATA, TO_NOTICE, TO_REQUEST, TooLong
from analytics.telemetry.hj212.frames import NAMED, Decoder, Fault, Frame, Wrong
from analytics.telemetry.hj212.messages import Message, NoMessage, parse
from jobs.listen.exchange import Exchange
from jobs.listen.house import House

#: What is answered, and is no figure to be kept: heartbeat, answers to what we said.
HEARTBEAT, ASKS_CLOCK, SET_CLOCK = "9015", "1013", "1012"
_ANSWERS = frozenset({TO_REQUEST, RESULT, TO_NOTICE, TO_DATA})
#: Bytes of a raw frame that a line of the log shows.
_SHOWN = 200


class Session(asyncio.BufferedProtocol):
    """A connection of `house`, from its first byte to its last."""

    def __init__(self, house: House) -> None:
        """Knows nobody yet."""
        self.house = house
        #: devices that spoke with their password: its keyed hash then, and the head of the newest message
        self.known: dict[str, tuple[bytes, Mapping[str, str]]] = {}
        self.exchange: Exchange | None = None
        self.address = ""
        self._transport: asyncio.Transport | None = None
        # Which device it is, is known only behind the checksum: what few may send is judged once it is.
        self._decoder = Decoder(NAMED if house.bent else frozenset())
        self._heard = self._credited = house.loop.time()
        self._part: float | None = None
        self._credit = float(house.limits.stranger_burst)
        self._pending = self._faults = self._refusals = 0
        self._resuming: asyncio.TimerHandle | None = None
        #: when it was told to end, and whether the other side has said its last word
        self._left: float | None = None
        self._ended = False

    # -- the line -----------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is there."""
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self.address = str(peer[0]) if isinstance(peer, tuple) and peer else "?"
        if self.house.stopping or not self.house.admits(self):
            self.house.line.closed.labels("no room").inc()
            self._transport.abort()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where what comes is read into."""
        return self.house.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """So many bytes came."""
        now = self.house.loop.time()
        for found in self._decoder.feed(bytes(self.house.buffer[:nbytes])):
            self._part = None  # what is left behind this one began just now
            self._take(found, now)
            if self._gone:
                return
        self._part = (self._part or now) if self._decoder.waiting else None
        self._spend(nbytes, now)

    def eof_received(self) -> bool:
        """It says no more: what is left is no frame, what was asked is still answered."""
        for found in self._decoder.flush():
            self._take(found, self.house.loop.time())
        self._ended = True
        # Half a connection stays for the answers; TLS has no halves.
        assert self._transport is not None
        return self._pending > 0 and not self._gone and self._transport.get_extra_info("ssl_object") is None

    def connection_lost(self, problem: Exception | None) -> None:
        """It is gone."""
        self._transport = None
        if self._resuming:
            self._resuming.cancel()
        if self.exchange:
            self.exchange.abandon()
        for mn in self.known:
            self.house.put_by(mn, self._left_over)
        self.house.release(self)

    @property
    def _gone(self) -> bool:
        return self._transport is None or self._transport.is_closing()

    def _write(self, data: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        self._transport.write(data)
        if self._transport.get_write_buffer_size() > self.house.limits.unread:
            self.leave("does not read", abort=True)

    def leave(self, why: str, *, abort: bool = False) -> None:
        """Nothing; the connection ends, and what was written to it is sent unless it is to `abort`."""
        if self._transport is None or self._transport.is_closing():
            return
        self.house.line.closed.labels(why).inc()
        self._left = self.house.loop.time()
        (self._transport.abort if abort else self._transport.close)()

    def hand_over(self, mn: str) -> None:
        """Nothing; `mn` speaks through another connection now. One that nobody speaks through any more ends."""
        self.house.put_by(mn, self._left_over)
        self.known.pop(mn, None)
        if not self.known:
            self.leave("spoke again elsewhere")

    def hold(self) -> None:
        """Nothing; no more is read."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    @property
    def _left_over(self) -> float:
        """Bytes that may be sent now."""
        return self._credit + (self.house.loop.time() - self._credited) * self.house.limits.rate

    def _spend(self, count: int, now: float) -> None:
        """Nothing; who sends more than is allowed, or more than the disk takes, is not read from for a while."""
        limits = self.house.limits
        rate, burst = (limits.rate, limits.burst) if self.known else (limits.stranger_rate, limits.stranger_burst)
        self._credit = min(burst, self._credit + (now - self._credited) * rate) - count
        self._credited = now
        wait = -self._credit / rate
        if (wait > 0 or self._pending >= limits.pending) and self._resuming is None:
            self.hold()
            self._resuming = self.house.loop.call_later(max(wait, 0.05), self._resume)

    def _resume(self) -> None:
        self._resuming = None
        if self._pending >= self.house.limits.pending:
            self._resuming = self.house.loop.call_later(0.05, self._resume)
        elif self._transport is not None and not self._transport.is_closing() and not self.house.stopping:
            self._transport.resume_reading()
            if self._part is not None:  # the rest was not late: nobody read it
                self._part = self.house.loop.time()

    def tick(self, now: float) -> None:
        """Nothing; once a second: who took too long is let go, what was not answered is sent again."""
        limits = self.house.limits
        if self._left is not None:
            if now - self._left > limits.part and self._transport is not None:
                self._transport.abort()  # it does not take what was written before the end
            return
        if self._part is not None and self._resuming is None and now - self._part > limits.part:
            self._part = None
            for found in self._decoder.flush():
                self._take(found, now)
        if now - self._heard > (limits.idle if self.known else limits.stranger):
            self.leave("idle" if self.known else "said nothing")
        if self.exchange and (again := self.exchange.due(now)):
            self._write(again)

    # -- what is said -------------------------------------------------------------------------------------------------

    def _take(self, found: Frame | Fault, now: float) -> None:
        if self._gone:
            return
        if isinstance(found, Fault):
            self._fault(str(found.wrong), found.raw)
            return
        try:
            message = parse(found.segment)
        except NoMessage as problem:
            self._fault("no message", found.raw, str(problem))
            return
        device = self._device(message, found)
        if device is None:
            return
        # A gateway with one device that is not ours keeps its line for the others.
        self._faults, self._refusals, self._heard = 0, 0, now
        for bend in (*found.bends, *message.bent):
            self.house.line.bends.labels(bend.value).inc()
        self.house.line.heard(device.mn, self.house.clock())
        self._answer(found, message, device, now)

    def _fault(self, wrong: str, raw: bytes, words: str = "") -> None:
        house = self.house
        house.line.faults.labels(wrong).inc()
        self._faults += 1
        if self._faults == 1 and wrong != Wrong.noise:
            shown = masked(raw)[:_SHOWN].decode("utf-8", "replace")
            house.tell("frame not understood", address=self.address, wrong=wrong, why=words, raw=shown)
        if self._faults >= house.limits.faults:
            self.leave("faults")

    def _device(self, message: Message, frame: Frame) -> Device | None:
        """Whose `message` it is; None where nobody's who may speak."""
        mn, password = message.head["MN"], message.head["PW"]
        device, known = self.house.devices.get(mn), self.known.get(mn)
        # Hashed once a connection: from then on the same words are enough, and others are not.
        if device is None or known is None or known[0] != device.key or not _same(known[1]["PW"], password):
            why = self.house.refuses(mn, password, self.address)
            if why is None and known is None and len(self.known) >= self.house.limits.devices:
                why = "too many devices on a connection"
            if why is not None or device is None:
                # Who knew the password may go on: another one beside it on this line is not its fault.
                if known is not None and (device is None or known[0] != device.key):
                    self.house.silence(mn, self)
                self._refuse(why or "unknown device", mn, frame)
                return None
        if not device.bends.issuperset(NAMED.intersection(frame.bends)):
            self._fault(str(Wrong.crc), frame.raw)
            return None
        if known is None:
            self.house.speaks(mn, self)
            if not self.known and not self._pays(mn):
                return None
        self.known[mn] = (device.key, message.head)
        return device

    def _pays(self, mn: str) -> bool:
        """Whether `mn`, whose line this becomes, has not sent more before than it may; else it is to call later."""
        purse = self.house.purse(mn)
        if purse < 0:
            self.house.put_by(mn, purse)
            self.house.silence(mn, self)
            self.leave("called again too soon")
            return False
        self._credit = min(self._credit, 0.0) + purse
        return True

    def _refuse(self, why: str, mn: str, frame: Frame) -> None:
        house = self.house
        house.line.faults.labels(why).inc()
        self._refusals += 1
        if self._refusals == 1:
            shown = masked(frame.raw)[:_SHOWN].decode("utf-8", "replace")
            house.tell(f"device refused: {why}", address=self.address, device=mn[:64], raw=shown)
        if self._refusals >= house.limits.refusals:
            self.leave("refused")

    def _answer(self, frame: Frame, message: Message, device: Device, now: float) -> None:
        kind = message.head["CN"]
        mine = self.exchange is not None and self.exchange.hear(message, now)
        if mine or kind in _ANSWERS:
            return
        self.house.line.frames.labels(kind if kind in encoding.USUAL else "other").inc()
        if kind == HEARTBEAT:
            if message.wants_answer:
                self._say(message, TO_DATA)
        elif kind == ASKS_CLOCK:
            if message.wants_answer:
                self._say(message, TO_NOTICE)
            local = self.house.clock().replace(tzinfo=None) + device.ahead
            self.request(device, SET_CLOCK, encoding.clock(local, message.said("PolId")))
        else:
            self._keep(frame, message, device)

    def _say(self, message: Message, kind: str) -> None:
        with suppress(TooLong):  # an answer says less than what it answers
            self._write(encoding.answer(message, kind))

    def _keep(self, frame: Frame, message: Message, device: Device) -> None:
        """Nothing; the frame goes to the disk, and is answered once it is there."""
        house = self.house
        head = {"mn": device.mn, **({"register": "1"} if house.register else {})}
        self._pending += 1
        future = house.spool.append(masked(frame.raw), head, house.clock())

        def done(future: "Future[Place]") -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody is left to be answered
                house.loop.call_soon_threadsafe(self._safe, future, message)

        future.add_done_callback(done)

    def _safe(self, future: "Future[Place]", message: Message) -> None:
        self._pending -= 1
        self._acknowledge(future, message)
        if self._ended and not self._pending and self._transport is not None:
            self._transport.close()

    def _acknowledge(self, future: "Future[Place]", message: Message) -> None:
        problem = future.exception()
        if problem is None:
            if message.wants_answer:
                self._say(message, TO_DATA)
            return
        why = "full" if isinstance(problem, Full) else type(problem).__name__.lower()
        self.house.line.unanswered.labels(why).inc()
        self.house.tell("frame not kept, so not answered", why=str(problem) or why)

    # -- what we ask --------------------------------------------------------------------------------------------------

    def request(self, device: Device, kind: str, said: list[tuple[str, str]]) -> Exchange | None:
        """The exchange that is begun; None where the device is busy with another one, or is not here."""
        known = self.known.get(device.mn)
        if known is None or self._gone or (self.exchange is not None and self.exchange.outcome is None):
            return None
        local = self.house.clock().replace(tzinfo=None) + device.ahead
        number, frame = encoding.request(kind, known[1], local, said, device.edition)
        self.exchange = Exchange(device.mn, kind, number, frame, self.house.limits)
        self.house.line.requests.labels(kind).inc()
        self._write(self.exchange.begin(self.house.loop.time()))
        return self.exchange


def _same(one: str, other: str) -> bool:
    """Whether two passwords are the same, found out in the same time whatever they are."""
    return hmac.compare_digest(one.encode(), other.encode())
