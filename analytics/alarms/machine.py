"""The machine of every alarm: states, evidence and the clock in; the states that follow, and what is told, out.

    ok ──── holds at the live edge ────> pending ── confirmed ──> firing
    firing ── no live value ──> blind      ── a quiet period ──> recovering ── quiet for long enough ──> ok
    firing, blind, recovering ── none of what it stood on is left ──> withdrawn

Silence is not recovery (law 5): firing, blind and recovering end only by quiet periods that were measured, or because
a correction took away all they stood on. The past does not page (law 6): `pending` and `firing` are entered only while
the newest reading that came live is fresh and the newest period holds, however old its onset; what comes late
lengthens, raises, ends or withdraws an alarm that is there. A period that a backfill had a hand in pages nobody: the
next one will, if it holds by what comes live.

Who is told is another question: an alarm that is held back (by a planned event, by an alarm over it) goes through the
same states, and is told of later, if it then still holds at the live edge. Somebody who was told stays told.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

import polars as pl

from analytics.alarms.rules import RANKS, SUBJECT, Rule, severities
from analytics.frames import TIME, conform, empty

OK, PENDING, FIRING, BLIND, RECOVERING, WITHDRAWN = STATES = (
    "ok",
    "pending",
    "firing",
    "blind",
    "recovering",
    "withdrawn",
)
#: States of an alarm that is on and not over.
ACTIVE = (FIRING, BLIND, RECOVERING)
LASTING = (PENDING, *ACTIVE)
HOUR = pl.duration(hours=1)

#: What is remembered of a (subject, rule) that ever left `ok`. It stands on what held somewhere in [`onset`, `seen`);
#: `episode` is the start of the episode it was last in, `edge` the end of the newest period it has seen. `fired`: when
#: it did last, by the clock; `told` the highest severity that somebody was told of since, `first` that of the first
#: time, '' of nobody; `incident` the one of it.
STATE: Mapping[str, pl.DataType] = {
    "subject": pl.Int32(),
    "rule": pl.String(),
    "state": pl.String(),
    "level": pl.Int16(),
    "since": TIME,
    "episode": TIME,
    "edge": TIME,
    "closed": TIME,
    "onset": TIME,
    "seen": TIME,
    "fired": TIME,
    "first": pl.String(),
    "told": pl.String(),
    "incident": pl.Int64(),
}

#: What is known now. `onset`, `episode`, `level` of the newest stretch at or over the rule's level, null: none; `on`:
#: the newest period stands in it; `settled`: it does so by what is kept, not only by newer values; `confirmed`: it has
#: held for as long as the rule asks; `quiet` > 0: it is not at its level now; `over`: quiet for long enough to end;
#: `edge`, `value` of the newest period; `live` the newest live reading, good for `lateness`; `covered`: all up to it
#: was judged; `filled`: backfills had a hand in hours that began before, null: in none lately; `stands`: something
#: still holds where the remembered state stood; `held`: it is latched, and nobody has acknowledged it: it does not end;
#: `expected`: what there should be instead, in words of the kind, null: nothing to say.
EVIDENCE: Mapping[str, pl.DataType] = {
    "subject": pl.Int32(),
    "rule": pl.String(),
    "episode": TIME,
    "onset": TIME,
    "level": pl.Int16(),
    "on": pl.Boolean(),
    "settled": pl.Boolean(),
    "confirmed": pl.Boolean(),
    "quiet": pl.Int32(),
    "over": pl.Boolean(),
    "edge": TIME,
    "value": pl.Float64(),
    "live": TIME,
    "lateness": pl.Duration("us"),
    "covered": pl.Boolean(),
    "filled": TIME,
    "stands": pl.Boolean(),
    "held": pl.Boolean(),
    "expected": pl.String(),
}

#: `told`: the highest severity somebody was told of with this event or before, '' nobody; `by`: who holds it back, a
#: rule or `planned`, where nobody is told of it for now.
EVENTS: Mapping[str, pl.DataType] = {
    "at": TIME,
    "subject": pl.Int32(),
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
    "expected": pl.String(),
    "told": pl.String(),
    "by": pl.String(),
    "incident": pl.Int64(),
}

#: Whom nobody is told of for now, and why.
HUSHED: Mapping[str, pl.DataType] = {"subject": pl.Int32(), "rule": pl.String(), "by": pl.String()}


class Watched(NamedTuple):
    """What `watch` found: the states that are other now (`STATE`), and what is to be told (`EVENTS`)."""

    states: pl.DataFrame
    events: pl.DataFrame


def lasting(states: pl.DataFrame) -> pl.DataFrame:
    """The `states` (`STATE`) that go on: neither ok nor withdrawn."""
    return states.filter(pl.col("state").is_in(LASTING))


def watch(
    states: pl.DataFrame,
    evidence: pl.DataFrame,
    rules: Mapping[str, Rule],
    now: datetime,
    hushed: pl.DataFrame | None = None,
) -> Watched:
    """The states that are other now, and the events of it, by subject and rule.

    `states` (`STATE`) is all that is remembered, `evidence` (`EVIDENCE`) has a row at least for each of them that is
    neither ok nor withdrawn; `hushed` (`HUSHED`) is held back. States of rules that are no more stay as they are.
    """
    return tell(move(states, evidence, rules, now), rules, hushed)


def move(states: pl.DataFrame, evidence: pl.DataFrame, rules: Mapping[str, Rule], now: datetime) -> pl.DataFrame:
    """The states that follow, before anybody is told: `STATE` of now and, as `NAME_before`, of before, and what `tell`
    looks at."""
    fresh = evidence.rename({name: f"{name}_now" for name in ("episode", "onset", "level", "edge")})
    rows = (
        fresh.filter(pl.col("rule").is_in(list(rules)))
        .join(states, on=SUBJECT, how="left")
        .with_columns(
            pl.col("state").fill_null(OK),
            pl.col("first", "told").fill_null(""),
            pl.lit(now, TIME).alias("now"),
        )
        .with_columns(*_seen())
        .with_columns(_next())
        .sort(SUBJECT)
    )
    kept = [name for name in STATE if name not in SUBJECT]
    before = rows.select(pl.col(name).alias(f"{name}_before") for name in kept)
    after = rows.with_columns(*_remembered()).with_columns(pl.col("after").alias("state")).drop("after")
    return pl.concat([after, before], how="horizontal")


def after(moved: pl.DataFrame, states: pl.DataFrame) -> pl.DataFrame:
    """`STATE` of all: those of `moved` (`move`) as they follow, the others of `states` as they were."""
    rest = states.join(moved, on=SUBJECT, how="anti")
    return pl.concat([conform(moved, STATE), conform(rest, STATE)])


def _seen() -> list[pl.Expr]:
    """`sighted`: it is known how things stand at the live edge; `holds`: it holds there, by what came live."""
    apart = (pl.col("now") - pl.col("live")).abs() <= pl.col("lateness")
    sighted = (apart & pl.col("covered")).fill_null(value=False)
    ours = (pl.col("filled") <= pl.col("edge_now") - HOUR).fill_null(value=True)
    return [sighted.alias("sighted"), (sighted & pl.col("on") & pl.col("settled") & ours).alias("holds")]


def _next() -> pl.Expr:
    """The state that follows, as `after`."""
    on, stands, held = pl.col("on"), pl.col("stands"), pl.col("holds") & pl.col("confirmed")
    state = pl.col("state")
    # Of what nobody was told of there is nothing to acknowledge.
    held_fast = pl.col("held") & (pl.col("told") != "")
    active = (
        pl.when(~stands)
        .then(pl.lit(WITHDRAWN))
        .when(pl.col("over") & ~held_fast)
        .then(pl.lit(OK))
        .when(~pl.col("sighted"))
        .then(pl.lit(BLIND))
        .when(on)
        .then(pl.lit(FIRING))
        .otherwise(pl.lit(RECOVERING))
    )
    gone = ~stands | (pl.col("quiet") > 0)
    waiting = pl.when(gone).then(pl.lit(OK)).when(held).then(pl.lit(FIRING)).otherwise(pl.lit(PENDING))
    idle = pl.when(held).then(pl.lit(FIRING)).when(pl.col("holds")).then(pl.lit(PENDING)).otherwise(state)
    return pl.when(state.is_in(ACTIVE)).then(active).when(state == PENDING).then(waiting).otherwise(idle).alias("after")


def _remembered() -> list[pl.Expr]:
    """What is remembered of the state `after`."""
    state, after = pl.col("state"), pl.col("after")
    lasting, entered = after.is_in(LASTING), ~state.is_in(LASTING)
    fires = (after == FIRING) & ~state.is_in(ACTIVE)
    begins = fires | (lasting & entered)
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
        pl.when(fires).then("now").otherwise("fired").alias("fired"),
        pl.when(begins).then(pl.lit("")).otherwise("first").alias("first"),
        pl.when(begins).then(pl.lit("")).otherwise("told").alias("told"),
        pl.when(begins).then(None).otherwise("incident").alias("incident"),
    ]


#: (before, after) -> why. What is not here is a pending one that passed, or one that fires on: see `_events`.
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


def tell(moved: pl.DataFrame, rules: Mapping[str, Rule], hushed: pl.DataFrame | None = None) -> Watched:
    """Who is told of what `moved` (`move`): of an alarm that fires and holds at the live edge, unless it is `hushed`
    (`HUSHED`), its rule's severity and, once it is on for long enough, the one it escalates to. Never taken back."""
    words = {number: severity for severity, number in RANKS.items()}
    quiet = empty(HUSHED) if hushed is None else hushed.unique(SUBJECT, keep="first")
    was = pl.col("told").replace_strict(RANKS, return_dtype=pl.Int8)
    may = _may_tell() & pl.col("by").is_null()
    rows = (
        due(moved, rules)
        .join(quiet, on=SUBJECT, how="left", maintain_order="left")
        .with_columns(
            pl.max_horizontal(was, pl.when(may).then("due"))
            .replace_strict(words, return_dtype=pl.String)
            .alias("told_now")
        )
        .with_columns(
            pl.when(pl.col("first") == "").then("told_now").otherwise("first").alias("first"),
            (pl.col("told_now") != pl.col("told")).alias("louder"),
            pl.when(pl.col("state") == FIRING, pl.col("told_now") == "").then("by").alias("by"),
            pl.col("told").alias("told_to_now"),
        )
        .with_columns(pl.col("told_now").alias("told"))
        .sort(SUBJECT)
    )
    other = pl.any_horizontal(
        pl.lit(value=False),
        *(pl.col(name).ne_missing(pl.col(f"{name}_before")) for name in STATE if name not in SUBJECT),
    )
    # Of what was ok and stays so there is nothing to remember.
    idle = (pl.col("state") == OK) & (pl.col("state_before") == OK)
    return Watched(conform(rows.filter(other & ~idle), STATE), _events(rows))


def due(states: pl.DataFrame, rules: Mapping[str, Rule]) -> pl.DataFrame:
    """`states` (`STATE` and `now`) with `due`, how loud each is by now: the rank of its rule's severity, or of the one
    that it escalates to."""
    long = pl.col("now") - pl.col("fired") >= pl.duration(hours=pl.col("after"))
    loud = pl.max_horizontal("rank", pl.when(long).then("later"))
    return states.join(severities(rules), on="rule", maintain_order="left").with_columns(loud.alias("due"))


def _may_tell() -> pl.Expr:
    return (pl.col("state") == FIRING) & pl.col("holds")


def asking(moved: pl.DataFrame, rules: Mapping[str, Rule]) -> pl.DataFrame:
    """subject, rule, due: of whom somebody would be told by now, if nothing held it back."""
    was = pl.col("told").replace_strict(RANKS, return_dtype=pl.Int8)
    return due(moved, rules).filter(_may_tell(), pl.col("due") > was).select(*SUBJECT, "due")


def _events(rows: pl.DataFrame) -> pl.DataFrame:
    """`EVENTS`: what came into another state, and of what fires on, where its level turned or somebody else is told."""
    pairs = pl.DataFrame(
        [(*pair, why) for pair, why in REASONS.items()], schema=["state_before", "state", "why"], orient="row"
    )
    level, before = pl.col("level").cast(pl.Int16), pl.col("level_before")
    passed = pl.when(~pl.col("stands")).then(pl.lit("removed")).otherwise(pl.lit("passed"))
    firing = pl.col("state") == FIRING
    on = (
        pl.when(pl.col("louder") & (pl.col("told_to_now") != ""))
        .then(pl.lit("escalated"))
        .when("louder")
        .then(pl.lit("told"))
        .when(level > before)
        .then(pl.lit("raised"))
        .otherwise(pl.lit("lowered"))
    )
    other = (pl.col("state") != pl.col("state_before")) | (firing & ((level != before) | pl.col("louder")))
    return conform(
        rows.filter(other)
        .join(pairs, on=["state_before", "state"], how="left", maintain_order="left")
        .with_columns(
            pl.coalesce("why", pl.when(pl.col("state") == OK).then(passed).otherwise(on)).alias("reason"),
            pl.col("now").alias("at"),
            pl.col("state_before").alias("before"),
            pl.col("state").alias("after"),
            pl.coalesce("onset", "onset_before", "onset_now").alias("onset"),
        ),
        EVENTS,
    )
