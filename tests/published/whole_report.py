"""What the whole chain makes of the made-up district, and of what is injected into real series: all that judges.

    python -m tests.published.whole_report [--seeds N ...] [--sets NAME...]

Half a year a seed, every ten minutes, through the functions that the service runs: verdicts and neighbours, hours of
what counts, shipped detectors, all rules. (`beijing`: four years of twelve stations by the hour; what really happened
there counts as said beside.) A row a kind of the truth: in how many of them anybody said anything of the station and
parameter, until an hour after; who; and how many were called rightly, an event or a fault, by most hours of what was
said. Verdicts, device episodes and jumps say fault, all else says event. An event counts from `LEAST` on, where it is
one by the definition of its rule. What happens to messages, not to values (late, twice, by a wrong clock, none at all),
is asked of other tests. By chance: how many would be found a week later, where they are not. Beside: what was said
where nothing went on.
"""

import argparse
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

import polars as pl
from rich.console import Console
from rich.table import Table

from analytics import averaging, detection, episodes, quality, regions, standards, tables
from analytics.evaluation.injection import EVENT, FAULT, QUIET
from analytics.frames import OBSERVATIONS, SERIES, TIME, conform
from analytics.synthetic import District
from tests.published import injected_report
from tests.published.detectors import GROUPS, PARAMETERS, SETTINGS
from tests.published.heavy_days_report import PLACES
from tests.published.injected_report import START, STOP, near
from tests.published.kinds_report import KINDS, UPPER

HOUR = timedelta(hours=1)
MESSAGES = ("late", "duplicate", "clock", "outage")
LEAST = {asked.kind: float(asked.least) for asked in KINDS}
OFFSET = 480
#: Where the truth is not, to see what is found by chance.
LATER = timedelta(weeks=1)
#: Kilometres in which stations are around one another.
AROUND = 25
#: What was said of a station's parameter from `time` to `until`, and by whom.
SAID: Mapping[str, pl.DataType] = {
    "station": pl.String(),
    "parameter": pl.String(),
    "time": TIME,
    "until": TIME,
    "group": pl.String(),
    "by": pl.String(),
}
VOICES = ("quality", "detectors", "episodes")


class Made(NamedTuple):
    """`readings` (frames.OBSERVATIONS), `series` (frames.SERIES) with `code` and `channel`, `stations` with `code`; and
    `truth`: kind, class, station, parameter, start, stop, magnitude."""

    readings: pl.DataFrame
    series: pl.DataFrame
    stations: pl.DataFrame
    truth: pl.DataFrame

    @property
    def start(self) -> datetime:
        """Of the first reading."""
        return self.readings["time"].min()  # type: ignore[return-value]  # there are some

    @property
    def weeks(self) -> float:
        """Station-weeks in which it is asked for anything."""
        stop: datetime = self.readings["time"].max()  # type: ignore[assignment]  # as above
        return self.stations.height * ((stop - self.start - QUIET) / timedelta(weeks=1))


def district(seed: int) -> Made:
    """Half a year of the district of that seed."""
    made = District(seed)
    rows = pl.concat(
        made.readings(START, STOP, cadence).with_columns(cadence=pl.lit(cadence, pl.Int32)) for cadence in (600, 14_400)
    )
    places = made.registry().select("station", "longitude", "latitude", zone="member:noise_zone")
    truth = made.truth(START, STOP).with_columns(pl.col("parameter").str.split("@").list.first())
    return _registered(rows, places, truth)


def beijing(seed: int) -> Made:
    """PM2.5 and ozone of twelve stations, 2013 to 2016, with what was injected."""
    rows, truth = injected_report.beijing(seed, "series")
    named = [(name, *place, "") for name, place in PLACES.items()]
    places = pl.DataFrame(named, schema=["station", "longitude", "latitude", "zone"], orient="row")
    parts = pl.col("series").str.split("/")
    told = truth.select(
        "kind",
        pl.col("group").alias("class"),
        parts.list.first().alias("station"),
        parts.list.last().alias("parameter"),
        "start",
        "stop",
        pl.col("size").alias("magnitude"),
    )
    return _registered(rows.with_columns(cadence=pl.lit(3600, pl.Int32)), places, told)


SOURCES: Mapping[str, Callable[[int], Made]] = {"district": district, "beijing": beijing}


def _registered(rows: pl.DataFrame, places: pl.DataFrame, truth: pl.DataFrame) -> Made:
    """`rows` (station, parameter, cadence, time, value) of stations at `places` (and their noise zones, "" for none),
    as the service would have them."""
    zone = pl.struct(place=pl.format("noise_zone:{}", "zone"), since=pl.lit(None, pl.Date), until=pl.lit(None, pl.Date))
    stations = (
        places.unique("station")
        .sort("station")
        .with_row_index("number", offset=1)
        .select(
            pl.col("number").cast(pl.Int32).alias("station"),
            pl.col("station").alias("code"),
            "longitude",
            "latitude",
            pl.lit(OFFSET, pl.Int16).alias("offset"),
            pl.when(pl.col("zone") != "")
            .then(pl.concat_list(zone))
            .otherwise(pl.lit([], standards.PLACES))
            .cast(standards.PLACES)
            .alias("places"),
        )
    )
    rows = rows.select("station", "cadence", "time", "value", pl.col("parameter").cast(pl.String).alias("channel"))
    parts = pl.col("channel").str.split("@")
    series = (
        rows.select(pl.col("station").alias("code"), "channel", "cadence")
        .unique()
        .sort("code", "channel")
        .with_row_index("series", offset=1)
        .with_columns(
            pl.col("series").cast(pl.Int32),
            parts.list.first().alias("parameter"),
            parts.list.get(1, null_on_oob=True).fill_null("").alias("position"),
            pl.lit("").alias("statistic"),
        )
        .join(stations.select("code", "station", "offset"), on="code")
    )
    keys = series.select("series", "code", "channel")
    numbered = rows.join(keys, left_on=["station", "channel"], right_on=["code", "channel"])
    readings = conform(numbered.with_columns(mark=pl.lit(None)), OBSERVATIONS).sort("series", "time")
    return Made(readings, series, stations, truth)


def said(made: Made) -> pl.DataFrame:
    """`SAID` of all that the chain says of it."""
    shape = conform(made.series, SERIES)
    verdicts = _verdicts(made, shape)
    coded = made.readings.join(verdicts.select("series", "time", "code"), on=["series", "time"], how="left")
    how = averaging.load()
    hours = averaging.hours(coded, shape, PARAMETERS, how)
    averages = pl.concat([hours, averaging.windows(hours, shape, PARAMETERS, how)]).drop_nulls("value")
    every = pl.concat([_quality(made, verdicts), _detectors(made, hours), _episodes(made, averages)])
    return conform(every, SAID)


def _verdicts(made: Made, shape: pl.DataFrame) -> pl.DataFrame:
    first = quality.flag(made.readings, shape, PARAMETERS)
    places = made.stations.select("station", "longitude", "latitude")
    maps = quality.survey(shape.with_columns(rank=pl.lit(0)), places, PARAMETERS)
    pairs = quality.pairs(maps.with_columns(start=pl.lit(made.start, TIME), stop=pl.lit(None, TIME)))
    return quality.compare(made.readings, made.readings, first, pairs, shape, PARAMETERS)


def _quality(made: Made, verdicts: pl.DataFrame) -> pl.DataFrame:
    """Readings that are suspect or worse; a gap is said at the reading after it."""
    bad = verdicts.filter(pl.col("code") >= quality.SUSPECT).join(made.series, on="series")
    return bad.select(
        pl.col("code_right").alias("station"),
        "parameter",
        "time",
        (pl.col("time") + pl.duration(seconds="cadence")).alias("until"),
        pl.lit(FAULT).alias("group"),
        pl.lit("quality").alias("by"),
    )


def _detectors(made: Made, hours: pl.DataFrame) -> pl.DataFrame:
    """Alarms of the shipped configuration on hours."""
    places = made.stations.select(pl.col("code").alias("station"), "longitude", "latitude")
    rows = (
        hours.drop_nulls("value")
        .join(made.series.select("series", "code", "channel", base="parameter"), on="series")
        .select(
            pl.col("code").alias("station"),
            pl.format("{}/{}", "code", "channel").alias("series"),
            pl.col("channel").alias("parameter"),
            "base",
            "time",
            "value",
        )
        .sort("series", "time")
    )
    judged = detection.replay(near(rows, places), PARAMETERS, SETTINGS)
    return judged.filter(pl.col("alarm") >= 1).select(
        "station",
        pl.col("base").alias("parameter"),
        "time",
        (pl.col("time") + HOUR).alias("until"),
        pl.col("by").replace_strict(GROUPS, return_dtype=pl.String).alias("group"),
        pl.lit("detectors").alias("by"),
    )


def _episodes(made: Made, averages: pl.DataFrame) -> pl.DataFrame:
    """Episodes of all rules but those of what is expected; each speaks of every parameter that its rule looks at."""
    speaks = made.series.filter(~pl.col("channel").str.contains("@") | (pl.col("channel") == UPPER))
    spoken = averages.join(speaks.select("series", "station", "parameter"), on="series")
    spoken = spoken.select("station", "parameter", "averaging", "time", "value")
    rules = episodes.load()
    around = {name for rule in rules.values() for name, said_as in rule.facts if said_as == episodes.BACKGROUND}
    parts = [spoken]
    for name in sorted(around):
        fine = spoken.filter(parameter=name, averaging="hour").drop("averaging")
        pairs = regions.near(made.stations.join(fine, on="station", how="semi"), AROUND)
        parts.append(regions.background(fine, pairs).select(spoken.columns))
    wet = (
        spoken.filter(parameter="rain").select(lender="station", parameter="parameter").unique().sort("lender").head(1)
    )
    loans = made.stations.select("station").join(wet, how="cross").filter(pl.col("station") != pl.col("lender"))
    facts = episodes.lent(pl.concat(parts), loans)
    planned = episodes.feasts(tables.read("feasts"), OFFSET).drop("station")
    planned = planned.join(made.stations.select("station"), how="cross").select(list(episodes.PLANNED))
    # A station at a time: drift looks two weeks back at every hour.
    found = pl.concat(
        episodes.runs(episodes.conditions(part, made.stations, rules, planned))
        for part in facts.partition_by("station", maintain_order=True)
    )
    groups = {name: FAULT if rule.about == episodes.DEVICE else EVENT for name, rule in rules.items()}
    of = {name: sorted({parameter for parameter, _ in rule.facts}) for name, rule in rules.items()}
    return (
        found.join(made.stations.select("station", "code"), on="station")
        .select(
            pl.col("code").alias("station"),
            pl.col("rule").replace_strict(of, return_dtype=pl.List(pl.String)).alias("parameter"),
            "time",
            pl.col("stop").alias("until"),
            pl.col("rule").replace_strict(groups, return_dtype=pl.String).alias("group"),
            pl.lit("episodes").alias("by"),
        )
        .explode("parameter")
    )


def asked(made: Made) -> pl.DataFrame:
    """The truth that is asked for, a row a station that measures it."""
    wanted = made.truth.filter(pl.col("start") >= made.start + QUIET, ~pl.col("kind").is_in(MESSAGES))
    least = pl.col("kind").replace_strict(LEAST, default=0.0, return_dtype=pl.Float64)
    wanted = wanted.filter((pl.col("class") != EVENT) | (pl.col("magnitude").abs() >= least))
    here = made.series.select(pl.col("code").alias("station"), "parameter").unique()
    one = wanted.drop_nulls("station").join(here, on=["station", "parameter"], how="semi")
    all_ = wanted.filter(pl.col("station").is_null()).drop("station").join(here, on="parameter")
    return pl.concat([one, all_.select(one.columns)]).sort("start", "station", "kind").with_row_index("row")


def judge(truth: pl.DataFrame, told: pl.DataFrame) -> pl.DataFrame:
    """`truth` with who found it (a column each of `VOICES`), `found`, and `called`: event or fault, by most hours."""
    meets = (
        truth.select("row", "station", "parameter", "start", "stop")
        .join(told, on=["station", "parameter"])
        .filter(pl.col("time") < pl.col("stop") + HOUR, pl.col("until") > pl.col("start"))
    )
    # Of a reading that is objected to, its hour; as many hours of both say rather that a fault is one.
    last = pl.min_horizontal(pl.max_horizontal("until", pl.col("time") + HOUR), pl.col("stop") + HOUR)
    inside = last - pl.max_horizontal("time", "start")
    hour = pl.when(pl.col("until") - pl.col("time") > HOUR).then("time").otherwise(pl.col("time").dt.truncate("1h"))
    hours = (
        meets.with_columns(inside.alias("hours"), hour.alias("hour"))
        .unique(["row", "group", "by", "hour"])
        .group_by("row", "group")
        .agg(pl.col("hours").sum())
        .sort("row", "hours", "group", descending=[False, True, True])
    )
    called = hours.group_by("row").agg(pl.col("group").first().alias("called"))
    by = [meets.filter(by=name).select("row", pl.lit(value=True).alias(name)).unique() for name in VOICES]
    out = truth
    for part in [*by, called]:
        out = out.join(part, on="row", how="left", maintain_order="left")
    return out.with_columns(pl.col(*VOICES).fill_null(value=False)).with_columns(
        pl.any_horizontal(*VOICES).alias("found")
    )


def beside(made: Made, told: pl.DataFrame) -> dict[str, float]:
    """What each voice said a station-week of stations and parameters of which nothing was true, as stretches that are
    more than an hour apart; of its first weeks nothing."""
    told = told.filter(pl.col("time") >= made.start + QUIET).with_row_index("said")
    true = made.truth
    meets = told.join(true.select("station", "start", "stop", of="parameter"), on="station").filter(
        pl.col("of").is_null() | (pl.col("of") == pl.col("parameter")),
        pl.col("time") < pl.col("stop") + HOUR,
        pl.col("until") > pl.col("start"),
    )
    whole = told.join(true.filter(pl.col("station").is_null()), on="parameter").filter(
        pl.col("time") < pl.col("stop") + HOUR, pl.col("until") > pl.col("start")
    )
    free = told.join(meets, on="said", how="anti").join(whole, on="said", how="anti")
    group = ["by", "station", "parameter"]
    new = (pl.col("time") > pl.col("until").shift().over(group) + HOUR).fill_null(value=True)
    counts = free.sort(*group, "time").with_columns(new.alias("new")).group_by("by").agg(pl.col("new").sum())
    return {name: count / made.weeks for name, count in counts.iter_rows()}


def main() -> None:
    """Print a table of all seeds together."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[7, 11])
    parser.add_argument("--sets", nargs="+", choices=list(SOURCES), default=list(SOURCES), metavar="NAME")
    wanted = parser.parse_args()
    for name in wanted.sets:
        parts, others = [], []
        for seed in wanted.seeds:
            made = SOURCES[name](seed)
            told = said(made)
            truth = asked(made)
            late = judge(truth.with_columns(pl.col("start", "stop") + LATER), told)
            parts.append(judge(truth, told).with_columns(late["found"].alias("chance")))
            others.append(beside(made, told))
        Console(highlight=False, width=110).print(_table(pl.concat(parts), f"{name}, seeds {wanted.seeds}"))
        for voice in VOICES:
            rate = sum(other.get(voice, 0.0) for other in others) / len(others)
            print(f"{voice}: {rate:.2f} a station-week beside")


def _table(found: pl.DataFrame, title: str) -> Table:
    table = Table(title=title, pad_edge=False)
    table.add_column("kind", no_wrap=True)
    for name in ("count", "found", "by chance", *VOICES, "called rightly"):
        table.add_column(name, justify="right")
    for group in (FAULT, EVENT):
        rows = found.filter(pl.col("class") == group)
        for kind in sorted(rows["kind"].unique()):
            _row(table, kind, rows.filter(kind=kind))
        table.add_section()
        _row(table, f"all {group}s", rows)
        table.add_section()
    return table


def _row(table: Table, name: str, rows: pl.DataFrame) -> None:
    called = rows.drop_nulls("called")
    right = called.filter(pl.col("called") == pl.col("class")).height
    shares = [float(rows[column].sum()) / rows.height for column in ("found", "chance", *VOICES)]
    share = right / called.height if called.height else 0.0
    table.add_row(name, str(rows.height), *(f"{value:.2f}" for value in shares), f"{share:.2f}")


if __name__ == "__main__":
    main()
