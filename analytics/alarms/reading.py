"""Evidence of hard limits, the fast path: the readings of a channel themselves, with nothing learned in between.

A reading counts as it came, or as people corrected it; whoever calls leaves out those that are void: by the device's
mark (fault, calibration, maintenance), outside the gross range, or by a person's word. What the learned stages say of
a reading nobody here asks.

Law 6: only readings that stand as a live batch brought them confirm, and the newest must be one; what came late, by
replay or by a backfill may break a row, or lengthen or end what is on, and never begins it. Law 5: only readings on
the good side end it, as many and over as long as the rule asks.
"""

from collections.abc import Collection, Mapping
from typing import Any

import polars as pl

from analytics.alarms.machine import EVIDENCE, lasting
from analytics.alarms.rules import SUBJECT, TABLE, Keys, Rule, at_least, lateness
from analytics.frames import TIME, conform
from analytics.tables import NUMBER, TableError

#: +1: beyond the limit is above it; -1: below.
DIRECTIONS: Mapping[str, int] = {"above": 1, "below": -1}
COUNTS = ("readings", "clear", "cadences", "at_least")

#: A reading that is not void, of the series that speaks for the `subject` (`rank` 0) or stands in (1); `live`: it
#: stands as a live batch brought it.
READINGS: Mapping[str, pl.DataType] = {
    "subject": pl.Int32(),
    "rank": pl.Int16(),
    "cadence": pl.Int32(),
    "time": TIME,
    "value": pl.Float64(),
    "live": pl.Boolean(),
}
TERMS: Mapping[str, pl.DataType] = {
    "rule": pl.String(),
    "parameter": pl.String(),
    "statistic": pl.String(),
    "sign": pl.Int8(),
    **dict.fromkeys(("limit", "off", "full_scale"), pl.Float64()),
    **dict.fromkeys((*COUNTS, "of", "minutes"), pl.Int32()),
}


def _check(place: str, keys: Mapping[str, Any]) -> None:
    if keys["direction"] not in DIRECTIONS:
        raise TableError(f"{place} 'direction' cannot be {keys['direction']!r}: one of {', '.join(DIRECTIONS)}")
    at_least(place, keys, 1, COUNTS)
    at_least(place, keys, 0, ["minutes"])
    at_least(place, keys, keys["readings"], ["of"])
    sign = DIRECTIONS[keys["direction"]]
    if sign * keys["off"] > sign * keys["limit"]:
        raise TableError(f"{place} 'off' cannot be {keys['off']!r}: it must not lie beyond 'limit'")
    if sign * keys.get("full_scale", sign * float("inf")) <= sign * keys["limit"]:
        raise TableError(f"{place} 'full_scale' cannot be {keys['full_scale']!r}: it must lie beyond 'limit'")


KEYS = Keys(
    scopes=("channel",),
    needs={"parameter": str, "direction": str, "limit": NUMBER, "off": NUMBER, **dict.fromkeys(COUNTS, int)},
    allows={"of": int, "statistic": str, "minutes": int, "full_scale": NUMBER},
    check=_check,
)


def check(rules: Mapping[str, Rule], parameters: Collection[str]) -> None:
    """Nothing, where every rule names a parameter that there is. Raises `TableError`."""
    for rule in rules.values():
        if rule.keys["parameter"] not in parameters:
            raise TableError(f"{TABLE}: [{rule.name}] 'parameter': there is no {rule.keys['parameter']!r}")


def terms(rules: Mapping[str, Rule]) -> pl.DataFrame:
    """`TERMS`: what the rules ask, a row a rule."""
    rows = [
        {
            "statistic": "",
            "of": rule.keys["readings"],
            "minutes": 0,
            **{key: value for key, value in rule.keys.items() if key in TERMS},
            "rule": rule.name,
            "sign": DIRECTIONS[rule.keys["direction"]],
        }
        for rule in rules.values()
    ]
    return pl.DataFrame(rows, schema=dict(TERMS))


def heard(series: pl.DataFrame, rules: Mapping[str, Rule]) -> pl.DataFrame:
    """`voice`, `series`, `rank`, `cadence` and `TERMS`: who is listened to for which channel and rule.

    Of the `series` (frames.SERIES and `rank`, null: neither speaks nor stands in for its station) of one quantity at
    one position the one that speaks for the station, else that with the shortest cadence, speaks (rank 0) and lends
    the channel its name, `voice`; the next one stands in (1), the others are not heard.
    """
    quantity = ["station", "parameter", "position", "statistic"]
    ranked = (
        series.sort(pl.col("rank").fill_null(2), "cadence", "series")
        .with_columns(
            pl.int_range(pl.len()).over(quantity).cast(pl.Int16).alias("rank"),
            pl.col("series").first().over(quantity).alias("voice"),
        )
        .filter(pl.col("rank") < 2)
    )
    return ranked.join(terms(rules), on=["parameter", "statistic"]).sort("voice", "rule", "rank")


def reach() -> pl.Expr:
    """How many of the newest readings of a series say all there is to say, of the columns of `heard`."""
    spanned = pl.col("minutes") * 60 // pl.col("cadence") + 2
    return pl.max_horizontal("of", "clear", spanned) + 1


def standing(states: pl.DataFrame, readings: pl.DataFrame, rules: Mapping[str, Rule]) -> pl.DataFrame:
    """subject, rule: the alarms that last of which one of `readings` (subject, time, value) still is beyond the limit,
    of when it was seen so."""
    limits = terms(rules).select("rule", "sign", "limit")
    return (
        lasting(states)
        .select(*SUBJECT, "onset", "seen")
        .join(limits, on="rule")
        .join(readings.select("subject", "time", "value"), on="subject")
        .filter(pl.col("time").is_between("onset", "seen"), _beyond("limit"))
        .select(SUBJECT)
        .unique()
    )


def evidence(
    asked: pl.DataFrame, readings: pl.DataFrame, stands: pl.DataFrame, rules: Mapping[str, Rule]
) -> pl.DataFrame:
    """`EVIDENCE` of the alarms in `asked` (subject, rule), by subject and rule; `held` is for others to say.

    `readings` (`READINGS`) are the newest ones of each subject, `reach` of them or more where there are so many;
    `stands` (subject, rule): something still holds where the remembered state stood.
    """
    asks = terms(rules).drop("parameter", "statistic")
    rows = asked.join(asks, on="rule").join(readings, on="subject").with_columns(lateness().alias("lateness"))
    rows = _spoken(rows).sort(*SUBJECT, "time")
    quiet = ~_beyond("off")
    tail = ~quiet.cum_max(reverse=True)  # since the last quiet reading
    back = pl.len() - 1 - pl.int_range(pl.len())  # readings after this one
    rows = rows.with_columns(_beyond("limit").alias("beyond"), quiet.alias("calm")).with_columns(
        tail.over(SUBJECT).alias("tail"),
        (~(~pl.col("calm")).cum_max(reverse=True)).over(SUBJECT).alias("ending"),
        (pl.col("beyond") & pl.col("live") & (back.over(SUBJECT) < pl.col("of"))).alias("counts"),
        (_streak("calm") >= pl.col("clear")).alias("apart"),
    )
    rows = rows.with_columns(pl.col("apart").cum_sum().over(SUBJECT).alias("part"))
    newest = pl.col("part") == pl.col("part").last()
    counts = pl.col("value").filter("counts")
    stuck = (counts.n_unique() == 1) & (
        pl.col("sign") * counts.first() >= pl.col("sign") * pl.col("full_scale")
    ).first()
    found = rows.group_by(SUBJECT, maintain_order=True).agg(
        pl.col("time").filter(newest, "beyond").first().alias("onset"),
        (pl.col("tail") & pl.col("beyond")).any().alias("on"),
        (pl.col("live") & pl.col("beyond")).last().alias("settled"),
        ((pl.col("counts").sum() >= pl.col("readings").first()) & ~stuck.fill_null(value=False)).alias("confirmed"),
        pl.col("ending").sum().alias("quiet"),
        (
            (pl.col("ending").sum() >= pl.col("clear").first())
            & (
                pl.col("time").last() - pl.col("time").filter("ending").first()
                >= pl.duration(minutes=pl.col("minutes").first())
            )
        ).alias("over"),
        pl.col("time").last().alias("edge"),
        pl.col("value").last(),
        pl.col("time", "lateness").filter("live").last().name.map(lambda name: {"time": "live"}.get(name, name)),
    )
    there = stands.select(SUBJECT).with_columns(pl.lit(value=True).alias("stands"))
    truths = ("on", "settled", "confirmed", "over", "stands")
    return conform(
        asked.select(SUBJECT)
        .join(found, on=SUBJECT, how="left")
        .join(there, on=SUBJECT, how="left")
        .sort(SUBJECT)
        .with_columns(
            pl.col("onset").alias("episode"),
            pl.when(pl.col("onset").is_not_null()).then(1).alias("level"),
            pl.col(truths).fill_null(value=False),
            pl.col("quiet").fill_null(0),
            pl.col("edge").is_not_null().alias("covered"),
            pl.lit(None, TIME).alias("filled"),
            pl.lit(value=False).alias("held"),
            pl.lit(None, pl.String).alias("expected"),
        ),
        EVIDENCE,
    )


def _beyond(line: str) -> pl.Expr:
    return pl.col("sign") * pl.col("value") > pl.col("sign") * pl.col(line)


def _spoken(rows: pl.DataFrame) -> pl.DataFrame:
    """`rows` without readings of a stand-in, but for those that came when who speaks was silent."""
    last = pl.col("time").filter(pl.col("rank") == 0).max() + pl.col("lateness").filter(pl.col("rank") == 0).max()
    after = (pl.col("time") > last.over(SUBJECT)).fill_null(value=True)
    return rows.filter((pl.col("rank") == 0) | after)


def _streak(column: str) -> pl.Expr:
    """How many true ones of `column` in a row end here, of an alarm."""
    number = pl.int_range(1, pl.len() + 1)
    before = pl.when(~pl.col(column)).then(number).forward_fill().fill_null(0)
    return (number - before).over(SUBJECT)
