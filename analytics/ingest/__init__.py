"""Files into batches of cells: a module a format, found by its name. No cell of a file is lost on the way.

Every format module has `read(source) -> Iterator[Batch]` and `recognises(source) -> bool`. The sum of `Batch.read`
over a file is the number of its value cells, and one for each line (or rest of a damaged file) that could not be taken
apart.
"""

from collections.abc import Iterator
from importlib import import_module

from analytics.family import members
from analytics.frames import Batch
from analytics.ingest._part import Cut, cuts, part
from analytics.ingest._source import Source, UnreadableSource
from analytics.ingest._tables import columns

__all__ = [
    "FORMATS",
    "RECOGNISERS",
    "Cut",
    "Source",
    "UnknownFormat",
    "UnreadableSource",
    "cut",
    "part",
    "read",
    "recognise",
]


class UnknownFormat(Exception):
    """No format, or no single one, knows the file or has the name."""


FORMATS = members(__name__, "read")
RECOGNISERS = members(__name__, "recognises")


#: Of the formats whose lines stand each for itself, whether a header says what they mean; the others have no `HEADER`.
HEADERS: dict[str, bool | None] = {
    name: getattr(import_module(f"{__name__}.{name.replace('-', '_')}"), "HEADER", None) for name in FORMATS
}


def recognise(source: Source) -> str:
    """The name of the one format that knows `source`.

    Raises `UnknownFormat` with what was seen and which formats there are, `UnreadableSource` where nothing can be read.
    """
    found = [name for name, recognises in RECOGNISERS.items() if recognises(source)]
    if len(found) == 1:
        return found[0]
    seen = columns(source)
    shown = ", ".join(name[:40] for name in seen[:20]) + (f" and {len(seen) - 20} more" if len(seen) > 20 else "")
    what = f"columns {shown}" if seen else "no header"
    raise UnknownFormat(f"{source.name}: {what}; formats are {', '.join(FORMATS)}")


def read(source: Source, format: str) -> Iterator[Batch]:
    """The cells, rejects and counts of `source`, in batches of at most about a million cells.

    Raises `UnknownFormat` where there is no such format, `UnreadableSource` (while iterating, too) where the file is
    none of this format or is damaged.
    """
    if format not in FORMATS:
        raise UnknownFormat(f"{format}; formats are {', '.join(FORMATS)}")
    batches: Iterator[Batch] = FORMATS[format](source)
    return batches


def cut(source: Source, format: str, size: int) -> list[Cut]:
    """`source` in parts of about `size` [byte], for `part`; read one by one they give the same cells and rejects.

    But for what is told of a station: that is told by the rows of each part. Raises `UnreadableSource`.
    """
    return cuts(source, size, HEADERS[format])
