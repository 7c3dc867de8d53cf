"""Who is believed first where sources disagree on one reading: changed by signature, decided again by the ledger.

A change (`change`) signs the new priority and marks every stretch where readings compete; the stage `decide` then looks
at each of them and lets the greatest (source priority, revision, value, mark) win (`decide`), in takes of bounded size.
Between the two the table may still show who won before; "as of" ranks by the priorities of its time and never waits.

No saver may rank by the old priorities and commit after the marks: savers share a lock, a change has it to itself.
Nothing leaves history: what wins again is copied from it, so that every past time can still be decided.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from analytics.frames import TIME
from analytics.store import horizon, knowledge, ledger, observations, registry, reviews, scattered
from analytics.store.connection import Connection
from analytics.store.ledger import WINDOWS
from analytics.store.observations import KEY, STORED
from analytics.store.packing import copy

#: A page of `compare` spans so many series, each for so long.
_SERIES, _SPAN = 100, timedelta(days=28)


def load(conn: Connection) -> pl.DataFrame:
    """`source`, `priority`, `since` it has that (null: ever), `batches`, `last` batch: a row a source, by name."""
    rows = conn.execute(
        """
        SELECT s.name, s.priority, c.since, coalesce(b.batches, 0), b.last FROM source s
        LEFT JOIN (SELECT source, count(*) AS batches, max(known) AS last FROM batch GROUP BY 1) AS b ON b.source = s.id
        LEFT JOIN (
            SELECT subject, max(known) AS since FROM registry_change WHERE fact = 'priority' GROUP BY 1
        ) AS c ON c.subject = s.id
        ORDER BY 1
        """
    ).fetchall()
    schema: dict[str, pl.DataType] = {
        "source": pl.String(),
        "priority": pl.Int32(),
        "since": TIME,
        "batches": pl.Int64(),
        "last": TIME,
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


def changes(conn: Connection, source: str) -> pl.DataFrame:
    """`known`, `before`, `after`, `author`, `reason` of each change of the priority of `source`, oldest first."""
    rows = conn.execute(
        """
        SELECT known, before, after, author, reason FROM registry_change
        WHERE fact = 'priority' AND subject = (SELECT id FROM source WHERE name = %s) ORDER BY known, id
        """,
        [source],
    ).fetchall()
    schema = {
        "known": TIME,
        **dict.fromkeys(("before", "after"), pl.Int32()),
        "author": pl.String(),
        "reason": pl.String(),
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


def contested(conn: Connection) -> pl.DataFrame:
    """WINDOWS of series that hold every reading that ever lost against another."""
    rows = conn.execute(
        """
        SELECT l.series, f.time, g.time + interval '1 us' FROM latest l
        CROSS JOIN LATERAL (SELECT time FROM observation_history WHERE series = l.series ORDER BY time LIMIT 1) AS f
        CROSS JOIN LATERAL (
            SELECT time FROM observation_history WHERE series = l.series ORDER BY time DESC LIMIT 1
        ) AS g
        ORDER BY 1
        """
    ).fetchall()
    return pl.DataFrame(rows, schema=dict(WINDOWS), orient="row")


def decide(take: ledger.Take) -> pl.DataFrame:
    """`series`, `time` of the readings in the take's windows that say something else now.

    What is approved stays as it was decided then: it changes only where it was sealed at that time (`again`).
    """
    registry.hold(take.conn, take.affected["subject"].unique().to_list())  # savers of these series wait
    contest = observations.ranked(take.conn, _contest(take.conn, take.affected), take.affected)
    take.read += contest.height
    changed, written = _let_win(take.conn, contest)
    take.written += written
    return changed


def again(conn: Connection, windows: pl.DataFrame, now: datetime) -> None:
    """Nothing; in `windows` (series first, start, stop) it is decided by today's priorities, approved or not.

    For whoever approves a period, or opens an approved one, in the same transaction: what is decided from then on, and
    as of then, is decided by these. It begins with `knowledge.hold_priorities` and `horizon.hold`, before any row is
    locked. What is sealed changes no more: should it be restored, the stage does it.
    """
    merged = ledger.merge(windows.rename({windows.columns[0]: "subject"}))
    registry.hold(conn, merged["subject"].unique().to_list())
    sealed = merged.select(pl.col("subject").unique()).join(horizon.sealed(conn), how="cross")
    changed, _ = _let_win(conn, _today(conn, _contest(conn, horizon.without(merged, sealed))))
    ledger.mark_readings(conn, changed, now)


def _let_win(conn: Connection, contest: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """`series`, `time` of the readings that say something else now, and how many were exchanged."""
    won, lost = _exchange(contest)
    observations.remove(conn, lost)
    history = contest.filter(~pl.col("stored"))
    copy(conn, "observation_history", lost.join(history, on=list(STORED), how="anti", nulls_equal=True).select(*STORED))
    copy(conn, "observation", won.select(*STORED).sort(KEY))
    conn.execute(
        """
        UPDATE latest l SET value = w.value, mark = w.mark
        FROM unnest(%s::int4[], %s::timestamptz[], %s::float8[], %s::int2[]) AS w (series, time, value, mark)
        WHERE l.series = w.series AND l.time = w.time
        """,
        [won[name].to_list() for name in ("series", "time", "value", "mark")],
    )
    return _other(won, lost).select(KEY), won.height


def _contest(conn: Connection, windows: pl.DataFrame) -> pl.DataFrame:
    """STORED and `stored` of all readings of each (series, time) in `windows` that anything lost to."""
    history = scattered.fetch(conn, "observation_history", "series", windows, STORED)
    keys = history.select(KEY).unique()
    # Where nothing is stored, it was archived: history alone cannot say who would win.
    stored = observations.load_keys(conn, keys).join(keys, on=KEY, how="semi")
    history = history.join(stored, on=KEY, how="semi")
    return pl.concat([stored.with_columns(stored=pl.lit(True)), history.with_columns(stored=pl.lit(False))])


def _today(conn: Connection, contest: pl.DataFrame) -> pl.DataFrame:
    """`contest` with `source` and `rank` by the priorities of today."""
    senders = knowledge.sources(conn, contest["batch"].unique().to_list())
    return contest.join(senders, on="batch", maintain_order="left")


def _exchange(contest: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """What of `contest` is not stored and wins; and what is stored in its place."""
    won = observations.winners(contest).filter(~pl.col("stored"))
    return won, contest.filter("stored").join(won, on=KEY, how="semi")


def _other(won: pl.DataFrame, lost: pl.DataFrame) -> pl.DataFrame:
    """Those of `won` that say something else than what they replace."""
    return won.join(lost, on=["series", "time", "value", "mark"], how="anti", nulls_equal=True)


@dataclass(slots=True)
class Difference:
    """What other priorities would change: `readings` of `series`, of the `contested` ones."""

    contested: int = 0
    readings: int = 0
    series: int = 0


def compare(conn: Connection, priorities: Mapping[str, int]) -> Difference:
    """What would change if the sources of `priorities` had these, where it is not approved; nothing is changed."""
    rows = conn.execute("SELECT id, name FROM source WHERE name = ANY(%s)", [list(priorities)]).fetchall()
    ranks = {number: priorities[str(name)] for number, name in rows}
    found, changed = Difference(), set[int]()
    for windows in _pages(contested(conn)):
        contest = _today(conn, _contest(conn, windows))
        rank = pl.col("source").replace_strict(ranks, default=pl.col("rank"), return_dtype=pl.Int32)
        other = _other(*_exchange(contest.with_columns(rank.alias("rank"))))
        kept = ledger.inside(other, reviews.approved(conn, other), "series")
        other = other.join(kept.select(KEY), on=KEY, how="anti")
        found.contested += contest.select(KEY).n_unique()
        found.readings += other.height
        changed.update(other["series"].unique().to_list())
    found.series = len(changed)
    return found


def _pages(windows: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """`windows` (WINDOWS) in parts that fit in memory."""
    for some in windows.iter_slices(_SERIES):
        ends = some.select(pl.datetime_range(pl.col("start").min(), pl.col("stop").max(), _SPAN))
        for start in ends.to_series():
            part = some.with_columns(
                pl.max_horizontal("start", pl.lit(start, TIME)), pl.min_horizontal("stop", pl.lit(start + _SPAN, TIME))
            ).filter(pl.col("start") < pl.col("stop"))
            if part.height:
                yield part
