"""How far the last six hours are off their hours of the day, on the whole: what is not much, but lasts.

The mean of the scores of robust-seasonal over six hours. A spike is over before it counts; a plateau, a drift or a
flat stretch where there should be a peak is not. It learns nothing of its own.
"""

from datetime import timedelta

import polars as pl

from analytics.detection import robust_seasonal
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
    rows = robust_seasonal.score(steps, fits).sort("series", "time", maintain_order=True)
    whole = (pl.col("value").clip(0.0, MOST) * WHOLE).round().cast(pl.Int64).fill_null(0).alias("whole")
    total = pl.col("whole").rolling_sum_by("time", window_size=REACH).over("series")
    count = pl.lit(1, pl.Int64).alias("one")
    mean = total / pl.col("one").rolling_sum_by("time", window_size=REACH).over("series") / WHOLE
    judged = rows.with_columns(whole, count).with_columns(
        pl.when(pl.col("value").is_not_null()).then(settle(mean)).alias("value"), pl.lit(NAME).alias("detector")
    )
    return conform(judged, SCORES)
