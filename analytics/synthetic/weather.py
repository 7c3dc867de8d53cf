"""The weather of the made-up district, which drives the rest: fronts, stagnation between them, rain, sun, dust.

Everything is a function of the absolute time: a front a cell of six days, a rain a front or a warm evening, noise at
knots of absolute time. So any window can be made by itself. State is kept at 10 minutes, between which it is a line.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from analytics.synthetic import almanac
from analytics.synthetic.almanac import DAY, HOUR
from analytics.synthetic.chance import Array, Draw, Ints, keys, smooth

STEP = 10
#: Mean distance of fronts, and how far one may lie from its place, as a share of that.
_PERIOD, _JITTER = 6 * DAY, 0.62
#: Height of the haze that grows until a front [µg/m³ of PM2.5 in winter], one of each in five fronts running, so that
#: no month is without clean and none without heavy air.
_PEAKS = (28, 65, 115, 175, 265)
#: Around the start of an ordered episode [min]: from when the haze grows, is full, ends, is gone.
_ORDERED = (-54 * HOUR, -33 * HOUR, 42 * HOUR, 60 * HOUR)
_ORDERED_HEIGHT = 182
#: It snows below this warmth: from late November to early March.
_SNOW = 0.2
#: What is out of the way of it: no front and no rain.
_CLEAR = (-96 * HOUR, 61 * HOUR)


@dataclass(frozen=True, slots=True)
class World:
    """A seed, and the time [min] before which an ordered haze has been over the district for 30 h; None: no order."""

    seed: int
    episode: int | None = None


class Front(NamedTuple):
    """A cold front: `peak` [µg/m³] is the haze that it ends, `dust` [µg/m³ of PM10] what it brings."""

    at: int
    strength: float
    peak: float
    dust: float
    dust_stop: int


class Rain(NamedTuple):
    """`depth` [mm] of the whole district; `pulses` is the number of its bursts; `snow` stays where it falls."""

    start: int
    stop: int
    depth: float
    pulses: int
    snow: bool

    def fallen(self, at: Ints) -> Array:
        """Share of it that has fallen by `at`."""
        part = np.clip((at - self.start) / (self.stop - self.start), 0, 1)
        turn = 2 * np.pi * self.pulses
        return np.asarray(part - np.sin(turn * part) / turn)


@dataclass(frozen=True, slots=True)
class Fields:
    """The district's weather every 10 minutes from `start`: temperature and dew point [°C], wind (`east`, `north`, the
    way it blows, `speed` [m/s]), pressure [hPa], radiation [W/m²], haze [µg/m³ of PM2.5], dust [µg/m³ of PM10]; cloud,
    still, front, dry, wet, wash between 0 and 1. `rains` are those that matter here."""

    start: int
    rows: Mapping[str, Array]
    rains: Sequence[Rain]

    def at(self, name: str, minutes: Ints) -> Array:
        """The field `name` at `minutes`, on the line between its two rows."""
        values = self.rows[name]
        place = (minutes - self.start) // STEP
        part = (minutes - self.start - place * STEP) / STEP
        return np.asarray(values[place] * (1 - part) + values[place + 1] * part)


@lru_cache(maxsize=32)
def fields(world: World, start: int, stop: int) -> Fields:
    """The weather that covers `start` to `stop` [min] and half a day before and after."""
    first, last = start // STEP * STEP - 12 * HOUR, -(-stop // STEP) * STEP + 12 * HOUR
    at = np.arange(first, last + 2 * STEP, STEP, dtype=np.int64)
    found = rains(world, first - 16 * DAY, last + DAY)
    return Fields(first, _rows(world, at, found), found)


def fronts(world: World, start: int, stop: int) -> list[Front]:
    """The fronts from the one before `start` to the one after `stop`."""
    cells = range((start - 3 * _PERIOD) // _PERIOD, (stop + 3 * _PERIOD) // _PERIOD + 1)
    found = [_front(world, cell) for cell in cells]
    if world.episode is not None:
        low, high = world.episode + _CLEAR[0], world.episode + _CLEAR[1]
        found = [front for front in found if not low <= front.at < high]
        found.append(Front(high, 1.0, 30.0, 0.0, high))
        found.sort()
    before = [number for number, front in enumerate(found) if front.at <= start][-1]
    after = next(number for number, front in enumerate(found) if front.at > stop)
    return found[before : after + 1]


@lru_cache(maxsize=4096)
def _front(world: World, cell: int) -> Front:
    draw = Draw(world.seed, "front", cell)
    at = int((cell + 0.5 + _JITTER * (draw.uniform() - 0.5)) * _PERIOD)
    group, number = divmod(cell, len(_PEAKS))
    order = Draw(world.seed, "peaks", group)
    peak = order.shuffled(_PEAKS)[number] * draw.uniform(0.9, 1.1)
    dusty = order.below(len(_PEAKS)) == number
    moment = np.array([at])
    day = float(almanac.year_day(moment)[0])
    size = draw.uniform(450, 900) * (1 if 60 <= day < 150 else 0.3 if 150 <= day < 260 else 0.5)
    stop = at + int(draw.uniform(13, 23) * HOUR)
    warm = float(almanac.warmth(moment)[0])
    return Front(at, draw.uniform(0.6, 1.1), peak * (1 - 0.58 * warm), size if dusty else 0.0, stop)


def rains(world: World, start: int, stop: int) -> list[Rain]:
    """The rains that touch `start` to `stop`, by their start: most fronts of summer and many of its evenings."""
    found = []
    for front in fronts(world, start - DAY, stop + DAY):
        draw = Draw(world.seed, "rain", front.at)
        warm = float(almanac.warmth(np.array([front.at]))[0])
        if draw.uniform() < 0.2 + 0.6 * warm and not front.dust:
            begin = front.at + int(draw.uniform(-3, 6) * HOUR)
            last = int(draw.uniform(3, 13) * HOUR)
            depth = min((0.6 + 11 * warm**1.5) * (0.25 - np.log(1 - draw.uniform())), 55.0)
            found.append(Rain(begin, begin + last, float(depth), 2 + draw.below(3), warm < _SNOW))
    for day in range((start + almanac.OFFSET) // DAY - 1, (stop + almanac.OFFSET) // DAY + 1):
        draw = Draw(world.seed, "storm", day)
        noon = day * DAY + 12 * HOUR - almanac.OFFSET
        warm = float(almanac.warmth(np.array([noon]))[0])
        if draw.uniform() < 0.34 * max(0.0, (warm - 0.45) / 0.55) ** 1.3:
            begin = noon + int(draw.uniform(2, 10) * HOUR)
            hours = draw.uniform(0.7, 3.5)
            depth = min(-9 * np.log(1 - draw.uniform()), 30 * hours**0.6)
            found.append(Rain(begin, begin + int(hours * HOUR), float(depth), 1, False))
    if world.episode is not None:
        low, high = world.episode + _CLEAR[0], world.episode + _CLEAR[1] - 6 * HOUR
        found = [rain for rain in found if not (rain.start < high and rain.stop > low)]
    return sorted(rain for rain in found if rain.start < stop and rain.stop > start)


def ordered(world: World, at: Ints) -> Array:
    """How far the ordered episode is on, 0 to 1."""
    if world.episode is None:
        return np.zeros(at.shape)
    grows, full, ends, gone = (world.episode + edge for edge in _ORDERED)
    return np.asarray(_ramp((at - grows) / (full - grows)) * (1 - _ramp((at - ends) / (gone - ends))))


def _ramp(part: Array) -> Array:
    within = np.clip(part, 0, 1)
    return np.asarray(within * within * (3 - 2 * within))


def _rows(world: World, at: Ints, found: Sequence[Rain]) -> dict[str, Array]:
    def noise(name: str, hours: float) -> Array:
        return np.asarray(smooth(keys(world.seed, [""], "weather", name), at, int(hours * HOUR))[0])

    clock, warm, sun = almanac.hour(at), almanac.warmth(at), almanac.sun(at)
    front, dry, still, haze, dust, gone = _synoptic(world, at)
    on = ordered(world, at)
    still = np.maximum(still, on)
    haze = np.maximum(haze, on * _ORDERED_HEIGHT * (1 + 0.06 * noise("ordered", 5)))
    rain, wet, wash = _wetness(at, found)

    cloud = 0.34 + 0.2 * noise("cloud", 5) + 0.17 * noise("clouds", 31) + 0.15 * warm - 0.3 * dry
    cloud = np.clip(cloud + 0.3 * front + 0.65 * rain, 0, 1)
    clear = 1367 * 0.75 * almanac.distance(at) * sun
    radiation = clear * (1 - 0.8 * cloud**1.5) * (1 - 0.24 * np.minimum(haze / 300, 1))
    day = np.cos(2 * np.pi * (clock - 15) / 24) + 0.22 * np.cos(4 * np.pi * (clock - 14.5) / 24)
    anomaly = 1.9 * noise("warm", 120) + 0.7 * noise("warmer", 20)
    swing = (5.4 - 1.2 * warm) * (1 - 0.6 * cloud)
    depth = 0.45 + 0.55 * (1 - warm)
    temperature = 12.4 - 15.2 * almanac.year_wave(at, 18) + anomaly + swing * day - 6.5 * dry * depth + 2.4 * still
    temperature = temperature - 3.5 * wet * warm
    dew = 3.3 - 16.3 * almanac.year_wave(at, 22) + 1.6 * noise("dew", 40) + 5.5 * still * (1 - 0.5 * warm) - 7.5 * dry
    dew = dew + (temperature - 0.7 - dew) * np.maximum(0.85 * rain, 0.55 * wet)
    dew = np.minimum(dew, temperature - 0.1)

    windy = front * (0.6 + 0.4 * (1 - warm))
    heat = np.clip(radiation / 800, 0, 1)
    gusts = np.exp(0.28 * noise("gust", 1) + 0.22 * noise("breeze", 6))
    speed = (0.8 + 6.6 * windy + 1.6 * heat + dust / 400) * (1 - 0.45 * still) * gusts
    speed = np.maximum(speed, 0.15)
    north = np.clip(1.5 * front + 0.55 * dry, 0, 1)
    # By day the plain breathes in from the south, by night the hills breathe out from the north-east.
    breeze = np.clip(np.sin(2 * np.pi * (clock - 9.5) / 24) + 0.25, -1, 1)
    east = 0.75 * north + (1 - north) * (0.1 - 0.45 * (breeze < 0) * -breeze) + 0.3 * noise("east", 3)
    blow = -0.8 * north + (1 - north) * breeze + 0.3 * noise("north", 3)
    length = np.maximum(np.hypot(east, blow), 0.05)

    fall = _ramp((gone + 14 * HOUR) / (14 * HOUR)) * (gone < 0)
    pressure = 1016.5 + 9.3 * almanac.year_wave(at, 10) + 8 * dry * depth - 5 * fall * depth + 2 * noise("mass", 60)
    pressure = pressure + 0.9 * np.cos(4 * np.pi * (clock - 10) / 24)
    return {
        "temperature": temperature,
        "dew": dew,
        "speed": speed,
        "east": east / length,
        "north": blow / length,
        "pressure": pressure,
        "cloud": cloud,
        "radiation": radiation,
        "still": still,
        "front": front,
        "dry": dry,
        "haze": haze,
        "dust": dust,
        "rain": rain,
        "wet": wet,
        "wash": wash,
        "anomaly": anomaly - 4 * dry * depth,
        "ordered": on,
    }


def _synoptic(world: World, at: Ints) -> tuple[Array, ...]:
    """Front, dry, still (0 to 1), haze, dust [µg/m³], and minutes since the next front (below 0)."""
    known = fronts(world, int(at[0]) - 9 * DAY, int(at[-1]))
    times = np.array([front.at for front in known], dtype=np.int64)
    strength = np.array([front.strength for front in known])
    peak = np.array([front.peak for front in known])
    last = np.searchsorted(times, at, side="right") - 1
    since, span = (at - times[last]) / HOUR, (times[last + 1] - times[last]) / HOUR
    enter = np.minimum(since / 2, 1)
    pulse = strength[last] * enter * np.exp(-(((since - 5) / 7) ** 2))
    dry = strength[last] * enter * np.exp(-since / 40)
    still = np.clip((since - 20) / (span - 20), 0, 1)
    haze = peak[last + 1] * still**1.5 + peak[last] * np.exp(-since / 2.5)
    dust = np.zeros(at.size)
    for one in known:
        if one.dust:
            part = np.clip((at - one.at) / (one.dust_stop - one.at), 0, 1)
            dust = dust + one.dust * np.sin(np.pi * part)
    return pulse, dry, still, haze, np.maximum(dust, 0), (at - times[last + 1]).astype(np.float64)


def _wetness(at: Ints, found: Sequence[Rain]) -> tuple[Array, Array, Array]:
    """Whether it rains, how wet the ground still is, how much the air was washed: 0 to 1."""
    rain, wet, wash = (np.zeros(at.size) for _ in range(3))
    for one in found:
        low, high = np.searchsorted(at, (one.start - 20, one.stop + 36 * HOUR))
        if low == high:
            continue
        here = at[low:high]
        begun = np.clip((here - one.start) / 20, 0, 1) * np.clip((one.stop + 20 - here) / 20, 0, 1)
        after = np.exp(-np.maximum(here - one.stop, 0) / (5.0 * HOUR))
        enough = min(one.depth / 4, 1.0)
        rain[low:high] = np.maximum(rain[low:high], begun)
        wet[low:high] = np.maximum(wet[low:high], enough * np.clip((here - one.start) / 40, 0, 1) * after)
        wash[low:high] = np.maximum(wash[low:high], min(one.depth / 9, 1.0) * one.fallen(here) * after)
    return rain, wet, wash
