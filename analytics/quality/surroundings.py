"""Which series are around which: a map drawn from the registry alone, kept as dated fits of kind KIND.

Around a series are, of each of the `most` nearest stations within `radius` that measure its parameter at its position,
the one series whose cadence is nearest to its own: an hour is held against an hour where there is one, and a station
has one voice however often it sends.
"""

import json
from collections.abc import Mapping

import numpy as np
import polars as pl

from analytics.frames import PAIRS, conform
from analytics.parameters import Parameter
from analytics.quality.neighbours import NEIGHBOURS
from analytics.units import EARTH

KIND = "neighbours"
#: Distances that differ by less are the same [of the earth's radius]: less than a centimetre.
_NEAR = 1e-9


def survey(voices: pl.DataFrame, places: pl.DataFrame, parameters: Mapping[str, Parameter]) -> pl.DataFrame:
    """`subject`, `blob`: the map of each series of `voices` whose parameter has limits for neighbours, as JSON
    {"neighbours": [ids, rising]}.

    `voices`: series, station, parameter, position, cadence [s], rank; `places`: station, longitude, latitude [°], null
    where unknown. Equal maps are equal bytes; a series with nothing around it has an empty one.
    """
    limits = {name: given for name, one in parameters.items() if (given := one.quality.get(NEIGHBOURS)) is not None}
    held = voices.filter(pl.col("parameter").is_in(list(limits)))
    located = held.join(places.drop_nulls(["longitude", "latitude"]), on="station")
    around = [pl.DataFrame(schema={"series": pl.Int32, "neighbours": pl.List(pl.Int32)})]
    for (name, _), some in located.group_by("parameter", "position"):
        given = limits[str(name)]
        near = _near(some.unique("station").sort("station"), given["radius"], given["most"])
        around.append(_voices(some.select("series", "station", "cadence", "rank"), near))
    drawn = held.join(pl.concat(around), on="series", how="left").sort("series")
    blobs = [_blob(members or []) for members in drawn["neighbours"].to_list()]
    return pl.DataFrame({"subject": drawn["series"], "blob": blobs}, schema={"subject": pl.Int32, "blob": pl.Binary})


def _voices(series: pl.DataFrame, near: pl.DataFrame) -> pl.DataFrame:
    """`series`, `neighbours`: one series of each station that is `near` (station, other) that of a series."""
    ratio = (pl.col("cadence_other") / pl.col("cadence")).log().abs().round(9)  # as near to 10 min is 5 as is 20
    return (
        series.join(near, on="station")
        .join(series, left_on="other", right_on="station", suffix="_other")
        .sort("series", "other", ratio, "rank_other", "series_other")
        .unique(["series", "other"], keep="first", maintain_order=True)
        .group_by("series")
        .agg(pl.col("series_other").sort().alias("neighbours"))
    )


def _near(places: pl.DataFrame, radius: float, most: int) -> pl.DataFrame:
    """`station`, `other`: of each of `places` the `most` nearest others within `radius` [km], great-circle distances
    (haversine), of those as far as each other the first."""
    # Only who draws maps waits for it: it takes longer to load than most commands run.
    from sklearn.neighbors import BallTree  # type: ignore[import-untyped]  # it has no types

    station = places["station"].to_numpy()
    points = np.radians(places.select("latitude", "longitude").to_numpy())
    tree = BallTree(points, metric="haversine")
    # As far as the last of the nearest, and those as far as it: itself is the first.
    last = tree.query(points, min(most + 1, len(station)))[0][:, -1]
    found, away = tree.query_radius(points, np.minimum(last, radius / EARTH) + _NEAR, return_distance=True)
    at = np.repeat(np.arange(len(station)), [len(some) for some in found])
    pairs = pl.DataFrame({"at": at, "other": np.concatenate(found), "away": EARTH * np.concatenate(away)})
    kept = (
        pairs.filter(pl.col("at") != pl.col("other"))
        .with_columns(pl.col("away").round(6))
        .filter(pl.col("away") <= radius)
        .sort("at", "away", "other")
        .group_by("at", maintain_order=True)
        .head(most)
    )
    return pl.DataFrame({"station": station[kept["at"].to_numpy()], "other": station[kept["other"].to_numpy()]})


def _blob(members: list[int]) -> bytes:
    return json.dumps({"neighbours": members}).encode()


#: What the map of a series says around which there is none.
NOBODY = _blob([])


def pairs(found: pl.DataFrame) -> pl.DataFrame:
    """`frames.PAIRS` of the maps `found` (subject, start, stop, blob), an empty one has none."""
    shape = pl.Struct({"neighbours": pl.List(pl.Int32)})
    members = pl.col("blob").cast(pl.String).str.json_decode(shape).struct.field("neighbours")
    return conform(
        found.select(pl.col("subject").alias("series"), "start", "stop", neighbour=members)
        .filter(pl.col("neighbour").list.len() > 0)
        .explode("neighbour"),
        PAIRS,
    )
