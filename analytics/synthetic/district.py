"""The made-up district as its users take it: a registry, readings of any window, what happened, a weather forecast.

A district is its seed: the same seed gives the same readings, and any window of them equals the same window of any
longer one, bit for bit, since nothing depends on where a window begins. Rows are on the grid of their cadence.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

import numpy as np
import polars as pl

from analytics.frames import TIME
from analytics.synthetic import almanac, forecast, happenings, instruments, layout, soil
from analytics.synthetic.almanac import DAY
from analytics.synthetic.chance import Array, Ints
from analytics.synthetic.happenings import Happening
from analytics.synthetic.layout import CHANNELS, Site
from analytics.synthetic.weather import World

#: Readings in the long form of `ingest/long.py`.
READINGS = {"station": pl.String(), "parameter": pl.String(), "time": TIME, "value": pl.Float64()}
#: What is made at once [min]: bounds the memory, changes nothing.
_BLOCK = instruments.BLOCK


@dataclass(frozen=True, slots=True)
class District:
    """The district of `seed`. `episode`: the time at whose end a heavy haze has lain over it for 30 h and goes on for
    another 40; `scale`: how many districts of 40 stations side by side."""

    seed: int
    episode: datetime | None = None
    scale: int = 1

    @property
    def world(self) -> World:
        """What all chance comes from."""
        return World(self.seed, None if self.episode is None else almanac.minutes(self.episode))

    def stations(self, count: int | None = None) -> list[Site]:
        """The stations, or the first `count` of an order in which the domains take turns."""
        every = list(layout.sites(self.scale))
        if count is None:
            return every
        seen: dict[str, int] = {}
        turns = []
        for site in every:
            turns.append((seen.setdefault(site.letter, 0), site))
            seen[site.letter] += 1
        return [site for _, site in sorted(turns, key=lambda turn: turn[0])][:count]

    def registry(self) -> pl.DataFrame:
        """The file of `greenwatch register`: stations, memberships, series."""
        return layout.registry(self.stations())

    def zones(self) -> pl.DataFrame:
        """The file of `greenwatch register` for the irrigated zones."""
        return pl.DataFrame([zone._asdict() for zone in layout.zones(self.scale)])

    def readings(
        self, start: datetime, stop: datetime, cadence: int, stations: Sequence[Site] | None = None
    ) -> pl.DataFrame:
        """READINGS of every `cadence` [s] with start <= time < stop, by parameter, station and time.

        Also those that are sent late. Raises `ValueError` where nothing is read every `cadence` seconds.
        """
        return self._readings(almanac.minutes(start), almanac.minutes(stop), _minutes(cadence), stations)

    def deliveries(
        self, start: datetime, stop: datetime, cadence: int, stations: Sequence[Site] | None = None
    ) -> pl.DataFrame:
        """READINGS and `due`, when they are sent: those with start <= due < stop, by due and time.

        A row is due at its time; what a station kept back is due when that ended; what it sends twice comes again a
        step later.
        """
        low, high, step = almanac.minutes(start), almanac.minutes(stop), _minutes(cadence)
        codes = {site.code: site for site in (self.stations() if stations is None else stations)}
        found = self._readings(low, high, step, list(codes.values())).with_columns(pl.col("time").alias("due"))
        again: list[pl.DataFrame] = []
        for one in happenings.planned(self.world, self.scale, low // DAY * DAY, (high // DAY + 1) * DAY):
            if one.station not in codes:
                continue
            site = [codes[one.station]]
            if one.kind == "late":
                inside = pl.col("time").is_between(almanac.moment(one.start), almanac.moment(one.stop), closed="left")
                found = found.filter(~((pl.col("station") == one.station) & inside))
                if low <= one.stop < high:
                    kept = self._readings(one.start, one.stop, step, site)
                    again.append(kept.with_columns(pl.lit(almanac.moment(one.stop), TIME).alias("due")))
            if one.kind == "duplicate":
                rows = self._readings(max(one.start, low - step), min(one.stop, high - step), step, site)
                again.append(rows.with_columns((pl.col("time") + pl.duration(minutes=step)).alias("due")))
        return pl.concat([found, *again]).sort("due", "time", maintain_order=True)

    def truth(self, start: datetime, stop: datetime) -> pl.DataFrame:
        """`happenings.TRUTH` of the window, cut to it."""
        low, high = almanac.minutes(start), almanac.minutes(stop)
        return happenings.truth(happenings.happenings(self.world, self.scale, low, high), low, high)

    def happenings(self, start: datetime, stop: datetime) -> list[Happening]:
        """The same, whole and as they were planned."""
        return happenings.happenings(self.world, self.scale, almanac.minutes(start), almanac.minutes(stop))

    def waterings(self, start: datetime, stop: datetime) -> pl.DataFrame:
        """`soil.WATERINGS` that begin in the window."""
        found = soil.waterings(self.world, self.scale, almanac.minutes(start), almanac.minutes(stop))
        return soil.log(sorted(found, key=lambda one: (one.start, one.zone)), self.scale)

    def forecast(self, start: datetime, stop: datetime) -> pl.DataFrame:
        """`forecast.FORECAST`: what was forecast for the weather stations, issues with start <= issued < stop."""
        sites = [site for site in self.stations() if site.letter == "M"]
        return forecast.forecast(self.world, sites, almanac.minutes(start), almanac.minutes(stop))

    def _readings(self, start: int, stop: int, step: int, stations: Sequence[Site] | None) -> pl.DataFrame:
        chosen = self.stations() if stations is None else stations
        begin = -(-start // step) * step
        if begin >= stop:
            return pl.DataFrame(schema=READINGS)
        edges = [begin, *range((begin // _BLOCK + 1) * _BLOCK, stop, _BLOCK), stop]
        times = [np.arange(low, high, step, dtype=np.int64) for low, high in pairwise(edges)]
        parts = [pl.DataFrame(schema=READINGS)]
        for letter in CHANNELS:
            sites = [site for site in chosen if site.letter == letter]
            names = instruments.channels(letter, step)
            if not (sites and names):
                continue
            found = [instruments.values(self.world, self.scale, sites, at, step) for at in times if at.size]
            if found:
                whole = np.concatenate([at for at in times if at.size])
                parts += [
                    _long(sites, name, whole, np.concatenate([part[name] for part in found], 1)) for name in names
                ]
        return pl.concat(parts)


def _long(sites: Sequence[Site], name: str, at: Ints, found: Array) -> pl.DataFrame:
    """READINGS of one channel, without what was not read."""
    codes = pl.Series("station", [site.code for site in sites])
    rows = np.repeat(np.arange(len(sites)), at.size)
    frame = pl.DataFrame(
        {
            "station": codes.gather(pl.Series(rows)),
            "parameter": pl.repeat(name, rows.size, dtype=pl.String, eager=True),
            "time": almanac.times(np.tile(at, len(sites))),
            "value": found.reshape(-1),
        }
    )
    return frame.filter(pl.col("value").is_not_nan())


def _minutes(cadence: int) -> int:
    """`cadence` [s] in minutes. Raises `ValueError` where nothing is read so."""
    if cadence not in (layout.MINUTE, layout.TEN_MINUTES, layout.FOUR_HOURS):
        raise ValueError(f"the district is read every 60, 600 and 14400 s, not every {cadence}")
    return cadence // 60
