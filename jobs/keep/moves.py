"""Readings into the archive and back. Killed anywhere, the same command goes on; nothing is lost or counted twice."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import structlog

from analytics.store import archive, horizon
from analytics.store.archive import Piece
from analytics.store.connection import Busy, Connection
from analytics.store.observations import Counts
from jobs import chain, console
from jobs.intake import readmit
from jobs.keep import files
from jobs.keep.plan import Plan, bounds, free, midnight, reach

log = structlog.get_logger()

_DAY = timedelta(days=1)


@dataclass(slots=True)
class Done:
    """What a run did: `pieces` now gone, their `rows`, the `bytes` of their files; `plan` it went by."""

    plan: Plan
    pieces: int = 0
    rows: int = 0
    bytes: int = 0


@dataclass(slots=True)
class Restored:
    """What a restore did: `pieces` and `rows` that came back, windows marked, readings that had waited as rejects."""

    start: datetime
    stop: datetime
    pieces: int = 0
    rows: int = 0
    marks: int = 0
    readmitted: Counts = field(default_factory=Counts)


@contextmanager
def alone(conn: Connection) -> Iterator[None]:
    """Only one command moves readings of a store at a time. Raises `NotAsAsked`."""
    if not archive.only_one(conn):
        raise console.NotAsAsked("another `greenwatch keep` is at work on this store: wait for it")
    try:
        yield
    except Busy:
        raise console.NotAsAsked("a save, an export or a settler takes long just now: run it again later") from None
    finally:
        if not conn.closed:
            archive.done(conn)


def run(
    conn: Connection, before: datetime, folder: Path, now: datetime, *, notice: files.Notice = lambda rows: None
) -> Done:
    """What was done so that readings before `before` lie in `folder`, as far as nothing holds them.

    Raises `NotAsAsked` where the folder is none, others are at work, or a file does not say what it should.
    """
    if not folder.is_dir():
        raise console.NotAsAsked(f"{folder} is no folder: make it, on a disk of its own if you can")
    if not archive.may_drop(conn):
        raise console.NotAsAsked(
            "only the owner of the tables may take readings away: connect as the user who migrated"
        )
    with alone(conn):
        done = Done(_seal(conn, before, now))
        left = [piece for piece in archive.begun(conn) if piece.cleared is None]
        for piece in left:
            _away(conn, piece, folder.absolute(), notice)
        moved = {piece.id for piece in left}
        gone = [piece for piece in archive.begun(conn) if piece.id in moved]
        done.pieces = len(gone)
        done.rows, done.bytes = sum(piece.rows for piece in gone), sum(piece.bytes for piece in gone)
    log.info("archived", pieces=done.pieces, rows=done.rows, bytes=done.bytes, line=str(done.plan.line))
    return done


def _seal(conn: Connection, before: datetime, now: datetime) -> Plan:
    """What is sealed from now on, with all that was on its way. What changes meanwhile is looked for under the lock."""
    wanted = archive.pieces(conn, before)
    with conn.transaction():
        horizon.alone(conn)
        over = archive.opened(conn).filter(pl.col("until") <= now)["id"].to_list()
        archive.close(conn, over, now)
        made = bounds(conn, before, now)
        if made.was is None and any(hold.why == "backfill" for hold in made.holds):
            raise console.NotAsAsked("a backfill is being read, of readings however old: wait until that is over")
        made.pieces = free(conn, made, wanted, now)
        if made.was is None or made.line > made.was:
            archive.move(conn, made.line, now, console.author())
        archive.seal(conn, made.pieces, now)
    return made


def _away(conn: Connection, piece: Piece, folder: Path, notice: files.Notice) -> None:
    """Nothing; the piece, which is sealed, lies in its files and nowhere else."""
    if piece.written is None or (piece.dropped is None and not _there(piece)):
        files.write(conn, piece, folder, notice)
    if piece.dropped is None:
        archive.drop(conn, piece, console.now())
    else:
        archive.clear(conn, piece, console.now())


def _there(piece: Piece) -> bool:
    """Whether the files that an earlier run wrote are what they were: much may happen to them before rows go."""
    try:
        for file in piece.files:
            files.check(file, Path(piece.folder))
    except console.NotAsAsked as problem:
        log.warning("written again", piece=str(piece.start), problem=str(problem))
        return False
    return True


def restore(
    conn: Connection,
    start: datetime,
    stop: datetime,
    now: datetime,
    *,
    days: int = 7,
    reason: str = "",
    at: Path | None = None,
    notice: files.Notice = lambda rows: None,
) -> Restored:
    """What came back so that readings from `start` to `stop` (whole days) may come in and all that needs them is here.

    `at`: where the files are, if not where they were written. Raises `NotAsAsked`.
    """
    with alone(conn):
        line = horizon.load(conn).time
        if line is None or start >= line:
            raise console.NotAsAsked("nothing is closed there: readings of that time come in as they are")
        done = Restored(midnight(start), min(line, midnight(stop, up=True)))
        come = pieces_of(conn, done.start, done.stop)
        gone = [piece for piece in come if piece.dropped is not None]
        # All of them before the first row: where one is lost, nothing comes back.
        found = [[(file, files.check(file, at or Path(piece.folder))) for file in piece.files] for piece in gone]
        for piece, paths in zip(gone, found, strict=True):
            done.rows += _back(conn, piece, paths, notice)
        done.pieces = len(come)
        done.marks = archive.reopen(
            conn,
            come,
            done.start,
            done.stop,
            now=now,
            until=now + days * _DAY,
            author=console.author(),
            reason=reason,
        )
    done.readmitted = readmit(conn, chain.load_rules(conn)[-1].parameters)
    log.info("restored", pieces=done.pieces, rows=done.rows, start=str(done.start), stop=str(done.stop))
    return done


def pieces_of(conn: Connection, start: datetime, stop: datetime) -> list[Piece]:
    """The pieces on their way or gone that must be here for that period to be open."""
    far = reach(conn)
    return [piece for piece in archive.begun(conn) if piece.start < stop + far and piece.stop > start - far]


def _back(conn: Connection, piece: Piece, paths: list[tuple[dict[str, Any], Path]], notice: files.Notice) -> int:
    """Number of rows of the piece's files that came back; they do not count yet."""
    came = 0
    for file, path in paths:
        for page in files.rows(path, file["rows"]):
            came += archive.put_back(conn, file["table"], piece, page)
            notice(page.height)
    return came


def close(conn: Connection, now: datetime) -> pl.DataFrame:
    """`archive.opened`: the periods that were open and take no more readings."""
    with alone(conn), conn.transaction():
        horizon.alone(conn)
        found = archive.opened(conn)
        archive.close(conn, found["id"].to_list(), now)
    return found
