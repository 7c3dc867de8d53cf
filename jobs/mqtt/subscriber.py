"""The connection to a broker: each message is appended to the spool, and acknowledged once it is safe there.

All of the client belongs to one thread, which waits for the socket and for the disk at once. An acknowledgement names
a message by a number of its connection, so one that comes due after the connection was lost is dropped: the broker
sends the message again, and it is read as the duplicate that it is. What the spool refuses is not acknowledged; the
connection is ended and begun anew later, upon which the broker sends again whatever it had no word of.
"""

import select
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from threading import Event
from typing import Any, Protocol

import structlog
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from analytics.metrics import Broker
from analytics.spool import Place
from analytics.telemetry.mqtt.topics import LONGEST
from jobs import console
from jobs.mqtt.asked import Address, Topic

log = structlog.get_logger()

#: A larger message is not kept whole: what it began with is a reject. The broker is asked for none larger than TOP.
MOST, TOP = 64 * 1024, 1024 * 1024
#: Of a message that is not kept whole so much is [bytes].
SHOWN = 1000
#: While so much waits for the disk nothing more is read: a broker that does not wait for us is held up [bytes].
HELD = 32 * 1024 * 1024
#: The broker keeps what comes while we are away for so long [s].
REMEMBERED = 7 * 86_400
#: A try to connect ends after so long; we are heard at least so often; between two tries, at first and at last [s].
CONNECT, KEEPALIVE, SOON, SELDOM = 10.0, 30, 0.5, 30.0
#: The longest wait for the socket, and how long the disk has for the last messages [s].
TICK, GRACE = 0.5, 10.0
#: The broker knows no MQTT 5 (return codes of 3.1.1 and 5).
_OLD = ("Unsupported protocol version", "Connection Refused: unacceptable protocol version.")


class Appender(Protocol):
    """A spool, as far as a subscriber needs it."""

    def append(self, payload: bytes, head: Mapping[str, str], received: datetime) -> "Future[Place]":
        """The place of the record, once it is on the disk."""


@dataclass(frozen=True, slots=True)
class Asked:
    """How a broker is spoken to. `inflight`: messages it may send before the first of them is acknowledged."""

    address: Address
    topics: Sequence[Topic]
    client: str
    password: str | None = None
    ca: Path | None = None
    inflight: int = 1000
    #: MQTT 3.1.1 for brokers that know no other
    old: bool = False
    source: str | None = None
    register: bool = False
    cadence: int | None = None


@dataclass(slots=True)
class Subscriber:
    """Speaks to the broker until `stopping` is set."""

    asked: Asked
    spool: Appender
    line: Broker
    stopping: Event
    clock: Callable[[], datetime] = console.now
    #: waits of a connection that failed [s], twice as long each time
    pause: float = SOON
    #: how long the disk has for the last messages [s]
    grace: float = GRACE
    _client: Client | None = field(default=None, init=False)
    _connected: bool = field(default=False, init=False)
    _lost: str = field(default="", init=False)
    #: messages of this connection that wait for the disk, in the order in which they came: number, QoS, bytes, future
    _waiting: "deque[tuple[int, int, int, Future[Place]]]" = field(default_factory=deque, init=False)
    _held: int = field(default=0, init=False)
    _told: str = field(default="", init=False)
    _bell: tuple[socket.socket, socket.socket] = field(default_factory=socket.socketpair, init=False)

    def __post_init__(self) -> None:
        for end in self._bell:
            end.setblocking(False)

    def run(self) -> None:
        """Nothing, once `stopping` is set; what was on the disk by then is acknowledged."""
        pause = self.pause
        try:
            while not self.stopping.is_set():
                began = time.monotonic()
                said = self._session()
                self.line.connected.set(0)
                if self.stopping.is_set():
                    break
                if said != self._told:  # said once, however often it is tried again
                    log.warning("no connection to the broker", broker=str(self.asked.address), problem=said)
                    self._told = said
                self.line.lost.inc()
                pause = self.pause if time.monotonic() - began > 2 * SELDOM else pause
                self._rest(pause)
                pause = min(2 * pause, SELDOM)
        finally:
            for end in self._bell:
                end.close()

    def wake(self, *_: object) -> None:
        """Nothing; the thread looks at once for what there is to do. Any thread may call it."""
        with suppress(OSError):  # full: it looks already; closed: it has ended
            self._bell[1].send(b"\0")

    def _rest(self, seconds: float) -> None:
        give_up = time.monotonic() + seconds
        while not self.stopping.is_set() and (left := give_up - time.monotonic()) > 0:
            self._hear_bell(min(left, TICK))

    def _session(self) -> str:
        """Why the connection ended, or could not be made."""
        self._waiting.clear()  # of the connection before: nothing acknowledges them any more
        self._connected, self._lost, self._held = False, "", 0
        try:
            client = self._client = self._made()
            client.connect(self.asked.address.host, self.asked.address.port, KEEPALIVE, **self._properties())
        except (OSError, ValueError) as problem:
            return f"{type(problem).__name__}: {problem}"
        began = time.monotonic()
        try:
            while not self._lost and not self.stopping.is_set():
                self._turn(client)
                if not self._connected and time.monotonic() - began > CONNECT:
                    return "the broker does not answer"
            if self.stopping.is_set() and not self._lost:
                self._end(client)
            return self._lost
        finally:
            with suppress(OSError, ValueError):
                client.disconnect()
                client.loop_misc()
            if (opened := client.socket()) is not None:
                opened.close()

    def _made(self) -> Client:
        asked = self.asked
        version = MQTTProtocolVersion.MQTTv311 if asked.old else MQTTProtocolVersion.MQTTv5
        # Of MQTT 5 whether the session is kept is said with each connection.
        kept: dict[str, Any] = {"clean_session": False} if asked.old else {}
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=asked.client,
            protocol=version,
            reconnect_on_failure=False,
            manual_ack=True,
            **kept,
        )
        client.connect_timeout = CONNECT
        if asked.address.user or asked.password is not None:
            client.username_pw_set(asked.address.user, asked.password)
        if asked.address.tls:
            context = ssl.create_default_context(cafile=asked.ca)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            client.tls_set_context(context)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_subscribe = self._on_subscribe
        return client

    def _properties(self) -> dict[str, Any]:
        if self.asked.old:
            return {}
        said = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # of the library
        said.SessionExpiryInterval = REMEMBERED
        said.ReceiveMaximum = min(self.asked.inflight, 65_535)
        said.MaximumPacketSize = TOP
        return {"clean_start": False, "properties": said}

    def _turn(self, client: Client, wait: float = TICK) -> None:
        """Nothing; the socket was looked at, and what is on the disk by now is acknowledged."""
        opened = client.socket()
        if opened is None:
            self._lost = self._lost or "the connection was closed"
            return
        # What TLS has unpacked already, no socket tells of.
        reads = self._held < HELD
        more = reads and isinstance(opened, ssl.SSLSocket) and opened.pending() > 0
        heard = [self._bell[0], *([opened] if reads else [])]
        wishes = [opened] if client.want_write() else []
        try:
            read, write, _ = select.select(heard, wishes, [], 0 if more else wait)
        except (OSError, ValueError) as problem:
            self._lost = self._lost or str(problem)
            return
        if self._bell[0] in read:
            self._hear_bell(0)
        if opened in read or more:
            self._well(client.loop_read())
        self._acknowledge(client)
        if not self._lost and client.socket() is not None:
            if opened in write or client.want_write():
                self._well(client.loop_write())
            self._well(client.loop_misc())

    def _well(self, code: MQTTErrorCode) -> None:
        if code not in (MQTTErrorCode.MQTT_ERR_SUCCESS, MQTTErrorCode.MQTT_ERR_AGAIN):
            self._lost = self._lost or f"the connection was lost: {code.name}"

    def _hear_bell(self, wait: float) -> None:
        with suppress(OSError, ValueError):
            if select.select([self._bell[0]], [], [], wait)[0]:
                self._bell[0].recv(4096)

    def _acknowledge(self, client: Client) -> None:
        """Nothing; in the order in which they came, as MQTT wants it: the first that is not safe holds up the rest."""
        while self._waiting and self._waiting[0][-1].done():
            number, qos, size, future = self._waiting.popleft()
            self._held -= size
            if (problem := future.exception()) is not None:
                self.line.refused.labels(type(problem).__name__).inc()
                self._lost = self._lost or f"the spool keeps nothing: {problem}"
                return
            if qos and not self._lost:
                client.ack(number, qos)
        self.line.waiting.set(len(self._waiting))

    def _end(self, client: Client) -> None:
        """Nothing; the broker has word of what was safe in time, and is left in good order."""
        give_up = time.monotonic() + self.grace
        while self._waiting and not self._lost and time.monotonic() < give_up:
            self._acknowledge(client)
            if client.want_write():
                self._well(client.loop_write())
            time.sleep(0.005)
        while client.want_write() and not self._lost and time.monotonic() < give_up:
            self._well(client.loop_write())

    def _on_connect(self, client: Client, _data: object, _flags: object, reason: Any, _properties: object) -> None:
        if reason.is_failure:
            hint = ": try --mqtt 3.1.1" if str(reason) in _OLD and not self.asked.old else ""
            self._lost = f"the broker refuses: {reason}{hint}"
            return
        wanted = dict.fromkeys(topic.pattern.filter for topic in self.asked.topics)
        if self.asked.old:
            code, _ = client.subscribe([(text, 1) for text in wanted])
        else:
            # What the broker retains comes once, not again with each connection.
            once = SubscribeOptions.RETAIN_SEND_IF_NEW_SUB
            code, _ = client.subscribe([(text, SubscribeOptions(qos=1, retainHandling=once)) for text in wanted])
        self._well(code)

    def _on_subscribe(self, _client: Client, _data: object, _mid: int, reasons: list[Any], _properties: object) -> None:
        if bad := [str(reason) for reason in reasons if reason.is_failure]:
            self._lost = f"the broker refuses a topic: {bad[0]}"
            return
        self._connected = True
        self.line.connected.set(1)
        if self._told:
            log.warning("the broker is back", broker=str(self.asked.address))
        self._told = ""

    def _on_disconnect(self, _client: Client, _data: object, _flags: object, reason: Any, _properties: object) -> None:
        self._lost = self._lost or f"disconnected: {reason}"

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        if self._lost:
            return  # not acknowledged, so it comes again
        payload, head = self._record(message)
        future = self.spool.append(payload, head, self.clock())
        self._waiting.append((message.mid, message.qos, len(payload), future))
        self._held += len(payload)
        future.add_done_callback(self.wake)

    def _record(self, message: MQTTMessage) -> tuple[bytes, dict[str, str]]:
        """What is kept of `message`: its bytes, and what must be known to read them."""
        asked, payload = self.asked, bytes(message.payload)
        try:
            name = message.topic
        except UnicodeDecodeError:
            name = ""
        fits = name.isprintable() and len(name.encode("utf-8", "replace")) <= LONGEST
        found = next((topic for topic in asked.topics if fits and topic.pattern.said(name) is not None), None)
        head = {"topic": name[:LONGEST] if name.isprintable() else ascii(name)[:LONGEST], "qos": str(message.qos)}
        flags = {"retain": message.retain, "register": asked.register}
        head |= {key: "1" for key, is_so in flags.items() if is_so}
        head |= {"source": asked.source} if asked.source else {}
        head |= {"cadence": str(asked.cadence)} if asked.cadence else {}
        if found is None:
            self.line.messages.labels("none").inc()
            return payload[:SHOWN], {**head, "fault": "a topic that was not asked for" if fits else "unreadable topic"}
        head |= {"format": found.format, "pattern": found.pattern.text}
        self.line.messages.labels(found.format).inc()
        if len(payload) > MOST:
            return payload[:SHOWN], {**head, "fault": f"a message of more than {MOST >> 10} KiB"}
        return payload, head
