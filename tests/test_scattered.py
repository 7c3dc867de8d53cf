"""What is asked for by key is looked up, not searched for, whatever the planner was told of a chunk."""

from datetime import timedelta

import polars as pl

from analytics.frames import TIME
from analytics.store import derived
from analytics.store.connection import Connection
from analytics.store.packing import copy
from tests.world import HOUR, T0

SERIES, HOURS = 300, 200


def rows(series: int, hours: int) -> pl.DataFrame:
    """Verdicts of the series 1 to `series`, one each hour."""
    times = [T0 + hour * HOUR for hour in range(hours)]
    made = pl.DataFrame({"series": range(1, series + 1)}, schema={"series": pl.Int32}).join(
        pl.DataFrame({"time": times}, schema={"time": TIME}), how="cross"
    )
    others = {name: dtype for name, dtype in derived.VERDICT.columns.items() if name not in made.columns}
    return made.with_columns(pl.lit(1).cast(dtype).alias(name) for name, dtype in others.items())


def searched(conn: Connection) -> int:
    """How often this transaction read a chunk whole."""
    row = conn.execute(
        "SELECT sum(seq_scan)::int FROM pg_stat_xact_all_tables WHERE relid IN"
        " (SELECT inhrelid FROM pg_inherits WHERE inhparent = 'verdict'::regclass)"
    ).fetchone()
    assert row is not None
    return int(str(row[0]))


def test_a_chunk_analysed_amid_a_commit_is_still_read_by_its_index(conn: Connection, other: Connection) -> None:
    """The server analyses when it likes: here while all but two rows are still on their way, so that it holds the
    chunk for empty, and of one series, until it looks again."""
    copy(conn, "verdict", rows(1, 2))
    with conn.transaction():
        copy(conn, "verdict", rows(SERIES, HOURS).filter((pl.col("series") > 1) | (pl.col("time") >= T0 + 2 * HOUR)))
        other.execute("ANALYZE verdict")
    windows = pl.DataFrame({"series": range(1, SERIES + 1)}, schema={"series": pl.Int32}).with_columns(
        pl.lit(T0, TIME).alias("start"), pl.lit(T0 + timedelta(days=30), TIME).alias("stop")
    )
    with conn.transaction():
        before = searched(conn)
        assert derived.load(conn, derived.VERDICT, windows).height == SERIES * HOURS
        assert searched(conn) == before
