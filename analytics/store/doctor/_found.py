"""What a check of the doctor sees, and the days it looks at."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any

from psycopg import sql

from analytics.store.connection import Connection

#: What is wrong is named so often at most.
NAMED = 5
_DAY = timedelta(days=1)


@dataclass(slots=True)
class Found:
    """What a check saw: how many things, `wrong` and `left` out, in words."""

    looked: int = 0
    wrong: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Window:
    """A day of a series, drawn."""

    series: int
    station: int
    start: datetime
    stop: datetime


def draw(conn: Connection, sample: int, seed: int, before: datetime) -> list[Window]:
    """Some `sample` days of series that have readings, the same for one seed and store; none after `before`."""
    rows: list[tuple[Any, ...]] = conn.execute(
        "SELECT l.series, s.station, l.first, l.time FROM latest l JOIN series s ON s.id = l.series"
        " WHERE l.time IS NOT NULL AND l.first < %s ORDER BY 1",
        [before],
    ).fetchall()
    dice = Random(seed)
    drawn = {}
    for series, station, first, last in dice.choices(rows, k=sample) if rows else ():
        start = first.replace(hour=0, minute=0, second=0, microsecond=0)
        days = max(1, (min(last + _DAY, before) - start) // _DAY)  # the day of the last reading, if it is over
        at = start + dice.randrange(days) * _DAY
        drawn[series, at] = Window(series, station, at, at + _DAY)
    return list(drawn.values())


def one(conn: Connection, query: sql.Composed | str, params: Any = None) -> tuple[Any, ...]:
    """The one row of `query`."""
    found: tuple[Any, ...] | None = conn.execute(query, params).fetchone()
    assert found is not None
    return found


def named(rows: Sequence[tuple[object, ...]], words: str) -> list[str]:
    """`words` of the first `rows`, and how many there are more."""
    return list(_words(rows, words))


def _words(rows: Sequence[tuple[object, ...]], words: str) -> Iterator[str]:
    yield from (words.format(*row) for row in rows[:NAMED])
    if len(rows) > NAMED:
        yield f"... and {len(rows) - NAMED} more"
