"""Heavy days of Beijing, 2013 to 2016, as episodes: confirmed, ahead, and as regions.

`python -m tests.published.heavy_days_report` prints the figures. The set is not part of the repository.
A day is heavy where the mean of its local hours, at least 20, is above 150 µg/m³ PM2.5. By events, as in
`prsa_episodes` (c): runs of heavy days widened by a day on both sides, hit or not; stretches that touch none are false.

- confirmed: level 2 of `pm25_24h`, the mean of the last 24 hours;
- ahead: `pm25_day`, what the mean of the day will be: its hours so far, and for the rest the damped persistence of
  forecasts.toml, issued anew every hour;
- what simpler rules reach, for comparison;
- both halves of the years by themselves: nothing was chosen by one of them alone.

Then the regions of `pm25_24h`: in how many of them the heavy days of each red alert of December 2015 lie.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import polars as pl

from analytics import averaging, episodes, forecasting, parameters, regions, standards
from analytics.episodes import expected
from analytics.forecasting import FORECASTERS
from analytics.frames import SERIES, TIME, conform
from analytics.skill import Array, Ints
from tests.published import prsa_episodes as prsa
from tests.published.prsa_episodes import OFFSET, Figures

CONFIRMED, AHEAD = "pm25_24h", "pm25_day"
#: So early [h after its first midnight] an event should be seen.
LATEST = 3
#: Halves of the years.
HALVES = (date(2013, 1, 1), date(2015, 1, 1), date(2017, 1, 1))
#: [°] of the twelve stations, as the list of stations of `cnemc-2019` has them.
PLACES = {
    "Aotizhongxin": (116.407, 40.0031),
    "Changping": (116.23, 40.1952),
    "Dingling": (116.17, 40.2865),
    "Dongsi": (116.434, 39.9522),
    "Guanyuan": (116.361, 39.9425),
    "Gucheng": (116.225, 39.9279),
    "Huairou": (116.644, 40.3937),
    "Nongzhanguan": (116.473, 39.9716),
    "Shunyi": (116.72, 40.1438),
    "Tiantan": (116.434, 39.8745),
    "Wanliu": (116.315, 39.9934),
    "Wanshouxigong": (116.366, 39.8673),
}
SETTINGS = replace(forecasting.load().settings, leads=24)


class Years(NamedTuple):
    """What is known of the set: `hours` and `moving` (station, parameter, averaging, time, value), `series`
    (`frames.SERIES` and name), `days` (name, day, heavy)."""

    hours: pl.DataFrame
    moving: pl.DataFrame
    series: pl.DataFrame
    days: pl.DataFrame

    @property
    def stations(self) -> pl.DataFrame:
        """station, offset, places."""
        nowhere = pl.lit([], standards.PLACES).alias("places")
        return conform(self.series, SERIES).select("station", "offset", nowhere)


def load() -> Years:
    """The set, averaged as the service does it."""
    rows, series = prsa.readings()
    shape, known, how = conform(series, SERIES), parameters.load(), averaging.load()
    hours = averaging.hours(rows.with_columns(pl.col("series").cast(pl.Int32)), shape, known, how)
    moving = averaging.windows(hours, shape, known, how).filter(averaging="moving24")
    columns = ("station", "parameter", "averaging", "time", "value")
    of, at = (
        made.drop_nulls("value").join(shape.select("series", "station", "parameter"), on="series").select(columns)
        for made in (hours, moving)
    )
    return Years(of, at, series, prsa.days(rows, series))


def issued(years: Years) -> Iterator[pl.DataFrame]:
    """station, parameter, issued, time, value: damped persistence at the end of every hour, in pieces that overlap by
    the last issue of the piece before."""
    wide = years.hours.pivot(on="station", index="time", values="value").sort("time")
    wide = wide.upsample("time", every="1h")
    stations = [int(name) for name in wide.columns[1:]]
    subjects = [forecasting.load().subjects["pm25"]] * len(stations)
    grid = forecasting.onto(wide.drop("time").to_numpy().astype(np.float64), subjects)
    first, reach, piece = wide["time"][0], SETTINGS.mean + SETTINGS.fresh, 2000
    for start in range(1, len(grid) + 1, piece):
        begin, end = max(start - 1 - reach, 0), min(start + piece, len(grid) + 1)
        origins = np.arange(max(start - 1, 1), end) - begin
        made = FORECASTERS["damped-persistence"](grid[begin : end - 1], origins, SETTINGS)
        yield _rows(forecasting.back(made, subjects), first + timedelta(hours=begin), origins, stations)


def _rows(made: Array, first: datetime, origins: Ints, stations: list[int]) -> pl.DataFrame:
    origin, lead, station = (axis.ravel() for axis in np.indices(made.shape))
    start = pl.lit(first, TIME)
    rows = pl.DataFrame(
        {
            "origin": origins[origin],
            "lead": lead,
            "station": np.array(stations, dtype=np.int32)[station],
            "value": made.ravel(),
        }
    )
    return rows.filter(pl.col("value").is_finite()).select(
        "station",
        pl.lit("pm25").alias("parameter"),
        (start + pl.duration(hours="origin")).alias("issued"),
        (start + pl.duration(hours=pl.col("origin") + pl.col("lead"))).alias("time"),
        "value",
    )


def ahead(years: Years) -> pl.DataFrame:
    """What the mean of each hour's day will be, as `spoken` of `episodes.conditions` has it."""
    parts: list[pl.DataFrame] = []
    for issues in issued(years):
        from_, until = issues["issued"].min(), issues["issued"].max()
        ends = pl.col("time") + timedelta(hours=1)
        # A day's hours before the piece count in its sums.
        some = years.hours.filter(ends > pl.lit(from_) - timedelta(days=1), ends <= pl.lit(until))
        made = expected(some, issues, years.stations, fresh=SETTINGS.fresh)
        parts.append(made.filter(ends > pl.lit(from_)) if parts else made)
    return pl.concat(parts)


def found(years: Years, spoken: pl.DataFrame, rule: str) -> pl.DataFrame:
    """Episodes of the rule in what was `spoken`, with the station's name."""
    made = episodes.runs(episodes.conditions(spoken, years.stations, {rule: episodes.load()[rule]}))
    return made.join(years.series.select(pl.col("station").cast(pl.Int32), "name"), on="station")


def simple(years: Years, hours: int) -> pl.DataFrame:
    """Episodes where the mean of the last `hours` is above 150, joined as those of `pm25_24h` are."""
    record = {
        "parameter": "pm25",
        "averaging": "hour",
        "direction": "above",
        "levels": [150],
        "off": [145],
        **dict.fromkeys(("title", "title_zh", "source", "confidence"), ""),
        **({"measure": "mean", "window": hours, "values": -(-3 * hours // 4)} if hours > 1 else {}),
        **{"bridge": 6, "minimum": 1, "silence": 72},
    }
    made = episodes.runs(episodes.conditions(years.hours, years.stations, episodes.parse({"simple": record})))
    return made.join(years.series.select(pl.col("station").cast(pl.Int32), "name"), on="station")


class Score(NamedTuple):
    """By events: `figures`, the median `delay` [h] from the first heavy midnight, and the share seen `LATEST` after."""

    figures: Figures
    delay: float
    seen: float

    def __str__(self) -> str:
        return f"{self.figures}; {self.delay:+.0f} h, {self.seen:.0%} by {LATEST} h"


def scored(years: Years, made: pl.DataFrame, level: int) -> list[Score]:
    """Of all years, and of either half."""
    on = prsa.stretches(made, level)
    out = []
    for first, last in ((HALVES[0], HALVES[-1]), *pairwise(HALVES)):
        days = years.days.filter(pl.col("day") >= first, pl.col("day") < last)
        mine = (pl.col("start") + OFFSET).dt.date()
        figures, delay = prsa.met(days, on.filter(mine >= first, mine < last))
        events = figures.hits + figures.missed
        out.append(Score(figures, float(str(delay.median())), len(delay.filter(delay <= LATEST)) / events))
    return out


def where(years: Years) -> pl.DataFrame:
    """station, longitude, latitude [°]."""
    longitude, latitude = (
        pl.col("name").replace_strict({name: place[k] for name, place in PLACES.items()}, return_dtype=pl.Float64)
        for k in (0, 1)
    )
    station = pl.col("station").cast(pl.Int32)
    return years.series.select(station, longitude.alias("longitude"), latitude.alias("latitude"))


def merged(years: Years, made: pl.DataFrame) -> regions.Regions:
    """The regions of `made`."""
    return regions.merge(made.drop("name"), where(years), regions.load())


def own_shares(years: Years, found: regions.Regions) -> pl.DataFrame:
    """region, station, share: what of it was its own, of the members of all regions; against the stations around."""
    hours = years.hours.select("station", "parameter", "time", "value")
    pairs = regions.near(where(years), regions.load()[CONFIRMED].radius)
    made = regions.shares(found.parts, hours, pairs, {CONFIRMED: "pm25"})
    total = pl.col("value") * pl.col("hours")
    return (
        found.parts.join(made, on=["station", "rule", "time"])
        .group_by("region", "station")
        .agg((total * pl.col("share")).sum() / total.sum())
        .rename({"value": "share"})
    )


def of_alert(years: Years, found: regions.Regions, alert: tuple[date, date]) -> pl.DataFrame:
    """name, day, region: the heavy station-days of a red alert, and the region that covers their last hour."""
    start = pl.col("day").cast(pl.Datetime("us", "UTC")) - OFFSET
    heavy = years.days.filter("heavy", pl.col("day").is_between(*alert)).with_columns(
        (start + timedelta(hours=23)).alias("hour")
    )
    parts = found.parts.join(years.series.select(pl.col("station").cast(pl.Int32), "name"), on="station")
    inside = heavy.join(parts, on="name").filter(pl.col("time") <= pl.col("hour"), pl.col("stop") > pl.col("hour"))
    return heavy.join(inside.select("name", "day", "region"), on=["name", "day"], how="left").select(
        "name", "day", "region"
    )


def _line(name: str, scores: list[Score]) -> str:
    whole, *halves = scores
    each = ", ".join(f"{half.figures.f1:.3f} at {half.delay:+.0f} h" for half in halves)
    return f"{name:<26} {whole}\n{'':<26} by halves {each}"


def main() -> None:
    years = load()
    print(
        f"{years.days.height:,} station-days, {years.days['heavy'].sum():,} heavy; hours from the first heavy midnight"
    )
    confirmed = found(years, years.moving, CONFIRMED)
    print(_line("confirmed: pm25_24h", scored(years, confirmed, 2)))
    print(_line("ahead: pm25_day", scored(years, found(years, ahead(years), AHEAD), 1)))
    for hours in (1, 12):
        print(_line(f"mean of {hours} h above 150", scored(years, simple(years, hours), 1)))
    around = merged(years, confirmed)
    shares = own_shares(years, around)
    print(f"{confirmed.height:,} episodes of pm25_24h: {around.parts.height:,} in {around.regions.height} regions")
    names = dict(years.series.select(pl.col("station").cast(pl.Int32), "name").iter_rows())
    for alert in prsa.RED_ALERTS:
        days = of_alert(years, around, alert)
        print(f"red alert {alert[0]} to {alert[1]}: {days.height} heavy station-days")
        for row in around.regions.filter(pl.col("region").is_in(days["region"].implode())).to_dicts():
            print(
                f"  {days.filter(region=row['region']).height} in the region of {row['time']:%m-%d %H} to"
                f" {row['stop']:%m-%d %H} UTC, {row['stations']} stations, {row['core']} of the core"
            )
            mine = around.members.filter(region=row["region"]).join(
                shares, on=["region", "station"], maintain_order="left"
            )
            for one in mine.to_dicts():
                print(
                    f"    {one['order']:>2}. after {one['arrival']:>3} h {names[one['station']]:<13} {one['hours']:>4}"
                    f" h, {'core' if one['core'] else 'edge'}, {one['share']:.0%} its own"
                )


if __name__ == "__main__":
    main()
