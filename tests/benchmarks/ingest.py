"""Writing readings: COPY packed by NumPy against rows, a save against upserts. `python -m tests.benchmarks.ingest`."""

from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta

import polars as pl

from analytics.store import connection, observations, registry, rejects
from analytics.store.connection import Connection
from analytics.store.observations import READINGS, Origin
from analytics.store.packing import copy
from tests import world
from tests.benchmarks.common import Way, measure, readings, report
from tests.soak.house import house
from tests.soak.rows import names

SERIES, STEPS = 200, 1000
COLUMNS = "time, value, series, batch, mark, revision"
NOTHING = pl.DataFrame(schema=dict(rejects.ROWS))


def main() -> None:
    """Prints two tables."""
    with ExitStack() as stack:
        place = stack.enter_context(house("benchmarks"))
        conns = [
            stack.enter_context(closing(connection.connect(stack.enter_context(place.database())))) for _ in range(2)
        ]
        series, _ = (world.settle_world(conn, names(SERIES), 600) for conn in conns)
        frame, _ = readings(SERIES, STEPS, timedelta(minutes=10))
        known = pl.Series(series, dtype=pl.Int32)
        # In time order, as a network of stations sends.
        frame = frame.with_columns(known.gather(frame["series"] - 1).alias("series")).sort("time", "series")
        _ways_to_copy(conns[0], frame.with_columns(batch=pl.lit(1, pl.Int32), revision=pl.lit(None, pl.Int64)))
        _ways_to_save(conns[0], conns[1], frame.with_columns(revision=pl.lit(None, pl.Int64)).select(*READINGS))


def _ways_to_copy(conn: Connection, frame: pl.DataFrame) -> None:
    """COPY into the observation table, emptied before each way."""
    rows = frame.select(COLUMNS.split(", ")).rows()

    def emptied() -> Connection:
        conn.execute("TRUNCATE observation")
        return conn

    def packed() -> None:
        copy(emptied(), "observation", frame)

    def by_row() -> None:
        with emptied().cursor() as cursor, cursor.copy(f"COPY observation ({COLUMNS}) FROM STDIN".encode()) as out:
            for row in rows:
                out.write_row(row)

    def many() -> None:
        with emptied().transaction(), conn.cursor() as cursor:
            cursor.executemany(f"INSERT INTO observation ({COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s)".encode(), rows)

    seconds = measure({"packing.copy": packed, "psycopg copy.write_row": by_row, "psycopg executemany": many})
    report("readings into the table with its key", frame.height, "rows", seconds)
    emptied()


def _ways_to_save(ours: Connection, theirs: Connection, frame: pl.DataFrame) -> None:
    """A save with comparison, history and marks, against a staging table and ON CONFLICT with none of them."""
    source = registry.source(ours, "benchmark")

    def save() -> None:
        observations.save(ours, frame, NOTHING, Origin(source, "benchmark"), datetime.now(UTC))

    def upsert() -> None:
        with theirs.transaction():
            theirs.execute("CREATE TEMP TABLE staging (LIKE observation) ON COMMIT DROP")
            copy(theirs, "staging", frame.with_columns(batch=pl.lit(1, pl.Int32)))
            theirs.execute(
                "INSERT INTO observation SELECT * FROM staging ON CONFLICT (series, time) DO UPDATE"
                " SET value = EXCLUDED.value, mark = EXCLUDED.mark, revision = EXCLUDED.revision"
                " WHERE (observation.value, observation.mark, observation.revision)"
                " IS DISTINCT FROM (EXCLUDED.value, EXCLUDED.mark, EXCLUDED.revision)"
            )

    def new(conn: Connection, way: Way) -> None:
        world.empty(conn)
        way()

    fresh = measure(
        {
            "observations.save": lambda: new(ours, save),
            "staging table and ON CONFLICT, no history": lambda: new(theirs, upsert),
        }
    )
    report("new readings", frame.height, "rows", fresh)
    again = measure({"observations.save": save, "staging table and ON CONFLICT, no history": upsert})
    report("the same readings again", frame.height, "rows", again)


if __name__ == "__main__":
    main()
