"""Uplinks of sensors behind a network (`analytics.telemetry.mqtt`) into cells.

Each field that is registered for the sensor is a cell of its channel, in the unit that is registered, else the
parameter's. A number of which nothing is registered is a reject that keeps its name, its value and its time; a text or
a truth of which nothing is registered is no reading. One frame counter within `WINDOW` is one uplink, whichever way it
came: it has the time of the one that came first.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

import polars as pl

from analytics import parameters as package
from analytics import tables, units
from analytics.frames import REJECTS, TIME, Batch, empty
from analytics.ingest._cells import MISSING, same_facts, spelt_out
from analytics.ingest._cells import batch as judged
from analytics.ingest._times import times
from analytics.parameters import Parameter
from analytics.telemetry.mqtt.nodes import Node
from analytics.telemetry.mqtt.uplinks import Form, Number, Uplink, forms

TABLE = "mqtt_uplinks"
#: Copies of one frame come within this time; a counter that comes again later was begun anew.
WINDOW = timedelta(minutes=2)


class Said(NamedTuple):
    """An uplink, where it can be found again, who sent it, when it came; its time, where it is one."""

    place: str
    uplink: Uplink
    node: Node
    received: datetime
    time: datetime | None


@cache
def known() -> Mapping[str, Form]:
    """The formats that network servers write, by name."""
    table = tables.read(TABLE)
    assert isinstance(table, dict)
    return forms(table)


def moments(uplinks: Iterable[Uplink]) -> list[datetime | None]:
    """The time of each, None where it has none that can be used."""
    found = times(pl.Series([uplink.time for uplink in uplinks], dtype=pl.String))
    return found.select(pl.when(pl.col("reason").is_null()).then("time")).to_series().to_list()


def first(time: datetime, others: Iterable[datetime]) -> datetime | None:
    """The earliest of `others` within `WINDOW` of `time`: that of the same frame."""
    return min((other for other in others if abs(other - time) <= WINDOW), default=None)


def batch(said: Sequence[Said], step: int | None, parameters: Mapping[str, Parameter] | None = None) -> Batch:
    """What `said` by sensors with the cadence `step` [s] brings; values [the parameter's unit]."""
    here = _package() if parameters is None else parameters
    rows = [row for one in said for row in _rows(one, here)]
    frame = spelt_out(pl.DataFrame(rows, schema=dict(_ROWS), orient="row"))
    # After the text was read: a reject keeps what was sent.
    value, reason = pl.col("value"), [pl.col("reason")]
    for unit, into in frame.select("unit", "into").unique(maintain_order=True).drop_nulls().iter_rows():
        mine = (pl.col("unit") == unit) & (pl.col("into") == into)
        try:
            value = pl.when(mine).then(units.convert(pl.col("value"), unit, into)).otherwise(value)
        except units.UnknownUnit as problem:
            reason.append(pl.when(mine).then(pl.lit(str(problem))))
    frame = frame.with_columns(value=value, reason=pl.coalesce(reason))
    return judged(frame, empty(REJECTS), "mqtt", same_facts({} if step is None else {"cadence": step}), MISSING)


@cache
def _package() -> Mapping[str, Parameter]:
    return package.load()


_ROWS: Mapping[str, pl.DataType] = {
    **dict.fromkeys(("station", "parameter", "time", "value", "unit", "into", "place", "reason"), pl.String()),
    "received": TIME,
}


def _rows(said: Said, parameters: Mapping[str, Parameter]) -> Iterator[tuple[Any, ...]]:
    node, came = said.node, said.received
    stamp = said.uplink.time if said.time is None else said.time.isoformat()
    for field, text in said.uplink.fields.items():
        channel = node.channels.get(field)
        if channel is None and isinstance(text, Number):
            named = f"no channel for the field {field}"[:100]
            yield node.station, field, stamp, str(text), None, None, said.place, named, came
        elif channel:
            parameter = parameters.get(channel.partition(":")[0].partition("@")[0])
            into = parameter.unit if parameter else None
            value = "" if text is None or _void(text, node) else str(text)
            yield node.station, channel, stamp, value, node.units.get(field, into), into, said.place, None, came


def _void(text: str, node: Node) -> bool:
    try:
        return float(text) in node.sentinels
    except ValueError:
        return False
