"""The state of alarms: watch(state, evidence, now) -> state, events. Event time, and the clock as an argument.

    ok ──── holds at the live edge ────> pending ── for `confirm` hours ──> firing
    firing ── no live value ──> blind      ── a quiet period ──> recovering ── `clear` periods ──> ok
    firing, blind, recovering ── none of what it stood on is left ──> withdrawn

Silence is not recovery (law 5): firing, blind and recovering end only by quiet periods that were measured, or because
a correction took away all they stood on. The past does not page (law 6): `pending` and `firing` are entered only while
the newest reading that came live is fresh and the newest period holds, however old its onset; what comes late
lengthens, raises, ends or withdraws an alarm that is there. A period that a backfill had a hand in pages nobody: the
next one will, if it holds by what comes live.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import polars as pl

from analytics import tables
from analytics.frames import TIME, conform
from analytics.tables import Content, TableError

TABLE = "alarms"

OK, PENDING, FIRING, BLIND, RECOVERING, WITHDRAWN = STATES = (
    "ok",
    "pending",
    "firing",
    "blind",
    "recovering",
    "withdrawn",
)
#: States of an alarm that somebody was told of and that is not over.
ACTIVE = (FIRING, BLIND, RECOVERING)
SEVERITIES = ("page", "ticket")
SUBJECT = ["station", "rule"]
HOUR = pl.duration(hours=1)

#: What is remembered of a (station, rule) that ever left `ok`. It stands on what held somewhere in [`onset`, `seen`);
#: `episode` is the start of the episode it was last in, `edge` the end of the newest period it has seen.
STATE: Mapping[str, pl.DataType] = {
    "station": pl.Int32(),
    "rule": pl.String(),
    "state": pl.String(),
    "level": pl.Int16(),
    "since": TIME,
    "episode": TIME,
    "edge": TIME,
    "closed": TIME,
    "onset": TIME,
    "seen": TIME,
}

#: What is known now. `onset`, `episode`, `level` of the newest stretch at or over the rule's level, null: none; `on`:
#: the newest period stands in it; `settled`: it does so by the episodes as they are kept, not only by newer values;
#: `quiet`: periods in a row at its off line or better since; `edge`, `value` of the newest period; `live` the newest
#: live reading, good for `lateness`; `filled`: backfills had a hand in hours that began before, null: in none lately;
#: `stands`: something still holds where the remembered state stood.
EVIDENCE: Mapping[str, pl.DataType] = {
    "station": pl.Int32(),
    "rule": pl.String(),
    "episode": TIME,
    "onset": TIME,
    "level": pl.Int16(),
    "on": pl.Boolean(),
    "settled": pl.Boolean(),
    "quiet": pl.Int32(),
    "edge": TIME,
    "value": pl.Float64(),
    "live": TIME,
    "lateness": pl.Duration("us"),
    "filled": TIME,
    "stands": pl.Boolean(),
}

EVENTS: Mapping[str, pl.DataType] = {
    "at": TIME,
    "station": pl.Int32(),
    "rule": pl.String(),
    "before": pl.String(),
    "after": pl.String(),
    "level": pl.Int16(),
    "reason": pl.String(),
    "episode": TIME,
    "onset": TIME,
    "edge": TIME,
    "value": pl.Float64(),
    "live": TIME,
}


@dataclass(frozen=True, slots=True)
class Rule:
    """One alarm; see the head of tables/alarms.toml."""

    name: str
    episode: str
    level: int
    severity: str
    confirm: int
    clear: int
    cadences: int
    at_least: int
    title: str
    title_zh: str
    source: str
    confidence: str


def load() -> dict[str, Rule]:
    """The rules of the package table, by name."""
    return parse(tables.read(TABLE))


def parse(content: Content) -> dict[str, Rule]:
    """The rules of `content`, by name. Raises `TableError` naming block and key."""
    texts = ("episode", "severity", "title", "title_zh", "source", "confidence")
    counts = ("level", "confirm", "clear", "cadences", "at_least")
    needs: dict[str, Any] = {**dict.fromkeys(texts, str), **dict.fromkeys(counts, int)}
    found = {}
    for name, record in tables.records(content, TABLE).items():
        place = f"{TABLE}: [{name}]"
        tables.check(record, place, needs=needs)
        if record["severity"] not in SEVERITIES:
            raise TableError(f"{place} 'severity' cannot be {record['severity']!r}: one of {', '.join(SEVERITIES)}")
        if record["confirm"] < 0 or any(record[key] < 1 for key in counts if key != "confirm"):
            raise TableError(f"{place}: 'confirm' must be 0 or more, the other numbers 1 or more")
        found[name] = Rule(name=name, **record)
    return found


def check(rules: Mapping[str, Rule], depths: Mapping[str, int], bridges: Mapping[str, int]) -> None:
    """Nothing, where every rule names a level of an episode rule (`depths`: how many it has, `bridges`: the bridge of
    its first one) and outlasts its bridge. Raises `TableError`."""
    for rule in rules.values():
        if rule.level > depths.get(rule.episode, 0):
            raise TableError(f"{TABLE}: [{rule.name}]: {rule.episode!r} has no level {rule.level}")
        if rule.level == 1 and rule.clear <= bridges[rule.episode]:
            raise TableError(f"{TABLE}: [{rule.name}] 'clear' must be more than the bridge of {rule.episode!r}")


def lasting(states: pl.DataFrame) -> pl.DataFrame:
    """The `states` (`STATE`) that go on: neither ok nor withdrawn."""
    return states.filter(pl.col("state").is_in([PENDING, *ACTIVE]))


def stretches(turns: pl.DataFrame, rules: Mapping[str, Rule]) -> pl.DataFrame:
    """station, rule, episode, start, stop, level, running: when each alarm's level was on, within its episodes.

    `turns` has the levels of episodes, a row each: station, episode_rule, episode, stop (of the episode), closed,
    start, level. `level` is the newest of a stretch; a `running` one is the last of an episode that is not closed.
    """
    group = [*SUBJECT, "episode"]
    begins = ~(pl.col("level").shift() >= pl.col("least")).fill_null(value=False)
    ends = pl.col("start").shift(-1)
    return (
        turns.join(_terms(rules), on="episode_rule")
        .sort(*group, "start")
        .with_columns(ends.over(group).alias("end"), begins.over(group).cum_sum().alias("run"))
        .filter(pl.col("level") >= pl.col("least"))
        .group_by(*group, "run", maintain_order=True)
        .agg(
            pl.col("start").first(),
            pl.coalesce("end", "stop").last().alias("stop"),
            pl.col("level").last(),
            (pl.col("end").is_null() & ~pl.col("closed")).last().alias("running"),
        )
        .drop("run")
    )


def edges(live: pl.DataFrame, rules: Mapping[str, Rule]) -> pl.DataFrame:
    """station, rule, live, lateness, filled: the newest live reading of each alarm, how old it may be to count as now,
    and up to when backfills had a hand in its hours.

    `live` has station, episode_rule, live, filled and cadence [s] of each series that speaks or stands in.
    """
    on_time = pl.max_horizontal(
        pl.duration(seconds=pl.col("cadences") * pl.col("cadence")), pl.duration(minutes=pl.col("at_least"))
    )
    return (
        live.drop_nulls("live")
        .join(_terms(rules), on="episode_rule")
        .with_columns(on_time.alias("lateness"))
        .sort(pl.col("live") + pl.col("lateness"))
        .group_by(SUBJECT, maintain_order=True)
        .agg(pl.col("live", "lateness").last(), pl.col("filled").max())
    )


def asked(states: pl.DataFrame, held: pl.DataFrame, edges: pl.DataFrame, now: datetime) -> pl.DataFrame:
    """station, rule, stop: the alarms that are on, or may go on now, with the end of the newest stretch of each, null
    where there is none. `held` as `stretches` gives it, `edges` as `edges` does."""
    fresh = edges.filter((pl.lit(now, TIME) - pl.col("live")).abs() <= pl.col("lateness"))
    may = held.filter("running").join(fresh, on=SUBJECT, how="semi").select(SUBJECT)
    newest = held.sort(*SUBJECT, "start").group_by(SUBJECT, maintain_order=True).agg(pl.col("stop").last())
    return pl.concat([lasting(states).select(SUBJECT), may]).unique().join(newest, on=SUBJECT, how="left").sort(SUBJECT)


def evidence(
    states: pl.DataFrame,
    asked: pl.DataFrame,
    held: pl.DataFrame,
    values: pl.DataFrame,
    edges: pl.DataFrame,
    rules: Mapping[str, Rule],
) -> pl.DataFrame:
    """`EVIDENCE` of the alarms in `asked`, by station and rule.

    `values` has station, episode_rule, time, value and `hold`, of how many levels it is beyond the off line, of periods
    that are over, from the last one of each alarm's newest stretch on.
    """
    subjects = asked.join(_terms(rules), on="rule")
    newest = held.sort(*SUBJECT, "start").group_by(SUBJECT, maintain_order=True).last().drop("stop")
    stood = (
        lasting(states)
        .select(*SUBJECT, "onset", "seen")
        .join(held, on=SUBJECT)
        .filter(pl.col("start") < pl.col("seen"), pl.col("stop") > pl.col("onset"))
        .select(SUBJECT)
        .unique()
        .with_columns(pl.lit(value=True).alias("stands"))
    )
    beyond = pl.col("hold") >= pl.col("least")
    since = (
        subjects.join(values, on=["station", "episode_rule"])
        .filter(pl.col("time") >= pl.col("stop") - HOUR)
        .sort(*SUBJECT, "time")
        .with_columns((pl.col("time") >= pl.col("stop")).alias("later"))
        .group_by(SUBJECT, maintain_order=True)
        .agg(
            (pl.col("time").last() + HOUR).alias("end"),
            pl.col("value").last(),
            pl.col("later").sum(),
            (pl.col("later") & ~beyond).sum().alias("calm"),
            (pl.col("later") & ~beyond.cum_max(reverse=True)).sum().alias("quiet"),
        )
    )
    found = subjects
    for part in (newest, since, edges, stood):
        found = found.join(part, on=SUBJECT, how="left")
    running = pl.col("running").fill_null(value=False)
    return conform(
        found.sort(SUBJECT).with_columns(
            pl.col("start").alias("onset"),
            pl.max_horizontal("end", "stop").alias("edge"),
            (running & (pl.col("calm").fill_null(0) == 0)).alias("on"),
            (running & (pl.col("later").fill_null(0) == 0)).alias("settled"),
            pl.col("quiet").fill_null(0),
            pl.col("stands").fill_null(value=False),
        ),
        EVIDENCE,
    )


def _terms(rules: Mapping[str, Rule]) -> pl.DataFrame:
    """The numbers of `rules`, a row each."""
    return pl.DataFrame(
        [
            (rule.name, rule.episode, rule.level, rule.confirm, rule.clear, rule.cadences, rule.at_least)
            for rule in rules.values()
        ],
        schema={
            "rule": pl.String,
            "episode_rule": pl.String,
            "least": pl.Int16,
            **dict.fromkeys(("confirm", "clear", "cadences", "at_least"), pl.Int32),
        },
        orient="row",
    )


class Watched(NamedTuple):
    """What `watch` found: the states that are other now (`STATE`), and what is to be told (`EVENTS`)."""

    states: pl.DataFrame
    events: pl.DataFrame


def watch(states: pl.DataFrame, evidence: pl.DataFrame, rules: Mapping[str, Rule], now: datetime) -> Watched:
    """The states that are other now, and the events of it, by station and rule.

    `states` (`STATE`) is all that is remembered, `evidence` (`EVIDENCE`) has a row at least for each of them that is
    neither ok nor withdrawn. States of rules that are no more stay as they are.
    """
    fresh = evidence.rename({name: f"{name}_now" for name in ("episode", "onset", "level", "edge")})
    rows = (
        fresh.join(_terms(rules), on="rule")
        .join(states, on=SUBJECT, how="left")
        .with_columns(pl.col("state").fill_null(OK), pl.lit(now, TIME).alias("now"))
        .with_columns(_next())
        .sort(SUBJECT)
    )
    before = rows.select(pl.col(name).alias(name) for name in STATE)
    moved = rows.with_columns(*_remembered(), onset_before="onset")
    after = moved.select(pl.col("after").alias("state") if name == "state" else name for name in STATE)
    other = pl.any_horizontal(after[name].ne_missing(before[name]).alias(name) for name in STATE)
    changed = after.filter(after.select(other.alias("other"))["other"]) if after.height else after
    return Watched(conform(changed, STATE), _events(moved.with_columns(rows["level"].alias("level_before"))))


def _next() -> pl.Expr:
    """The state that follows, as `after`."""
    apart = (pl.col("now") - pl.col("live")).abs() <= pl.col("lateness")
    # All periods up to the live edge are there, but for the one that is open and, just after it closed, that one.
    covered = pl.col("edge_now") >= (pl.col("live") - pl.duration(minutes=pl.col("at_least"))).dt.truncate("1h")
    sighted = (apart & covered).fill_null(value=False)
    on, quiet, stands = pl.col("on"), pl.col("quiet"), pl.col("stands")
    ours = (pl.col("filled") <= pl.col("edge_now") - HOUR).fill_null(value=True)
    holds = sighted & on & pl.col("settled") & ours
    held = holds & (pl.col("edge_now") - pl.col("onset_now") >= pl.duration(hours=pl.col("confirm")))
    state = pl.col("state")
    active = (
        pl.when(~stands)
        .then(pl.lit(WITHDRAWN))
        .when(quiet >= pl.col("clear"))
        .then(pl.lit(OK))
        .when(~sighted)
        .then(pl.lit(BLIND))
        .when(on)
        .then(pl.lit(FIRING))
        .otherwise(pl.lit(RECOVERING))
    )
    waiting = pl.when(~stands | (quiet > 0)).then(pl.lit(OK)).when(held).then(pl.lit(FIRING)).otherwise(pl.lit(PENDING))
    idle = pl.when(held).then(pl.lit(FIRING)).when(holds).then(pl.lit(PENDING)).otherwise(state)
    return pl.when(state.is_in(ACTIVE)).then(active).when(state == PENDING).then(waiting).otherwise(idle).alias("after")


def _remembered() -> list[pl.Expr]:
    """What is remembered of the state `after`."""
    state, after = pl.col("state"), pl.col("after")
    lasting, entered = after.is_in([PENDING, *ACTIVE]), ~state.is_in([PENDING, *ACTIVE])
    holds = lasting & pl.col("on")
    over = state.is_in(ACTIVE) & ~lasting
    onset = pl.when(entered).then("onset_now").otherwise(pl.min_horizontal("onset", pl.when(holds).then("onset_now")))
    return [
        pl.when(holds).then("level_now").otherwise(pl.col("level").fill_null(0)).alias("level"),
        pl.when(after == state).then(pl.coalesce("since", "now")).otherwise("now").alias("since"),
        pl.when(holds).then("episode_now").otherwise("episode").alias("episode"),
        pl.when(lasting | over).then(pl.coalesce("edge_now", "edge")).otherwise("edge").alias("edge"),
        pl.when(over).then("now").otherwise("closed").alias("closed"),
        pl.when(lasting).then(onset).alias("onset"),
        pl.when(lasting).then(pl.when(holds).then("edge_now").otherwise("seen")).alias("seen"),
    ]


#: (before, after) -> why. What is not here is a pending one that passed, or a level that turned.
REASONS: Mapping[tuple[str, str], str] = {
    (FIRING, BLIND): "silent",
    (RECOVERING, BLIND): "silent",
    (BLIND, FIRING): "seen",
    (BLIND, RECOVERING): "seen",
    (FIRING, RECOVERING): "quiet",
    (RECOVERING, FIRING): "again",
    **{(state, OK): "cleared" for state in ACTIVE},
    **{(state, WITHDRAWN): "removed" for state in ACTIVE},
    **{(state, PENDING): "begun" for state in (OK, WITHDRAWN)},
    **{(state, FIRING): "fired" for state in (OK, WITHDRAWN, PENDING)},
}


def _events(rows: pl.DataFrame) -> pl.DataFrame:
    pairs = pl.DataFrame(
        [(*pair, why) for pair, why in REASONS.items()], schema=["state", "after", "why"], orient="row"
    )
    level = pl.col("level").cast(pl.Int16)
    passed = pl.when(~pl.col("stands")).then(pl.lit("removed")).otherwise(pl.lit("passed"))
    turned = pl.when(level > pl.col("level_before")).then(pl.lit("raised")).otherwise(pl.lit("lowered"))
    other = (pl.col("state") != pl.col("after")) | ((pl.col("after") == FIRING) & (level != pl.col("level_before")))
    return conform(
        rows.filter(other)
        .join(pairs, on=["state", "after"], how="left", maintain_order="left")
        .with_columns(
            pl.coalesce("why", pl.when(pl.col("after") == OK).then(passed).otherwise(turned)).alias("reason"),
            pl.col("now").alias("at"),
            pl.col("state").alias("before"),
            pl.coalesce("onset", "onset_before", "onset_now").alias("onset"),
        ),
        EVENTS,
    )
