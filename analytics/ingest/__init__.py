"""Files into batches of cells: a module or a mapping a format, found by its name. No cell of a file is lost on the way.

Every format module has `read(source) -> Iterator[Batch]` and `recognises(source) -> bool`; a mapping is a file of
`tables/mappings` that says what the columns of a table are. The sum of `Batch.read` over a file is the number of its
value cells, and one for each line (or rest of a damaged file) that could not be taken apart.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib import import_module

from analytics.family import members
from analytics.frames import Batch
from analytics.ingest import _columnar, _mapping, long, ndjson
from analytics.ingest import _outlook as outlook
from analytics.ingest import _uplinks as uplinks
from analytics.ingest._mapping import Mapped
from analytics.ingest._part import Cut, cuts, part
from analytics.ingest._source import Held, Source, UnreadableSource
from analytics.ingest._tables import columns

__all__ = [
    "BODIES",
    "FORMATS",
    "MAPPINGS",
    "MODULES",
    "RECOGNISERS",
    "Cut",
    "Held",
    "Mapped",
    "Source",
    "UnknownFormat",
    "UnreadableSource",
    "cut",
    "known",
    "mapping",
    "outlook",
    "part",
    "read",
    "read_as",
    "recognise",
    "uplinks",
]


class UnknownFormat(Exception):
    """No format, or no single one, knows the file or has the name."""


def _mapped(name: str, source: Source) -> Iterator[Batch]:
    return _mapping.read(_mapping.load(name), source)


#: Formats that are modules, those that are tables, and all; each is read by its function.
MODULES = members(__name__, "read")
MAPPINGS = tuple(_mapping.names())
_ALL: Mapping[str, Callable[[Source], Iterator[Batch]]] = MODULES | {name: partial(_mapped, name) for name in MAPPINGS}
FORMATS = {name: _ALL[name] for name in sorted(_ALL)}
RECOGNISERS = members(__name__, "recognises")


#: What can be read from memory, as a POST brings it: by its decoder's name, bytes to a batch that says where each of
#: its rows stands. Raises `UnreadableSource`.
BODIES: Mapping[str, Callable[[bytes], Batch]] = {
    "ndjson": ndjson.batch,
    "columnar": _columnar.batch,
    "long": long.memory,
}


#: Of the formats whose lines stand each for itself, whether a header says what they mean; the others have no `HEADER`.
HEADERS: dict[str, bool | None] = {
    name: getattr(import_module(f"{__name__}.{name.replace('-', '_')}"), "HEADER", None) for name in MODULES
}


def known(source: Source) -> list[str]:
    """The names of all formats that know `source`. Raises `UnreadableSource` where nothing can be read."""
    found = [name for name, recognises in RECOGNISERS.items() if recognises(source)]
    return found + [mapped.name for mapped in _mapping.knowing(map(_mapping.load, MAPPINGS), source)]


def recognise(source: Source) -> str:
    """The name of the one format that knows `source`.

    Raises `UnknownFormat` with what was seen and which formats there are, `UnreadableSource` where nothing can be read.
    """
    found = known(source)
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
    return FORMATS[format](source)


def mapping(text: str, name: str) -> Mapped:
    """The mapping written in `text` (TOML). Raises `TableError` naming what is wrong in it."""
    return _mapping.parse(text, name)


def read_as(mapped: Mapped, source: Source) -> Iterator[Batch]:
    """The same as `read`, by a mapping."""
    return _mapping.read(mapped, source)


def cut(source: Source, format: str, size: int) -> list[Cut]:
    """`source` in parts of about `size` [byte], for `part`; read one by one they give the same cells and rejects.

    But for what is told of a station: that is told by the rows of each part. Raises `UnreadableSource`.
    """
    header = HEADERS[format] if format in HEADERS else _mapping.load(format).header
    return cuts(source, size, header)
