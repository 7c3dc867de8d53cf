"""A file cut into parts that can be read by themselves, one by one or at the same time."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

import polars as pl

from analytics.ingest._parquet import DAMAGES, damaged
from analytics.ingest._source import GZIP, STEP, Source, UnreadableSource


class Cut(NamedTuple):
    """A part of a file: bytes of a text or rows of a Parquet file, [start, stop); `sha256` of what is to be read.

    Of a text also how many bytes its header has, and the number of the part's first line. The whole file: no `stop`.
    """

    start: int
    stop: int | None
    sha256: str
    header: int = 0
    line: int = 0


@dataclass(slots=True)
class Part(Source):
    """The header of a text, and behind it the bytes [start, stop) of the file, whole lines."""

    header: int = 0
    start: int = 0
    stop: int = 0

    def head(self) -> bytes:
        """The first 64 KiB of the file: all its parts are decoded alike."""
        return Source(self.path, self.name).head()

    def _pieces(self) -> Iterator[tuple[int, bytes]]:
        with self._open() as file:
            if self.header:
                yield self.header, file.read(self.header)
            file.seek(self.start)
            while (left := self.stop - file.tell()) > 0 and (piece := file.read(min(STEP, left))):
                yield file.tell(), piece


def part(source: Source, cut: Cut) -> Source:
    """The part `cut` of `source`, to be read by itself. Raises `UnreadableSource` where it is no longer what it was."""
    if _digest(source, cut) != cut.sha256:
        raise UnreadableSource(f"{source.name}: it is another file than when the backfill was begun")
    if cut.stop is None:
        return source
    if source.is_parquet():
        return Source(source.path, source.name, rows=(cut.start, cut.stop))
    return Part(source.path, source.name, cut.line, None, cut.header, cut.start, cut.stop)


def _digest(source: Source, cut: Cut) -> str:
    start, stop = (0, None) if source.is_parquet() else (cut.start, cut.stop)
    digest = hashlib.sha256()
    with source._open() as file:
        file.seek(start)
        left = source.size if stop is None else stop - start
        while left > 0 and (piece := file.read(min(STEP, left))):
            digest.update(piece)
            left -= len(piece)
    return digest.hexdigest()


def cuts(source: Source, size: int, header: bool | None) -> list[Cut]:
    """The parts of `source`, each of about `size` [byte] of the file.

    One part where it is packed, or where a line of it may say what others mean: `header` is None. Else it says whether
    the first line that is not blank does. Raises `UnreadableSource`.
    """
    with source._open() as file:
        first = file.read(len(GZIP))
        whole = Cut(0, None, _digest(source, Cut(0, None, "")))
        if header is None or first == GZIP or source.size <= size:
            return [whole]
        if source.is_parquet():
            return _rows(source, size, whole.sha256)
        file.seek(0)
        return _lines(file, size, header=header)


def _rows(source: Source, size: int, sha256: str) -> list[Cut]:
    try:
        height: int = pl.scan_parquet(source.path, glob=False).select(pl.len()).collect().item()
    except DAMAGES as error:
        raise damaged(source, error) from error
    step = max(1, height * size // source.size)
    return [Cut(start, min(height, start + step), sha256) for start in range(0, max(1, height), step)]


def _lines(file: BinaryIO, size: int, *, header: bool) -> list[Cut]:
    line = 1
    while header and (read := file.readline()):
        line += 1
        if read.removeprefix(b"\xef\xbb\xbf").strip():
            break
    length = start = file.tell()
    out = []
    while block := file.read(size):
        block += file.readline()
        out.append(Cut(start, file.tell(), hashlib.sha256(block).hexdigest(), length, line))
        start, line = file.tell(), line + block.count(b"\n")
    return out or [Cut(start, start, hashlib.sha256().hexdigest(), length, line)]
