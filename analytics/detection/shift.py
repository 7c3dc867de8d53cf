"""A jump off the neighbours: with them at the last reading, off them at this one. It was moved, or it failed.

It reads what `network` says and learns nothing of its own; what builds up over hours is left to that: maybe a plume.
"""

from datetime import timedelta

import numpy as np
import polars as pl

from analytics.detection import network
from analytics.detection._rows import floats, in_order, since
from analytics.frames import SCORES, conform

NAME = "shift"
#: How old the last reading may be, and how far off it may have been, as a share of how far it is now.
REACH = timedelta(hours=3)
WAS = 0.4


def score(steps: pl.DataFrame, fits: pl.DataFrame) -> pl.DataFrame:
    """`frames.SCORES`, a row a step: what `network` says by the `fits`, but 0 where it is beyond the line and did not
    jump there."""
    return over(network.score(steps, fits))


def over(scores: pl.DataFrame) -> pl.DataFrame:
    """The same, of what `network` says."""
    rows = in_order(scores)
    value = floats(rows, "value").copy()
    beyond = np.flatnonzero(value >= 1)
    there = since(rows, REACH, open_=False, some=beyond) < beyond
    jumped = there & (value[beyond - 1] < WAS * value[beyond])
    value[beyond[~jumped]] = 0.0
    made = pl.Series("value", value).fill_nan(None)
    return conform(rows.with_columns(made, pl.lit(NAME).alias("detector")), SCORES)
