"""Doors: the ways in whose bytes lie in a spool, and how each becomes batches. A door is a row of DOORS.

A door decodes records of its spool: those that came a moment ago (`jobs.drain`), and again those of last month
(`greenwatch replay`). So it goes by the record alone and by the registry as it is now: the head says what must be
remembered beside the bytes (who sent them, in which format), `received` when they came. The clock is not asked.

To add a door: a module with `decode(conn, records)`, and its line in DOORS. Whoever has the socket opens
`Spool(folder(name))`, appends, answers when the future is done, and lets a `drain.Drainer` run beside it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from analytics.frames import Batch
from analytics.spool import Record
from analytics.store.connection import Connection
from jobs.database.home import home
from jobs.intake import Order


@dataclass(frozen=True, slots=True)
class Decoded:
    """A batch of a door, and how it is to be saved."""

    batch: Batch
    #: source, kind (live, late, backfill), cadence, revision; `register` where unknown series are to be made.
    #: `dry_run` is set by who saves.
    order: Order
    #: the records the batch stands on, in their order: their places are the `origin` of its batch row
    records: Sequence[Record]
    #: what its batch row says of how it was read, as `hj212` or `ndjson`; the source, too, where the order names none
    decoder: str


#: Batches of records, in any order. It may read of the store, in whose transaction the batches are saved, and writes
#: nothing there but what it must remember of the records themselves (`mqtt`: frame counters). Many records at once make
#: few large frames. It need not fear hostile bytes: where it raises, the records are given to it one by one, and the
#: one that still raises becomes a reject with its reason and place. What a record holds but what is no reading (a
#: heartbeat) may be in no batch.
Decode = Callable[[Connection, Sequence[Record]], Iterator[Decoded]]

#: Name of a door -> module with its `decode`. Loaded when it is asked for: a door costs nobody else its libraries.
DOORS: Mapping[str, str] = {"hj212": "jobs.listen.door", "http": "jobs.web.posts", "mqtt": "jobs.mqtt.door"}


def decoder(name: str) -> Decode:
    """`decode` of the door `name`. Raises `KeyError` where there is no such door.

    Two machines with one kind of door have a spool each: `hj212@north` is a name of its own and a door `hj212`.
    """
    decode: Decode = import_module(DOORS[name.partition("@")[0]]).decode
    return decode


def folder(name: str) -> Path:
    """Where the spool of the door `name` lies on this machine."""
    return home() / "spool" / name


def origin(name: str, records: Sequence[Record]) -> str:
    """What the batch row of `records` of a door says as its `origin`: `http 1763812800:523 to 1763812800:900`.

    `greenwatch replay` finds the records of a reject by it: whoever saves them says it.
    """
    first, last = records[0].place, records[-1].place
    return f"{name} {first}" if first == last else f"{name} {first} to {last}"
