"""Our detectors as the report runs them on the labelled sets: as the clock and the stage would, with one setting.

Weekly fits of the `window` days before them, on hourly means; each row has the score of its hour, though the first of
them come up to an hour before it is known.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial

import polars as pl

from analytics import detection, parameters, tables

#: Readings (station, series, parameter, time, value) -> the same rows in the same order, with `score`.
Detector = Callable[[pl.DataFrame], pl.DataFrame]

PARAMETERS = parameters.load()
SETTING = detection.parse(tables.read(detection.TABLE))


def by_the_clock(name: str, rows: pl.DataFrame) -> pl.DataFrame:
    """The detector `name` on `rows`; null where it cannot judge."""
    rows = rows.with_columns(hour=pl.col("time").dt.truncate("1h"))
    number = rows.select("series").unique(maintain_order=True).with_row_index("number")
    number = number.with_columns(pl.col("number").cast(pl.Int32))
    hours = (
        rows.join(number, on="series")
        .group_by("number", "parameter", "hour")
        .agg(pl.col("value").mean())
        .select(series="number", parameter="parameter", time="hour", value="value", offset=pl.lit(0, pl.Int16))
        .sort("series", "time")
    )
    voices = hours.select("series", "parameter", "offset").unique()
    setting, fits = SETTING[name], []
    for start in hours.select(pl.col("time").dt.truncate("1w")).to_series().unique().sort():
        past = hours.filter(pl.col("time").is_between(start - timedelta(days=setting["window"]), start, closed="left"))
        made = detection.LEARNERS[name](past.drop("parameter"), voices, PARAMETERS, setting)
        fits.append(made.with_columns(valid_from=pl.lit(start)))
    scores = detection.DETECTORS[name](hours.drop("parameter"), pl.concat(fits)).join(
        number, left_on="series", right_on="number"
    )
    known = scores.select(series=pl.col("series_right"), hour="time", score="value")
    return rows.join(known, on=["series", "hour"], how="left", maintain_order="left").drop("hour")


OURS: Mapping[str, Detector] = {name: partial(by_the_clock, name) for name in detection.DETECTORS}
