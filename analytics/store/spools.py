"""How far each spool is drained, what waits in it, which rejects stand on its records. A spool is known by its door.

A place is a segment and a byte of it, as `analytics.spool.Place` has them; places of one spool are ordered.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

import polars as pl

from analytics.frames import TIME
from analytics.store.connection import Connection
from analytics.store.errors import Passed

Place = tuple[int, int]

_CURSOR = "SELECT segment, byte FROM spool WHERE door = %s"


def cursor(conn: Connection, door: str) -> Place | None:
    """Behind the last record that is in; None before there is one."""
    return _place(conn.execute(_CURSOR, [door]).fetchone())


def hold(conn: Connection, door: str) -> Place | None:
    """`cursor`; until the end of the transaction nobody else moves it, or reads it by this."""
    row = conn.execute(f"{_CURSOR} FOR UPDATE", [door]).fetchone()
    if row is None:
        conn.execute("INSERT INTO spool (door) VALUES (%s) ON CONFLICT DO NOTHING", [door])
        row = conn.execute(f"{_CURSOR} FOR UPDATE", [door]).fetchone()
    return _place(row)


def own(conn: Connection, door: str) -> bool:
    """Whether who has `conn` drains `door` from now on, as long as that lives; not where somebody else does."""
    row = conn.execute("SELECT pg_try_advisory_lock(hashtextextended('spool ' || %s, 0))", [door]).fetchone()
    return row == (True,)


def move(conn: Connection, door: str, place: Place) -> None:
    """Nothing; what is up to `place` is in. Call it in the transaction that saves that.

    Raises `Passed` where the cursor is there or further: somebody else drained it.
    """
    moved = conn.execute(
        """
        INSERT INTO spool AS s (door, segment, byte, moved) VALUES (%s, %s, %s, clock_timestamp())
        ON CONFLICT (door) DO UPDATE SET segment = EXCLUDED.segment, byte = EXCLUDED.byte, moved = EXCLUDED.moved
        WHERE s.segment IS NULL OR (s.segment, s.byte) < (EXCLUDED.segment, EXCLUDED.byte)
        """,
        [door, *place],
    ).rowcount
    if not moved:
        raise Passed(f"{door} is drained further than {place[0]}:{place[1]} by somebody else: it has one owner")


def _place(row: tuple[object, ...] | None) -> Place | None:
    return None if row is None or row[0] is None else (int(str(row[0])), int(str(row[1])))


@dataclass(frozen=True, slots=True)
class Told:
    """What the owner of a spool tells of it; `sync_seconds` [s] and the three before it are sums since it started."""

    bytes: int = 0
    records: int = 0
    oldest: datetime | None = None
    full: bool = False
    appended: int = 0
    refused: int = 0
    syncs: int = 0
    sync_seconds: float = 0.0
    problem: str = ""


def tell(conn: Connection, door: str, told: Told, now: datetime) -> None:
    """Nothing; `told` is what is known of the spool of `door` from `now` on."""
    conn.execute(
        """
        INSERT INTO spool AS s
            (door, told, bytes, records, oldest, "full", appended, refused, syncs, sync_seconds, problem)
        VALUES (%(door)s, %(now)s, %(bytes)s, %(records)s, %(oldest)s, %(full)s, %(appended)s, %(refused)s, %(syncs)s,
                %(sync_seconds)s, %(problem)s)
        ON CONFLICT (door) DO UPDATE SET
            told = EXCLUDED.told, bytes = EXCLUDED.bytes, records = EXCLUDED.records, oldest = EXCLUDED.oldest,
            "full" = EXCLUDED."full", appended = EXCLUDED.appended, refused = EXCLUDED.refused, syncs = EXCLUDED.syncs,
            sync_seconds = EXCLUDED.sync_seconds, problem = EXCLUDED.problem
        """,
        {"door": door, "now": now, **asdict(told)},
    )


#: What `load` gives: of each door what its owner told, and when.
SPOOLS: Mapping[str, pl.DataType] = {
    "door": pl.String(),
    "told": TIME,
    "bytes": pl.Int64(),
    "records": pl.Int64(),
    "oldest": TIME,
    "full": pl.Boolean(),
    "appended": pl.Int64(),
    "refused": pl.Int64(),
    "syncs": pl.Int64(),
    "sync_seconds": pl.Float64(),
    "problem": pl.String(),
}


def load(conn: Connection) -> pl.DataFrame:
    """SPOOLS: the doors whose owner ever told of them, by name."""
    names = ", ".join(f'"{name}"' for name in SPOOLS)
    rows = conn.execute(f"SELECT {names} FROM spool WHERE told IS NOT NULL ORDER BY door").fetchall()
    return pl.DataFrame(rows, schema=dict(SPOOLS), orient="row")


def refused(conn: Connection, door: str, reason: str, source: str | None) -> list[tuple[int, str]]:
    """Id and `origin` of the batches of the spool of `door` that have rejects whose reason begins with `reason`."""
    rows = conn.execute(
        """
        SELECT b.id, b.origin FROM batch b JOIN source s ON s.id = b.source
        WHERE b.rejects > 0 AND b.origin LIKE %(like)s AND (%(source)s::text IS NULL OR s.name = %(source)s)
            AND EXISTS (SELECT FROM reject r WHERE r.batch = b.id AND starts_with(r.reason, %(reason)s))
        ORDER BY b.id
        """,
        {"like": _escaped(door) + " %", "source": source, "reason": reason},
    ).fetchall()
    return [(int(str(number)), str(origin)) for number, origin in rows]


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def withdraw(conn: Connection, batches: Sequence[int], reason: str) -> int:
    """How many rejects of `batches` whose reason begins with `reason` are gone: their records are saved again."""
    return conn.execute(
        "DELETE FROM reject WHERE batch = ANY(%s) AND starts_with(reason, %s)", [list(batches), reason]
    ).rowcount
