"""Files of ../shared/data and what must come of them (`sets/*.toml`), counted by a loop that knows no reader."""

import csv
import gzip
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import dropwhile
from pathlib import Path

import polars as pl

from tests.ingest.reading import DATA


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """Some files of one format; sets/air.toml says what the words mean."""

    path: str
    format: str
    values: list[str]
    delimiter: str = ","
    nothing: list[str] = field(default_factory=list)
    void: list[list[str]] = field(default_factory=list)
    rejects: int = 0
    see: list[list[str | float]] = field(default_factory=list)
    rows: int | None = None
    encoding: str = "utf-8-sig"
    skip: int = 0
    after: int = 0
    begins: str = ""

    @property
    def files(self) -> list[Path]:
        """The files, of which there must be one at least."""
        found = sorted(DATA.glob(self.path))
        assert found, self.path
        return found


def listed() -> list[Listed]:
    """All blocks of all lists."""
    folder = Path(__file__).parent / "sets"
    return [
        Listed(**block) for path in sorted(folder.glob("*.toml")) for block in tomllib.loads(path.read_text())["set"]
    ]


def counted(entry: Listed, path: Path, rows: int | None = None) -> tuple[int, int]:
    """Value cells of a file, and those that hold nothing. A line of another length is one cell."""
    if path.suffix == ".parquet":
        return _packed(entry, path, rows)
    nothing = {"", "na", *(text.lower() for text in entry.nothing)}
    lines = _lines(entry, path)
    header = [name.strip() for name in next(lines)]
    for _ in range(entry.after):
        next(lines)
    where = [at for at, name in enumerate(header) if any(re.fullmatch(pattern, name) for pattern in entry.values)]
    void = {header.index(column): (header.index(other), text) for column, other, text in entry.void}
    cells = missing = 0
    for line in lines:
        if not line:
            continue
        if len(line) != len(header):
            cells += 1
            continue
        for at in where:
            other, text = void.get(at, (at, None))
            missing += line[at].strip().lower() in nothing or line[other] == text
        cells += len(where)
    return cells, missing


def _lines(entry: Listed, path: Path) -> Iterator[list[str]]:
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as raw:
        text: Iterator[str] = (line.decode(entry.encoding) for line in raw)
        for _ in range(entry.skip):
            next(text)
        if entry.begins:
            text = dropwhile(lambda line: not line.startswith(entry.begins), text)
        if entry.delimiter == "blanks":
            yield from (line.split() for line in text)
        else:
            yield from csv.reader(text, delimiter=entry.delimiter)


def _packed(entry: Listed, path: Path, rows: int | None) -> tuple[int, int]:
    frame = pl.read_parquet(path, n_rows=rows)
    columns = [name for name in frame.columns if any(re.fullmatch(pattern, name) for pattern in entry.values)]
    missing = sum(frame[column].null_count() for column in columns)
    for column, other, text in entry.void:
        missing += frame.filter(pl.col(column).is_not_null() & (pl.col(other).cast(pl.String) == text)).height
    return frame.height * len(columns), missing
