"""What an episode stands on, as rows to keep beside it: what each of its terms said, and the rain behind a run-off."""

from collections.abc import Mapping

import polars as pl

from analytics.episodes.conditions import measured
from analytics.episodes.measures import MICRO
from analytics.episodes.rules import Rule
from analytics.frames import TIME, conform, empty, settle

#: What a term said in an episode (station, rule, time: its start): at its start, at its own worst, and at its end.
#: `term` counts those of the rule from 0, that of its levels; `words` say what it is; null where nothing was known.
EVIDENCE: Mapping[str, pl.DataType] = {
    "station": pl.Int32(),
    "rule": pl.String(),
    "time": TIME,
    "term": pl.Int16(),
    "words": pl.String(),
    "first": pl.Float64(),
    "worst": pl.Float64(),
    "worst_time": TIME,
    "last": pl.Float64(),
    "count": pl.Int32(),
}
#: The rain behind a run-off (station, rule, time: its start): its `depth` [mm], how many hours it was `dry` before it,
#: how many it took from the wettest hour to the peak (`lag`), and from there to the end (`recovery`; null: not over).
RUNOFF: Mapping[str, pl.DataType] = {
    "station": pl.Int32(),
    "rule": pl.String(),
    "time": TIME,
    "depth": pl.Float64(),
    "dry": pl.Int32(),
    "lag": pl.Int32(),
    "recovery": pl.Int32(),
}
#: Rains are apart with so many dry hours between them, the usual choice for single storms in towns, and count from so
#: many millimetres on; one that ended so many hours before the peak has nothing to do with it.
APART, LEAST, FARTHEST = 6, 1.0, 48
_KEY = ["station", "rule", "time"]


def evidence(made: pl.DataFrame, spoken: pl.DataFrame, rules: Mapping[str, Rule]) -> pl.DataFrame:
    """`EVIDENCE` of the episodes `made` (`frames.EPISODES`), by key and term; `spoken` as `conditions` takes it."""
    out = [empty(EVIDENCE)]
    for (name,), some in made.group_by("rule", maintain_order=True):
        for number, term in enumerate(rules[str(name)].terms):
            facts = {"term": pl.lit(number), "words": pl.lit(str(term))}
            value = pl.col("value")
            worst = (value * term.sign).arg_max()
            said = (
                some.select(*_KEY, "stop")
                .join(measured(spoken, term).rename({"time": "hour"}), on="station")
                .filter(pl.col("hour") >= pl.col("time"), pl.col("hour") < pl.col("stop"))
                .sort(*_KEY, "hour")
                .group_by(_KEY, maintain_order=True)
                .agg(
                    value.first().alias("first"),
                    value.get(worst).alias("worst"),
                    pl.col("hour").get(worst).alias("worst_time"),
                    value.last().alias("last"),
                    pl.len().alias("count"),
                )
            )
            every = (
                some.select(_KEY).join(said, on=_KEY, how="left").with_columns(pl.col("count").fill_null(0), **facts)
            )
            out.append(conform(every, EVIDENCE))
    return pl.concat(out).sort(*_KEY, "term")


def lent(spoken: pl.DataFrame, loans: pl.DataFrame) -> pl.DataFrame:
    """`spoken`, and what it says of each lender and parameter as if it were of the station that has none of it.

    `loans`: station, lender, parameter; a section has the rain of the weather station beside it.
    """
    given = spoken.join(loans, left_on=["station", "parameter"], right_on=["lender", "parameter"], suffix="_to")
    given = given.select(pl.col("station_to").alias("station"), *spoken.columns[1:])
    own = spoken.select("station", "parameter").unique()
    return pl.concat([spoken, given.join(own, on=["station", "parameter"], how="anti").select(spoken.columns)])


def runoff(made: pl.DataFrame, rain: pl.DataFrame) -> pl.DataFrame:
    """`RUNOFF` of the episodes `made` (`frames.EPISODES`), by their key; none of those without rain behind them.

    `rain` (station, time, value [mm]) has the hours of rain at, or lent to, each station.
    """
    hour = pl.duration(hours=1)
    wet = rain.filter(pl.col("value") > 0).sort("station", "time")
    apart = (pl.col("time").diff() > pl.duration(hours=APART)).over("station").fill_null(value=False)
    micros = (pl.col("value") * MICRO).round().cast(pl.Int64)
    rains = (
        wet.with_columns(apart.cum_sum().over("station").alias("number"))
        .group_by("station", "number", maintain_order=True)
        .agg(
            pl.col("time").first().alias("begin"),
            (pl.col("time").last() + hour).alias("end"),
            pl.col("time").get(pl.col("value").arg_max()).alias("wettest"),
            settle(micros.sum() / MICRO).alias("depth"),
        )
        .filter(pl.col("depth") >= LEAST)
        .with_columns((pl.col("begin") - pl.col("end").shift().over("station")).dt.total_hours().alias("dry"))
        .sort("begin")
    )
    found = (
        made.select(*_KEY, "stop", "closed", "peak_time")
        .sort("peak_time")
        .join_asof(rains, left_on="peak_time", right_on="begin", by="station", check_sortedness=False)
        .filter(pl.col("peak_time") - pl.col("end") <= pl.duration(hours=FARTHEST))
        .with_columns(
            (pl.col("peak_time") - pl.col("wettest")).dt.total_hours().alias("lag"),
            pl.when("closed").then((pl.col("stop") - pl.col("peak_time")).dt.total_hours()).alias("recovery"),
        )
    )
    return conform(found.sort(_KEY), RUNOFF)
