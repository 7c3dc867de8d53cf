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

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import polars as pl
from psycopg import sql

from analytics.frames import TIME
from analytics.store import horizon
from analytics.store.connection import Connection
from analytics.store.packing import copy

SHARDS = 16
#: Shards of a stage are locks (stage, shard) of PostgreSQL's two-key advisory space, above other users of it.
_SPACE = 0x4757_0000
#: Marks taken at once: beyond this the rest waits for the next take.
_MARKS = 200_000
#: A stretch with no change longer than this splits a run.
_GRAIN = timedelta(hours=3)
_INSTANT = timedelta(microseconds=1)
#: Less time is no take.
_LEAST = timedelta(hours=1)

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
    grid: timedelta = _INSTANT
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
        left = not rest.is_empty() or claimed.height == _MARKS
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


def lock(conn: Connection, stage: Stage, shards: Sequence[int]) -> list[int]:
    """Those of `shards` that this transaction has to itself now, until it ends."""
    rows = conn.execute(
        "SELECT s FROM unnest(%s::int4[]) AS s WHERE pg_try_advisory_xact_lock(%s, s)",
        [list(shards), _SPACE + stage.code],
    ).fetchall()
    return [int(str(row[0])) for row in rows]


_WAITS = sql.SQL(
    """
    AND NOT EXISTS (
        SELECT FROM stale e WHERE e.stage = %(after)s AND e.due <= %(now)s AND e.subject = s.subject
            AND e.start < date_bin(%(grid)s, s.stop, 'epoch') + %(grid)s
            AND e.stop > date_bin(%(grid)s, s.start, 'epoch')
    )
    """
)


def claim(
    conn: Connection,
    stage: Stage,
    shards: Sequence[int],
    now: datetime,
    lane: Lane = WHOLE,
) -> pl.DataFrame:
    """WINDOWS of the due marks of `shards`, which are deleted: those this statement sees, no others.

    A mark waits while the stage before is marked there: who makes hours of readings that nobody has judged yet shows a
    fault as air. A mark that somebody is taking is still seen, until what it stands for is written.
    """
    query = sql.SQL(
        """
        DELETE FROM stale WHERE id IN (
            SELECT id FROM stale s
            WHERE stage = %(stage)s AND due <= %(now)s AND subject %% %(all)s = ANY(%(shards)s) AND stop > %(since)s
                AND stop <= %(before)s {}
            ORDER BY subject, start LIMIT %(most)s
        ) RETURNING subject, start, stop
        """
    ).format(_WAITS if stage.after else sql.SQL(""))
    named: dict[str, object] = {"stage": stage.code, "after": CODES.get(stage.after), "grid": stage.grid, "now": now}
    named |= {"all": SHARDS, "shards": list(shards), **lane._asdict(), "most": _MARKS}
    rows = conn.execute(query, named).fetchall()
    return pl.DataFrame(rows, schema=dict(WINDOWS), orient="row")


def parted(windows: pl.DataFrame, since: datetime) -> tuple[pl.DataFrame, pl.DataFrame]:
    """`windows` as far as they lie after `since`, and as far as they lie before it."""
    border = pl.lit(since, TIME)
    return (
        windows.filter(pl.col("stop") > border).with_columns(pl.max_horizontal("start", border).alias("start")),
        windows.filter(pl.col("start") < border).with_columns(pl.min_horizontal("stop", border).alias("stop")),
    )


def merge(windows: pl.DataFrame) -> pl.DataFrame:
    """`windows`, those of a subject that overlap or touch made one, sorted."""
    if windows.height < 2:  # as nearly always where readings come one by one
        return windows.select(*WINDOWS)
    ordered = windows.select(*WINDOWS).sort("subject", "start")
    reach = pl.col("stop").cum_max().shift().over("subject")
    apart = (reach.is_null() | (pl.col("start") > reach)).cum_sum().alias("run")
    return (
        ordered.with_columns(apart)
        .group_by("run", maintain_order=True)
        .agg(pl.col("subject").first(), pl.col("start").min(), pl.col("stop").max())
        .select(*WINDOWS)
    )


def widen(
    windows: pl.DataFrame, stage: Stage, cadences: pl.DataFrame, before: timedelta, after: timedelta
) -> pl.DataFrame:
    """`windows` from `before` earlier to `after` later, on the stage's grid; its cadences may ask for more."""
    if stage.cadences:
        steps = pl.duration(seconds=stage.cadences * pl.col("cadence").fill_null(0))
        early, late = pl.max_horizontal(pl.lit(before), steps), pl.max_horizontal(pl.lit(after), steps)
        known = cadences.select("subject", "cadence")
        windows = windows.join(known, on="subject", how="left", maintain_order="left")
    else:
        early, late = pl.lit(before), pl.lit(after)
    grid = f"{stage.grid // _INSTANT}us"
    stop = (pl.col("stop") + late - _INSTANT).dt.truncate(grid) + stage.grid
    return windows.with_columns((pl.col("start") - early).dt.truncate(grid).alias("start"), stop.alias("stop")).select(
        *WINDOWS
    )


def cut(windows: pl.DataFrame, cadences: pl.DataFrame, budget: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The first windows that hold about `budget` rows, and the rest; the window at the border is cut in two."""
    step = pl.col("step").fill_null(3600.0)
    rows = ((pl.col("stop") - pl.col("start")).dt.total_seconds() / step + 1).alias("rows")
    counted = windows.join(cadences, on="subject", how="left", maintain_order="left").with_columns(rows)
    counted = counted.with_columns((pl.col("rows").cum_sum() - pl.col("rows")).alias("before"))
    room = pl.duration(microseconds=((pl.lit(budget) - pl.col("before")) * step * 1_000_000).ceil())
    border = pl.min_horizontal(pl.col("stop"), pl.col("start") + room)
    inside = counted.filter(pl.col("before") < budget).with_columns(border.alias("border"))
    rest = pl.concat(
        [
            inside.filter(pl.col("border") < pl.col("stop"))
            .with_columns(pl.col("border").alias("start"))
            .select(*WINDOWS),
            counted.filter(pl.col("before") >= budget).select(*WINDOWS),
        ]
    )
    return inside.with_columns(pl.col("border").alias("stop")).select(*WINDOWS), rest


def cut_abreast(
    windows: pl.DataFrame, stage: Stage, cadences: pl.DataFrame, budget: int
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """`windows` up to a time, before which about `budget` rows are read, an hour at least; and after it.

    `cadences` says, beside `subject` and `step` [s], whom a subject `reads`, itself among them, and the steps of those
    and times of their `first` and `last` row, null where there is none: a take reads a row once, whoever asks.
    """
    affected = merge(widen(windows, stage, cadences, stage.forward, stage.back))
    load = merge(widen(affected, stage, cadences, stage.back, stage.forward))
    reads = pl.coalesce("reads", pl.concat_list("subject"))
    asked = load.join(cadences, on="subject", how="left").select(reads.alias("subject"), "start", "stop")
    rate = (1 / pl.col("step").fill_null(3600.0)).alias("rate")
    whole = merge(asked.explode("subject", empty_as_null=False)).join(cadences, on="subject", how="left")
    known = pl.col("step").is_not_null()
    start = pl.when(known).then(pl.max_horizontal("start", "first")).otherwise("start").alias("start")
    stop = pl.when(known).then(pl.min_horizontal("stop", pl.col("last") + _INSTANT)).otherwise("stop").alias("stop")
    whole = whole.filter(~known | pl.col("first").is_not_null()).select(start, stop, rate)
    whole = whole.filter(pl.col("start") < pl.col("stop"))
    if whole.is_empty():
        return windows, windows.clear()
    edges = pl.concat([whole.select("rate", time="start"), whole.select(-pl.col("rate"), time="stop")])
    length = (pl.col("time").shift(-1) - pl.col("time")).dt.total_microseconds() / 1e6
    read = (
        edges.group_by("time")
        .agg(pl.col("rate").sum())
        .sort("time")
        .with_columns(pl.col("rate").cum_sum().clip(1e-9))
        .with_columns((pl.col("rate") * length).fill_null(0).alias("rows"))
        .with_columns((pl.col("rows").cum_sum() - pl.col("rows")).alias("before"))
    )
    last = read.filter(pl.col("before") < budget).row(-1, named=True)
    room = timedelta(seconds=round(min((budget - last["before"]) / last["rate"], 1e9)))
    later, sooner = parted(windows, max(last["time"] + room, windows["start"].min() + _LEAST))  # type: ignore[operator]  # a time
    return sooner, later


def runs(rows: pl.DataFrame, subject: str, grain: timedelta = _GRAIN) -> pl.DataFrame:
    """WINDOWS that cover the times of `rows` (`subject`, time): one a run, a gap over `grain` begins a new one."""
    ordered = rows.select(pl.col(subject).cast(pl.Int32).alias("subject"), "time").sort("subject", "time")
    new = (pl.col("subject") != pl.col("subject").shift()) | (pl.col("time").diff() > grain)
    return (
        ordered.with_columns(new.fill_null(True).cum_sum().alias("run"))
        .group_by("run", maintain_order=True)
        .agg(pl.col("subject").first(), pl.col("time").min().alias("start"), pl.col("time").max().alias("stop"))
        .select("subject", "start", pl.col("stop") + _INSTANT)
    )


def mark(conn: Connection, stage: Stage, windows: pl.DataFrame, now: datetime) -> int:
    """Number of marks inserted for `windows` (WINDOWS) of `stage`, each with the time from which it is due.

    At once; but for a period that is still open at the next tick, or when it closes if that comes first. A window
    that reaches into one is cut there: the past does not wait for it.
    """
    due = pl.lit(now, TIME).alias("due")
    marks = windows.select(*WINDOWS, due)
    if stage.tick:
        grid, tick = (f"{length // _INSTANT}us" for length in (stage.period, stage.tick))
        border = pl.lit(now, TIME).dt.truncate(grid)
        closes = (pl.col("stop") - _INSTANT).dt.truncate(grid) + stage.period
        ticks = pl.lit(now, TIME).dt.truncate(tick) + stage.tick
        past = windows.filter(pl.col("start") < border).select(
            "subject", "start", pl.min_horizontal("stop", border).alias("stop"), due
        )
        open_ = windows.filter(pl.col("stop") > border).select(
            "subject",
            pl.max_horizontal("start", border).alias("start"),
            "stop",
            pl.min_horizontal(closes, ticks).cast(TIME).alias("due"),
        )
        marks = pl.concat([past, open_])
    if count := copy(conn, "stale", marks.select(pl.lit(stage.code, pl.Int16).alias("stage"), *WINDOWS, "due")):
        conn.execute("NOTIFY stale")  # heard when this transaction is committed
    return count


def listen(conn: Connection) -> None:
    """Nothing; from now on `conn` hears of marks."""
    conn.execute("LISTEN stale")


def wait(conn: Connection, seconds: float) -> bool:
    """Whether somebody marked something, which `conn` listens for; at latest after `seconds`.

    What comes due by the clock is not heard of, nor is anything through a proxy that pools transactions: look, too.
    """
    # All that was heard meanwhile is one: else each, this worker's own marks too, would wake it once more.
    return bool(list(conn.notifies(timeout=seconds, stop_after=1)))


def mark_readings(conn: Connection, changed: pl.DataFrame, now: datetime) -> int:
    """Number of marks for the first stage, where the readings at `changed` (series, time) are new or other."""
    return mark(conn, READINGS, runs(changed, "series"), now)


def inside(rows: pl.DataFrame, windows: pl.DataFrame, subject: str) -> pl.DataFrame:
    """The `rows` whose `subject` and time lie in `windows` (WINDOWS, merged)."""
    if rows.is_empty() or windows.is_empty():
        return rows.clear()
    borders = windows.select(
        pl.col("subject").alias(subject), pl.col("start").alias("time"), pl.col("stop").alias("_stop")
    ).sort(subject, "time")
    return (
        rows.sort(subject, "time")
        .join_asof(borders, on="time", by=subject, strategy="backward", check_sortedness=False)
        .filter(pl.col("time") < pl.col("_stop"))
        .drop("_stop")
    )


def waiting(conn: Connection, now: datetime) -> tuple[int, int, datetime | None]:
    """Marks due now, marks due later, and when the next of those is due."""
    row = conn.execute(
        "SELECT count(*) FILTER (WHERE due <= %(now)s), count(*) FILTER (WHERE due > %(now)s),"
        " min(due) FILTER (WHERE due > %(now)s) FROM stale",
        {"now": now},
    ).fetchone()
    assert row is not None
    return row  # type: ignore[return-value]  # as the select says
