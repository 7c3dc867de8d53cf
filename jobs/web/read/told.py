"""What is said of stations and of what is to come: assessments, episodes, explanations, forecasts."""

from collections.abc import Callable
from datetime import timedelta

import polars as pl

from analytics.store import explained, forecasts, observations, registry, terms
from analytics.store.connection import Connection
from jobs.export import issued, judged
from jobs.export.ask import Ask
from jobs.rules import Rules, load_rules
from jobs.web.problems import Refused
from jobs.web.read import measured, past, selected, walk
from jobs.web.read.asked import Asked
from jobs.web.read.forms import Page
from jobs.web.read.selected import SERIES

#: Rows a station has in an hour, about: an assessment of each averaging and standard; an episode of some rule.
_AN_HOUR = 8
_DAY = timedelta(days=1)


def assessments(conn: Connection, asked: Asked, rules: list[Rules]) -> Page:
    """Columns of `greenwatch export assessments`, and utc_offset."""
    known = {
        "averaging": {name for rule in rules for name in rule.averagings},
        "standard": {name for rule in rules for name in rule.standards.grades["standard"]},
    }
    for what, words in (("averaging", asked.averagings), ("standard", asked.standards)):
        there = known[what] | set(terms.numbers(conn, what))  # an assessment's averaging may be one of several
        if unknown := sorted(set(words) - there):
            there_are = ", ".join(sorted(there))
            raise Refused("bad-query", f"{what}: nothing is assessed by {unknown[0]!r}; there are {there_are}")
    return _of_stations(conn, asked, rules, ("time", "averaging", "standard"), judged.assessments_in)


def episodes(conn: Connection, asked: Asked, rules: list[Rules]) -> Page:
    """Columns of `greenwatch export episodes`, and utc_offset."""
    measured.require_averagings(asked, rules)
    return _of_stations(conn, asked, rules, ("time", "rule"), judged.episodes_in)


def explanations(conn: Connection, asked: Asked, rules: list[Rules]) -> Page:
    """`explained.COLUMNS`, and utc_offset."""
    return _of_stations(conn, asked, rules, explained.KEYS[1:], _explained)


def _explained(
    conn: Connection, windows: pl.DataFrame, stations: pl.DataFrame, ask: Ask, rules: list[Rules]
) -> pl.DataFrame:
    return explained.load(conn, windows.join(stations, on="station"), ask.parameters)


Load = Callable[[Connection, pl.DataFrame, pl.DataFrame, Ask, list[Rules]], pl.DataFrame]


def _of_stations(conn: Connection, asked: Asked, rules: list[Rules], keys: tuple[str, ...], load: Load) -> Page:
    known = past.moment(conn, asked)
    there = selected.stations(conn, asked)
    parameters = selected.parameters(asked.parameters, rules[-1].parameters)
    ask = Ask(
        parameters=parameters or None,
        standards=list(asked.standards) or None,
        averagings=list(asked.averagings) or None,
        known=known,
    )
    then = rules if known is None else load_rules(conn, known)
    series = registry.load_series(conn).join(there.select("station"), on="station", how="semi")
    extent = (
        observations.extent(conn, series["series"].to_list())
        .join(series.select("series", "station"), on="series")
        .group_by(pl.col("station").alias("subject"))
        # What is said of a day is named by its start.
        .agg(pl.col("start").min() - _DAY, pl.col("stop").max() + _DAY)
    )
    of = there.select(pl.col("station").alias("subject"), "station", "offset")
    spans = (
        selected.inside(extent, asked, conn, of)
        .join(there.select(pl.col("station").alias("subject"), pl.col("code").alias("station")), on="subject")
        .with_columns(step=pl.lit(3600.0 / _AN_HOUR))
        .sort("station", "start")
    )
    offsets = there.select(pl.col("code").alias("station"), "utc_offset")

    def rows(windows: pl.DataFrame) -> pl.DataFrame:
        found = windows.select(pl.col("subject").alias("station"), "start", "stop")
        made = load(conn, found, there.select("station", "code"), ask, then)
        return made.join(offsets, on="station", how="left", maintain_order="left")

    found, cursor = walk.page(walk.walk(spans, ("station",), asked), rows, ("station", *keys), asked)
    return Page(found, cursor, known, past.lasting(known))


def issues(conn: Connection, asked: Asked, rules: list[Rules]) -> Page:
    """Columns of `greenwatch export forecasts`, and those of `measured.ABOUT`; by the time of issue. `newest`: only
    what was issued last of each series."""
    if asked.newest and (asked.start, asked.stop) != (None, None):
        raise Refused("bad-query", "newest: goes without from and to")
    known = past.moment(conn, asked)
    names = selected.series(conn, asked, rules)
    facts = selected.facts(conn, names, rules, known)
    extent = forecasts.extent(conn, names["series"].to_list())
    step = 3600.0 / issued.LEADS
    if asked.newest:  # one window a series, be it of one issue
        extent = extent.with_columns(start=pl.col("stop") - walk.INSTANT)
        step = walk.INSTANT.total_seconds() / issued.LEADS
    spans = measured.ordered(conn, extent, names, facts.with_columns(step=pl.lit(step)), asked)
    ask = Ask(start=asked.start, known=known)

    def load(windows: pl.DataFrame) -> pl.DataFrame:
        found = windows.select(pl.col("subject").alias("series"), "start", "stop")
        if asked.newest:
            newest = forecasts.load(conn, found["series"].to_list(), known=known)
            named = newest.join(names.rename({"code": "station"}), on="series").sort(*SERIES, "issued", "time")
        else:
            named = issued.forecasts_in(conn, found, names, ask)
        return measured.described(named, facts).select(*issued.FORECASTS, "statistic", "cadence", *measured.ABOUT)

    stretches = walk.walk(spans, SERIES, asked)
    rows, cursor = walk.page(stretches, load, (*SERIES, "issued", "time"), asked)
    return Page(rows, cursor, known, past.lasting(known))
