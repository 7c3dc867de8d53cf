"""Noise points: traffic, people, wind, rain, trains and fireworks, added as energies."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from analytics.synthetic import almanac
from analytics.synthetic.almanac import HOUR
from analytics.synthetic.chance import Array, Ints, keys, normal, smooth, uniform
from analytics.synthetic.happenings import Happening
from analytics.synthetic.layout import Site
from analytics.synthetic.shapes import bump, plateau
from analytics.synthetic.weather import Fields, World


class Place(NamedTuple):
    """Levels of a noise zone [dB]: its traffic and its people at their usual hours, what never stops, its trains."""

    traffic: float
    people: float
    floor: float
    train: float = 0.0


_PLACES: Mapping[str, Place] = {
    "0": Place(44.5, 42, 33),
    "1": Place(50, 49, 36),
    "2": Place(54.5, 56, 41),
    "3": Place(59, 58, 50),
    "4a": Place(68, 54, 46),
    "4b": Place(58, 52, 45, 80),
}
_TENS = 10


def noise(
    world: World, sky: Fields, sites: Sequence[Site], at: Ints, events: Sequence[Happening], cadence: int
) -> dict[str, Array]:
    """laeq and lafmax [dB] of every period of `cadence` [min] around `at`, a row a point."""
    codes = [site.code for site in sites]

    def wander(name: str, minutes: int) -> Array:
        return smooth(keys(world.seed, codes, name), at, minutes)

    def place(name: str) -> Array:
        return np.array([getattr(_PLACES[site.kind], name) for site in sites])[:, None]

    clock, weekend = almanac.hour(at), np.where(almanac.weekday(at) >= 5, 1.0, 0.0)
    flow = _flow(clock, weekend) * (1 - 0.45 * almanac.quiet(at))
    traffic = place("traffic") + 10 * np.log10(flow) + 0.9 * wander("traffic", 25)
    awake = 0.04 + bump(clock, 10.5, 3.5) * 0.9 + bump(clock, 18.5, 3.2) + 0.25 * weekend * bump(clock, 15, 4)
    people = place("people") + 10 * np.log10(awake) + 1.6 * wander("people", 40)
    wind = 22 + 26 * np.log10(np.maximum(sky.at("speed", at), 0.5))
    rain = np.where(sky.at("rain", at) > 0.02, 44 + 6 * sky.at("rain", at), 0)
    crackers = np.where(_feast(at) > 0, 52 + 22 * _feast(at), 0)
    energy = sum(
        (10 ** (level / 10) for level in (traffic, people, place("floor"), wind, rain, crackers)),
        np.zeros((len(sites), at.size)),
    )
    trains, passing = _trains(world, codes, at, cadence, place("train"))
    level = 10 * np.log10(energy + trains)
    jump = np.abs(normal(keys(world.seed, codes, "jump", cadence), at))
    peak = level + (5.5 if cadence == 1 else 9) + 3.2 * jump + 3 * (1 - flow)
    peak = np.maximum(peak, np.where(passing, place("train") + 3, 0))
    peak = np.maximum(peak, np.where(_feast(at) > 0.05, level + 18, 0))
    rows = {code: row for row, code in enumerate(codes)}
    for one in events:
        row = rows.get(one.station)
        if row is None:
            continue
        if one.kind == "night_construction":
            on = plateau(at, one.start, one.stop, 10)
            works = 0.75 + 0.5 * uniform(keys(world.seed, codes[row : row + 1], "works"), at // _TENS)[0]
            level[row] = np.where(on > 0, _sum(level[row], level[row] + one.size * on * works), level[row])
            peak[row] = np.where(on > 0, np.maximum(peak[row], level[row] + 9 + 3 * jump[row]), peak[row])
        if one.kind == "night_peak":
            on = plateau(at, one.start, one.stop, 1)
            peak[row] = np.where(on > 0.5, np.maximum(peak[row], level[row] + one.size), peak[row])
            level[row] = np.where(on > 0.5, _sum(level[row], level[row] + one.size - 12), level[row])
    return {"laeq": level, "lafmax": np.maximum(peak, level + 1)}


def _flow(clock: Array, weekend: Array) -> Array:
    """Traffic as a share of that of the day: two peaks on working days, one late hill at the weekend."""
    working = 0.04 + 0.85 * _open(clock, 5.5, 7.3, 20, 24.5) + 0.45 * (bump(clock, 8, 1.1) + bump(clock, 18.2, 1.6))
    free = 0.07 + 0.7 * _open(clock, 6.5, 10, 20.5, 25) + 0.15 * bump(clock, 16.5, 2.5)
    return np.asarray(np.where(weekend > 0, free, working))


def _open(clock: Array, rise: float, full: float, fade: float, gone: float) -> Array:
    """0 at night, 1 by day; the fading may go on after midnight."""
    late = np.where(clock < rise, clock + 24, clock)
    return np.minimum(np.clip((late - rise) / (full - rise), 0, 1), np.clip((gone - late) / (gone - fade), 0, 1))


def _trains(
    world: World, codes: Sequence[str], at: Ints, cadence: int, loud: Array
) -> tuple[Array, npt.NDArray[np.bool_]]:
    """Energy of the trains, and where one passes: at most one in ten minutes, in one of these minutes."""
    tens = at // _TENS
    luck = uniform(keys(world.seed, codes, "train"), tens)
    often = np.where((almanac.hour(at) < 5.5) | (almanac.hour(at) > 23), 0.12, 0.34)
    minute = np.floor(10 * uniform(keys(world.seed, codes, "minute"), tens)).astype(np.int64)
    passing = (luck < often) & (loud > 0)
    if cadence == 1:
        passing = passing & (at - tens * _TENS == minute)
    share = 1.0 if cadence == 1 else 0.1
    return np.where(passing, 10 ** ((loud - 7) / 10) * share, 0.0), passing


def _feast(at: Ints) -> Array:
    """How much is let off: the feasts of the calendar, from an hour before to two after."""
    out = np.zeros(at.size)
    for moment, size in almanac.fireworks():
        low, high = np.searchsorted(at, (moment - HOUR, moment + 2 * HOUR))
        out[low:high] = np.maximum(out[low:high], size * plateau(at[low:high], moment - HOUR, moment + 2 * HOUR, HOUR))
    return out


def _sum(one: Array, other: Array) -> Array:
    return np.asarray(10 * np.log10(10 ** (one / 10) + 10 ** (other / 10)))
