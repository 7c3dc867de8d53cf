"""Whether what is derived is what the stages make again, by the same code: each stage is run over sampled days in a
transaction that is undone, and says itself whether it would write anything."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

import polars as pl

from analytics.store import derived, horizon, ledger, registry, terms
from analytics.store.connection import Conflict, Connection
from analytics.store.derived import Table
from analytics.store.doctor import NAMED, Found, Window
from analytics.store.ledger import WINDOWS, Stage, Take
from jobs import chain
from jobs.keep.plan import reach
from jobs.rules import Rules

#: Tables of what is derived.
TABLES = tuple(table for table in vars(derived).values() if isinstance(table, Table))
#: What may lie between the start of a row and the window that changed it: a long episode.
_FAR = timedelta(days=60)
#: An open mark so close to a row may be about it.
_NEAR = timedelta(days=2)
_STATION, _SERIES = "station", "series"


def look(conn: Connection, windows: Sequence[Window], now: datetime) -> Found:
    """What each stage would write in the `windows`, beyond those that are stale or sealed."""
    found = Found()
    for name, (stage, _) in chain.STAGES.items():
        with _undone(conn):
            days = _days(conn, stage, windows)
            free = _free(conn, stage, days)
            if left := days.height - free.height:
                found.left.append(f"{name}: {left} of {days.height} days are stale or sealed, and were left out")
            if free.is_empty():
                continue
            found.looked += free.height
            try:
                found.wrong += _compare(conn, name, free, now)
            except Conflict:
                found.left.append(f"{name}: somebody settled the same days meanwhile")
    return found


@contextmanager
def _undone(conn: Connection) -> Iterator[None]:
    """A transaction that sees the store as of its beginning and leaves no trace."""
    with conn.transaction(force_rollback=True):
        conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        yield


def _days(conn: Connection, stage: Stage, windows: Sequence[Window]) -> pl.DataFrame:
    """WINDOWS of the stage's subjects for the days drawn: series, their stations, or what is derived there."""
    drawn = pl.DataFrame(
        [(item.series, item.station, item.start, item.stop) for item in windows],
        schema={"series": pl.Int32, "station": pl.Int32, "start": WINDOWS["start"], "stop": WINDOWS["stop"]},
        orient="row",
    )
    if stage.name == "derive":
        others = (
            registry.load_series(conn).select("series", "station").join(drawn.select("series"), on="series", how="anti")
        )
        drawn = drawn.drop("series").join(others, on="station")
    return ledger.merge(drawn.select(pl.col(stage.subject).alias("subject"), "start", "stop").unique())


def _free(conn: Connection, stage: Stage, days: pl.DataFrame) -> pl.DataFrame:
    """Those of `days` that no open mark and nothing sealed is near."""
    far = reach(conn)
    around = days.select("subject", pl.col("start") - far, pl.col("stop") + far)
    names = registry.load_series(conn).select("series", "station")
    marks = _marks(conn, names)
    sealed = horizon.sealed(conn).join(days.select(pl.col("subject").unique()), how="cross").select(*WINDOWS)
    if stage.name in ("compare", "derive"):  # they read other series, wherever these are
        touching = days.select(pl.col("subject").unique()).join(marks.select("start", "stop").unique(), how="cross")
    elif stage.subject == _STATION:
        touching = marks.select(pl.col(_STATION).alias("subject"), "start", "stop")
    else:
        touching = marks.join(names, on=_STATION).select(pl.col(_SERIES).alias("subject"), "start", "stop")
    bad = _meeting(around, pl.concat([touching, sealed if stage.sealed else sealed.clear()]))
    return days.join(bad.select("subject", pl.col("start") + far), on=["subject", "start"], how="anti")


def _marks(conn: Connection, names: pl.DataFrame) -> pl.DataFrame:
    """station, start, stop of all open marks."""
    rows = conn.execute("SELECT stage::int4, subject, start, stop FROM stale").fetchall()
    marks = pl.DataFrame(rows, schema={"stage": pl.Int32, **WINDOWS}, orient="row")
    of_stations = [stage.code for stage, _ in chain.STAGES.values() if stage.subject == _STATION]
    at = pl.col("stage").is_in(of_stations)
    series = marks.filter(~at).join(names, left_on="subject", right_on=_SERIES).select(_STATION, "start", "stop")
    return pl.concat([marks.filter(at).select(pl.col("subject").alias(_STATION), "start", "stop"), series])


def _meeting(windows: pl.DataFrame, others: pl.DataFrame) -> pl.DataFrame:
    """Those of `windows` that one of `others` (WINDOWS) overlaps."""
    ordered = others.rename({"start": "from", "stop": "to"})
    met = windows.join(ordered, on="subject").filter(pl.col("from") < pl.col("stop"), pl.col("to") > pl.col("start"))
    return met.select(*WINDOWS).unique()


def _compare(conn: Connection, name: str, days: pl.DataFrame, now: datetime) -> list[str]:
    """What the stage would write, in words."""
    rules = chain.load_rules(conn)
    with conn.transaction(force_rollback=True):
        if not _run(conn, name, days, rules, now):
            return []
    names = registry.load_series(conn).select("series", "station")
    marks, before = _marks(conn, names), _pictures(conn, name, days)
    with conn.transaction(force_rollback=True):
        _run(conn, name, days, rules, now)
        after = _pictures(conn, name, days)
    words = []
    for table in TABLES:
        other = _other(table, before[table.name], after[table.name])
        keys = _unmarked(table, other, names, marks).select(table.key).unique().sort(table.key)
        found = [f"{name}: {table.name} {', '.join(map(str, key))} is not what is made again" for key in keys.rows()]
        words += found[:NAMED] + ([f"... and {len(found) - NAMED} more"] if len(found) > NAMED else [])
    return words


def _run(conn: Connection, name: str, days: pl.DataFrame, rules: list[Rules], now: datetime) -> int:
    """Rows that the stage would write."""
    stage, run = chain.STAGES[name]
    cadences = chain.steps(conn, stage, days["subject"].unique().to_list())
    load = ledger.merge(ledger.widen(days, stage, cadences, stage.back, stage.forward))
    take = Take(conn, stage, now, days, days, load)
    run(take, rules)
    return take.written


def _pictures(conn: Connection, name: str, days: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Table -> its rows in and about the `days`."""
    names = registry.load_series(conn).select("series", "station")
    subject = chain.STAGES[name][0].subject
    wide = days.select(pl.col("subject").alias(subject), pl.col("start") - _FAR, pl.col("stop") + _FAR)
    numbers = pl.DataFrame({"rule": [*terms.numbers(conn, "episode").values()]}, schema={"rule": pl.Int32})
    both = wide.join(names, on=subject).join(numbers, how="cross")  # regions are a rule's
    return {
        table.name: derived.load(conn, table, ledger.merge(_of(both, table.subject)).rename({"subject": table.subject}))
        for table in TABLES
    }


def _of(windows: pl.DataFrame, subject: str) -> pl.DataFrame:
    return windows.select(pl.col(subject).alias("subject"), "start", "stop").unique()


def _other(table: Table, old: pl.DataFrame, new: pl.DataFrame) -> pl.DataFrame:
    """The rows that only one of `old` and `new` has."""
    columns = list(table.columns)
    return pl.concat(
        [
            old.join(new, on=columns, how="anti", nulls_equal=True),
            new.join(old, on=columns, how="anti", nulls_equal=True),
        ]
    )


def _unmarked(table: Table, rows: pl.DataFrame, names: pl.DataFrame, marks: pl.DataFrame) -> pl.DataFrame:
    """The `rows` that no open mark of their station is near: an episode may reach into a stale day."""
    if rows.is_empty():
        return rows
    placed = (rows.join(names, on=_SERIES) if table.subject == _SERIES else rows).with_row_index("row")
    end = pl.col("stop") if "stop" in rows.columns else pl.col("time")
    near = (
        placed.select("row", _STATION, (pl.col("time") - _NEAR).alias("from"), (end + _NEAR).alias("to"))
        .join(marks, on=_STATION)
        .filter(pl.col("from") < pl.col("stop"), pl.col("to") > pl.col("start"))
    )
    return placed.join(near, on="row", how="anti")
