"""Windows and cadences in few words."""

import polars as pl

from analytics.frames import TIME
from analytics.store.ledger import WINDOWS
from tests.world import HOUR, T0


def windows(*rows: tuple[int, int, int]) -> pl.DataFrame:
    """WINDOWS of (subject, first hour, last hour)."""
    return pl.DataFrame([(s, T0 + a * HOUR, T0 + b * HOUR) for s, a, b in rows], schema=dict(WINDOWS), orient="row")


def steps(*seconds: int) -> pl.DataFrame:
    """Cadences [s] of subjects 1, 2, ..., and as dense as that, for years."""
    rows = list(enumerate(seconds, start=1))
    schema = {"subject": pl.Int32, "cadence": pl.Int32}
    return pl.DataFrame(rows, schema=schema, orient="row").with_columns(
        pl.col("cadence").cast(pl.Float64).alias("step"),
        pl.lit(T0 - 9999 * HOUR, TIME).alias("first"),
        pl.lit(T0 + 9999 * HOUR, TIME).alias("last"),
    )
