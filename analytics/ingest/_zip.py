"""A zip archive as its files, each as blocks of bytes: bounded in memory, in number of files and in what comes out.

A bomb is told by what comes out of it, not by what it says of itself. Only what every zip program writes is unpacked:
files that are stored or deflated.
"""

import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from analytics.ingest._source import STEP, Source, UnreadableSource, salvaged

#: A longer list of files is none that a person downloaded [byte]: each of its entries costs some hundred in memory.
LONGEST_LIST = 16 * 1024 * 1024
#: What may come out of an archive: this many bytes, and beyond it so many times its size on the disk. Deflate can do
#: 1032 times; the text of a sensor comes to ten or twenty.
FREE, RATIO = 64 * 1024 * 1024, 200
KINDS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
#: What a damaged list of files makes the library raise; RuntimeError is what it has not implemented.
DAMAGES = (zipfile.BadZipFile, zlib.error, RuntimeError, EOFError, OSError, ValueError, struct.error, LookupError)

ENCRYPTED = 0x1
_LOCAL, _LOCAL_LENGTH = b"PK\x03\x04", 30
_END, _END_LENGTH, _LONGEST_COMMENT = b"PK\x05\x06", 22, 65_535


def is_zip(source: Source) -> bool:
    """Does the file on disk start as a zip archive does?"""
    with source._open() as file:
        return file.read(len(_LOCAL)) == _LOCAL


class Archive:
    """An open archive: the names of its files in their order, and each as blocks."""

    def __init__(self, source: Source, file: BinaryIO) -> None:
        """Reads the list of files. Raises `UnreadableSource` where it is none, or too long."""
        self._source, self._file, self._unpacked = source, file, 0
        #: why no more is unpacked, where more came out than can be
        self.bomb: UnreadableSource | None = None
        self._size = file.seek(0, 2)
        self._allowed = max(FREE, RATIO * self._size)
        self._check_list(file)
        try:
            listed = zipfile.ZipFile(file).infolist()
        except DAMAGES as error:
            raise self._damaged(str(error) or type(error).__name__) from error
        self._entries = [entry for entry in listed if entry.filename[-1:] not in ("", "/")]
        self.names = [entry.filename for entry in self._entries]

    def _check_list(self, file: BinaryIO) -> None:
        tail = min(self._size, _END_LENGTH + _LONGEST_COMMENT)
        file.seek(self._size - tail)
        end = file.read(tail)
        at = end.rfind(_END)
        if at < 0 or len(end) - at < _END_LENGTH:
            raise UnreadableSource(f"{self._source.name}: the zip ends before its list of files: it was cut short")
        if (length := struct.unpack_from("<L", end, at + 12)[0]) > LONGEST_LIST:
            raise UnreadableSource(f"{self._source.name}: the zip's list of files has {length} bytes")
        file.seek(0)

    def blocks(self, number: int) -> Iterator[bytes]:
        """The file `number` of `names` in blocks; raises `UnreadableSource`, after all that could be unpacked."""
        entry = self._entries[number]
        if entry.compress_type not in KINDS or entry.flag_bits & ENCRYPTED:
            how = "with a password" if entry.flag_bits & ENCRYPTED else f"by method {entry.compress_type}"
            raise UnreadableSource(f"{self._source.name}: {entry.filename}: packed {how}: not read")
        crc = 0
        for piece in self._pieces(entry):
            self._unpacked += len(piece)
            if self._unpacked > self._allowed:
                what = f"{self._size} bytes unpack to more than {self._allowed}: not read on"
                self.bomb = UnreadableSource(f"{self._source.name}: {what}")
                raise self.bomb
            self._source.position = min(entry.header_offset, self._source.size)
            crc = zlib.crc32(piece, crc)
            if piece:
                yield piece
        if crc != entry.CRC:
            raise self._damaged(f"{entry.filename} has another checksum than it should")

    def _pieces(self, entry: zipfile.ZipInfo) -> Iterator[bytes]:
        """What a file unpacks to, a few megabytes at a time. The library would keep back what a wrong checksum ends."""
        self._file.seek(max(0, entry.header_offset))
        head = self._file.read(_LOCAL_LENGTH)
        if len(head) < _LOCAL_LENGTH or not head.startswith(_LOCAL):
            raise self._damaged(f"{entry.filename} is not where the list of files says")
        self._file.seek(sum(struct.unpack_from("<HH", head, 26)), 1)
        left = entry.compress_size
        stored = entry.compress_type == zipfile.ZIP_STORED
        unpack = zlib.decompressobj(wbits=-15)
        while left > 0 and (data := self._file.read(min(STEP, left))):
            at, left = self._file.tell(), left - len(data)
            while data and not unpack.eof:
                before = unpack.copy()
                try:
                    piece, data = (data, b"") if stored else (unpack.decompress(data, STEP * 8), unpack.unconsumed_tail)
                except zlib.error as error:
                    yield salvaged(before, data)
                    raise self._damaged(f"{entry.filename}: {error}") from error
                yield piece
            self._file.seek(at)  # who reads may have read another file meanwhile
        if not (stored or unpack.eof) or left > 0:
            raise self._damaged(f"{entry.filename} ends before its end")

    def _damaged(self, what: str) -> UnreadableSource:
        return UnreadableSource(f"{self._source.name}: damaged zip: {what}")

    def find(self, name: str) -> int | None:
        """The number of the file `name`, the last of that name; None where there is none."""
        return max((number for number, known in enumerate(self.names) if known == name), default=None)


@contextmanager
def opened(source: Source) -> Iterator[Archive]:
    """`source` as an archive. Raises `UnreadableSource` where it is none or damaged."""
    with source._open() as file:
        yield Archive(source, file)
