"""How far the last six hours are off their hours of the day, on the whole: what is not much, but lasts.

The mean of the scores of robust-seasonal over six hours. A spike is over before it counts; a plateau, a drift or a
flat stretch where there should be a peak is not. It learns nothing of its own.
"""

from datetime import timedelta

import numpy as np
import polars as pl

from analytics.detection import robust_seasonal
from analytics.detection._rows import in_order, since
from analytics.frames import SCORES, conform, settle

NAME = "sustained"
#: How long before a step the readings begin that its score reads.
REACH = timedelta(hours=6)
#: A score counts as this at most, so that a spike is no plateau; scores are added up as whole millionths of the line,
#: which gives the same sum in any order.
MOST, WHOLE = 1000.0, 1_000_000


def score(steps: pl.DataFrame, fits: pl.DataFrame) -> pl.DataFrame:
    """`frames.SCORES`, a row a step: the mean score of the six hours that end with it, null where it has none.

    `fits` are those of robust-seasonal.
    """
    return over(robust_seasonal.score(steps, fits))


def over(scores: pl.DataFrame) -> pl.DataFrame:
    """The same, of what robust-seasonal says."""
    rows = in_order(scores)
    whole = (pl.col("value").clip(0.0, MOST) * WHOLE).round().cast(pl.Int64).fill_null(0)
    sums = np.append(0, rows.select(whole.cum_sum()).to_series().to_numpy())
    stop, start = np.arange(rows.height) + 1, since(rows, REACH, open_=True)
    mean = pl.Series("mean", (sums[stop] - sums[start]) / (stop - start) / WHOLE)
    judged = pl.when(pl.col("value").is_not_null()).then(settle(pl.col("mean"))).alias("value")
    return conform(rows.with_columns(mean).with_columns(judged, pl.lit(NAME).alias("detector")), SCORES)
