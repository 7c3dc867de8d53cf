"""Pages of rows as a file, whole or not at all, in each format."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

import polars as pl
from polars import selectors

from jobs import console

_TIME = "%Y-%m-%dT%H:%M:%S%.fZ"


class Format(StrEnum):
    """How it is written."""

    csv = "csv"
    parquet = "parquet"
    json = "json"


def write(pages: Iterator[pl.DataFrame], format: Format, output: str) -> int:
    """Number of rows written to the file `output` (or `-`); it appears whole or not at all."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(_workplace(output)))
        part = folder / f"export.{format.value}"
        rows = WRITERS[format](pages, part)
        if output == "-":
            with part.open("rb") as file:
                while block := file.read(1 << 20):
                    sys.stdout.buffer.write(block)
            sys.stdout.buffer.flush()
        else:
            part.replace(output)
    return rows


def _workplace(output: str) -> TemporaryDirectory[str]:
    """A folder beside `output`, so that the finished file can take its place in one move. Raises `NotAsAsked`."""
    if output == "-":
        return TemporaryDirectory()
    target = Path(output).absolute()
    if target.is_dir():
        raise console.NotAsAsked(f"{output} is a folder: name a file in it")
    try:
        return TemporaryDirectory(dir=target.parent, prefix=".greenwatch-")
    except OSError as problem:
        raise console.NotAsAsked(f"{output} cannot be written: {problem.strerror}") from problem


def csv(page: pl.DataFrame, file: IO[bytes], *, header: bool) -> None:
    """Nothing; the rows of `page` are in `file` as CSV: the one text of a row, whatever format it is asked for in."""
    page.write_csv(file, include_header=header, datetime_format=_TIME)


def records(page: pl.DataFrame) -> str:
    """The rows of `page` as JSON objects, a line each, with commas between them."""
    text = page.with_columns(selectors.datetime().dt.strftime(_TIME)).write_ndjson()
    return text.rstrip("\n").replace("\n", ",\n")


def _write_csv(pages: Iterator[pl.DataFrame], part: Path) -> int:
    rows = 0
    with part.open("wb") as file:
        for number, page in enumerate(pages):
            csv(page, file, header=not number)
            rows += page.height
    return rows


def _write_json(pages: Iterator[pl.DataFrame], part: Path) -> int:
    """One array of records, a record a line."""
    rows = 0
    with part.open("wb") as file:
        file.write(b"[")
        for page in pages:
            if page.is_empty():
                continue
            file.write((",\n" if rows else "\n").encode() + records(page).encode())
            rows += page.height
        file.write(b"\n]\n")
    return rows


def _write_parquet(pages: Iterator[pl.DataFrame], part: Path) -> int:
    """Row groups of a page each, put together without holding them all."""
    rows, pieces = 0, []
    for number, page in enumerate(pages):
        piece = part.with_name(f"piece-{number:06}.parquet")
        page.write_parquet(piece)
        pieces.append(piece)
        rows += page.height
    if pieces:
        pl.scan_parquet(pieces).sink_parquet(part)
    else:
        pl.DataFrame().write_parquet(part)
    return rows


WRITERS: dict[Format, Callable[[Iterator[pl.DataFrame], Path], int]] = {
    Format.csv: _write_csv,
    Format.parquet: _write_parquet,
    Format.json: _write_json,
}
