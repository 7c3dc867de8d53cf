"""The line of every table header and key of a TOML file: `tomllib` says what is there and forgets where it stood."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass

Path = tuple[str | int, ...]

_BASIC, _LITERAL = r'"(?:\\.|[^"\\\n])*"', r"'[^'\n]*'"
#: What can hold a bracket that means nothing, the brackets that mean something, and the end of a line.
_TOKEN = re.compile(
    r'"""(?:\\.|[^\\])*?"""(?:"{0,2})'
    r"|'''.*?'''(?:'{0,2})"
    rf"|{_BASIC}|{_LITERAL}|#[^\n]*|[\[\]{{}}\n]",
    re.DOTALL,
)
_PART = re.compile(rf"[ \t]*({_BASIC}|{_LITERAL}|[A-Za-z0-9_-]+)[ \t]*(\.?)")
_BLANK = re.compile(r"[ \t\r]*")


@dataclass(frozen=True, slots=True)
class Positions:
    """Lines by path: `("station", 3, "series", 0, "cadence")`; a number counts the tables of an array."""

    lines: Mapping[Path, int]

    def line(self, path: Path) -> int:
        """The line of `path`, or of the nearest header above it where it has none of its own (an inline table)."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def scan(text: str) -> Positions:
    """Where the tables and keys of `text` stand, which must be valid TOML."""
    return _Scan(text).run()


class _Scan:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.line = 1
        self.table: Path = ()
        self.counts: dict[Path, int] = {}
        self.lines: dict[Path, int] = {}

    def run(self) -> Positions:
        while self.at < len(self.text):
            self.statement()
        return Positions(self.lines)

    def statement(self) -> None:
        """Reads on to the first line behind a header, a key with its value, a comment or nothing."""
        self.skip_blank()
        here = self.text[self.at : self.at + 2]
        if here[:1] == "[":
            self.header(array=here == "[[")
        elif here[:1] not in ("", "\n", "#"):
            self.lines.setdefault(self.resolve(self.key(), array=False, base=self.table), self.line)
        self.skip_value()

    def header(self, *, array: bool) -> None:
        self.at += 2 if array else 1
        path = self.resolve(self.key(), array=array)
        self.at = self.text.index("]", self.at) + (2 if array else 1)
        if array:
            count = self.counts.get(path, 0)
            self.counts[path] = count + 1
            path = (*path, count)
        self.table = path
        self.lines.setdefault(path, self.line)

    def key(self) -> list[str]:
        """The parts of a dotted key; the place is then behind it."""
        parts = []
        while found := _PART.match(self.text, self.at):
            self.at = found.end()
            parts.append(_unquoted(found[1]))
            if not found[2]:
                break
        return parts

    def resolve(self, parts: list[str], *, array: bool, base: Path = ()) -> Path:
        """`parts` with the number of the table that is meant behind each array: the last one so far."""
        path = base
        for number, part in enumerate(parts, start=1):
            path = (*path, part)
            if path in self.counts and not (array and number == len(parts)):
                path = (*path, self.counts[path] - 1)
        return path

    def skip_blank(self) -> None:
        found = _BLANK.match(self.text, self.at)
        self.at = found.end() if found else self.at

    def skip_value(self) -> None:
        """Goes behind the line's end that is in no string and no bracket."""
        depth = 0
        while found := _TOKEN.search(self.text, self.at):
            token, self.at = found[0], found.end()
            self.line += token.count("\n")
            if token in ("[", "{"):
                depth += 1
            elif token in ("]", "}"):
                depth -= 1
            elif token == "\n" and depth == 0:
                return
        self.at = len(self.text)


def _unquoted(part: str) -> str:
    if part[0] == '"':
        return str(tomllib.loads(f"key = {part}")["key"])
    return part[1:-1] if part[0] == "'" else part
