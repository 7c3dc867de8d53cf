"""A file as blocks of bytes, unpacked where it is gzip, however it is called."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

GZIP = b"\x1f\x8b"
PARQUET = b"PAR1"
HEAD = 64 * 1024
#: Bytes read from the disk at once.
STEP = 256 * 1024
#: Bytes of a block after unpacking: some hundred thousand lines, so that Polars has something to do.
BLOCK = 16 * 1024 * 1024


class UnreadableSource(Exception):
    """The file cannot be opened, is damaged, or is no file of the format it is read as."""


@dataclass(slots=True)
class Source:
    """A file to be read: `name` is what people call it, `position` of `size` [byte on disk] how far one is in it."""

    path: Path
    name: str = ""
    #: of a part of a text, the number of its first line behind the header; of a part of a Parquet file, its rows
    line: int = 0
    rows: tuple[int, int] | None = None
    position: int = field(default=0, init=False)
    _head: bytes | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self.name = self.name or self.path.name

    @property
    def size(self) -> int:
        """The file's size on disk [byte]; 0 where there is no such file."""
        return self.path.stat().st_size if self.path.exists() else 0

    def blocks(self) -> Iterator[bytes]:
        """The content in blocks, unpacked where the file starts as gzip does (of one member or many).

        Raises `UnreadableSource` where the file cannot be opened, or its gzip is cut short or damaged: after all that
        could be unpacked was yielded.
        """
        self.position = 0
        pieces, size = [], 0
        try:
            for position, piece in self._pieces():
                self.position = position
                pieces.append(piece)
                size += len(piece)
                if size >= BLOCK:
                    yield b"".join(pieces)
                    pieces, size = [], 0
        except UnreadableSource:
            if pieces:
                yield b"".join(pieces)
            raise
        if pieces:
            yield b"".join(pieces)

    def head(self) -> bytes:
        """The first 64 KiB of the content, unpacked; `position` stays. It is read once, however often it is looked at.

        Raises `UnreadableSource` where not even a byte can be read.
        """
        if self._head is None:
            self._head = self._beginning()
        return self._head

    def _beginning(self) -> bytes:
        out = b""
        try:
            for _, piece in self._pieces():
                out += piece
                if len(out) >= HEAD:
                    break
        except UnreadableSource:
            if not out:
                raise
        return out[:HEAD]

    def is_parquet(self) -> bool:
        """Does the file on disk start as a Parquet file does? (A packed one cannot be read in slices.)"""
        with self._open() as file:
            return file.read(len(PARQUET)) == PARQUET

    def _open(self) -> BinaryIO:
        try:
            return self.path.open("rb")
        except OSError as error:
            raise UnreadableSource(f"{self.name}: cannot be opened: {error.strerror}") from error

    def _pieces(self) -> Iterator[tuple[int, bytes]]:
        """(position in the file after it, unpacked piece); a piece is at most some megabytes."""
        with self._open() as file:
            first = file.read(STEP)
            if first.startswith(GZIP):
                yield from self._members(file, first)
                return
            while first:
                yield file.tell(), first
                first = file.read(STEP)

    def _members(self, file: BinaryIO, data: bytes) -> Iterator[tuple[int, bytes]]:
        """The pieces of a gzip file, whose members follow one another, with zeros after the last at most."""
        unpack = before = zlib.decompressobj(wbits=31)
        try:
            while data:
                before = unpack.copy()
                piece = unpack.decompress(data, STEP * 8)
                if piece:
                    yield file.tell(), piece
                data = unpack.unconsumed_tail
                if unpack.eof:
                    data = (unpack.unused_data or file.read(STEP)).lstrip(b"\0") or _after_zeros(file)
                    if data:
                        unpack = zlib.decompressobj(wbits=31)
                elif not data:
                    data = file.read(STEP)
        except zlib.error as error:
            # The call that failed gave nothing, good as most of its bytes may have been.
            yield file.tell(), salvaged(before, data)
            raise UnreadableSource(f"{self.name}: damaged gzip near byte {file.tell()}: {error}") from error
        if not unpack.eof:
            raise UnreadableSource(f"{self.name}: the gzip ends before its end mark: the file was cut short")


@dataclass(slots=True)
class Held(Source):
    """Bytes in memory, taken as they are: neither unpacked nor looked at for another kind of file."""

    raw: bytes = b""

    def blocks(self) -> Iterator[bytes]:
        """The bytes at once."""
        if self.raw:
            yield self.raw

    def head(self) -> bytes:
        """The first 64 KiB of them."""
        return self.raw[:HEAD]

    def is_parquet(self) -> bool:
        """Never."""
        return False


def salvaged(unpack: "zlib._Decompress", data: bytes) -> bytes:
    """What `data` gives byte by byte, up to the one that is wrong."""
    out = []
    try:
        for number in range(len(data)):
            out.append(unpack.decompress(data[number : number + 1]))
    except zlib.error:
        return b"".join(out)
    return b"".join(out)


def _after_zeros(file: BinaryIO) -> bytes:
    """The next bytes of `file` that are not padding; empty at its end."""
    while data := file.read(STEP):
        if data := data.lstrip(b"\0"):
            return data
    return b""
