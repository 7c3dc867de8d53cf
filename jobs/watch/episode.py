"""Evidence of episodes: what is kept of them, the means since, and how fresh their readings are."""

from datetime import timedelta

import polars as pl

from analytics import alarms
from analytics.alarms import episode
from analytics.frames import TIME, empty
from analytics.store import alarms as store
from analytics.store import backfills
from jobs.facts import Facts
from jobs.watch.around import Around

_HOUR = timedelta(hours=1)


def evidence(around: Around) -> pl.DataFrame:
    """`alarms.EVIDENCE` of every alarm on episodes that is on or may go on."""
    conn, rules = around.conn, around.rules
    of = episode.terms(rules).select("rule", "episode_rule")
    lasting = around.named("station", alarms.lasting(around.states)).join(of, on="rule")
    turns = around.subjects("station", store.turns(conn, lasting.select("station", "episode_rule", "onset")))
    if turns.is_empty() and lasting.is_empty():
        return empty(alarms.EVIDENCE)
    held = episode.stretches(turns, rules)
    known = pl.concat([part.select("subject", "station", "episode_rule") for part in (turns, lasting)])
    heard = _heard(around, known.unique())
    series = heard["series"].unique().to_list()
    filled = backfills.filled(conn, series, around.now)
    live = store.live(conn, series).join(heard, on="series").join(filled, on="series", how="left")
    edges = episode.edges(live, rules)
    asked = episode.asked(around.states, held, edges, around.now)
    since = (
        asked.drop_nulls("stop").group_by("subject", "episode_rule").agg((pl.col("stop").min() - _HOUR).alias("start"))
    )
    values = _values(around, since.join(heard, on=["subject", "episode_rule"]))
    return episode.evidence(around.states, asked, held, values, edges, rules, around.now)


def _heard(around: Around, asked: pl.DataFrame) -> pl.DataFrame:
    """subject, station, episode_rule, averaging, parameter, series, rank, cadence: who speaks to `asked`, or stands
    in."""
    facts = {(item.name, item.parameter, item.averaging) for rules in around.book for item in rules.episodes.values()}
    names = pl.DataFrame(sorted(facts), schema=["episode_rule", "parameter", "averaging"], orient="row")
    return asked.join(names, on="episode_rule").join(
        around.voices.select("station", "parameter", "series", "rank", "cadence"), on=["station", "parameter"]
    )


def _values(around: Around, asked: pl.DataFrame) -> pl.DataFrame:
    """subject, episode_rule, time, value, hold of the periods in `asked` (`_heard`, and `start`) that are over."""
    over = around.now.replace(minute=0, second=0, microsecond=0)
    pieces = asked.group_by("station", pl.col("episode_rule").alias("rule")).agg(
        pl.col("start").min(), pl.lit(over, TIME).alias("stop")
    )
    there = around.stations.filter(pl.col("station").is_in(asked["station"].implode()))
    names = frozenset(asked["episode_rule"])
    facts = Facts(around.conn, around.now, around.book, there, around.voices, names)
    marked = facts.conditions(pieces.filter(pl.col("start") < pl.col("stop")))
    return (
        marked.select("station", pl.col("rule").alias("episode_rule"), "time", "value", "hold")
        .join(asked.select("station", "subject").unique(), on="station")
        .drop("station")
    )
