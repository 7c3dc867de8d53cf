"""Where a backfill comes from: files, folders, another database; cut into chunks, and chunks into bites."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from analytics import ingest as formats
from analytics.frames import REJECTS, Batch, empty
from analytics.store.connection import Connection
from jobs import console
from jobs.backfill import elsewhere
from jobs.intake import Order

#: A file is cut into chunks of about so many bytes: some seconds of work each.
PART = 64 * 1024 * 1024
#: Cells saved at once: while they are, other savers of their series wait, some tenths of a second.
BITE = 100_000


@dataclass(frozen=True, slots=True)
class Ask:
    """What the user asked for: `order` says how it is read, the rest where it is."""

    order: Order
    paths: tuple[Path, ...] = ()
    #: another database, and which part of it
    database: str = ""
    stations: tuple[str, ...] = ()
    start: datetime | None = None
    stop: datetime | None = None

    def kept(self) -> dict[str, Any]:
        """It as it is kept in the store, without a password."""
        order = asdict(self.order)
        del order["dry_run"], order["kind"]
        return {
            "order": order,
            "paths": [str(path) for path in self.paths],
            "database": elsewhere.without_password(self.database)[0] if self.database else "",
        }


def order(kept: Mapping[str, Any]) -> Order:
    """How the chunks of a kept `Ask` are read."""
    return Order(**kept["order"], kind="backfill")


@dataclass(frozen=True, slots=True)
class Piece:
    """A chunk: `what` says what to read, `place` so in words; `size` is how much it is beside the others."""

    place: str
    what: Mapping[str, Any]
    size: int


@dataclass(slots=True)
class Found:
    """The chunks, and files of folders that no format knows."""

    pieces: list[Piece] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def find(conn: Connection, ask: Ask, notice: Callable[[int, int], None] = lambda done, of: None) -> Found:
    """What there is to read. Files are read once for it, but for their meaning: `notice` hears how many of them.

    Raises `NotAsAsked`, `UnknownFormat`, `UnreadableSource`, `Lost`.
    """
    found = Found()
    files = [(path, file) for path in ask.paths for file in _files(path)]
    for done, (path, file) in enumerate(files):
        notice(done, len(files))
        name = str(file.relative_to(path.absolute())) if path.is_dir() else file.name
        try:
            found.pieces.extend(_cut(formats.Source(file, name), ask.order))
        except (formats.UnknownFormat, formats.UnreadableSource) as problem:
            if not path.is_dir():
                raise
            found.left_out.append(str(problem))
    if ask.database:
        with elsewhere.opened(ask.database) as other:
            if elsewhere.same(conn, other):
                raise console.NotAsAsked("--database is this database itself")
            found.pieces.extend(_months(other, ask))
    if not found.pieces:
        raise console.NotAsAsked("there is nothing to read: name files, folders or --database")
    return found


def _files(path: Path) -> list[Path]:
    """`path`, or what lies in it at any depth, hidden files and folders left out. Raises `NotAsAsked`."""
    if not path.exists():
        raise console.NotAsAsked(f"{path}: there is no such file or folder")
    if not path.is_dir():
        return [path.absolute()]
    inside = (file for file in path.absolute().rglob("*") if file.is_file())
    return sorted(
        file for file in inside if not any(part.startswith(".") for part in file.relative_to(path.absolute()).parts)
    )


def _cut(source: formats.Source, order: Order) -> Iterator[Piece]:
    path = source.path
    name = order.format or formats.recognise(source)
    # What a file says of its stations is told by their first rows: whoever registers them reads it whole.
    size = source.size if order.register else PART
    cuts = formats.cut(source, name, max(1, size))
    for number, cut in enumerate(cuts, 1):
        part = f", part {number} of {len(cuts)}" if len(cuts) > 1 else ""
        weight = source.size // len(cuts)
        yield Piece(f"{path}{part}", {"path": str(path), "format": name, "cut": list(cut)}, max(1, weight))


def _months(other: Connection, ask: Ask) -> Iterator[Piece]:
    for row in elsewhere.pieces(other, list(ask.stations) or None, ask.start, ask.stop).iter_rows(named=True):
        start, stop = row["start"], row["stop"]
        what = {"series": row["series"], "cadence": row["cadence"], "start": str(start), "stop": str(stop)}
        yield Piece(f"{len(row['series'])} series from {start:%Y-%m-%d} to {stop:%Y-%m-%d}", what, row["rows"])


@dataclass(frozen=True, slots=True)
class Bite:
    """Cells that are saved at once, and where they come from."""

    batch: Batch
    decoder: str
    sha256: str | None = None


def bites(what: Mapping[str, Any], ask: Mapping[str, Any]) -> Iterator[Bite]:
    """The bites of a piece, the same ones each time. Raises what reading raises."""
    if "path" not in what:
        with elsewhere.opened(ask["database"]) as other:
            yield Bite(elsewhere.batch(other, what), elsewhere.NAME)
        return
    cut = formats.Cut(*what["cut"])
    source = formats.part(formats.Source(Path(what["path"])), cut)
    for batch in formats.read(source, what["format"]):
        for small in _small(batch):
            yield Bite(small, what["format"], cut.sha256)


def _small(batch: Batch) -> Iterator[Batch]:
    # Of what came long ago nobody asks row by row.
    whole = replace(batch, places=None, received=None)
    yield replace(whole, cells=batch.cells.slice(0, BITE))
    for start in range(BITE, batch.cells.height, BITE):
        yield replace(whole, cells=batch.cells.slice(start, BITE), rejects=empty(REJECTS), missing=0)
