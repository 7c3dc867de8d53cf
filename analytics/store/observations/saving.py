"""Readings saved and loaded. Saving twice changes nothing; nothing is overwritten; what is saved marks what is stale.

A saver (`save`), in one transaction:

1. takes a batch id from a sequence, and sets aside what is older than the horizon as rejects `archived`;
2. locks the `latest` rows of its series, in order: savers of one series queue here, others do not meet. What would
   change an approved period is set aside as rejects `approved`;
3. copies what lies past each series' newest time straight into the table (most live rows: nothing to compare);
4. compares the rest with what is stored. The greatest (source priority, revision, value, mark) wins, whatever came
   first (law 2); a loser goes to history, once for each source that said it: another priority may let it win;
5. inserts a stale window for each run of changed readings;
6. takes the ordinal lock and writes the batch row as its last statement. Ordinals so follow commit order without a
   hole: whoever sees ordinal n sees every batch before it, which is what "as of" stands on.

Killed anywhere before the commit, nothing of it exists; killed after, sending it again finds duplicates (law 7).
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime

import polars as pl

from analytics.store import columnstore, horizon, knowledge, ledger, registry, rejects, reviews
from analytics.store.connection import Connection
from analytics.store.errors import NothingAdded
from analytics.store.observations.rows import KEY, READINGS, displace, load_keys
from analytics.store.packing import copy


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
class Saved:
    """What became of the readings (READINGS) of a batch: those that are in none of these are duplicates.

    Of readings that are all the same, sent twice in one batch, only one is new or replaces another; each is held.
    """

    counts: Counts
    new: pl.DataFrame
    replacing: pl.DataFrame
    #: kept as rejects, since their period is
    archived: pl.DataFrame
    approved: pl.DataFrame

    @property
    def changed(self) -> pl.DataFrame:
        """The keys (series, time) of what is new or other."""
        return pl.concat([self.new, self.replacing]).select(KEY)

    @property
    def held(self) -> pl.DataFrame:
        """READINGS and `reason`: what waits until its period is open again."""
        parts = ((self.archived, rejects.ARCHIVED), (self.approved, rejects.APPROVED))
        return pl.concat(rows.with_columns(reason=pl.lit(reason)) for rows, reason in parts)


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
    note: Callable[[Saved], None] = lambda saved: None,
) -> Counts:
    """Counts of one durable batch: `readings` (READINGS) kept by law 2, `refused` (rejects.ROWS) kept as they came.

    `readmitted` are ids of rejects that come back as readings: they go in the same transaction. A `trial`, which its
    caller will undo, does not sign: the ordinal lock would keep every other saver waiting until then. `note` hears in
    the same transaction what became of them.
    """
    # Null and 0 are one revision and must be one in the table too, or it would remember which was sent.
    readings = readings.with_columns(pl.when(pl.col("revision") != 0).then("revision").alias("revision"))
    with conn.transaction():
        if not trial:
            knowledge.hold_priorities(conn)
            horizon.hold(conn)
        readings, closed = _still_open(conn, readings)
        row = conn.execute("SELECT nextval('batch_id')::int4").fetchone()
        assert row is not None
        batch = int(str(row[0]))
        newest = registry.hold(conn, readings["series"].unique().to_list())
        taken, held = _let_in(conn, readings, origin.source)
        best, losers = _best(taken)
        fresh, overlap = _beyond_newest(newest, best)
        verdict = _compare(conn, overlap, origin.source)
        _bury(conn, losers, verdict.losers, batch, origin.source)
        displace(conn, verdict.displacing)
        written = pl.concat([fresh, verdict.new, verdict.displacing.select(*READINGS)]).sort(KEY)
        columnstore.prepare(conn, "observation", written)
        copy(conn, "observation", written.with_columns(pl.lit(batch, pl.Int32).alias("batch")))
        new = pl.concat([fresh, verdict.new])
        _advance_latest(conn, written, new, live=origin.kind == "live")
        ledger.mark_readings(conn, pl.concat([new, verdict.replacing]).select(KEY), now)
        if readmitted:  # first: what is held back once more is there again
            conn.execute("DELETE FROM reject WHERE id = ANY(%s)", [readmitted])
        waiting = (rejects.held(conn, closed, rejects.ARCHIVED), rejects.held(conn, held, rejects.APPROVED))
        rejects.save(conn, pl.concat([refused, *waiting]), origin.source, batch)
        counts = Counts(
            read=readings.height + closed.height + refused.height + missing,
            new=new.height,
            replaced=verdict.replacing.height,
            duplicates=readings.height - held.height - new.height - verdict.replacing.height,
            missing=missing,
            rejects=refused.height + closed.height + held.height,
            conflicts=verdict.conflicts + _conflicts_within(taken, losers),
        ).check()
        note(Saved(counts, new, verdict.replacing, closed, held))
        if not trial:
            _sign(conn, batch, origin, counts)
    return counts


def readmit(conn: Connection, reason: str, windows: pl.DataFrame, now: datetime) -> Counts:
    """Counts of the readings that waited as rejects for `reason` in `windows` (series, start, stop): they are saved."""
    total = Counts()
    for source, page in rejects.held_back(conn, reason, windows):
        rows = page.select(*READINGS)
        nothing = pl.DataFrame(schema=dict(rejects.ROWS))
        origin = Origin(source, "readmitted")
        total += save(conn, rows, nothing, origin, now, readmitted=page["id"].to_list())
    return total


def _let_in(conn: Connection, readings: pl.DataFrame, source: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The `readings` that may come in, and those held back: what lies in an approved period and says anything else than
    what is stored there, or says it with more weight. Their series are locked: no period is approved meanwhile."""
    locked = reviews.approved(conn, readings)
    inside = ledger.inside(readings, locked, "series")
    if inside.is_empty():
        return readings, inside
    said = _compare(conn, inside, source)
    held = pl.concat([said.new, said.displacing, said.losers]).unique()
    return (
        readings.join(held, on=list(READINGS), how="anti", nulls_equal=True),
        readings.join(held, on=list(READINGS), how="semi", nulls_equal=True),
    )


def _still_open(conn: Connection, readings: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """`readings` that may come in, and the others: older than the horizon."""
    line = horizon.load(conn)
    closed = readings.filter(line.closed(pl.col("time")))
    return (readings if closed.is_empty() else readings.filter(~line.closed(pl.col("time")))), closed


def _best(readings: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The winner of each (series, time) of the batch itself, sorted by key; and the rest that differ from it."""
    ordered = readings.sort(KEY)
    same = (pl.col("series") == pl.col("series").shift()) & (pl.col("time") == pl.col("time").shift())
    if not ordered.select(same.any()).item():
        return ordered, ordered.clear()
    distinct = readings.unique().sort(
        *KEY,
        pl.col("revision").fill_null(0),
        "value",
        pl.col("mark").fill_null(-1),
        descending=[False, False, True, True, True],
    )
    best = distinct.unique(KEY, keep="first", maintain_order=True)
    return best, distinct.join(best, on=list(READINGS), how="anti", nulls_equal=True)


def _conflicts_within(readings: pl.DataFrame, losers: pl.DataFrame) -> int:
    if losers.is_empty():
        return 0
    values = (
        readings.join(losers.select(KEY).unique(), on=KEY, how="semi")
        .group_by(*KEY, pl.col("revision").fill_null(0))
        .agg(pl.col("value").n_unique() - 1)
    )
    return int(values["value"].sum())


def _beyond_newest(newest: pl.DataFrame, best: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows past their series' newest time, and the others."""
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
    joined = overlap.join(stored, on=KEY, how="left", suffix="_stored", maintain_order="left")
    new = joined.filter(pl.col("batch").is_null()).select(*READINGS)
    revision, revision_stored = pl.col("revision").fill_null(0), pl.col("revision_stored").fill_null(0)
    there = joined.filter(pl.col("batch").is_not_null())
    senders = knowledge.sources(conn, there["batch"].unique().to_list())
    own = _priority(conn, source)
    # What a trial has saved so far nobody signed: it counts as this source's.
    rank, mine = pl.col("rank").fill_null(own), pl.col("source").fill_null(source) == source
    other = (pl.col("value") != pl.col("value_stored")) | pl.col("mark").ne_missing(pl.col("mark_stored"))
    # Of the many that say exactly what is stored, on a repeat, those of another source are worth keeping.
    differ = there.join(senders, on="batch", how="left", maintain_order="left").filter(
        ~mine | other | (revision != revision_stored)
    )
    wins = _greater(
        (pl.lit(own, pl.Int32), rank),
        (revision, revision_stored),
        (pl.col("value"), pl.col("value_stored")),
        (pl.col("mark").fill_null(-1), pl.col("mark_stored").fill_null(-1)),
    )
    judged = differ.with_columns(wins.alias("wins"), other.alias("other"))
    level = (rank == own) & (revision == revision_stored) & (pl.col("value") != pl.col("value_stored"))
    return _Verdict(
        new=new,
        displacing=judged.filter("wins").select(*READINGS),
        replacing=judged.filter(pl.col("wins") & pl.col("other")).select(*READINGS),
        losers=judged.filter(~pl.col("wins") & (pl.col("other") | ~mine)).select(*READINGS),
        conflicts=int(judged.select(level.sum()).item() or 0),
    )


def _greater(*pairs: tuple[pl.Expr, pl.Expr]) -> pl.Expr:
    """Whether the left tuple is greater than the right, compared as tuples are."""
    out = pl.lit(False)
    for left, right in reversed(pairs):
        out = (left > right) | ((left == right) & out)
    return out


def _priority(conn: Connection, source: int) -> int:
    row = conn.execute("SELECT priority FROM source WHERE id = %s", [source]).fetchone()
    assert row is not None
    return int(str(row[0]))


def _bury(conn: Connection, within: pl.DataFrame, losers: pl.DataFrame, batch: int, source: int) -> None:
    """Losers of this batch into history, each once however often its source sends it."""
    dead = pl.concat([within, losers])
    if dead.is_empty():
        return
    there = load_keys(conn, dead.select(KEY).unique(), "observation_history")
    senders = knowledge.sources(conn, there["batch"].unique().to_list()).filter(pl.col("source") == source)
    there = there.join(senders, on="batch", how="semi")
    missing = dead.unique().join(there, on=list(READINGS), how="anti", nulls_equal=True)
    copy(conn, "observation_history", missing.with_columns(pl.lit(batch, pl.Int32).alias("batch")))


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
    knowledge.lock(conn)
    # A statement of its own: under READ COMMITTED it sees the batch of whoever held the lock before.
    conn.execute(
        f"""
        INSERT INTO batch (id, ordinal, known, source, kind, decoder, origin, sha256,
                           read, new, replaced, duplicates, missing, rejects, conflicts)
        SELECT %(id)s, coalesce(max(ordinal), 0) + 1, {knowledge.TIME}, %(source)s, %(kind)s,
               %(decoder)s, %(place)s, %(sha256)s, %(read)s, %(new)s, %(replaced)s, %(duplicates)s, %(missing)s,
               %(rejects)s, %(conflicts)s
        FROM (SELECT ordinal FROM batch ORDER BY ordinal DESC LIMIT 1) AS last
        """,
        {"id": batch, **asdict(origin), **asdict(counts)},
    )
