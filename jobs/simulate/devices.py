"""The made-up district's stations as HJ 212 devices: how they are registered, and what they send over TCP.

A station is a device whose number (MN) is the station's code. What a minute brings is a frame of moments (2011), what
four hours bring a frame of the hour class (2061). A frame is sent again until the listener answers it.
"""

import selectors
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, Self
from urllib.parse import urlsplit

import polars as pl
import typer

from analytics import parameters, tables
from analytics.ingest.hj212 import TABLE
from analytics.store.registry import Channel
from analytics.synthetic import District
from analytics.telemetry.hj212.devices import OFFSET
from analytics.telemetry.hj212.encoding import TO_DATA, TooLong, frame
from analytics.telemetry.hj212.frames import Decoder, Frame
from analytics.telemetry.hj212.messages import NoMessage, parse
from analytics.texts import TEXTS
from jobs import console
from jobs.simulate.options import Like, Scale, Seed, continued, district
from jobs.simulate.sender import LONGEST, PAUSE, Counting

EXAMPLE = "Example: greenwatch simulate devices --like /tmp/district/district.toml > devices.toml"

SCHEME = "hj212"
PASSWORD = "123456"
#: Cadence [s] -> command and what its figures are called by.
COMMANDS: Mapping[int, tuple[str, str]] = {60: ("2011", "Rtd"), 14_400: ("2061", "Avg")}
#: The clock of the devices.
_AHEAD = timedelta(minutes=OFFSET)
#: Frames of a device that wait for an answer at most; how long they wait until they are sent again [s].
WINDOW, OVER_TIME = 32, 10.0


def main(
    seed: Seed = 1,
    scale: Scale = 1,
    password: Annotated[str, typer.Option(help="Of all devices; a made-up one for made-up devices.")] = PASSWORD,
    like: Like = None,
) -> None:
    """Print the devices of the made-up district as a file for `greenwatch register`."""
    made = continued(like)[0] if like is not None else district(seed, scale, None, console.now())
    print(registration(made, password))


def registration(made: District, password: str) -> str:
    """The register file of the devices of `made`: units as our parameters have them, private codes for the rest."""
    known, named = parameters.load(), codes(made)
    lines = [f"# {' '.join(TEXTS['synthetic'])}"]
    for (station,), rows in made.registry().group_by("station", maintain_order=True):
        here = [Channel(row["parameter"], row["position"] or "") for row in rows.iter_rows(named=True)]
        units = [f'{named[str(one)]} = "{known[one.parameter].unit}"' for one in here]
        private = [f'{named[str(one)]} = "{one}"' for one in here if named[str(one)].startswith("x")]
        lines += [
            "[[device]]",
            f'mn = "{station}"',
            f'station = "{station}"',
            f'password = "{password}"',
            'cadences = { 2061 = "4h" }',
            f"units = {{ {', '.join(dict.fromkeys(units))} }}",
            *([f"channels = {{ {', '.join(dict.fromkeys(private))} }}"] if private else []),
        ]
    return "\n".join(lines)


def codes(made: District) -> dict[str, str]:
    """Channel -> the code under which a device of `made` sends it: that of HJ 212, else a private one."""
    rows = tables.read(TABLE)
    assert isinstance(rows, list)
    found = {row["channel"]: row["code"] for row in reversed(rows)}
    pairs = made.registry().select("parameter", pl.col("position").fill_null("")).unique().sort("parameter", "position")
    channels = [str(Channel(parameter, position)) for parameter, position in pairs.iter_rows()]
    private = [channel for channel in channels if channel not in found]
    return {
        channel: found[channel] if channel in found else f"x{private.index(channel) + 1:05}" for channel in channels
    }


@dataclass(slots=True)
class Peer:
    """A device on its line: frames that are to be sent, and those that wait for an answer, by their QN."""

    waiting: deque[tuple[str, bytes]] = field(default_factory=deque)
    sent: dict[str, tuple[bytes, float]] = field(default_factory=dict)
    line: socket.socket | None = None
    decoder: Decoder = field(default_factory=Decoder)

    def again(self) -> None:
        """Nothing; all that was not answered is to be sent once more."""
        self.waiting.extendleft((number, data) for number, (data, _) in reversed(self.sent.items()))
        self.sent.clear()

    @property
    def done(self) -> bool:
        """Whether the listener has all of it."""
        return not self.waiting and not self.sent


class Devices(Counting):
    """The devices of `made` before the listener at `url` (hj212://host:port). Rows are never dropped: `take` returns
    when the listener has them, however long that takes."""

    def __init__(
        self,
        made: District,
        url: str,
        password: str = PASSWORD,
        *,
        rest: Callable[[float], None] = time.sleep,
        clock: Callable[[], datetime] = console.now,
    ) -> None:
        """Connects a device when it has something to say."""
        super().__init__()
        self._address, self._password, self._rest, self._clock = _address(url), password, rest, clock
        self._codes, self._peers, self._selector = codes(made), dict[str, Peer](), selectors.DefaultSelector()
        self._last = 0
        self.tries = self.frames = 0

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing; the lines are closed."""
        for peer in self._peers.values():
            self._drop(peer)
        self._selector.close()

    def take(self, rows: pl.DataFrame, cadence: int) -> None:
        """Nothing, when the listener has `rows` (station, parameter, time, value). Raises `NotAsAsked`."""
        peers = []
        for (station,), some in rows.group_by("station", maintain_order=True):
            peer = self._peers.setdefault(str(station), Peer())
            peer.waiting.extend(self._frames(str(station), some, cadence))
            peers.append(peer)
        pause, lost = PAUSE, ""
        while not all(peer.done for peer in peers):
            try:
                self._exchange(peers)
                pause, lost = PAUSE, ""
            except OSError as problem:
                said = str(problem)
                if said != lost:
                    console.people.print(f"not sent yet, trying again: {said}", markup=False)
                    lost = said
                self._rest(pause)
                pause = min(2 * pause, LONGEST)
        self.count(rows.height)

    def sums(self) -> str:
        """What was sent, in words."""
        again = f", {self.tries - self.frames:,} of them again" if self.tries > self.frames else ""
        return f"{self.rows:,} rows in {self.frames:,} frames{again}"

    def _frames(self, station: str, rows: pl.DataFrame, cadence: int) -> Iterator[tuple[str, bytes]]:
        command, suffix = COMMANDS[cadence]
        for (at,), some in rows.group_by("time", maintain_order=True):
            assert isinstance(at, datetime)
            stamp = f"{at.astimezone(UTC) + _AHEAD:%Y%m%d%H%M%S}"
            figures = [
                [(f"{self._codes[channel]}-{suffix}", str(value)), (f"{self._codes[channel]}-Flag", "N")]
                for channel, value in some.select("parameter", "value").iter_rows()
                if value is not None
            ]
            yield from self._fitting(station, command, stamp, figures)

    def _fitting(
        self, station: str, command: str, stamp: str, figures: Sequence[list[tuple[str, str]]]
    ) -> Iterator[tuple[str, bytes]]:
        """One frame, or several where it would be too long."""
        number = self._number()
        head = {"QN": number, "ST": "22", "CN": command, "PW": self._password, "MN": station, "Flag": "5"}
        try:
            made = frame(head, [[("DataTime", stamp)], *figures])
        except TooLong:
            half = len(figures) // 2
            yield from self._fitting(station, command, stamp, figures[:half])
            yield from self._fitting(station, command, stamp, figures[half:])
        else:
            self.frames += 1
            yield number, made

    def _number(self) -> str:
        """A QN later than all before."""
        local = self._clock() + _AHEAD
        self._last = max(self._last + 1, int(local.timestamp() * 1000))
        at = datetime.fromtimestamp(self._last / 1000, UTC)
        return f"{at:%Y%m%d%H%M%S}{self._last % 1000:03}"

    def _exchange(self, peers: Sequence[Peer]) -> None:
        """Nothing; what can be sent is, what was answered is done. Raises `OSError` where the listener is away."""
        now = time.monotonic()
        for peer in peers:
            if any(now - at > OVER_TIME for _, at in peer.sent.values()):
                peer.again()
                self._drop(peer)
            while peer.waiting and len(peer.sent) < WINDOW:
                line = self._line(peer)
                number, data = peer.waiting.popleft()
                peer.sent[number] = data, now
                self.tries += 1
                try:
                    line.sendall(data)
                except OSError:
                    peer.again()
                    self._drop(peer)
                    raise
        lost: OSError | None = None
        for key, _ in self._selector.select(0.2):
            try:
                self._hear(key.data)
            except OSError as problem:
                key.data.again()
                self._drop(key.data)
                lost = problem
        if lost:
            raise lost

    def _line(self, peer: Peer) -> socket.socket:
        if peer.line is None:
            peer.line = socket.create_connection(self._address, timeout=OVER_TIME)
            peer.line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            peer.decoder = Decoder()
            self._selector.register(peer.line, selectors.EVENT_READ, peer)
        return peer.line

    def _drop(self, peer: Peer) -> None:
        if peer.line is not None:
            with suppress(KeyError, ValueError):
                self._selector.unregister(peer.line)
            peer.line.close()
            peer.line = None

    def _hear(self, peer: Peer) -> None:
        assert peer.line is not None
        data = peer.line.recv(65_536)
        if not data:
            raise ConnectionResetError("the listener closed the connection: are the devices registered?")
        for found in peer.decoder.feed(data):
            with suppress(NoMessage):
                if isinstance(found, Frame) and (said := parse(found.segment).head)["CN"] == TO_DATA:
                    peer.sent.pop(said["QN"], None)


def _address(url: str) -> tuple[str, int]:
    """Host and port of a listener. Raises `NotAsAsked`."""
    try:
        parts = urlsplit(url)
        if parts.scheme == SCHEME and parts.hostname and parts.port:
            return parts.hostname, parts.port
    except ValueError:
        pass
    raise console.NotAsAsked(f"--url {url!r}: write {SCHEME}://127.0.0.1:9212")
