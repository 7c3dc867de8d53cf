"""Pollution episodes at twelve stations of Beijing, 2013 to 2016, against the heavy days that they should hold.

`python -m tests.published.prsa_episodes` prints the figures. The set is not part of the repository: `../shared/data`.
A day is heavy where the mean of its local hours, at least 20, is above 150 µg/m³ PM2.5 (index above 200). Level 2 of
the rule `pm25_24h` predicts it
(a) where it covers the last hour of the day: confirmed, as the day ends;
(b) where it covers any hour of the day: the early hours after a heavy day, and days whose haze ends before they do,
    count against it;
(c) by events: runs of heavy days widened by a day on both sides, hit or not; stretches of level 2 that touch one or
    are a false alarm.
"""

import json
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl

from analytics import averaging, episodes, ingest, parameters, standards
from analytics.frames import SERIES, TIME, conform
from analytics.store.registry import Channel

FOLDER = Path(__file__).parents[3] / "shared" / "data" / "beijing-prsa"
OFFSET = timedelta(hours=8)
#: First and last day of the red alerts of December 2015.
RED_ALERTS = ((date(2015, 12, 8), date(2015, 12, 10)), (date(2015, 12, 19), date(2015, 12, 22)))
RULE = "pm25_24h"
HEAVY, HOURS = 150.0, 20


def readings() -> tuple[pl.DataFrame, pl.DataFrame]:
    """PM2.5 of the set: station (name), time, value; by our own reader."""
    cells = pl.concat(
        batch.cells
        for path in sorted(FOLDER.glob("*.csv.gz"))
        for batch in ingest.read(ingest.Source(path), "beijing-prsa")
    ).filter(pl.col("channel") == str(Channel("pm25")))
    names = cells.select("station").unique().sort("station").with_row_index("series", offset=1)
    facts = {"parameter": "pm25", "position": "", "statistic": "", "cadence": 3600, "offset": 480}
    series = names.with_columns(pl.col("series").alias("number"), **{k: pl.lit(v) for k, v in facts.items()})
    rows = cells.join(names, on="station").select("series", "time", "value", pl.lit(None, pl.Int16).alias("code"))
    return rows, series.rename({"station": "name", "number": "station"})


def found(rows: pl.DataFrame, series: pl.DataFrame) -> pl.DataFrame:
    """Episodes (`frames.EPISODES`) of the rule at every station, with its name."""
    known, how = parameters.load(), averaging.load()
    shape = conform(series, SERIES)
    hours = averaging.hours(rows.with_columns(pl.col("series").cast(pl.Int32)), shape, known, how)
    moving = averaging.windows(hours, shape, known, how).filter(averaging="moving24").drop_nulls("value")
    spoken = moving.join(shape.select("series", "station", "parameter"), on="series")
    stations = shape.select("station", "offset", pl.lit([], standards.PLACES).alias("places"))
    made = episodes.runs(episodes.conditions(spoken, stations, {RULE: episodes.load()[RULE]}))
    return made.join(series.select(pl.col("station").cast(pl.Int32), "name"), on="station")


def days(rows: pl.DataFrame, series: pl.DataFrame) -> pl.DataFrame:
    """name, day, heavy: the days with enough hours."""
    day = (pl.col("time") + OFFSET).dt.date().alias("day")
    return (
        rows.join(series.select("series", "name"), on="series")
        .group_by("name", day)
        .agg(pl.col("value").mean(), pl.len().alias("hours"))
        .filter(pl.col("hours") >= HOURS)
        .select("name", "day", (pl.col("value") > HEAVY).alias("heavy"))
        .sort("name", "day")
    )


def stretches(made: pl.DataFrame, level: int = 2) -> pl.DataFrame:
    """name, start, stop: when `level` was on."""
    rows = []
    for name, stop, story in made.select("name", "stop", "levels").iter_rows():
        turns = [(datetime.fromisoformat(stamp), n) for stamp, n in json.loads(story)]
        ends = [*(t for t, _ in turns[1:]), stop]
        rows += [(name, start, end) for (start, n), end in zip(turns, ends, strict=True) if n >= level]
    schema: dict[str, pl.DataType] = {"name": pl.String(), "start": TIME, "stop": TIME}
    return pl.DataFrame(rows, schema=schema, orient="row").sort("name", "start")


@dataclass(frozen=True, slots=True)
class Figures:
    """Hits, false alarms and misses, days or events; `weeks` are station-weeks."""

    hits: int
    false: int
    missed: int
    weeks: float

    @property
    def f1(self) -> float:
        return 2 * self.hits / (2 * self.hits + self.false + self.missed)

    def __str__(self) -> str:
        return (
            f"F1 {self.f1:.3f}: {self.hits} hit, {self.false} false ({self.false / self.weeks:.3f} a station-week), "
            f"{self.missed} missed"
        )


def by_day(known: pl.DataFrame, on: pl.DataFrame, first: int, last: int) -> Figures:
    """Days predicted where a stretch of `on` covers one of the local hours `first` to `last`."""
    start = pl.col("day").cast(pl.Datetime("us", "UTC")) - OFFSET
    hours = known.with_columns(
        (start + pl.duration(hours=first)).alias("from"), (start + pl.duration(hours=last + 1)).alias("to")
    )
    covered = (
        hours.join(on, on="name")
        .filter(pl.col("start") < pl.col("to"), pl.col("stop") > pl.col("from"))
        .select("name", "day")
    ).unique()
    said = known.join(covered.with_columns(pl.lit(value=True).alias("said")), on=["name", "day"], how="left")
    said = said.with_columns(pl.col("said").fill_null(value=False))
    count = {
        key: said.filter(heavy=heavy, said=told).height
        for key, heavy, told in (("hits", True, True), ("false", False, True), ("missed", True, False))
    }
    return Figures(**count, weeks=known.height / 7)


def by_event(known: pl.DataFrame, on: pl.DataFrame) -> tuple[Figures, float]:
    """Events hit, false stretches, events missed; and the median hours from the first heavy midnight to level 2."""
    figures, delay = met(known, on)
    return figures, float(str(delay.median()))


def met(known: pl.DataFrame, on: pl.DataFrame) -> tuple[Figures, pl.Series]:
    """Events hit, false stretches, events missed; and of each that was hit the hours from its first heavy midnight."""
    heavy = known.filter("heavy").sort("name", "day")
    apart = (pl.col("day").diff() > timedelta(days=1)).fill_null(value=True) | (
        pl.col("name") != pl.col("name").shift()
    )
    events = (
        heavy.with_columns(apart.fill_null(value=True).cum_sum().alias("event"))
        .group_by("event")
        .agg(pl.col("name").first(), pl.col("day").min().alias("first"), pl.col("day").max().alias("last"))
        .with_columns(
            (pl.col("first").cast(pl.Datetime("us", "UTC")) - OFFSET).alias("begin"),
            (pl.col("last").cast(pl.Datetime("us", "UTC")) - OFFSET + timedelta(days=1)).alias("end"),
        )
    )
    day = timedelta(days=1)
    pairs = events.join(on.with_row_index("stretch"), on="name").filter(
        pl.col("start") < pl.col("end") + day, pl.col("stop") > pl.col("begin") - day
    )
    hit = pairs["event"].n_unique()
    false = on.height - pairs["stretch"].n_unique()
    delay = pairs.group_by("event").agg((pl.col("start").min() - pl.col("begin").first()).alias("delay"))["delay"]
    return Figures(hit, false, events.height - hit, known.height / 7), delay.dt.total_hours(fractional=True)


def red_alerts(known: pl.DataFrame, on: pl.DataFrame) -> pl.DataFrame:
    """name, day, inside: the heavy days of the red alerts, and whether level 2 covers their last hour."""
    start = pl.col("day").cast(pl.Datetime("us", "UTC")) - OFFSET
    within = pl.any_horizontal(pl.col("day").is_between(first, last) for first, last in RED_ALERTS)
    wanted = known.filter("heavy", within).with_columns((start + timedelta(hours=23)).alias("hour"))
    covered = (
        wanted.join(on, on="name")
        .filter(pl.col("start") <= pl.col("hour"), pl.col("stop") > pl.col("hour"))
        .select("name", "day")
    )
    return wanted.join(covered.with_columns(pl.lit(value=True).alias("inside")), on=["name", "day"], how="left").select(
        "name", "day", pl.col("inside").fill_null(value=False)
    )


def main() -> None:
    rows, series = readings()
    made, known = found(rows, series), days(rows, series)
    on = stretches(made)
    print(
        f"{known.height:,} station-days, {known['heavy'].sum():,} heavy;"
        f" {made.height:,} episodes, {on.height:,} stretches of level 2"
    )
    print("(a) last hour of the day  ", by_day(known, on, 23, 23))
    print("(b) any hour of the day   ", by_day(known, on, 0, 23))
    figures, delay = by_event(known, on)
    print("(c) events, widened a day ", figures)
    print(f"level 2 begins {delay:.0f} h after the first midnight of an event (median)")
    alerts = red_alerts(known, on)
    print(f"red alerts: {alerts['inside'].sum()} of {alerts.height} heavy station-days inside level 2")


if __name__ == "__main__":
    main()
