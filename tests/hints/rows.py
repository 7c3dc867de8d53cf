"""Hours with wind, for the tests of hints."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
from hypothesis import strategies as st

from analytics.hints.winds import ROWS

#: A Monday, midnight.
START = datetime(2026, 1, 5, tzinfo=UTC)

Hour = tuple[float | None, float | None, float | None]
numbers = st.none() | st.integers(0, 12).map(float)
#: value, speed, direction: few of each, so that there are ties, calms, gaps, a north of 0 and one of 360.
hours: st.SearchStrategy[Hour] = st.tuples(
    numbers,
    st.none() | st.sampled_from([0.0, 0.2, 0.5, 1.0, 2.4, 7.0]),
    st.none() | st.integers(0, 72).map(lambda n: 5.0 * n),
)


def at(hour: int) -> datetime:
    """The hour with that number."""
    return START + timedelta(hours=hour)


def rows(found: Sequence[Hour], series: int = 1) -> pl.DataFrame:
    """`ROWS` of hours one after the other."""
    table = [(series, at(nr), *hour) for nr, hour in enumerate(found)]
    return pl.DataFrame(table, schema=dict(ROWS), orient="row")


def blown(days: int, bearing: float, *, seed: int = 1, aside: float = 20) -> pl.DataFrame:
    """`ROWS` of a station with a source at `bearing` [°]: wind that turns slowly, values that rise with it."""
    draw = np.random.default_rng(seed)
    count = 24 * days
    direction = np.cumsum(draw.normal(0, 25, count)) % 360
    off = np.abs(direction - bearing) % 360
    plume = np.minimum(off, 360 - off) < aside
    value = 5 + draw.gamma(2, 1, count) + 30 * plume * draw.gamma(2, 0.5, count)
    return rows([(float(v), 2.0, float(d)) for v, d in zip(value, direction, strict=True)])
