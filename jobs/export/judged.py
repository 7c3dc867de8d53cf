"""What is said of each station: assessments, episodes; both by version."""

from collections.abc import Iterator
from dataclasses import replace

import polars as pl

from analytics.store import derived
from analytics.store.connection import Connection
from jobs import chain
from jobs.export import pages
from jobs.export.ask import Ask
from jobs.rules import Rules


def export_assessments(conn: Connection, ask: Ask) -> Iterator[pl.DataFrame]:
    """station, time, averaging, standard, index, class, category, primary, count, exceedance."""
    rules = chain.load_rules(conn, ask.known)
    stations = pages.stations(conn, ask)
    spans = derived.extent(conn, derived.ASSESSMENT, stations["station"].to_list())
    for windows in pages.slices(spans, stations, ask, pages.room(3600, rows=4)):
        yield assessments_in(conn, windows, stations, ask, rules)


def assessments_in(
    conn: Connection, windows: pl.DataFrame, stations: pl.DataFrame, ask: Ask, rules: list[Rules]
) -> pl.DataFrame:
    """What `export_assessments` writes of `windows` (station, start, stop)."""
    classes = rules[-1].standards.grades.select("standard", pl.col("class").cast(pl.Int16), "category")
    limits = {"averaging": ask.averagings, "standard": ask.standards}
    only = {column: names for column, names in limits.items() if names is not None}
    return (
        derived.load(conn, derived.ASSESSMENT, windows, only, known=ask.known)
        .join(stations, on="station")
        .join(classes, on=["standard", "class"], how="left")
        .sort("code", "time", "averaging", "standard")
        .select(
            pl.col("code").alias("station"),
            "time",
            "averaging",
            "standard",
            "index",
            "class",
            "category",
            "primary",
            "count",
            "exceedance",
        )
    )


def export_episodes(conn: Connection, ask: Ask) -> Iterator[pl.DataFrame]:
    """station, rule, time (start), stop, level, closed, peak, peak_time, dose, count, levels, parameter, averaging."""
    rules = chain.load_rules(conn, ask.known)
    if ask.parameters is not None:
        ask = replace(ask, parameters=pages.parameters(conn, ask.parameters))
    stations = pages.stations(conn, ask)
    spans = derived.extent(conn, derived.EPISODE, stations["station"].to_list())
    for windows in pages.slices(spans, stations, ask, pages.room(3600)):
        yield episodes_in(conn, windows, stations, ask, rules)


def episodes_in(
    conn: Connection, windows: pl.DataFrame, stations: pl.DataFrame, ask: Ask, rules: list[Rules]
) -> pl.DataFrame:
    """What `export_episodes` writes of `windows` (station, start, stop); `ask` has parameters by their names."""
    named = {item.name: item for rule in rules for item in rule.episodes.values()}
    about = pl.DataFrame(
        [(item.name, item.parameter, item.averaging) for item in named.values()],
        schema=dict.fromkeys(("rule", "parameter", "averaging"), pl.String),
        orient="row",
    )
    if ask.parameters is not None:
        about = about.filter(pl.col("parameter").is_in(ask.parameters))
    if ask.averagings is not None:
        about = about.filter(pl.col("averaging").is_in(ask.averagings))
    whole = ask.parameters is None and ask.averagings is None
    return (
        derived.load(conn, derived.EPISODE, windows, known=ask.known)
        .join(stations, on="station")
        .join(about, on="rule", how="left" if whole else "inner")
        .sort("code", "time", "rule")
        .select(
            pl.col("code").alias("station"),
            "rule",
            "time",
            "stop",
            "level",
            "closed",
            "peak",
            "peak_time",
            "dose",
            "count",
            "levels",
            "parameter",
            "averaging",
        )
    )
