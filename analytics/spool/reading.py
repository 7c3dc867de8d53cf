"""Records behind a place. Damaged bytes are passed, and told; a torn end of the newest segment is where it ends."""

import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from analytics.spool import framing, segments
from analytics.spool.errors import Rewound
from analytics.spool.framing import Place, Record
from analytics.spool.segments import Segment

#: Of payloads in one reading [bytes].
ROOM = 16 * 2**20
#: Behind whatever a segment holds.
_END = 2**62


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes of a segment that are no records. `place` is behind them; `size` [bytes], null where it cannot be known."""

    place: Place
    start: int
    size: int | None

    def __str__(self) -> str:
        size = "the rest" if self.size is None else f"{self.size:,} bytes"
        return f"{size} of segment {self.place.segment} from byte {self.start:,}"


@dataclass(frozen=True, slots=True)
class Read:
    """What was read, and how far: `place` is behind all of it, null where there was nothing behind none."""

    records: list[Record] = field(default_factory=list)
    damages: list[Damage] = field(default_factory=list)
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Depth:
    """What waits behind a place: bytes as they lie there, records, and when the first of them was received."""

    bytes: int = 0
    records: int = 0
    oldest: datetime | None = None


class Ending(NamedTuple):
    """Where the last whole record of a segment ends, and its number: 0 and 0 where there is none."""

    offset: int
    number: int


def records(folder: Path, after: Place | None, most: int) -> list[Record]:
    """`read`'s: at most `most` records behind `after`, None: from the first."""
    return read(folder, after, most).records


def read(folder: Path, after: Place | None, most: int, *, room: int = ROOM, upto: Place | None = None) -> Read:
    """At most `most` records behind `after`, None: from the first; and no further one once `room` [bytes] is used.

    `upto` is what the owner knows to be safe: without it the end is what whole records there are. Raises `Rewound`
    where `after` is behind all segments there are.
    """
    there = segments.listing(folder)
    if after is not None and there and after.segment > there[-1].number:
        raise Rewound(f"{folder}: drained up to {after}, and its newest segment is {there[-1].number}")
    found, damages, place = [], [], after
    for segment in there:
        start, stop = 0, None
        if after is not None and segment.number <= after.segment:
            start = after.offset if segment.number == after.segment else _END
        if upto is not None and segment.number >= upto.segment:
            stop = upto.offset if segment.number == upto.segment else 0
        for item in _items(segment, start, stop, newest=segment is there[-1]):
            place = item.place
            if isinstance(item, Damage):
                damages.append(item)
                continue
            found.append(item)
            room -= len(item.payload)
            if len(found) == most or room <= 0:
                return Read(found, damages, place)
    return Read(found, damages, place)


def earliest(folder: Path, since: datetime | None) -> Place:
    """A place before all that is there and was received `since`; None: before all there is."""
    numbers = [segment.number for segment in segments.listing(folder)] or [0]
    if since is None:
        return Place(numbers[0], 0)
    # A segment's number is no less than the second of its first record: what lies before it came earlier. An hour
    # more, since clocks are set back.
    line = since.timestamp() - 3600
    return Place(max([numbers[0], *(number for number in numbers if number < line)]), 0)


def depth(folder: Path, after: Place | None, upto: Place | None, number: int) -> Depth:
    """What waits behind `after` of the records up to `upto`, the last of which has `number`."""
    if upto is None or (after is not None and after >= upto):
        return Depth()
    total = 0
    for segment in segments.listing(folder):
        if after is None or segment.number >= after.segment:
            with suppress(FileNotFoundError):
                total += segment.path.stat().st_size
            if after is not None and segment.number == after.segment:
                total = max(0, total - after.offset)
    first = next(iter(records(folder, after, 1)), None)
    return Depth(total) if first is None else Depth(total, number - first.number + 1, first.received)


def ending(segment: Segment) -> Ending:
    """Where `segment` ends."""
    last = Ending(0, 0)
    for item in _items(segment, 0, None, newest=True):
        if isinstance(item, Record):
            last = Ending(item.place.offset, item.number)
    return last


def _items(segment: Segment, start: int, stop: int | None, *, newest: bool) -> Iterator[Record | Damage]:
    """The records of `segment` behind `start`, and what is damaged between them."""
    offset = start
    if start in (_END, stop) or stop == 0:
        return
    try:
        with segments.opened(segment) as file:
            file.seek(offset)
            while stop is None or offset < stop:
                frame = framing.frame(file, offset, segment.marker, stop)
                if frame is None:
                    begins = framing.next_frame(file, offset, segment.marker, stop)
                    end = file.seek(0, 2) if begins is None else begins
                    if stop is not None:
                        end = min(end, stop)
                    if end <= offset or (begins is None and newest and stop is None):
                        return
                    yield Damage(Place(segment.number, end), offset, end - offset)
                    offset = end
                    file.seek(offset)
                else:
                    offset = frame.end
                    yield frame.record(segment.number)
    except FileNotFoundError:  # it was compressed meanwhile, or deleted
        for other in segments.listing(segment.path.parent):
            if other.number == segment.number and other.path != segment.path:
                yield from _items(other, offset, stop, newest=newest)
    except (EOFError, zlib.error, OSError) as problem:
        if not segment.packed or (isinstance(problem, OSError) and problem.errno is not None):
            raise
        yield Damage(Place(segment.number, _END), offset, None)
