"""A trial of registrations and saves that leaves no trace and keeps nobody waiting.

Tables of this connection alone hide those of the store that a save writes to, as temporary tables do: the registry is
copied, and before each save those stored readings that it may meet. So a trial counts by the code that saves.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import LiteralString

import polars as pl
from psycopg import Cursor, sql

from analytics.store import ledger, scattered
from analytics.store.connection import Connection
from analytics.store.packing import fetch

#: Small enough to be copied whole.
_COPIED = ("source", "station", "series", "membership", "authority", "adoption", "latest")
#: Filled as far as it is needed.
_EMPTY = ("observation", "observation_history", "reject", "stale")
#: New ids go on from those that are there.
_GO_ON = """
    SELECT setval(pg_get_serial_sequence(quote_ident(nspname) || '.{0}', 'id'), (SELECT max(id) FROM public.{0}))
    FROM pg_namespace WHERE oid = pg_my_temp_schema()
"""


@contextmanager
def sandbox(conn: Connection) -> Iterator[None]:
    """Nothing; until the end, what `conn` registers and saves is seen by itself alone, and then gone."""
    try:
        with conn.transaction():
            for name in (*_COPIED, *_EMPTY):
                _execute(conn, "CREATE TEMPORARY TABLE {0} (LIKE public.{0} INCLUDING ALL)", name)
            for name in _COPIED:
                _execute(conn, "INSERT INTO pg_temp.{0} OVERRIDING SYSTEM VALUE SELECT * FROM public.{0}", name)
            for (numbered,) in conn.execute(
                "SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attidentity <> ''"
                " WHERE c.relnamespace = pg_my_temp_schema() AND c.relname = ANY(%s)",
                [list(_COPIED)],
            ).fetchall():
                _execute(conn, _GO_ON, str(numbered))
        yield
    finally:
        if not conn.closed:
            for name in (*_COPIED, *_EMPTY):
                _execute(conn, "DROP TABLE IF EXISTS pg_temp.{0}", name)


def meet(conn: Connection, readings: pl.DataFrame) -> None:
    """Nothing; the stored readings between the first and the last of `readings` (series, time) are in the sandbox,
    but for those that a save displaced there."""
    windows = readings.group_by("series", pl.col("time").dt.truncate("1d").alias("_day")).agg(
        pl.col("time").min().alias("start"), pl.col("time").max().alias("stop")
    )
    for some in scattered.by_time(windows, "start", "stop"):
        conn.execute(
            """
            INSERT INTO pg_temp.observation
            SELECT o.* FROM unnest(%s::int4[], %s::timestamptz[], %s::timestamptz[]) AS w (series, start, stop)
            CROSS JOIN LATERAL (
                SELECT * FROM public.observation p WHERE p.series = w.series AND p.time BETWEEN w.start AND w.stop
                    AND p.time BETWEEN %s AND %s
                OFFSET 0
            ) AS o
            ON CONFLICT DO NOTHING
            """,
            [
                *(some[name].to_list() for name in ("series", "start", "stop")),
                some["start"].min(),
                some["stop"].max(),
            ],
        )


def marked(conn: Connection, stage: ledger.Stage) -> pl.DataFrame:
    """WINDOWS that the saves in the sandbox marked for `stage`, merged."""
    query = "SELECT subject, start, stop FROM pg_temp.stale WHERE stage = %s"
    return ledger.merge(fetch(conn, query, ledger.WINDOWS, [stage.code]))


def _execute(conn: Connection, statement: LiteralString, name: str) -> Cursor[tuple[object, ...]]:
    return conn.execute(sql.SQL(statement).format(sql.Identifier(name)))
