"""Cells that could not be kept. The same bad cell again is the same reject.

A reading of an unknown series waits here with its time and value, until its series is registered.
"""

from collections.abc import Iterator, Mapping

import polars as pl
from psycopg import sql

from analytics.frames import REJECTS, TIME
from analytics.store.connection import Connection

#: `frames.REJECTS`, and the reading of a cell that was fine but for its series
ROWS: Mapping[str, pl.DataType] = {
    **REJECTS,
    "time": TIME,
    "value": pl.Float64(),
    "mark": pl.Int16(),
    "revision": pl.Int64(),
    "cadence": pl.Int32(),
}
_PAGE = 500_000


def save(conn: Connection, refused: pl.DataFrame, source: int, batch: int) -> int:
    """Number of rejects that were not there yet."""
    if refused.is_empty():
        return 0
    names = sql.SQL(", ").join(map(sql.Identifier, ROWS))
    # Words travel as CSV: NUL, which text cannot hold, is the only character PostgreSQL would refuse.
    clean = refused.select(
        pl.col(name).str.replace_all("\x00", "�", literal=True) if dtype == pl.String() else pl.col(name)
        for name, dtype in ROWS.items()
    ).unique(maintain_order=True)
    conn.execute(
        sql.SQL("CREATE TEMPORARY TABLE arriving ON COMMIT DROP AS SELECT {} FROM reject WHERE false").format(names)
    )
    with (
        conn.cursor() as cursor,
        cursor.copy(
            sql.SQL("COPY arriving ({}) FROM STDIN (FORMAT csv, NULL '\\N', ENCODING 'UTF8')").format(names)
        ) as out,
    ):
        for block in clean.iter_slices(100_000):
            out.write(
                block.write_csv(
                    include_header=False,
                    quote_style="non_numeric",
                    null_value="\\N",
                    datetime_format="%Y-%m-%dT%H:%M:%S%.6fZ",
                ).encode()
            )
    added = conn.execute(
        sql.SQL(
            # In one order whoever sends: two savers of the same bad cells wait for each other, they do not deadlock.
            "INSERT INTO reject (batch, source, {0}) SELECT %s, %s, {0} FROM arriving"
            " ORDER BY reason, station, channel, stamp, text, mark, revision, cadence"
            " ON CONFLICT (source, digest) DO NOTHING"
        ).format(names),
        [batch, source],
    ).rowcount
    conn.execute("DROP TABLE arriving")
    return added


def waiting(conn: Connection) -> pl.DataFrame:
    """`source`, `station`, `channel`, `cadence`: of the rejects that wait for their series to be registered."""
    rows = conn.execute(
        "SELECT DISTINCT source, station, channel, cadence FROM reject WHERE time IS NOT NULL ORDER BY 1, 2, 3, 4"
    ).fetchall()
    schema = {"source": pl.Int32, "station": pl.String, "channel": pl.String, "cadence": pl.Int32}
    return pl.DataFrame(rows, schema=schema, orient="row")


def readings(conn: Connection, source: int, station: str, channel: str, cadence: int | None) -> Iterator[pl.DataFrame]:
    """`id`, `time`, `value`, `mark`, `revision` of the waiting rejects of one channel, a page at a time.

    The caller deletes each page (by `save`'s `readmitted`) before it asks for the next.
    """
    schema = {"id": pl.Int64(), "time": TIME, "value": pl.Float64(), "mark": pl.Int16(), "revision": pl.Int64()}
    last = 0
    while True:
        rows = conn.execute(
            """
            SELECT id, time, value, mark, revision FROM reject
            WHERE time IS NOT NULL AND source = %s AND station = %s AND channel = %s
                AND cadence IS NOT DISTINCT FROM %s AND id > %s ORDER BY id LIMIT %s
            """,
            [source, station, channel, cadence, last, _PAGE],
        ).fetchall()
        if not rows:
            return
        page = pl.DataFrame(rows, schema=schema, orient="row")
        last = page["id"].max()  # type: ignore[assignment]  # of an int column
        yield page
