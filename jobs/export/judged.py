"""What is said of each station: assessments, episodes; both by version."""

from collections.abc import Iterator

import polars as pl

from analytics.store import derived
from analytics.store.connection import Connection
from jobs import chain
from jobs.export import pages
from jobs.export.ask import Ask


def export_assessments(conn: Connection, ask: Ask) -> Iterator[pl.DataFrame]:
    """station, time, averaging, standard, index, class, category, primary, count, exceedance."""
    grades = chain.load_rules(conn, ask.known)[-1].standards.grades
    classes = grades.select("standard", pl.col("class").cast(pl.Int16), "category")
    stations = pages.stations(conn, ask)
    limits = {"averaging": ask.averagings, "standard": ask.standards}
    only = {column: names for column, names in limits.items() if names is not None}
    spans = derived.extent(conn, derived.ASSESSMENT, stations["station"].to_list())
    for page in pages.slices(spans, stations, ask, pages.room(3600, rows=4)):
        rows = derived.load(conn, derived.ASSESSMENT, page, only, known=ask.known)
        yield (
            rows.join(stations, on="station")
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
    rules = {item.name: item for rule in chain.load_rules(conn, ask.known) for item in rule.episodes.values()}
    about = pl.DataFrame(
        [(item.name, item.parameter, item.averaging) for item in rules.values()],
        schema=dict.fromkeys(("rule", "parameter", "averaging"), pl.String),
        orient="row",
    )
    if ask.parameters is not None:
        about = about.filter(pl.col("parameter").is_in(pages.parameters(conn, ask.parameters)))
    if ask.averagings is not None:
        about = about.filter(pl.col("averaging").is_in(ask.averagings))
    stations = pages.stations(conn, ask)
    spans = derived.extent(conn, derived.EPISODE, stations["station"].to_list())
    for page in pages.slices(spans, stations, ask, pages.room(3600)):
        rows = derived.load(conn, derived.EPISODE, page, known=ask.known)
        whole = ask.parameters is None and ask.averagings is None
        yield (
            rows.join(stations, on="station")
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
