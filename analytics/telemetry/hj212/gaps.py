"""Which intervals are not there, so that a device can be asked for them."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

_ZERO = datetime(1970, 1, 1)  # noqa: DTZ001  # on whatever clock


class Gap(NamedTuple):
    """A run of intervals without a figure: the start of the first one and of the last one."""

    start: datetime
    stop: datetime


def gaps(there: Iterable[datetime], start: datetime, stop: datetime, step: int, most: int) -> list[Gap]:
    """The runs of intervals of `step` [s] in [start, stop) that hold none of the times `there`, newest first.

    Naive times of one clock, on which the intervals begin at midnight. A run is cut to its newest `most` intervals.
    """
    # Counted, not walked through: who was away for a year has a month of intervals, and a few times.
    low, high = -(-_seconds(start) // step), _seconds(stop) // step
    seen = sorted({low - 1, high, *(at for time in there if low <= (at := _seconds(time) // step) < high)})
    found = []
    for before, after in pairwise(seen):
        if after - before > 1:
            found.append(Gap(_time(max(before + 1, after - most), step), _time(after - 1, step)))
    return found[::-1]


def _seconds(time: datetime) -> int:
    return int((time - _ZERO).total_seconds())


def _time(number: int, step: int) -> datetime:
    return _ZERO + timedelta(seconds=number * step)
