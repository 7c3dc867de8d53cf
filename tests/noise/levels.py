"""What the tests of noise share: a monitor with its hours, and the levels made of them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from analytics import averaging
from analytics.averaging import Averaging
from analytics.frames import AVERAGES, SERIES, conform
from analytics.parameters import Parameter

HOUR = timedelta(hours=1)
MIDNIGHT = datetime(2024, 5, 1, 16, tzinfo=UTC)  # 2024-05-02 in Beijing
AVERAGINGS = averaging.load()
LEVELS = ("hour", "day", "ld", "ln", "ldn", "lden", "cnel")
LAEQ = Parameter(
    "laeq", "", "", unit="dB", mean="energy", aliases=(), averagings=LEVELS, source="", confidence="certain"
)


def hourly(levels: Mapping[int, float | None], series: int = 1) -> pl.DataFrame:
    """Hours of a series, so many after local midnight."""
    rows = pl.DataFrame({"time": [MIDNIGHT + k * HOUR for k in levels], "value": list(levels.values())})
    return conform(rows.with_columns(series=series, averaging=pl.lit("hour"), count=1, expected=1), AVERAGES)


def facts(numbers: Sequence[int] = (1,), cadence: int = 60, offset: int = 480) -> pl.DataFrame:
    row = {"station": 1, "parameter": "laeq", "position": "", "statistic": "", "cadence": cadence, "offset": offset}
    return conform(pl.DataFrame([{"series": number, **row} for number in numbers]), SERIES)


def windows(rows: pl.DataFrame, series: pl.DataFrame, rules: Mapping[str, Averaging] = AVERAGINGS) -> pl.DataFrame:
    return averaging.windows(rows, series, {"laeq": LAEQ}, rules)


def levels(
    values: Mapping[int, float | None], name: str, rules: Mapping[str, Averaging] = AVERAGINGS, cadence: int = 60
) -> dict[int, tuple[Any, int, int]]:
    """(value, count, expected) by hours after local midnight."""
    made = windows(hourly(values), facts(cadence=cadence), rules).filter(averaging=name)
    rows = made.select("time", "value", "count", "expected").iter_rows()
    return {(time - MIDNIGHT) // HOUR: (value, count, expected) for time, value, count, expected in rows}
