"""Layers as tests write them."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from analytics.frames import CORRECTIONS, OBSERVATIONS

T0 = datetime.fromisoformat("2026-03-01T00:00:00+00:00")
HOUR = timedelta(hours=1)

#: (series, kind, first hour, hour after the last, given)
Layer = tuple[int, str, float, float, Mapping[str, float]]


def layers(*some: Layer, ended: tuple[int, ...] = ()) -> pl.DataFrame:
    """`frames.CORRECTIONS` of `some`, numbered from 1; those numbered in `ended` were ended."""
    rows = [
        (number, series, kind, T0 + a * HOUR, T0 + b * HOUR, json.dumps(given), T0 if number in ended else None)
        for number, (series, kind, a, b, given) in enumerate(some, start=1)
    ]
    return pl.DataFrame(rows, schema=dict(CORRECTIONS), orient="row")


def readings(values: Mapping[tuple[int, float], float]) -> pl.DataFrame:
    """`frames.OBSERVATIONS` of {(series, hour): value}."""
    rows = [(series, T0 + hour * HOUR, value, None) for (series, hour), value in values.items()]
    return pl.DataFrame(rows, schema=dict(OBSERVATIONS), orient="row")


def seen(rows: pl.DataFrame, *columns: str) -> dict[tuple[int, float], Any]:
    """{(series, hour): value}, or what `columns` have, of `rows`."""
    names = columns or ("value",)
    return {
        (row["series"], (row["time"] - T0) / HOUR): row[names[0]] if len(names) == 1 else tuple(row[n] for n in names)
        for row in rows.iter_rows(named=True)
    }
