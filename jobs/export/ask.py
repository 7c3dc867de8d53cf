"""What part of the store is asked for, and as of when."""

import re
import time
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import typer

from analytics.store import knowledge
from analytics.store.connection import Connection
from jobs import console

#: What is signed within a transaction is committed this much later at most; and so long it is waited for. [s]
_LATE, _PATIENCE = timedelta(minutes=5), 30.0
#: Years that a time may be of: what reaches days and years around it stays within what a time can hold.
_YEARS = range(1900, 2200)


@dataclass(frozen=True, slots=True)
class Ask:
    """What part is wanted; None is all."""

    stations: list[str] | None = None
    parameters: list[str] | None = None
    standards: list[str] | None = None
    averagings: list[str] | None = None
    statistic: str = ""
    start: datetime | None = None
    stop: datetime | None = None
    #: as it was known then
    known: datetime | None = None

    def said(self) -> dict[str, Any]:
        """The parts that are limited, times as text, for JSON."""
        given = {key: value for key, value in asdict(self).items() if value not in (None, "")}
        return {key: value.isoformat() if isinstance(value, datetime) else value for key, value in given.items()}

    @classmethod
    def read(cls, said: dict[str, Any]) -> "Ask":
        """What `said` gave. Raises `TypeError`, `ValueError` where it is not of `Ask`."""
        given = dict(said)
        for key in {"start", "stop", "known"} & said.keys():
            given[key] = datetime.fromisoformat(said[key])
            if given[key].tzinfo is None:
                raise ValueError(f"{said[key]} has no offset")
        for key in {"stations", "parameters", "standards", "averagings"} & said.keys():
            if not isinstance(said[key], list) or not all(isinstance(word, str) for word in said[key]):
                raise TypeError(f"{key} are no words")
        return cls(**given)


def as_of(conn: Connection, ask: Ask, patience: float = _PATIENCE) -> Ask:
    """`ask` as of the moment it names, or of now: whatever was signed up to then is in the store when this returns.

    Raises `NotAsAsked` where somebody goes on writing what may count from before that moment, for `patience` [s].
    """
    known = knowledge.moment(conn, ask.known)
    until, near = time.monotonic() + patience, knowledge.moment(conn) - known < _LATE
    unfinished = set(knowledge.writing(conn)) if near else set()
    while unfinished:
        if time.monotonic() > until:
            raise console.NotAsAsked(
                f"what is being written may count from before {known.isoformat()}, and is not done after"
                f" {patience:.0f} s: try again, or ask for more than {_LATE // timedelta(minutes=1)} minutes ago"
            )
        time.sleep(0.05)
        unfinished &= set(knowledge.writing(conn))
    return replace(ask, known=known)


def instant(text: str | None, option: str, *, date: bool = True) -> datetime | None:
    """The time in `text`, with its offset; a date alone is midnight UTC. Raises `typer.BadParameter`."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    # What stands between date and time may be anything for Python: an offset behind a date alone would be the time.
    if found is None or (found.tzinfo is None and re.search("[+Zz]", text)):
        raise typer.BadParameter(f"{text!r} is no time: write 2016-01-01T00:00+08:00", param_hint=option)
    if found.tzinfo is None:
        whole = len(text) > len("2016-01-01")
        if whole or not date:
            example = text if whole else f"{text}T00:00"
            raise typer.BadParameter(f"{text!r} has no offset: write {example}+08:00 or {example}Z", param_hint=option)
        found = found.replace(tzinfo=UTC)
    if found.year not in _YEARS:
        raise typer.BadParameter(f"{text!r} is not between {_YEARS[0]} and {_YEARS[-1]}", param_hint=option)
    return found
