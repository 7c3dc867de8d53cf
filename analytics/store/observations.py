"""Readings saved and loaded. Saving twice changes nothing; nothing is overwritten; what is saved marks what is stale.

A saver (`save`), in one transaction:

1. takes a batch id from a sequence;
2. locks the `latest` rows of its series, in order: savers of one series queue here, others do not meet;
3. copies what lies past each series' newest time straight into the table (most live rows: nothing to compare);
4. compares the rest with what is stored. The greatest (source priority, revision, value, mark) wins, whatever came
   first (law 2); a loser goes to history;
5. inserts a stale window for each run of changed readings;
6. takes the ordinal lock and writes the batch row as its last statement. Ordinals so follow commit order without a
   hole: whoever sees ordinal n sees every batch before it, which is what "as of" stands on.

Killed anywhere before the commit, nothing of it exists; killed after, sending it again finds duplicates (law 7).
"""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

import polars as pl

from analytics.frames import OBSERVATIONS, TIME
from analytics.store import ledger, rejects
from analytics.store.connection import Connection
from analytics.store.errors import NothingAdded
from analytics.store.packing import copy, fetch

#: What a save compares by: `frames.OBSERVATIONS` and the sender's revision.
READINGS = {**OBSERVATIONS, "revision": pl.Int64()}
_STORED = {**READINGS, "batch": pl.Int32()}
_KEY = ["series", "time"]

#: Savers write their ordinal one at a time; the number is "GWor".
_ORDINAL = 0x47576F72


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the cells read; all but `conflicts` add up to `read` (law 1)."""

    read: int = 0
    new: int = 0
    replaced: int = 0
    duplicates: int = 0
    missing: int = 0
    rejects: int = 0
    #: beside the sum: equal revisions with different values
    conflicts: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(**{name: value + getattr(other, name) for name, value in asdict(self).items()})

    def check(self) -> "Counts":
        """Itself. Raises `NothingAdded` where the counts do not add up."""
        if self.read != self.new + self.replaced + self.duplicates + self.missing + self.rejects:
            raise NothingAdded(f"counts do not add up, nothing was saved: {self}")
        return self


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a batch came from: a source (id), a decoder, a place of the bytes and their hash."""

    source: int
    decoder: str
    place: str = ""
    sha256: str | None = None
    kind: str = "late"


def save(
    conn: Connection,
    readings: pl.DataFrame,
    refused: pl.DataFrame,
    origin: Origin,
    now: datetime,
    *,
    missing: int = 0,
    readmitted: list[int] | None = None,
    trial: bool = False,
) -> Counts:
    """Counts of one durable batch: `readings` (READINGS) kept by law 2, `refused` (rejects.ROWS) kept as they came.

    `readmitted` are ids of rejects that come back as readings: they go in the same transaction. A `trial`, which its
    caller will undo, does not sign: the ordinal lock would keep every other saver waiting until then.
    """
    # Null and 0 are one revision and must be one in the table too, or it would remember which was sent.
    readings = readings.with_columns(pl.when(pl.col("revision") != 0).then("revision").alias("revision"))
    with conn.transaction():
        row = conn.execute("SELECT nextval('batch_id')::int4").fetchone()
        assert row is not None
        batch = int(str(row[0]))
        best, losers = _best(readings)
        fresh, overlap = _beyond_newest(conn, best)
        verdict = _compare(conn, overlap, origin.source)
        _bury(conn, losers, verdict.losers, batch)
        _displace(conn, verdict.displacing)
        written = pl.concat([fresh, verdict.new, verdict.displacing.select(*READINGS)]).sort(_KEY)
        copy(conn, "observation", written.with_columns(pl.lit(batch, pl.Int32).alias("batch")))
        _advance_latest(conn, written, pl.concat([fresh, verdict.new]), live=origin.kind == "live")
        changed = pl.concat([fresh, verdict.new, verdict.replacing]).select(_KEY)
        ledger.mark_readings(conn, changed, now)
        rejects.save(conn, refused, origin.source, batch)
        if readmitted:
            conn.execute("DELETE FROM reject WHERE id = ANY(%s)", [readmitted])
        new = fresh.height + verdict.new.height
        counts = Counts(
            read=readings.height + refused.height + missing,
            new=new,
            replaced=verdict.replacing.height,
            duplicates=readings.height - new - verdict.replacing.height,
            missing=missing,
            rejects=refused.height,
            conflicts=verdict.conflicts + _conflicts_within(readings, losers),
        ).check()
        if not trial:
            _sign(conn, batch, origin, counts)
    return counts


def _best(readings: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The winner of each (series, time) of the batch itself, sorted by key; and the rest that differ from it."""
    ordered = readings.sort(_KEY)
    same = (pl.col("series") == pl.col("series").shift()) & (pl.col("time") == pl.col("time").shift())
    if not ordered.select(same.any()).item():
        return ordered, ordered.clear()
    distinct = readings.unique().sort(
        *_KEY,
        pl.col("revision").fill_null(0),
        "value",
        pl.col("mark").fill_null(-1),
        descending=[False, False, True, True, True],
    )
    best = distinct.unique(_KEY, keep="first", maintain_order=True)
    return best, distinct.join(best, on=list(READINGS), how="anti", nulls_equal=True)


def _conflicts_within(readings: pl.DataFrame, losers: pl.DataFrame) -> int:
    if losers.is_empty():
        return 0
    values = (
        readings.join(losers.select(_KEY).unique(), on=_KEY, how="semi")
        .group_by(*_KEY, pl.col("revision").fill_null(0))
        .agg(pl.col("value").n_unique() - 1)
    )
    return int(values["value"].sum())


def _beyond_newest(conn: Connection, best: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows past their series' newest time, and the others; the series stay locked until the commit."""
    ids = best["series"].unique().sort()
    rows = conn.execute(
        "SELECT series, time FROM latest WHERE series = ANY(%s) ORDER BY series FOR UPDATE", [ids.to_list()]
    ).fetchall()
    if len(rows) != len(ids):
        raise ValueError("a series without a row in `latest`: it was not made by the registry")
    newest = pl.DataFrame(rows, schema={"series": pl.Int32, "newest": TIME}, orient="row")
    past = best.join(newest, on="series", how="left", maintain_order="left")
    fresh = (pl.col("newest").is_null() | (pl.col("time") > pl.col("newest"))).alias("fresh")
    parts = past.with_columns(fresh)
    return (
        parts.filter("fresh").select(*READINGS),
        parts.filter(~pl.col("fresh")).select(*READINGS),
    )


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What the comparison with the store says of the rows that overlap it."""

    new: pl.DataFrame
    #: rows that outrank what is stored; `replacing` are those of them whose value or mark differs
    displacing: pl.DataFrame
    replacing: pl.DataFrame
    losers: pl.DataFrame
    conflicts: int


def _compare(conn: Connection, overlap: pl.DataFrame, source: int) -> _Verdict:
    nothing = overlap.clear()
    if overlap.is_empty():
        return _Verdict(nothing, nothing, nothing, nothing, 0)
    stored = load_keys(conn, overlap)
    joined = overlap.join(stored, on=_KEY, how="left", suffix="_stored", maintain_order="left")
    new = joined.filter(pl.col("batch").is_null()).select(*READINGS)
    revision, revision_stored = pl.col("revision").fill_null(0), pl.col("revision_stored").fill_null(0)
    equal = (
        (pl.col("value") == pl.col("value_stored"))
        & pl.col("mark").eq_missing(pl.col("mark_stored"))
        & (revision == revision_stored)
    )
    # Rows that say exactly what is stored are the many on a repeat: only the others need their source's priority.
    differ = joined.filter(pl.col("batch").is_not_null())
    priorities = _priorities(conn, differ["batch"].unique().to_list(), source)
    own = priorities[None]
    ranks = pl.col("batch").replace_strict(priorities, default=own, return_dtype=pl.Int32)
    differ = differ.with_columns(ranks.alias("rank")).filter(~(equal & (pl.col("rank") >= own)))
    wins = _greater(
        (pl.lit(own, pl.Int32), pl.col("rank")),
        (revision, revision_stored),
        (pl.col("value"), pl.col("value_stored")),
        (pl.col("mark").fill_null(-1), pl.col("mark_stored").fill_null(-1)),
    )
    other = (pl.col("value") != pl.col("value_stored")) | pl.col("mark").ne_missing(pl.col("mark_stored"))
    judged = differ.with_columns(wins.alias("wins"), other.alias("other"))
    level = (pl.col("rank") == own) & (revision == revision_stored) & (pl.col("value") != pl.col("value_stored"))
    return _Verdict(
        new=new,
        displacing=judged.filter("wins").select(*READINGS),
        replacing=judged.filter(pl.col("wins") & pl.col("other")).select(*READINGS),
        losers=judged.filter(~pl.col("wins") & pl.col("other")).select(*READINGS),
        conflicts=int(judged.select(level.sum()).item() or 0),
    )


def _greater(*pairs: tuple[pl.Expr, pl.Expr]) -> pl.Expr:
    """Whether the left tuple is greater than the right, compared as tuples are."""
    out = pl.lit(False)
    for left, right in reversed(pairs):
        out = (left > right) | ((left == right) & out)
    return out


def _priorities(conn: Connection, batches: list[int], source: int) -> dict[int | None, int]:
    """Priority of each batch's source, and of `source` itself under None."""
    rows = conn.execute(
        "SELECT b.id, s.priority FROM batch b JOIN source s ON s.id = b.source WHERE b.id = ANY(%s)"
        " UNION ALL SELECT NULL, priority FROM source WHERE id = %s",
        [batches, source],
    ).fetchall()
    return dict(rows)  # type: ignore[arg-type]  # (int or null, int)


def load_keys(conn: Connection, keys: pl.DataFrame) -> pl.DataFrame:
    """The stored rows of about `keys` (series, time): READINGS and `batch`, at least all those asked for.

    Where the keys lie close together their whole stretch is read at once; where they are scattered each is looked up.
    """
    stretches = keys.group_by("series").agg(
        pl.col("time").min().alias("start"), pl.col("time").max().alias("stop"), pl.len().alias("rows")
    )
    span = (stretches["stop"] - stretches["start"]).dt.total_seconds() / 60
    dense = stretches.filter(span <= 60 * stretches["rows"])
    scattered = keys.join(dense, on="series", how="anti")
    parts = []
    if dense.height:
        windows = dense.with_columns((pl.col("stop") + pl.duration(microseconds=1)).alias("stop"))
        parts.append(ledger.fetch_windows(conn, "observation", "series", windows, _STORED))
    query = """
        SELECT o.* FROM observation o JOIN unnest(%s::int4[], %s::timestamptz[]) AS k (series, time)
        USING (series, time) WHERE o.time BETWEEN %s AND %s
    """
    parts.extend(fetch(conn, query, _STORED, _keys(some)) for some in ledger.by_time(scattered))
    return pl.concat(parts) if parts else pl.DataFrame(schema=_STORED)


def _keys(rows: pl.DataFrame) -> list[object]:
    """Series, times, first and last time of `rows`, as statements on keys take them."""
    return [rows["series"].to_list(), rows["time"].to_list(), rows["time"].min(), rows["time"].max()]


def _bury(conn: Connection, within: pl.DataFrame, losers: pl.DataFrame, batch: int) -> None:
    """Losers of this batch into history, each once however often it is sent."""
    dead = pl.concat([within, losers])
    if dead.is_empty():
        return
    query = """
        SELECT h.* FROM observation_history h JOIN (
            SELECT DISTINCT * FROM unnest(%s::int4[], %s::timestamptz[])
        ) AS k (series, time) USING (series, time) WHERE h.time BETWEEN %s AND %s
    """
    there = fetch(conn, query, _STORED, _keys(dead))
    missing = dead.unique().join(there, on=list(READINGS), how="anti", nulls_equal=True)
    copy(conn, "observation_history", missing.with_columns(pl.lit(batch, pl.Int32).alias("batch")))


def _displace(conn: Connection, displacing: pl.DataFrame) -> None:
    """The stored rows of these keys moved to history as they are, with the batch that brought them."""
    for some in ledger.by_time(displacing):
        conn.execute(
            """
            WITH gone AS (
                DELETE FROM observation o USING unnest(%s::int4[], %s::timestamptz[]) AS k (series, time)
                WHERE o.series = k.series AND o.time = k.time AND o.time BETWEEN %s AND %s
                RETURNING o.time, o.value, o.series, o.batch, o.mark, o.revision
            )
            INSERT INTO observation_history (time, value, series, batch, mark, revision) SELECT * FROM gone
            """,
            _keys(some),
        )


def _advance_latest(conn: Connection, written: pl.DataFrame, added: pl.DataFrame, *, live: bool) -> None:
    rows = added.group_by("series").agg(pl.col("time").min().alias("first"), pl.len().alias("rows"))
    newest = written.group_by("series").last().join(rows, on="series", how="left")
    if newest.height:
        conn.execute(
            """
            UPDATE latest l SET rows = l.rows + coalesce(n.rows, 0), first = least(l.first, n.first),
                value = CASE WHEN l.time > n.time THEN l.value ELSE n.value END,
                mark = CASE WHEN l.time > n.time THEN l.mark ELSE n.mark END,
                live = CASE WHEN %s THEN greatest(l.live, n.time) ELSE l.live END,
                time = greatest(l.time, n.time)
            FROM unnest(%s::int4[], %s::timestamptz[], %s::float8[], %s::int2[], %s::timestamptz[], %s::int8[])
                AS n (series, time, value, mark, first, rows)
            WHERE l.series = n.series
            """,
            [live, *(newest[name].to_list() for name in ("series", "time", "value", "mark", "first", "rows"))],
        )


def _sign(conn: Connection, batch: int, origin: Origin, counts: Counts) -> None:
    """The batch row, last of all: its ordinal is the next one, its time never before its predecessor's."""
    conn.execute("SELECT pg_advisory_xact_lock(%s)", [_ORDINAL])
    # A statement of its own: under READ COMMITTED it sees the batch of whoever held the lock before.
    conn.execute(
        """
        INSERT INTO batch (id, ordinal, known, source, kind, decoder, origin, sha256,
                           read, new, replaced, duplicates, missing, rejects, conflicts)
        SELECT %(id)s, coalesce(max(ordinal), 0) + 1, greatest(clock_timestamp(), max(known)), %(source)s, %(kind)s,
               %(decoder)s, %(place)s, %(sha256)s, %(read)s, %(new)s, %(replaced)s, %(duplicates)s, %(missing)s,
               %(rejects)s, %(conflicts)s
        FROM (SELECT ordinal, known FROM batch ORDER BY ordinal DESC LIMIT 1) AS last
        """,
        {"id": batch, **asdict(origin), **asdict(counts)},
    )


def ordinal_at(conn: Connection, known: datetime) -> int:
    """The last ordinal known at that time; 0 where nothing was."""
    row = conn.execute("SELECT coalesce(max(ordinal), 0) FROM batch WHERE known <= %s", [known]).fetchone()
    assert row is not None
    return int(str(row[0]))


def load(conn: Connection, windows: pl.DataFrame, *, ordinal: int | None = None) -> pl.DataFrame:
    """`frames.OBSERVATIONS` and `revision`, `batch` inside `windows` (series, start, stop); as of `ordinal` if given.

    As of an ordinal the winner of law 2 is chosen among all that was known then, stored or in history.
    """
    if ordinal is None:
        return ledger.fetch_windows(conn, "observation", "series", windows, _STORED)
    known = {
        row[0]: row[1]
        for row in conn.execute(
            "SELECT b.id, s.priority FROM batch b JOIN source s ON s.id = b.source WHERE b.ordinal <= %s", [ordinal]
        )
    }
    everything = pl.concat(
        ledger.fetch_windows(conn, table, "series", windows, _STORED)
        for table in ("observation", "observation_history")
    )
    return (
        everything.filter(pl.col("batch").is_in(list(known)))
        .with_columns(pl.col("batch").replace_strict(known, default=0, return_dtype=pl.Int32).alias("rank"))
        .sort(
            *_KEY,
            "rank",
            pl.col("revision").fill_null(0),
            "value",
            pl.col("mark").fill_null(-1),
            descending=[False, False, True, True, True, True],
        )
        .unique(_KEY, keep="first", maintain_order=True)
        .select(*_STORED)
    )


def extent(conn: Connection, series: list[int]) -> pl.DataFrame:
    """`series`, `start`, `stop`: a window that holds every reading of each series that has any."""
    rows = conn.execute(
        """
        SELECT series, first, time + %s FROM latest WHERE series = ANY(%s) AND time IS NOT NULL
        """,
        [timedelta(microseconds=1), series],
    ).fetchall()
    return pl.DataFrame(rows, schema={"series": pl.Int32, "start": TIME, "stop": TIME}, orient="row")
