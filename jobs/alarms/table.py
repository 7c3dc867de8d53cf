"""Alarms as a table that people read."""

import polars as pl
from rich.table import Table

from analytics.texts import text


def shown(listed: pl.DataFrame) -> Table:
    """A row an alarm of `listed` (store.alarms.LISTED)."""
    table = Table(box=None, pad_edge=False)
    for name in ("subject", "rule", "state", "level", "since", "told", "incident"):
        table.add_column(text(f"alarm_column_{name}", between=" · "), justify="right" if name == "level" else "left")
    for row in listed.iter_rows(named=True):
        table.add_row(
            row["subject"],
            row["rule"],
            text(row["state"], between=" · "),
            str(row["level"]),
            f"{row['since']:%Y-%m-%d %H:%M}Z",
            text(f"alarm_told_{row['told'] or 'nobody'}", between=" · "),
            "" if row["incident"] is None else str(row["incident"]),
        )
    return table
