"""Forecasts of the weather as cells whose time is when they are valid: arrays as Open-Meteo answers, or rows.

Origin of the arrays: open-meteo.com/en/docs, the answer of `/v1/forecast` with `hourly`: an array of times and one a
variable, their units beside them. Amounts of the preceding hour (rain, radiation, reference evapotranspiration) are
stamped by its end and named here by its start; the others are of their moment. null is missing.

Rows (CSV) are our own exchange form: `long` with a column `issued` beside `time`, both ISO 8601 with an offset.
"""

import csv
import io
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import polars as pl

from analytics import parameters, units
from analytics.frames import REJECTS, Batch, empty, settle
from analytics.ingest import long
from analytics.ingest._cells import batch, same_facts, words
from analytics.ingest._source import UnreadableSource
from analytics.ingest._times import times, within


class Variable(NamedTuple):
    """What an array is: its parameter, and how much earlier than its stamps its periods start."""

    parameter: str
    before: timedelta = timedelta(0)


_HOUR = timedelta(hours=1)
VARIABLES = {
    "temperature_2m": Variable("air_temperature"),
    "relative_humidity_2m": Variable("relative_humidity"),
    "dew_point_2m": Variable("dew_point"),
    "surface_pressure": Variable("air_pressure"),
    "wind_speed_10m": Variable("wind_speed"),
    "wind_direction_10m": Variable("wind_direction"),
    "precipitation": Variable("rain", _HOUR),
    "shortwave_radiation": Variable("solar_radiation", _HOUR),
    "et0_fao_evapotranspiration": Variable("reference_evapotranspiration", _HOUR),
}
#: Entries of all arrays together: sixteen days of all variables have a few thousand.
MOST = 200_000


def arrays(raw: bytes, station: str) -> Batch:
    """The values of an answer, as of `station`. Raises `UnreadableSource` where it is none.

    What stands under an unknown variable, unit or time is a reject.
    """
    found = _document(raw)
    hourly, kinds = found.get("hourly"), found.get("hourly_units")
    if not isinstance(hourly, dict) or not isinstance(kinds, dict) or not isinstance(hourly.get("time"), list):
        raise UnreadableSource("a forecast without hourly times and units")
    if found.get("utc_offset_seconds") not in ("0", None):
        raise UnreadableSource("a forecast in local time: ask for it in GMT")
    stamps = hourly["time"]
    if len(stamps) * len(hourly) > MOST:
        raise UnreadableSource(f"a forecast of more than {MOST:,} values")
    known = parameters.load()
    parts = []
    for name, entries in hourly.items():
        if name == "time":
            continue
        if not isinstance(entries, list) or len(entries) != len(stamps):
            raise UnreadableSource(f"{name[:60]!r} has not one value a time")
        parts.append(_column(name, entries, stamps, str(kinds.get(name, "")), known))
    if not parts:
        raise UnreadableSource("a forecast of nothing")
    cells = pl.concat(parts).with_columns(station=pl.lit(station))
    return batch(cells.with_row_index("place", 1), empty(REJECTS), "value", same_facts({}))


def _column(name: str, entries: list[Any], stamps: list[Any], unit: str, known: Any) -> pl.DataFrame:
    rows = pl.DataFrame(
        {
            "stamp": pl.Series([str(stamp) for stamp in stamps], dtype=pl.String),
            "text": pl.Series([None if entry is None else str(entry) for entry in entries], dtype=pl.String),
        }
    )
    when = pl.col("stamp").str.to_datetime("%Y-%m-%dT%H:%M", time_unit="us", time_zone="UTC", strict=False)
    value, reason = words("text").cast(pl.Float64, strict=False), None
    variable = VARIABLES.get(name)
    if variable is None:
        reason = "unknown variable"
    else:
        try:
            value = units.convert(value, unit, known[variable.parameter].unit)
        except units.UnknownUnit as problem:
            reason = str(problem)[:100]
    return rows.with_columns(
        channel=pl.lit(name[:200] if variable is None else variable.parameter),
        time=when - (variable.before if variable else timedelta(0)),
        value=settle(value),
    ).with_columns(reason=pl.coalesce(pl.lit(reason, pl.String), within(pl.col("time"))))


def _document(raw: bytes) -> dict[str, Any]:
    try:
        found = json.loads(raw, parse_float=str, parse_int=str, parse_constant=str)
    except (ValueError, RecursionError) as problem:
        raise UnreadableSource(f"no JSON: {str(problem)[:200]}") from None
    if not isinstance(found, dict):
        raise UnreadableSource("no JSON object of one place")
    if found.get("error"):
        raise UnreadableSource(f"the service says: {str(found.get('reason', ''))[:200]}")
    return found


def issues(raw: bytes) -> Iterator[tuple[datetime, Batch]]:
    """The issue times of rows, each with its batch. Raises `UnreadableSource` where they are none of this form."""
    try:
        rows = list(csv.reader(io.StringIO(raw.decode("utf-8-sig"), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as problem:
        raise UnreadableSource(f"no CSV in UTF-8: {problem}") from None
    header = [name.strip().lower() for name in rows[0]] if rows else []
    if header.count("issued") != 1:
        raise UnreadableSource("needs the column issued once")
    at, body = header.index("issued"), [row for row in rows[1:] if row]
    if wrong := [number for number, row in enumerate(body, 2) if len(row) != len(header)]:
        raise UnreadableSource(f"row {wrong[0]} has not as many cells as the header")
    moments = times(pl.Series("stamp", [row[at] for row in body], dtype=pl.String))
    if wrong := [number for number, reason in enumerate(moments["reason"], 2) if reason is not None]:
        raise UnreadableSource(f"row {wrong[0]}: issued is no time with an offset")
    found = moments["time"].to_list()
    groups: dict[datetime, list[list[str]]] = {}
    for moment, row in zip(found, body, strict=True):
        groups.setdefault(moment, []).append([cell for place, cell in enumerate(row) if place != at])
    names = [name for place, name in enumerate(header) if place != at]
    for moment, some in sorted(groups.items()):
        out = io.StringIO(newline="")
        csv.writer(out, lineterminator="\n").writerows([names, *some])
        yield moment, long.memory(out.getvalue().encode())
