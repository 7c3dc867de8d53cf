"""Delimited text cut into whole lines, and lines into columns of text: what does not fit is a reject, with its place.

A line ends at its line feed, whatever its quotes say: an odd quote spoils its own line and not the rest of the file.
"""

import csv
import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain, islice, repeat
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from analytics.frames import REJECTS, empty
from analytics.ingest._source import Source, UnreadableSource

BOM = b"\xef\xbb\xbf"
#: A longer line is broken [byte].
LONGEST = 1024 * 1024
#: No sensor network has more; each costs Polars a buffer.
MOST_COLUMNS = 20_000
BROKEN = "broken line"
DAMAGED = "unreadable rest of the file"
#: Characters of a source's words kept in a reject.
KEPT = 1000

#: First byte of a line that cannot be used (no readable text has it), and the stand-in for a delimiter between quotes.
SPOILT, COMMA = b"\0", b"\x1f"
_FEED, _QUOTE = 10, 34
#: The delimiter of a table whose columns stand apart by blanks.
BLANKS = "blanks"
_BLANK_RUNS, _BLANK_EDGES = re.compile(rb"[ \t]+"), re.compile(rb"^ | $", re.MULTILINE)


class Part(NamedTuple):
    """Some rows of a table: columns named by their number and `place` (line or row), and what broke between them."""

    rows: pl.DataFrame
    broken: pl.DataFrame


class Dialect(NamedTuple):
    """How a delimited file is written; without a word a comma between cells, in UTF-8 or GB18030."""

    #: one ASCII character, or BLANKS: any number of blanks or tabs
    delimiter: str = ","
    #: "" is found by the lines themselves
    encoding: str = ""
    #: lines, not counting blank ones, before the header and between it and the first row
    skip: int = 0
    after: int = 0
    #: of a file without a header, what its columns are called
    names: tuple[str, ...] = ()

    @property
    def cut(self) -> str:
        """The one character between cells once `squeezed`."""
        return " " if self.delimiter == BLANKS else self.delimiter

    def header(self, head: bytes) -> tuple[str, ...]:
        """The column names of a file that starts with `head`; none of an empty one."""
        first = next(islice(filled(head.removeprefix(BOM)), self.skip, None), b"")
        return self.names or fields(self.squeezed(first.rstrip(b"\r")), self.known(head), self.cut)

    def known(self, head: bytes) -> tuple[str, ...]:
        """The encodings that lines are tried in."""
        return (self.encoding,) if self.encoding else encodings(head)

    def squeezed(self, lines: bytes) -> bytes:
        """Lines whose cells stand one character apart."""
        if self.delimiter != BLANKS:
            return lines
        return _BLANK_EDGES.sub(b"", _BLANK_RUNS.sub(b" ", lines))


PLAIN = Dialect()


class Text:
    """A delimited file with a header: its column names, and its rows in parts."""

    place = "line"

    def __init__(self, source: Source, dialect: Dialect = PLAIN) -> None:
        """Reads up to the header. Raises `UnreadableSource` where the file or its header cannot be read."""
        self._name, self._dialect = source.name, dialect
        self._encodings = dialect.known(source.head())
        self._blocks = source.blocks()
        self.names, self._line, first = dialect.names, 1, b""
        if not self.names:
            first = self._next(dialect.skip)
            self.names = fields(dialect.squeezed(first.rstrip(b"\r")), self._encodings, dialect.cut)
        if len(self.names) > MOST_COLUMNS or len(first) > LONGEST or bool(first.strip()) > bool(self.names):
            raise UnreadableSource(f"{source.name}: the header is none: {len(self.names)} columns, {len(first)} bytes")
        skipped = dialect.after + (dialect.skip if dialect.names else 0)
        if skipped:
            self._next(skipped - 1)
        self._line = source.line or self._line
        self.types: list[pl.DataType] = [pl.String()] * len(self.names)

    def _next(self, skip: int) -> bytes:
        """The next line that is not blank, after `skip` others."""
        for _ in range(skip + 1):
            self._line, first, rest = _header(self._blocks, self._line)
            self._blocks = chain([rest], self._blocks)
        return first

    def parts(self, most: int) -> Iterator[Part]:
        """The rows in parts of at most `most` lines, the damaged rest of a file as one reject."""
        line = self._line
        try:
            for raw in whole_lines(self._blocks):
                usable = self._dialect.squeezed(readable(raw.replace(b"\r\n", b"\n"), self._encodings))
                ends = np.flatnonzero(np.frombuffer(usable, np.uint8) == _FEED) + 1
                for start in range(0, len(ends), most):
                    cut = ends[start : start + most]
                    part = usable[ends[start - 1] if start else 0 : cut[-1]]
                    yield table(part, len(self.names), line + start, self._dialect.cut)
                line += len(ends)
        except Damage as damage:
            text = damage.rest.decode("utf-8", "replace")
            yield Part(_no_rows(len(self.names)), reject(f"{damage.error}: {text}", f"line {line}", DAMAGED))


class Damage(Exception):
    """The blocks ended in an error; `rest` is what stood after the last whole line."""

    def __init__(self, error: UnreadableSource, rest: bytes) -> None:
        super().__init__(str(error))
        self.error, self.rest = error, rest


def whole_lines(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """The same bytes, cut after line feeds (the last line gets one); raises `Damage` where the blocks fail.

    A line over 1 MiB is cut to a byte more than that: enough to know it, and memory stays bounded.
    """
    rest = b""
    try:
        for block in blocks:
            head, feed, tail = block.rpartition(b"\n")
            if feed:
                yield rest + head + feed
                rest = tail[: LONGEST + 1]
            else:
                rest = (rest + block)[: LONGEST + 1]
    except UnreadableSource as error:
        raise Damage(error, rest) from error
    if rest:
        yield rest + b"\n"


@lru_cache(maxsize=8)
def encodings(head: bytes) -> tuple[str, ...]:
    """How the file's lines are decoded, by a vote of the lines in `head` that are not plain ASCII.

    One damaged byte must not turn the rest of a UTF-8 file into nonsense, nor one lucky pair of a GB18030 file into
    Latin letters. A line of UTF-8 votes once for each of its characters of three bytes: GB18030 hardly ever makes one.
    Without a vote each line is tried as UTF-8, then as GB18030.
    """
    lines = [line for line in head.rpartition(b"\n")[0].split(b"\n") if not line.isascii()]
    if not lines:
        return ("utf-8", "gb18030")
    return ("utf-8",) if sum(map(_vote, lines)) >= 0 else ("gb18030",)


def _vote(line: bytes) -> int:
    """Votes of a line for UTF-8; below zero against it."""
    text = decoded(line, ("utf-8",))
    return -1 if text is None else max(1, sum(character >= "\u0800" for character in text))


def decoded(line: bytes, encodings: tuple[str, ...]) -> str | None:
    """`line` by the first encoding that fits; None where none does."""
    for encoding in encodings:
        try:
            return line.decode(encoding)
        except UnicodeDecodeError:
            continue
    return None


def fields(line: bytes, encodings: tuple[str, ...], delimiter: str = ",") -> tuple[str, ...]:
    """The stripped cells of a header line; none where it is no text."""
    text = decoded(line.removeprefix(BOM), encodings)
    if text is None or "\0" in text:
        return ()
    try:
        return tuple(name.strip() for name in next(csv.reader([text], delimiter=delimiter), []))
    except csv.Error:
        return ()


def first_line(head: bytes) -> bytes:
    """The first line of `head` that is not blank, without what a cut-off head lacks of its last cell."""
    return next(filled(head.removeprefix(BOM)), b"")


def filled(head: bytes) -> Iterator[bytes]:
    """The lines of `head` that are not blank."""
    start = 0
    while start < len(head):
        end = head.find(b"\n", start)
        end = len(head) if end < 0 else end
        if (line := head[start:end]).strip():
            yield line
        start = end + 1


def _header(blocks: Iterator[bytes], line: int = 1) -> tuple[int, bytes, bytes]:
    """Number of the line after the next that is not blank, that line, and what follows it in its block.

    `line` is the number of the first line of `blocks`.
    """
    seen = b""
    for block in blocks:
        seen = (seen + block).removeprefix(BOM if line == 1 else b"")
        filled = seen.lstrip()
        start = seen.rfind(b"\n", 0, len(seen) - len(filled)) + 1 if filled else len(seen)
        line += seen.count(b"\n", 0, start)
        seen = seen[start:]
        if b"\n" in seen:
            first, _, rest = seen.partition(b"\n")
            return line + 1, first, rest
        if len(seen) > LONGEST:
            break
    return line, seen, b""


def readable(raw: bytes, encodings: tuple[str, ...]) -> bytes:
    """`raw` in UTF-8, its lines that are too long or no text marked as spoilt, number and order of lines kept."""
    longest = np.diff(np.flatnonzero(np.frombuffer(raw, np.uint8) == _FEED), prepend=-1).max() - 1
    if longest <= LONGEST and SPOILT not in raw and COMMA not in raw:
        text = raw if raw.isascii() else None
        if text is None and (whole := decoded(raw, encodings[:1])) is not None:
            text = whole.replace("\ufeff", "").encode()
        if text is not None:
            return text
    # Line by line only in a block that holds such a line.
    return b"\n".join(map(_mended, raw.split(b"\n"), repeat(encodings)))


def _mended(line: bytes, encodings: tuple[str, ...]) -> bytes:
    """`line` in UTF-8, or its beginning behind the mark of a line that cannot be used."""
    text = decoded(line, encodings) if len(line) <= LONGEST and SPOILT not in line and COMMA not in line else None
    if text is not None:
        return text.replace("\ufeff", "").encode()
    shown = line[: 4 * KEPT].decode("utf-8", "replace").replace("\0", "\ufffd").replace("\x1f", "\ufffd")
    return SPOILT + shown[:KEPT].encode()


def table(text: bytes, columns: int, line: int, delimiter: str = ",") -> Part:
    """The whole lines of `text` (UTF-8), the first of them number `line`, as `columns` columns of text.

    A line with another number of cells or with quotes that do not match is one reject; a blank line is nothing.
    """
    codes, cut = np.frombuffer(text, np.uint8), ord(delimiter)
    ends = np.flatnonzero(codes == _FEED)
    starts = np.concatenate(([0], ends[:-1] + 1))
    quoted = b'"' in text
    fits = codes[starts] != SPOILT[0]
    if quoted:
        codes, odd, dropped = _unquoted(codes, ends, cut)
        fits &= ~odd
    counts = np.diff(np.searchsorted(np.flatnonzero(codes == cut), ends), prepend=0)
    fits &= counts == columns - 1
    kept = codes if fits.all() else codes[np.repeat(fits, ends - starts + 1)]
    if quoted:
        kept = kept[~(dropped if fits.all() else dropped[np.repeat(fits, ends - starts + 1)])]
    rows = _columns(kept.tobytes(), columns, delimiter, restore=quoted and COMMA[0] in kept)
    places = pl.Series("place", np.flatnonzero(fits) + line, pl.Int64)
    if rows.height != len(places):
        raise AssertionError(f"{rows.height} rows of {len(places)} lines")
    return Part(rows.with_columns(places), _broken(text, starts, ends, ~fits, line))


def _unquoted(
    codes: npt.NDArray[np.uint8], ends: npt.NDArray[np.intp], cut: int
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Codes with delimiters between quotes replaced, lines whose quotes are no pairs around cells, bytes to drop.

    RFC 4180: a cell's quotes stand at its two ends, a quote within is doubled.
    """
    at = np.flatnonzero(codes == _QUOTE)
    of = np.searchsorted(ends, at)
    before = np.searchsorted(at, np.concatenate(([0], ends[:-1] + 1)))
    opens = (np.arange(len(at)) - before[of]) % 2 == 0
    previous = np.where(at > 0, codes[at - 1], _FEED)
    following = codes[at + 1]
    twin_before = np.concatenate(([False], (np.diff(at) == 1) & (np.diff(of) == 0)))
    twin_after = np.concatenate((twin_before[1:], [False]))
    right = np.where(
        opens,
        (previous == cut) | (previous == _FEED) | twin_before,
        (following == cut) | (following == _FEED) | twin_after,
    )
    odd = np.zeros(len(ends), np.bool_)
    odd[of[~right]] = True
    odd |= np.bincount(of, minlength=len(ends)) % 2 == 1

    commas = np.flatnonzero(codes == cut)
    line = np.searchsorted(ends, commas)
    inside = (np.searchsorted(at, commas) - before[line]) % 2 == 1
    codes = codes.copy()
    codes[commas[inside]] = COMMA[0]
    dropped = np.zeros(len(codes), np.bool_)
    # Of a doubled quote (one closes, the next opens) the second stays.
    dropped[at[~(opens & twin_before)]] = True
    return codes, odd, dropped


def _columns(text: bytes, columns: int, delimiter: str, *, restore: bool) -> pl.DataFrame:
    """Lines of exactly `columns` cells without quotes as stripped text; an empty cell is null."""
    if not text:
        return _no_rows(columns).drop("place")
    schema = {str(number): pl.String() for number in range(columns)}
    frame = pl.read_csv(text, has_header=False, quote_char=None, separator=delimiter, infer_schema=False, schema=schema)
    if restore:
        frame = frame.with_columns(pl.all().str.replace_all(COMMA.decode(), delimiter, literal=True))
    blanks = not text.isascii() or any(blank in text for blank in (b" ", b"\t", b"\r", b"\v", b"\f"))
    return frame.with_columns(pl.all().str.strip_chars()) if blanks else frame


def _broken(
    text: bytes,
    starts: npt.NDArray[np.intp],
    ends: npt.NDArray[np.intp],
    which: npt.NDArray[np.bool_],
    line: int,
) -> pl.DataFrame:
    """A reject for each line of `which` that is not blank."""
    out: dict[str, list[str]] = {"text": [], "place": []}
    for number in np.flatnonzero(which):
        shown = text[starts[number] : ends[number]].removeprefix(SPOILT)
        if shown.strip():
            out["text"].append(shown[: 4 * KEPT].decode("utf-8", "replace")[:KEPT])
            out["place"].append(f"line {line + number}")
    if not out["text"]:
        return empty(REJECTS)
    words = {name: pl.lit(None, pl.String) for name in ("station", "channel", "stamp")}
    return pl.DataFrame(out).with_columns(**words, reason=pl.lit(BROKEN)).select(*REJECTS)


def reject(text: str, place: str, reason: str) -> pl.DataFrame:
    """One reject that belongs to no station."""
    row = {"text": text[:KEPT].replace("\0", "\ufffd"), "place": place, "reason": reason}
    return pl.DataFrame([row], schema=dict(REJECTS))


def _no_rows(columns: int) -> pl.DataFrame:
    return pl.DataFrame(schema={**{str(number): pl.String() for number in range(columns)}, "place": pl.Int64()})
