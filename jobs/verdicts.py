"""What became of each row of a block that was saved: law 1, row by row."""

import polars as pl

from analytics.frames import Batch
from analytics.store import registry
from analytics.store.observations import READINGS, Saved

#: Of each row one: in; here before, or weaker than what is; in the place of another value; without a value; not kept;
#: kept aside until its series is registered, or its period open again.
NEW, DUPLICATE, REPLACED, MISSING, REJECTED, WAITING = "new", "duplicate", "replaced", "missing", "rejected", "waiting"
VERDICTS = (NEW, DUPLICATE, REPLACED, MISSING, REJECTED, WAITING)
_SCHEMA = {"row": pl.Int64, "verdict": pl.String, "reason": pl.String}
_KEY = list(READINGS)


def of(batch: Batch, placed: pl.DataFrame, saved: Saved) -> pl.DataFrame:
    """`row` (as the reader places it), `verdict` (VERDICTS) and `reason` (of what is not kept, or waits), by row.

    `batch` says where its rows stand; `placed` are its cells as `Intake.placed` has them. New, duplicate, replaced and
    missing ones are as many as `saved.counts` say; those rejected and waiting together as many as its rejects.
    """
    assert batch.places is not None
    assert batch.vacant is not None
    parts = [
        _cells(placed.with_columns(batch.places.cast(pl.Int64).alias("row")), saved),
        batch.rejects.select(
            pl.col("place").str.extract(r"([0-9]+)$").cast(pl.Int64).alias("row"),
            pl.lit(REJECTED).alias("verdict"),
            "reason",
        ),
        batch.vacant.cast(pl.Int64).alias("row").to_frame().with_columns(verdict=pl.lit(MISSING), reason=pl.lit(None)),
    ]
    return pl.concat(part.select(pl.col(name).cast(kind) for name, kind in _SCHEMA.items()) for part in parts).sort(
        "row"
    )


def _cells(cells: pl.DataFrame, saved: Saved) -> pl.DataFrame:
    """`row`, `verdict`, `reason` of `cells` (READINGS, reason, row)."""
    # As they are kept: of null and 0 there is one.
    cells = cells.with_columns(pl.when(pl.col("revision") != 0).then("revision").alias("revision"))
    known = cells.filter(pl.col("series").is_not_null())
    unknown = cells.filter(pl.col("series").is_null())
    told = pl.concat(
        [
            saved.new.select(*_KEY, verdict=pl.lit(NEW), because=pl.lit(None, pl.String)),
            saved.replacing.select(*_KEY, verdict=pl.lit(REPLACED), because=pl.lit(None, pl.String)),
            saved.held.unique().select(*_KEY, verdict=pl.lit(WAITING), because=pl.format("its period is {}", "reason")),
        ]
    )
    # Of rows that say the same only the first is the one that came in; each is held that is held.
    again = ~pl.struct(_KEY).is_first_distinct() & (pl.col("verdict") != WAITING)
    judged = known.join(told, on=_KEY, how="left", nulls_equal=True, maintain_order="left").select(
        "row",
        pl.when(pl.col("verdict").is_null() | again).then(pl.lit(DUPLICATE)).otherwise("verdict").alias("verdict"),
        pl.col("because").alias("reason"),
    )
    hopeless = pl.col("reason").is_in(registry.HOPELESS)
    lost = pl.when(hopeless).then(pl.lit(REJECTED)).otherwise(pl.lit(WAITING))
    return pl.concat([judged, unknown.select("row", lost.alias("verdict"), "reason")])
