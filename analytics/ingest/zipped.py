"""Tables in a zip archive, each read by its mapping (`tables/mappings`), one after the other. Never a zip in a zip.

Origin: archives as networks hand them out, a file a day or station: those of Sensor.Community. A file of the archive
that no mapping knows is one reject that names it; places are those in the file, behind its name. Archives that unpack
to more than a text can are refused (`_zip`). Archives of the International Soil Moisture Network are of `ismn`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import polars as pl

from analytics.frames import CELLS, Batch, empty
from analytics.ingest import _mapping
from analytics.ingest._lines import reject
from analytics.ingest._source import HEAD, Source, UnreadableSource
from analytics.ingest._zip import Archive, is_zip, opened

UNKNOWN = "file of no known format"
#: Files of an archive that are looked at before it is said to be none of these.
LOOKED_AT = 5


@dataclass(slots=True)
class Member(Source):
    """A file of an archive."""

    archive: Archive | None = None
    number: int = 0

    def blocks(self) -> Iterator[bytes]:
        """Its content in blocks. Raises `UnreadableSource`, after all that could be unpacked."""
        if self.archive is not None:
            yield from self.archive.blocks(self.number)

    def head(self) -> bytes:
        """The first 64 KiB of it."""
        out = b""
        for block in self.blocks():
            out += block
            if len(out) >= HEAD:
                break
        return out[:HEAD]

    def is_parquet(self) -> bool:
        """Never: one in an archive cannot be read in slices."""
        return False


def recognises(source: Source) -> bool:
    """Is `source` an archive with a table among its first files that a mapping knows?"""
    if not is_zip(source):
        return False
    try:
        with opened(source) as archive:
            return any(_known(member) for member in list(_members(archive))[:LOOKED_AT])
    except UnreadableSource:
        return False


def read(source: Source) -> Iterator[Batch]:
    """Batches of the files of `source`, each as its mapping says.

    Raises `UnreadableSource` where the archive is damaged or a bomb: after all that could be read.
    """
    if _mapping.is_blank(source):
        return
    with opened(source) as archive:
        for member in _members(archive):
            mapped = _known(member)
            if mapped is None:
                yield Batch(empty(CELLS), reject(member.name, member.name, UNKNOWN))
                continue
            for batch in _mapping.read(mapped, member):
                if archive.bomb is not None:
                    raise archive.bomb
                place = pl.format("{}, {}", pl.lit(member.name), "place")
                yield replace(batch, rejects=batch.rejects.with_columns(place=place))


def _members(archive: Archive) -> Iterator[Member]:
    for number, name in enumerate(archive.names):
        yield Member(Path(PurePosixPath(name).name or "file"), name, archive=archive, number=number)


def _known(member: Member) -> _mapping.Mapped | None:
    """The one mapping that knows `member`. Raises `UnreadableSource` where it cannot be unpacked."""
    known = _mapping.knowing(map(_mapping.load, _mapping.names()), member)
    return known[0] if len(known) == 1 else None
