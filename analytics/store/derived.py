"""Verdicts, averages, assessments, scores, episodes: written where they differ from what is stored."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import polars as pl
from psycopg import sql

from analytics.episodes import EVIDENCE as EVIDENCE_COLUMNS
from analytics.frames import ASSESSMENTS, AVERAGES, EPISODES, SCORES, TIME, VERDICTS
from analytics.frames import CORRECTED as CORRECTED_COLUMNS
from analytics.regions import MEMBERS, REGIONS, SHARES
from analytics.store import columnstore, ledger, retention, scattered, terms
from analytics.store.connection import Connection
from analytics.store.packing import array, arrays, copy


@dataclass(frozen=True, slots=True)
class Table:
    """A table of derived rows. `key` begins with the subject and ends with the time; `words` are kept as terms."""

    name: str
    columns: Mapping[str, pl.DataType]
    key: tuple[str, ...]
    words: Mapping[str, str]
    #: replaced rows are kept, with the time they were known from and to
    versioned: bool = False

    @property
    def subject(self) -> str:
        return self.key[0]

    @property
    def stored(self) -> dict[str, pl.DataType]:
        """The columns as they are in the table."""
        return {name: pl.Int16() if name in self.words else dtype for name, dtype in self.columns.items()}


CORRECTED = Table("corrected", CORRECTED_COLUMNS, ("series", "time"), {})
FIRST_VERDICT = Table("first_verdict", VERDICTS, ("series", "time"), {})
VERDICT = Table("verdict", VERDICTS, ("series", "time"), {})
AVERAGE = Table("average", AVERAGES, ("series", "averaging", "time"), {"averaging": "averaging"})
ASSESSMENT = Table(
    "assessment",
    ASSESSMENTS,
    ("station", "averaging", "standard", "time"),
    {"averaging": "averaging", "standard": "standard", "primary": "primary"},
    versioned=True,
)
SCORE = Table("score", SCORES, ("series", "detector", "time"), {"detector": "detector"})
EPISODE = Table("episode", EPISODES, ("station", "rule", "time"), {"rule": "episode"}, versioned=True)
EVIDENCE = Table("episode_evidence", EVIDENCE_COLUMNS, ("station", "rule", "term", "time"), {"rule": "episode"})
SHARE = Table("episode_share", SHARES, ("station", "rule", "time"), {"rule": "episode"})
#: Their subject is the number of a rule (`terms`, `episode`); a member's is the key of its region besides.
_REGION = {"rule": pl.Int32(), "station": pl.Int32(), "time": TIME}
REGION = Table(
    "region",
    _REGION | {name: dtype for name, dtype in REGIONS.items() if name not in ("region", *_REGION)},
    ("rule", "station", "time"),
    {},
    versioned=True,
)
MEMBER = Table(
    "region_member",
    _REGION
    | {"member": pl.Int32(), "since": TIME}
    | {name: dtype for name, dtype in MEMBERS.items() if name not in ("region", *_REGION)},
    ("rule", "station", "member", "time"),
    {},
)


def load(
    conn: Connection,
    table: Table,
    windows: pl.DataFrame,
    only: Mapping[str, list[str]] | None = None,
    *,
    known: datetime | None = None,
) -> pl.DataFrame:
    """The rows of `table` inside `windows` (subject, start, stop), its columns in words; `only` limits some of them.

    With `known`, the versions people saw at that time; for a versioned table only.
    """
    if known is None:
        rows = _fetch(conn, table, windows, only or {})
    else:
        rows = _fetch_versions(conn, table, windows, only or {}, known)
    for column, kind in table.words.items():
        rows = terms.decode(conn, rows, column, kind)
    return rows


def write(
    take: ledger.Take,
    table: Table,
    computed: pl.DataFrame,
    only: Mapping[str, list[str]] | None = None,
    *,
    windows: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Key columns of the rows that changed: `computed` is now what `table` holds in the take's affected windows, or in
    `windows` where a stage found others (WINDOWS, merged; with a column of the key each speaks only of that).

    `only` says which part of the table this stage answers for (`{"averaging": ["hour"]}`). Rows that are equal are
    left alone, so making something again marks nothing.
    """
    conn = take.conn
    windows = take.affected if windows is None else windows
    by = [name for name in windows.columns if name in table.key]
    rows = _inside(computed, windows, [table.subject, *by])
    for column, kind in table.words.items():
        rows = terms.encode(conn, rows, column, kind)
        windows = terms.encode(conn, windows, column, kind) if column in by else windows
    rows = rows.select(pl.col(name).cast(dtype) for name, dtype in table.stored.items())
    whole = ledger.merge(windows) if by else windows
    stored = _inside(_fetch(conn, table, whole, only or {}), windows, [table.subject, *by])
    if stored.is_empty():
        come, gone = rows, stored
    else:
        come = rows.join(stored, on=list(table.stored), how="anti", nulls_equal=True)
        gone = stored.join(rows, on=list(table.stored), how="anti", nulls_equal=True)
    # One moment: what ends ends when its successor begins, and no time lies between them.
    moment = _clock(conn, table, gone)
    _remove(conn, table, gone, moment)
    come = come.sort(table.key)
    if table.versioned:
        come = come.with_columns(pl.lit(moment, TIME).alias("known"))
    columnstore.prepare(conn, table.name, come)
    copy(conn, table.name, come)
    changed = pl.concat([come.select(table.key), gone.select(table.key)]).unique()
    take.read += stored.height
    take.written += come.height + gone.join(come, on=list(table.key), how="anti").height
    return changed


def _inside(rows: pl.DataFrame, windows: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    """The `rows` whose time lies in a window of theirs."""
    if len(by) == 1:
        return ledger.inside(rows, windows, by[0])
    borders = windows.rename({"subject": by[0], "start": "time"}).select(*by, "time", "stop").sort(*by, "time")
    return (
        rows.sort(*by, "time")
        .join_asof(borders.rename({"stop": "_stop"}), on="time", by=by, strategy="backward", check_sortedness=False)
        .filter(pl.col("time") < pl.col("_stop"))
        .drop("_stop")
    )


def _fetch(conn: Connection, table: Table, windows: pl.DataFrame, only: Mapping[str, list[str]]) -> pl.DataFrame:
    return scattered.fetch(conn, table.name, table.subject, windows, table.stored, _limits(conn, table, only))


def _limits(conn: Connection, table: Table, only: Mapping[str, list[str]]) -> dict[str, list[int]]:
    limits = {}
    for column, names in only.items():
        known = terms.numbers(conn, table.words[column])
        limits[column] = [known.get(name, -1) for name in names]
    return limits


def _fetch_versions(
    conn: Connection, table: Table, windows: pl.DataFrame, only: Mapping[str, list[str]], known: datetime
) -> pl.DataFrame:
    limits = _limits(conn, table, only)
    now = scattered.fetch(conn, table.name, table.subject, windows, {**table.stored, "known": TIME}, limits)
    columns = {**table.stored, "known": TIME, "ended": TIME}
    before = scattered.fetch(conn, f"{table.name}_history", table.subject, windows, columns, limits)
    retention.require_versions(conn, f"{table.name}_history", known)
    seen = pl.col("known") <= known
    found = [now.filter(seen).select(*table.stored), before.filter(seen, pl.col("ended") > known).select(*table.stored)]
    # A settler that commits between the two statements shows the same version in both.
    return pl.concat(found).unique(list(table.key))


def extent(conn: Connection, table: Table, subjects: list[int]) -> pl.DataFrame:
    """`<subject>`, `start`, `stop`: a window that holds every row, present or past, of each subject that has any."""
    tables = [table.name, *([f"{table.name}_history"] if table.versioned else [])]
    rows = conn.execute(
        sql.SQL(
            "SELECT {0}, min(time), max(time) + interval '1 us' FROM ({1}) AS t WHERE {0} = ANY(%s) GROUP BY 1"
        ).format(
            sql.Identifier(table.subject),
            sql.SQL(" UNION ALL ").join(
                sql.SQL("SELECT {}, time FROM {}").format(sql.Identifier(table.subject), sql.Identifier(name))
                for name in tables
            ),
        ),
        [subjects],
    ).fetchall()
    return pl.DataFrame(rows, schema={table.subject: pl.Int32, "start": TIME, "stop": TIME}, orient="row")


def _remove(conn: Connection, table: Table, gone: pl.DataFrame, moment: object) -> None:
    """Nothing; the rows with the keys of `gone` are away, those of a versioned table in its history.

    First where they are, by a look into the index for each, then by their place: in one statement the planner, which
    knows nothing of rows this new, may read whole chunks, or the keys once for each row of a chunk. What is packed by
    column has no place: there by its key.
    """
    if gone.is_empty():
        return
    keys = sql.SQL(", ").join(map(sql.Identifier, table.key))
    match = sql.SQL(" AND ").join(sql.SQL("o.{0} = k.{0}").format(sql.Identifier(name)) for name in table.key)
    places = sql.SQL(
        """
        SELECT found.tableoid, array_agg(found.ctid)::text FROM unnest({}) AS k ({}) CROSS JOIN LATERAL (
            SELECT o.tableoid, o.ctid FROM {} o WHERE {} AND o.time BETWEEN %s AND %s OFFSET 0
        ) AS found GROUP BY 1
        """
    ).format(arrays({name: table.stored[name] for name in table.key}), keys, sql.Identifier(table.name), match)
    there = sql.SQL(
        "DELETE FROM {} o WHERE o.ctid = ANY(%s::tid[]) AND o.tableoid = %s AND o.time BETWEEN %s AND %s"
    ).format(sql.Identifier(table.name))
    last = [moment] if table.versioned else []

    def delete(statement: sql.Composed) -> sql.Composed:
        if not table.versioned:
            return statement
        names = sql.SQL(", ").join(map(sql.Identifier, ["known", *table.stored]))
        return sql.SQL("WITH gone AS ({0} RETURNING o.*) INSERT INTO {1} ({2}, ended) SELECT {2}, %s FROM gone").format(
            statement, sql.Identifier(f"{table.name}_history"), names
        )

    loose, packed = columnstore.split(conn, table.name, gone)
    for some in scattered.by_time(packed):
        for condition, values in columnstore.by_key(some, table.key):
            conn.execute(
                delete(sql.SQL("DELETE FROM {} o WHERE {}").format(sql.Identifier(table.name), condition)),
                [*values, *last],
            )
    for some in scattered.by_time(loose):
        keys_ = [array(some[name]) for name in table.key]
        ends = [some["time"].min(), some["time"].max()]
        for chunk, rows in conn.execute(places, [*keys_, *ends]).fetchall():
            conn.execute(delete(there), [rows, chunk, *ends, *last])


def _clock(conn: Connection, table: Table, gone: pl.DataFrame) -> object:
    """The database's time; where its clock was set back, no earlier than what now ends was known."""
    if not table.versioned or gone.is_empty():
        row = conn.execute("SELECT clock_timestamp()").fetchone()
    else:
        row = conn.execute(
            sql.SQL(
                "SELECT greatest(clock_timestamp(), max(known)) FROM {} WHERE {} = ANY(%s) AND time BETWEEN %s AND %s"
            ).format(sql.Identifier(table.name), sql.Identifier(table.subject)),
            [gone[table.subject].unique().to_list(), gone["time"].min(), gone["time"].max()],
        ).fetchone()
    assert row is not None
    return row[0]


def judged(take: ledger.Take, rules: int, start: object, stop: object) -> None:
    """Nothing; from now on the affected windows, as far as they lie in [start, stop), count as judged under `rules`."""
    windows = take.affected
    take.conn.execute(
        """
        WITH done AS (
            SELECT subject, range_agg(tstzrange(start, stop)) * tstzmultirange(tstzrange(%s, %s)) AS during
            FROM unnest(%s::int4[], %s::timestamptz[], %s::timestamptz[]) AS w (subject, start, stop) GROUP BY subject
        )
        INSERT INTO judged (stage, subject, rules, during) SELECT %s, subject, %s, during FROM done
        ON CONFLICT (stage, subject, rules) DO UPDATE SET during = judged.during + EXCLUDED.during
        WHERE NOT judged.during @> EXCLUDED.during
        """,
        [start, stop, *(array(windows[name]) for name in ledger.WINDOWS), take.stage.code, rules],
    )
