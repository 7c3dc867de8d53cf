"""Pieces of readings on their way into files and back.

A piece is a stretch of time of `observation`, a chunk where TimescaleDB is, a week elsewhere, with what was replaced in
it (`observation_history`). Its way, each step a transaction, so that whoever is killed goes on from the last one:

1. `seal`     the line is past it, and from now on neither readings nor what was made of them change;
2. `pages`    are written to files and read back by the caller; `wrote` says so;
3. `drop`     the rows count as gone, an export says so; `clear` takes them away (a chunk at once, rows in parts);
4. `put_back` and `reopen` bring them back: in parts that may be repeated, then all of it counts at once.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
from psycopg import sql
from psycopg.types.json import Jsonb

from analytics.frames import TIME
from analytics.store import horizon, ledger, observations, scattered
from analytics.store.connection import Connection, tier
from analytics.store.packing import copy, fetch

#: One archivist at a time; the number is "GWar".
_LOCK = 0x47576172
#: Rows of a page: some hundred bytes each while it is written.
PAGE = 1_000_000
#: Rows deleted or put back in one transaction.
PART = 200_000
_WEEK = timedelta(days=7)
_GRID = datetime(1970, 1, 1, tzinfo=UTC)

TABLES = ("observation", "observation_history")
#: How many rows of which series lie in a piece.
COUNTS = {"series": pl.Int32(), "rows": pl.Int64()}


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of readings, and how far it is on its way. `id` 0: it has not begun."""

    start: datetime
    stop: datetime
    rows: int = 0
    history: int = 0
    #: on disk, of the database before it is dropped, of the files afterwards
    bytes: int = 0
    id: int = 0
    begun: datetime | None = None
    folder: str = ""
    files: tuple[dict[str, Any], ...] = ()
    written: datetime | None = None
    dropped: datetime | None = None
    cleared: datetime | None = None


def only_one(conn: Connection) -> bool:
    """Whether this connection alone archives and restores; it keeps that until it is closed or `done`."""
    row = conn.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK]).fetchone()
    return bool(row and row[0])


def done(conn: Connection) -> None:
    """Nothing; another connection may archive."""
    conn.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])


def may_drop(conn: Connection) -> bool:
    """Whether this user may take readings away: TimescaleDB asks for the owner of the table."""
    row = conn.execute(
        "SELECT pg_has_role(current_user, relowner, 'USAGE') FROM pg_class WHERE oid = 'observation'::regclass"
    ).fetchone()
    return bool(row and row[0])


def begun(conn: Connection) -> list[Piece]:
    """The pieces that are on their way or gone, by time."""
    rows = conn.execute(
        """
        SELECT start, stop, coalesce(rows, 0), coalesce(history, 0), coalesce(bytes, 0), id, begun,
               coalesce(folder, ''), coalesce(files, '[]'), written, dropped, cleared
        FROM archive WHERE restored IS NULL ORDER BY start
        """
    ).fetchall()
    return [Piece(*(tuple(cell) if isinstance(cell, list) else cell for cell in row)) for row in rows]  # type: ignore[arg-type]  # as the select says


def pieces(conn: Connection, stop: datetime) -> list[Piece]:
    """The pieces that end at or before `stop`, hold readings and have not begun; counted, which reads them once."""
    stretches = _chunks(conn, stop) if tier(conn).timescaledb else _weeks(conn, stop)
    known = {piece.start for piece in begun(conn)}
    found = []
    for start, end, size in stretches:
        if start in known:
            continue
        rows = _number(conn, "observation", start, end)
        if rows:
            found.append(Piece(start, end, rows, _number(conn, "observation_history", start, end), size))
    return found


def _chunks(conn: Connection, stop: datetime) -> list[tuple[datetime, datetime, int]]:
    rows = conn.execute(
        """
        SELECT c.range_start, c.range_end, coalesce(s.total_bytes, 0)
        FROM timescaledb_information.chunks c
        LEFT JOIN chunks_detailed_size('observation') s USING (chunk_schema, chunk_name)
        WHERE c.hypertable_schema = 'public' AND c.hypertable_name = 'observation' AND c.range_end <= %s ORDER BY 1
        """,
        [stop],
    ).fetchall()
    return rows  # type: ignore[return-value]  # as the select says


def _weeks(conn: Connection, stop: datetime) -> list[tuple[datetime, datetime, int]]:
    row = conn.execute("SELECT min(first), pg_total_relation_size('observation') FROM latest").fetchone()
    total = conn.execute("SELECT greatest(sum(rows), 1) FROM latest").fetchone()
    assert row is not None
    assert total is not None
    first, size = row
    if first is None:
        return []
    assert isinstance(first, datetime)
    start = first - (first - _GRID) % _WEEK
    weeks = []
    while start + _WEEK <= stop:
        share = _number(conn, "observation", start, start + _WEEK) / int(str(total[0]))
        weeks.append((start, start + _WEEK, round(int(str(size)) * share)))
        start += _WEEK
    return weeks


def _number(conn: Connection, table: str, start: datetime, stop: datetime) -> int:
    return int(counts(conn, table, start, stop)["rows"].sum())


def counts(conn: Connection, table: str, start: datetime, stop: datetime) -> pl.DataFrame:
    """COUNTS of the rows of `table` in the piece, by series; each is looked up, whatever else the table holds."""
    query = sql.SQL(
        """
        SELECT l.series, c.rows FROM latest l CROSS JOIN LATERAL (
            SELECT count(*) AS rows FROM {} o WHERE o.series = l.series AND o.time >= %s AND o.time < %s OFFSET 0
        ) AS c WHERE l.time >= %s AND c.rows > 0
        """
    ).format(sql.Identifier(table))
    return fetch(conn, query, COUNTS, [start, stop, start]).sort("series")


def seal(conn: Connection, stretches: list[Piece], now: datetime) -> None:
    """Nothing; from the commit on the pieces change no more. Call it under `horizon.alone`."""
    with conn.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO archive (start, stop, begun) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
            [(piece.start, piece.stop, now) for piece in stretches],
        )


def pages(conn: Connection, table: str, piece: Piece) -> Iterator[pl.DataFrame]:
    """The rows of `table` in the piece (`observations.STORED`), by series and time, some PAGE rows at a time."""
    found = counts(conn, table, piece.start, piece.stop)
    before = pl.col("rows").cum_sum() - pl.col("rows")
    for _, some in found.group_by((before // PAGE).alias("page"), maintain_order=True):
        windows = some.select(
            "series", pl.lit(piece.start, TIME).alias("start"), pl.lit(piece.stop, TIME).alias("stop")
        )
        rows = scattered.fetch(conn, table, "series", windows, observations.STORED)
        yield rows.sort("series", "time", "batch", "value", nulls_last=True)


def names(conn: Connection) -> pl.DataFrame:
    """`series`, `station` (its code), `parameter` (`pm25[@position][:statistic]`): files speak for themselves."""
    rows = conn.execute(
        """
        SELECT s.id, t.code, s.parameter || CASE WHEN s.position <> '' THEN '@' || s.position ELSE '' END
            || CASE WHEN s.statistic <> '' THEN ':' || s.statistic ELSE '' END
        FROM series s JOIN station t ON t.id = s.station
        """
    ).fetchall()
    return pl.DataFrame(rows, schema={"series": pl.Int32, "station": pl.String, "parameter": pl.String}, orient="row")


def wrote(
    conn: Connection, piece: Piece, folder: str, files: list[dict[str, Any]], held: pl.DataFrame, now: datetime
) -> None:
    """Nothing; the piece lies in `files` of `folder`, which were read back. `held` has series, rows, history."""
    with conn.transaction():
        conn.execute("DELETE FROM archive_series WHERE archive = %s", [piece.id])
        copy(conn, "archive_series", held.with_columns(pl.lit(piece.id, pl.Int32).alias("archive")))
        conn.execute(
            """
            UPDATE archive SET rows = %s, history = %s, bytes = %s, folder = %s, files = %s, written = %s
            WHERE id = %s AND restored IS NULL AND dropped IS NULL
            """,
            [
                int(held["rows"].sum()),
                int(held["history"].sum()),
                sum(file["bytes"] for file in files),
                folder,
                Jsonb(files),
                now,
                piece.id,
            ],
        )


def drop(conn: Connection, piece: Piece, now: datetime) -> None:
    """Nothing; the rows of the piece, all of them in its files, are away."""
    conn.execute("UPDATE archive SET dropped = %s WHERE id = %s AND dropped IS NULL", [now, piece.id])
    clear(conn, piece, now)


def clear(conn: Connection, piece: Piece, now: datetime) -> None:
    """Nothing; no row of the piece, which is gone, is left: neither one not yet deleted nor one half put back."""
    if tier(conn).timescaledb:
        with conn.transaction():
            # Whoever reads the chunk is waited for; whoever comes after waits for us, not for long.
            conn.execute("SET LOCAL lock_timeout = '10s'")
            conn.execute(
                "SELECT drop_chunks('observation', older_than => %s::timestamptz, newer_than => %s::timestamptz)",
                [piece.stop, piece.start],
            )
    for table in TABLES:
        _delete(conn, table, piece)
    conn.execute("UPDATE archive SET cleared = %s WHERE id = %s", [now, piece.id])


def _delete(conn: Connection, table: str, piece: Piece) -> None:
    found = counts(conn, table, piece.start, piece.stop)
    before = pl.col("rows").cum_sum() - pl.col("rows")
    query = sql.SQL("DELETE FROM {} o WHERE o.series = ANY(%s) AND o.time >= %s AND o.time < %s").format(
        sql.Identifier(table)
    )
    for _, some in found.group_by((before // PART).alias("part"), maintain_order=True):
        conn.execute(query, [some["series"].to_list(), piece.start, piece.stop])


def put_back(conn: Connection, table: str, piece: Piece, rows: pl.DataFrame) -> int:
    """Number of `rows` (`observations.STORED`) of the piece that were not there. They count when it is reopened."""
    windows = rows.select(pl.col("series").unique().sort()).with_columns(
        pl.lit(piece.start, TIME).alias("start"), pl.lit(piece.stop, TIME).alias("stop")
    )
    with conn.transaction():
        conn.execute("UPDATE archive SET cleared = NULL WHERE id = %s", [piece.id])
        there = scattered.fetch(conn, table, "series", windows, observations.STORED)
        new = rows.join(there, on=list(observations.STORED), how="anti", nulls_equal=True)
        copy(conn, table, new.select(*observations.STORED))
    return new.height


def reopen(
    conn: Connection,
    come: list[Piece],
    start: datetime,
    stop: datetime,
    *,
    now: datetime,
    until: datetime,
    author: str,
    reason: str,
) -> int:
    """Number of windows marked; readings from `start` to `stop` come in again, the pieces that `come` count as here.

    What was made of them is looked through again: what changed meanwhile in the registry passed it by.
    """
    with conn.transaction():
        horizon.alone(conn)
        marks = 0
        for piece in come:
            found = counts(conn, "observation", piece.start, piece.stop)
            if piece.dropped is not None and int(found["rows"].sum()) != piece.rows:
                raise AssertionError(f"archive {piece.id}: {found['rows'].sum()} of {piece.rows} readings are back")
            conn.execute("UPDATE archive SET restored = %s WHERE id = %s", [now, piece.id])
            windows = found.select(
                pl.col("series").alias("subject"),
                pl.lit(piece.start, TIME).alias("start"),
                pl.lit(piece.stop, TIME).alias("stop"),
            )
            for stage in (ledger.DECIDE, ledger.READINGS):
                marks += ledger.mark(conn, stage, windows, now)
        conn.execute(
            "INSERT INTO opened (start, stop, known, until, author, reason) VALUES (%s, %s, %s, %s, %s, %s)",
            [start, stop, now, until, author, reason],
        )
    return marks


def opened(conn: Connection) -> pl.DataFrame:
    """`id`, `start`, `stop`, `known`, `until`, `author`, `reason`: the periods that take readings again."""
    rows = conn.execute(
        "SELECT id, start, stop, known, until, author, reason FROM opened WHERE closed IS NULL ORDER BY start, id"
    ).fetchall()
    times = dict.fromkeys(("start", "stop", "known", "until"), TIME)
    words = dict.fromkeys(("author", "reason"), pl.String())
    return pl.DataFrame(rows, schema={"id": pl.Int32(), **times, **words}, orient="row")


def close(conn: Connection, ids: list[int], now: datetime) -> None:
    """Nothing; these opened periods take no more readings. Call it under `horizon.alone`."""
    conn.execute("UPDATE opened SET closed = %s WHERE id = ANY(%s) AND closed IS NULL", [now, ids])


def move(conn: Connection, time: datetime, now: datetime, author: str) -> None:
    """Nothing; the line is at `time`. Call it under `horizon.alone`."""
    conn.execute("INSERT INTO horizon (time, known, author) VALUES (%s, %s, %s)", [time, now, author])


def holding(conn: Connection, before: datetime, now: datetime, silent: datetime) -> pl.DataFrame:
    """`why` (due, later, episode, backfill), `count`, `start`: what begins before that time and still needs, or may
    change, what lies behind it; a row each, none where there is nothing.

    An open episode whose values ended before `silent` needs nothing any more: it stands on averages, which stay. What
    chunks of a backfill hold is not known before they are read: while any wait, the line stays where it is.
    """
    rows = conn.execute(
        """
        SELECT CASE WHEN due <= %(now)s THEN 'due' ELSE 'later' END AS why, count(*), min(start) FROM stale
        WHERE start < %(before)s GROUP BY 1
        UNION ALL
        SELECT 'episode', count(*), min(time) FROM episode WHERE NOT closed AND time < %(before)s AND stop > %(silent)s
        HAVING count(*) > 0
        UNION ALL
        SELECT 'backfill', count(*), coalesce(
            (SELECT time FROM horizon ORDER BY id DESC LIMIT 1), (SELECT min(first) FROM latest), %(before)s
        ) FROM backfill_chunk c JOIN backfill b ON b.id = c.backfill
        WHERE c.state IN ('waiting', 'running') AND b.cancelled IS NULL HAVING count(*) > 0
        ORDER BY 1
        """,
        {"before": before, "now": now, "silent": silent},
    ).fetchall()
    return pl.DataFrame(rows, schema={"why": pl.String, "count": pl.Int64, "start": TIME}, orient="row")
