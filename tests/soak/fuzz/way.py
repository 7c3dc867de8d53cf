"""The whole way of an HJ 212 line, bytes -> frames -> messages -> readings, and what holds of it whatever comes.

An input of the fuzzer is three bytes that choose, and the rest. The first chooses the device and whether the rest is
a line, or texts of frames with LF between them, which are given a right length and checksum: no fuzzer guesses those,
and all that lies behind them would stay unseen. The second is the size of the pieces in which the line is heard. The
third chooses the bends that the device is known for, and whether it is read as a file, too.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from analytics.ingest import Held, hj212
from analytics.ingest.hj212 import Said
from analytics.telemetry.hj212.crc import crc
from analytics.telemetry.hj212.devices import Device, masked
from analytics.telemetry.hj212.encoding import TO_DATA, TooLong, answer
from analytics.telemetry.hj212.frames import HEAD, LONGEST, NAMED, Decoder, Fault, Frame, Wrong, likely
from analytics.telemetry.hj212.messages import NoMessage, parse

#: What follows every input, and must be heard.
GOOD = (
    b"##0101QN=20160801085857223;ST=32;CN=1062;PW=100000;MN=010000A8900016F000169DC0;Flag=5;CP=&&RtdInterval=30&&1C80"
)
#: What no printed frame says: several times in one, a code of ours that is none of this device's, one of no parameter.
ODD = (
    b"QN=20260601080000000;ST=21;CN=2011;PW=1;MN=M;Flag=4;CP=&&DataTime=20260601080000;a34004-Rtd=1;"
    b"DataTime=20260601080100;a34004-Rtd=-99;w01018-Rtd=3;x-Avg=2;a21004-Cou=1e999&&"
)
#: What may lie between frames and is not told.
BLANK = b"\r\n\t \0"
AT = datetime(2026, 6, 1, tzinfo=UTC)
#: Devices that bend what they may: clocks at both ends, sentinels, other codes, units that fit and that do not.
DEVICES = (
    Device("M", "A"),
    Device("M", "A", utc_offset=-720, sentinels=(7.0,), edition=2005),
    Device("M", "A", utc_offset=840, units={"a34004": "mg/m3", "a21004": "degC"}, edition=2025),
    Device("M", "A", cadences={"2011": 3600}, channels={"a34004": "pm10@2:max", "w01018": "", "x": "gold"}),
)
LINES, TEXTS, AS_FILE = 0, 1, 0x80
_BENDS = sorted(NAMED)


def framed(segment: bytes) -> bytes:
    """`segment` with its length and checksum."""
    return HEAD + f"{len(segment):04}".encode() + segment + crc(segment).encode() + b"\r\n"


def line(data: bytes) -> bytes:
    """What the input `data` is as bytes of a line."""
    rest = data[3:]
    return b"".join(framed(text) for text in rest.split(b"\n")) if data[0] & 1 == TEXTS else rest


def inputs(frames: list[bytes]) -> Iterator[bytes]:
    """Inputs to begin with: each of `frames` as a line and as a text."""
    for number, raw in enumerate(frames):
        yield bytes([LINES | number % len(DEVICES) << 1, 255, 0]) + raw
        if raw.startswith(HEAD):
            yield bytes([TEXTS | number % len(DEVICES) << 1, 255, 0]) + raw.rstrip(BLANK)[6:-4]
    for number in range(len(DEVICES)):
        yield bytes([TEXTS | number << 1, 255, AS_FILE]) + ODD


def heard(decoder: Decoder, sent: bytes, size: int) -> list[Frame | Fault]:
    """Frames and faults of `sent` in pieces of `size`. Raises AssertionError where it holds more than a frame."""
    found = list[Frame | Fault]()
    for first in range(0, len(sent), size):
        found += decoder.feed(sent[first : first + size])
        assert decoder.waiting <= LONGEST, "more than a frame is held"
    found += decoder.flush()
    assert not decoder.waiting, "something is left behind the end"
    return found


def kept(found: list[Frame | Fault]) -> bool:
    """Whether GOOD, the last that was sent, was heard: by itself, or as the end of a longer one that checks out, as one
    of 256 does whose length is right."""
    return any(isinstance(one, Frame) and one.raw.endswith(GOOD) for one in found)


def walk(data: bytes) -> int:
    """How many figures and faults came of the input `data`. Raises AssertionError where something does not hold."""
    if len(data) < 3:
        return 0
    allowed = frozenset(bend for bit, bend in enumerate(_BENDS) if data[2] >> bit & 1)
    device, sent = DEVICES[(data[0] >> 1) % len(DEVICES)], line(data) + GOOD + b"\r\n"
    found = heard(Decoder(allowed), sent, 1 + data[1] * 8)
    assert kept(found), "the good frame is lost"
    told = sum(one.count if isinstance(one, Fault) else len(one.raw) for one in found)
    assert len(sent) - sum(map(sent.count, (bytes([blank]) for blank in BLANK))) <= told <= len(sent), "bytes are lost"
    said, refusals = [], []
    for number, one in enumerate(found):
        if isinstance(one, Fault):
            assert one.wrong is not Wrong.crc or likely(one.raw) not in allowed, "a bend that is known is refused"
            refusals.append(hj212.refusal(str(number), one.raw, str(one.wrong)))
            continue
        with suppress(NoMessage):
            message = parse(one.segment)
            again = parse(masked(one.segment))
            assert set(again.head["PW"]) <= {"*"}, "a password is shown"
            assert again.groups == message.groups or b"PW" in one.segment.upper(), "a mask hides figures"
            assert message.edition in (2005, 2017, 2025)
            with suppress(TooLong):
                [back] = Decoder().feed(answer(message, TO_DATA))
                assert isinstance(back, Frame), "an answer is no frame"
            said.append(Said(str(number), message, device, AT))
    read = hj212.refused(refusals).read
    assert read == len(refusals), "a fault is lost"
    for step, some in hj212.grouped(said).items():
        batch = hj212.batch(some, step, Counter())
        assert batch.read == batch.cells.height + batch.rejects.height + batch.missing, "a figure is lost"
        read += batch.read
    if data[2] & AS_FILE:
        read += sum(batch.read for batch in hj212.read(Held(Path("line"), raw=sent)))
    return read
