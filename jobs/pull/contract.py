"""What a connector is: when it asks, how politely, what, and what it makes of the answer."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

import polars as pl

from analytics.frames import Batch


@dataclass(frozen=True, slots=True)
class State:
    """What is asked for: one `id` of the service, since when, of which station ("": as the service calls it)."""

    id: str
    station: str
    since: datetime
    now: datetime
    #: longitude, latitude [°] of the station; None: not registered
    place: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """A question: a path below the service's address, and its parameters."""

    state: State
    path: str
    params: Mapping[str, str]
    page: int = 1


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a request that was `asked` at a time; the body is whole."""

    request: Request
    body: bytes
    asked: datetime


class Key(NamedTuple):
    """Where a service's key comes from (a variable of the environment), and the header in which it goes."""

    variable: str
    header: str


@dataclass(frozen=True, slots=True)
class Connector:
    """A service that is asked for readings, or for forecasts of the weather."""

    name: str
    title: str
    #: address of the service; a register file may name another one that speaks the same
    url: str
    #: who says so
    source: str
    #: how often it is asked where the register file does not say
    every: timedelta
    #: how far behind the last success each pull asks again, since publishers are late
    horizon: timedelta
    #: after a failure it is left alone for `first`, twice as long after the next one, at most `longest`
    first: timedelta
    longest: timedelta
    #: shortest time between two requests [s]
    rate: float
    #: rows a page, pages of one id at most
    rows: int
    pages: int
    #: what `ids` of a register file are: stations of ours, the service's own names, or names that need a station
    ids: Literal["stations", "free", "named"]
    #: type of a good answer, as its Content-Type begins
    accept: str
    ask: Callable[[State], list[Request]]
    read: Callable[[Answer], Iterator[Batch]]
    #: the request for the page after an answer of so many rows; None: it was the last
    more: Callable[[Answer, int], Request | None] = lambda answer, rows: None
    key: Key | None = None
    #: whether the values are of times to come: the time of a cell is when it is valid
    forecast: bool = False


def called(batch: Batch, station: str) -> Batch:
    """`batch`, all of it of one `station`; "": as it is."""
    if not station:
        return batch
    name = pl.lit(station).alias("station")
    facts = next(iter(batch.stations.values()), {})
    return Batch(
        batch.cells.with_columns(name),
        batch.rejects.with_columns(name),
        batch.missing,
        {station: facts} if batch.cells.height else {},
    )
