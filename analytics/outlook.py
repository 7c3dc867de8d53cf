"""The days ahead as the law reads them: the index of each, and the warning that they call for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import polars as pl

from analytics import tables
from analytics.assessment import index
from analytics.frames import AVERAGES
from analytics.standards import Standards
from analytics.tables import NUMBER, Content, TableError

TABLE = "tiers"
#: Hours of a day that must be known or forecast, running means of 8 h among them, and hours of one of these: as of days
#: that were measured (averagings.toml).
LEAST, WINDOWS, OF_EIGHT = 20, 14, 6
#: Of ozone the highest running mean of 8 h counts, of those that end from 08:00 to 24:00.
OZONE, FIRST = "o3", 7
#: What `days` gives: a row a local day. `index` is null where the standard asks for more than there is.
DAYS: Mapping[str, pl.DataType] = {
    "day": pl.Date(),
    "standard": pl.String(),
    "index": pl.Int64(),
    "class": pl.Int16(),
    "primary": pl.String(),
}


@dataclass(frozen=True, slots=True)
class Line:
    """On so many `days` in a row above `above`, one of them above `peak`."""

    above: float
    days: int
    peak: float

    def holds(self, indices: Sequence[float | None]) -> bool:
        """Whether it does of the `indices` of days that follow one another; of what is unknown nothing is called."""
        runs = ([*run] for over, run in groupby(indices, key=self._over) if over)
        return any(len(run) >= self.days and max(value or 0 for value in run) > self.peak for run in runs)

    def _over(self, index: float | None) -> bool:
        return index is not None and index > self.above


@dataclass(frozen=True, slots=True)
class Tier:
    """A warning; see the head of tables/tiers.toml."""

    name: str
    order: int
    lines: tuple[Line, ...]
    title: str
    title_zh: str
    source: str
    confidence: str


def load() -> dict[str, Tier]:
    """The tiers of the package table, by name."""
    return parse(tables.read(TABLE))


def parse(content: Content) -> dict[str, Tier]:
    """The tiers of `content`, by name. Raises `TableError` naming block and key."""
    return {name: _tier(name, record) for name, record in tables.records(content, TABLE).items()}


def _tier(name: str, record: Mapping[str, Any]) -> Tier:
    place = f"{TABLE}: [{name}]"
    texts = dict.fromkeys(("title", "title_zh", "source", "confidence"), str)
    tables.check(record, place, needs={"order": int, "lines": list, **texts})
    if not record["lines"]:
        raise TableError(f"{place} 'lines': one at least")
    lines = []
    for number, line in enumerate(record["lines"], start=1):
        if not isinstance(line, dict):
            raise TableError(f"{place} 'lines' {number}: must be a table")
        where = f"{place} 'lines' {number}"
        tables.check(line, where, needs={"above": NUMBER, "days": int}, allows={"peak": NUMBER})
        if line["days"] < 1:
            raise TableError(f"{where}: 'days' must be 1 or more")
        lines.append(Line(line["above"], line["days"], line["peak"] if "peak" in line else line["above"]))
    return Tier(name, record["order"], tuple(lines), **{key: record[key] for key in texts})


def called(indices: Sequence[float | None], tiers: Mapping[str, Tier]) -> Tier | None:
    """The highest of `tiers` of which a line holds by the `indices` of days that follow one another; None: none."""
    hold = [tier for tier in tiers.values() if any(line.holds(indices) for line in tier.lines)]
    return max(hold, key=lambda tier: tier.order, default=None)


def days(hours: pl.DataFrame, place: pl.DataFrame, standards: Standards) -> pl.DataFrame:
    """`DAYS` of a place by its `hours` (parameter, time, value [unit of the parameter]), measured or forecast, by day.

    `place` is one row of station, offset [min] and places (`standards.PLACES`); hours are named by their start. HJ 633,
    by the editions in force.
    """
    station, offset = place.select("station", "offset").row(0)
    local = (pl.col("time") + pl.duration(minutes=offset)).alias("_local")
    rows = hours.drop_nulls("value").with_columns(local).with_columns(day=pl.col("_local").dt.date())
    key = ["parameter", "day"]
    mean = rows.group_by(key).agg(pl.col("value").mean(), pl.len()).with_columns(averaging=pl.lit("day"))
    highest = rows.group_by(key).agg(pl.col("value").max(), pl.len()).with_columns(averaging=pl.lit("mda1"))
    running = (
        rows.filter(parameter=OZONE)
        .sort("_local")
        .rolling("_local", period="8h")
        .agg(pl.col("value").mean(), pl.len().alias("_of"))
        .filter(pl.col("_of") >= OF_EIGHT, pl.col("_local").dt.hour() >= FIRST)
        .group_by(pl.lit(OZONE).alias("parameter"), day=pl.col("_local").dt.date())
        .agg(pl.col("value").max(), (pl.len() + LEAST - WINDOWS).alias("len"))
        .with_columns(averaging=pl.lit("mda8"))
    )
    parts = [part.select(*key, "averaging", "value", pl.col("len").cast(pl.Int64)) for part in (mean, highest, running)]
    start = pl.col("day").cast(pl.Datetime("us")).dt.replace_time_zone("UTC") - pl.duration(minutes=offset)
    averages = (
        pl.concat(parts)
        .filter(pl.col("len") >= LEAST)
        .select(
            pl.lit(station).cast(pl.Int32).alias("station"),
            "parameter",
            "averaging",
            start.cast(AVERAGES["time"]).alias("time"),
            "value",
        )
    )
    made = index.assess(averages, place, standards).filter(averaging="day")
    day = (pl.col("time") + pl.duration(minutes=offset)).dt.date().alias("day")
    return made.with_columns(day).select(pl.col(name).cast(kind) for name, kind in DAYS.items()).sort("day", "standard")
