"""Detectors as the reports run them: ours as it is shipped, by the clock, and those of others.

A detector takes readings (station, series, parameter, time, value) and gives the same rows in the same order with
`level` and `alarm` (analytics/evaluation/figures.py), and `group` where it says what an alarm is.
"""

from collections.abc import Callable, Mapping

import polars as pl

from analytics import detection, parameters, tables
from analytics.evaluation.nab import Array

Detector = Callable[[pl.DataFrame], pl.DataFrame]

PARAMETERS = parameters.load()
SETTINGS = detection.parse(tables.read(detection.TABLE))
GROUPS = {name: member.group for name, member in detection.MEMBERS.items()}


def shipped(rows: pl.DataFrame) -> pl.DataFrame:
    """`rows` as the shipped configuration judges them."""
    said = detection.replay(rows, PARAMETERS, SETTINGS)
    return said.with_columns(pl.col("by").replace_strict(GROUPS, default=None, return_dtype=pl.String).alias("group"))


def by_series(judge: Callable[[Array], Array]) -> Detector:
    """A detector of one that knows the values of a series only, and has one score."""

    def score(rows: pl.DataFrame) -> pl.DataFrame:
        parts = [
            part.with_columns(pl.Series("level", judge(part["value"].to_numpy())).fill_nan(None))
            for part in rows.with_row_index("row").partition_by("series", maintain_order=True)
        ]
        return pl.concat(parts).sort("row").drop("row").with_columns(pl.col("level").alias("alarm"))

    return score


OURS: Mapping[str, Detector] = {"shipped": shipped}
