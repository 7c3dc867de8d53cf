"""Air, VOC grid and weather stations: the district's weather some minutes late, and the surroundings of each."""

from collections.abc import Mapping, Sequence

import numpy as np

from analytics.synthetic import almanac
from analytics.synthetic.almanac import HOUR
from analytics.synthetic.chance import Array, Draw, Ints, keys, smooth, uniform
from analytics.synthetic.happenings import Happening
from analytics.synthetic.layout import Site
from analytics.synthetic.shapes import bell, bump, plateau
from analytics.synthetic.weather import STEP, Fields, World

#: Of a kind of site: factors of particles, traffic, sulphur, and how much warmer it is [°C].
_FACTORS: Mapping[str, tuple[float, float, float, float]] = {
    "urban": (1.0, 1.0, 1.0, 0.4),
    "road": (1.07, 1.65, 1.0, 0.7),
    "works": (1.12, 1.1, 2.0, 0.3),
    "background": (0.8, 0.45, 0.7, -0.8),
}
#: How fast haze creeps in from the south, and clean air from the north [km/h].
_CREEP, _SWEEP = 7.0, 22.0


def air(world: World, sky: Fields, sites: Sequence[Site], at: Ints, events: Sequence[Happening]) -> dict[str, Array]:
    """Concentrations [µg/m³; co mg/m³], temperature [°C] and humidity [%], a row a station, a column a time."""
    codes = [site.code for site in sites]

    def noise(name: str, hours: float) -> Array:
        return smooth(keys(world.seed, codes, name), at, int(hours * HOUR))

    own = np.array([Draw(world.seed, "site", code).uniform(-1, 1) for code in codes])[:, None]
    particles, traffic, sulphur, warmer = (
        np.array([_FACTORS[site.kind][column] for site in sites])[:, None] for column in range(4)
    )
    particles = particles * (1 + 0.07 * own)
    here = _arrival(sky, sites, at)

    def field(name: str) -> Array:
        return sky.at(name, here)

    haze, front, still, wash, dust = (field(name) for name in ("haze", "front", "still", "wash", "dust"))
    temperature, humidity = _warmth(sky, here, warmer + 0.35 * noise("warm", 4))
    warm, clock, sun = almanac.warmth(at), almanac.hour(at), almanac.sun(at)
    calm, night = 1 - 0.75 * np.minimum(front, 1), 1 + 0.18 * np.cos(2 * np.pi * (clock - 2) / 24)
    rush = _rush(at, clock) * traffic * (1 - 0.25 * warm) * calm
    wander = np.exp(0.1 * noise("wander", 9) + 0.045 * noise("flicker", 1.5))
    swollen = 1 + 0.2 * np.clip((humidity - 65) / 35, 0, 1)
    bang = _feasts(at) * (0.7 + 0.6 * uniform(keys(world.seed, codes, "feast"), np.zeros(1, np.int64)))

    fine = (5 + 13 * calm * (1 - 0.35 * warm) + haze * (0.78 + 0.22 * night)) * particles * wander * night * swollen
    fine = fine * (1 - 0.55 * wash) + 7 * rush + 240 * bang
    coarse = (7 + 9 * calm + 0.15 * haze + 9 * rush) * (1 - 0.75 * wash) * particles * np.exp(0.18 * noise("coarse", 3))
    passing = _passing(world, codes, at) * traffic * (1 + almanac.sun(at)) / 2
    no2 = (9 + 9 * calm + 0.13 * haze * (1 - 0.4 * warm) + 27 * rush) * traffic**0.35 * np.exp(0.12 * noise("no2", 2))
    no2 = no2 * (1 - 0.32 * sun) * (1.08 - 0.3 * warm)
    so2 = (3 + 0.035 * haze + 2.5 * night * calm) * sulphur * (1 - 0.3 * wash) * np.exp(0.15 * noise("so2", 4))
    fields = {
        "pm25": fine + 0.05 * dust + 5 * passing,
        "pm10": fine + coarse + 9 * passing + 1.05 * dust * particles + 40 * bang,
        "so2": so2 + 60 * bang,
        "no2": no2 + 6 * passing,
        "co": 0.26 + 0.0066 * fine + 0.18 * rush + 0.05 * passing + 0.03 * noise("co", 5),
        "o3": _ozone(sky, at, still, front) + 5 * noise("o3", 5),
        "air_temperature": temperature,
        "relative_humidity": humidity,
    }
    _happen(fields, codes, at, events)
    # What sun makes is the sum of ozone and NO2; beside fresh exhaust more of it is NO2.
    left = fields["o3"] - 0.78 * fields["no2"]
    fields["o3"] = np.where(left > 8, left, 8 * np.exp(np.minimum(left - 8, 0) / 16))
    return fields


def voc(world: World, sky: Fields, sites: Sequence[Site], at: Ints, events: Sequence[Happening]) -> dict[str, Array]:
    """tvoc and nmhc as carbon [mg/m³]."""
    codes = [site.code for site in sites]
    works = np.array([1.6 if site.kind == "works" else 1.0 for site in sites])[:, None]
    here = _arrival(sky, sites, at)
    still, clock = sky.at("still", here), almanac.hour(at)
    busy = _shift(at)
    breath = np.exp(0.22 * smooth(keys(world.seed, codes, "voc"), at, 3 * HOUR))
    base = (0.1 + 0.13 * still + 0.07 * _rush(at, clock) + 0.06 * almanac.warmth(at)) * (1 + (works - 1) * (0.3 + busy))
    tvoc = base * breath * (1 - 0.4 * np.minimum(sky.at("front", here), 1))
    for one, row in _mine(events, codes, "voc_leak"):
        puffs = 0.75 + 0.5 * uniform(keys(world.seed, codes[row : row + 1], "puff"), at // 30)[0]
        tvoc[row] += one.size * busy * plateau(at, one.start, one.stop, 30) * puffs * (0.5 + 0.5 * still[row])
    return {"tvoc": tvoc, "nmhc": 0.16 + 0.72 * tvoc + 0.02 * smooth(keys(world.seed, codes, "nmhc"), at, 4 * HOUR)}


def weather(world: World, sky: Fields, sites: Sequence[Site], at: Ints) -> dict[str, Array]:
    """Temperature [°C], humidity [%], wind [m/s, ° it comes from], pressure [hPa], radiation [W/m²]; rain is apart."""
    codes = [site.code for site in sites]
    here = _arrival(sky, sites, at)
    temperature, humidity = _warmth(sky, here, 0.25 * smooth(keys(world.seed, codes, "warm"), at, 4 * HOUR) - 0.3)
    gust = np.exp(0.12 * smooth(keys(world.seed, codes, "gust"), at, HOUR))
    turn = 9 * smooth(keys(world.seed, codes, "turn"), at, HOUR)
    degrees = np.degrees(np.arctan2(-sky.at("east", here), -sky.at("north", here))) + turn
    broken = np.clip(1 - np.abs(sky.at("cloud", here) - 0.5) / 0.35, 0, 1)
    flicker = 1 + 0.28 * broken * (smooth(keys(world.seed, codes, "cloud"), at, STEP) * 0.6 - 0.2)
    return {
        "air_temperature": temperature,
        "relative_humidity": humidity,
        "wind_speed": sky.at("speed", here) * gust * 1.05,
        "wind_direction": degrees % 360,
        "air_pressure": sky.at("pressure", here) - 0.3,
        "solar_radiation": sky.at("radiation", here) * flicker,
    }


def rain(world: World, sky: Fields, sites: Sequence[Site], start: Ints, cadence: int) -> Array:
    """Rain [mm] of each period of `cadence` [min] from `start`, in tips of 0.1 mm: minutes add up to their ten."""
    out = np.zeros((len(sites), start.size))
    for one in sky.rains:
        low, high = np.searchsorted(start, (one.start - cadence, one.stop))
        if low == high:
            continue
        before, after = one.fallen(start[low:high]), one.fallen(start[low:high] + cadence)
        for row, site in enumerate(sites):
            tips = 10 * one.depth * Draw(world.seed, "shower", one.start, site.code).uniform(0.8, 1.25)
            out[row, low:high] += (np.floor(tips * after) - np.floor(tips * before)) / 10
    return out


def _arrival(sky: Fields, sites: Sequence[Site], at: Ints) -> Ints:
    """When the district's air at each station and time [min] was in the middle: haze from the south, fronts from the
    north."""
    north = np.array([site.y for site in sites])[:, None]
    clean = np.clip(1.5 * sky.at("front", at) + 0.55 * sky.at("dry", at), 0, 1)
    hours = (1 - clean) * north / _CREEP - clean * north / _SWEEP
    return np.asarray(at - np.round(hours * HOUR).astype(np.int64))


def _warmth(sky: Fields, here: Ints, warmer: Array) -> tuple[Array, Array]:
    """Temperature [°C] and relative humidity [%] of the same vapour. Magnus, as FAO-56, eq. 11."""
    temperature, dew = sky.at("temperature", here) + warmer, sky.at("dew", here)
    share = np.exp(17.27 * dew / (dew + 237.3) - 17.27 * temperature / (temperature + 237.3))
    return temperature, np.clip(100 * share, 6, 99.5)


def _rush(at: Ints, clock: Array) -> Array:
    """Traffic of the morning and the evening, less at the weekend and least in the spring feast."""
    weekend = almanac.weekday(at) >= 5
    morning = bump(clock, 8, 1.5) * np.where(weekend, 0.35, 1)
    return (morning + 1.1 * bump(clock, 18.4, 2.2) + 0.3 * bump(clock, 13, 5)) * (1 - 0.5 * almanac.quiet(at))


def _shift(at: Ints) -> Array:
    """1 in the work hours of a working day, with a break at noon."""
    clock = almanac.hour(at)
    open_ = np.clip((clock - 8) * 2, 0, 1) * np.clip((18 - clock) * 2, 0, 1) * (1 - 0.5 * bump(clock, 12.5, 0.5))
    return np.asarray(np.where(almanac.weekday(at) >= 5, 0.08, 1) * open_ * (1 - 0.8 * almanac.quiet(at)))


def _ozone(sky: Fields, at: Ints, still: Array, front: Array) -> Array:
    """Ozone and NO2 together [µg/m³]: the free air above, mixed down by day, and what the sun of two hours made."""
    warm = almanac.warmth(at)
    sun = (almanac.sun(at) + almanac.sun(at - 90) + almanac.sun(at - 180)) / 3
    clear = 1 - 0.7 * sky.at("cloud", at)
    mixed = 0.68 + 0.32 * np.clip(sun * 2.5, 0, 1)
    free = 56 + 26 * warm + 14 * np.minimum(front, 1)
    return np.asarray(free * mixed + (14 + 135 * warm**1.4) * sun * clear * (0.62 + 0.38 * still))


def _feasts(at: Ints) -> Array:
    """Fireworks of the calendar over the whole district, 1 at the midnight of the Chinese new year."""
    out = np.zeros(at.size)
    for moment, size in almanac.fireworks():
        low, high = np.searchsorted(at, (moment - 2 * HOUR, moment + 14 * HOUR))
        far = (at[low:high] - moment) / HOUR - 0.3
        out[low:high] += size * np.exp(-np.abs(far) / 2.2) * np.clip((far + 2.3) / 0.5, 0, 1)
    return out


def _passing(world: World, codes: Sequence[str], at: Ints) -> Array:
    """A lorry, a grill, a sweeper: what now and then stands beside an inlet for ten minutes, now and then large."""
    luck = uniform(keys(world.seed, codes, "passing"), at // STEP)
    size = uniform(keys(world.seed, codes, "size"), at // STEP)
    return np.asarray(np.where(luck < 0.025, -np.log(1 - size), 0.0))


def _happen(fields: dict[str, Array], codes: Sequence[str], at: Ints, events: Sequence[Happening]) -> None:
    """Adds to `fields` what the plan has for them."""
    for one, row in _mine(events, codes, "local_source"):
        plume = one.size * bell(at, one.start, one.stop)
        for name, share in (("pm25", 1), ("pm10", 1.5), ("so2", 0.5), ("no2", 0.35), ("co", 0.008)):
            fields[name][row] += share * plume
    for one, row in _mine(events, codes, "fireworks"):
        smoke = one.size * bell(at, one.start, one.stop)
        for name, share in (("pm25", 1), ("pm10", 1.15), ("so2", 0.3), ("co", 0.002)):
            fields[name][row] += share * smoke
    for one in events:
        if one.kind == "ozone_day":
            fields["o3"] += one.size * bell(at, one.start, one.stop)


def _mine(events: Sequence[Happening], codes: Sequence[str], kind: str) -> list[tuple[Happening, int]]:
    """The events of `kind` and the rows of their stations."""
    rows = {code: row for row, code in enumerate(codes)}
    return [(one, rows[one.station]) for one in events if one.kind == kind and one.station in rows]
