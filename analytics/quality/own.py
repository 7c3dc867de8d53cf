"""The first pass: tests of a series by itself that answer with a QARTOD flag, one place that folds them.

A test sees the readings of its own series that lie within `reach`, and no others: whoever loads that much on both
sides of a window gets the verdicts that years of data would give (DESIGN.md, law 3).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple

import polars as pl

from analytics import tables
from analytics.frames import VERDICTS, conform, empty
from analytics.parameters import Parameter
from analytics.quality.codes import (
    BITS,
    CADENCES,
    FAIL,
    GOOD,
    HOUR,
    MISSING,
    NOT_EVALUATED,
    SECOND,
    SLACK,
    SUSPECT,
    VALUE,
)
from analytics.tables import Content, TableError

#: A neighbour in time is near, three cadences at most; what looks farther looks back.
BACK, FORWARD = timedelta(hours=3), timedelta(0)
BEFORE, AFTER, ELAPSED = pl.col("_before"), pl.col("_after"), pl.col("_elapsed")


@dataclass(frozen=True, slots=True)
class Setting:
    """What a test must know beside its limits. `cadence` [s]; `marks`: code point of a mark -> flag or None."""

    cadence: int
    marks: Mapping[int, int | None]
    other: int | None

    @property
    def near(self) -> int:
        """Distance [µs] at which a neighbour still exists."""
        return CADENCES * self.cadence * SECOND


def reach(cadence: int) -> timedelta:
    """How far from a reading its verdict looks, both ways, for a series of `cadence` [s]."""
    return max(BACK, timedelta(seconds=CADENCES * cadence))


def gross_range(_: Setting, *, suspect: list[float], fail: list[float]) -> pl.Expr:
    """Flag of a value outside a range; limits [unit]. QARTOD test 4."""
    return _graded(*(~VALUE.is_between(low, high) for low, high in (suspect, fail)))


def spike(_: Setting, *, suspect: float, fail: float | None = None) -> pl.Expr:
    """Flag of a value farther than the limit [unit] from the mean of both neighbours. QARTOD test 6."""
    off = (VALUE - (BEFORE + AFTER) / 2).abs()
    return _graded(off > suspect, None if fail is None else off > fail)


def rate(_: Setting, *, suspect: float, fail: float | None = None) -> pl.Expr:
    """Flag of a change per hour [unit/h] against the reading before. QARTOD test 7.

    A step within the hour is held against the limit of the hour: the limits are steps of hourly values, and the noise
    of a minute is no rate.
    """
    change, hours = (VALUE - BEFORE).abs(), pl.max_horizontal(ELAPSED, HOUR) / HOUR
    return _graded(change > suspect * hours, None if fail is None else change > fail * hours)


def flat_line(at: Setting, *, suspect: float, tolerance: float) -> pl.Expr:
    """Flag of a value that keeps within `tolerance` [unit] since `suspect` [h]. QARTOD test 8.

    Judged only where the readings of the span are there: as many as the cadence asks, over the span less half a
    cadence at most. Raises `TableError` where the span is beyond `BACK`.
    """
    span, step = round(suspect * HOUR), at.cadence * SECOND
    if span > BACK / timedelta(microseconds=1):
        raise TableError(f"parameters: flat_line 'suspect' cannot be {suspect} h, the stage looks back {BACK}")
    rows = span // step
    if rows == 0:
        return pl.lit(None, pl.Int8)
    covered = _micros() - _micros().shift(rows)
    there = (pl.col("series") == pl.col("series").shift(rows)) & covered.is_between(span - step // 2, span)
    spread = VALUE.rolling_max(rows + 1) - VALUE.rolling_min(rows + 1)
    return pl.when(there).then(_graded(spread <= tolerance + SLACK, None))


def gap(_: Setting) -> pl.Expr:
    """Suspect for the first reading after a silence of more than three cadences, or of all. QARTOD test 1."""
    return _graded(BEFORE.is_null(), None)


def device_mark(at: Setting) -> pl.Expr:
    """Flag that tables/marks.toml gives the device's own mark, null where it says nothing. HJ 212-2017."""
    mark = pl.col("mark")
    flags = mark.replace_strict(
        list(at.marks), list(at.marks.values()), default=pl.lit(at.other, pl.Int8), return_dtype=pl.Int8
    )
    return pl.when(mark.is_not_null()).then(flags)


class Test(NamedTuple):
    """A test of a series by itself. One that is not `alone` looks at neighbours in time; a `far` one beyond the next.

    A far test never says FAIL: who sees the readings next to one cannot make its flag again, its bit must do.
    """

    bit: int
    judge: Callable[..., pl.Expr]
    alone: bool = False
    far: bool = False


TESTS: Mapping[str, Test] = {
    "gross_range": Test(BITS["gross_range"], gross_range, alone=True),
    "spike": Test(BITS["spike"], spike),
    "rate": Test(BITS["rate"], rate),
    "flat_line": Test(BITS["flat_line"], flat_line, far=True),
    "gap": Test(BITS["gap"], gap),
    "device_mark": Test(BITS["device_mark"], device_mark, alone=True),
}


def marks(content: Content) -> dict[str, int | None]:
    """Flag of each mark letter, None where it says nothing, and of `other`. Raises `TableError`."""
    flags: dict[str, int | None] = {}
    for name, record in tables.records(content, "marks").items():
        place = f"marks: [{name}]"
        texts = dict.fromkeys(("title", "title_zh", "source", "confidence"), str)
        tables.check(record, place, needs=texts, allows={"code": int})
        if record.get("code", GOOD) not in (GOOD, NOT_EVALUATED, SUSPECT, FAIL, MISSING):
            raise TableError(f"{place}: 'code' cannot be {record['code']!r}")
        if len(name) != 1 and name != "other":
            raise TableError(f"{place} is not one letter")
        flags[name] = record.get("code")
    if "other" not in flags:
        raise TableError("marks: 'other' is missing")
    return flags


def flag(
    observations: pl.DataFrame,
    series: pl.DataFrame,
    parameters: Mapping[str, Parameter],
    flags: Mapping[str, int | None] | None = None,
) -> pl.DataFrame:
    """Verdicts (`frames.VERDICTS`) of the readings that are not good, sorted by series and time.

    `observations` as `frames.OBSERVATIONS`, one row a series and time; `series` as `frames.SERIES`; `flags` as
    `marks()` gives them, None for the package table. `code` is the worst flag of the tests that could judge,
    NOT_EVALUATED where none could; `tests` has the bits of those whose flag is above GOOD. Raises `ValueError` where
    a series of `observations` is not in `series`.
    A series with a statistic, which its source computed, is judged by the tests of single values alone.
    """
    flags = marks(tables.read("marks")) if flags is None else flags
    rows = ordered(observations)
    present, known = rows["series"].unique().sort(), series["series"].implode()
    if strange := present.filter(~present.is_in(known)).to_list():
        raise ValueError(f"observations of series that are not given: {strange[:5]}")
    alike = ["parameter", "cadence", "computed"]
    mine = series.filter(pl.col("series").is_in(present.implode())).with_columns(computed=pl.col("statistic") != "")
    out = [empty(VERDICTS)]
    for name, cadence, computed, members in mine.group_by(alike).agg(pl.col("series").unique()).sort(alike).iter_rows():
        part = rows if len(members) == len(present) else rows.filter(pl.col("series").is_in(members))
        limits = own_limits(name, parameters, computed=computed)
        out.append(_judge(part, limits, setting(cadence, flags)))
    return pl.concat(out).sort("series", "time")


def setting(cadence: int, flags: Mapping[str, int | None]) -> Setting:
    """The setting of a series of `cadence` [s] under the `flags` of `marks()`."""
    letters = {ord(c): code for name, code in flags.items() if name != "other" for c in (name, name.lower())}
    return Setting(cadence, letters, flags["other"])


def own_limits(name: str, parameters: Mapping[str, Parameter], *, computed: bool) -> Mapping[str, Mapping[str, Any]]:
    """Limits of the tests of this pass for the parameter `name`, by test."""
    given = parameters[name].quality if name in parameters else {}
    # A running mean or maximum, as a source computes, is meant to be flat and to jump.
    return {test: limits for test, limits in given.items() if test in TESTS and (TESTS[test].alone or not computed)}


def _judge(rows: pl.DataFrame, limits: Mapping[str, Mapping[str, Any]], at: Setting) -> pl.DataFrame:
    """Verdicts of series that share limits and cadence."""
    worst = pl.max_horizontal(pl.lit(None, pl.Int8), *limits).fill_null(NOT_EVALUATED)
    objecting = pl.sum_horizontal(pl.lit(0, pl.Int32), *((pl.col(n) > GOOD) * pl.lit(TESTS[n].bit) for n in limits))
    return conform(
        votes(rows, limits, at)
        .with_columns(code=pl.when(VALUE.is_null()).then(MISSING).otherwise(worst))
        .filter(pl.col("code") != GOOD)
        .select("series", "time", "code", tests=objecting)
        .collect(),
        VERDICTS,
    )


def votes(rows: pl.DataFrame, limits: Mapping[str, Mapping[str, Any]], at: Setting) -> pl.LazyFrame:
    """series, time, value and the flag of each test of `limits`, of series that share these and their cadence.

    Beside them the readings next to each: their values `_before`, `_after` and their times `_since`, `_until`.
    """
    near = (pl.col("series") == pl.col("series").shift()) & (pl.col("_elapsed") <= at.near)
    return (
        rows.lazy()
        .with_columns(_elapsed=_micros().diff())
        .with_columns(_near=near.fill_null(value=False))
        .with_columns(
            _before=pl.when("_near").then(VALUE.shift(1)),
            _after=pl.when(pl.col("_near").shift(-1)).then(VALUE.shift(-1)),
            _since=pl.when("_near").then(pl.col("time").shift(1)),
            _until=pl.when(pl.col("_near").shift(-1)).then(pl.col("time").shift(-1)),
        )
        .select(
            "series",
            "time",
            "value",
            "_before",
            "_after",
            "_since",
            "_until",
            **{name: TESTS[name].judge(at, **given) for name, given in limits.items()},
        )
    )


def _graded(suspect: pl.Expr, fail: pl.Expr | None) -> pl.Expr:
    """GOOD, SUSPECT or FAIL; null where `suspect` is. What fails is suspect too (the table sees to it)."""
    code = GOOD + (SUSPECT - GOOD) * suspect.cast(pl.Int8)
    return code.cast(pl.Int8) if fail is None else (code + (FAIL - SUSPECT) * fail.cast(pl.Int8)).cast(pl.Int8)


def _micros() -> pl.Expr:
    return pl.col("time").to_physical()


def ordered(observations: pl.DataFrame) -> pl.DataFrame:
    """`observations` by series and time; most callers bring them so, and looking is cheaper than sorting."""
    same = pl.col("series") == pl.col("series").shift()
    rising = (pl.col("series") > pl.col("series").shift()) | (same & (pl.col("time") > pl.col("time").shift()))
    ready = observations.select(rising.all()).item()
    return observations if ready else observations.sort("series", "time")
