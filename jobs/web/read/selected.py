"""Which stations and series are meant, and when each of them was in the places that are asked for."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

import polars as pl

from analytics.frames import TIME
from analytics.parameters import Parameter, canonical
from analytics.store import ledger, registry
from analytics.store.connection import Connection
from analytics.store.registry import Channel
from jobs.export import pages
from jobs.export.ask import Ask
from jobs.rules import Rules
from jobs.web.problems import Refused
from jobs.web.read.asked import Asked

#: A series' key, in the order of an export.
SERIES = ("station", "parameter", "position", "statistic", "cadence")
_DAY = timedelta(days=1)


def stations(conn: Connection, asked: Asked) -> pl.DataFrame:
    """`station`, `code`, ... (`registry.load_stations`) and `utc_offset`, by code: those asked for that may be.

    Raises `Refused` for a name that nothing has, and for one the key is not for.
    """
    found = registry.load_stations(conn).sort("code")
    if asked.allowed is not None:
        if outside := sorted(set(asked.stations) - asked.allowed):
            raise Refused("outside-scope", f"the key is not for the station {outside[0]!r}")
        found = found.filter(pl.col("code").is_in(asked.allowed))
    if unknown := sorted(set(asked.stations) - set(found["code"])):
        raise Refused("bad-query", f"station: no station {unknown[0]!r} is registered")
    if asked.stations:
        found = found.filter(pl.col("code").is_in(asked.stations))
    if asked.places:
        found = found.filter(pl.col("station").is_in(_places(conn, asked.places)["station"].implode()))
    return found.with_columns(utc_offset=offset(pl.col("offset")))


def offset(minutes: pl.Expr) -> pl.Expr:
    """An offset from UTC as ISO 8601 has it, `+05:45`."""
    away = minutes.cast(pl.Int32).abs()
    sign = pl.when(minutes < 0).then(pl.lit("-")).otherwise(pl.lit("+"))
    hours, rest = (part.cast(pl.String).str.zfill(2) for part in (away // 60, away % 60))
    return pl.concat_str(sign, hours, pl.lit(":"), rest)


def series(conn: Connection, asked: Asked, rules: list[Rules]) -> pl.DataFrame:
    """`series`, `code` of its station and the rest of SERIES, sorted by them: those asked for.

    Raises `Refused` for names that nothing has; `not-found` for a number that no series has.
    """
    known = rules[-1].parameters
    there = stations(conn, asked)
    if asked.series is not None:
        names = pages.series(conn, Ask(there["code"].to_list(), statistic="all")).filter(series=asked.series)
        if names.is_empty():
            raise Refused("not-found", f"there is no series {asked.series}")
        return names
    statistic = ("all" if asked.channels else "") if asked.statistic is None else asked.statistic
    names = pages.series(conn, Ask(there["code"].to_list(), statistic=statistic))
    if asked.parameters:
        names = names.filter(pl.col("parameter").is_in(parameters(asked.parameters, known)))
    if asked.channels:
        channels = [Channel.parse(text) for text in asked.channels]
        wanted = pl.DataFrame(
            [
                (name, channel.position, channel.statistic)
                for channel, name in zip(channels, parameters((c.parameter for c in channels), known), strict=True)
            ],
            schema=dict.fromkeys(("parameter", "position", "statistic"), pl.String),
            orient="row",
        ).unique()
        names = names.join(wanted, on=wanted.columns, how="semi", maintain_order="left")
    return names


def parameters(words: Iterable[str], known: Mapping[str, Parameter]) -> list[str]:
    """The names of the parameters that `words` mean. Raises `Refused`."""
    found = []
    for word in words:
        name = canonical(word, known)
        if name is None:
            raise Refused("bad-query", f"there is no parameter {word!r}")
        found.append(name)
    return found


def facts(conn: Connection, names: pl.DataFrame, rules: list[Rules], known: datetime | None) -> pl.DataFrame:
    """Of the series of `names`: series, station (number), `offset` [min], `utc_offset`, `mean`, `unit`, `cadence` [s],
    and `step` [s] between readings, as dense as they are or were registered to be."""
    ids = names["series"].to_list()
    about = pl.DataFrame(
        [(item.name, item.mean, item.unit) for item in rules[-1].parameters.values()],
        schema=dict.fromkeys(("parameter", "mean", "unit"), pl.String),
        orient="row",
    )
    dense = registry.load_density(conn, "series", ids).select("series", "spacing")
    return (
        registry.load_series(conn, ids, known=known)
        .join(about, on="parameter", how="left")
        .join(dense, on="series", how="left")
        .with_columns(
            utc_offset=offset(pl.col("offset")),
            step=pl.max_horizontal(pl.min_horizontal(pl.col("cadence").cast(pl.Float64), "spacing"), 0.001),
        )
        .select("series", "station", "offset", "utc_offset", "mean", "unit", "cadence", "step")
    )


def inside(spans: pl.DataFrame, asked: Asked, conn: Connection, stations: pl.DataFrame) -> pl.DataFrame:
    """The parts of `spans` (subject, start, stop) in the time that is asked for, and while the subject's station was in
    a place that is. `stations` has of each subject its `station` and `offset` [min]."""
    ends = (("start", asked.start, pl.max_horizontal), ("stop", asked.stop, pl.min_horizontal))
    for name, end, bound in ends:
        if end is not None:
            spans = spans.with_columns(bound(name, pl.lit(end).cast(TIME)).alias(name))
    if asked.places:
        midnight = {
            name: pl.col(day).cast(TIME) - pl.duration(minutes=pl.col("offset").cast(pl.Int64))
            for name, day in (("_in", "since"), ("_out", "until"))
        }
        stays = stations.join(_places(conn, asked.places), on="station").select("subject", **midnight)
        spans = spans.join(stays, on="subject").select(
            "subject", pl.max_horizontal("start", "_in").alias("start"), pl.min_horizontal("stop", "_out").alias("stop")
        )
        spans = ledger.merge(spans.filter(pl.col("start") < pl.col("stop")))  # it may be in two of them at once
    return spans.filter(pl.col("start") < pl.col("stop"))


def _places(conn: Connection, places: Iterable[str]) -> pl.DataFrame:
    """`station`, `place`, `since`, `until` (local days; null: ever): who was in which of `places`. Raises `Refused`."""
    found = memberships(conn).filter(pl.col("place").is_in(list(places)))
    if unknown := sorted(set(places) - set(found["place"])):
        raise Refused("bad-query", f"place: no station is or was in {unknown[0]!r}")
    return found


def memberships(conn: Connection) -> pl.DataFrame:
    """`station`, `place` (kind:name), `since`, `until`: a row a membership."""
    found = registry.load_places(conn)
    if found.is_empty():
        schema = {"station": pl.Int32, "place": pl.String, "since": pl.Date, "until": pl.Date}
        return pl.DataFrame(schema=schema)
    return found.explode("places").unnest("places")


def now(rows: pl.DataFrame, now: datetime) -> pl.DataFrame:
    """Those of the memberships `rows` that are in force today, by UTC's day."""
    today = pl.lit(now.date())
    return rows.filter(
        pl.col("since").is_null() | (pl.col("since") <= today), pl.col("until").is_null() | (pl.col("until") > today)
    )
