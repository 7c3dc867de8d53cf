"""Readings as they count: what was received, under the layers in force. Whoever wants readings asks here."""

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from analytics import corrections
from analytics.store import corrections as layers
from analytics.store import observations
from analytics.store.connection import Connection


@dataclass(frozen=True, slots=True)
class Readings:
    """Readings of some windows: as they were `received` (`observations.load`), the `layers` over them (`frames.
    CORRECTIONS`, those that were ended too), and as they are `counted`: corrected, without what is withdrawn."""

    received: pl.DataFrame
    layers: pl.DataFrame
    counted: pl.DataFrame


def load_readings(conn: Connection, windows: pl.DataFrame, known: datetime | None = None) -> Readings:
    """The readings inside `windows` (subject first, start, stop); as `known` at a time, if given."""
    received = observations.load(conn, windows, known=known)
    over = layers.load(conn, windows, known)
    return Readings(received, over, corrections.apply(received, over))


def readings(conn: Connection, windows: pl.DataFrame, known: datetime | None = None) -> pl.DataFrame:
    """The readings inside `windows` as they count: columns of `observations.load`."""
    return load_readings(conn, windows, known).counted
