"""Means of each kind with their data capture: readings -> hours -> windows of hours.

Nothing is added in floating point: values go into integers (millionths of the unit, quantised energies, sines), and
integers add up to the same bits in any order and from any start (DESIGN.md, law 3). One division ends it, then
`frames.settle`. The running sums here are integer too, and wrap: a difference of two is exact all the same.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import reduce
from operator import add
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from analytics import tables
from analytics.averaging.means import MEANS as MEANS
from analytics.averaging.means import Mean, decibel, mean_energy
from analytics.frames import AVERAGES, TIME, conform, empty, settle
from analytics.parameters import Parameter
from analytics.tables import NUMBER, Content, TableError

TABLE = "averagings"

#: Reach of `hours` and of `windows`. An hour takes the readings after its start; a moving mean the hours before it,
#: a local day those after its start.
HOURS_BACK, HOURS_FORWARD = timedelta(0), timedelta(hours=1)
BACK = FORWARD = timedelta(hours=24)

#: QARTOD flags whose reading does not enter a mean: failed, missing.
VOID = (4, 9)

MINUTE, HOUR = 60_000_000, 3_600_000_000  # [µs]
DAY = 24 * 60  # [min]
#: What the parts of a window have in common.
GROUP = ("series", "cadence", "offset")

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Period:
    """A part of the day in a rating level, from the local hour `first` to `last`, over midnight where that is less."""

    first: int
    last: int
    penalty: float
    minimum: int

    @property
    def hours(self) -> int:
        """Its nominal length [h]."""
        return (self.last - self.first) % 24 + 1


@dataclass(frozen=True, slots=True)
class Averaging:
    """How one averaging is made. `code` is stable; the rest as tables/averagings.toml says."""

    name: str
    code: int
    title: str
    title_zh: str
    kind: str
    built_from: str
    period: int
    source: str
    confidence: str
    capture: float = 0.0
    minimum: int = 1
    expected: int = 1
    first: int = 0
    last: int = 23
    keep_above: float | None = None
    periods: tuple[Period, ...] = ()


def load() -> dict[str, Averaging]:
    """The averagings of the package table, by name."""
    return parse(tables.read(TABLE))


def parse(content: Content) -> dict[str, Averaging]:
    """The averagings of `content`, by name, in the order of their codes. Raises `TableError` naming block and key."""
    texts = dict.fromkeys(("title", "title_zh", "kind", "built_from", "source", "confidence"), str)
    needs: dict[str, Any] = {**texts, "code": int, "period": int}
    allows: dict[str, Any] = {"capture": NUMBER, "keep_above": NUMBER, "periods": list}
    allows |= dict.fromkeys(("minimum", "expected", "first", "last"), int)
    found: dict[str, Averaging] = {}
    records = tables.records(content, TABLE)
    for name, record in records.items():
        place = f"{TABLE}: [{name}]"
        tables.check(record, place, needs=needs, allows=allows)
        found[name] = Averaging(name=name, **{**record, "periods": _periods(record.get("periods", []), place)})
    ordered = sorted(found.values(), key=lambda rule: rule.code)
    built = {"observations"}
    for rule, before in zip(ordered, [None, *ordered], strict=False):
        place = f"{TABLE}: [{rule.name}]"
        if before is not None and rule.code == before.code:
            raise TableError(f"{place} 'code' {rule.code} is that of {before.name!r}")
        if rule.kind not in ("hour", *BUILDERS):
            raise TableError(f"{place} 'kind' cannot be {rule.kind!r}")
        if min(rule.period, rule.minimum, rule.expected) < 1 or rule.period > BACK // timedelta(hours=1):
            raise TableError(f"{place} 'period', 'minimum', 'expected' must be 1 or more, 'period' within {BACK}")
        if rule.built_from not in built or (rule.kind == "hour") != (rule.built_from == "observations"):
            raise TableError(f"{place} 'built_from' cannot be {rule.built_from!r}")
        if not (0 <= rule.first < 24 and rule.first <= rule.last < (rule.first + 24 if rule.kind == "day" else 24)):
            raise TableError(f"{place} 'first', 'last' cannot be {rule.first}, {rule.last}")
        if rule.kind == "rating" and sorted(_hours_of(rule.periods)) != list(range(24)):
            raise TableError(f"{place} 'periods' must hold each hour of the day once")
        built.add(rule.name)
    return {rule.name: rule for rule in ordered}


def _periods(content: list[Any], place: str) -> tuple[Period, ...]:
    needs: dict[str, Any] = {"first": int, "last": int, "penalty": NUMBER, "minimum": int}
    for record in content:
        if not isinstance(record, dict):
            raise TableError(f"{place}: 'periods' must hold tables")
        tables.check(record, f"{place} 'periods'", needs=needs)
    return tuple(Period(**record) for record in content)


def _hours_of(periods: tuple[Period, ...]) -> list[int]:
    return [(period.first + k) % 24 for period in periods for k in range(period.hours)]


def check(parameters: Mapping[str, Parameter], averagings: Mapping[str, Averaging]) -> None:
    """Nothing, where every averaging a parameter lists exists and so does what it is built from. Or `TableError`."""
    for parameter in parameters.values():
        for name in parameter.averagings:
            if name not in averagings:
                raise TableError(f"parameters: [{parameter.name}] 'averagings': unknown {name!r}")
            if averagings[name].built_from not in ("observations", *parameter.averagings):
                raise TableError(f"parameters: [{parameter.name}] 'averagings': {name!r} needs its parts")
            if averagings[name].kind == "rating" and parameter.mean != "energy":
                raise TableError(f"parameters: [{parameter.name}] 'averagings': {name!r} is one of levels")


def hours(
    observations: pl.DataFrame,
    series: pl.DataFrame,
    parameters: Mapping[str, Parameter],
    averagings: Mapping[str, Averaging],
) -> pl.DataFrame:
    """Hourly means (`frames.AVERAGES`), a row an hour with at least one reading, by averaging, series and time.

    `observations` as `frames.OBSERVATIONS` with `code`, a QARTOD flag or null: failed and missing readings do not
    enter. `count` of `expected` readings came in, `value` is null where they are less than the averaging's capture.
    Series with a statistic of their own, and parameters that do not list the averaging, have no rows.
    Direction: mean of unit vectors. Level: mean of energies. Sum: of the readings that came, not scaled up.
    """
    out = [empty(AVERAGES)]
    for rule in (r for r in averagings.values() if r.kind == "hour"):
        facts = _facts(series, parameters, rule.name)
        grouped = [
            _grouped(observations, members, MEANS[str(kind)])
            for (kind,), members in facts.group_by("mean", maintain_order=True)
        ]
        out += [_hourly(sums, facts, rule) for sums in grouped]
    return _ordered(out, averagings)


def windows(
    hourly: pl.DataFrame,
    series: pl.DataFrame,
    parameters: Mapping[str, Parameter],
    averagings: Mapping[str, Averaging],
) -> pl.DataFrame:
    """Averages built from hours (`frames.AVERAGES`), by averaging, series and time.

    `hourly` as `hours` gives it. A moving mean has a row for each hour that has a row, a local day, or the part of it
    that the averaging takes, one for each day with at least one part; `count` of `expected` parts had a value, `value`
    is null where they are less than the minimum. A series with a cadence over an hour has so many parts fewer.
    A day's highest value counts below the minimum too where it exceeds `keep_above` (HJ 633, validity of MDA8).
    A rating level [dB] adds each period's penalty to the mean level of the hours it has and weighs the periods by
    their nominal lengths; null where any of them has fewer hours than its minimum. Directive 2002/49/EC, annex I.
    """
    made = {name: hourly.filter(pl.col("averaging") == name) for name, r in averagings.items() if r.kind == "hour"}
    there = set(series["parameter"].unique())
    for rule in (r for r in averagings.values() if r.kind in BUILDERS):
        if not any(rule.name in parameters[name].averagings for name in there & parameters.keys()):
            made[rule.name] = empty(AVERAGES)
            continue
        facts = _facts(series, parameters, rule.name)
        parts = made[rule.built_from].join(facts, on="series").sort("series", "time")
        rows = [BUILDERS[rule.kind](part, rule, MEANS[str(kind)]) for (kind,), part in parts.group_by("mean")]
        made[rule.name] = _ordered([empty(AVERAGES), *rows], averagings)
    return pl.concat([made[name] for name, rule in averagings.items() if rule.kind in BUILDERS])


def _facts(series: pl.DataFrame, parameters: Mapping[str, Parameter], averaging: str) -> pl.DataFrame:
    """Series that have `averaging`: series, mean, cadence [s], offset [min]."""
    means = {name: parameter.mean for name, parameter in parameters.items() if averaging in parameter.averagings}
    return (
        series.filter(pl.col("statistic") == "", pl.col("parameter").is_in(list(means)))
        .with_columns(mean=pl.col("parameter").replace_strict(means, default=None, return_dtype=pl.String))
        .select("series", "mean", "cadence", "offset")
        .unique("series", maintain_order=True)
    )


def _grouped(observations: pl.DataFrame, members: pl.DataFrame, mean: Mean) -> pl.DataFrame:
    """Sums of the parts and count of the readings of each hour."""
    void = pl.col("code").is_in(VOID).fill_null(value=False)
    enters = ~void & pl.col("value").is_between(mean.low, mean.high).fill_null(value=False)
    x, y = mean.parts(pl.when(enters).then("value").otherwise(0.0))
    return (
        observations.lazy()
        .filter(pl.col("series").is_in(members["series"].to_list()))
        .select(
            "series", pl.col("time").dt.truncate("1h"), x=pl.when(enters).then(x), y=pl.when(enters).then(y), n=enters
        )
        .group_by("series", "time")
        .agg(pl.col("x", "y", "n").sum())
        .with_columns(value=settle(mean.value(pl.col("x"), pl.col("y"), pl.col("n")), mean.digits))
        .collect()
    )


def _hourly(sums: pl.DataFrame, facts: pl.DataFrame, rule: Averaging) -> pl.DataFrame:
    """Rows of hours from their sums."""
    expected = pl.max_horizontal(3600 * rule.period // pl.col("cadence"), 1)
    enough = (pl.col("n") > 0) & (pl.col("n") >= rule.capture * pl.col("expected"))
    rows = sums.join(facts, on="series").with_columns(averaging=pl.lit(rule.name), count="n", expected=expected)
    return conform(rows.with_columns(value=pl.when(enough).then("value")), AVERAGES)


def _moving(parts: pl.DataFrame, rule: Averaging, mean: Mean) -> pl.DataFrame:
    """Means of the last `rule.period` hours, at each hour. `parts` of one kind, by series and time."""
    grid = pl.col("time").to_physical() // HOUR + pl.col("series").cast(pl.Int64) * 2**32
    hour = parts.select(grid)["time"].to_numpy()
    start = np.searchsorted(hour, hour - (rule.period - 1), side="left")
    sums = {name: _between(column, start) for name, column in _integers(parts, mean).items()}
    return _windowed(parts.with_columns(**sums), rule, mean)


def _integers(parts: pl.DataFrame, mean: Mean) -> dict[str, Ints]:
    there = pl.col("value").is_not_null()
    x, y = mean.parts(pl.col("value").fill_null(0.0))
    held = parts.select(
        x=pl.when(there).then(x).otherwise(0), y=pl.when(there).then(y).otherwise(0), n=there.cast(pl.Int64)
    )
    return {column.name: column.to_numpy() for column in held}


def _between(values: Ints, start: npt.NDArray[np.intp]) -> pl.Series:
    """Sums of `values` from `start` to each place, both included."""
    running = np.concatenate([np.zeros(1, np.int64), np.cumsum(values)])
    return pl.Series(running[1:] - running[start])


def _daily(parts: pl.DataFrame, rule: Averaging, mean: Mean) -> pl.DataFrame:
    """Means of the local days, or of the hours `first` to `last` of each, named by the start of the first of them."""
    sums = {name: pl.Series(column) for name, column in _integers(parts, mean).items()}
    since = _local_minute() - 60 * rule.first
    days = (
        parts.with_columns(**sums)
        .filter(since % DAY < 60 * (rule.last - rule.first + 1))
        .group_by(*GROUP, day=since // DAY)
        .agg(pl.col("x", "y", "n").sum())
    )
    return _windowed(days.with_columns(time=_day_start(rule.first)), rule, mean)


def _windowed(sums: pl.DataFrame, rule: Averaging, mean: Mean) -> pl.DataFrame:
    value = settle(mean.value(pl.col("x"), pl.col("y"), pl.col("n")), mean.digits)
    return _row(sums.with_columns(value=value), rule, pl.col("n") >= _minimum(rule.minimum, rule.expected))


def _rating(parts: pl.DataFrame, rule: Averaging, mean: Mean) -> pl.DataFrame:
    """Rating levels of the local days: the energy of each period raised by its penalty, weighed by its length."""
    sums = {name: pl.Series(column) for name, column in _integers(parts, mean).items()}
    hour = _local_minute() % DAY // 60
    inside = [(hour + 24 - period.first) % 24 < period.hours for period in rule.periods]
    days = (
        parts.with_columns(**sums)
        .group_by(*GROUP, day=_local_minute() // DAY)
        .agg(
            pl.col("n").sum(),
            *(pl.col(name).filter(there).sum().alias(f"{name}{k}") for k, there in enumerate(inside) for name in "xyn"),
        )
    )
    weighed = [
        mean_energy(pl.col(f"x{k}"), pl.col(f"y{k}"), pl.col(f"n{k}")) * (p.hours * 10 ** (p.penalty / 10))
        for k, p in enumerate(rule.periods)
    ]
    value = settle(decibel(reduce(add, weighed) / 24), mean.digits)
    enough = [pl.col(f"n{k}") >= _minimum(p.minimum, p.hours) for k, p in enumerate(rule.periods)]
    return _row(days.with_columns(time=_day_start(), value=value), rule, pl.all_horizontal(enough))


def _extreme(parts: pl.DataFrame, rule: Averaging, pick: Callable[[pl.Expr], pl.Expr]) -> pl.DataFrame:
    """Highest or lowest part of the local days, of the parts that start at the local hours `first` to `last`."""
    hour = _local_minute() % DAY // 60
    days = (
        parts.filter(hour.is_between(rule.first, rule.last))
        .group_by(*GROUP, day=_local_minute() // DAY)
        .agg(pick(pl.col("value")), n=pl.col("value").count())
    )
    kept = pl.lit(value=False) if rule.keep_above is None else pl.col("value") > rule.keep_above
    enough = pl.col("n") >= _minimum(rule.minimum, rule.expected)
    return _row(days.with_columns(time=_day_start()), rule, enough | kept)


#: Each takes the parts of one kind of mean by series and time, the averaging and the mean.
BUILDERS: Mapping[str, Callable[[pl.DataFrame, Averaging, Mean], pl.DataFrame]] = {
    "moving": _moving,
    "day": _daily,
    "rating": _rating,
    "day_maximum": lambda parts, rule, _: _extreme(parts, rule, pl.Expr.max),
    "day_minimum": lambda parts, rule, _: _extreme(parts, rule, pl.Expr.min),
}


def _row(rows: pl.DataFrame, rule: Averaging, enough: pl.Expr) -> pl.DataFrame:
    value = pl.when(enough).then("value")
    named = rows.with_columns(value=value, averaging=pl.lit(rule.name), count="n", expected=_expected(rule.expected))
    return conform(named, AVERAGES)


def _expected(parts: int) -> pl.Expr:
    """How many of the `parts` a series has whose readings are further apart than an hour."""
    return pl.max_horizontal(3600 * parts // pl.max_horizontal("cadence", 3600), 1)


def _minimum(least: int, parts: int) -> pl.Expr:
    """How many of them must have a value where `least` of all `parts` must."""
    step = pl.max_horizontal("cadence", 3600)
    return pl.min_horizontal((3600 * least + step - 1) // step, _expected(parts))


def _local_minute() -> pl.Expr:
    return pl.col("time").to_physical() // MINUTE + pl.col("offset")


def _day_start(hour: int = 0) -> pl.Expr:
    """UTC time of the local `hour` of the local day."""
    return ((pl.col("day") * DAY + 60 * hour - pl.col("offset")) * MINUTE).cast(TIME)


def _ordered(frames: list[pl.DataFrame], averagings: Mapping[str, Averaging]) -> pl.DataFrame:
    """`frames` as one; within an averaging by series and time."""
    return pl.concat(frames).sort(pl.col("averaging").replace_strict(_codes(averagings)), "series", "time")


def _codes(averagings: Mapping[str, Averaging]) -> dict[str, int]:
    return {name: rule.code for name, rule in averagings.items()}
