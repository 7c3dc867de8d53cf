"""What a kind of evidence is given to look around with."""

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from analytics import alarms
from analytics.store import alarms as store
from analytics.store.connection import Connection
from jobs.rules import Rules


@dataclass(frozen=True, slots=True)
class Around:
    """One moment, as a kind of alarm sees it. `book` has the rules of every period, `rules` those of the alarms of this
    kind now, `states` (`alarms.STATE`) what is remembered of them where they are on or pending, `others` the states of
    all kinds, as they follow where an earlier round decided; `voices` (frames.SERIES and `rank`) the series that speak,
    `stations` their offsets and places."""

    conn: Connection
    book: list[Rules]
    rules: dict[str, alarms.Rule]
    states: pl.DataFrame
    others: pl.DataFrame
    voices: pl.DataFrame
    stations: pl.DataFrame
    now: datetime

    def subjects(self, scope: str, frame: pl.DataFrame) -> pl.DataFrame:
        """`frame` with `subject` of what its column (`alarms.SCOPES`: station, series, source, place) names; subjects
        that nothing was ever about are made."""
        column = alarms.SCOPES[scope]
        return frame.join(store.subjects(self.conn, scope, frame[column].unique()), on=column, maintain_order="left")

    def named(self, scope: str, frame: pl.DataFrame) -> pl.DataFrame:
        """`frame` with the column that `scope` is named by, only rows whose `subject` is of that kind."""
        return frame.join(store.named(self.conn, scope, frame["subject"].unique()), on="subject", maintain_order="left")
