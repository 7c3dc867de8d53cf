"""A record as bytes: marker, u32 length, u32 CRC, and so many bytes more: u64 number, i64 time received [µs], u16
length of the head, head (JSON), payload. Little-endian; the CRC (`zlib.crc32`) covers the length and what follows it.

The marker is eight random bytes of the segment, which its name tells. Behind a damaged stretch the next record is found
by it in one pass, and bytes that a sender made look like a record are none: the sender cannot know the marker.
"""

import json
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import BinaryIO, NamedTuple

from analytics.spool.errors import TooLarge

#: Of a payload [bytes].
LARGEST = 16 * 2**20
MARKER = 8
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FRAME = struct.Struct("<II")
_BODY = struct.Struct("<QqH")
#: Bytes before the body, and the fewest and most that a body has.
AHEAD = MARKER + _FRAME.size
_LEAST, _MOST = _BODY.size, _BODY.size + 2**16 + LARGEST
_BLOCK = 2**20
_WORDS = json.JSONEncoder(separators=(",", ":"))


class Place(NamedTuple):
    """How far a spool is read: a segment, and the offset in it behind a record [bytes, before it was compressed]."""

    segment: int
    offset: int

    def __str__(self) -> str:
        return f"{self.segment}:{self.offset}"

    @classmethod
    def parse(cls, text: str) -> "Place":
        """The place whose text this is. Raises `ValueError`."""
        segment, offset = text.split(":")
        return cls(int(segment), int(offset))


@dataclass(frozen=True, slots=True)
class Record:
    """What was appended; `place` is behind it."""

    place: Place
    received: datetime
    head: Mapping[str, str]
    payload: bytes
    #: the how manieth record of the spool it is
    number: int


class Frame(NamedTuple):
    """A whole frame of a segment."""

    #: where the next one begins
    end: int
    number: int
    #: [µs] since 1970
    received: int
    head: bytes
    payload: bytes

    def record(self, segment: int) -> Record:
        """The record of it."""
        received = _EPOCH + timedelta(microseconds=self.received)
        return Record(Place(segment, self.end), received, json.loads(self.head), self.payload, self.number)


def packed(payload: bytes, head: Mapping[str, str], received: datetime) -> bytes:
    """The body of a frame behind its number. Raises `TooLarge`; `ValueError` where `received` has no zone."""
    if received.tzinfo is None:
        raise ValueError("a time without a zone")
    words = _WORDS.encode(dict(head)).encode()
    if len(payload) > LARGEST:
        raise TooLarge(f"a payload of {len(payload):,} bytes; at most {LARGEST:,} are taken")
    if len(words) >= 2**16:
        raise TooLarge(f"a head of {len(words):,} bytes; at most {2**16 - 1:,} are taken")
    return _BODY.pack(0, (received - _EPOCH) // timedelta(microseconds=1), len(words))[8:] + words + payload


def framed(marker: bytes, number: int, rest: bytes) -> tuple[bytes, bytes]:
    """The frame of `packed`: what comes before `rest`, and `rest`."""
    counted = number.to_bytes(8, "little")
    length = 8 + len(rest)
    crc = zlib.crc32(rest, zlib.crc32(counted, zlib.crc32(length.to_bytes(4, "little"))))
    return marker + _FRAME.pack(length, crc) + counted, rest


def size(rest: bytes) -> int:
    """Of the frame of `packed` [bytes]."""
    return AHEAD + 8 + len(rest)


def frame(file: BinaryIO, offset: int, marker: bytes, stop: int | None) -> Frame | None:
    """The frame at `offset`, where `file` stands; None where no whole one begins there, or it ends behind `stop`."""
    ahead = file.read(AHEAD)
    if len(ahead) < AHEAD or not ahead.startswith(marker):
        return None
    length, crc = _FRAME.unpack_from(ahead, MARKER)
    end = offset + AHEAD + length
    if not _LEAST <= length <= _MOST or (stop is not None and end > stop):
        return None
    body = file.read(length)
    if len(body) < length or zlib.crc32(body, zlib.crc32(ahead[MARKER : MARKER + 4])) != crc:
        return None
    number, received, words = _BODY.unpack_from(body)
    head = _LEAST + words
    return Frame(end, number, received, body[_LEAST:head], body[head:])


def next_frame(file: BinaryIO, offset: int, marker: bytes, stop: int | None) -> int | None:
    """Where the first whole frame at or behind `offset` begins; None where there is none before `stop`."""
    while stop is None or offset < stop:
        file.seek(offset)
        block = file.read(_BLOCK + MARKER - 1)
        if len(block) < AHEAD + _LEAST:
            return None
        found = block.find(marker)
        while found >= 0:
            file.seek(offset + found)
            if frame(file, offset + found, marker, stop) is not None:
                return offset + found
            found = block.find(marker, found + 1)
        offset += max(1, len(block) - MARKER + 1)
    return None
