"""What the soil of zones holds as their dry-downs show it: made again whole, written where it differs."""

from datetime import datetime

import polars as pl

from analytics.frames import SOIL_LIMIT
from analytics.store import packing
from analytics.store.connection import Connection


def save(conn: Connection, made: pl.DataFrame, now: datetime) -> int:
    """Number of zones whose limits (SOIL_LIMIT) are new or other; those that are not `made` again stay."""
    return packing.keep(conn, "soil_limit", made.select(*SOIL_LIMIT), ("zone",), now)
