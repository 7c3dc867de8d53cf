"""What the columns of a format are: channels, and the units they come in and leave in."""

from collections.abc import Iterable
from typing import NamedTuple

import polars as pl

from analytics.ingest._source import Source, UnreadableSource
from analytics.units import UnknownUnit, convert


class Column(NamedTuple):
    """What a column is here: its channel, the unit it comes in and the one it leaves in."""

    channel: str
    unit: str = ""
    into: str = ""


def converted(columns: Iterable[Column], value: pl.Expr | None = None) -> pl.Expr:
    """The `value` (the column of that name) of each row in the unit its `channel` leaves in."""
    value = pl.col("value") if value is None else value
    for column in columns:
        if column.unit != column.into:
            changed = convert(value, column.unit, column.into)
            value = pl.when(pl.col("channel") == column.channel).then(changed).otherwise(value)
    return value


def coming_in(source: Source, column: Column, unit: str, name: str) -> Column:
    """`column`, which comes in `unit` here. Raises `UnreadableSource`, which says its `name`, where it cannot."""
    try:
        convert(pl.lit(1.0), unit, column.into)
    except UnknownUnit as error:
        raise UnreadableSource(f"{source.name}: {name}: {error}") from error
    return column._replace(unit=unit)
