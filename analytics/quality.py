"""Observations -> verdicts: tests that answer with a QARTOD flag, one place that folds them.

A test sees the readings of its own series that lie within `reach`, and no others: whoever loads that much on both
sides of a window gets the verdicts that years of data would give (DESIGN.md, law 3).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

import polars as pl

from analytics import tables
from analytics.frames import VERDICTS, conform, empty
from analytics.parameters import Parameter
from analytics.tables import Content, TableError

GOOD, NOT_EVALUATED, SUSPECT, FAIL, MISSING = 1, 2, 3, 4, 9  # QARTOD primary flags

#: A neighbour in time is near, three cadences at most; what looks farther looks back.
BACK, FORWARD = timedelta(hours=3), timedelta(0)
#: A neighbour farther than this many cadences does not exist.
CADENCES = 3

SECOND, HOUR = 1_000_000, 3_600_000_000  # [µs]
#: Slack of a comparison in decimal fractions: 50.1 - 50.0 is not more than 0.1.
SLACK = 1e-9
VALUE, BEFORE, AFTER, ELAPSED = pl.col("value"), pl.col("_before"), pl.col("_after"), pl.col("_elapsed")


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
    """`bit` is stable: verdicts in the database carry it. A test that is not `alone` looks at neighbours in time."""

    bit: int
    judge: Callable[..., pl.Expr]
    alone: bool = False


TESTS: Mapping[str, Test] = {
    "gross_range": Test(1, gross_range, alone=True),
    "spike": Test(2, spike),
    "rate": Test(4, rate),
    "flat_line": Test(8, flat_line),
    "gap": Test(16, gap),
    "device_mark": Test(32, device_mark, alone=True),
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
    letters = {ord(c): code for name, code in flags.items() if name != "other" for c in (name, name.lower())}
    rows = _sorted(observations)
    present, known = rows["series"].unique().sort(), series["series"].implode()
    if strange := present.filter(~present.is_in(known)).to_list():
        raise ValueError(f"observations of series that are not given: {strange[:5]}")
    alike = ["parameter", "cadence", "computed"]
    mine = series.filter(pl.col("series").is_in(present.implode())).with_columns(computed=pl.col("statistic") != "")
    out = [empty(VERDICTS)]
    for name, cadence, computed, members in mine.group_by(alike).agg(pl.col("series").unique()).sort(alike).iter_rows():
        part = rows if len(members) == len(present) else rows.filter(pl.col("series").is_in(members))
        limits = parameters[name].quality if name in parameters else {}
        if computed:  # a running mean or maximum is meant to be flat and to jump
            limits = {test: given for test, given in limits.items() if TESTS[test].alone}
        out.append(_judge(part, limits, Setting(cadence, letters, flags["other"])))
    return pl.concat(out).sort("series", "time")


def _judge(rows: pl.DataFrame, quality: Mapping[str, Mapping[str, object]], at: Setting) -> pl.DataFrame:
    """Verdicts of series that share limits and cadence."""
    tests = {name: TESTS[name] for name in quality}
    near = (pl.col("series") == pl.col("series").shift()) & (pl.col("_elapsed") <= at.near)
    worst = pl.max_horizontal(pl.lit(None, pl.Int8), *tests).fill_null(NOT_EVALUATED)
    objecting = pl.sum_horizontal(pl.lit(0, pl.Int32), *((pl.col(n) > GOOD) * pl.lit(t.bit) for n, t in tests.items()))
    return conform(
        rows.lazy()
        .with_columns(_elapsed=_micros().diff())
        .with_columns(_near=near.fill_null(value=False))
        .with_columns(
            _before=pl.when("_near").then(VALUE.shift(1)),
            _after=pl.when(pl.col("_near").shift(-1)).then(VALUE.shift(-1)),
        )
        .select("series", "time", "value", **{n: t.judge(at, **quality[n]) for n, t in tests.items()})
        .with_columns(code=pl.when(VALUE.is_null()).then(MISSING).otherwise(worst))
        .filter(pl.col("code") != GOOD)
        .with_columns(tests=objecting)
        .collect(),
        VERDICTS,
    )


def _graded(suspect: pl.Expr, fail: pl.Expr | None) -> pl.Expr:
    """GOOD, SUSPECT or FAIL; null where `suspect` is. What fails is suspect too (the table sees to it)."""
    code = GOOD + (SUSPECT - GOOD) * suspect.cast(pl.Int8)
    return code.cast(pl.Int8) if fail is None else (code + (FAIL - SUSPECT) * fail.cast(pl.Int8)).cast(pl.Int8)


def _micros() -> pl.Expr:
    return pl.col("time").to_physical()


def _sorted(observations: pl.DataFrame) -> pl.DataFrame:
    """By series and time; most callers bring them so, and looking is cheaper than sorting."""
    same = pl.col("series") == pl.col("series").shift()
    ordered = (pl.col("series") > pl.col("series").shift()) | (same & (pl.col("time") > pl.col("time").shift()))
    ready = observations.select(ordered.all()).item()
    return observations if ready else observations.sort("series", "time")
