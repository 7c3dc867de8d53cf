"""Event by event: what was found, what was called out for nothing, and how late.

An event is a run of labelled rows of a series, widened by a row on either side, since people label by hand (so does
PyHydroQC, A. S. Jones et al. 2022). An alarm is a run of rows at or over the line, bridged over two rows for the same
reason. An event is found where an alarm row lies in it whose alarm began no more than a day before: one that has been
on for longer is no news. An alarm that touches no event is false, once for each day that it begins; of one that does
touch, each whole day outside of events is false: else one that is always on were good.
"""

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

LINE = 1.0
#: What best() tries at most.
LINES = 100
DAY, WEEK = timedelta(days=1), timedelta(weeks=1)

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Figures:
    """Events, those found, false alarms, station-weeks looked at, and the median delay [h] of those found."""

    events: int
    found: int
    false: int
    weeks: float
    delay: float = float("nan")

    @property
    def precision(self) -> float:
        """Share of what was called out that was an event; NaN where nothing was."""
        return _share(self.found, self.found + self.false)

    @property
    def recall(self) -> float:
        """Share of the events that were found; NaN where there is none."""
        return _share(self.found, self.events)

    @property
    def f1(self) -> float:
        """2 found / (found + false + events); NaN where there is nothing to find and nothing was called out."""
        return _share(2 * self.found, self.found + self.false + self.events)

    @property
    def false_rate(self) -> float:
        """False alarms a station-week."""
        return _share(self.false, self.weeks)


def judge(rows: pl.DataFrame, line: float = LINE) -> Figures:
    """Figures of `rows` (`SCORED`) at `line`."""
    return _Known(rows).judge(line)


def best(rows: pl.DataFrame) -> tuple[float, Figures]:
    """The line of the highest F1 on `rows` (`SCORED`), found with the labels, and its figures.

    Hardly a line between the peaks of two events finds more than the upper one, so the peaks are tried, `LINES` of them
    at even ranks where there are more. Infinity where no event can be found.
    """
    known = _Known(rows)
    peaks = np.unique(known.peaks[np.isfinite(known.peaks)])
    ranks = np.unique(np.linspace(0, len(peaks) - 1, min(len(peaks), LINES)).astype(np.int64))
    lines = [float(line) for line in peaks[ranks]] if len(peaks) else []
    tried = [(line, known.judge(line)) for line in lines] or [(float("inf"), known.judge(float("inf")))]
    return max(tried, key=lambda pair: (pair[1].f1, pair[0]))


def together(rows: pl.DataFrame) -> pl.DataFrame:
    """`rows` (`SCORED`) as one series a station: the highest score at a time, labelled where any of its series is."""
    made = rows.group_by("station", "time").agg(
        pl.col("station").first().alias("series"), pl.col("label").any(), pl.col("score").max()
    )
    return made.sort("station", "time")


def halves(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """`rows` before the middle of the time of their series, and from there on."""
    span = pl.col("time")
    late = span >= (span.min() + (span.max() - span.min()) / 2).over("series")
    return rows.filter(~late), rows.filter(late)


class _Known:
    """Rows as arrays, and what does not depend on the line."""

    def __init__(self, rows: pl.DataFrame) -> None:
        rows = rows.sort("series", "time", maintain_order=True)
        label = rows["label"].fill_null(value=False).to_numpy()
        # Where nobody judged an alarm is neither right nor wrong.
        seen = pl.when(pl.col("label").is_not_null()).then("score").fill_null(-np.inf)
        self.score = rows.select(seen).to_series().to_numpy()
        self.series = rows["series"].rle_id().to_numpy().astype(np.int64)
        self.time = rows["time"].to_physical().to_numpy()
        self.lasts = rows.select(_lasts("series")).to_series().to_numpy()
        by_station = rows.unique(["station", "time"]).sort("station", "time")
        self.weeks = float(by_station.select(_lasts("station").sum()).item()) / _micros(WEEK)
        same = np.diff(self.series) == 0
        self.inside = label.copy()
        self.inside[1:] |= label[:-1] & same
        self.inside[:-1] |= label[1:] & same
        begins = self.inside.copy()
        begins[1:] &= ~(self.inside[:-1] & same)
        self.event = np.cumsum(begins) - 1
        self.events = int(self.event[-1]) + 1 if len(rows) else 0
        self.start = _least(self.event[label], self.time[label], self.events)
        self.peaks = np.full(self.events, -np.inf)
        np.maximum.at(self.peaks, self.event[self.inside], self.score[self.inside])

    def judge(self, line: float) -> Figures:
        on = np.flatnonzero(self.score >= line)
        # Alarm rows of a series with at most two others between them are one alarm.
        new = (np.diff(on, prepend=-9) > 3) | (np.diff(self.series[on], prepend=-1) != 0)
        alarm = np.cumsum(new) - 1
        hit = self.inside[on]
        touches = np.bincount(alarm[hit], minlength=new.sum()) > 0
        # Whole microseconds: sums of them are exact.
        outside = np.bincount(alarm, weights=self.lasts[on] * ~hit, minlength=new.sum()) / _micros(DAY)
        false = np.where(touches, np.floor(outside), np.maximum(np.ceil(outside), 1))
        said = on[hit]
        news = self.time[on[new]][alarm[hit]] >= self.start[self.event[said]] - _micros(DAY)
        first = _least(self.event[said[news]], self.time[said[news]], self.events)
        found = np.bincount(self.event[said[news]], minlength=self.events) > 0
        late = np.maximum(first - self.start, 0)[found]
        delay = float(np.median(late)) / _micros(timedelta(hours=1)) if len(late) else float("nan")
        return Figures(self.events, int(found.sum()), int(false.sum()), self.weeks, delay)


def _lasts(of: str) -> pl.Expr:
    """How long a row lasts [µs]: until the next of its `of`, but before a gap and at the end what is usual there."""
    step = pl.col("time").diff().dt.total_microseconds().over(of)
    usual = step.median().over(of).fill_null(0).cast(pl.Int64)
    return pl.min_horizontal(step.shift(-1).over(of), usual).fill_null(usual)


def _least(number: Ints, time: Ints, count: int) -> Ints:
    """[count] the earliest `time` of each number."""
    least = np.full(count, np.iinfo(np.int64).max)
    np.minimum.at(least, number, time)
    return least


def _micros(span: timedelta) -> int:
    return span // timedelta(microseconds=1)


def _share(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")
