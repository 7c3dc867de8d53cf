"""How the store and its workers are: cheap questions, asked every few seconds whatever the size of the tables."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime

import polars as pl

from analytics.frames import TIME
from analytics.store.connection import Connection
from analytics.store.packing import fetch
from analytics.store.rejects import APPROVED, ARCHIVED

#: What became of a cell: column of `batch` -> its name outside.
OUTCOMES: Mapping[str, str] = {
    "new": "new",
    "replaced": "replaced",
    "duplicates": "duplicate",
    "missing": "missing",
    "rejects": "reject",
}
_SUMS = (*OUTCOMES, "conflicts")
#: Space of the locks of what only one worker does; the number is "GWon".
_ONE = 0x47576F6E
STATES = ("ok", "pending", "firing", "blind", "recovering", "withdrawn")


@contextmanager
def moment(conn: Connection, seconds: int) -> Iterator[None]:
    """A transaction whose statements see the store as it is at one moment, each of them for `seconds` at most."""
    with conn.transaction():
        conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        conn.execute("SELECT set_config('statement_timeout', %s, true)", [f"{seconds}s"])
        yield


def registry_state(conn: Connection) -> object:
    """Something that is another one as soon as stations' series, who speaks, places or the tables in force change."""
    # The transaction that wrote a row last tells of changes in place; these tables are a row a station at most.
    return conn.execute(
        """
        SELECT (SELECT max(id) FROM series), (SELECT max(id) FROM edition),
               (SELECT (count(*), max(xmin::text::int8))::text FROM authority),
               (SELECT (count(*), max(xmin::text::int8))::text FROM membership),
               (SELECT (count(*), max(xmin::text::int8))::text FROM station)
        """
    ).fetchone()


def newest(conn: Connection) -> pl.DataFrame:
    """`series`, `time`, `value`: the newest reading of each series that has any, as it was received."""
    schema = {"series": pl.Int32(), "time": TIME, "value": pl.Float64()}
    return fetch(conn, "SELECT series, time, value FROM latest WHERE time IS NOT NULL", schema)


def batches(conn: Connection, after: int) -> tuple[pl.DataFrame, int]:
    """`kind`, `source` (number), `batches`, `conflicts`, OUTCOMES, `saved`: sums of the batches past the ordinal
    `after`, and when the last of them was; and the last ordinal.

    Ordinals follow commits without a hole: asked again from the last one on, each batch is counted once.
    """
    sums = ", ".join(f"sum({name})::int8" for name in _SUMS)
    rows = conn.execute(
        f"SELECT kind, source, count(*), {sums}, max(known), max(ordinal) FROM batch WHERE ordinal > %s GROUP BY 1, 2",
        [after],
    ).fetchall()
    counts = dict.fromkeys(("batches", *_SUMS), pl.Int64())
    schema = {"kind": pl.String(), "source": pl.Int32(), **counts, "saved": TIME, "last": pl.Int32()}
    found = pl.DataFrame(rows, schema=schema, orient="row")
    return found.drop("last"), max([after, *found["last"].to_list()])


def sources(conn: Connection, most: int) -> dict[int, str]:
    """Names of the first `most` sources by their number: those that come later change nothing of it."""
    rows = conn.execute("SELECT id, name FROM source ORDER BY id LIMIT %s", [most]).fetchall()
    return {int(str(number)): str(name) for number, name in rows}


def oldest_due(conn: Connection, stages: Mapping[str, int], now: datetime) -> pl.DataFrame:
    """`stage`, `settled`: what was due before is done; `now` where nothing is due. One row a stage of `stages`."""
    rows = conn.execute(
        """
        SELECT s.name, coalesce((SELECT min(due) FROM stale WHERE stage = s.code AND due <= %(now)s), %(now)s)
        FROM unnest(%(names)s::text[], %(codes)s::int2[]) AS s (name, code)
        """,
        {"now": now, "names": list(stages), "codes": list(stages.values())},
    ).fetchall()
    return pl.DataFrame(rows, schema={"stage": pl.String, "settled": TIME}, orient="row")


def behind(conn: Connection, now: datetime, since: datetime) -> float:
    """Seconds for which the oldest window has been due of what changed after `since`; 0 where none is."""
    row = conn.execute(
        "SELECT coalesce(extract(epoch FROM %(now)s - min(due)), 0)::float8 FROM stale"
        " WHERE due <= %(now)s AND stop > %(since)s",
        {"now": now, "since": since},
    ).fetchone()
    return float(str(row[0])) if row else 0.0


def backlog(conn: Connection, now: datetime, since: datetime) -> tuple[int, int]:
    """How many windows are due of what changed before `since`, and the hours they span."""
    row = conn.execute(
        "SELECT count(*), coalesce(extract(epoch FROM sum(stop - start)) / 3600, 0)::int8 FROM stale"
        " WHERE due <= %s AND stop <= %s",
        [now, since],
    ).fetchone()
    assert row is not None
    return int(str(row[0])), int(str(row[1]))


def due(conn: Connection, stages: Mapping[str, int], now: datetime) -> pl.DataFrame:
    """`stage`, `due`: how many windows of each of `stages` are due. Costs a look at each window there is."""
    rows = conn.execute(
        """
        SELECT s.name, count(t.id) FROM unnest(%s::text[], %s::int2[]) AS s (name, code)
        LEFT JOIN stale t ON t.stage = s.code AND t.due <= %s GROUP BY 1
        """,
        [list(stages), list(stages.values()), now],
    ).fetchall()
    return pl.DataFrame(rows, schema={"stage": pl.String, "due": pl.Int64}, orient="row")


def rejects(conn: Connection) -> pl.DataFrame:
    """`waiting`: how many readings wait for their series. Costs a look at each."""
    query = "SELECT count(*) FROM reject WHERE time IS NOT NULL AND reason <> ALL(%s)"
    row = conn.execute(query, [[APPROVED, ARCHIVED]]).fetchone()
    return pl.DataFrame([row], schema={"waiting": pl.Int64}, orient="row")


def alarm_states(conn: Connection) -> pl.DataFrame:
    """`state`, `alarms`: of each state, those there are."""
    rows = conn.execute(
        "SELECT s, count(a.rule) FROM unnest(%s::text[]) AS s LEFT JOIN alarm a ON a.state = s GROUP BY 1",
        [list(STATES)],
    ).fetchall()
    return pl.DataFrame(rows, schema={"state": pl.String, "alarms": pl.Int64}, orient="row")


@dataclass(slots=True)
class Done:
    """What was done of a job since it was last recorded. `problem`: why the last run failed, "" where it did not."""

    runs: int = 0
    seconds: float = 0.0
    read: int = 0
    written: int = 0
    failures: int = 0
    succeeded: datetime | None = None
    failed: datetime | None = None
    problem: str = ""

    def __add__(self, later: "Done") -> "Done":
        return Done(
            runs=self.runs + later.runs,
            seconds=self.seconds + later.seconds,
            read=self.read + later.read,
            written=self.written + later.written,
            failures=self.failures + later.failures,
            succeeded=later.succeeded or self.succeeded,
            failed=later.failed or self.failed,
            problem=later.problem,
        )


def only_one(conn: Connection, part: str) -> bool:
    """Whether this connection does the `part` that one worker of a store does; it keeps that until it is closed."""
    row = conn.execute("SELECT pg_try_advisory_lock(%s, hashtext(%s))", [_ONE, part]).fetchone()
    return bool(row and row[0])


def record(conn: Connection, done: Mapping[str, Done]) -> None:
    """Nothing; `done`, by job, is added to what is known of each."""
    rows = [{"job": job, **asdict(item)} for job, item in sorted(done.items())]
    with conn.transaction(), conn.cursor() as cursor:
        cursor.executemany(
            """
            INSERT INTO work AS w (job, runs, seconds, read, written, failures, succeeded, failed, problem)
            VALUES (%(job)s, %(runs)s, %(seconds)s, %(read)s, %(written)s, %(failures)s, %(succeeded)s, %(failed)s,
                    %(problem)s)
            ON CONFLICT (job) DO UPDATE SET
                runs = w.runs + EXCLUDED.runs, seconds = w.seconds + EXCLUDED.seconds, read = w.read + EXCLUDED.read,
                written = w.written + EXCLUDED.written, failures = w.failures + EXCLUDED.failures,
                succeeded = greatest(w.succeeded, EXCLUDED.succeeded), failed = greatest(w.failed, EXCLUDED.failed),
                problem = EXCLUDED.problem
            """,
            rows,
        )


def work(conn: Connection) -> pl.DataFrame:
    """A row a job: `job` and what all workers did of it, as `Done` has it."""
    rows = conn.execute(
        "SELECT job, runs, seconds, read, written, failures, succeeded, failed, problem FROM work ORDER BY job"
    ).fetchall()
    schema: dict[str, pl.DataType] = {
        "job": pl.String(),
        "runs": pl.Int64(),
        "seconds": pl.Float64(),
        "read": pl.Int64(),
        "written": pl.Int64(),
        "failures": pl.Int64(),
        "succeeded": TIME,
        "failed": TIME,
        "problem": pl.String(),
    }
    return pl.DataFrame(rows, schema=schema, orient="row")
