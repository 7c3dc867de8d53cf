"""Hours and formulas that the tests of derived series begin from."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import polars as pl

from analytics import derivation
from analytics.derivation import FORMULAS
from analytics.frames import AVERAGES

KINDS = derivation.load()
T0 = datetime(2026, 2, 27, tzinfo=UTC)
HOUR = timedelta(hours=1)
DERIVED = 99


def hours(series: int, values: Sequence[float | None], start: datetime = T0, step: timedelta = HOUR) -> pl.DataFrame:
    """`frames.AVERAGES`: the hourly means `values` of a series, one of one each."""
    rows = [(series, "hour", start + number * step, value, 1, 1) for number, value in enumerate(values)]
    return pl.DataFrame(rows, schema=dict(AVERAGES), orient="row")


def formula(
    kind: str | None,
    inputs: Mapping[str, int],
    given: Mapping[str, float] | None = None,
    *,
    series: int = DERIVED,
    since: datetime | None = None,
    until: datetime | None = None,
    offset: int = 0,
) -> pl.DataFrame:
    """`derivation.FORMULAS` of one."""
    row = (series, kind, list(inputs), list(inputs.values()), json.dumps(dict(given or {})), since, until, offset)
    return pl.DataFrame([row], schema=dict(FORMULAS), orient="row")


def derive(
    kind: str,
    inputs: Mapping[str, Sequence[float | None]],
    given: Mapping[str, float] | None = None,
    *,
    start: datetime = T0,
    offset: int = 0,
    fits: Mapping[str, pl.DataFrame] | None = None,
) -> list[float | None]:
    """The values derived from hours in a row, by role."""
    numbers = {role: number for number, role in enumerate(inputs, 1)}
    said = pl.concat([hours(numbers[role], values, start) for role, values in inputs.items()])
    made = derivation.derive(said, formula(kind, numbers, given, offset=offset), KINDS, fits or {})
    return made["value"].to_list()
