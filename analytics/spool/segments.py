"""The files of a spool: `000001763812800-4f1d….spool`, a segment's number and marker; with `.gz` once it is compressed.

Numbers only grow, also when the folder was emptied: a segment's is at least the second in which its first record was
received, so a cursor of before never points into a new segment. Another layout would have another suffix.
"""

import gzip
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

SUFFIX, PACKED, PART = ".spool", ".spool.gz", ".part"
_NAME = re.compile(r"(\d{15})-([0-9a-f]{16})\.spool(\.gz)?")


@dataclass(frozen=True, slots=True)
class Segment:
    """A file of a spool."""

    number: int
    marker: bytes
    path: Path
    packed: bool

    @property
    def plain(self) -> Path:
        """What it is called before it is compressed."""
        return self.path.parent / name(self.number, self.marker)


def name(number: int, marker: bytes) -> str:
    """Of a segment that is written."""
    return f"{number:015}-{marker.hex()}{SUFFIX}"


def listing(folder: Path) -> list[Segment]:
    """The segments of `folder` by number; of one that is there twice, since it is being compressed, the plain one."""
    found: dict[int, Segment] = {}
    try:
        names = sorted(os.listdir(folder))
    except FileNotFoundError:
        return []
    for each in names:  # the plain one sorts before
        if match := _NAME.fullmatch(each):
            number = int(match[1])
            found.setdefault(number, Segment(number, bytes.fromhex(match[2]), folder / each, match[3] is not None))
    return [found[number] for number in sorted(found)]


@contextmanager
def opened(segment: Segment) -> Iterator[BinaryIO]:
    """`segment` for reading, unpacked. Raises `FileNotFoundError` where it was deleted, or compressed, meanwhile."""
    with segment.path.open("rb") as file:
        if segment.packed:
            with gzip.GzipFile(fileobj=file, mode="rb") as unpacked:
                yield unpacked  # type: ignore[misc]  # it reads and seeks as they all do
        else:
            yield file


def sync(path: Path) -> None:
    """Nothing; what was written to `path`, a file or the names in a folder, outlives a crash of the machine."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
