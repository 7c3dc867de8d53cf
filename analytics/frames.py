"""The columns every stage speaks, and the two doors they pass: `conform` and `settle`.

Times are UTC, a period is named by its start and half-open, null is missing, zero is a value, NaN does not exist.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import polars as pl

TIME = pl.Datetime("us", "UTC")

#: What a reader makes of a source: one row a value, the series named as the source names it. `channel` is
#: `parameter[@position][:statistic]` (`pm25`, `soil_moisture@-0.1`, `pm25:mean-24h`). A null revision is 0.
CELLS: Mapping[str, pl.DataType] = {
    "station": pl.String(),
    "channel": pl.String(),
    "time": TIME,
    "value": pl.Float64(),
    "mark": pl.Int16(),
    "revision": pl.Int64(),
}

#: A cell that could not become a value, in the words of its source. `place` finds it again: file-relative, `line 7`.
REJECTS: Mapping[str, pl.DataType] = {
    "station": pl.String(),
    "channel": pl.String(),
    "stamp": pl.String(),
    "text": pl.String(),
    "place": pl.String(),
    "reason": pl.String(),
}

OBSERVATIONS: Mapping[str, pl.DataType] = {
    "series": pl.Int32(),
    "time": TIME,
    "value": pl.Float64(),
    "mark": pl.Int16(),
}

#: Rows only where a reading is not good: `code` is a QARTOD primary flag, `tests` has a bit a test that objected.
VERDICTS: Mapping[str, pl.DataType] = {
    "series": pl.Int32(),
    "time": TIME,
    "code": pl.Int16(),
    "tests": pl.Int32(),
}

#: Which series a series is held against, and when: `stop` is null where no later word ends it.
PAIRS: Mapping[str, pl.DataType] = {
    "series": pl.Int32(),
    "neighbour": pl.Int32(),
    "start": TIME,
    "stop": TIME,
}

#: A layer over the readings of a series in [start, stop). Layers apply in the order of their ids; `given` is JSON,
#: numbers by name as `kind` asks for; `ended` is null where the layer is in force.
CORRECTIONS: Mapping[str, pl.DataType] = {
    "id": pl.Int32(),
    "series": pl.Int32(),
    "kind": pl.String(),
    "start": TIME,
    "stop": TIME,
    "given": pl.String(),
    "ended": TIME,
}

#: Sparse: readings that count as another value than was received; `value` is null where they do not count at all.
CORRECTED: Mapping[str, pl.DataType] = {
    "series": pl.Int32(),
    "time": TIME,
    "value": pl.Float64(),
}

#: `value` is null where fewer readings came than the averaging asks for; `count` of `expected` is the data capture.
AVERAGES: Mapping[str, pl.DataType] = {
    "series": pl.Int32(),
    "averaging": pl.String(),
    "time": TIME,
    "value": pl.Float64(),
    "count": pl.Int32(),
    "expected": pl.Int32(),
}

#: `index` is null where the standard has or allows none; `primary` holds parameter names joined by commas, in the
#: standard's order; `count` is the number of parameters the row rests on; `exceedance` is that of the worst parameter,
#: (C - S) / S for concentrations, L - S [dB] for levels, null where no limit is one value.
ASSESSMENTS: Mapping[str, pl.DataType] = {
    "station": pl.Int32(),
    "averaging": pl.String(),
    "standard": pl.String(),
    "time": TIME,
    "index": pl.Int16(),
    "class": pl.Int16(),
    "primary": pl.String(),
    "count": pl.Int16(),
    "exceedance": pl.Float64(),
}

#: Sparse: a detector's score of a series, at or over its line of 1.0.
SCORES: Mapping[str, pl.DataType] = {
    "series": pl.Int32(),
    "detector": pl.String(),
    "time": TIME,
    "value": pl.Float64(),
}

#: A run of a condition at a station, known by (station, rule, time): `time` is its start, `stop` the end of its last
#: period so far, `level` the highest reached, `levels` JSON [[start, level], ...], `dose` [unit × h] the excess over
#: the first level, `closed` whether a quiet stretch has followed.
EPISODES: Mapping[str, pl.DataType] = {
    "station": pl.Int32(),
    "rule": pl.String(),
    "time": TIME,
    "stop": TIME,
    "level": pl.Int16(),
    "closed": pl.Boolean(),
    "peak": pl.Float64(),
    "peak_time": TIME,
    "dose": pl.Float64(),
    "count": pl.Int32(),
    "levels": pl.String(),
}

#: An irrigated zone, with what its weather station lends it. `area` [m²], `root_depth` [m] (null: the cover's),
#: `field_capacity`, `wilting_point` [m³/m³] (null: the texture's), `flow` [m³/h], `altitude` [m], `latitude` [°],
#: `offset` [min]. `probe` is the station whose moisture and meter it has, `beside` those of further probes, `probes`
#: the codes of all of them, in this order.
ZONES: Mapping[str, pl.DataType] = {
    "zone": pl.Int32(),
    **dict.fromkeys(("code", "title", "title_zh"), pl.String()),
    **dict.fromkeys(("weather", "probe"), pl.Int32()),
    "beside": pl.List(pl.Int32()),
    "probes": pl.List(pl.String()),
    "area": pl.Float64(),
    **dict.fromkeys(("cover", "texture"), pl.String()),
    **dict.fromkeys(("root_depth", "field_capacity", "wilting_point", "flow"), pl.Float64()),
    "method": pl.String(),
    **dict.fromkeys(("altitude", "latitude"), pl.Float64()),
    "offset": pl.Int16(),
}

_FLUXES = ("et0", "kc", "etc", "rain", "effective", "irrigation", "percolation", "correction")
#: A day of a zone, all in mm but for kc and ks [1] and moisture [m³/m³]. `etc` is after stress. `depletion` = that of
#: the day before - effective - irrigation + etc + percolation + correction, to 1e-5. Learned from the probe: `factor`
#: [1] of what is used, `probe_offset` [m³/m³]; `doubt` [mm] of the depletion; `trusted`: was a probe believed (null:
#: none spoke); `doubted`: those that spoke and were not, by code; `moisture` is the mean of those believed (of all,
#: where none was); `joined`: what the next day goes on from (irrigation.filter).
BALANCE: Mapping[str, pl.DataType] = {
    "zone": pl.Int32(),
    "day": pl.Date(),
    **dict.fromkeys((*_FLUXES, "depletion", "taw", "raw", "ks", "moisture"), pl.Float64()),
    "fallbacks": pl.List(pl.String()),
    **dict.fromkeys(("factor", "probe_offset", "doubt"), pl.Float64()),
    "trusted": pl.Boolean(),
    "doubted": pl.List(pl.String()),
    "joined": pl.List(pl.Float32()),
}

#: What the dry-downs of a zone's last year show of its soil: `fc`, `wp` [m³/m³] with their standard deviations, and of
#: how many dry-downs each is (fewer than 3: what the table has stays); `days` with a probe that was believed.
SOIL_LIMIT: Mapping[str, pl.DataType] = {
    "zone": pl.Int32(),
    "days": pl.Int32(),
    **dict.fromkeys(("fc", "fc_doubt"), pl.Float64()),
    "fc_seen": pl.Int32(),
    **dict.fromkeys(("wp", "wp_doubt"), pl.Float64()),
    "wp_seen": pl.Int32(),
}

#: `water` is null where nothing can be said; `latest` is null where no need is in sight. `depth` [mm], `volume` [m³].
#: `begin`: from when to water; `risk` [1] of stress by tomorrow if nobody does; `trusted`: was a probe believed
#: (null: none spoke), `doubted`: which were not, by code; `plan` [m³] of the days from today on, if nothing more were
#: heard.
ADVICE: Mapping[str, pl.DataType] = {
    "zone": pl.Int32(),
    "issued": TIME,
    "day": pl.Date(),
    "water": pl.Boolean(),
    **dict.fromkeys(("depth", "volume", "minutes"), pl.Float64()),
    "latest": TIME,
    **dict.fromkeys(("depletion", "raw"), pl.Float64()),
    **dict.fromkeys(("reason", "reason_zh"), pl.String()),
    "begin": TIME,
    "risk": pl.Float64(),
    "trusted": pl.Boolean(),
    "doubted": pl.List(pl.String()),
    "plan": pl.List(pl.Float64()),
}

#: A watering that was seen, in mm: by which `moisture` rose beyond the rain, that a `meter` saw (null: neither did).
WATERING: Mapping[str, pl.DataType] = {
    "zone": pl.Int32(),
    **dict.fromkeys(("start", "stop"), TIME),
    **dict.fromkeys(("moisture", "meter"), pl.Float64()),
    "evidence": pl.String(),
}

#: A month of a zone, in mm: `used` as far as somebody watched, what a fixed schedule would have (`baseline`, nine of
#: ten within `low` and `high`) for no more days of stress; of its `days` those that were `stressed`.
SAVING: Mapping[str, pl.DataType] = {
    "zone": pl.Int32(),
    "month": pl.Date(),
    **dict.fromkeys(("days", "stressed"), pl.Int32()),
    **dict.fromkeys(("used", "baseline", "low", "high"), pl.Float64()),
}

#: What the stages must know of a series. `cadence` [s] is the usual step between its readings, `offset` [min] the
#: station's distance from UTC; `mean` is the parameter's kind of mean.
SERIES: Mapping[str, pl.DataType] = {
    "series": pl.Int32(),
    "station": pl.Int32(),
    "parameter": pl.String(),
    "position": pl.String(),
    "statistic": pl.String(),
    "cadence": pl.Int32(),
    "offset": pl.Int16(),
}


@dataclass(frozen=True, slots=True)
class Batch:
    """A block of a source, read: its cells, its rejects, and counts that add up (law 1)."""

    cells: pl.DataFrame
    rejects: pl.DataFrame
    missing: int = 0
    #: what the source itself says of its stations, by code, for `--register`: utc_offset [min], memberships, title,
    #: cadence [s] of its series, cadences {channel: s} where they differ
    stations: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    #: where each of the cells, and each missing one, stands in the source (line or row): of sources a value a row,
    #: whose sender may want to hear of each
    places: pl.Series | None = None
    vacant: pl.Series | None = None
    #: what such a place is called in the words of its rejects: row, line, frame
    place: str = "row"
    #: when it came, or when each of the cells did; null where that is not known, as of files
    received: pl.Series | datetime | None = None

    @property
    def read(self) -> int:
        """Cells read: values, cells that could not be read, and empty ones."""
        return self.cells.height + self.rejects.height + self.missing


def conform(frame: pl.DataFrame, columns: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """`frame` with just `columns`, in their order and type; -0.0 becomes 0.0.

    Raises `pl.exceptions.PolarsError` where a column is absent or cannot be cast, `ValueError` where a float is NaN
    or infinite: those are no values, a reader turns them into rejects.
    """
    same = list(frame.schema.items()) == list(columns.items())
    out = frame if same else frame.select(pl.col(name).cast(dtype) for name, dtype in columns.items())
    floats = [name for name, dtype in columns.items() if dtype == pl.Float64()]
    for name in floats:
        if not out[name].is_finite().all():
            raise ValueError(f"column {name!r} holds NaN or infinity")
    # -0.0 equals 0.0 but has other bits: two orders of arrival must not end in two tables.
    return out.with_columns(pl.col(name) + 0.0 for name in floats)


def settle(value: pl.Expr, digits: int = 6) -> pl.Expr:
    """`value` rounded to 1e-`digits` of its unit: every kept number passes here before it is compared or stored.

    Two ways of adding up the same window may differ in the last bit; after this they do not. Levels in decibel are
    kept to 1e-4 dB (`digits=4`).
    """
    return value.round(digits) + 0.0


def empty(columns: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """A frame of no rows with `columns`."""
    return pl.DataFrame(schema=dict(columns))
