"""Evidence of regions: the states of the stations of a district, as they follow in this very look."""

import polars as pl

from analytics import alarms
from analytics.alarms import episode, region
from analytics.frames import conform, empty
from analytics.store import alarms as store
from analytics.store import registry
from jobs.watch.around import Around


def evidence(around: Around) -> pl.DataFrame:
    """`alarms.EVIDENCE` of every region that is on or may go on."""
    ours = around.named("district", around.states)
    terms = region.terms(around.rules)
    members = around.others.filter(pl.col("rule").is_in(terms["member"].to_list()))
    if members.is_empty() and ours.is_empty():
        return empty(alarms.EVIDENCE)
    if onsets := ours["onset"].drop_nulls().to_list():
        ended = store.ended(around.conn, terms["member"].unique().to_list(), min(onsets))
        members = pl.concat([members, conform(ended.join(members, on=alarms.SUBJECT, how="anti"), alarms.STATE)])
    places = registry.load_districts(around.conn, around.now)
    placed = around.named("station", members).join(places, on="station")
    asked = around.subjects("district", region.candidates(ours, placed, around.rules))
    reporting = _reporting(around, places, asked.join(terms, on="rule").select("place", "member").unique())
    return region.evidence(around.states, asked, placed, reporting, around.rules, around.now)


def _reporting(around: Around, places: pl.DataFrame, asked: pl.DataFrame) -> pl.DataFrame:
    """place, member, stations: how many stations of each district were ever heard of what `member` is about."""
    rules = around.book[-1]
    terms = episode.terms({name: rules.alarms[name] for name in asked["member"].unique()})
    about = terms.with_columns(
        pl.col("episode_rule")
        .replace_strict({name: rule.parameter for name, rule in rules.episodes.items()}, return_dtype=pl.String)
        .alias("parameter")
    )
    heard = (
        asked.join(about.rename({"rule": "member"}), on="member")
        .join(places, on="place")
        .join(around.voices.select("station", "parameter", "series"), on=["station", "parameter"])
    )
    live = store.live(around.conn, heard["series"].unique().to_list())
    found = heard.join(live, on="series").drop_nulls("live")
    return found.group_by("place", "member").agg(pl.col("station").n_unique().cast(pl.Int64).alias("stations"))
