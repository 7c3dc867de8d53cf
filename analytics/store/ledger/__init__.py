"""The ledger of stale windows: how a change is carried from a reading to all that stands on it, and only that.

The protocol, and the race each step is there for:

*Marking* (whoever changes rows): insert a window into `stale` in the transaction of the change. Insert only: two
writers never wait for each other, a mark is there exactly if its change is, and no mark can be swallowed by another.

*Taking* (`take`), READ COMMITTED, one shard of subjects of one stage, one transaction:

1. `lock`    try the advisory lock of (stage, shard). Two settlers of one shard would write the same rows from
             different reads; the second goes elsewhere. The lock ends with the transaction, so a settler whose
             connection died has lost lock and work together: it is the fence against a worker thought dead.
2. `claim`   DELETE the due marks of the shard, RETURNING them: exactly the marks seen are taken. One that commits a
             moment later stays for the next take; clearing by time range would swallow it.
3. `merge`   the windows of a subject that touch become one; what exceeds the row budget is put back as marks; rows
             made of readings that are archived are left as they are.
4. load      only now, each statement seeing all commits before it, are the inputs read. Read before the claim, a
             change that commits in between would be taken as done without having been seen.
5. write     the rows that differ, and marks for the next stages.
6. commit    marks gone, rows written, next marks there: all or none of it.

A stage says how far it reaches as durations; the arithmetic is here alone. A row at t reads inputs in [t - back,
t + forward]; a changed window so touches the rows of window - forward ... + back, and those read back ... forward more.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from analytics.store import horizon
from analytics.store.connection import Connection
from analytics.store.ledger.marks import MOST, claim, listen, lock, mark, mark_readings, wait, waiting
from analytics.store.ledger.stages import CODES, DECIDE, READINGS, SHARDS, WHOLE, WINDOWS, Lane, Stage
from analytics.store.ledger.windows import cut, cut_abreast, inside, merge, parted, runs, widen

__all__ = [
    "CODES",
    "DECIDE",
    "READINGS",
    "SHARDS",
    "WHOLE",
    "WINDOWS",
    "Lane",
    "Stage",
    "Take",
    "claim",
    "cut",
    "cut_abreast",
    "inside",
    "listen",
    "lock",
    "mark",
    "mark_readings",
    "merge",
    "parted",
    "runs",
    "take",
    "wait",
    "waiting",
    "widen",
]


@dataclass(slots=True)
class Take:
    """Claimed work. `claimed` are the changed windows, `affected` the rows to make again, `load` what those read."""

    conn: Connection
    stage: Stage
    now: datetime
    claimed: pl.DataFrame
    affected: pl.DataFrame
    load: pl.DataFrame
    marks: int = 0
    #: whether some of what was due was more than the budget allows
    left: bool = False
    read: int = field(default=0)
    written: int = field(default=0)


@contextmanager
def take(
    conn: Connection,
    stage: Stage,
    shards: Sequence[int],
    now: datetime,
    steps: Callable[[list[int]], pl.DataFrame],
    budget: int,
    lane: Lane = WHOLE,
) -> Iterator[Take | None]:
    """One transaction's work on `shards`, those no other settler has; None where there are none or nothing is due.

    `steps` gives, asked after the claim so that no claimed subject is missing, for the claimed subjects `subject`, its
    `cadence` [s] and the `step` [s] between the rows it reads, which turns `budget` [rows] into time; of a stage that
    goes `abreast`, for those they read, too, and what else `cut_abreast` asks for. Only what is in the `lane` is taken,
    of a window that reaches farther back that part.
    Leaving the block commits; an exception, or the loss of the connection, leaves everything as it was.
    """
    with conn.transaction():
        claimed = claim(conn, stage, lock(conn, stage, shards), now, lane)
        if claimed.is_empty():
            yield None
            return
        cadences = steps(claimed["subject"].unique().to_list())
        newer, older = parted(claimed, lane.since)
        whole = merge(newer)
        kept, rest = cut_abreast(whole, stage, cadences, budget) if stage.abreast else cut(whole, cadences, budget)
        left = not rest.is_empty() or claimed.height == MOST
        mark(conn, stage, pl.concat([rest, older]), now)
        affected = merge(widen(kept, stage, cadences, stage.forward, stage.back))
        if stage.sealed:
            affected = horizon.without(affected, _sealed(conn, stage, cadences, kept))
            if affected.is_empty():
                yield None
                return
        load = merge(widen(affected, stage, cadences, stage.back, stage.forward))
        yield Take(conn, stage, now, kept, affected, load, claimed.height, left)


def _sealed(conn: Connection, stage: Stage, cadences: pl.DataFrame, windows: pl.DataFrame) -> pl.DataFrame:
    """WINDOWS of the subjects of `windows` whose rows read what is sealed; that stays so until the commit."""
    horizon.hold(conn)
    ranges = horizon.sealed(conn)
    subjects = windows.select(pl.col("subject").unique())
    return merge(widen(subjects.join(ranges, how="cross"), stage, cadences, stage.forward, stage.back))
