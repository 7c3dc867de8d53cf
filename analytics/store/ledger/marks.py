"""Marks in the table `stale`: made with a change, claimed by who has their shard, waited for and counted."""

from collections.abc import Sequence
from datetime import datetime

import polars as pl
from psycopg import sql

from analytics.frames import TIME
from analytics.store.connection import Connection
from analytics.store.ledger.stages import CODES, INSTANT, READINGS, SHARDS, WHOLE, WINDOWS, Lane, Stage
from analytics.store.ledger.windows import runs
from analytics.store.packing import copy

#: Shards of a stage are locks (stage, shard) of PostgreSQL's two-key advisory space, above other users of it.
_SPACE = 0x4757_0000
#: Marks taken at once: beyond this the rest waits for the next take.
MOST = 200_000


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
    named |= {"all": SHARDS, "shards": list(shards), **lane._asdict(), "most": MOST}
    rows = conn.execute(query, named).fetchall()
    return pl.DataFrame(rows, schema=dict(WINDOWS), orient="row")


def mark(conn: Connection, stage: Stage, windows: pl.DataFrame, now: datetime) -> int:
    """Number of marks inserted for `windows` (WINDOWS) of `stage`, each with the time from which it is due.

    At once; but for a period that is still open at the next tick, or when it closes if that comes first. A window
    that reaches into one is cut there: the past does not wait for it.
    """
    due = pl.lit(now, TIME).alias("due")
    marks = windows.select(*WINDOWS, due)
    if stage.tick:
        grid, tick = (f"{length // INSTANT}us" for length in (stage.period, stage.tick))
        border = pl.lit(now, TIME).dt.truncate(grid)
        closes = (pl.col("stop") - INSTANT).dt.truncate(grid) + stage.period
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


def waiting(conn: Connection, now: datetime) -> tuple[int, int, datetime | None]:
    """Marks due now, marks due later, and when the next of those is due."""
    row = conn.execute(
        "SELECT count(*) FILTER (WHERE due <= %(now)s), count(*) FILTER (WHERE due > %(now)s),"
        " min(due) FILTER (WHERE due > %(now)s) FROM stale",
        {"now": now},
    ).fetchone()
    assert row is not None
    return row  # type: ignore[return-value]  # as the select says
