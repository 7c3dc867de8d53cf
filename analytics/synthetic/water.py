"""Water sections of two rivers that join, and a lake: season and sun, rain that travels, loads that travel."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from analytics.synthetic import almanac
from analytics.synthetic.almanac import DAY, HOUR
from analytics.synthetic.chance import Array, Ints, keys, smooth
from analytics.synthetic.happenings import LAGS, Happening
from analytics.synthetic.layout import Site
from analytics.synthetic.shapes import plateau
from analytics.synthetic.weather import Fields, World


class Reach(NamedTuple):
    """A section by nature: oxygen as a share of saturation, `algae` 0 to 1, conductivity [µS/cm], turbidity [NTU],
    ammonia, permanganate index, total nitrogen and phosphorus [mg/L], `warmer` [°C], level [m], how rain shows, pH."""

    oxygen: float
    algae: float
    conductivity: float
    turbidity: float
    nh3n: float
    codmn: float
    tn: float
    tp: float
    warmer: float
    level: float
    rain: float
    ph: float


_REACHES: Mapping[str, Reach] = {
    "upper": Reach(0.96, 0.25, 470, 9, 0.09, 2.6, 2.6, 0.05, 0.0, 1.25, 1.0, 8.0),
    "middle": Reach(0.90, 0.35, 560, 13, 0.26, 3.5, 3.6, 0.09, 0.6, 1.7, 1.1, 7.85),
    "lower": Reach(0.82, 0.40, 640, 17, 0.55, 4.4, 5.0, 0.14, 1.0, 2.3, 1.0, 7.75),
    "moat": Reach(0.74, 0.35, 720, 15, 0.7, 4.9, 5.6, 0.17, 1.6, 1.1, 1.4, 7.65),
    "outfall": Reach(0.64, 0.30, 860, 19, 1.15, 5.9, 7.6, 0.24, 2.6, 1.4, 1.5, 7.5),
    "lake": Reach(0.97, 0.70, 610, 7, 0.12, 4.1, 1.1, 0.04, 0.8, 3.1, 0.35, 8.15),
}


def water(world: World, sky: Fields, sites: Sequence[Site], at: Ints, events: Sequence[Happening]) -> dict[str, Array]:
    """Temperature [°C], pH, conductivity [µS/cm], turbidity [NTU], level [m]; oxygen, codmn, nh3n, tp, tn [mg/L].

    Saturation of oxygen is 468 / (31.6 + T), as HJ 2.3-2018.
    """
    codes = [site.code for site in sites]

    def noise(name: str, hours: float) -> Array:
        return smooth(keys(world.seed, codes, name), at, int(hours * HOUR))

    def nature(name: str) -> Array:
        return np.array([getattr(_REACHES[site.kind], name) for site in sites])[:, None]

    load = {name: np.zeros((len(sites), at.size)) for name in ("nh3n", "oxygen", "turbidity", "ph", "algae")}
    _happen(load, codes, at, events)
    pulse, flush, stage = _runoff(sky, sites, at)
    warm, clock = almanac.warmth(at), almanac.hour(at)
    day = np.cos(2 * np.pi * (clock - 16.5) / 24)
    # A river follows the air of some days: its slow anomaly, half as far and half a day late.
    slow = (sky.at("anomaly", at - 6 * HOUR) + sky.at("anomaly", at - 11 * HOUR)) / 2
    temperature = 14.2 - 12.6 * almanac.year_wave(at, 26) + 0.45 * slow + (0.25 + 0.6 * warm) * day
    temperature = temperature + nature("warmer") * (1.2 - 0.6 * warm) + 0.25 * noise("warm", 30) - 0.8 * pulse
    # Near the freezing point a river stays there.
    temperature = np.where(temperature < 1.5, 0.3 + 1.2 * np.exp(np.minimum(temperature - 1.5, 0) / 2), temperature)

    shine = (sky.at("radiation", at - 90) + sky.at("radiation", at - 240)) / 2 / 700
    green = np.clip(nature("algae") * (0.2 + 0.8 * warm) * np.exp(0.2 * noise("algae", 70)) + load["algae"], 0, 2)
    breath = green * (0.42 * shine - 0.11)
    share = nature("oxygen") * (1 - 0.1 * warm) + breath - 0.18 * flush * nature("rain") + 0.025 * noise("oxygen", 14)
    share = np.maximum(share * (1 - load["oxygen"]) - 0.03 * load["nh3n"], 0.012)
    turbidity = nature("turbidity") * np.exp(0.16 * noise("turbidity", 8)) * (1 + 0.8 * green * warm)
    conductivity = nature("conductivity") * (1 + 0.05 * noise("salt", 60)) * (1 - 0.36 * pulse + 0.07 * flush)
    nh3n = nature("nh3n") * (1.25 - 0.5 * warm) * np.exp(0.14 * noise("nh3n", 16) + 0.1 * day)
    nh3n = nh3n + 0.9 * flush * nature("rain") + load["nh3n"]
    codmn = nature("codmn") * np.exp(0.09 * noise("codmn", 20)) + 3.2 * flush * nature("rain") + 0.35 * load["nh3n"]
    tp = nature("tp") * np.exp(0.13 * noise("tp", 24)) + 0.16 * flush * nature("rain") + 0.035 * load["nh3n"]
    rest = nature("tn") - nature("nh3n")
    return {
        "water_temperature": temperature,
        "ph": nature("ph") + 0.9 * breath + 0.12 * noise("ph", 50) - 0.35 * pulse + load["ph"] - 0.02 * load["nh3n"],
        "dissolved_oxygen": share * 468 / (31.6 + temperature),
        "conductivity": conductivity + 24 * load["nh3n"],
        "turbidity": turbidity + 260 * flush * nature("rain") + 60 * pulse + load["turbidity"],
        "water_level": nature("level") + 0.9 * stage * nature("rain") + 0.02 * noise("level", 40),
        "codmn": codmn + 2 * load["algae"],
        "nh3n": nh3n,
        "tp": tp,
        "tn": rest * np.exp(0.07 * noise("tn", 36)) * (1 - 0.15 * pulse) + nh3n,
    }


def _runoff(sky: Fields, sites: Sequence[Site], at: Ints) -> tuple[Array, Array, Array]:
    """Rain water in the river, what it washed off before it (both about 0 to 1), and the rise of the water [m]."""
    pulse, flush, stage = (np.zeros((len(sites), at.size)) for _ in range(3))
    for rain in sky.rains:
        if rain.depth < 1 or rain.snow:
            continue
        wide = 2 * HOUR + (rain.stop - rain.start) // 2
        for row, site in enumerate(sites):
            begin = rain.start + LAGS[site.kind]
            low, high = np.searchsorted(at, (begin, begin + 5 * DAY))
            since = (at[low:high] - begin).astype(np.float64)
            for field, width, size in (
                (pulse, 2.0 * wide, 1 - np.exp(-rain.depth / 22)),
                (flush, 1.0 * wide, 1 - np.exp(-rain.depth / 26)),
                (stage, 5.0 * wide, rain.depth / 60),
            ):
                part = since / width
                field[row, low:high] += size * part * np.exp(1 - part)
    return np.minimum(pulse, 1.2), np.minimum(flush, 1.5), stage


def _happen(load: dict[str, Array], codes: Sequence[str], at: Ints, events: Sequence[Happening]) -> None:
    """Adds to `load` what the plan has for the sections."""
    rows = {code: row for row, code in enumerate(codes)}
    for one in events:
        if one.station not in rows:
            continue
        row = rows[one.station]
        if one.kind == "ammonia_pulse":
            load["nh3n"][row] += one.size * plateau(at, one.start, one.stop, (one.stop - one.start) // 2)
        if one.kind == "oxygen_sag":
            load["oxygen"][row] += one.size * plateau(at, one.start, one.stop, 6 * HOUR)
        if one.kind == "black_odour":
            on = plateau(at, one.start, one.stop, 18 * HOUR)
            load["nh3n"][row] += one.size * on
            load["oxygen"][row] += 0.93 * on * min(one.size / 7, 1)
            load["turbidity"][row] += 28 * on
            load["ph"][row] -= 0.2 * on
        if one.kind == "algal_bloom":
            on = plateau(at, one.start, one.stop, 30 * HOUR)
            load["algae"][row] += one.size * on
            load["turbidity"][row] += 14 * on
            load["ph"][row] += 0.7 * on
