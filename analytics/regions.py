"""Regions: episodes of one rule at stations near one another are one, with an order of arrival, a core and an edge.

Two episodes belong together where their stations lie within `radius`, and the one begins at most `lag` after the other
ends; so do those that belong to a third. The lag lets a front travel: haze at 10 km/h takes 6 h to a station 60 km off.

Whether it is "ours or the neighbour's" goes by the increments of Lenschow et al. (Atmospheric Environment 35, 2001,
S23-S33): what a station has above the background, which here is the median of the stations around it in that hour.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from analytics import tables
from analytics.frames import TIME, conform, settle
from analytics.tables import NUMBER, Content, TableError
from analytics.units import EARTH

TABLE = "regions"
#: What the background is called among the averagings that rules of episodes speak of.
BACKGROUND = "background"

#: A region, known by (rule, time, station), those of the first episode in it; `region` counts them in that order.
#: `arrived` is when the last of its `stations` came into it, `core` how many of them are of the core, `broadest` the
#: first time when `most` of them were in it. `worst` is the station with the highest level and of these the greatest
#: dose; `peak` and `peak_time` are its own, `dose` is that of all [unit × h × station].
REGIONS: Mapping[str, pl.DataType] = {
    "region": pl.Int64(),
    "rule": pl.String(),
    "time": TIME,
    "stop": TIME,
    "station": pl.Int32(),
    "level": pl.Int16(),
    "closed": pl.Boolean(),
    "stations": pl.Int32(),
    "core": pl.Int32(),
    "arrived": TIME,
    "broadest": TIME,
    "most": pl.Int32(),
    "worst": pl.Int32(),
    "peak": pl.Float64(),
    "peak_time": TIME,
    "dose": pl.Float64(),
}
#: A station of a region. `arrival` [h] after the region began, `order` by it, from 1, those of one hour alike; `hours`
#: it was in it, and as a share of its length `presence`; of the `core` is who has at least `CORE` of that, the others
#: are its edge.
MEMBERS: Mapping[str, pl.DataType] = {
    "region": pl.Int64(),
    "station": pl.Int32(),
    "time": TIME,
    "stop": TIME,
    "level": pl.Int16(),
    "dose": pl.Float64(),
    "arrival": pl.Int32(),
    "order": pl.Int32(),
    "hours": pl.Int32(),
    "presence": pl.Float64(),
    "core": pl.Boolean(),
}
#: What of an episode (station, rule, time: its start) was its station's own: of its `hours` in which both it and the
#: background are known, the mean of the `value`, of the `background`, and the `share` of its sum that lay above that;
#: `around`: the numbers of the stations that made it, by commas.
SHARES: Mapping[str, pl.DataType] = {
    "station": pl.Int32(),
    "rule": pl.String(),
    "time": TIME,
    "hours": pl.Int32(),
    "value": pl.Float64(),
    "background": pl.Float64(),
    "share": pl.Float64(),
    "around": pl.String(),
}
CORE = 0.5
MICRO = 1_000_000
_KEY = ["station", "parameter", "time"]


@dataclass(frozen=True, slots=True)
class Reach:
    """How episodes of a rule become one: within `radius` [km] and `lag` [h], of `least` stations at least."""

    rule: str
    radius: float
    lag: int
    least: int


class Regions(NamedTuple):
    """`REGIONS` by their key, `MEMBERS` by region and arrival, and `parts`: region, station, rule, time, stop, closed
    of each episode in one."""

    regions: pl.DataFrame
    members: pl.DataFrame
    parts: pl.DataFrame


def load() -> dict[str, Reach]:
    """The reaches of the package table, by the name of the rule."""
    return parse(tables.read(TABLE))


def parse(content: Content) -> dict[str, Reach]:
    """The reaches of `content`, by the name of the rule. Raises `TableError` naming block and key."""
    found = {}
    needs: Mapping[str, Any] = {"radius": NUMBER, "lag": int, "least": int, "source": str, "confidence": str}
    for name, record in tables.records(content, TABLE).items():
        tables.check(record, f"{TABLE}: [{name}]", needs=needs)
        if record["radius"] <= 0 or record["lag"] < 0 or record["least"] < 2:
            raise TableError(f"{TABLE}: [{name}]: 'radius' must be above 0, 'lag' 0 or more, 'least' 2 or more")
        found[name] = Reach(name, float(record["radius"]), record["lag"], record["least"])
    return found


def near(places: pl.DataFrame, radius: float) -> pl.DataFrame:
    """station, other: who lies within `radius` [km] of whom (great circle), themselves among them.

    `places` has station, longitude and latitude [°], null where unknown: who is nowhere is near to none but itself.
    """
    # Only who merges waits for it: it takes longer to load than most commands run.
    from sklearn.neighbors import BallTree  # type: ignore[import-untyped]  # it has no types

    alone = places.select("station", pl.col("station").alias("other"))
    known = places.drop_nulls(["longitude", "latitude"]).sort("station")
    if known.is_empty():
        return alone
    points = np.radians(known.select("latitude", "longitude").to_numpy())
    found = BallTree(points, metric="haversine").query_radius(points, radius / EARTH)
    station = known["station"]
    others = pl.Series([station.gather(each) for each in found], dtype=pl.List(station.dtype))
    pairs = pl.DataFrame({"station": station, "other": others}).explode("other", empty_as_null=False)
    return pl.concat([alone, pairs]).unique().sort("station", "other")


def background(hours: pl.DataFrame, pairs: pl.DataFrame, least: int = 3) -> pl.DataFrame:
    """station, parameter, averaging, time, value: the median of those near it in that hour, by their key.

    `hours`: station, parameter, time, value; `pairs` (station, other) as `near` gives them. With `parameter`, `since`
    and `until` (null: no end) a pair holds only for that and then. No row where fewer than `least` others have a
    value, whether the station itself has one or not.
    """
    return (
        _beside(hours, pairs)
        .group_by(_KEY)
        .agg(settle(pl.col("value").median()).alias("value"), pl.len().alias("count"))
        .filter(pl.col("count") >= least)
        .select("station", "parameter", pl.lit(BACKGROUND).alias("averaging"), "time", "value")
        .sort(_KEY)
    )


def _beside(hours: pl.DataFrame, pairs: pl.DataFrame) -> pl.DataFrame:
    """station, other, parameter, time, value: what the others near a station have."""
    others = pairs.filter(pl.col("station") != pl.col("other"))
    dated = "parameter" in pairs.columns
    by = ["other", "parameter"] if dated else ["other"]
    rows = others.join(hours.select(*_KEY, "value").rename({"station": "other"}), on=by)
    if dated:
        then = (pl.col("time") >= pl.col("since")) & (pl.col("until").is_null() | (pl.col("time") < pl.col("until")))
        rows = rows.filter(then).unique([*_KEY, "other"])
    return rows.select("station", "other", "parameter", "time", "value")


def merge(made: pl.DataFrame, places: pl.DataFrame, reaches: Mapping[str, Reach]) -> Regions:
    """The regions in `made` (`frames.EPISODES`) at `places` (station, longitude, latitude [°]).

    Episodes of a rule without a reach are in none, nor are those that are together with too few stations.
    """
    least = pl.DataFrame(
        [(reach.rule, reach.least) for reach in reaches.values()],
        schema={"rule": pl.String, "least": pl.Int64},
        orient="row",
    )
    rows = made.join(least, on="rule").sort("rule", "time", "station").with_row_index("number")
    links = [_links(rows.filter(pl.col("rule") == reach.rule), places, reach) for reach in reaches.values()]
    roots = _roots(rows.height, [pair for some in links for pair in some])
    many = pl.col("station").n_unique().over("root")
    region = (pl.col("root").rank("dense") - 1).cast(pl.Int64).alias("region")
    parts = rows.with_columns(pl.Series("root", roots, dtype=pl.Int64)).filter(many >= pl.col("least"))
    parts = parts.with_columns(region)
    members = _members(parts)
    worst = parts.sort("region", "level", "dose", "time", "station", descending=[False, True, True, False, False])
    regions = (
        parts.group_by("region", maintain_order=True)
        .agg(
            pl.col("rule", "time", "station").first(),
            pl.col("stop", "level").max(),
            pl.col("closed").all(),
            settle(pl.col("dose").sum()).alias("dose"),
        )
        .join(
            members.group_by("region").agg(
                pl.len().alias("stations"), pl.col("core").sum(), pl.col("time").max().alias("arrived")
            ),
            on="region",
        )
        .join(
            worst.group_by("region", maintain_order=True).agg(
                pl.col("station").first().alias("worst"), pl.col("peak", "peak_time").first()
            ),
            on="region",
        )
        .join(_broadest(parts), on="region")
        .sort("region")
    )
    listed = parts.select("region", "station", "rule", "time", "stop", "closed").sort("region", "station", "time")
    return Regions(conform(regions, REGIONS), members, listed)


def shares(made: pl.DataFrame, hours: pl.DataFrame, pairs: pl.DataFrame, parameters: Mapping[str, str]) -> pl.DataFrame:
    """`SHARES` of the episodes `made` (`frames.EPISODES`), by their key; none where the background is never known.

    `hours` (station, parameter, time, value) are what was measured there and around, `pairs` as `background` takes
    them; `parameters` that of each rule.
    """
    key = ["station", "rule", "time"]
    around = background(hours, pairs)
    asked = made.select(*key, "stop").with_columns(
        pl.col("rule").replace_strict(parameters, default=None, return_dtype=pl.String).alias("parameter")
    )
    both = _inside(asked, hours.join(around.select(*_KEY, around="value"), on=_KEY))
    value, other = ((pl.col(name) * MICRO).round().cast(pl.Int64) for name in ("value", "around"))
    beside = _inside(asked, _beside(hours, pairs).join(around.select(_KEY), on=_KEY, how="semi"))
    names = pl.col("other").unique().sort().cast(pl.String).str.join(",").alias("around")
    found = (
        both.group_by(key)
        .agg(
            pl.len().alias("hours"),
            value.sum().alias("value"),
            other.sum().alias("background"),
            (value - other).clip(lower_bound=0).sum().alias("above"),
        )
        .sort(key)
        .with_columns(
            pl.when(pl.col("value") > 0).then(settle(pl.col("above") / pl.col("value"))).alias("share"),
            *(settle(pl.col(name) / pl.col("hours") / MICRO).alias(name) for name in ("value", "background")),
        )
    )
    return conform(found.join(beside.group_by(key).agg(names), on=key, maintain_order="left"), SHARES)


def _inside(asked: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """`rows` (station, parameter, time) in the episodes `asked` (station, rule, time, stop, parameter), with their
    keys."""
    rules = asked.select("station", "rule", "parameter").unique()
    return (
        rows.rename({"time": "hour"})
        .join(rules, on=["station", "parameter"])
        .sort("station", "rule", "hour")
        .join_asof(
            asked.select("station", "rule", "time", "stop").sort("station", "rule", "time"),
            left_on="hour",
            right_on="time",
            by=["station", "rule"],
            coalesce=False,
            check_sortedness=False,
        )
        .filter(pl.col("hour") < pl.col("stop"))
    )


def components(made: pl.DataFrame, places: pl.DataFrame, reach: Reach) -> pl.DataFrame:
    """time, stop of all that is together by `reach`, of however few stations."""
    return merge(made, places, {reach.rule: replace(reach, least=1)}).regions.select("time", "stop")


def _links(rows: pl.DataFrame, places: pl.DataFrame, reach: Reach) -> list[tuple[int, int]]:
    """Numbers of episodes that belong together, each with the last that began before it at each station near it.

    That is enough: an earlier one there that reaches as far is together with that last one.
    """
    lag = pl.duration(hours=reach.lag)
    there = rows.select(
        pl.col("station").alias("other"), "time", pl.col("stop").alias("until"), pl.col("number").alias("before")
    )
    here = rows.select("number", "station", "time").join(near(places, reach.radius), on="station").sort("time")
    same = pl.col("station") == pl.col("other")
    found = pl.concat(
        some.join_asof(there.sort("time"), on="time", by="other", allow_exact_matches=exact, check_sortedness=False)
        for some, exact in ((here.filter(~same), True), (here.filter(same), False))
    )
    return found.filter(pl.col("until") + lag >= pl.col("time")).select("number", "before").rows()


def _roots(count: int, links: list[tuple[int, int]]) -> list[int]:
    """The least of the numbers below `count` that each is linked with, over any others (union-find)."""
    root = list(range(count))

    def find(one: int) -> int:
        while root[one] != one:
            root[one] = one = root[root[one]]
        return one

    for one, other in links:
        low, high = sorted((find(one), find(other)))
        root[high] = low
    return [find(one) for one in range(count)]


def _members(parts: pl.DataFrame) -> pl.DataFrame:
    length = (pl.col("stop") - pl.col("time")).dt.total_hours()
    found = (
        parts.with_columns(pl.col("time").min().over("region").alias("begin"))
        .with_columns((pl.col("stop").max().over("region") - pl.col("begin")).dt.total_hours().alias("whole"))
        .group_by("region", "station")
        .agg(
            pl.col("time", "begin").min(),
            pl.col("stop", "level", "whole").max(),
            settle(pl.col("dose").sum()),
            length.sum().alias("hours"),
        )
    )
    return conform(
        found.with_columns(
            (pl.col("time") - pl.col("begin")).dt.total_hours().alias("arrival"),
            settle(pl.col("hours") / pl.col("whole")).alias("presence"),
        )
        .with_columns(
            pl.col("arrival").rank("dense").over("region").alias("order"), (pl.col("presence") >= CORE).alias("core")
        )
        .sort("region", "order", "station"),
        MEMBERS,
    )


def _broadest(parts: pl.DataFrame) -> pl.DataFrame:
    """region, `broadest`, `most`: when most stations are in it, and how many."""
    turns = pl.concat(
        [
            parts.select("region", "time", pl.lit(1).alias("step")),
            parts.select("region", pl.col("stop").alias("time"), pl.lit(-1).alias("step")),
        ]
    ).sort("region", "time", "step")
    on = turns.with_columns(pl.col("step").cum_sum().over("region").alias("most"))
    first = on.sort("region", "most", "time", descending=[False, True, False]).group_by("region", maintain_order=True)
    return first.agg(pl.col("time").first().alias("broadest"), pl.col("most").first())
