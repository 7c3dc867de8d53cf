"""Bytes of a line into frames and faults: `##`, four digits of length, the segment, four digits of checksum, CR LF.

A frame is taken as the standard has it, and then as devices in the field have it: what was bent is named. What cannot
be taken gives a fault, one byte of it is dropped and the next `##` looked for, so that a good frame behind it is never
lost. A frame is never waited for beyond the longest there may be; who hears nothing more for a while says `flush`.
"""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from analytics.telemetry.hj212.crc import crc, modbus

HEAD = b"##"
#: Digits of the length; bytes of the segment at most (HJ 212-2017, table 1); digits of the checksum.
DIGITS, MOST, CHECK = 4, 1024, 4
#: Bytes of a frame before its segment, and of the longest frame, its tail among them.
FRONT = len(HEAD) + DIGITS
LONGEST = FRONT + MOST + CHECK + 2
#: A character of UTF-8 has so many bytes at most: some count the length in characters.
_WIDEST = 4
#: What may lie between frames.
_BLANK = b"\r\n\t \0"
#: A head with its length, or what may become one when more comes.
_BEGINS = re.compile(rb"##[0-9]{4}|#\Z|##[0-9]{0,3}\Z")
_HEX = frozenset(b"0123456789abcdefABCDEF")


class Bend(StrEnum):
    """A rule of the standard that a frame does not keep, and is taken all the same."""

    lower_case_crc = "checksum in lower case"
    swapped_crc = "bytes of the checksum swapped"
    modbus_crc = "checksum of Modbus"
    length_in_characters = "length in characters"


class Wrong(StrEnum):
    """Why bytes are no frame."""

    noise = "bytes that begin no frame"
    length = "wrong length"
    too_long = "longer than the standard allows"
    crc = "wrong checksum"
    cut_off = "cut off"


#: Bends that only a device is allowed of which it is known: they would let errors pass.
NAMED = frozenset({Bend.swapped_crc, Bend.modbus_crc})


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame that is whole: its `segment`, what was bent, all its bytes but the tail."""

    segment: bytes
    bends: tuple[Bend, ...]
    raw: bytes


@dataclass(frozen=True, slots=True)
class Fault:
    """Bytes that are no frame: why, the first LONGEST of them, how many they were."""

    wrong: Wrong
    raw: bytes
    count: int


@dataclass(slots=True)
class Decoder:
    """Frames and faults of a line, in their order. `allowed`: bends of NAMED that this device is known for.

    It holds at most one frame that is not whole, however much is fed.
    """

    allowed: frozenset[Bend] = frozenset()
    _left: bytearray = field(default_factory=bytearray)
    _noise: bytearray = field(default_factory=bytearray)
    _dropped: int = 0

    def feed(self, data: bytes) -> Iterator[Frame | Fault]:
        """What `data` completes. Take all of it before more is fed."""
        self._left += data
        yield from self._take(last=False)

    def flush(self) -> Iterator[Frame | Fault]:
        """What is left, now that nothing more is to come: a frame that is not whole is cut off, what follows is not."""
        yield from self._take(last=True)

    @property
    def waiting(self) -> int:
        """Bytes of a frame that is not whole yet."""
        return len(self._left)

    def _take(self, *, last: bool) -> Iterator[Frame | Fault]:
        while self._skip(last=last):
            found = self._first(last=last)
            if found is None:
                return  # the frame is not whole; noise before it is told with what ends it
            yield from self._told()
            if isinstance(found, Frame):
                del self._left[: len(found.raw)]
                yield found
            else:
                yield self._fault(found)
        yield from self._told()

    def _fault(self, wrong: Wrong) -> Fault:
        """What is left, as far as the next head, is gone."""
        found = _BEGINS.search(self._left, 1)
        count = len(self._left) if found is None else found.start()
        gone = bytes(self._left[: min(count, LONGEST)])
        del self._left[:count]
        return Fault(wrong, gone.rstrip(_BLANK), count)

    def _skip(self, *, last: bool) -> bool:
        """Whether anything is left once it begins with a head, or with what may become one."""
        found = _BEGINS.search(self._left)
        start = len(self._left) if found is None else found.start()
        gone = self._left[:start].strip(_BLANK)
        self._dropped += len(gone)
        self._noise += gone[: max(0, LONGEST - len(self._noise))]
        del self._left[:start]
        return bool(self._left)

    def _told(self) -> Iterator[Fault]:
        if self._dropped:
            noise, self._dropped = Fault(Wrong.noise, bytes(self._noise), self._dropped), 0
            self._noise.clear()
            yield noise

    def _first(self, *, last: bool) -> Frame | Wrong | None:
        """What is left begins with: a frame, why that is none, or None where more must come to tell."""
        left = self._left
        if len(left) < FRONT:
            return Wrong.cut_off if last else None
        size = int(left[len(HEAD) : FRONT])
        if size > MOST:
            return Wrong.too_long
        end = FRONT + size
        if len(left) < end + CHECK:
            return Wrong.cut_off if last else None
        if frame := self._checked(end, ()):
            return frame
        # Characters of more than one byte make the segment longer than it says.
        wide = _bytes_of(left[FRONT:], size)
        if wide is not None and wide > size:
            if len(left) < FRONT + wide + CHECK and not last:
                return None
            if frame := self._checked(FRONT + wide, (Bend.length_in_characters,)):
                return frame
        return Wrong.crc if self._whole(end) else Wrong.length

    def _whole(self, end: int) -> bool:
        """Whether what ends there looks like a segment with its checksum: only then that is worth its cost."""
        check = self._left[end : end + CHECK]
        return self._left[end - 2 : end] == b"&&" and len(check) == CHECK and all(digit in _HEX for digit in check)

    def _checked(self, end: int, bends: tuple[Bend, ...]) -> Frame | None:
        """The frame whose segment ends there, if its checksum says so."""
        if not self._whole(end):
            return None
        segment, text = bytes(self._left[FRONT:end]), self._left[end : end + CHECK].decode("ascii")
        if text != text.upper():
            bends = (*bends, Bend.lower_case_crc)
        right, said = crc(segment), text.upper()
        if said != right:
            other = _other(segment, said, right)
            if other not in self.allowed:
                return None
            bends = (*bends, other)
        return Frame(segment, bends, bytes(self._left[: end + CHECK]))


def likely(frame: bytes) -> Bend | None:
    """Which of NAMED would make `frame`, which has a wrong checksum, a good one; None where none would, or where it is
    not as long as it says: what follows a frame is none of it."""
    segment, said = frame[FRONT:-CHECK], frame[-CHECK:].decode("ascii", "replace").upper()
    if frame[len(HEAD) : FRONT] != b"%04d" % len(segment):
        return None
    return _other(segment, said, crc(segment))


def _other(segment: bytes, said: str, right: str) -> Bend | None:
    if said == right[2:] + right[:2]:
        return Bend.swapped_crc
    plain = modbus(segment)
    return Bend.modbus_crc if said in (plain, plain[2:] + plain[:2]) else None


def _bytes_of(raw: bytearray, characters: int) -> int | None:
    """Bytes of the first so many characters of UTF-8, as many as are known to be needed where some are still to come;
    None where it is no UTF-8."""
    widest = bytes(raw[: _WIDEST * characters])
    try:
        text, _ = codecs.utf_8_decode(widest, "strict", False)
    except UnicodeDecodeError as problem:
        text = widest[: problem.start].decode("utf-8")
        if len(text) < characters:
            return None
    missing = max(0, characters - len(text))
    return len(text[:characters].encode("utf-8")) + missing
