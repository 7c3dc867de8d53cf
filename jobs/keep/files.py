"""Pieces of readings as Parquet files: long form, so that anybody can read them, and read back before they count."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl

from analytics.spool import sync
from analytics.store import archive, packing
from analytics.store.archive import Piece
from analytics.store.connection import Connection
from analytics.store.observations import STORED
from jobs import console

#: station, parameter, time, value, mark, revision: as `ingest --format long` has them; and whose they are in the store.
COLUMNS = ("station", "parameter", "time", "value", "mark", "revision", "series", "batch")

Notice = Callable[[int], None]


def write(conn: Connection, piece: Piece, folder: Path, notice: Notice = lambda rows: None) -> None:
    """Nothing; the piece lies in files of `folder`, which hold just what the store holds, and the store knows them.

    Raises `NotAsAsked` where a file cannot be written or does not say what was read.
    """
    names = archive.names(conn)
    files, held = [], pl.DataFrame(schema={"series": pl.Int32})
    for table, column in zip(archive.TABLES, ("rows", "history"), strict=True):
        try:
            with TemporaryDirectory(dir=folder, prefix=".greenwatch-") as desk:
                made = _write(conn, table, piece, names, Path(desk), notice)
        except (OSError, pl.exceptions.PolarsError) as problem:  # a full disk comes as either
            words = getattr(problem, "strerror", None) or problem
            raise console.NotAsAsked(f"{folder} cannot be written: {words}. Nothing is lost; run it again") from problem
        files += made
        found = archive.counts(conn, table, piece.start, piece.stop).rename({"rows": column})
        if int(found[column].sum()) != sum(file["rows"] for file in made):
            raise console.NotAsAsked(f"{table} changed while it was read; nothing was dropped, run it again")
        held = held.join(found, on="series", how="full", coalesce=True)
    counted = held.with_columns(pl.col("rows", "history").fill_null(0))
    archive.wrote(conn, piece, str(folder), files, counted, console.now())


def _write(
    conn: Connection, table: str, piece: Piece, names: pl.DataFrame, desk: Path, notice: Notice
) -> list[dict[str, Any]]:
    parts, digests = [], []
    for number, page in enumerate(archive.pages(conn, table, piece)):
        part = desk / f"part-{number:05}.parquet"
        page.join(names, on="series", how="left", maintain_order="left").select(COLUMNS).write_parquet(part)
        parts.append(part)
        digests.append((page.height, _digest(page)))
        notice(page.height)
    if not parts:
        return []
    whole = desk / "whole.parquet"
    pl.scan_parquet(parts).sink_parquet(whole, compression="zstd", maintain_order=True)
    place = 0
    for height, digest in digests:
        if _digest(_slice(whole, place, height)) != digest:
            raise console.NotAsAsked(f"a file in {desk.parent} does not say what was written: is the disk sound?")
        place += height
    sync(whole)
    sha256 = hash_of(whole)
    name = f"{table}_{piece.start:%Y%m%d}_{piece.stop:%Y%m%d}_{sha256[:16]}.parquet"
    size = whole.stat().st_size
    whole.replace(desk.parent / name)
    sync(desk.parent)
    return [{"table": table, "file": name, "rows": place, "bytes": size, "sha256": sha256}]


def check(file: Mapping[str, Any], folder: Path) -> Path:
    """The path of an archive's `file` in `folder`. Raises `NotAsAsked` where it is gone or other."""
    path = folder / str(file["file"])
    try:
        found = hash_of(path)
    except OSError as problem:
        raise console.NotAsAsked(
            f"{path} cannot be read: {problem.strerror}. Name the folder where the archives are with --at"
        ) from problem
    if found != file["sha256"]:
        raise console.NotAsAsked(f"{path} is not what was written (its sha256 differs): take it from its backup")
    return path


def rows(path: Path, total: int) -> Iterator[pl.DataFrame]:
    """The rows of an archive's file (`observations.STORED`), some at a time."""
    for place in range(0, total, archive.PART):
        yield _slice(path, place, min(archive.PART, total - place))


def hash_of(path: Path) -> str:
    """sha256 of the file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _slice(path: Path, place: int, height: int) -> pl.DataFrame:
    return pl.scan_parquet(path).slice(place, height).select(*STORED).collect()


def _digest(page: pl.DataFrame) -> str:
    out = hashlib.sha256()
    for block in packing.pack(page):
        out.update(block)
    return out.hexdigest()
