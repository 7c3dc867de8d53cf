"""What rules would have told of a past: the machine of alarms, look after look, over what was known at each.

What follows from legal means is told again hour by hour: rules on episodes, and regions of them; hard limits reading
by reading. Somebody is taken to have acknowledged whatever is latched.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from analytics import episodes
from analytics.alarms import episode, hush, machine, reading, region
from analytics.alarms.machine import EVENTS, FIRING, OK, STATE, WITHDRAWN
from analytics.alarms.rules import SUBJECT, Rule, of_kind
from analytics.frames import TIME, conform, empty

#: Kinds of rules that are told again.
KINDS = ("episode", "region", "reading")
#: So far back from each look is looked at, and so long before the first one looking begins: what is on then is on.
BACK = timedelta(days=10)
#: So long after the end of an hour its means are looked at.
SETTLED = timedelta(minutes=5)
#: So often newly come readings are looked at.
EVERY = "1m"

#: `severity`: a telling of its own; `until`: when the alarm was over, null: it was not.
TOLD: Mapping[str, pl.DataType] = {
    "subject": pl.Int32(),
    "rule": pl.String(),
    "severity": pl.String(),
    "at": TIME,
    "until": TIME,
}


#: A reading as hard limits take it, and when it came.
CAME: Mapping[str, pl.DataType] = {**reading.READINGS, "known": TIME}


@dataclass(frozen=True, slots=True)
class Past:
    """What was known of some stations, which are their own subjects; districts have others (`lies`).

    `marked`: episodes.CONDITIONS and `known`, from when on; `heard`: station, episode_rule, cadence, `live`, the newest
    live reading of an hour, and `known`; `reporting`: place, parameter, time, stations, of how many an hour has a mean;
    `places`: station, place, `district` (its subject); `lies`: hush.LIES; `planned`: scope, name, start, stop.
    """

    marked: pl.DataFrame
    heard: pl.DataFrame
    reporting: pl.DataFrame
    places: pl.DataFrame
    lies: pl.DataFrame
    planned: pl.DataFrame


@dataclass(frozen=True, slots=True)
class Breaches:
    """What came of channels, which are their own subjects, around readings beyond a hard limit.

    `asked`: subject, rule, which is heard for what; `readings`: `CAME`; `lies`,
    `planned` as in `Past`.
    """

    asked: pl.DataFrame
    readings: pl.DataFrame
    lies: pl.DataFrame
    planned: pl.DataFrame


def looks(start: datetime, stop: datetime) -> list[datetime]:
    """When the replay of [`start`, `stop`) looks: once an hour, as soon as its means are there, from `BACK` before."""
    first = (start - BACK).replace(minute=0, second=0, microsecond=0) + SETTLED
    return [first + timedelta(hours=hour) for hour in range(int((stop - first) / timedelta(hours=1)) + 1)]


def replay(
    past: Past, rules: Mapping[str, Rule], parameters: Mapping[str, Collection[str]], times: Sequence[datetime]
) -> pl.DataFrame:
    """`TOLD` of `past` by `rules`, which are about `parameters`; somebody looks at `times`."""
    rules = {name: rule for name, rule in rules.items() if rule.kind in ("episode", "region")}
    states, events = empty(STATE), [empty(EVENTS)]
    # Nothing begins without a period that is not quiet, however long its readings count as now.
    busy = past.marked.filter(pl.col("hold") > 0)
    reach = timedelta(hours=2) + max(
        episode.edges(_live(past.heard), of_kind(rules, "episode"))["lateness"], default=BACK
    )
    for now in times:
        may = busy.filter(pl.col("known") <= now, pl.col("time") > now - reach)
        if may.is_empty() and machine.lasting(states).is_empty():
            continue
        states, said = _look(past, rules, parameters, states, now)
        events.append(said)
    return _told(pl.concat(events))


def replay_readings(
    past: Breaches, rules: Mapping[str, Rule], parameters: Mapping[str, Collection[str]]
) -> pl.DataFrame:
    """`TOLD` of `past` by the hard limits of `rules`, which are about `parameters`; somebody looks whenever something
    came."""
    rules = of_kind(rules, "reading")
    asked = past.asked.join(reading.terms(rules).drop("parameter", "statistic"), on="rule")
    paces = past.readings.select("subject", "cadence").unique()
    # What a look needs of the readings that came before it.
    span = 2 * reading.reach() * pl.duration(seconds=pl.col("cadence"))
    back = asked.join(paces, on="subject").select(span.max()).item() or BACK
    come = _come(past.readings, asked)
    counts = asked.group_by("subject").agg(pl.len().alias("rules"))
    still = any(rule.escalate for rule in rules.values())
    states, events, row = empty(STATE), [empty(EVENTS)], 0
    for (now,), new in come.group_by("known", maintain_order=True):
        assert isinstance(now, datetime)
        row += new.height
        on = machine.lasting(states)
        if not (still and on.height) and not _says(new, on, counts):
            continue
        kept = come.head(row).filter(pl.col("time") >= min([now - back, *on["onset"].drop_nulls()]))
        may = kept.filter(pl.col("beyond") > 0).select("subject").unique()
        these = pl.concat([on.select(SUBJECT), past.asked.join(may, on="subject", how="semi")]).unique()
        evidence = reading.evidence(these, kept, reading.standing(on, kept, rules), rules)
        states, said = _tell(past, rules, parameters, machine.move(states, evidence, rules, now), states, now)
        events.append(said)
    return _told(pl.concat(events))


def _come(readings: pl.DataFrame, asked: pl.DataFrame) -> pl.DataFrame:
    """`readings` as they came, with `beyond`, of how many of the limits `asked`; `known` is when they are looked at."""
    limit = pl.col("sign") * pl.col("value") > pl.col("sign") * pl.col("limit")
    over = asked.join(readings, on="subject").filter(limit).group_by("subject", "rank", "time").agg(pl.len())
    return (
        readings.join(over.rename({"len": "beyond"}), on=["subject", "rank", "time"], how="left")
        .with_columns(pl.col("beyond").fill_null(0), pl.col("known").dt.truncate(EVERY).dt.offset_by(EVERY))
        .sort("known", "subject", "rank", "time")
    )


def _says(new: pl.DataFrame, on: pl.DataFrame, counts: pl.DataFrame) -> bool:
    """Whether `new` readings may change what is `on`: not where all of it is told, and they are beyond all of it."""
    told = on.filter(pl.col("state") == FIRING, pl.col("told") != "").group_by("subject").agg(pl.len().alias("told"))
    rows = new.join(counts, on="subject").join(told, on="subject", how="left")
    others = pl.col("subject").is_in(on["subject"].unique().implode()) | (pl.col("beyond") > 0)
    known = ((pl.col("told") == pl.col("rules")) & (pl.col("beyond") == pl.col("rules"))).fill_null(value=False)
    return not rows.filter(others & ~known).is_empty()


def _look(
    past: Past,
    rules: Mapping[str, Rule],
    parameters: Mapping[str, Collection[str]],
    states: pl.DataFrame,
    now: datetime,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """All states that follow, and the events."""
    held = pl.col("rule").is_in(list(of_kind(rules, "episode")))
    first = machine.move(states, _stations(past, of_kind(rules, "episode"), states.filter(held), now), rules, now)
    moved = [first]
    if regions := of_kind(rules, "region"):
        evidence = _districts(past, rules, regions, machine.after(first, states), parameters, now)
        moved.append(machine.move(states, evidence, rules, now))
    return _tell(past, rules, parameters, pl.concat(moved), states, now)


def _tell(
    past: Past | Breaches,
    rules: Mapping[str, Rule],
    parameters: Mapping[str, Collection[str]],
    moved: pl.DataFrame,
    states: pl.DataFrame,
    now: datetime,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """All states that follow what `moved`, and the events."""
    asking = machine.asking(moved, rules)
    following = machine.after(moved, states)
    goes_on = past.planned.filter(pl.col("start") <= now, pl.col("stop") > now).select("scope", "name")
    hushed = hush.hushed(asking, following, past.lies, goes_on, rules, parameters)
    found = machine.tell(moved, rules, hushed)
    return pl.concat([found.states, states.join(found.states, on=SUBJECT, how="anti")]), found.events


def _stations(past: Past, rules: Mapping[str, Rule], states: pl.DataFrame, now: datetime) -> pl.DataFrame:
    over = now.replace(minute=0, second=0, microsecond=0)
    known = past.marked.filter(pl.col("known") <= now, pl.col("time") < over, pl.col("time") >= now - BACK)
    held = episode.stretches(_turns(known.drop("known")), rules)
    edges = episode.edges(_live(past.heard.filter(pl.col("known") <= now, pl.col("live") >= now - BACK)), rules)
    asked = episode.asked(states, held, edges, now)
    values = known.join(asked.select("subject").unique(), left_on="station", right_on="subject", how="semi")
    values = values.rename({"station": "subject", "rule": "episode_rule"})
    return episode.evidence(states, asked, held, values, edges, rules, now)


def _live(heard: pl.DataFrame) -> pl.DataFrame:
    """The newest reading of each series in `heard`, as `episode.edges` takes it."""
    newest = heard.group_by("station", "episode_rule", "cadence").agg(pl.col("live").max())
    return newest.rename({"station": "subject"}).with_columns(pl.lit(None, TIME).alias("filled"))


def _turns(known: pl.DataFrame) -> pl.DataFrame:
    rows = [
        (row["station"], row["rule"], row["time"], row["stop"], row["closed"], datetime.fromisoformat(start), level)
        for row in episodes.runs(known).iter_rows(named=True)
        for start, level in json.loads(row["levels"])
    ]
    schema: dict[str, pl.DataType] = {
        "subject": pl.Int32(),
        "episode_rule": pl.String(),
        **dict.fromkeys(("episode", "stop"), TIME),
        "closed": pl.Boolean(),
        "start": TIME,
        "level": pl.Int16(),
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


def _districts(
    past: Past,
    rules: Mapping[str, Rule],
    regions: Mapping[str, Rule],
    states: pl.DataFrame,
    parameters: Mapping[str, Collection[str]],
    now: datetime,
) -> pl.DataFrame:
    number = past.places.select("place", pl.col("district").alias("subject")).unique()
    ours = states.filter(pl.col("rule").is_in(list(regions))).join(number, on="subject")
    members = states.join(past.places.select(pl.col("station").alias("subject"), "place"), on="subject")
    asked = region.candidates(ours, members, regions).join(number, on="place")
    about = [(rule.keys["member"], name) for rule in regions.values() for name in parameters[rule.keys["member"]]]
    hour = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
    reporting = (
        past.reporting.filter(pl.col("time") <= hour)
        .join(pl.DataFrame(about, schema={"member": pl.String, "parameter": pl.String}, orient="row"), on="parameter")
        .group_by("place", "member")
        .agg(pl.col("stations").max())
    )
    return region.evidence(ours.drop("place"), asked, members, reporting, regions, now)


def _told(events: pl.DataFrame) -> pl.DataFrame:
    """`TOLD` of all events, by time."""
    over = pl.when(pl.col("after").is_in([OK, WITHDRAWN])).then("at")
    said = pl.col("reason").is_in(["fired", "told", "escalated"]) & (pl.col("told") != "")
    return conform(
        events.sort(*SUBJECT, "at")
        .with_columns(over.backward_fill().over(SUBJECT).alias("until"), pl.col("told").alias("severity"))
        .filter(said)
        .sort("at", *SUBJECT),
        TOLD,
    )
