"""Noise: levels of day and night × the limits of their zone (GB 3096, GB 12348, GB 22337, GB 12523) -> compliance."""

import polars as pl

from analytics.assessment._common import MICRO, judged, micros, rounded
from analytics.frames import ASSESSMENTS, conform, empty, settle
from analytics.standards import Standards, places

#: The kind of membership that names a station's noise zone: 0, 1, 2, 3, 4a, 4b.
KIND = "noise_zone:"
MEETS, EXCEEDS = 1, 2
USE = ["standard", "parameter", "averaging"]


def assess(averages: pl.DataFrame, stations: pl.DataFrame, standards: Standards) -> pl.DataFrame:
    """Assessments (`frames.ASSESSMENTS`) of levels, by station, standard, averaging and time.

    A row for each (station, standard in force on the local day of `time`, averaging, time) with a limit where the
    station is on that day: in its noise zone, at a boundary, in a room. `averages` and `stations` as
    `assessment.assess` takes them. Levels are held against limits as the standard's rules round them; `class` is 1
    where the limit is met, which equality does, else 2; `exceedance` is that rounded level less the limit [dB],
    negative below it; `primary` is the parameter where it is exceeded.
    """
    limits = standards.noise.drop_nulls("averaging")
    asked = limits.select(USE).unique().join(standards.noise_rules, on="standard")
    rows = judged(averages, stations, standards, asked.select(*USE, "decimals"))
    if rows.is_empty():
        return empty(ASSESSMENTS)
    held = rows.join(_limits(limits, stations, rows.select("station", "day").unique()), on=["station", "day", *USE])
    over = rounded(micros("value"), pl.col("decimals")) - micros("limit")
    made = held.with_columns(
        pl.when(over > 0).then("parameter").alias("primary"),
        pl.when(over > 0).then(EXCEEDS).otherwise(MEETS).alias("class"),
        index=pl.lit(None, pl.Int16),
        count=pl.lit(1),
        exceedance=settle(over / MICRO, 4),
    )
    return conform(made, ASSESSMENTS).sort("station", "standard", "averaging", "time")


def _limits(limits: pl.DataFrame, stations: pl.DataFrame, days: pl.DataFrame) -> pl.DataFrame:
    """station, day, standard, parameter, averaging and the `limit` [dB] there, of several the strictest."""
    there = places(stations, days)
    zones = there.filter(pl.col("place").str.starts_with(KIND)).select(
        "station", "day", zone=pl.col("place").str.strip_prefix(KIND)
    )
    columns = ["station", "day", *USE, "place", "limit"]
    found = pl.concat(
        [
            zones.join(limits, on="zone").select(columns),
            days.join(limits.filter(pl.col("zone").is_null()), how="cross").select(columns),
        ]
    )
    placed = found.join(there, on=["station", "day", "place"], how="semi")
    either = pl.concat([found.filter(pl.col("place").is_null()), placed])
    return either.group_by("station", "day", *USE).agg(pl.col("limit").min())
