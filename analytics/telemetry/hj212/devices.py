"""What is known of a device, and whether a password is its own."""

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from analytics.telemetry.hj212.codes import CADENCES
from analytics.telemetry.hj212.frames import Bend

#: China's clock, on which HJ 212 devices are unless they are registered otherwise [min].
OFFSET = 480
#: A password, of a device or a new one for it, in bytes of any kind: it ends where a field does, where the data begin,
#: and where the frame ends, but not at signs of its own that look so.
_PASSWORD = re.compile(
    rb"((?:(?<![A-Za-z_-])|(?i:new))(?i:PW)\s*=)((?:(?!CP=&&|&&(?:[0-9A-Fa-f]{4})?\s*(?:##|\Z))[^;])*)"
)


@dataclass(frozen=True, slots=True)
class Device:
    """A device: its number `mn`, the `station` it speaks for, how its password is kept, and how it bends the rules."""

    mn: str
    station: str
    key: bytes = b""
    edition: int = 2017
    #: minutes of its clock from UTC
    utc_offset: int = OFFSET
    #: command -> step [s], where it differs from CADENCES
    cadences: Mapping[str, int] = field(default_factory=dict)
    #: code in lower case -> unit, where it differs from the table
    units: Mapping[str, str] = field(default_factory=dict)
    #: code in lower case -> channel, where it differs from the table; an empty one: the code is none of ours
    channels: Mapping[str, str] = field(default_factory=dict)
    #: numbers that stand for no value, beside those that stand for none everywhere
    sentinels: tuple[float, ...] = ()
    #: of `frames.NAMED`: what is taken from this device only
    bends: frozenset[Bend] = frozenset()

    @property
    def ahead(self) -> timedelta:
        """How far its clock is ahead of UTC."""
        return timedelta(minutes=self.utc_offset)

    def step(self, command: str) -> int:
        """Seconds between its figures of `command`."""
        return self.cadences.get(command, CADENCES[command])


def keyed(pepper: bytes, mn: str, password: str) -> bytes:
    """How the `password` of `mn` is kept: HMAC-SHA256 under the server's pepper, another for each device."""
    return hmac.digest(pepper, f"{mn}\0{password}".encode(), "sha256")


def fits(device: Device, pepper: bytes, password: str) -> bool:
    """Whether `password` is that of `device`, found out in the same time whatever was sent."""
    return hmac.compare_digest(device.key, keyed(pepper, device.mn, password))


def masked(raw: bytes) -> bytes:
    """`raw` with an asterisk for each byte of a password: as long as it was, and fit to be kept and shown."""
    return _PASSWORD.sub(lambda found: found[1] + b"*" * len(found[2]), raw)
