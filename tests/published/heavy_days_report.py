"""Heavy days of Beijing, 2013 to 2016, as episodes: confirmed, ahead, and as regions.

`python -m tests.published.heavy_days_report` prints the figures. The set is not part of the repository: `../shared/data`.
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
from typing import NamedTuple

import numpy as np
import polars as pl

from analytics import averaging, episodes, forecasting, parameters, regions, standards
from analytics.episodes import expected
from analytics.forecasting import FORECASTERS
from analytics.frames import SERIES, TIME, conform
from analytics.skill import Array
from tests.published import prsa_episodes as prsa
from tests.published.prsa_episodes import OFFSET, Figures

CONFIRMED, AHEAD = "pm25_24h", "pm25_day"
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
    said = (
        made.drop_nulls("value").join(shape.select("series", "station", "parameter"), on="series").select(columns)
        for made in (hours, moving)
    )
    return Years(*said, series, prsa.days(rows, series))


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


def _rows(
    made: Array, first: datetime, origins: np.ndarray[tuple[int], np.dtype[np.int64]], stations: list[int]
) -> pl.DataFrame:
    shape = made.shape
    origin, lead, station = (axis.ravel() for axis in np.indices(shape))
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
    parts = []
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


def scored(years: Years, made: pl.DataFrame, level: int) -> list[tuple[Figures, float]]:
    """Figures and delay [h], by events: of all years, and of either half."""
    on = prsa.stretches(made, level)
    out = [prsa.by_event(years.days, on)]
    for first, last in zip(HALVES[:-1], HALVES[1:], strict=True):
        days = years.days.filter(pl.col("day") >= first, pl.col("day") < last)
        mine = (pl.col("start") + OFFSET).dt.date()
        out.append(prsa.by_event(days, on.filter(mine >= first, mine < last)))
    return out


def merged(years: Years, made: pl.DataFrame) -> regions.Regions:
    """The regions of `made`."""
    where = years.series.select(
        pl.col("station").cast(pl.Int32),
        *(
            pl.col("name")
            .replace_strict({n: place[k] for n, place in PLACES.items()}, return_dtype=pl.Float64)
            .alias(axis)
            for k, axis in enumerate(("longitude", "latitude"))
        ),
    )
    return regions.merge(made.drop("name"), where, regions.load())


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


def _line(name: str, figures: list[tuple[Figures, float]]) -> str:
    whole, *halves = [f"{each} at {delay:.1f} h" for each, delay in figures]
    short = "; ".join(f"{each.f1:.3f} at {delay:.1f} h" for each, delay in figures[1:])
    return f"{name:<28} {whole}; halves {short}" if halves else whole


def main() -> None:
    years = load()
    print(
        f"{years.days.height:,} station-days, {years.days['heavy'].sum():,} heavy; hours count from the first heavy midnight"
    )
    confirmed = found(years, years.moving, CONFIRMED)
    print(_line("confirmed: pm25_24h, 2", scored(years, confirmed, 2)))
    print(_line("ahead: pm25_day", scored(years, found(years, ahead(years), AHEAD), 1)))
    for hours in (1, 12):
        print(_line(f"mean of {hours} h above 150", scored(years, simple(years, hours), 1)))
    around = merged(years, confirmed)
    print(f"{confirmed.height:,} episodes of pm25_24h are in {around.regions.height} regions or alone")
    names = dict(years.series.select(pl.col("station").cast(pl.Int32), "name").iter_rows())
    for alert in prsa.RED_ALERTS:
        days = of_alert(years, around, alert)
        print(
            f"red alert {alert[0]} to {alert[1]}: {days.height} heavy station-days, {days['region'].null_count()} in no region"
        )
        for row in around.regions.filter(pl.col("region").is_in(days["region"].unique().implode())).to_dicts():
            print(
                f"  region {row['time']:%m-%d %H} to {row['stop']:%m-%d %H} UTC, {row['stations']} stations, {row['core']} core, worst {names[row['worst']]}"
            )
            for one in around.members.filter(region=row["region"]).to_dicts():
                edge = "core" if one["core"] else "edge"
                print(
                    f"    {one['order']:>2} after {one['arrival']:>3} h  {names[one['station']]:<14} {one['hours']:>4} h {edge} dose {one['dose']:.0f}"
                )


if __name__ == "__main__":
    main()
