"""Stages of the chain as the ledger sees them, and what a stale window of one is."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import polars as pl

from analytics.frames import TIME

SHARDS = 16
INSTANT = timedelta(microseconds=1)

WINDOWS: Mapping[str, pl.DataType] = {"subject": pl.Int32(), "start": TIME, "stop": TIME}


class Lane(NamedTuple):
    """Windows that end after `since`, and at `before` at latest."""

    since: datetime = datetime.min.replace(tzinfo=UTC)
    before: datetime = datetime.max.replace(tzinfo=UTC)


WHOLE = Lane()


@dataclass(frozen=True, slots=True)
class Stage:
    """A step of the chain, as the ledger sees it."""

    name: str
    code: int
    #: what a subject is: a series or a station
    subject: str
    back: timedelta = timedelta(0)
    forward: timedelta = timedelta(0)
    #: the reach is at least this many cadences of the subject
    cadences: int = 0
    #: rows stand on this grid: windows are widened to it
    grid: timedelta = INSTANT
    #: an open period (one that is not over yet) is made again this often, and once when it closes
    period: timedelta = timedelta(0)
    tick: timedelta = timedelta(0)
    #: stages that read what this one writes
    next: tuple[str, ...] = ()
    #: it makes rows of readings, or moves these: where they are archived it does nothing
    sealed: bool = False
    #: a stage of the same subjects that must have done what is due on the same grid first
    after: str = ""
    #: its subjects read one another's rows: all are taken together, for a shorter time
    abreast: bool = False


#: code of each stage; the numbers are in the database
CODES: Mapping[str, int] = {
    "flag": 1,
    "compare": 2,
    "hour": 3,
    "average": 4,
    "assess": 5,
    "detect": 6,
    "derive": 7,
    "decide": 8,
}

#: What every changed reading marks: the first stage, as a saver needs to know it.
READINGS = Stage("flag", CODES["flag"], "series")
#: What a changed priority marks: where readings compete it is decided again which of them wins.
DECIDE = Stage("decide", CODES["decide"], "series", sealed=True)
