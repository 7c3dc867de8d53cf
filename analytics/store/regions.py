"""What regions are made of, and where they lie: episodes of one rule at all stations, and what is kept of regions."""

from datetime import datetime

import polars as pl

from analytics.frames import EPISODES, TIME
from analytics.store import packing
from analytics.store.connection import Connection
from analytics.store.derived import REGION

#: Regions of a rule are made by one transaction at a time, until it ends: (space, rule). The number is "GWre".
_SPACE = 0x47577265


def lock(conn: Connection, rule: int) -> None:
    """Nothing; nobody else makes regions of the rule before this transaction ends. What is read from now on holds all
    that others committed before they let go."""
    conn.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_SPACE, rule])


def episodes(conn: Connection, rule: int, name: str, start: datetime, stop: datetime) -> pl.DataFrame:
    """`frames.EPISODES` of the rule, whose number is given, that touch [`start`, `stop`], at all stations."""
    numbers = {column: dtype for column, dtype in EPISODES.items() if column not in ("rule", "levels")}
    rows = packing.fetch(
        conn,
        f"SELECT {', '.join(numbers)} FROM episode WHERE rule = %s AND stop >= %s AND time <= %s",
        numbers,
        [rule, start, stop],
    )
    return rows.with_columns(pl.lit(name).alias("rule"), pl.lit("[]").alias("levels")).select(list(EPISODES))


def touched(conn: Connection, rule: int, start: datetime, stop: datetime) -> pl.DataFrame:
    """time, stop of the regions kept of the rule that touch [`start`, `stop`]."""
    rows = conn.execute(
        f"SELECT time, stop FROM {REGION.name} WHERE rule = %s AND stop >= %s AND time <= %s", [rule, start, stop]
    ).fetchall()
    return pl.DataFrame(rows, schema={"time": TIME, "stop": TIME}, orient="row")
