"""What an episode stands on, as rows to keep beside it: what each of its terms said."""

from collections.abc import Mapping

import polars as pl

from analytics.episodes.conditions import measured
from analytics.episodes.rules import Rule
from analytics.frames import TIME, conform, empty

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
