"""Evidence of early warnings: what the newest forecasts say of a level of an episode rule -> will it be reached?

A forecast is of hours, a level is of the legal mean. So of each issue the mean is made that the episode rule looks at,
as averaging makes it: of the hours that were measured before the issue, as they are known now, and of its own hours
after that. With `by` low or high it is made of that end of the band: the mean of lows lies lower than the low end of a
mean, so such a warning is surer than its band says.

An issue stands as it was issued; one for the past, known only long after, says nothing. What an issue does not know
(too few measured hours) is neither a warning nor its end. A warning ends when newer issues do not repeat it, when its
hours have passed, or when the alarm it warned of is on: then that one tells.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import polars as pl

from analytics import averaging, episodes
from analytics.alarms.episode import conditions
from analytics.alarms.machine import ACTIVE, EVIDENCE, HOUR, lasting
from analytics.alarms.rules import SUBJECT, TABLE, Keys, Rule, at_least
from analytics.averaging import Averaging
from analytics.frames import AVERAGES, SERIES, TIME, conform, empty
from analytics.parameters import Parameter
from analytics.tables import TableError

#: Which of the numbers of a forecast a warning rests on.
BY = ("value", "low", "high")
#: Farther ahead [h] no warning looks without forecasts of the weather.
FARTHEST = 24
COUNTS = ("level", "leads", "confirm", "clear", "cadences")

#: An hour of an issue about a station's quantity; `cadence` [s] that of the series that measures it.
ISSUES: Mapping[str, pl.DataType] = {
    "station": pl.Int32(),
    "parameter": pl.String(),
    "cadence": pl.Int32(),
    "issued": TIME,
    "time": TIME,
    **dict.fromkeys(BY, pl.Float64()),
}
#: What an issue says of a rule: whether its level will be reached, null where it cannot say; the `first` hour in which
#: it is, the end `until` of the last one, how high a `level`, the worst `value` of the hours it looks at.
SAID: Mapping[str, pl.DataType] = {
    "station": pl.Int32(),
    "rule": pl.String(),
    "issued": TIME,
    "says": pl.Boolean(),
    "first": TIME,
    "until": TIME,
    "level": pl.Int16(),
    "value": pl.Float64(),
}


def _check(place: str, keys: Mapping[str, Any]) -> None:
    at_least(place, keys, 1, COUNTS)
    if keys["by"] not in BY:
        raise TableError(f"{place} 'by' cannot be {keys['by']!r}: one of {', '.join(BY)}")


KEYS = Keys(
    scopes=("station",),
    needs={"episode": str, "by": str, **dict.fromkeys(COUNTS, int)},
    allows={},
    check=_check,
    round=1,
)


def check(rules: Mapping[str, Rule], depths: Mapping[str, int]) -> None:
    """Nothing, where every rule names a level of an episode rule (`depths`: how many each has). Raises `TableError`."""
    for rule in rules.values():
        name, level = rule.keys["episode"], rule.keys["level"]
        if level > depths.get(name, 0):
            raise TableError(f"{TABLE}: [{rule.name}]: {name!r} has no level {level}")


def terms(rules: Mapping[str, Rule], known: Mapping[str, episodes.Rule]) -> pl.DataFrame:
    """rule, episode_rule, parameter, averaging, by, and the numbers of the rule: a row a rule whose episode rule is
    `known`."""
    rows = [
        (rule.name, about.name, about.parameter, about.averaging, *(rule.keys[key] for key in ("by", *COUNTS)))
        for rule in rules.values()
        if (about := known.get(rule.keys["episode"])) is not None
    ]
    texts = dict.fromkeys(("rule", "episode_rule", "parameter", "averaging", "by"), pl.String)
    return pl.DataFrame(rows, schema={**texts, **dict.fromkeys(COUNTS, pl.Int32)}, orient="row")


def lateness() -> pl.Expr:
    """How old a forecast, and the newest live reading, may be to count as now; of `cadences` and `cadence` [s]."""
    return pl.duration(seconds=pl.col("cadences") * pl.max_horizontal("cadence", 3600))


def said(
    issues: pl.DataFrame,
    measured: pl.DataFrame,
    stations: pl.DataFrame,
    rules: Mapping[str, Rule],
    known: Mapping[str, episodes.Rule],
    parameters: Mapping[str, Parameter],
    averagings: Mapping[str, Averaging],
) -> pl.DataFrame:
    """`SAID` of each of `issues` (`ISSUES`) under each of `rules` that is about its quantity, by station, rule, issued.

    `measured` (station, parameter, time, value): the hourly means. `stations`: station, `offset` [min], `places` and
    `fed`, whether there are forecasts of its weather.
    """
    found = [empty(SAID)]
    keys = ["station", "parameter", "issued"]
    numbered = issues.with_columns(pl.struct(keys).rank("dense").cast(pl.Int32).alias("key"))
    heads = numbered.unique("key").select("key", *keys, "cadence").join(stations, on="station")
    for row in terms(rules, known).iter_rows(named=True):
        mine = heads.filter(pl.col("parameter") == row["parameter"])
        leads = pl.when("fed").then(row["leads"]).otherwise(min(row["leads"], FARTHEST))
        ahead = mine.select("key", "issued", (pl.col("issued") + pl.duration(hours=leads)).alias("end"))
        own = numbered.join(ahead, on="key").filter(pl.col("time") < pl.col("end")).rename({row["by"]: "hour"})
        hours = own.select("key", "time", pl.col("hour").alias("value"))
        means = _means(hours, mine, measured, averagings[row["averaging"]], parameters, averagings)
        about = known[row["episode_rule"]]
        spoken = means.with_columns(parameter=pl.lit(row["parameter"]), averaging=pl.lit(row["averaging"]))
        places = mine.select(pl.col("key").alias("station"), "offset", "places")
        marked = episodes.conditions(spoken.rename({"key": "station"}), places, {about.name: about})
        expected = hours.group_by("key").agg(pl.len().alias("expected"))
        found.append(_verdict(marked.rename({"station": "key"}), mine.join(expected, on="key"), row))
    return pl.concat(found).sort("station", "rule", "issued")


def _means(
    hours: pl.DataFrame,
    heads: pl.DataFrame,
    measured: pl.DataFrame,
    rule: Averaging,
    parameters: Mapping[str, Parameter],
    averagings: Mapping[str, Averaging],
) -> pl.DataFrame:
    """key, time, value: the means of `rule` in the `hours` ahead (key, time, value) of the issues in `heads`, made of
    the hours measured before each, and its own."""
    if rule.kind == "hour":
        return hours
    before = (
        heads.join(measured, on=["station", "parameter"])
        .filter(pl.col("time") < pl.col("issued"), pl.col("time") > pl.col("issued") - pl.duration(hours=rule.period))
        .select("key", "time", "value")
    )
    hourly = (
        pl.concat([before, hours]).rename({"key": "series"}).with_columns(averaging=pl.lit("hour"), count=1, expected=1)
    )
    series = heads.select(pl.col("key").alias("series"), "cadence", "parameter", "offset").with_columns(
        station="series", position=pl.lit(""), statistic=pl.lit("")
    )
    built = {name: item for name, item in averagings.items() if name == rule.name or item.kind == "hour"}
    made = averaging.windows(conform(hourly, AVERAGES), series.select(*SERIES), parameters, built)
    ahead = made.rename({"series": "key"}).join(hours.select("key", "time"), on=["key", "time"])
    return ahead.select("key", "time", "value").drop_nulls("value")


def _verdict(marked: pl.DataFrame, heads: pl.DataFrame, row: Mapping[str, Any]) -> pl.DataFrame:
    """`SAID` of the issues in `heads` by what is `marked` (`episodes.CONDITIONS`) of their hours."""
    over = pl.col("over") >= row["level"]
    found = marked.group_by("key").agg(
        over.any().alias("any"),
        pl.len().alias("known"),
        pl.col("time").filter(over).min().alias("first"),
        (pl.col("time").filter(over).max() + HOUR).alias("until"),
        pl.col("over").max().alias("level"),
        pl.col("value").get((pl.col("value") * pl.col("sign")).arg_max()),
    )
    whole = (pl.col("known") >= pl.col("expected")).fill_null(value=False)
    says = pl.when("any").then(pl.lit(value=True)).when(whole).then(pl.lit(value=False))
    joined = heads.join(found, on="key", how="left")
    return conform(joined.with_columns(says.alias("says"), pl.lit(row["rule"]).alias("rule")), SAID)


def overtaken(states: pl.DataFrame, rules: Mapping[str, Rule], told: Mapping[str, Rule]) -> pl.DataFrame:
    """subject, rule of `rules` whose subject is in an alarm of `told` (of the kind `episode`) on that level, or a
    higher one, by `states` (`machine.STATE`)."""
    pairs = [
        (name, other.name)
        for name, rule in rules.items()
        for other in told.values()
        for episode, level in conditions(other)
        if episode == rule.keys["episode"] and level >= rule.keys["level"]
    ]
    above = pl.DataFrame(pairs, schema={"warning": pl.String, "rule": pl.String}, orient="row")
    on = states.filter(pl.col("state").is_in(ACTIVE)).join(above, on="rule")
    return on.select("subject", pl.col("warning").alias("rule")).unique()


def evidence(
    states: pl.DataFrame,
    said: pl.DataFrame,
    edges: pl.DataFrame,
    overtaken: pl.DataFrame,
    rules: Mapping[str, Rule],
    known: Mapping[str, episodes.Rule],
    now: datetime,
) -> pl.DataFrame:
    """`EVIDENCE` of the alarms in `edges` (subject, rule, `heard`: the newest live reading, `cadence` [s] of its
    series, `filled`), by subject and rule; `held` is for others to say.

    `said` (`SAID`, and subject): of each the newest issues, of one that lasts those since it is on. `overtaken`
    (subject, rule). An alarm whose episode rule is no more has no evidence: it stays as it is.
    """
    edges = edges.join(terms(rules, known), on="rule", how="semi")
    yes, no = pl.col("says").fill_null(value=False), ~pl.col("says").fill_null(value=True)
    back = (pl.len() - 1 - pl.int_range(pl.len())).over(SUBJECT)
    trailing = {"row": yes, "calm": no}
    rows = (
        edges.join(terms(rules, known).drop("level"), on="rule")
        .with_columns(lateness().alias("lateness"))
        .join(said, on=SUBJECT)
        .sort(*SUBJECT, "issued")
        .with_columns(
            *((~(~fact).cum_max(reverse=True)).over(SUBJECT).alias(name) for name, fact in trailing.items()),
            yes.alias("yes"),
            (back < pl.col("confirm")).alias("recent"),
        )
    )
    span = pl.col("issued").last() - pl.col("issued").filter("recent").first()
    steps = (pl.col("confirm") - 1) * pl.col("lateness")
    found = rows.group_by(SUBJECT, maintain_order=True).agg(
        pl.col("issued").filter("row").first().alias("onset"),
        *(pl.col(name).filter("yes").last() for name in ("first", "until", "level")),
        pl.col("yes").last().alias("newest"),
        ((pl.col("row").sum() >= pl.col("confirm").first()) & (span <= steps.first())).alias("confirmed"),
        pl.col("calm").sum().alias("quiet"),
        pl.col("clear").first(),
        pl.col("issued").last().alias("edge"),
        pl.coalesce(pl.col("value").filter("yes").last(), pl.col("value").last()).alias("value"),
        pl.col("says").last().is_not_null().alias("covered"),
        pl.when(pl.col("heard").is_not_null())
        .then(pl.min_horizontal("issued", "heard"))
        .last()
        .alias("live"),  # of a station that never spoke live there is none
        pl.col("lateness").first(),
    )
    told = overtaken.select(SUBJECT).unique().with_columns(pl.lit(value=True).alias("overtaken"))
    stands = standing(states, said).with_columns(pl.lit(value=True).alias("stands"))
    truths = ("newest", "confirmed", "covered", "overtaken", "stands")
    passed = (pl.col("until") <= pl.lit(now, TIME)).fill_null(value=False)
    on = pl.col("newest") & ~passed & ~pl.col("overtaken")
    span_said = pl.format("{}/{}", *(pl.col(name).dt.strftime("%Y-%m-%dT%H:%MZ") for name in ("first", "until")))
    return conform(
        edges.select(*SUBJECT, "filled")
        .join(found, on=SUBJECT, how="left")
        .join(told, on=SUBJECT, how="left")
        .join(stands, on=SUBJECT, how="left")
        .sort(SUBJECT)
        .with_columns(pl.col(truths).fill_null(value=False), pl.col("quiet").fill_null(0))
        .with_columns(
            on.alias("on"),
            on.alias("settled"),
            pl.col("first").alias("episode"),
            pl.max_horizontal("quiet", (pl.col("overtaken") | passed).cast(pl.Int32)).alias("quiet"),
            ((pl.col("quiet") >= pl.col("clear")).fill_null(value=False) | pl.col("overtaken") | passed).alias("over"),
            pl.lit(value=False).alias("held"),
            span_said.alias("expected"),
        ),
        EVIDENCE,
    )


def standing(states: pl.DataFrame, said: pl.DataFrame) -> pl.DataFrame:
    """subject, rule: the alarms that last of which one issue since they are on still says so, by what is known now."""
    return (
        lasting(states)
        .select(*SUBJECT, "onset", "seen")
        .join(said.filter("says"), on=SUBJECT)
        .filter(pl.col("issued").is_between("onset", "seen"))
        .select(SUBJECT)
        .unique()
    )
