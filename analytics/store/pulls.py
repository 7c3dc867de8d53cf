"""What is asked of services: what is registered, how it went, when it is due; and who of the publisher's words is last.

A publisher that corrects a value says nothing of it: the value is just another one when it is asked again. `revised`
tells such a value by what is stored, so that the later word wins whatever its size, and the same word said again
changes nothing.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from analytics.frames import TIME
from analytics.store import knowledge
from analytics.store.connection import Connection
from analytics.store.observations import KEY, READINGS, Counts, load_keys

#: Pulls that are told of one by one, at most: as many metrics each has.
MOST = 200
#: Space of the locks of pulls; the number is "GWpu".
_LOCK = 0x47577075
#: What a time of the next one that lies further ahead says: the clock was set back.
_FARTHEST = timedelta(days=400)


@dataclass(frozen=True, slots=True)
class Pull:
    """One as it is registered and as it went. `every`, `horizon` [s] and `url` None: as the connector has it."""

    name: str
    connector: str
    ids: Mapping[str, str]
    every: int | None
    horizon: int | None
    url: str | None
    on: bool
    succeeded: datetime | None
    due: datetime | None
    failures: int
    problem: str
    #: until when its service is to be left alone, as any pull of it was told
    closed: datetime | None

    def is_due(self, now: datetime) -> bool:
        """Whether it is to be asked now; where the clock was set back, at once."""
        return self.on and not any(when and now < when <= now + _FARTHEST for when in (self.due, self.closed))


def load(conn: Connection) -> list[Pull]:
    """All that are registered, those that wait longest first."""
    rows: list[Any] = conn.execute(
        """
        SELECT p.name, p.connector, p.ids, p.every, p.horizon, p.url, p."on", s.succeeded, s.due,
               coalesce(s.failures, 0), coalesce(s.problem, ''), max(s.closed) OVER (PARTITION BY p.connector, p.url)
        FROM pull p LEFT JOIN pull_state s ON s.pull = p.name ORDER BY s.due NULLS FIRST, p.name
        """
    ).fetchall()
    return [Pull(*row) for row in rows]


@contextmanager
def alone(conn: Connection, name: str) -> Iterator[bool]:
    """Whether nobody else asks for the pull `name` meanwhile."""
    row = conn.execute("SELECT pg_try_advisory_lock(%s, hashtext(%s))", [_LOCK, name]).fetchone()
    held = bool(row and row[0])
    try:
        yield held
    finally:
        if held and not conn.closed:
            conn.execute("SELECT pg_advisory_unlock(%s, hashtext(%s))", [_LOCK, name])


def note(
    conn: Connection,
    name: str,
    began: datetime,
    due: datetime,
    counts: Counts,
    requests: int,
    problem: str = "",
    closed: datetime | None = None,
) -> None:
    """Nothing; how the pull that began then went, and when it is due again. With a `problem` it failed.

    `closed`: until when no pull of this service is to be asked.
    """
    conn.execute(
        """
        INSERT INTO pull_state AS s (pull, tried, succeeded, due, closed, failures, failed, problem, requests, read,
                                     new, replaced, duplicates, missing, rejects)
        VALUES (%(name)s, %(began)s, %(well)s, %(due)s, %(closed)s, %(bad)s, %(bad)s, %(problem)s, %(requests)s,
                %(read)s, %(new)s, %(replaced)s, %(duplicates)s, %(missing)s, %(rejects)s)
        ON CONFLICT (pull) DO UPDATE SET tried = EXCLUDED.tried, succeeded = coalesce(EXCLUDED.succeeded, s.succeeded),
            due = EXCLUDED.due, closed = EXCLUDED.closed,
            failures = CASE WHEN EXCLUDED.failures = 0 THEN 0 ELSE s.failures + 1 END,
            failed = s.failed + EXCLUDED.failed, problem = EXCLUDED.problem, requests = s.requests + EXCLUDED.requests,
            read = s.read + EXCLUDED.read, new = s.new + EXCLUDED.new, replaced = s.replaced + EXCLUDED.replaced,
            duplicates = s.duplicates + EXCLUDED.duplicates, missing = s.missing + EXCLUDED.missing,
            rejects = s.rejects + EXCLUDED.rejects
        """,
        {
            "name": name,
            "began": began,
            "well": None if problem else began,
            "due": due,
            "closed": closed,
            "bad": int(bool(problem)),
            "problem": problem.replace("\0", "\ufffd")[:500],
            "requests": requests,
            **{key: getattr(counts, key) for key in ("read", "new", "replaced", "duplicates", "missing", "rejects")},
        },
    )


def places(conn: Connection) -> dict[str, tuple[float, float]]:
    """Longitude and latitude [°] of the stations that have them, by code."""
    rows: list[Any] = conn.execute(
        "SELECT code, longitude, latitude FROM station WHERE longitude IS NOT NULL AND latitude IS NOT NULL"
    ).fetchall()
    return {code: (longitude, latitude) for code, longitude, latitude in rows}


def stations(conn: Connection) -> dict[str, int]:
    """The numbers of all stations by code."""
    rows: list[Any] = conn.execute("SELECT code, id FROM station").fetchall()
    return dict(rows)


def revised(conn: Connection, readings: pl.DataFrame, source: int, asked: datetime) -> pl.DataFrame:
    """`readings` (READINGS) of the `source`, each with a revision that makes law 2 do what the publisher means.

    What it said before exactly so has the revision that is stored; what it said otherwise has the time when it was
    `asked` [µs]; what is new, or stored as another source says it, has none. Where it says several of one time they
    have one revision, by the greatest of them: that one stands, however often it is asked.
    """
    if readings.is_empty():
        return readings
    stored = load_keys(conn, readings.select(KEY).unique()).unique(KEY)
    senders = knowledge.sources(conn, stored["batch"].unique().to_list())
    own = stored.join(senders, on="batch").filter(pl.col("source") == source)
    joined = readings.join(own.drop("source", "rank"), on=KEY, how="left", suffix="_stored", maintain_order="left")
    mark = pl.col("mark").fill_null(-1)
    stands = [word.sort_by("value", mark).last().over(KEY) for word in (pl.col("value"), mark)]
    same = (stands[0] == pl.col("value_stored")) & (stands[1] == pl.col("mark_stored").fill_null(-1))
    later = pl.max_horizontal(
        pl.lit(int(asked.timestamp() * 1_000_000), pl.Int64), pl.col("revision_stored").fill_null(0) + 1
    )
    return joined.with_columns(
        revision=pl.when(pl.col("batch").is_null())
        .then(pl.lit(None, pl.Int64))
        .when(same)
        .then("revision_stored")
        .otherwise(later)
    ).select(*READINGS)


#: What `told` gives, a row a pull; sums are since the first.
TOLD = {
    "pull": pl.String(),
    "succeeded": TIME,
    "failures": pl.Int64(),
    "failed": pl.Int64(),
    "requests": pl.Int64(),
    "read": pl.Int64(),
    "new": pl.Int64(),
    "replaced": pl.Int64(),
    "rejects": pl.Int64(),
    "due": TIME,
}


def told(conn: Connection) -> pl.DataFrame:
    """TOLD of the first MOST pulls that are on and were ever tried, by name."""
    rows = conn.execute(
        """
        SELECT s.pull, s.succeeded, s.failures::int8, s.failed, s.requests, s.read, s.new, s.replaced, s.rejects, s.due
        FROM pull_state s JOIN pull p ON p.name = s.pull WHERE p."on" ORDER BY 1 LIMIT %s
        """,
        [MOST],
    ).fetchall()
    return pl.DataFrame(rows, schema=TOLD, orient="row")
