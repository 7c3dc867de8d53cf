"""Registered emitters, by how much more often a value is high with the wind from their side than with any other.

One station gives a side, not a place: emitters of one side have the same evidence, and the nearer one stands first.
Several stations give a place, since each sees the true one at another side.
"""

from collections.abc import Mapping
from dataclasses import asdict

import numpy as np
import polars as pl

from analytics.frames import conform, settle
from analytics.hints import chance, winds
from analytics.hints.winds import CALM, FROM, HIGH
from analytics.units import EARTH

#: Something that may emit. `emits` are the parameters it is known for, none of them: anything.
EMITTERS: Mapping[str, pl.DataType] = {
    "emitter": pl.String(),
    "longitude": pl.Float64(),
    "latitude": pl.Float64(),
    "emits": pl.List(pl.String()),
}
#: Where a series is measured, and what it is.
PLACES: Mapping[str, pl.DataType] = {
    "series": pl.Int32(),
    "parameter": pl.String(),
    "longitude": pl.Float64(),
    "latitude": pl.Float64(),
}
#: An emitter as a series sees it: `distance` [km] and `bearing` [°]; the `count` of hours with wind from that side on
#: so many `days`, how many are `high`, the `probability` there and with other winds (`elsewhere`), `lift` the ratio of
#: the two; `z` and `p` of their difference by `chance.contrast`. Null where nothing can be said. Of one `side`, from 1,
#: are those whose bearings cannot be told apart; of none those that are not above chance.
CANDIDATES: Mapping[str, pl.DataType] = {
    "series": pl.Int32(),
    "emitter": pl.String(),
    "distance": pl.Float64(),
    "bearing": pl.Float64(),
    "count": pl.Int32(),
    "days": pl.Int32(),
    "high": pl.Int32(),
    "probability": pl.Float64(),
    "elsewhere": pl.Float64(),
    "lift": pl.Float64(),
    "z": pl.Float64(),
    "p": pl.Float64(),
    "side": pl.Int32(),
}
#: An emitter as all series together see it: `rank` from 1, `seen` by so many of them, `agree` how many of these have it
#: high more often from there; `z` of all (Stouffer: their sum by the root of their number), `nearest` [km].
RANKED: Mapping[str, pl.DataType] = {
    "rank": pl.Int32(),
    "emitter": pl.String(),
    "z": pl.Float64(),
    "seen": pl.Int32(),
    "agree": pl.Int32(),
    "nearest": pl.Float64(),
}
#: How far an emitter is looked for [km], and how far the wind may be off its bearing [°].
REACH, ASIDE = 15.0, 20.0
#: Emitters that are looked at at once: a city has thousands of kitchens, and five years have 44,000 hours.
_BLOCK = 128


def bearings(places: pl.DataFrame, emitters: pl.DataFrame, *, reach: float = REACH) -> pl.DataFrame:
    """series, emitter, distance [km], bearing [°, 0 to 360]: each emitter (`EMITTERS`) within `reach` [km] of a series
    (`PLACES`) that emits what it measures. What has no place is near nothing. Great circle, initial bearing.
    """
    pairs = (
        conform(places, PLACES)
        .drop_nulls(["longitude", "latitude"])
        .join(conform(emitters, EMITTERS).drop_nulls(["longitude", "latitude"]), how="cross", suffix="_of")
        .filter((pl.col("emits").list.len() == 0) | pl.col("emits").list.contains(pl.col("parameter")))
    )
    here, there = (pl.col(name).radians() for name in ("latitude", "latitude_of"))
    east = (pl.col("longitude_of") - pl.col("longitude")).radians()
    half = ((there - here) / 2).sin() ** 2 + here.cos() * there.cos() * (east / 2).sin() ** 2
    way = pl.arctan2(east.sin() * there.cos(), here.cos() * there.sin() - here.sin() * there.cos() * east.cos())
    return (
        pairs.select(
            "series",
            "emitter",
            settle(2 * EARTH * half.clip(0, 1).sqrt().arcsin()).alias("distance"),
            settle(way.degrees() % 360).alias("bearing"),
        )
        .filter(pl.col("distance") <= reach)
        .sort("series", "distance", "emitter")
    )


def candidates(
    rows: pl.DataFrame,
    places: pl.DataFrame,
    emitters: pl.DataFrame,
    *,
    reach: float = REACH,
    aside: float = ASIDE,
    high: float = HIGH,
    calm: float = CALM,
) -> pl.DataFrame:
    """`CANDIDATES` of each series in `rows` (hourly `winds.ROWS`), by series, the likeliest side first, and on it the
    nearest.

    The wind comes from an emitter where it is at most `aside` [°] off its bearing. Above the percentile `high` of its
    series a value is high. That the air needs less than an hour is taken for granted: `reach` over the speed.
    """
    near = bearings(places, emitters, reach=reach)
    hours = winds.marked(winds.placed(rows, calm=calm), high=high)
    parts = [pl.DataFrame(schema=dict(CANDIDATES))]
    for part in hours.join(near, on="series", how="semi").partition_by("series", maintain_order=True):
        found = near.filter(pl.col("series") == part["series"][0])
        parts.append(_seen(part.unique("time", keep="first"), found, aside))
    return pl.concat(parts).sort("series", "side", "distance", "emitter", nulls_last=True)


def ranked(found: pl.DataFrame) -> pl.DataFrame:
    """`RANKED`: the emitters of `CANDIDATES`, all series together, the likeliest first; without a z they come last."""
    together = (
        found.group_by("emitter")
        .agg(
            pl.col("z").sum() / pl.col("z").count().sqrt(),
            pl.len().alias("seen"),
            (pl.col("probability") > pl.col("elsewhere")).sum().alias("agree"),
            pl.col("distance").min().alias("nearest"),
        )
        .with_columns(settle(pl.col("z").fill_nan(None)).alias("z"))
        .sort("z", "nearest", "emitter", descending=[True, False, False], nulls_last=True)
        .with_row_index("rank", offset=1)
    )
    return conform(together, RANKED)


def _seen(hours: pl.DataFrame, near: pl.DataFrame, aside: float) -> pl.DataFrame:
    first, last = hours["time"].min(), hours["time"].max()
    every = pl.DataFrame({"time": pl.datetime_range(first, last, "1h", eager=True)})  # type: ignore[arg-type]  # times
    grid = every.join(hours, on="time", how="left")
    numbers = pl.concat([_told(grid, some, aside) for some in near.iter_slices(_BLOCK)])
    share, elsewhere = pl.col("high") / pl.col("count"), pl.col("other_high") / pl.col("others")
    said = (
        pl.concat([near, numbers], how="horizontal")
        .with_columns(
            pl.when(pl.col("count") > 0).then(settle(share)).alias("probability"),
            pl.when(pl.col("others") > 0).then(settle(elsewhere)).alias("elsewhere"),
            settle(pl.col("z")),
            settle(pl.col("p")),
        )
        .with_columns(
            pl.when(pl.col("elsewhere") > 0).then(settle(pl.col("probability") / pl.col("elsewhere"))).alias("lift")
        )
    )
    return conform(said.with_columns(_sides(said, aside)), CANDIDATES)


def _told(grid: pl.DataFrame, near: pl.DataFrame, aside: float) -> pl.DataFrame:
    """The numbers of `chance.contrast` and `days`, a row an emitter."""
    known = (grid["wind"] == FROM).fill_null(value=False).to_numpy()
    direction = grid["direction"].fill_null(0).to_numpy()
    off = np.abs(near["bearing"].to_numpy()[:, None] - direction[None, :]) % 360
    groups = (np.minimum(off, 360 - off) <= aside) & known
    above = grid["above"].fill_null(value=False).to_numpy()
    valid = grid["value"].is_not_null().to_numpy()
    told = chance.contrast(groups, known, above, valid)
    dates = grid["time"].dt.date().to_numpy()
    days = pl.Series("days", [np.unique(dates[group & valid]).size for group in groups], dtype=pl.Int32)
    return pl.DataFrame([*(pl.Series(name, each, nan_to_null=True) for name, each in asdict(told).items()), days])


def _sides(found: pl.DataFrame, aside: float) -> pl.Series:
    """The side of each that is above chance: of the likeliest are those at most `aside` [°] off it that are so by half
    as much or more, then the same of the rest."""
    numbers = enumerate(found.select("z", "bearing").iter_rows())
    left = sorted((-z, row, bearing) for row, (z, bearing) in numbers if z is not None and z > 0)
    sides: dict[int, int] = {}
    side = 0
    while left:
        side += 1
        best, _, middle = left[0]
        near = {row for z, row, bearing in left if winds.apart(bearing, middle) <= aside and z <= best / 2}
        sides |= dict.fromkeys(near, side)
        left = [one for one in left if one[1] not in near]
    return pl.Series("side", [sides.get(row) for row in range(found.height)], dtype=pl.Int32)
