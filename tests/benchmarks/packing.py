"""Reading rows into a frame: blocks of bytes against psycopg's rows. `python -m tests.benchmarks.packing`."""

from contextlib import closing
from datetime import timedelta

import polars as pl

from analytics.frames import OBSERVATIONS
from analytics.store import connection
from analytics.store.packing import copy, fetch
from tests.benchmarks.common import measure, readings, report
from tests.soak.house import house

QUERY = "SELECT series, time, value, mark FROM observation"


def main() -> None:
    """Prints the table."""
    with house("benchmarks") as place, place.database() as dsn, closing(connection.connect(dsn)) as conn:
        frame, _ = readings(100, 5000, timedelta(minutes=10))
        copy(conn, "observation", frame.with_columns(batch=pl.lit(1, pl.Int32)))

        def rows() -> pl.DataFrame:
            return pl.DataFrame(conn.execute(QUERY).fetchall(), schema=dict(OBSERVATIONS), orient="row")

        def binary() -> pl.DataFrame:
            with conn.cursor(binary=True) as cursor:
                return pl.DataFrame(cursor.execute(QUERY).fetchall(), schema=dict(OBSERVATIONS), orient="row")

        def blocks() -> pl.DataFrame:
            return fetch(conn, QUERY, OBSERVATIONS)

        assert blocks().sort("series", "time").equals(rows().sort("series", "time"))
        seconds = measure(
            {"packing.fetch": blocks, "psycopg fetchall": rows, "psycopg fetchall, binary": binary}, times=5
        )
    report("rows of the store into a frame", frame.height, "rows", seconds)


if __name__ == "__main__":
    main()
