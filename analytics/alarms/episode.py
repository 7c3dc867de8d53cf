"""Evidence of episodes: levels of episode rules over legal means, one alarm on one of them or on any of several.

The levels of an episode are turns: when which one was on. From them come stretches, in which a rule's level was on, and
from these and the newest means what `machine.watch` wants to know. With `any` an alarm stands as long as one of its
conditions does, and ends when all it stood on are measured quiet.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import polars as pl

from analytics import tables
from analytics.alarms.machine import EVIDENCE, HOUR, lasting
from analytics.alarms.rules import PAGE, SUBJECT, TABLE, Keys, Rule, at_least, lateness
from analytics.episodes import ANOMALY, DEVICE
from analytics.frames import TIME, conform
from analytics.tables import TableError

#: A condition of an alarm: it may have several.
TERM = [*SUBJECT, "episode_rule"]

#: What nobody is paged for.
NO_PAGE: Mapping[str, str] = {DEVICE: "a hint at a device", ANOMALY: "merely unusual"}
COUNTS = ("confirm", "clear", "cadences", "at_least")


def _check(place: str, keys: Mapping[str, Any]) -> None:
    if ("any" in keys) == ("episode" in keys) or ("level" in keys) != ("episode" in keys):
        raise TableError(f"{place}: needs either 'episode' and 'level' or 'any'")
    for number, each in enumerate(keys.get("any", ()), start=1):
        if not isinstance(each, dict):
            raise TableError(f"{place} 'any' cannot be {keys['any']!r}: a list of {{ episode, level }}")
        tables.check(each, f"{place} 'any' {number}", needs={"episode": str, "level": int})
        at_least(f"{place} 'any' {number}", each, 1, ["level"])
    named = [each["episode"] for each in keys.get("any", ())]
    if "any" in keys and (not named or len(set(named)) < len(named)):
        raise TableError(f"{place}: 'any' must name one episode rule at least, and each once")
    at_least(place, keys, 0, ["confirm", "raise", "lower"])
    at_least(place, keys, 1, ["level", "clear", "cadences", "at_least"])


KEYS = Keys(
    scopes=("station",),
    needs=dict.fromkeys(COUNTS, int),
    allows={"episode": str, "level": int, "any": list, "raise": int, "lower": int},
    check=_check,
)


def conditions(rule: Rule) -> Iterator[tuple[str, int]]:
    """(episode rule, level) of each condition of `rule`, any of which is enough."""
    for each in rule.keys.get("any") or [rule.keys]:
        yield each["episode"], each["level"]


def check(
    rules: Mapping[str, Rule], depths: Mapping[str, int], bridges: Mapping[str, int], abouts: Mapping[str, str]
) -> None:
    """Nothing, where every rule names levels of episode rules (`depths`: how many each has, `bridges`: its bridge) and
    outlasts their bridges, and nobody is paged for a device, or for what is merely unusual (`abouts`). Raises
    `TableError`."""
    for rule in rules.values():
        for episode, level in conditions(rule):
            if level > depths.get(episode, 0):
                raise TableError(f"{TABLE}: [{rule.name}]: {episode!r} has no level {level}")
            if level == 1 and rule.keys["clear"] <= bridges[episode]:
                raise TableError(f"{TABLE}: [{rule.name}] 'clear' must be more than the bridge of {episode!r}")
            highest = rule.severity if rule.escalate is None else rule.escalate.severity
            if abouts.get(episode) in NO_PAGE and highest == PAGE:
                raise TableError(
                    f"{TABLE}: [{rule.name}]: {episode!r} is {NO_PAGE[abouts[episode]]}: that is no {PAGE!r}"
                )


def terms(rules: Mapping[str, Rule]) -> pl.DataFrame:
    """rule, episode_rule, least, and the numbers of the rule: a row a condition."""
    rows = [
        (
            rule.name,
            episode,
            level,
            *(rule.keys[name] for name in COUNTS),
            rule.keys.get("raise", 0),
            rule.keys.get("lower", 0),
        )
        for rule in rules.values()
        for episode, level in conditions(rule)
    ]
    schema = {
        "rule": pl.String,
        "episode_rule": pl.String,
        "least": pl.Int16,
        **dict.fromkeys((*COUNTS, "raise", "lower"), pl.Int32),
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


def stretches(turns: pl.DataFrame, rules: Mapping[str, Rule]) -> pl.DataFrame:
    """subject, rule, episode_rule, episode, start, stop, level, running: when each condition was on, in its episodes.

    `turns` has the levels of episodes, a row each: subject, episode_rule, episode, stop (of the episode), closed,
    start, level. `level` is the newest of a stretch that counts: a higher one does once it has held for `raise` [h], a
    lower one for `lower`; a `running` stretch is the last of an episode that is not closed.
    """
    group = [*TERM, "episode"]
    begins = ~(pl.col("level").shift() >= pl.col("least")).fill_null(value=False)
    ends = pl.col("start").shift(-1)
    rows = (
        turns.join(terms(rules), on="episode_rule")
        .sort(*group, "start")
        .with_columns(ends.over(group).alias("end"), begins.over(group).cum_sum().alias("run"))
        .filter(pl.col("level") >= pl.col("least"))
        .with_columns(
            pl.coalesce("end", "stop").alias("until"), (pl.col("end").is_null() & ~pl.col("closed")).alias("running")
        )
    )
    return (
        rows.group_by(*group, "run", maintain_order=True)
        .agg(pl.col("start").first(), pl.col("until").last().alias("stop"), pl.col("running").last())
        .join(_levels(rows, [*group, "run"]), on=[*group, "run"], maintain_order="left")
        .select(*TERM, "episode", "start", "stop", "level", "running")
    )


def _levels(rows: pl.DataFrame, run: list[str]) -> pl.DataFrame:
    """`run`, `level`: the newest level of each that counts. Each level beyond the least one is on or off by itself, by
    its newest time on or off that was long enough."""
    top = rows.group_by(run).agg(pl.col("least").first().alias("level"))
    for k in range(1, int(str((rows["level"] - rows["least"]).max() or 0)) + 1):
        up = pl.col("level") >= pl.col("least") + k
        turned = (up != up.shift().over(run)).fill_null(value=True)
        lasted = (
            rows.with_columns(up.alias("up"), turned.cum_sum().alias("turn"))
            .group_by(*run, "turn", maintain_order=True)
            .agg(pl.col("up", "start", "raise", "lower").first(), pl.col("until").last())
        )
        enough = pl.when("up").then("raise").otherwise("lower")
        newest = (
            lasted.filter(pl.col("until") - pl.col("start") >= pl.duration(hours=enough))
            .group_by(run, maintain_order=True)
            .agg(pl.col("up").last().cast(pl.Int16))
        )
        top = top.join(newest, on=run, how="left").with_columns(pl.col("level") + pl.col("up").fill_null(0)).drop("up")
    return top


def edges(live: pl.DataFrame, rules: Mapping[str, Rule]) -> pl.DataFrame:
    """subject, rule, episode_rule, live, lateness, filled: the newest live reading of each condition, how old it may be
    to count as now, and up to when backfills had a hand in its hours.

    `live` has subject, episode_rule, live, filled and cadence [s] of each series that speaks or stands in.
    """
    return (
        live.drop_nulls("live")
        .join(terms(rules), on="episode_rule")
        .with_columns(lateness().alias("lateness"))
        .sort(pl.col("live") + pl.col("lateness"))
        .group_by(TERM, maintain_order=True)
        .agg(pl.col("live", "lateness").last(), pl.col("filled").max())
    )


def asked(states: pl.DataFrame, held: pl.DataFrame, edges: pl.DataFrame, now: datetime) -> pl.DataFrame:
    """subject, rule, episode_rule, stop: the alarms that are on, or may go on now, with the end of the newest stretch
    of each condition that had any; null of an alarm that has none. `held` as `stretches` gives it, `edges` as `edges`
    does."""
    fresh = edges.filter((pl.lit(now, TIME) - pl.col("live")).abs() <= pl.col("lateness"))
    may = held.filter("running").join(fresh, on=TERM, how="semi").select(SUBJECT)
    newest = held.sort(*TERM, "start").group_by(TERM, maintain_order=True).agg(pl.col("stop").last())
    return pl.concat([lasting(states).select(SUBJECT), may]).unique().join(newest, on=SUBJECT, how="left").sort(TERM)


def evidence(
    states: pl.DataFrame,
    asked: pl.DataFrame,
    held: pl.DataFrame,
    values: pl.DataFrame,
    edges: pl.DataFrame,
    rules: Mapping[str, Rule],
    now: datetime,
) -> pl.DataFrame:
    """`EVIDENCE` of the alarms in `asked`, by subject and rule; `held` of latched ones is for others to say.

    `values` has subject, episode_rule, time, value and `hold`, of how many levels it is beyond the off line, of periods
    that are over, from the last one of each condition's newest stretch on.
    """
    known = lasting(states).select(*SUBJECT, pl.col("onset").alias("since"), "seen")
    subjects = asked.select(SUBJECT).unique().join(terms(rules), on="rule")
    whole = _whole(held)
    stood = (
        known.join(whole, on=SUBJECT)
        .filter(pl.col("start") < pl.col("seen"), pl.col("stop") > pl.col("since"))
        .select(SUBJECT)
        .unique()
        .with_columns(pl.lit(value=True).alias("stands"))
    )
    newest = whole.group_by(SUBJECT, maintain_order=True).agg(pl.col("start").last().alias("onset"))
    each = (
        _each(subjects, held, values, edges, now)
        .join(known, on=SUBJECT, how="left")
        .join(newest, on=SUBJECT, how="left")
    )
    # A condition that this alarm stands on, or stood on since it is on.
    ours = (pl.col("stop") > pl.min_horizontal("since", "onset")).fill_null(value=False)
    unfinished = pl.col("quiet") < pl.col("clear")
    first = (
        each.with_columns(ours.alias("ours"))
        .sort(
            *SUBJECT,
            ~pl.col("ours"),
            ~(pl.col("on") & pl.col("sighted")),
            ~(unfinished & ~pl.col("sighted")),
            ~unfinished,
            -pl.col("level").fill_null(0),
            pl.col("start"),
            "episode_rule",
            nulls_last=True,
        )
        .group_by(SUBJECT, maintain_order=True)
        .agg(
            pl.col(
                "episode", "on", "settled", "edge", "value", "live", "lateness", "covered", "filled", "onset"
            ).first(),
            pl.col("confirm", "clear").first(),
            pl.coalesce(pl.col("level").filter("on", "ours").max(), pl.col("level").first()).alias("level"),
            pl.when(pl.col("on").first()).then(0).otherwise(pl.col("quiet").filter("ours").min()).alias("quiet"),
        )
        .join(stood, on=SUBJECT, how="left")
    )
    return conform(
        first.sort(SUBJECT).with_columns(
            pl.col("quiet").fill_null(0),
            (pl.col("quiet").fill_null(0) >= pl.col("clear")).alias("over"),
            (pl.col("edge") - pl.col("onset") >= pl.duration(hours=pl.col("confirm")))
            .fill_null(value=False)
            .alias("confirmed"),
            pl.col("stands").fill_null(value=False),
            pl.lit(value=False).alias("held"),
            pl.lit(None, pl.String).alias("expected"),
        ),
        EVIDENCE,
    )


def _whole(held: pl.DataFrame) -> pl.DataFrame:
    """subject, rule, start, stop: when any condition of an alarm was on, without a break, by time."""
    apart = pl.col("start") > pl.col("stop").cum_max().shift()
    return (
        held.sort(*SUBJECT, "start")
        .with_columns(apart.fill_null(value=True).cum_sum().over(SUBJECT).alias("part"))
        .group_by(*SUBJECT, "part", maintain_order=True)
        .agg(pl.col("start").min(), pl.col("stop").max())
        .drop("part")
    )


def _each(
    subjects: pl.DataFrame, held: pl.DataFrame, values: pl.DataFrame, edges: pl.DataFrame, now: datetime
) -> pl.DataFrame:
    """What is known of each condition: its newest stretch, and the periods since."""
    newest = held.sort(*TERM, "start").group_by(TERM, maintain_order=True).last()
    beyond = pl.col("hold") >= pl.col("least")
    since = (
        subjects.join(newest, on=TERM)
        .join(values, on=["subject", "episode_rule"])
        .filter(pl.col("time") >= pl.col("stop") - HOUR)
        .sort(*TERM, "time")
        .with_columns((pl.col("time") >= pl.col("stop")).alias("later"))
        .group_by(TERM, maintain_order=True)
        .agg(
            (pl.col("time").last() + HOUR).alias("end"),
            pl.col("value").last(),
            pl.col("later").sum(),
            (pl.col("later") & ~beyond).sum().alias("calm"),
            (pl.col("later") & ~beyond.cum_max(reverse=True)).sum().alias("quiet"),
        )
    )
    found = subjects
    for part in (newest, since, edges):
        found = found.join(part, on=TERM, how="left")
    running = pl.col("running").fill_null(value=False)
    edge = pl.max_horizontal("end", "stop")
    # All periods up to the live edge are there, but for the one that is open and, just after it closed, that one.
    covered = edge >= (pl.col("live") - pl.duration(minutes=pl.col("at_least"))).dt.truncate("1h")
    apart = (pl.lit(now, TIME) - pl.col("live")).abs() <= pl.col("lateness")
    return found.with_columns(
        edge.alias("edge"),
        covered.fill_null(value=False).alias("covered"),
        (apart & covered).fill_null(value=False).alias("sighted"),
        (running & (pl.col("calm").fill_null(0) == 0)).alias("on"),
        (running & (pl.col("later").fill_null(0) == 0)).alias("settled"),
        pl.col("quiet").fill_null(0),
    )
