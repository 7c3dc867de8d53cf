"""What the first page says of the ways in: doors, what is refused and why, pulls that fail, clocks that are wrong.

All of it is in the newest snapshot for /metrics: no query is asked for it.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import polars as pl

from analytics import clocks
from analytics.metrics import Snapshot
from analytics.texts import Language, text
from jobs import board

#: What waits for longer than this is told; an owner tells of its spool every few seconds. That of posts is opened by
#: the first post that has to wait, and so is no sign of life.
WAITS, SILENT, POSTS = timedelta(minutes=1), timedelta(minutes=2), "http"
#: Failures in a row, and how long a pull may be due, before somebody is told; as dashboards/rules/doors.yml has it.
FAILURES, OVERDUE = 3, timedelta(minutes=30)
#: A stylesheet's words: nothing is wrong, somebody should look, something is lost.
WELL, WARN, BAD = "ok", "pending", "firing"


@dataclass(frozen=True, slots=True)
class Line:
    """One thing of which is told how it is: `style` is WELL, WARN or BAD."""

    name: str
    words: str
    style: str = WELL
    #: code of the station it leads to; empty: it leads nowhere
    station: str = ""


@dataclass(frozen=True, slots=True)
class Inflow:
    """How readings come in."""

    waiting: int
    #: source, kind of reason in words, how many: the most frequent first
    refused: list[tuple[str, str, int]]
    doors: list[Line]
    pulls: list[Line]
    clocks: list[Line]


def inflow(snapshot: Snapshot | None, language: Language, most: int) -> Inflow | None:
    """How readings came in as of `snapshot`, `most` refusals and clocks; None where there is none yet."""
    if snapshot is None:
        return None
    frames = snapshot.frames
    refused = _rows(frames, "reasons", "rejects", most)
    worst = frames.get("clocks", pl.DataFrame(schema=dict(clocks.CLOCKS))).filter(pl.col("offset").abs() > clocks.LIMIT)
    waiting = frames["rejects"]["waiting"].sum() if "rejects" in frames else 0
    return Inflow(
        int(waiting),
        [(row["source"], text(f"reject_{row['reason']}", language), row["rejects"]) for row in refused],
        [_door(row, snapshot, language) for row in _rows(frames, "spools")],
        [line for row in _rows(frames, "pulls") if (line := _pull(row, snapshot, language))],
        [_clock(row, language) for row in worst.sort(pl.col("offset").abs(), descending=True).head(most).to_dicts()],
    )


def _rows(frames: Any, name: str, by: str = "", most: int | None = None) -> list[dict[str, Any]]:
    if name not in frames:
        return []
    found: pl.DataFrame = frames[name]
    return (found.sort(by, descending=True, maintain_order=True) if by else found).head(most or found.height).to_dicts()


def _door(row: dict[str, Any], snapshot: Snapshot, language: Language) -> Line:
    """The worst that is to be said of the spool of a door."""
    silent, waits = snapshot.taken - row["told"], snapshot.taken - (row["oldest"] or snapshot.taken)
    if row["full"]:
        return Line(row["door"], text("door_full", language), BAD)
    if silent > SILENT and not row["door"].startswith(POSTS):
        return Line(row["door"], text("door_silent", language, age=board.ago(silent, language)), BAD)
    if waits > WAITS:
        words = text("door_waits", language, count=row["records"], age=board.ago(waits, language))
        return Line(row["door"], words, WARN)
    return Line(row["door"], text("door_well", language))


def _pull(row: dict[str, Any], snapshot: Snapshot, language: Language) -> Line | None:
    """What is wrong with a pull; None where nothing is."""
    overdue = snapshot.taken - row["due"]
    if row["failures"] >= FAILURES:
        return Line(row["pull"], text("pull_fails", language, count=row["failures"]), WARN)
    if overdue > OVERDUE:
        return Line(row["pull"], text("pull_overdue", language, age=board.ago(overdue, language)), WARN)
    return None


def _clock(row: dict[str, Any], language: Language) -> Line:
    key = "clock_ahead" if row["offset"] > 0 else "clock_behind"
    words = text(key, language, seconds=f"{abs(row['offset']):,.0f}")
    return Line(row["station"], f"{words} ({row['source']})", WARN, station=row["station"])
