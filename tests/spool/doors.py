"""A door for the tests: a record is a JSON list of [station, channel, hours after T0, value], its head the source.

What is no JSON raises. A channel that `KNOWN` does not have is a reject, until it has.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import polars as pl

from analytics.frames import CELLS, REJECTS, Batch, conform
from analytics.spool import Record, Spool
from analytics.store.connection import Connection
from jobs.doors import Decoded
from jobs.intake import Order
from tests.spool.folders import T
from tests.world import T0, settle_world

DOOR = "test"
CHANNELS = [("A", "pm25"), ("B", "pm25"), ("A", "o3")]
#: Channels the decoder knows; a test may teach it one.
KNOWN = {"pm25", "no2"}

Cell = tuple[str, str, float, float]


def decode(conn: Connection, records: Sequence[Record]) -> Iterator[Decoded]:
    """A batch a source."""
    sources: dict[str, list[Record]] = {}
    for record in records:
        sources.setdefault(record.head.get("source", "field"), []).append(record)
    for source, some in sources.items():
        cells = [(*cell, str(record.place)) for record in some for cell in json.loads(record.payload)]
        frame = pl.DataFrame(
            cells,
            schema={
                "station": pl.String,
                "channel": pl.String,
                "hours": pl.Float64,
                "value": pl.Float64,
                "place": pl.String,
            },
            orient="row",
        ).with_columns(
            time=pl.lit(T0) + pl.col("hours") * timedelta(hours=1),
            mark=pl.lit(None, pl.Int16),
            revision=pl.lit(None, pl.Int64),
        )
        known = pl.col("channel").is_in(list(KNOWN))
        rejects = frame.filter(~known).select(
            "station",
            "channel",
            stamp=pl.col("time").dt.strftime("%Y-%m-%dT%H:%MZ"),
            text=pl.col("value").cast(pl.String),
            place="place",
            reason=pl.format("no parameter has the code {}", "channel"),
        )
        batch = Batch(conform(frame.filter(known), CELLS), conform(rejects, REJECTS))
        yield Decoded(batch, Order(source=source, kind="live"), some, "test")


def payload(*cells: Cell) -> bytes:
    """Of a record."""
    return json.dumps(cells).encode()


def hours(first: int, count: int, station: str = "A", channel: str = "pm25") -> list[bytes]:
    """Payloads of a reading each, an hour apart."""
    return [payload((station, channel, hour, hour + 0.5)) for hour in range(first, first + count)]


def fill(owner: Spool, payloads: Sequence[bytes], source: str = "field") -> None:
    """Nothing; `payloads` are safe, received a second apart."""
    waiting = [
        owner.append(each, {"source": source}, T + timedelta(seconds=owner.number + at))
        for at, each in enumerate(payloads)
    ]
    for future in waiting:
        future.result(timeout=20)


@contextmanager
def taught(channel: str) -> Iterator[None]:
    """A context in which the decoder knows `channel`."""
    KNOWN.add(channel)
    try:
        yield
    finally:
        KNOWN.discard(channel)


def place(folder: Path) -> Path:
    """Of the spool of the test."""
    return folder / "spool" / DOOR


def world(conn: Connection) -> None:
    """Nothing; the series of CHANNELS are registered."""
    settle_world(conn, CHANNELS)


def table(conn: Connection) -> list[tuple[object, ...]]:
    """What is stored, by name."""
    return conn.execute(
        "SELECT t.code, s.parameter, extract(epoch FROM o.time - %s)::float8 / 3600, o.value FROM observation o"
        " JOIN series s ON s.id = o.series JOIN station t ON t.id = s.station ORDER BY 1, 2, 3",
        [T0],
    ).fetchall()


def number(conn: Connection, query: str) -> int:
    """The one it asks for."""
    row = conn.execute(query).fetchone()
    assert row is not None
    return int(str(row[0]))
