"""Old chunks packed by column, where the server can (TimescaleDB's community edition), and how its jobs fare.

A packed chunk answers as ever, but its rows have no place of their own (ctid), and a statement that does not name their
key by constants unpacks all of it. So rows in it are taken away key by key, and a late one unpacks its neighbours only.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from weakref import WeakKeyDictionary

import polars as pl
from psycopg import sql

from analytics.frames import TIME
from analytics.store.connection import Connection, tier

#: What the rows of a chunk are packed by, table by table: the key but for the time. Rows of a key stay together, so
#: that a late one unpacks its own only.
SEGMENTS: Mapping[str, tuple[str, ...]] = {
    "observation": ("series",),
    "corrected": ("series",),
    "first_verdict": ("series",),
    "verdict": ("series",),
    "average": ("series", "averaging"),
    "assessment": ("station", "averaging", "standard"),
    "score": ("series", "detector"),
}
#: Jobs that start together have met in a deadlock: they start so far apart.
APART = timedelta(minutes=7)


#: What each connection found its server to be: it does not change while it lives.
_ABLE: WeakKeyDictionary[Connection, bool] = WeakKeyDictionary()


def can(conn: Connection) -> bool:
    """Whether this server packs by column."""
    if conn not in _ABLE:
        _ABLE[conn] = tier(conn).name == "community"
    return _ABLE[conn]


def prepare(conn: Connection, table: str, rows: pl.DataFrame) -> datetime | None:
    """Up to when chunks of the table may be packed, where any of `rows` (time) is that old; else None.

    Where it is, this transaction may unpack as much as it needs: the server would stop it at 100,000 rows.
    """
    if rows.is_empty() or not can(conn):
        return None
    row = conn.execute(
        "SELECT max(range_end) FROM timescaledb_information.chunks"
        " WHERE hypertable_schema = 'public' AND hypertable_name = %s AND is_compressed",
        [table],
    ).fetchone()
    before, oldest = (row[0] if row else None), rows["time"].min()
    if before is None or oldest >= before:  # type: ignore[operator]  # times
        return None
    conn.execute("SELECT set_config('timescaledb.max_tuples_decompressed_per_dml_transaction', '0', true)")
    return before  # type: ignore[return-value]  # a time


def split(conn: Connection, table: str, rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Those of `rows` (time) that lie past all packed chunks of the table, and those that may lie in one."""
    before = prepare(conn, table, rows)
    if before is None:
        return rows, rows.clear()
    return rows.filter(pl.col("time") >= before), rows.filter(pl.col("time") < before)


def by_key(rows: pl.DataFrame, key: Sequence[str]) -> Iterator[tuple[sql.Composed, list[object]]]:
    """A condition on `o`, and what it takes, for each set of `rows` whose `key` (the last of it the time) differs in
    the time only."""
    names = key[:-1]
    same = sql.SQL("{} AND o.time = ANY(%s) AND o.time BETWEEN %s AND %s").format(
        sql.SQL(" AND ").join(sql.SQL("o.{} = %s").format(sql.Identifier(name)) for name in names)
    )
    for values, some in rows.group_by(names, maintain_order=True):
        yield same, [*values, some["time"].to_list(), some["time"].min(), some["time"].max()]


def settings(conn: Connection) -> pl.DataFrame:
    """`name`, `days`: the tables that are packed, from what age on; sorted."""
    rows = conn.execute(
        """
        SELECT hypertable_name::text, extract(epoch FROM (config->>'compress_after')::interval)::int8 / 86400
        FROM timescaledb_information.jobs WHERE proc_name IN ('policy_compression', 'policy_columnstore')
            AND hypertable_schema = 'public' ORDER BY 1
        """
    ).fetchall()
    return pl.DataFrame(rows, schema={"name": pl.String, "days": pl.Int64}, orient="row")


def set(conn: Connection, name: str, days: int, now: datetime) -> None:
    """Nothing; chunks of the table older than `days` are packed by a job of the server; 0: no more are."""
    with conn.transaction():
        table = sql.Identifier(name)
        conn.execute("SELECT remove_compression_policy(%s, if_exists => true)", [name])
        if not days:
            return
        conn.execute(
            sql.SQL(
                "ALTER TABLE {} SET (timescaledb.compress, timescaledb.compress_segmentby = {},"
                " timescaledb.compress_orderby = 'time')"
            ).format(table, sql.Literal(", ".join(SEGMENTS[name])))
        )
        start = now + APART * (1 + list(SEGMENTS).index(name))
        conn.execute(
            "SELECT add_compression_policy(%s, compress_after => %s, initial_start => %s)",
            [name, timedelta(days=days), start],
        )


def pack(conn: Connection, name: str, before: datetime) -> int:
    """Number of chunks of the table, older than that time, that are packed now and were not."""
    row = conn.execute(
        "SELECT count(compress_chunk(c, if_not_compressed => true)) FROM show_chunks(%s, older_than => %s) AS c"
        " JOIN timescaledb_information.chunks i ON format('%%I.%%I', i.chunk_schema, i.chunk_name)::regclass = c"
        " WHERE NOT i.is_compressed",
        [name, before],
    ).fetchone()
    return int(str(row[0])) if row else 0


def problems(conn: Connection, since: datetime) -> pl.DataFrame:
    """`job`, `name`, `time`, `problem`: what failed of the server's jobs on our tables since then, newest first.

    `last_run_status` does not tell: PostgreSQL 17.12 with TimescaleDB 2.29 says Failed (24000) of work that is done.
    """
    if tier(conn).timescaledb is None:
        return pl.DataFrame(schema=dict(_PROBLEMS))
    rows = conn.execute(
        """
        SELECT e.job_id, j.hypertable_name::text, e.start_time, concat_ws(' ', e.sqlerrcode, e.err_message)
        FROM timescaledb_information.job_errors e JOIN timescaledb_information.jobs j USING (job_id)
        WHERE e.start_time > %s AND j.hypertable_schema = 'public' AND e.sqlerrcode IS DISTINCT FROM '24000'
        ORDER BY 3 DESC
        """,
        [since],
    ).fetchall()
    return pl.DataFrame(rows, schema=dict(_PROBLEMS), orient="row")


_PROBLEMS: Mapping[str, pl.DataType] = {
    "job": pl.Int32(),
    "name": pl.String(),
    "time": TIME,
    "problem": pl.String(),
}
