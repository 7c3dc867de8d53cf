"""Rows and records that tests of several stages begin from."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import polars as pl

from analytics.frames import TIME

#: A rule of episodes, as its table has it, of round numbers.
EPISODE: Mapping[str, Any] = {
    "parameter": "pm25",
    "averaging": "hour",
    "direction": "above",
    "levels": [10, 20],
    "off": [5, 18],
    "bridge": 2,
    "minimum": 1,
    "silence": 8,
    "title": "",
    "title_zh": "",
    "source": "OWN",
    "confidence": "memory_low",
}


def averages(
    values: Mapping[str, float | None], time: datetime, averaging: str = "hour", number: int = 1
) -> pl.DataFrame:
    """What `assess` reads of station `number`: a row a parameter; `parameter/averaging` names another averaging."""
    rows = [(number, *(name.split("/") if "/" in name else (name, averaging)), time, v) for name, v in values.items()]
    schema: dict[str, Any] = {
        "station": pl.Int32,
        "parameter": pl.String,
        "averaging": pl.String,
        "time": TIME,
        "value": pl.Float64,
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


def spoil(table: dict[str, Any], path: tuple[str, ...], value: object) -> None:
    """Nothing; `table` says `value` at `path`, or no longer anything where that is None."""
    for key in path[:-1]:
        table = table[key]
    if value is None:
        del table[path[-1]]
    else:
        table[path[-1]] = value
