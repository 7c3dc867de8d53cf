"""What the tests of readers share: sources that hold their bytes, batches put together, an independent count."""

import io
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

import polars as pl

from analytics.frames import CELLS, REJECTS, Batch
from analytics.ingest import Source, read
from analytics.ingest._lines import decoded, encodings
from tests.conftest import SHARED

SAMPLES = Path(__file__).parents[1] / "samples"
DATA = SHARED / "data"
#: What a reader must come back with, beside the sample it is given.
BESIDE = ("cells.csv", "rejects.csv", "missing.txt")

LONG = b"station,parameter,time,value\n"
ROW = b"A1,pm25,2026-01-01T00:00:00+08:00,1\n"

Write = Callable[..., Source]


class Sample(NamedTuple):
    """A folder of tests/samples: `<format>` or `<format>.<variant>`, in it one file and what it must come back as."""

    format: str
    path: Path

    @property
    def content(self) -> bytes:
        return self.path.read_bytes()

    @property
    def header(self) -> bytes:
        return self.content.partition(b"\n")[0]


def _samples() -> Iterator[tuple[str, Sample]]:
    for folder in sorted(path for path in SAMPLES.iterdir() if (path / "cells.csv").exists()):
        (path,) = (path for path in folder.iterdir() if path.name not in BESIDE)
        yield folder.name, Sample(folder.name.partition(".")[0], path)


ALL = dict(_samples())
#: The value cells of a line of each sample that is a table of text with a header.
A_LINE = {
    "beijing-prsa": 12,
    "china-water": 12,
    "cnemc": 2,
    "ea-hydrology": 1,
    "kings-creek": 16,
    "logan-river": 12,
    "logan-river.corrected": 4,
    "long": 1,
    "noise-montreal": 1,
    "noise-montreal.bands": 3,
    "noise-whidbey": 39,
    "uscrn": 21,
    "wide": 3,
}


@dataclass(slots=True)
class Held(Source):
    """A source that holds its bytes, handed on in the blocks of `cuts`."""

    content: bytes = b""
    cuts: tuple[int, ...] = ()

    def _open(self) -> BinaryIO:
        return io.BytesIO(self.content)

    def blocks(self) -> Iterator[bytes]:
        if not self.cuts:
            yield from Source.blocks(self)
            return
        for start, end in zip((0, *self.cuts), (*self.cuts, len(self.content)), strict=True):
            if self.content[start:end]:
                yield self.content[start:end]


def held(content: bytes, *cuts: int, path: Path = Path("held.csv")) -> Held:
    return Held(path, content=content, cuts=cuts)


def together(batches: list[Batch]) -> Batch:
    """One batch of many, in an order that does not depend on where they were cut."""
    stations: dict[str, Mapping[str, object]] = {}
    for batch in batches:
        stations |= batch.stations
    return Batch(
        pl.concat([pl.DataFrame(schema=dict(CELLS)), *(batch.cells for batch in batches)]).sort(*CELLS),
        pl.concat([pl.DataFrame(schema=dict(REJECTS)), *(batch.rejects for batch in batches)]).sort(*REJECTS),
        missing=sum(batch.missing for batch in batches),
        stations=stations,
    )


def whole(source: Source, format: str = "long") -> Batch:
    return together(list(read(source, format)))


def same(one: Batch, other: Batch) -> bool:
    return (
        one.cells.equals(other.cells)
        and one.rejects.equals(other.rejects)
        and (one.missing, one.stations) == (other.missing, other.stations)
    )


def reasons(content: bytes, format: str = "long") -> list[str]:
    return list(whole(held(content), format).rejects["reason"])


def parquet(frame: pl.DataFrame) -> bytes:
    file = io.BytesIO()
    frame.write_parquet(file)
    return file.getvalue()


# An independent count: lines by Python, cells by the grammar of RFC 4180.

CELL = r'(?:[^",]*|"(?:[^"]|"")*")'
LINE = re.compile(f"{CELL}(?:,{CELL})*", re.DOTALL)


def counted(content: bytes, cells: int) -> int:
    """Value cells of a file: `cells` a line that has as many as the header, one a line that has not."""
    header, _, body = content.partition(b"\n")
    columns, known, total = header.count(b",") + 1, encodings(content), 0
    for line in body.replace(b"\r\n", b"\n").split(b"\n"):
        text = decoded(line, known)
        # A byte order mark is nothing, wherever it stands.
        text = None if text is None else text.replace("\ufeff", "")
        good = text is not None and "\0" not in text and "\x1f" not in text and LINE.fullmatch(text)
        parts = _bare(text).count(",") + 1 if good and text is not None else 0
        total += cells if parts == columns else bool(line.strip() if text is None else text.encode().strip())
    return total


def _bare(text: str) -> str:
    """A well-formed line without what stands between quotes."""
    return re.sub(r'"(?:[^"]|"")*"', "", text)
