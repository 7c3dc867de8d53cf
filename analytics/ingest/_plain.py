"""A text that is no table: its lines as a column, however they end; those that are no text are rejects."""

from collections.abc import Iterator

import polars as pl

from analytics.frames import REJECTS, empty
from analytics.ingest._lines import (
    BROKEN,
    DAMAGED,
    KEPT,
    SPOILT,
    Damage,
    Part,
    encodings,
    readable,
    reject,
    whole_lines,
)
from analytics.ingest._source import UnreadableSource

#: Lines of a part.
MOST_LINES = 200_000


def fed(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """The same bytes with a line feed for every end of a line, be it CR LF, CR or LF."""
    held = b""
    for block in blocks:
        whole = held + block
        held = b"\r" if whole.endswith(b"\r") else b""
        if text := whole.removesuffix(b"\r").replace(b"\r\n", b"\n").replace(b"\r", b"\n"):
            yield text
    if held:
        yield b"\n"


def lines(blocks: Iterator[bytes], head: bytes, most: int = MOST_LINES) -> Iterator[Part]:
    """Parts of at most `most` lines: rows of `text` (not blank) and `place` (the line's number), and what broke.

    `head` is the beginning of the text, which tells its encoding. The damaged rest of a text is one reject.
    """
    known, line = encodings(head), 1
    try:
        for raw in whole_lines(fed(blocks)):
            texts = readable(raw, known).decode("utf-8", "replace").split("\n")[:-1]
            for start in range(0, len(texts), most):
                yield _part(texts[start : start + most], line + start)
            line += len(texts)
    except Damage as damage:
        text = damage.rest.decode("utf-8", "replace")
        yield Part(_part([], line).rows, reject(f"{damage.error}: {text}", f"line {line}", DAMAGED))


def _part(texts: list[str], line: int) -> Part:
    frame = pl.DataFrame({"text": texts}, schema={"text": pl.String})
    frame = frame.with_columns(place=pl.int_range(line, line + pl.len(), dtype=pl.Int64))
    spoilt = pl.col("text").str.starts_with(SPOILT.decode())
    broken = frame.filter(spoilt & (pl.col("text").str.slice(1).str.strip_chars() != ""))
    rejects = empty(REJECTS)
    if broken.height:
        nothing = {name: pl.lit(None, pl.String) for name in ("station", "channel", "stamp")}
        shown = pl.col("text").str.slice(1, KEPT)
        rejects = broken.select(**nothing, text=shown, place=pl.format("line {}", "place"), reason=pl.lit(BROKEN))
    rows = frame.filter(~spoilt).with_columns(pl.col("text").str.strip_chars()).filter(pl.col("text") != "")
    return Part(rows, rejects.select(*REJECTS))


def start(blocks: Iterator[bytes], most: int = 64 * 1024) -> bytes:
    """The first `most` bytes of a text, as far as they can be read: of blocks that are read again afterwards."""
    out = b""
    try:
        for block in blocks:
            out += block
            if len(out) >= most:
                break
    except UnreadableSource:
        pass
    return out[:most]
