"""How far somebody has looked through a period of a series: unreviewed, reviewed, approved. What is approved is locked.

A reading that would change an approved period waits as a reject `approved` until the approval is ended; corrections
there are refused. Whoever approves locks the series as a saver does: what is being saved is either in before or waits.
"""

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from analytics.frames import TIME
from analytics.store import knowledge, ledger, registry
from analytics.store.connection import Connection
from analytics.store.errors import Locked
from analytics.store.ledger import WINDOWS

STATES = ("unreviewed", "reviewed", "approved")
#: A row a stretch, as `load` gives it.
COLUMNS = {
    "series": pl.Int32(),
    "start": TIME,
    "stop": TIME,
    **dict.fromkeys(("state", "author", "reason"), pl.String()),
    "known": TIME,
}


def approved(conn: Connection, readings: pl.DataFrame) -> pl.DataFrame:
    """WINDOWS, merged: the approved periods of the series of `readings` (series, time), as far as they lie between the
    first and last of their times."""
    if readings.is_empty():
        return pl.DataFrame(schema=dict(WINDOWS))
    return _approved(conn, readings["series"].unique().to_list(), readings["time"].min(), readings["time"].max())


def _approved(conn: Connection, series: list[int], first: object, last: object) -> pl.DataFrame:
    rows = conn.execute(
        """
        SELECT series, lower(during), upper(during) FROM review
        WHERE ended IS NULL AND state = 'approved' AND series = ANY(%s) AND during && tstzrange(%s, %s, '[]')
        """,
        [series, first, last],
    ).fetchall()
    found = pl.DataFrame(rows, schema=dict(WINDOWS), orient="row")
    return ledger.merge(found) if rows else found


def refuse_approved(conn: Connection, windows: pl.DataFrame) -> None:
    """Nothing. Raises `Locked` where one of `windows` (series, start, stop) touches an approved period."""
    if windows.is_empty():
        return
    locked = _approved(conn, windows["series"].unique().to_list(), windows["start"].min(), windows["stop"].max())
    touched = windows.join(locked.select(pl.col("subject").alias("series"), begun="start", over="stop"), on="series")
    touched = touched.filter(pl.col("begun") < pl.col("stop"), pl.col("start") < pl.col("over"))
    if touched.height:
        series, begun, over = touched.select("series", "begun", "over").row(0)
        raise Locked(
            f"{name(conn, series)} is approved from {begun:%Y-%m-%dT%H:%MZ} to {over:%Y-%m-%dT%H:%MZ}: nothing was"
            " changed. To correct it, first set that period to `reviewed` (`greenwatch review set`)"
        )


def name(conn: Connection, series: int) -> str:
    """Station and channel of `series`, as people write them; and its step [s], where there are several."""
    row = conn.execute(
        """
        SELECT t.code, s.parameter, s.position, s.statistic, CASE WHEN EXISTS (
            SELECT FROM series o WHERE (o.station, o.parameter, o.position, o.statistic)
                = (s.station, s.parameter, s.position, s.statistic) AND o.id <> s.id
        ) THEN s.cadence END
        FROM series s JOIN station t ON t.id = s.station WHERE s.id = %s
        """,
        [series],
    ).fetchone()
    assert row is not None
    code, *channel = map(str, row[:4])
    return f"{code} {registry.Channel(*channel)}" + ("" if row[4] is None else f" {row[4]}s")


def enter(
    conn: Connection, series: Sequence[int], start: datetime, stop: datetime, state: str, author: str, reason: str
) -> pl.DataFrame:
    """`series`, `start`, `stop`: what was approved before and is no longer, from now on that `series` are `state` from
    `start` to `stop`. Call it in the transaction that lets in what waited for that (`rejects.held_back`)."""
    ids = sorted(set(series))
    with conn.transaction():
        registry.hold(conn, ids)
        rows = conn.execute(
            # Not before what it is decided by was signed, even where the clock was set back.
            f"""
            WITH moment AS MATERIALIZED (SELECT {knowledge.TIME} AS now, tstzrange(%(start)s, %(stop)s) AS during),
            gone AS (
                UPDATE review r SET ended = m.now FROM moment m
                WHERE r.ended IS NULL AND r.series = ANY(%(series)s) AND r.during && m.during RETURNING r.*
            ), made AS (
                INSERT INTO review (series, during, state, author, reason, known, follows)
                SELECT g.series, rest, g.state, g.author, g.reason, m.now, coalesce(g.follows, g.id)
                FROM gone g CROSS JOIN moment m
                CROSS JOIN LATERAL unnest(tstzmultirange(g.during) - tstzmultirange(m.during)) AS rest
                UNION ALL
                SELECT s, m.during, %(state)s, %(author)s, %(reason)s, m.now, NULL
                FROM unnest(%(series)s::int4[]) AS s CROSS JOIN moment m
            )
            SELECT g.series, lower(g.during * m.during), upper(g.during * m.during) FROM gone g CROSS JOIN moment m
            WHERE g.state = 'approved' AND %(state)s <> 'approved'
            """,
            {"series": ids, "start": start, "stop": stop, "state": state, "author": author, "reason": reason},
        ).fetchall()
    return pl.DataFrame(rows, schema={"series": pl.Int32(), "start": TIME, "stop": TIME}, orient="row")


def load(conn: Connection, series: Sequence[int]) -> pl.DataFrame:
    """COLUMNS of the stretches in force of `series`, by series and start."""
    rows = conn.execute(
        """
        SELECT series, lower(during), upper(during), state, author, reason, known FROM review
        WHERE ended IS NULL AND series = ANY(%s) ORDER BY 1, 2
        """,
        [list(series)],
    ).fetchall()
    return pl.DataFrame(rows, schema=COLUMNS, orient="row")
