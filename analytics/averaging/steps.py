"""Means over steps of any length, for those who ask: of readings up to an hour, of hours beyond.

By the same integers as the averagings that are kept (`means`), so that a step which is one of them has its figures.
Steps up to an hour lie on the grid of UTC, as hours do; longer ones on the station's own clock, as days do: a week
begins on Monday. A step is named by its start.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from analytics.averaging import VOID
from analytics.averaging.means import MEANS
from analytics.frames import TIME, settle

#: Share of what is expected that must be there for a mean, where none is named: that of an hour.
CAPTURE = 0.75
HOUR = 3600  # [s]
#: What the functions here give of a series and step; `value` null where less than the capture came.
MEAN: Mapping[str, pl.DataType] = {
    "series": pl.Int32(),
    "time": TIME,
    "value": pl.Float64(),
    "count": pl.Int32(),
    "expected": pl.Int32(),
}
EXTREMES: Mapping[str, pl.DataType] = {
    "series": pl.Int32(),
    "time": TIME,
    "min": pl.Float64(),
    "max": pl.Float64(),
}


@dataclass(frozen=True, slots=True)
class Step:
    """A length of time: its name as Polars has it, and its `seconds`, of a month or a year the most there are."""

    name: str
    seconds: int

    @property
    def local(self) -> bool:
        """Whether it lies on the station's clock."""
        return self.seconds > HOUR


#: The steps by name. None of them runs over midnight or over the end of a longer one that it should divide.
STEPS: Mapping[str, Step] = {
    step.name: step
    for step in (
        *(Step(f"{n}m", 60 * n) for n in (1, 2, 3, 5, 10, 15, 20, 30)),
        *(Step(f"{n}h", HOUR * n) for n in (1, 2, 3, 4, 6, 8, 12)),
        Step("1d", 24 * HOUR),
        Step("1w", 7 * 24 * HOUR),
        Step("1mo", 31 * 24 * HOUR),
        Step("1y", 366 * 24 * HOUR),
    )
}


def _clock(step: Step) -> pl.Expr:
    """`time` as the clock that the step goes by shows it, without a zone; `offset` [min] is the station's."""
    naive = pl.col("time").dt.replace_time_zone(None)
    return naive + pl.duration(minutes=pl.col("offset").cast(pl.Int64)) if step.local else naive


def _utc(clock: pl.Expr, step: Step) -> pl.Expr:
    back = clock - pl.duration(minutes=pl.col("offset").cast(pl.Int64)) if step.local else clock
    return back.dt.replace_time_zone("UTC")


def start(step: Step) -> pl.Expr:
    """Start of the step that `time` lies in."""
    return _utc(_clock(step).dt.truncate(step.name), step)


def stop(step: Step) -> pl.Expr:
    """End of the step that `time` lies in: the start of the next one."""
    return _utc(_clock(step).dt.truncate(step.name).dt.offset_by(step.name), step)


def next_start(step: Step) -> pl.Expr:
    """The first start of a step that is `time` or later."""
    return pl.when(start(step) == pl.col("time")).then(pl.col("time")).otherwise(stop(step))


def of_readings(readings: pl.DataFrame, facts: pl.DataFrame, step: Step, capture: float = CAPTURE) -> pl.DataFrame:
    """MEAN of each step of an hour at most that has a reading, by series and time.

    `readings` (series, time, value, code) as they count, `code` a QARTOD flag or null: failed and missing ones do not
    enter. `facts` has of each series `mean` (kind), `cadence` [s] and `offset` [min].
    """
    expected = pl.max_horizontal(step.seconds // pl.col("cadence"), 1)
    void = pl.col("code").is_in(VOID).fill_null(value=False)
    return _means(readings.join(facts, on="series"), ~void, step, expected, capture)


def of_hours(hours: pl.DataFrame, facts: pl.DataFrame, step: Step, capture: float = CAPTURE) -> pl.DataFrame:
    """MEAN of each step that has an hour, by series and time: of its `hours` (series, time, value), each counting as
    much as any other; of a parameter that is a sum, their sum. `count` hours with a value of those `expected`, which
    are fewer where readings are further apart than an hour. `facts` as for `of_readings`."""
    long = (stop(step) - start(step)).dt.total_seconds()
    expected = pl.max_horizontal(long // pl.max_horizontal("cadence", HOUR), 1)
    return _means(hours.join(facts, on="series"), pl.lit(value=True), step, expected, capture)


def _means(rows: pl.DataFrame, counts: pl.Expr, step: Step, expected: pl.Expr, capture: float) -> pl.DataFrame:
    """MEAN of the `rows` that count. By the kind of mean, as each has integers of its own."""
    out = [pl.DataFrame(schema=dict(MEAN))]
    for (kind,), some in rows.group_by("mean", maintain_order=True):
        mean = MEANS[str(kind)]
        enters = counts & pl.col("value").is_between(mean.low, mean.high).fill_null(value=False)
        x, y = mean.parts(pl.when(enters).then("value").otherwise(0.0))
        sums = (
            some.with_columns(
                time=start(step), x=pl.when(enters).then(x), y=pl.when(enters).then(y), n=enters, expected=expected
            )
            .group_by("series", "time")
            .agg(pl.col("x", "y", "n").sum(), pl.col("expected").first())
        )
        value = settle(mean.value(pl.col("x"), pl.col("y"), pl.col("n")), mean.digits)
        # 20 of 24 are the share 20 / 24, whatever that is in binary.
        enough = (pl.col("n") > 0) & (pl.col("n") + 1e-9 >= capture * pl.col("expected"))
        found = sums.with_columns(value=pl.when(enough).then(value), count="n")
        out.append(found.select(pl.col(name).cast(dtype) for name, dtype in MEAN.items()))
    return pl.concat(out).sort("series", "time")


def extremes(rows: pl.DataFrame, facts: pl.DataFrame, step: Step) -> pl.DataFrame:
    """EXTREMES of each step that has a value: of `rows` (series, time, value, code), by series and time.

    Null of directions, of which none is the least. `facts` as for `of_readings`.
    """
    found = (
        rows.join(facts, on="series")
        .filter(~pl.col("code").is_in(VOID).fill_null(value=False), pl.col("value").is_not_null())
        .with_columns(time=start(step), value=pl.when(pl.col("mean") != "circular").then("value"))
        .group_by("series", "time")
        .agg(min=pl.col("value").min(), max=pl.col("value").max())
    )
    return found.select(pl.col(name).cast(dtype) for name, dtype in EXTREMES.items()).sort("series", "time")
