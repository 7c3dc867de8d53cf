"""A manifest: what an export was made of, by what code, and the hash of its rows; made again, they are the same.

The hash is that of the rows as CSV, header included, whatever format they were written in: of a CSV file it is that of
the file (`sha256sum`). A manifest names a moment, so that what comes in later changes nothing: without `--as-of` it is
the moment of the export.
"""

import hashlib
import io
import json
import platform
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import polars as pl

from analytics.store import knowledge
from analytics.store.connection import Connection
from jobs import console
from jobs.export.ask import Ask, as_of
from jobs.export.kinds import KINDS
from jobs.export.writers import csv

#: Form of the file; another one where what it says means something else.
FORM = 1
_LIBRARIES = ("greenwatch", "polars", "numpy")


class Watched(io.RawIOBase):
    """Rows on their way, counted and hashed; a file that keeps nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = 0
        self.sha256 = hashlib.sha256()

    def writable(self) -> bool:
        """True."""
        return True

    def write(self, text: Any) -> int:
        """Length of `text`, which is hashed."""
        self.sha256.update(text)
        return len(text)

    def watch(self, pages: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        """The same `pages`."""
        for number, page in enumerate(pages):
            csv(page, self, header=not number)  # type: ignore[arg-type]  # writes bytes
            self.rows += page.height
            yield page


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether rows made again are the same; `differences`: what else is not as it was, and so may be why."""

    equal: bool
    rows: int
    differences: list[str]


def say(conn: Connection, kind: str, ask: Ask, seen: Watched) -> dict[str, Any]:
    """The manifest of an export of `kind` that was `seen` whole, as of `ask.known`."""
    assert ask.known is not None
    return {
        "manifest": FORM,
        "kind": kind,
        "ask": ask.said(),
        "rows": seen.rows,
        "sha256": seen.sha256.hexdigest(),
        "input": knowledge.stood_on(conn, ask.known),
        "code": code(),
    }


def make(conn: Connection, kind: str, ask: Ask) -> dict[str, Any]:
    """The manifest of an export of `kind`, whose rows are written nowhere."""
    ask, seen = as_of(conn, ask), Watched()
    for _ in seen.watch(KINDS[kind].pages(conn, ask)):
        pass
    return say(conn, kind, ask, seen)


def verify(conn: Connection, manifest: Mapping[str, Any]) -> Verdict:
    """Whether the export that `manifest` speaks of, made again, has the same rows. Raises `NotAsAsked`."""
    kind, ask = manifest["kind"], Ask.read(manifest["ask"])
    if ask.known is None or knowledge.moment(conn, ask.known) != ask.known:
        raise console.NotAsAsked(f"its moment {ask.known} has not come yet in this store: is it another one?")
    again = make(conn, kind, ask)
    differences = [
        f"{part}.{name}: {manifest[part].get(name)} then, {value} now"
        for part in ("input", "code")
        for name, value in again[part].items()
        if manifest[part].get(name) != value
    ]
    equal = (again["rows"], again["sha256"]) == (manifest["rows"], manifest["sha256"])
    if not equal:
        differences.insert(0, f"rows: {manifest['rows']:,} then, {again['rows']:,} now")
    return Verdict(equal, again["rows"], differences)


def load(path: Path) -> dict[str, Any]:
    """The manifest in the file `path`. Raises `NotAsAsked` where it is none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["manifest"] != FORM:
            raise console.NotAsAsked(f"{path} is a manifest of form {found['manifest']}, this version reads {FORM}")
        Ask.read(found["ask"])
        if found["kind"] not in KINDS or not isinstance(found["rows"], int) or "sha256" not in found:
            raise KeyError(found["kind"])
        if not all(isinstance(found[part], dict) for part in ("input", "code")):
            raise TypeError(path)
    except OSError as problem:
        raise console.NotAsAsked(f"{path} cannot be read: {problem.strerror}") from problem
    except (ValueError, KeyError, TypeError) as problem:
        raise console.NotAsAsked(f"{path} is no manifest of an export") from problem
    return found  # type: ignore[no-any-return]  # a dict


def code() -> dict[str, str | None]:
    """Versions of what computes the figures, and the commit where this is a checkout; "-dirty": with changes."""
    return {
        **{name: version(name) for name in _LIBRARIES},
        "python": platform.python_version(),
        "commit": _commit(Path(__file__).parents[2]),
    }


def _commit(checkout: Path) -> str | None:
    if not (checkout / ".git").exists():
        return None
    words = ["git", "-C", str(checkout), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
