"""Backfills: what was asked for, the chunks it was cut into and how far each is, what each changed."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import polars as pl
from psycopg.types.json import Jsonb

from analytics.frames import TIME
from analytics.store import derivations
from analytics.store.connection import Connection
from analytics.store.errors import StoreError
from analytics.store.observations import Counts
from analytics.store.packing import fetch

STATES = ("waiting", "running", "done", "failed", "cancelled")
#: What a period that is the newest can stand on reaches back so far.
LATELY = timedelta(days=2)
_COUNTS = tuple(asdict(Counts()))
_SUMS = (*_COUNTS, "held")


class Cancelled(StoreError):
    """The backfill was cancelled: nothing more of it is to be saved."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of a backfill: `piece` says what to read, `ask` how; `bites` of it are saved; how often it failed."""

    id: int
    backfill: int
    place: str
    piece: Mapping[str, Any]
    ask: Mapping[str, Any]
    bites: int
    failures: int


def create(conn: Connection, ask: Mapping[str, Any]) -> int:
    """Number of a new backfill of no chunks. From now on it is compared with what was known before."""
    row = conn.execute("INSERT INTO backfill (ask) VALUES (%s) RETURNING id", [Jsonb(dict(ask))]).fetchone()
    assert row is not None
    return int(str(row[0]))


def add(conn: Connection, backfill: int, chunks: Sequence[tuple[str, Mapping[str, Any], int]]) -> list[int]:
    """Ids of the new `chunks` (place, piece, size), in their order."""
    rows = conn.execute(
        """
        INSERT INTO backfill_chunk (backfill, place, piece, size)
        SELECT %s, place, piece, size FROM unnest(%s::text[], %s::jsonb[], %s::int8[]) WITH ORDINALITY
            AS c (place, piece, size, nr) ORDER BY nr
        RETURNING id
        """,
        [
            backfill,
            [place for place, _, _ in chunks],
            [Jsonb(dict(piece)) for _, piece, _ in chunks],
            [size for _, _, size in chunks],
        ],
    ).fetchall()
    return [int(str(row[0])) for row in rows]


def queued(conn: Connection, jobs: Mapping[int, int]) -> None:
    """Nothing; the chunks of `jobs` are handed out by its jobs."""
    conn.execute(
        "UPDATE backfill_chunk c SET job = j.job FROM unnest(%s::int4[], %s::int8[]) AS j (id, job) WHERE c.id = j.id",
        [list(jobs), list(jobs.values())],
    )


def start(conn: Connection, chunk: int, worker: str, version: str) -> Chunk | None:
    """The chunk, which is `worker`'s from now on; None where it is done or cancelled.

    What another `version` saved of it may have been cut otherwise: then it begins anew, which saves nothing twice.
    """
    anew = ", ".join(f"{name} = CASE WHEN version = %(version)s THEN c.{name} ELSE 0 END" for name in _SUMS)
    row = conn.execute(
        f"""
        UPDATE backfill_chunk c SET state = 'running', since = clock_timestamp(), worker = %(worker)s,
            version = %(version)s, bites = CASE WHEN version = %(version)s THEN c.bites ELSE 0 END, {anew}
        FROM backfill b
        WHERE c.id = %(id)s AND b.id = c.backfill AND b.cancelled IS NULL AND c.state NOT IN ('done', 'cancelled')
        RETURNING c.id, c.backfill, c.place, c.piece, b.ask, c.bites, c.failures
        """,
        {"id": chunk, "worker": worker, "version": version},
    ).fetchone()
    return None if row is None else Chunk(*row)  # type: ignore[arg-type]  # as the statement says


def next_bite(conn: Connection, chunk: int) -> int:
    """How many bites of `chunk` are saved; until this transaction ends nobody saves another. Raises `Cancelled`."""
    row = conn.execute(
        """
        SELECT c.bites, b.cancelled IS NULL AND c.state = 'running'
        FROM backfill_chunk c JOIN backfill b ON b.id = c.backfill WHERE c.id = %s FOR UPDATE OF c
        """,
        [chunk],
    ).fetchone()
    if row is None or not row[1]:
        raise Cancelled("the backfill was cancelled")
    return int(str(row[0]))


def bitten(conn: Connection, chunk: Chunk, counts: Counts, held: int, changed: pl.DataFrame, seconds: float) -> None:
    """Nothing; one more bite of `chunk` is saved, which took `seconds`. `changed` are the keys (series, time) of
    readings that are new or other, `held` counts the rejects whose period is closed. In the transaction that saves it.
    """
    spans = changed.group_by("series").agg(pl.col("time").min().alias("start"), pl.col("time").max().alias("stop"))
    conn.execute(
        """
        INSERT INTO backfill_span AS s (backfill, series, start, stop, live, recent)
        SELECT %s, n.series, n.start, n.stop + interval '1 us', l.live,
               CASE WHEN n.stop > clock_timestamp() - %s THEN clock_timestamp() END
        FROM unnest(%s::int4[], %s::timestamptz[], %s::timestamptz[]) AS n (series, start, stop)
        JOIN latest l ON l.series = n.series ORDER BY n.series
        ON CONFLICT (series, backfill) DO UPDATE SET start = least(s.start, EXCLUDED.start),
            stop = greatest(s.stop, EXCLUDED.stop), recent = greatest(s.recent, EXCLUDED.recent)
        """,
        [chunk.backfill, LATELY, *(spans[name].to_list() for name in ("series", "start", "stop"))],
    )
    sums = ", ".join(f"{name} = {name} + %({name})s" for name in _SUMS)
    conn.execute(
        f"UPDATE backfill_chunk SET bites = bites + 1, seconds = seconds + %(seconds)s, {sums} WHERE id = %(id)s",
        {"id": chunk.id, "seconds": seconds, "held": held, **asdict(counts)},
    )


def end(conn: Connection, chunk: int, state: str, problem: str = "") -> None:
    """Nothing; `chunk` has come into `state`: waiting again, done, or failed because of `problem`."""
    conn.execute(
        """
        UPDATE backfill_chunk SET state = %(state)s, since = clock_timestamp(), problem = %(problem)s,
            failures = failures + (%(problem)s <> '')::int
        WHERE id = %(id)s AND state = 'running'
        """,
        {"id": chunk, "state": state, "problem": problem},
    )


def cancel(conn: Connection, backfill: int) -> list[int]:
    """Jobs of the chunks that were still to be read: nothing more of the backfill is saved once this is committed."""
    # One that is done stays so.
    conn.execute(
        """
        UPDATE backfill b SET cancelled = clock_timestamp() WHERE id = %s AND cancelled IS NULL
            AND EXISTS (SELECT FROM backfill_chunk c WHERE c.backfill = b.id AND c.state <> 'done')
        """,
        [backfill],
    )
    rows = conn.execute(
        """
        UPDATE backfill_chunk SET state = 'cancelled', since = clock_timestamp()
        WHERE backfill = %s AND state NOT IN ('done', 'cancelled') RETURNING job
        """,
        [backfill],
    ).fetchall()
    return [int(str(row[0])) for row in rows if row[0] is not None]


def revive(conn: Connection, backfill: int) -> list[int]:
    """Ids of the chunks that failed or were cancelled: they wait again, as if they never had."""
    conn.execute("UPDATE backfill SET cancelled = NULL WHERE id = %s", [backfill])
    rows = conn.execute(
        """
        UPDATE backfill_chunk SET state = 'waiting', since = clock_timestamp(), failures = 0, problem = ''
        WHERE backfill = %s AND state IN ('failed', 'cancelled') RETURNING id
        """,
        [backfill],
    ).fetchall()
    return sorted(int(str(row[0])) for row in rows)


def load(conn: Connection, backfill: int | None = None) -> pl.DataFrame:
    """`backfill`, `begun`, `cancelled`, of all or of one: newest last."""
    rows = conn.execute(
        "SELECT id, begun, cancelled FROM backfill WHERE %(id)s::int4 IS NULL OR id = %(id)s ORDER BY 1",
        {"id": backfill},
    ).fetchall()
    schema = {"backfill": pl.Int32(), "begun": TIME, "cancelled": TIME}
    return pl.DataFrame(rows, schema=schema, orient="row")


def chunks(conn: Connection, backfill: int) -> pl.DataFrame:
    """A row a chunk: `id`, `place`, `size`, `state`, `since`, `worker`, `failures`, `problem`, `bites`, `seconds` and
    the `Counts` of what is saved of it; `held` of its rejects wait because their period is closed."""
    columns: dict[str, pl.DataType] = {
        "id": pl.Int32(),
        "place": pl.String(),
        "size": pl.Int64(),
        "state": pl.String(),
        "since": TIME,
        "worker": pl.String(),
        "failures": pl.Int32(),
        "problem": pl.String(),
        "bites": pl.Int32(),
        "seconds": pl.Float64(),
        **dict.fromkeys(_SUMS, pl.Int64()),
    }
    query = f"SELECT {', '.join(columns)} FROM backfill_chunk WHERE backfill = %s"
    return fetch(conn, query, columns, [backfill]).sort("id")


def spans(conn: Connection, backfill: int) -> pl.DataFrame:
    """`series`, `start`, `stop`: between which times it changed readings."""
    columns = {"series": pl.Int32(), "start": TIME, "stop": TIME}
    return fetch(conn, "SELECT series, start, stop FROM backfill_span WHERE backfill = %s", columns, [backfill])


def filled(conn: Connection, series: list[int], now: datetime) -> pl.DataFrame:
    """`series`, `filled`: no hour that began before then can page, of those of `series` that have lately been changed
    by a backfill, or are made of what has: it had a hand in it, or came when that hour was over."""
    rows = conn.execute(
        f"""
        WITH RECURSIVE {derivations.MADE_OF}
        SELECT m.series, max(greatest(s.stop, s.recent - interval '1 hour'))
        FROM made_of m JOIN backfill_span s ON s.series = m.source
        WHERE s.recent > %(since)s GROUP BY 1
        """,
        {"series": series, "since": now - LATELY},
    ).fetchall()
    return pl.DataFrame(rows, schema={"series": pl.Int32, "filled": TIME}, orient="row")


def sums(conn: Connection) -> tuple[pl.DataFrame, pl.DataFrame]:
    """`state`, `chunks`: those of backfills that are neither done nor cancelled, by state; and `rows`: cells that
    backfills ever read."""
    rows = conn.execute(
        """
        SELECT s, count(c.id) FROM unnest(%s::text[]) AS s LEFT JOIN backfill_chunk c ON c.state = s GROUP BY 1
        """,
        [["waiting", "running", "failed"]],
    ).fetchall()
    read = conn.execute("SELECT coalesce(sum(read), 0)::int8 FROM backfill_chunk").fetchone()
    return (
        pl.DataFrame(rows, schema={"state": pl.String, "chunks": pl.Int64}, orient="row"),
        pl.DataFrame([read], schema={"rows": pl.Int64}, orient="row"),
    )


def workers(conn: Connection, seconds: float) -> int:
    """How many workers that take chunks showed in the last `seconds` that they live."""
    row = conn.execute(
        "SELECT count(*) FROM queue.procrastinate_workers WHERE last_heartbeat > now() - make_interval(secs => %s)",
        [seconds],
    ).fetchone()
    assert row is not None
    return int(str(row[0]))
