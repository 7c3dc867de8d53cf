"""What the tests of the made-up district share: forty days of it, and how to look at what its truth names."""

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

TEN, MINUTE, FOUR_HOURS = 600, 60, 14_400
KEY = ["station", "parameter", "time"]
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
#: Of the district that most tests look at: two months into summer rain.
STOP = datetime(2026, 7, 18, 4, 20, tzinfo=UTC)
START = STOP - 40 * DAY
Rows = dict[str, Any]


def some(
    frame: pl.DataFrame, row: Rows, parameter: str | None = None, *, wide: timedelta = timedelta()
) -> pl.DataFrame:
    """The rows of `frame` at the station and in the time of the truth `row`, `wide` on both sides."""
    name = parameter or row["parameter"]
    here = (pl.col("time") >= row["start"] - wide) & (pl.col("time") < row["stop"] + wide)
    return frame.filter(here, station=row["station"], **({"parameter": name} if name else {}))


def each(truth: pl.DataFrame, kind: str, **only: str) -> list[Rows]:
    """Truth rows of `kind`; there are some, and they were not cut."""
    found = truth.filter(pl.col("start") > START, pl.col("stop") < STOP, kind=kind, **only).to_dicts()
    assert found, kind
    return found


def mean(frame: pl.DataFrame) -> float:
    value = frame["value"].mean()
    assert isinstance(value, float)
    return value


def highest(frame: pl.DataFrame) -> float:
    return float(frame.select(pl.max("value")).item())


def local(hour: int) -> pl.Expr:
    return pl.col("time").dt.offset_by("8h").dt.hour() == hour
