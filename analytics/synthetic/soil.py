"""Soil probes of the irrigated zones: a bucket of three layers by the hour, watered on a fixed schedule.

The bucket has a memory, so it runs from absolute times: a run serves a half-year and begins a quarter before it. By
then its beginnings are forgotten, and every window sees the same run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import polars as pl

from analytics.frames import TIME
from analytics.synthetic import almanac, weather
from analytics.synthetic.almanac import DAY, HOUR, OFFSET
from analytics.synthetic.chance import Array, Draw, Ints, keys, smooth
from analytics.synthetic.happenings import Happening, planned
from analytics.synthetic.layout import Site, Zone, zones
from analytics.synthetic.weather import Fields, World

#: Thickness of the layers around the probes at 0.1, 0.2 and 0.4 m [mm], and their depth [m].
_THICK, _DEPTHS = np.array([150.0, 150.0, 300.0]), (0.1, 0.2, 0.4)
#: Water content at field capacity and wilting point, full of water [m³/m³]. Middles of FAO-56, table 19.
_TEXTURES: Mapping[str, tuple[float, float, float]] = {
    "sandy loam": (0.23, 0.11, 0.42),
    "loam": (0.25, 0.12, 0.44),
    "silt loam": (0.29, 0.15, 0.46),
}


class Cover(NamedTuple):
    """How plants drink: crop coefficient in summer, share of each layer; waterings of `depth` [mm], every so many days
    from May to September and in the other months of growth."""

    coefficient: float
    roots: tuple[float, float, float]
    depth: float
    summer: int
    other: int


_COVERS: Mapping[str, Cover] = {
    "turf, cool season": Cover(0.92, (0.6, 0.3, 0.1), 11, 3, 5),
    "conifer trees": Cover(0.8, (0.25, 0.3, 0.45), 24, 12, 18),
    "berries, bushes": Cover(0.85, (0.4, 0.35, 0.25), 15, 5, 8),
}
#: First and last (month, day) of the season; a deep watering ends it, before the frost.
_SEASON = ((3, 16), (11, 15))
_LAST_DEPTH = 30.0
_AT = 5 * HOUR
#: What a layer above field capacity gives to the one below in an hour, [1].
_DRAIN = np.array([0.3, 0.22, 0.06])


class Watering(NamedTuple):
    """`depth` [mm] on `zone` from `start` to `stop` [min]."""

    zone: str
    start: int
    stop: int
    depth: float


#: The log of the waterings.
WATERINGS: Mapping[str, pl.DataType] = {
    "zone": pl.String(),
    "start": TIME,
    "stop": TIME,
    "depth": pl.Float64(),
    "volume": pl.Float64(),
}


def soil(world: World, sky: Fields, sites: Sequence[Site], at: Ints, scale: int) -> dict[str, Array]:
    """Moisture [m³/m³] at three depths and temperature [°C] at 0.1 m, a row a probe. What is frozen is not seen."""
    codes = [site.code for site in sites]
    which = [zone.probe for zone in zones(scale)]
    rows = [which.index(code) for code in codes]
    water = _water(world, scale, at)[rows]
    warm = almanac.warmth(at)
    slow = sky.at("anomaly", at - 8 * HOUR)
    own = np.array([Draw(world.seed, "probe", code).uniform(-0.012, 0.012) for code in codes])[:, None]
    out: dict[str, Array] = {}
    for number, depth in enumerate(_DEPTHS):
        wave = almanac.year_wave(at - int(depth * 20 * DAY), 24)
        day = np.cos(2 * np.pi * (almanac.hour(at) - 15.5 - depth * 28) / 24) * np.exp(-depth / 0.11)
        temperature = 13.4 - 14.4 * np.exp(-depth / 2.3) * wave + slow * 0.55 * np.exp(-depth / 0.5)
        temperature = (
            temperature + (4.5 + 6 * warm) * day + 0.3 * smooth(keys(world.seed, codes, "soil"), at, 30 * HOUR)
        )
        liquid = np.clip((temperature + 1.2) / 1.2, 0, 1)
        out[f"soil_moisture@-{depth}"] = (water[:, :, number] + own) * (0.38 + 0.62 * liquid)
        if number == 0:
            out["soil_temperature@-0.1"] = temperature
    return out


def waterings(world: World, scale: int, start: int, stop: int) -> list[Watering]:
    """What the crews gave from `start` to `stop` [min]: the schedule, but for what the plan leaves out or adds."""
    found = []
    changes: dict[str, list[Happening]] = {}
    for one in planned(world, scale, start, stop, "S"):
        if one.kind in ("dry_down", "over_watering"):
            changes.setdefault(one.station, []).append(one)
    days = [day for day in range((start + OFFSET) // DAY, (stop + OFFSET) // DAY + 1) if _growing(day)]
    for number, zone in enumerate(zones(scale)):
        for day in days:
            at = day * DAY - OFFSET + _AT
            depth = _planned(zone, number, day)
            for one in changes.get(zone.probe, ()):
                if one.meets(at, at + 1):
                    depth = one.size * _COVERS[zone.cover].depth
            if depth and start <= at < stop:
                hours = depth / 1000 * zone.area / zone.flow
                found.append(Watering(zone.zone, at, at + max(int(hours * HOUR), 1), depth))
    return found


def log(found: Sequence[Watering], scale: int) -> pl.DataFrame:
    """WATERINGS of `found`: depth [mm], volume [m³]."""
    areas = {zone.zone: zone.area for zone in zones(scale)}
    rows = [
        (
            one.zone,
            almanac.moment(one.start),
            almanac.moment(one.stop),
            round(one.depth, 2),
            round(one.depth / 1000 * areas[one.zone], 2),
        )
        for one in found
    ]
    return pl.DataFrame(rows, schema=dict(WATERINGS), orient="row")


def _growing(day: int) -> bool:
    local = almanac.moment(day * DAY)
    return _SEASON[0] <= (local.month, local.day) <= _SEASON[1]


def _planned(zone: Zone, number: int, day: int) -> float:
    """Depth [mm] of the schedule on the local `day` of the season."""
    cover, local = _COVERS[zone.cover], almanac.moment(day * DAY)
    if (local.month, local.day) == _SEASON[1]:
        return _LAST_DEPTH
    every = cover.summer if 5 <= local.month <= 9 else cover.other
    return cover.depth if (day + number) % every == 0 else 0.0


def _water(world: World, scale: int, at: Ints) -> Array:
    """Water content [m³/m³], zone x time x layer."""
    out = np.empty((len(zones(scale)), at.size, 3))
    for anchor, begin, end in _halves(int(at[0]), int(at[-1])):
        low, high = np.searchsorted(at, (begin, end))
        if low == high:
            continue
        run = _run(world, scale, anchor, end)
        place = (at[low:high] - anchor) // HOUR
        part = ((at[low:high] - anchor) / HOUR - place)[:, None, None]
        out[:, low:high] = np.moveaxis(run[place] * (1 - part) + run[place + 1] * part, 1, 0)
    return out


def _halves(start: int, stop: int) -> list[tuple[int, int, int]]:
    """Anchor, begin and end [min] of the half-years from `start` to `stop`."""
    years = range(almanac.moment(start).year - 1, almanac.moment(stop).year + 2)
    edges = [_first(year, month) for year in years for month in (1, 7)]
    anchors = [_first(year - (month == 1), (month + 8) % 12 + 1) for year in years for month in (1, 7)]
    return [one for one in zip(anchors, edges, edges[1:], strict=False) if one[1] <= stop and one[2] > start]


def _first(year: int, month: int) -> int:
    return almanac.minutes(datetime(year, month, 1, tzinfo=UTC))


@lru_cache(maxsize=4)
def _run(world: World, scale: int, anchor: int, last: int) -> Array:
    """Water content at every hour from `anchor` to `last`, hour x zone x layer."""
    forcing = _forcing(world, scale, anchor, last)
    hours, every = forcing.rain.size, zones(scale)
    capacity, wilting, full = (np.array([_TEXTURES[zone.texture][n] for zone in every])[:, None] for n in range(3))
    roots = np.array([_COVERS[zone.cover].roots for zone in every])
    thirst = np.array([_COVERS[zone.cover].coefficient for zone in every])[:, None]
    state = np.repeat(wilting + 0.7 * (capacity - wilting), 3, axis=1)
    bottom = capacity - 0.02
    bare = np.array([0.12, 0.0, 0.0])
    out = np.empty((hours + 1, len(every), 3))
    out[0] = state
    for hour in range(hours):
        left = np.clip((state - wilting) / (0.55 * (capacity - wilting)), 0, 1)
        drunk = forcing.evaporation[hour] * (thirst * forcing.growth[hour] * roots + bare) * left
        given = np.minimum(_DRAIN * np.maximum(state - capacity, 0) * _THICK, 12.0)
        # Below the roots lies a wetter soil, which gives a little back.
        rise = 0.0025 * np.maximum(bottom - state[:, 2:], 0) * _THICK[2]
        gain = np.concatenate([forcing.rain[hour] + forcing.given[hour][:, None], given[:, :2]], axis=1)
        gain[:, 2:] += rise + forcing.leak[hour][:, None]
        state = state + (gain - given - drunk) / _THICK
        # What finds no room rises into the layer above, and at last runs off.
        for layer in (2, 1):
            over = np.maximum(state[:, layer] - full[:, 0], 0)
            state[:, layer] -= over
            state[:, layer - 1] += over * _THICK[layer] / _THICK[layer - 1]
        state[:, 0] = np.minimum(state[:, 0], full[:, 0])
        state = np.maximum(state, 0.35 * wilting)
        out[hour + 1] = state
    return out


@dataclass(frozen=True, slots=True)
class _Forcing:
    """By the hour: rain [mm], potential evaporation [mm], growth 0 to 1; waterings and leaks [mm], a column a zone."""

    rain: Array
    evaporation: Array
    growth: Array
    given: Array
    leak: Array


def _forcing(world: World, scale: int, anchor: int, last: int) -> _Forcing:
    sky: Fields = weather.fields(world, anchor, last)
    at = np.arange(anchor, last, HOUR, dtype=np.int64)
    rain = np.zeros(at.size)
    for one in sky.rains:
        rain += one.depth * (one.fallen(at + HOUR) - one.fallen(at))
    temperature, radiation = sky.at("temperature", at + 30), sky.at("radiation", at + 30)
    # A day of the sun's energy evaporates about this much: near FAO-56 in July and in January of Beijing.
    evaporation = np.maximum(3.2e-4 + 1.95e-5 * temperature, 8e-5) * radiation
    growth = 0.25 + 0.75 * np.clip((almanac.warmth(at) - 0.12) / 0.4, 0, 1)
    every = zones(scale)
    given, leak = np.zeros((at.size, len(every))), np.zeros((at.size, len(every)))
    columns = {zone.zone: number for number, zone in enumerate(every)}
    for drink in waterings(world, scale, anchor, last):
        _pour(given[:, columns[drink.zone]], anchor, drink.start, drink.stop, drink.depth)
    probes = {zone.probe: number for number, zone in enumerate(every)}
    for event in _leaks(world, scale, anchor, last):
        hours = (event.stop - event.start) / HOUR
        _pour(leak[:, probes[event.station]], anchor, event.start, event.stop, event.size * hours)
    return _Forcing(rain, evaporation, growth, given, leak)


def _leaks(world: World, scale: int, start: int, stop: int) -> list[Happening]:
    return [one for one in planned(world, scale, start, stop, "S") if one.kind == "pipe_leak"]


def _pour(column: Array, anchor: int, start: int, stop: int, depth: float) -> None:
    """Adds `depth` to the hours of `column` from `start` to `stop`."""
    for hour in range((start - anchor) // HOUR, (stop - anchor - 1) // HOUR + 1):
        inside = min(stop, anchor + (hour + 1) * HOUR) - max(start, anchor + hour * HOUR)
        if 0 <= hour < column.size and inside > 0:
            column[hour] += depth * inside / (stop - start)
