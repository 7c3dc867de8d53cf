"""What is drained stays for a while: compressed, then deleted."""

import gzip
import os
import shutil
import zlib
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from analytics.spool import segments
from analytics.spool.framing import Place
from analytics.spool.segments import Segment

_BLOCK = 2**20
#: Text of devices gets to about a tenth, at some 100 MB/s; more effort gains little.
_EFFORT = 4


@dataclass(frozen=True, slots=True)
class Kept:
    """How many segments were compressed and deleted, and how many bytes there are less."""

    compressed: int = 0
    deleted: int = 0
    freed: int = 0


def keep(folder: Path, drained: Place, before: datetime, *, most: int | None = None) -> Kept:
    """What was done of the segments up to `drained`: those last written `before` are deleted, the others compressed.

    Of `most` bytes, which all segments together shall have, the oldest drained ones go first, whatever their age. The
    newest segment stays as it is, drained or not: numbers go on from it. Raises `OSError` where the disk fails; it may
    be asked again then.
    """
    there = segments.listing(folder)
    sizes = {segment.number: segment.path.stat().st_size for segment in there}
    total = sum(sizes.values())
    compressed = deleted = freed = 0
    for segment in there[:-1]:
        if segment.number > drained.segment or (
            segment.number == drained.segment and not segment.packed and drained.offset < sizes[segment.number]
        ):
            break
        size = sizes[segment.number]
        if segment.path.stat().st_mtime < before.timestamp() or (most is not None and total - freed > most):
            _delete(segment)
            deleted, freed = deleted + 1, freed + size
        elif not segment.packed:
            compressed, freed = compressed + 1, freed + size - _compress(segment)
    return Kept(compressed, deleted, freed)


def _delete(segment: Segment) -> None:
    for path in (segment.plain, packed(segment)):
        path.unlink(missing_ok=True)
    segments.sync(segment.path.parent)


def packed(segment: Segment) -> Path:
    """What `segment` is called when it is compressed."""
    return segment.plain.with_name(segment.plain.name + ".gz")


def _compress(segment: Segment) -> int:
    """Bytes of the compressed segment, which takes the place of the plain one once it is read back the same."""
    target = packed(segment)
    part = target.with_name(target.name + segments.PART)
    try:
        written = read = 0
        with segment.path.open("rb") as plain, part.open("wb") as out:
            with gzip.GzipFile("", "wb", _EFFORT, out, mtime=0) as small:
                while block := plain.read(_BLOCK):
                    written = zlib.crc32(block, written)
                    small.write(block)
            out.flush()
            os.fsync(out.fileno())
        with gzip.open(part, "rb") as back:
            while block := back.read(_BLOCK):
                read = zlib.crc32(block, read)
        if read != written:
            raise OSError(f"{part} does not read as it was written")
        shutil.copystat(segment.path, part)  # its age is that of what was received
        part.replace(target)
    finally:
        with suppress(OSError):  # there where it did not become the target; else the next owner removes it
            part.unlink(missing_ok=True)
    segments.sync(target.parent)
    segment.path.unlink()
    segments.sync(target.parent)
    return target.stat().st_size
