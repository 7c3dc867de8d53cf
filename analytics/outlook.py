"""The days ahead as the law reads them: the index of each, and the warning that they call for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import polars as pl

from analytics import averaging, tables
from analytics.assessment import index
from analytics.averaging import Averaging
from analytics.frames import AVERAGES, conform
from analytics.parameters import Parameter
from analytics.standards import Standards
from analytics.tables import NUMBER, Content, TableError

TABLE = "tiers"
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


def days(
    hours: pl.DataFrame,
    place: pl.DataFrame,
    standards: Standards,
    parameters: Mapping[str, Parameter],
    averagings: Mapping[str, Averaging],
) -> pl.DataFrame:
    """`DAYS` of a place by its `hours` (parameter, time, value [unit of the parameter]), measured or forecast, by day.

    `place` is one row of station, offset [min] and places (`standards.PLACES`); hours are named by their start. As days
    that were measured: by the averagings of each parameter, and by HJ 633 in the editions in force.
    """
    station, offset = place.select("station", "offset").row(0)
    known = hours.drop_nulls("value")
    series = known.select(pl.col("parameter").unique().sort()).with_row_index("series")
    series = series.with_columns(
        pl.col("series").cast(AVERAGES["series"]), cadence=3600, offset=offset, statistic=pl.lit("")
    )
    named = known.join(series, on="parameter").with_columns(averaging=pl.lit("hour"), count=1, expected=1)
    made = averaging.windows(conform(named, AVERAGES).sort("series", "time"), series, parameters, averagings)
    averages = made.drop_nulls("value").join(series.select("series", "parameter"), on="series")
    found = index.assess(averages.with_columns(station=pl.lit(station, pl.Int32)), place, standards)
    day = (pl.col("time") + pl.duration(minutes=offset)).dt.date().alias("day")
    return conform(found.filter(averaging="day").with_columns(day), DAYS).sort("day", "standard")
