"""Whom nobody is told of for now: what lies under an alarm that says as much, and what was planned.

Nothing here ends an alarm or takes back what was told; see `machine.tell`.
"""

from collections.abc import Collection, Mapping

import polars as pl

from analytics.alarms.machine import ACTIVE, HUSHED
from analytics.alarms.rules import RANKS, SUBJECT, Rule, held_back
from analytics.frames import conform

#: What a subject lies in, itself included: `scope` and `name` of a station, district, source or parameter, and the
#: subject that this is (`above`), null where nothing was ever about it.
LIES: Mapping[str, pl.DataType] = {
    "subject": pl.Int32(),
    "scope": pl.String(),
    "name": pl.String(),
    "above": pl.Int32(),
}
#: What a planned event may cover.
PLANNED = ("all", "station", "district", "source", "parameter")


def hushed(
    asking: pl.DataFrame,
    states: pl.DataFrame,
    lies: pl.DataFrame,
    planned: pl.DataFrame,
    rules: Mapping[str, Rule],
    parameters: Mapping[str, Collection[str]],
) -> pl.DataFrame:
    """`HUSHED` of those `asking` (machine.asking).

    `states` (`STATE`) are all that follow, `lies` (`LIES`) where the subjects asking lie,
    `planned` (scope, name) the events that go on, `parameters` those each rule is about.
    """
    covered = _planned(asking, lies, planned, parameters)
    says = asking.join(covered, on=SUBJECT, how="anti")
    return pl.concat([covered, _under(asking, states, says, lies, rules)])


def _under(
    asking: pl.DataFrame, states: pl.DataFrame, says: pl.DataFrame, lies: pl.DataFrame, rules: Mapping[str, Rule]
) -> pl.DataFrame:
    """Those under an alarm that is on, whose rule holds them back, and of which somebody was told as much as they would
    tell, or is now (`says`): neither a ticket nor what nobody heard of keeps a page from anybody."""
    pairs = pl.DataFrame(sorted(set(held_back(rules))), schema={"by": pl.String, "rule": pl.String}, orient="row")
    own = asking.select("subject", pl.col("subject").alias("above"))
    around = pl.concat([own, lies.select("subject", "above").drop_nulls()]).unique()
    on = states.filter(pl.col("state").is_in(ACTIVE)).select(
        *SUBJECT, pl.col("told").replace_strict(RANKS, return_dtype=pl.Int8).alias("says")
    )
    told = pl.concat([on, says.select(*SUBJECT, pl.col("due").cast(pl.Int8).alias("says"))])
    over = told.group_by(SUBJECT).agg(pl.col("says").max()).rename({"subject": "above", "rule": "by"})
    found = asking.join(pairs, on="rule").join(around, on="subject").join(over, on=["above", "by"])
    return conform(found.filter(pl.col("says") >= pl.col("due")).sort(*SUBJECT, "by"), HUSHED)


def _planned(
    asking: pl.DataFrame, lies: pl.DataFrame, planned: pl.DataFrame, parameters: Mapping[str, Collection[str]]
) -> pl.DataFrame:
    """Those that a planned event covers: all, something they lie in, or every parameter that they are about."""
    names = {scope: planned.filter(pl.col("scope") == scope)["name"].to_list() for scope in PLANNED}
    if names["all"]:
        covered = asking
    else:
        places = planned.filter(pl.col("scope") != "parameter").select("scope", "name")
        inside = lies.join(places, on=["scope", "name"]).select("subject").unique()
        # A channel has one parameter, whatever its rule may be about elsewhere.
        own = lies.filter(pl.col("scope") == "parameter")
        there = own.filter(pl.col("name").is_in(names["parameter"])).select("subject").unique()
        about = [name for name, found in parameters.items() if found and set(found) <= set(names["parameter"])]
        others = asking.filter(pl.col("rule").is_in(about)).join(own, on="subject", how="anti")
        covered = pl.concat(
            [asking.join(inside, on="subject", how="semi"), asking.join(there, on="subject", how="semi"), others]
        ).unique(SUBJECT, maintain_order=True)
    return conform(covered.with_columns(pl.lit("planned").alias("by")), HUSHED)
