"""Readings as they are, and as they were known at a time."""

from datetime import datetime, timedelta

import polars as pl

from analytics.frames import TIME
from analytics.store import derivations, horizon, knowledge, ledger, scattered
from analytics.store.connection import Connection
from analytics.store.observations.rows import KEY, STORED
from analytics.store.packing import array


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


def cut(conn: Connection, windows: pl.DataFrame, most: int) -> pl.DataFrame:
    """`rows`, `last`: how many readings each of `windows` (series, start, stop) has, `most` at most, and the time of
    the last one counted; in their order. What it costs is bounded by that, however dense or long they are."""
    schema = {"rows": pl.Int64(), "last": TIME}
    if windows.is_empty():
        return pl.DataFrame(schema=schema)
    subject, start, stop = windows.columns[:3]
    rows = conn.execute(
        """
        SELECT c.rows, c.last
        FROM unnest(%s::int4[], %s::timestamptz[], %s::timestamptz[]) WITH ORDINALITY AS w (series, start, stop, n)
        CROSS JOIN LATERAL (
            SELECT count(*) AS rows, max(time) AS last FROM (
                SELECT o.time FROM observation o WHERE o.series = w.series AND o.time >= w.start AND o.time < w.stop
                    AND o.time >= %s AND o.time < %s ORDER BY o.time LIMIT %s
            ) AS few
        ) AS c ORDER BY w.n
        """,
        [
            *(array(windows[name]) for name in (subject, start, stop)),
            windows[start].min(),
            windows[stop].max(),
            most,
        ],
    ).fetchall()
    return pl.DataFrame(rows, schema=schema, orient="row")


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
