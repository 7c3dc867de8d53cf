"""Hourly means of whole parameters as grids, and the panel that a model of many stations reads."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

import numpy as np
import polars as pl

from analytics import forecasting
from analytics.forecasting import Array, Panel, Plan
from analytics.store import derived, registry
from analytics.store.connection import Connection

_HOUR = timedelta(hours=1)
#: Voices read at once.
_BATCH = 100
#: Weather is taken from no farther than this [km].
_FAR = 50.0
#: Grids of a panel that are made of two parameters.
_WIND = ("wind_east", "wind_north")


@dataclass(slots=True)
class Hours:
    """The `length` hours before `stop` of `voices` (registry.load_voices); each is read once."""

    conn: Connection
    voices: pl.DataFrame
    stop: datetime
    length: int
    _read: dict[int, Array] = field(default_factory=dict)
    _places: dict[int, tuple[float, float]] = field(default_factory=dict)

    def grid(self, voices: Sequence[int]) -> Array:
        """[hours, voices] hourly means of the series that speaks, else of its stand-in; NaN for gaps."""
        left = sorted({voice for voice in voices if voice not in self._read})
        for first in range(0, len(left), _BATCH):
            some = left[first : first + _BATCH]
            self._read.update(zip(some, self._load(some).T, strict=True))
        return np.stack([self._read[voice] for voice in voices], axis=1) if voices else np.empty((self.length, 0))

    def forget(self) -> None:
        """Nothing; what was read is let go."""
        self._read.clear()

    def _load(self, wanted: list[int]) -> Array:
        mine = self.voices.filter(pl.col("voice").is_in(wanted))
        start = self.stop - self.length * _HOUR
        windows = mine.select("series", pl.lit(start).alias("start"), pl.lit(self.stop).alias("stop"))
        rows = derived.load(self.conn, derived.AVERAGE, windows, {"averaging": ["hour"]}).drop_nulls("value")
        columns = {voice: place for place, voice in enumerate(wanted)}
        placed = rows.join(mine.select("series", "voice", "rank"), on="series").select(
            ((pl.col("time") - start).dt.total_seconds() // 3600).alias("row"),
            pl.col("voice").replace_strict(columns, return_dtype=pl.Int64).alias("column"),
            "rank",
            "value",
        )
        grid = np.full((self.length, len(wanted)), np.nan)
        for rank in (1, 0):  # who speaks is written over who stands in
            some = placed.filter(pl.col("rank") == rank)
            grid[some["row"].to_numpy(), some["column"].to_numpy()] = some["value"].to_numpy()
        return grid

    def panel(self, plan: Plan, parameter: str, voices: Sequence[int], names: Sequence[str]) -> Panel:
        """The panel of `voices` of `parameter`, with the grids `names` beside: gaps where nobody measures one."""
        subject = plan.subjects[parameter]
        facts = self._facts()
        stations = [facts[voice][0] for voice in voices]
        offset = Counter(facts[voice][1] for voice in voices).most_common(1)[0][0]
        start = (self.stop - self.length * _HOUR).astimezone(timezone(timedelta(minutes=offset)))
        beside = {name: self._beside(plan, name, stations) for name in names}
        values = forecasting.onto(self.grid(voices), [subject] * len(voices))
        ahead = start + (self.length + plan.settings.leads) * _HOUR
        free = forecasting.free(plan.settings.calendar, start.date(), ahead.date())
        return Panel(start, values, self._at(stations), beside, free=free, subject=subject)

    def _facts(self) -> Mapping[int, tuple[int, int]]:
        """voice -> its station and that station's offset [min]."""
        found = self.voices.select("voice", "station", "offset").unique("voice", keep="first", maintain_order=True)
        return {voice: (station, offset) for voice, station, offset in found.rows()}

    def _beside(self, plan: Plan, name: str, stations: Sequence[int]) -> Array:
        """[hours, stations] one parameter where each of `stations` is: its own, else that of the nearest."""
        if name in _WIND:
            turn = np.deg2rad(self._beside(plan, "wind_direction", stations))
            # Where it goes to: direction is where it comes from.
            share = -np.sin(turn) if name == "wind_east" else -np.cos(turn)
            return np.asarray(share * self._beside(plan, "wind_speed", stations))
        heard = self.voices.filter(parameter=name).sort("position", "voice").unique("station", keep="first")
        if heard.is_empty():
            return np.full((self.length, len(stations)), np.nan)
        known = dict(heard.select("station", "voice").rows())
        theirs = sorted(known)
        apart = self._at(stations)[:, None] - self._at(theirs)[None]
        far = np.nan_to_num(np.hypot(apart[..., 0], apart[..., 1]), nan=np.inf)
        nearest = np.where(far.min(axis=1) <= _FAR, far.argmin(axis=1), -1)
        chosen = [
            station if station in known else (theirs[n] if n >= 0 else None)
            for station, n in zip(stations, nearest, strict=True)
        ]
        used = [known[station] for station in chosen if station is not None]
        grid = np.full((self.length, len(stations)), np.nan)
        grid[:, [station is not None for station in chosen]] = self.grid(used)
        subject = plan.subjects.get(name)
        return grid if subject is None else forecasting.onto(grid, [subject] * len(stations))

    def _at(self, stations: Sequence[int]) -> Array:
        """[stations, 2] east and north [km] of the middle of all, NaN where unknown."""
        if not self._places:
            rows = registry.load_stations(self.conn).select("station", "longitude", "latitude").rows()
            degrees = np.array([row[1:] for row in rows], dtype=np.float64)
            there = np.isfinite(degrees).all(axis=1)
            middle = degrees[there].mean(axis=0) if there.any() else np.zeros(2)
            across = 111.32 * np.cos(np.deg2rad(middle[1]))
            placed = (degrees - middle) * [across, 111.32]
            self._places.update(
                {row[0]: (east, north) for row, (east, north) in zip(rows, placed.tolist(), strict=True)}
            )
        return np.array([self._places[station] for station in stations], dtype=np.float64).reshape(-1, 2)
