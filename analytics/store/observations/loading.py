"""Readings as they are, and as they were known at a time."""

from datetime import datetime, timedelta

import polars as pl

from analytics.frames import TIME
from analytics.store import derivations, horizon, knowledge, ledger, scattered
from analytics.store.connection import Connection
from analytics.store.observations.rows import KEY, STORED


def load(conn: Connection, windows: pl.DataFrame, *, known: datetime | None = None) -> pl.DataFrame:
    """`frames.OBSERVATIONS` and `revision`, `batch` inside `windows` (series, start, stop); as `known` at a time.

    As of a time the winner of law 2 is chosen among all that was known then, stored or in history, by the priorities
    known then; in what was approved then, by those known when it was approved. Raises `Archived` where readings of
    the windows are: history alone cannot say which of them won.
    """
    stored = scattered.fetch(conn, "observation", "series", windows, STORED)
    if known is None:
        return stored
    # In this order: what a saver displaces between the two statements is found twice, not lost.
    before = scattered.fetch(conn, "observation_history", "series", windows, STORED)
    everything = pl.concat([stored, before.join(stored, on=KEY, how="semi")])
    found = ranked(conn, everything, windows, known)
    horizon.require(conn, windows)  # last: what went while it was read is not missed
    return winners(found).select(*STORED)


def ranked(
    conn: Connection, readings: pl.DataFrame, windows: pl.DataFrame, known: datetime | None = None
) -> pl.DataFrame:
    """`readings` (STORED, ...) of `windows` that are known, with their `source` and its `rank`; as `known` at a time.

    In what is approved the ranks are those of when it was approved.
    """
    batches = readings["batch"].unique().to_list()
    found = readings.join(knowledge.sources(conn, batches, known), on="batch", maintain_order="left")
    for (since,), periods in knowledge.frozen(conn, windows, known).group_by("since"):
        inside = ledger.inside(found, ledger.merge(periods), "series")
        then = inside.drop("source", "rank").join(knowledge.sources(conn, batches, since), on="batch")
        found = pl.concat([found.join(inside, on=KEY, how="anti"), then.select(found.columns)])
    return found


def winners(readings: pl.DataFrame) -> pl.DataFrame:
    """The winner of law 2 of each (series, time) of `readings` (STORED and `rank`), of equal ones that which is first.

    Sorted by series and time.
    """
    return readings.sort(
        *KEY,
        "rank",
        pl.col("revision").fill_null(0),
        "value",
        pl.col("mark").fill_null(-1),
        descending=[False, False, True, True, True, True],
        maintain_order=True,
    ).unique(KEY, keep="first", maintain_order=True)


def ordinal_at(conn: Connection, known: datetime) -> int:
    """The last ordinal known at that time; 0 where nothing was."""
    row = conn.execute("SELECT coalesce(max(ordinal), 0) FROM batch WHERE known <= %s", [known]).fetchone()
    assert row is not None
    return int(str(row[0]))


def extent(conn: Connection, series: list[int]) -> pl.DataFrame:
    """`series`, `start`, `stop`: a window that holds every reading of each series that has any; of a derived one, which
    has none, every hour."""
    rows = conn.execute(
        """
        SELECT series, first, time + %s FROM latest WHERE series = ANY(%s) AND time IS NOT NULL
        """,
        [timedelta(microseconds=1), series],
    ).fetchall()
    found = pl.DataFrame(rows, schema={"series": pl.Int32, "start": TIME, "stop": TIME}, orient="row")
    made = derivations.extent(conn, derivations.derived(conn, series))
    return pl.concat([found.join(made, on="series", how="anti"), made])
