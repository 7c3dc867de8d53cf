"""A level or a salinity less its tide: what wind, rain, gates and the river make of it, on the datum it is measured on.

The tide is a sum of waves of known speeds [°/h] (Schureman 1940); how high each is at this place, and when, is
learned by least squares from the hours of a year, as a dated fit. Of two waves that the span of the hours cannot tell
apart the one that usually matters more is taken and stands for both (Rayleigh's criterion, as Foreman 1977 has it). The
mean level is no part of the tide and stays. The slow changes of the waves over 18.6 years are not modelled: a fit of
every week follows them.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from analytics.frames import TIME
from analytics.tables import NUMBER

#: What a block of the table must have for this method.
ROLES = ("level",)
GIVEN = ()
CONSTANTS: Mapping[str, Any] = {"window": int, "days": int, "hours": int, "rayleigh": NUMBER, "speeds": list}
#: Phases are told from here.
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
HOUR = 3_600_000_000  # [µs]
#: Digits kept of the parts of a wave: a thousand waves of them stay below what `settle` keeps.
DIGITS = 9
_WAVE = pl.Struct({"name": pl.String, "speed": pl.Float64, "cosine": pl.Float64, "sine": pl.Float64})
_BLOB = pl.Struct({"waves": pl.List(_WAVE), "count": pl.Int64})


def reach(constants: Mapping[str, Any]) -> timedelta:
    """An hour is made of itself and what was learned before."""
    return timedelta(0)


def derive(rows: pl.DataFrame, constants: Mapping[str, Any], fits: pl.DataFrame) -> pl.DataFrame:
    """`rows` with `value` [unit of the level], null where no fit holds yet."""
    learned = fits.select(
        pl.col("subject").alias("series"),
        pl.col("valid_from").alias("time").cast(TIME),
        pl.int_range(pl.len(), dtype=pl.Int64).alias("fit"),
        pl.col("blob").cast(pl.String).str.json_decode(_BLOB).struct.field("waves"),
    )
    known = rows.sort("series", "time").join_asof(
        learned.drop("waves").sort("series", "time"), on="time", by="series", check_sortedness=False
    )
    # Added wave by wave in the order of the fit, as whole billionths: an hour's tide does not depend on the others.
    tide = (
        known.select("fit", "time")
        .drop_nulls()
        .unique(maintain_order=True)
        .join(learned.select("fit", "waves").explode("waves", empty_as_null=False).unnest("waves"), on="fit")
        .with_columns(_turn(pl.col("time"), pl.col("speed")).alias("turn"))
        .group_by("fit", "time")
        .agg(
            ((pl.col("cosine") * pl.col("turn").cos() + pl.col("sine") * pl.col("turn").sin()) * 10**DIGITS)
            .round()
            .cast(pl.Int64)
            .sum()
            .alias("tide")
        )
    )
    joined = known.join(tide, on=["fit", "time"], how="left")
    return joined.with_columns((pl.col("level") - pl.col("tide") / 10**DIGITS).alias("value")).drop("fit", "tide")


def fit(hours: pl.DataFrame, constants: Mapping[str, Any]) -> pl.DataFrame:
    """`subject`, `blob`: the waves of each series, as JSON; none of a series with too few hours or too short a span."""
    found = [
        (series, json.dumps(_learn(some, constants)).encode())
        for (series,), some in hours.drop_nulls("value").sort("series", "time").group_by("series", maintain_order=True)
        if some.height >= constants["hours"] and _span(some) >= 24 * constants["days"]
    ]
    return pl.DataFrame(found, schema={"subject": pl.Int32, "blob": pl.Binary}, orient="row")


def _span(hours: pl.DataFrame) -> float:
    """[h]"""
    return float((hours["time"][-1] - hours["time"][0]) / timedelta(hours=1))


def _learn(hours: pl.DataFrame, constants: Mapping[str, Any]) -> dict[str, Any]:
    """What a blob holds, of the hours of one series."""
    waves = apart(constants["speeds"], _span(hours), constants["rayleigh"])
    turns = np.stack([hours.select(_turn(pl.col("time"), pl.lit(speed)))["time"].to_numpy() for _, speed in waves])
    design = np.vstack([np.ones(hours.height), np.cos(turns), np.sin(turns)]).T
    found, *_ = np.linalg.lstsq(design, hours["value"].to_numpy(), rcond=None)
    parts = [round(float(part), DIGITS) + 0.0 for part in found[1:]]
    half = len(waves)
    return {
        "waves": [
            {"name": name, "speed": speed, "cosine": parts[place], "sine": parts[half + place]}
            for place, (name, speed) in enumerate(waves)
        ],
        "count": hours.height,
    }


def apart(speeds: list[tuple[str, float]], span: float, rayleigh: float) -> list[tuple[str, float]]:
    """Those of `speeds` [°/h] that part by `rayleigh` turns in `span` [h] from 0 and from each one taken before."""
    taken: list[tuple[str, float]] = []
    for name, speed in speeds:
        if all(abs(speed - other) * span >= 360 * rayleigh for other in (0.0, *(known for _, known in taken))):
            taken.append((name, speed))
    return taken


def _turn(time: pl.Expr, speed: pl.Expr) -> pl.Expr:
    """[rad] that a wave has turned since the epoch: whole turns are left out before it becomes an angle."""
    hours = (time - pl.lit(EPOCH)).dt.total_microseconds() / HOUR
    return ((hours * speed) % 360).radians()
