"""Messages into bytes: answers to devices, requests of the platform, and frames for whoever plays a device."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from analytics.telemetry.hj212.crc import crc
from analytics.telemetry.hj212.frames import HEAD as MARK
from analytics.telemetry.hj212.frames import MOST
from analytics.telemetry.hj212.messages import HEAD, Message

#: Interactions of a platform: an answer to data, to a notice, to a request, and what came of that.
TO_DATA, TO_NOTICE, TO_REQUEST, RESULT = "9014", "9013", "9011", "9012"
#: Commands of field units that a count may name: whoever sends may send any number of others.
USUAL = frozenset(("1013", "2011", "2021", "2031", "2041", "2051", "2061", "2081", "3015", "3019", "3020", "9015"))
#: The system kind of both.
SYSTEM = "91"
#: Flag of an edition, no answer wanted: its bits 2 to 7.
_EDITIONS = {2005: 0, 2017: 4, 2025: 8}


class TooLong(ValueError):
    """A message does not fit into a frame: say it in several."""


def frame(head: dict[str, str], groups: Sequence[Sequence[tuple[str, str]]] = ()) -> bytes:
    """The bytes of a frame: `head` by name, and `groups` of (name, value). Raises `TooLong`."""
    said = "".join(f"{name}={head[name]};" for name in HEAD if head.get(name))
    inside = ";".join(",".join(f"{name}={value}" for name, value in group) for group in groups)
    segment = f"{said}CP=&&{inside}&&".encode()
    if len(segment) > MOST:
        raise TooLong(f"{len(segment)} bytes do not fit into the {MOST} of a frame")
    return MARK + f"{len(segment):04}".encode() + segment + crc(segment).encode() + b"\r\n"


def answer(message: Message, kind: str, said: Iterable[tuple[str, str]] = ()) -> bytes:
    """The answer of that `kind` to `message`: its QN, password and MN, its edition, no answer wanted."""
    flag = message.flag or 0
    head = {name: message.head[name] for name in ("QN", "PW", "MN")}
    head |= {"ST": SYSTEM, "CN": kind, "Flag": str(flag & ~0b11) if message.head["Flag"] else ""}
    groups = [list(said)]
    return frame(head, groups if groups[0] else ())


def request(
    kind: str,
    spoken: Mapping[str, str],
    number: datetime,
    said: Iterable[tuple[str, str]] = (),
    edition: int = 2017,
) -> tuple[str, bytes]:
    """The QN and the bytes of a request of `kind` to whose head was `spoken`: its system, password, MN.

    `number` is the local time of the device, which makes the QN; `edition` is that of the device.
    """
    name = f"{number:%Y%m%d%H%M%S}{number.microsecond // 1000:03}"
    head = {"QN": name, "CN": kind, "Flag": str(_EDITIONS[edition] | 1)}
    head |= {key: spoken[key] for key in ("ST", "PW", "MN")}
    return name, frame(head, [[item] for item in said])


def span(start: datetime, stop: datetime) -> list[tuple[str, str]]:
    """What a request for history (2051, 2061, 2031) says: the first and the last interval, in local times."""
    return [("BeginTime", f"{start:%Y%m%d%H%M%S}"), ("EndTime", f"{stop:%Y%m%d%H%M%S}")]


def clock(time: datetime, factor: str = "") -> list[tuple[str, str]]:
    """What the setting of a clock (1012) says: the local `time`; of the instrument of `factor`, if there is one."""
    return [*([("PolId", factor)] if factor else []), ("SystemTime", f"{time:%Y%m%d%H%M%S}")]
