"""Stations and series: what there is to ask for."""

import polars as pl

from analytics.store import derivations, registry
from analytics.store.connection import Connection
from analytics.store.registry import Channel
from jobs import console
from jobs.rules import Rules
from jobs.web.read import cursor, measured, selected
from jobs.web.read.asked import Asked
from jobs.web.read.forms import Page
from jobs.web.read.selected import SERIES


def stations(conn: Connection, asked: Asked, rules: list[Rules]) -> Page:
    """station, title, title_zh, longitude, latitude [°], utc_offset, places (of today, as `district:Chaoyang`)."""
    there = selected.stations(conn, asked)
    today = selected.now(selected.memberships(conn), console.now())
    places = today.sort("place").group_by("station").agg(pl.col("place").alias("places"))
    rows = (
        there.join(places, on="station", how="left", maintain_order="left")
        .with_columns(pl.col("places").fill_null([]), station=pl.col("code"))
        .select("station", "title", "title_zh", "longitude", "latitude", "utc_offset", "places")
    )
    return _page(rows, ("station",), asked)


def series(conn: Connection, asked: Asked, rules: list[Rules]) -> Page:
    """series (number), station, channel, parameter, position, statistic, cadence [s], unit, mean, domain, utc_offset,
    rank, derived, first, last."""
    names = selected.series(conn, asked, rules).rename({"code": "station"})
    found = _page(names, SERIES, asked)
    rows = found.rows
    ids = rows["series"].to_list()
    facts = selected.facts(conn, rows, rules, None).select("series", "unit", "mean", "utc_offset")
    known = rules[-1].parameters
    domains = {name: item.domain for name, item in known.items()}
    made = derivations.derived(conn, ids)
    channel = pl.struct("parameter", "position", "statistic").map_elements(
        lambda row: str(Channel(**row)), return_dtype=pl.String
    )
    described = (
        rows.join(facts, on="series", how="left", maintain_order="left")
        .join(registry.load_authorities(conn), on="series", how="left", maintain_order="left")
        .join(measured.latest(conn, ids), on="series", how="left", maintain_order="left")
        .with_columns(
            channel=channel,
            domain=pl.col("parameter").replace_strict(domains, default=None, return_dtype=pl.String),
            derived=pl.col("series").is_in(made),
        )
        .select(
            "series",
            "station",
            "channel",
            "parameter",
            "position",
            "statistic",
            "cadence",
            "unit",
            "mean",
            "domain",
            "utc_offset",
            "rank",
            "derived",
            "first",
            "last",
        )
    )
    return Page(described, found.next)


def _page(rows: pl.DataFrame, keys: tuple[str, ...], asked: Asked) -> Page:
    """At most `asked.limit` of the `rows`, sorted by `keys`, behind its cursor."""
    left = rows.filter(cursor.behind(asked.after, keys))
    found = left.head(asked.limit)
    more = left.height > found.height
    return Page(found, cursor.write(asked.mark, found.select(keys).row(-1)) if more else None)
