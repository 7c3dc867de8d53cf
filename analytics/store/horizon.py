"""The line before which readings are closed, and where readings are gone into an archive.

Three things hang together. Readings older than the *horizon* are refused, but for those of *opened* periods. A piece
of readings that is to be archived is *sealed* first, always so far behind the horizon that nothing which may still
change reads it: a stage that makes rows of readings makes none there. When its files are written and read back, its
rows are *gone*, until they are restored.

Savers, and settlers of such stages, hold the line (`hold`) until they commit; whoever moves it or seals a piece waits
for them (`alone`). So none of them ever finds half of what it counts on, and a sealed piece does not change.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl

from analytics.frames import TIME
from analytics.store.connection import Connection
from analytics.store.errors import Archived

#: Shared by savers and settlers, alone by who moves the line; the number is "GWho".
LOCK = 0x4757686F

#: A row a merged range.
RANGES = {"start": TIME, "stop": TIME}

#: Whether the reading at `time` of a query is closed now.
CLOSED = """
    reject.time < (SELECT time FROM horizon ORDER BY id DESC LIMIT 1)
    AND NOT EXISTS (SELECT FROM opened AS o WHERE o.closed IS NULL AND reject.time >= o.start AND reject.time < o.stop)
"""


@dataclass(frozen=True, slots=True)
class Horizon:
    """The line; `time` None: there is none. `opened`: periods before it that take readings all the same."""

    time: datetime | None = None
    opened: tuple[tuple[datetime, datetime], ...] = ()

    def closed(self, time: pl.Expr) -> pl.Expr:
        """Whether what happened at `time` is closed."""
        if self.time is None:
            return pl.lit(False)
        out = time < self.time
        for start, stop in self.opened:
            out &= ~((time >= start) & (time < stop))
        return out


def hold(conn: Connection) -> None:
    """Nothing; until this transaction ends the line stays where it is, and nothing more is sealed."""
    conn.execute("SELECT pg_advisory_xact_lock_shared(%s)", [LOCK])


def alone(conn: Connection, patience: str = "10s") -> None:
    """Nothing; until this transaction ends nobody saves or settles. Raises `psycopg.errors.LockNotAvailable`."""
    conn.execute("SELECT set_config('lock_timeout', %s, true)", [patience])
    conn.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])


def load(conn: Connection) -> Horizon:
    """The line as it is now. Ask under `hold`."""
    row = conn.execute(
        """
        SELECT (SELECT time FROM horizon ORDER BY id DESC LIMIT 1),
               (SELECT array_agg(start ORDER BY id) FROM opened WHERE closed IS NULL),
               (SELECT array_agg(stop ORDER BY id) FROM opened WHERE closed IS NULL)
        """
    ).fetchone()
    assert row is not None
    time, starts, stops = row
    return Horizon(time, tuple(zip(starts or (), stops or (), strict=True)))  # type: ignore[arg-type,call-overload]  # as the select says


def sealed(conn: Connection) -> pl.DataFrame:
    """RANGES whose readings change no more, be they still here or gone; merged, sorted."""
    rows = conn.execute(
        """
        SELECT lower(r), upper(r) FROM (
            SELECT unnest(range_agg(tstzrange(start, stop))) AS r FROM archive WHERE restored IS NULL
        ) AS merged ORDER BY 1
        """
    ).fetchall()
    return pl.DataFrame(rows, schema=RANGES, orient="row")


def without(windows: pl.DataFrame, holes: pl.DataFrame) -> pl.DataFrame:
    """`windows` (subject, start, stop; merged) less `holes` (the same), sorted."""
    if holes.is_empty() or windows.is_empty():
        return windows
    # Where windows and holes begin and end; a stretch between two such times is kept where a window and no hole is.
    edges = pl.concat(
        some.select(
            "subject",
            pl.col(end).alias("start"),
            pl.lit(step if kind == "inside" else 0, pl.Int32).alias("inside"),
            pl.lit(step if kind == "hole" else 0, pl.Int32).alias("hole"),
        )
        for kind, some in (("inside", windows), ("hole", holes))
        for end, step in (("start", 1), ("stop", -1))
    )
    stretches = (
        edges.group_by("subject", "start")
        .agg(pl.col("inside", "hole").sum())
        .sort("subject", "start")
        .with_columns(
            pl.col("inside", "hole").cum_sum().over("subject"), pl.col("start").shift(-1).over("subject").alias("stop")
        )
    )
    return stretches.filter(pl.col("inside") > 0, pl.col("hole") == 0).select("subject", "start", "stop")


def require_open(conn: Connection, windows: pl.DataFrame) -> None:
    """Nothing, where readings in all of `windows` (start, stop) may change. Raises `Archived`. Ask under `hold`."""
    line = load(conn)
    if line.time is None:
        return
    end = pl.min_horizontal("stop", pl.lit(line.time, TIME))
    free = pl.col("start") >= line.time
    for start, stop in line.opened:
        free |= (pl.col("start") >= start) & (end <= stop)
    shut = windows.filter(~free)
    if shut.height:
        first, last = (f"{time:%Y-%m-%dT%H:%MZ}" for time in shut.select("start", end.alias("end")).row(0))
        raise Archived(
            f"readings before {line.time.astimezone(UTC):%Y-%m-%dT%H:%MZ} are closed: nothing was changed. Open them"
            f" with `greenwatch keep restore --from {first} --to {last}`, or ask for less"
        )


def require(conn: Connection, windows: pl.DataFrame) -> None:
    """Nothing, where all readings of `windows` (series first, start, stop) are here. Raises `Archived`.

    Ask after they were read: rows that go meanwhile are gone by the time of the answer.
    """
    if windows.is_empty():
        return
    series = windows.columns[0]
    row = conn.execute(
        """
        SELECT min(a.start), max(a.stop), count(DISTINCT w.series) FROM archive a
        JOIN archive_series s ON s.archive = a.id
        JOIN unnest(%s::int4[], %s::timestamptz[], %s::timestamptz[]) AS w (series, start, stop)
            ON w.series = s.series AND w.start < a.stop AND w.stop > a.start
        WHERE a.dropped IS NOT NULL AND a.restored IS NULL
        """,
        [windows[name].to_list() for name in (series, "start", "stop")],
    ).fetchone()
    assert row is not None
    start, stop, count = row
    if count:
        first, last = (f"{time.astimezone(UTC):%Y-%m-%dT%H:%MZ}" for time in (start, stop))  # type: ignore[attr-defined]  # times
        raise Archived(
            f"readings of {count} series from {first} to {last} that this needs are archived. Bring them back with "
            f"`greenwatch keep restore --from {first} --to {last}`, or ask for less"
        )
