"""Which series, from when to when, by whom and why: what commands that say something of readings are told."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any

import polars as pl
import typer

from analytics.parameters import Parameter, canonical
from analytics.store import registry
from analytics.store.connection import Connection
from analytics.store.registry import Channel
from jobs import console
from jobs.export.ask import instant
from jobs.rules import load_rules
from jobs.steps import seconds

Station = Annotated[str, typer.Argument(metavar="STATION", help="Its code.")]
_CHANNEL = r"parameter\[@position]\[:statistic]"  # the backslashes keep the brackets from being markup
Quantity = Annotated[str, typer.Argument(metavar="CHANNEL", help=f"What it measures: {_CHANNEL}, as ph or pm25@2.")]
Quantities = Annotated[
    str | None, typer.Argument(metavar="[CHANNEL]", help=f"{_CHANNEL}; none: all series of the station.")
]
Cadence = Annotated[
    str | None, typer.Option("--cadence", help="Step of the series, as 10m; needed where there are several.")
]
From = Annotated[str, typer.Option("--from", help="First time, with an offset: 2026-05-01T08:00+08:00.")]
To = Annotated[str, typer.Option("--to", help="End, itself not included; with an offset.")]
Author = Annotated[str, typer.Option("--author", help="Who says so.")]
Reason = Annotated[str, typer.Option("--reason", help="Why, for those who ask later.")]


@dataclass(frozen=True, slots=True)
class Site:
    """What is registered, read once for however many targets: stations, series, what parameters are called."""

    stations: Mapping[str, int]
    series: pl.DataFrame
    parameters: Mapping[str, Parameter]

    @classmethod
    def load(cls, conn: Connection) -> "Site":
        """As it is now."""
        stations = dict(registry.load_stations(conn).select("code", "station").iter_rows())
        return cls(stations, registry.load_series(conn), load_rules(conn)[-1].parameters)

    def all(self, station: str, channel: str | None, cadence: str | None = None) -> list[int]:
        """The series of `station`, or those of `channel` alone. Raises `NotAsAsked`, saying which there are."""
        return [int(row["series"]) for row in self._rows(station, channel, cadence)]

    def one(self, station: str, channel: str, cadence: str | None = None) -> int:
        """The one series that is meant. Raises `NotAsAsked`."""
        found = self._rows(station, channel, cadence)
        if len(found) > 1:
            steps = ", ".join(f"{step}s" for step in sorted(row["cadence"] for row in found))
            raise console.NotAsAsked(
                f"{station} {channel} has several series, with steps of {steps}: say which one (--cadence)"
            )
        return int(found[0]["series"])

    def _rows(self, station: str, channel: str | None, cadence: str | None) -> list[dict[str, Any]]:
        if station not in self.stations:
            raise console.NotAsAsked(f"no station {station!r} is registered")
        found = mine = self.series.filter(pl.col("station") == self.stations[station]).to_dicts()
        if channel is not None:
            asked = Channel.parse(channel)
            asked = replace(asked, parameter=canonical(asked.parameter, self.parameters) or asked.parameter)
            found = [row for row in mine if _channel(row) == asked]
            if not found:
                known = ", ".join(sorted({str(_channel(row)) for row in mine})) or "nothing"
                raise console.NotAsAsked(f"station {station} measures no {channel}; it measures {known}")
        if cadence is not None:
            found = [row for row in found if row["cadence"] == seconds(cadence)]
            if not found:
                what = station if channel is None else f"{station} {channel}"
                raise console.NotAsAsked(f"{what} has no series with a step of {cadence}")
        return found


def period(start: str, stop: str) -> tuple[datetime, datetime]:
    """The times in the two texts. Raises `typer.BadParameter`."""
    first, last = instant(start, "--from", date=False), instant(stop, "--to", date=False)
    assert first is not None
    assert last is not None
    if first >= last:
        raise typer.BadParameter(f"{stop} is not after {start}", param_hint="--to")
    return first, last


def words(text: str, option: str) -> str:
    """`text` without blanks around it. Raises `typer.BadParameter` where nothing is left, or no text can hold it."""
    if not (bare := text.strip()):
        raise typer.BadParameter("it is kept with the change: it cannot be empty", param_hint=option)
    if any(letter == "\0" or "\ud800" <= letter <= "\udfff" for letter in bare):
        raise typer.BadParameter(f"{bare!r} is no text: it cannot be kept", param_hint=option)
    return bare


def _channel(row: Mapping[str, Any]) -> Channel:
    return Channel(row["parameter"], row["position"], row["statistic"])
