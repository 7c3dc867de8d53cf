"""What the summary tells of a store, as frames: everything is read here, nothing is drawn."""

from dataclasses import dataclass, replace
from datetime import date, timedelta

import polars as pl

from analytics import assessment
from analytics.quality import FAIL, SUSPECT
from analytics.standards import Standards
from analytics.store import ledger, registry
from analytics.store import summary as store
from analytics.store.connection import Connection
from analytics.store.observations import Counts
from jobs import chain, console
from jobs.facts import speak

DAILY = ["day", "mda8"]


@dataclass(frozen=True, slots=True)
class Facts:
    """What `render` draws.

    stations  station, code, title, title_zh, hours, expected, suspect, fail
    days      code, day, standard, index, class, primary: one row a station and day, of the latest edition
    limits    standard, phase, parameter, limit, unit, above, assessed, highest
    editions  standard, first, last, days, certain, found, memory: rows of its tables by how sure they are
    classes   level, category, category_zh, colour
    """

    counts: Counts
    series: int
    first: date | None
    last: date | None
    due: int
    stations: pl.DataFrame
    days: pl.DataFrame
    limits: pl.DataFrame
    editions: pl.DataFrame
    classes: pl.DataFrame

    @property
    def synthetic(self) -> bool:
        """Whether a station says that it is made up."""
        made_up = pl.col("title").str.contains("(?i)synthetic") | pl.col("title_zh").str.contains("合成")
        return bool(self.stations.select(made_up.any()).item())


def load(conn: Connection) -> Facts:
    """The facts of the whole store."""
    rules = chain.load_rules(conn)[-1]
    spans, verdicts, places = store.spans(conn), store.verdicts(conn), registry.load_places(conn)
    stations = registry.load_stations(conn).join(places, on="station", how="left")
    local = (pl.col("time") + pl.duration(minutes=pl.col("offset"))).dt.date().alias("day")
    indices = pl.col("standard").is_in(rules.standards.classes["standard"].unique().implode())
    days = (
        store.days(conn)
        .filter(indices)
        .join(stations.select("station", "code", "offset"), on="station")
        .with_columns(local)
    )
    averages = speak(
        store.averages(conn, DAILY), registry.load_series(conn).join(registry.load_authorities(conn), on="series")
    )
    held, limits = _limits(averages, stations, rules.standards)
    used = pl.concat([days.select("standard", "day"), held.join(stations, on="station").select("standard", local)])
    codes = [verdicts.filter(code=code).select("station", rows).rename({"rows": name}) for code, name in _CODES.items()]
    begin, end = spans["start"].min(), spans["stop"].max()
    table = stations.join(_hours(conn, spans), on="station", how="left")
    for part in codes:
        table = table.join(part, on="station", how="left")
    shift = timedelta(minutes=int(stations["offset"].min() or 0)) if stations.height else timedelta(0)  # type: ignore[arg-type]  # a number
    return Facts(
        counts=store.counts(conn),
        series=spans.height,
        first=None if begin is None else (begin + shift).date(),  # type: ignore[operator,union-attr]  # a time
        last=None if end is None else (end + shift).date(),  # type: ignore[operator,union-attr]
        due=ledger.waiting(conn, console.now())[0],
        stations=table.with_columns(pl.col("hours", "expected", "suspect", "fail").fill_null(0)).sort("code"),
        days=days.sort("standard").unique(["code", "day"], keep="last").sort("code", "day"),
        limits=limits,
        editions=_editions(used, rules, places.explode("places").unnest("places")["place"].unique().to_list()),
        classes=rules.standards.classes.unique("level", keep="last").sort("level"),
    )


_CODES = {SUSPECT: "suspect", FAIL: "fail"}
rows = pl.col("rows")


def _hours(conn: Connection, spans: pl.DataFrame) -> pl.DataFrame:
    """`station`, `hours` with a mean and `expected` over the period of the whole store, of all its quantities together.

    Of two series of one quantity the one with more hours counts.
    """
    voices = registry.load_voices(conn).select("series", "voice")
    hourly = (
        spans.filter(pl.col("cadence") <= 3600)
        .join(store.hours(conn), on="series")
        .join(voices, on="series")
        .sort("hours", descending=True)
        .unique("voice", keep="first", maintain_order=True)
    )
    length = (hourly["stop"].max() - hourly["start"].min()) if hourly.height else timedelta(0)  # type: ignore[operator]
    whole = -(-length // timedelta(hours=1))  # type: ignore[operator]
    return hourly.group_by("station").agg(pl.col("hours").sum(), (pl.len() * whole).alias("expected"))


def _limits(averages: pl.DataFrame, stations: pl.DataFrame, standards: Standards) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Every daily average that was held against a limit of class 2, and `Facts.limits`."""
    # A limit below everything leaves the averages that have one at all.
    low = replace(standards, limits=standards.limits.filter(pl.col("class2").is_not_null()).with_columns(class2=-1e9))
    held = assessment.exceedances(averages, stations, low)
    above = assessment.exceedances(averages, stations, standards)
    key = ["standard", "phase", "parameter"]
    units = standards.limits.filter(pl.col("averaging").is_in(DAILY)).select(*key, "unit", limit="class2")
    return held, (
        held.group_by(key)
        .agg(pl.len().alias("assessed"), pl.col("value").max().alias("highest"))
        .join(above.group_by(key).agg(pl.len().alias("above")), on=key, how="left")
        .join(units, on=key)
        .with_columns(pl.col("above").fill_null(0))
        .sort("above", *key, descending=[True, False, False, False])
    )


def _editions(used: pl.DataFrame, rules: chain.Rules, places: list[str]) -> pl.DataFrame:
    """`Facts.editions`: a row from memory is one that nobody has held against a text."""
    tables, somewhere = rules.standards, pl.col("place").is_null() | pl.col("place").is_in(places)
    names = ("breakpoints", "columns", "rounding", "classes", "rules", "limits")
    rows = [getattr(tables, name).select("standard", "confidence") for name in names]
    rows.append(tables.adoptions.filter(somewhere).select("standard", "confidence"))
    # The averagings that an edition asks for are rows it stands on, too.
    means = pl.DataFrame(
        [(a.name, a.confidence) for a in rules.averagings.values()], ["averaging", "confidence"], orient="row"
    )
    asked = [tables.columns.select("standard", averaging="uses"), tables.limits.select("standard", "averaging")]
    rows.append(pl.concat(asked).unique().join(means, on="averaging").select("standard", "confidence"))
    sure = [pl.col("confidence").str.starts_with(word).sum().alias(word) for word in ("certain", "found", "memory")]
    span = used.group_by("standard").agg(
        pl.col("day").min().alias("first"), pl.col("day").max().alias("last"), pl.len().alias("days")
    )
    return span.join(pl.concat(rows).group_by("standard").agg(sure), on="standard").sort("first", "standard")
