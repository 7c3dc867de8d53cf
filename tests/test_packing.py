"""Arrays as text: what goes in comes back, whatever is in it."""

from datetime import UTC, datetime

import polars as pl
import pytest

from analytics.frames import TIME
from analytics.store.connection import Connection
from analytics.store.packing import array

TIMES = [
    datetime(2026, 1, 2, 3, 4, 5, 678901, UTC),
    None,
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(1969, 12, 31, 23, 59, 59, 999999, UTC),
]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("timestamptz", pl.Series(TIMES, dtype=TIME)),
        ("timestamptz", pl.Series([], dtype=TIME)),
        ("int4", pl.Series([1, None, -(2**31), 2**31 - 1], dtype=pl.Int32)),
        ("int4", pl.Series([None], dtype=pl.Int32)),
    ],
)
def test_an_array_comes_back(conn: Connection, name: str, values: pl.Series) -> None:
    conn.execute("SET TIME ZONE 'Asia/Shanghai'")
    row = conn.execute(f"SELECT %s::{name}[]".encode(), [array(values)]).fetchone()
    assert row == (values.to_list(),)
