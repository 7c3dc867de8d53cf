"""Farther and farther off the neighbours for a day: a sensor that drifts. A plume is not on its way for so long.

It reads what `network` says and learns nothing of its own.
"""

from datetime import timedelta

import numpy as np
import polars as pl

from analytics.detection import network
from analytics.detection._rows import floats, in_order, since
from analytics.frames import SCORES, conform

NAME = "slope"
REACH = timedelta(hours=24)
#: How far off it was so long ago, at least, as a share of how far it is now.
WAS = {timedelta(hours=12): 0.4, REACH: 0.2}


def score(steps: pl.DataFrame, fits: pl.DataFrame) -> pl.DataFrame:
    """`frames.SCORES`, a row a step: what `network` says by the `fits`, but 0 where it is beyond the line and was not
    on its way for a day."""
    return over(network.score(steps, fits))


def over(scores: pl.DataFrame) -> pl.DataFrame:
    """The same, of what `network` says."""
    rows = in_order(scores)
    value, time = floats(rows, "value").copy(), rows["time"].to_physical().to_numpy()
    beyond = np.flatnonzero(value >= 1)
    drifts = np.ones(len(beyond), dtype=bool)
    for ago, share in WAS.items():
        # The first reading that is no older; after a gap there may be none of that time.
        then = since(rows, ago, open_=False, some=beyond)
        drifts &= value[then] >= share * value[beyond]
        drifts &= time[beyond] - time[then] >= ago / timedelta(microseconds=2)
    value[beyond[~drifts]] = 0.0
    made = pl.Series("value", value).fill_nan(None)
    return conform(rows.with_columns(made, pl.lit(NAME).alias("detector")), SCORES)
