"""A made-up winter of hourly air data of one made-up district: for the demo, for tests, for benchmarks.

Nothing here was measured anywhere, and every title says so. It behaves as a winter of northern China does: cold fronts
clear the air, haze grows between them for days, traffic and sunlight give the day its shape, dust comes with one
front, fireworks at the new year; and sensors fail in the ways they do. What was put in is in `Winter.truth`.

The same seed gives the same bits on the same numpy: every draw comes from PCG64 streams of their own, one of the
district, one a station, one of the faults.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from analytics.frames import TIME

#: Parameters and the decimals they are given with [µg/m³; co mg/m³; °C; %; m/s; °].
DECIMALS: Mapping[str, int] = {
    "pm25": 1,
    "pm10": 1,
    "so2": 1,
    "no2": 1,
    "co": 3,
    "o3": 1,
    "air_temperature": 1,
    "relative_humidity": 1,
    "wind_speed": 1,
    "wind_direction": 0,
}
PREFIX = "SYN-"
#: What every station is a member of (kind, place).
DISTRICT = ("district", "Synthetic District 合成区")
START, DAYS, STATIONS = date(2025, 12, 1), 100, 12
#: Minutes from UTC of the district's clocks.
OFFSET = 480

TRUTH: Mapping[str, pl.DataType] = {
    "kind": pl.String(),
    "station": pl.String(),
    "parameter": pl.String(),
    "start": TIME,
    "stop": TIME,
}
#: Kinds of truth: what happened to the air, and what happened to the sensors.
EVENTS = ("front", "haze", "dust", "fireworks")
FAULTS = ("outage", "gap", "stuck", "spike", "range")

_SITES = (
    ("riverside", "河滨", "urban"),
    ("market", "集市", "urban"),
    ("crossroads", "路口", "road"),
    ("school", "学校", "urban"),
    ("park", "公园", "urban"),
    ("hillside", "山坡", "background"),
    ("workshops", "工坊", "works"),
    ("hospital", "医院", "urban"),
    ("bus depot", "车场", "road"),
    ("library", "图书馆", "urban"),
    ("stadium", "体育场", "urban"),
    ("orchard", "果园", "background"),
)
#: Of a kind of site: factors of particles, traffic and sulphur.
_FACTORS: Mapping[str, tuple[float, float, float]] = {
    "urban": (1.0, 1.0, 1.0),
    "road": (1.08, 1.6, 1.0),
    "works": (1.15, 1.1, 2.2),
    "background": (0.78, 0.45, 0.7),
}
#: First day of the Chinese year (year, month, day): fireworks at its midnight.
_SPRING = (
    (2020, 1, 25),
    (2021, 2, 12),
    (2022, 2, 1),
    (2023, 1, 22),
    (2024, 2, 10),
    (2025, 1, 29),
    (2026, 2, 17),
    (2027, 2, 6),
    (2028, 1, 26),
    (2029, 2, 13),
    (2030, 2, 3),
)

Array = npt.NDArray[np.float64]
#: kind, station, parameter, first hour, hour after the last
Happening = tuple[str, str | None, str | None, int, int]


@dataclass(frozen=True, slots=True)
class Winter:
    """`wide`: station, time (text with +08:00, the start of the hour), a column a parameter; rows of an outage are
    absent, cells of a gap null. `truth` (TRUTH): what was put in; no station: the whole district; no parameter: all.
    `stations`: station, title, title_zh, kind."""

    wide: pl.DataFrame
    truth: pl.DataFrame
    stations: pl.DataFrame


@dataclass(frozen=True, slots=True)
class _Air:
    """The district's weather by the hour: `haze` above the background, and pulses between 0 and 1."""

    hour: Array
    front: Array
    dry: Array
    still: Array
    haze: Array
    dust: Array
    fireworks: Array


def winter(seed: int, stations: int = STATIONS, start: date = START, days: int = DAYS) -> Winter:
    """The winter of `seed`: `days` local days from `start`. Raises `ValueError` where there is no station or day."""
    if stations < 1 or days < 1:
        raise ValueError(f"a winter has stations and days, not {stations} and {days}")
    air, events = _district(_stream(seed, 0), start, days)
    sites = _sites(stations)
    fields: dict[str, Array] = {name: np.empty((stations, days * 24)) for name in DECIMALS}
    for number, kind in enumerate(sites["kind"]):
        for name, values in _station(_stream(seed, 1, number), air, kind, start).items():
            fields[name][number] = np.round(values, DECIMALS[name]) + 0.0
    present, faults = _spoil(_stream(seed, 2), fields, sites["station"].to_list())
    return Winter(_wide(fields, present, sites, start), _truth(events + faults, start, days), sites)


def _stream(*seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed)))


def _sites(count: int) -> pl.DataFrame:
    rows = []
    for number in range(count):
        title, title_zh, kind = _SITES[number % len(_SITES)]
        code = f"{PREFIX}{number + 1:02}"
        rows.append((code, f"Synthetic station {number + 1}, {title}", f"合成站点{number + 1}·{title_zh}", kind))
    return pl.DataFrame(rows, schema=["station", "title", "title_zh", "kind"], orient="row")


def _district(rng: np.random.Generator, start: date, days: int) -> tuple[_Air, list[Happening]]:
    """The shared weather, and what happened in it (kind, station, parameter, first hour, hour after the last)."""
    hour = np.arange(days * 24, dtype=np.float64)
    fronts = np.cumsum(rng.uniform(100, 215, size=days * 24 // 100 + 3)) - 90
    # Peaks are spread over all classes and then shuffled, so that no seed gives a winter without a heavy day.
    peaks = np.exp(np.linspace(np.log(45), np.log(285), fronts.size)) * rng.lognormal(0, 0.06, fronts.size)
    peaks = rng.permutation(peaks)
    last = np.searchsorted(fronts, hour, side="right")  # the front that ends the episode at hand
    before = np.where(last > 0, fronts[np.maximum(last - 1, 0)], fronts[0] - 150)
    since, span = hour - before, fronts[last] - before
    grown = np.clip((since - 20) / (span - 20), 0, 1)
    haze = peaks[last] * grown**1.5
    decay = np.where(last > 0, peaks[np.maximum(last - 1, 0)] * np.exp(-since / 2.5), 0)
    pulse = np.where(last > 0, np.exp(-(((since - 5) / 7) ** 2)), 0)
    dry = np.exp(-since / 40)
    # Late in the winter, when the ground has dried, but early enough to be seen whole.
    whole = max(int(np.searchsorted(fronts, hour.size - 30)), 1)
    dusty = float(fronts[int(rng.integers(whole // 2, whole))])
    dust = np.sin(np.pi * np.clip((hour - dusty) / 20, 0, 1))
    bangs = _midnights(start, days)
    fireworks = sum(
        (size * np.where(hour >= at - 2, np.exp(-np.abs(hour - at - 0.3) / 2.2), 0) for at, size in bangs),
        np.zeros_like(hour),
    )
    events: list[Happening] = []
    for number, at in enumerate(fronts):
        begin = int(fronts[number - 1] + 20) if number else int(at - 130)
        events.append(("haze", None, None, begin, int(at)))
        events.append(("front", None, None, int(at), int(at) + 16))
    events.append(("dust", None, None, int(np.ceil(dusty)), int(np.ceil(dusty + 20))))
    events.extend(("fireworks", None, None, at - 2, at + 5) for at, _ in bangs)
    return _Air(hour, pulse, dry, grown, haze + decay, dust, fireworks), events


def _midnights(start: date, days: int) -> list[tuple[int, float]]:
    """Hour and size of the fireworks: the new year, and more of it the Chinese one."""
    every = [start + timedelta(days=day) for day in range(days)]
    sizes = [
        (day, 1.0 if (day.year, day.month, day.day) in _SPRING else 0.35 if (day.month, day.day) == (1, 1) else 0.0)
        for day in every
    ]
    return [((day - start).days * 24, size) for day, size in sizes if size]


def _station(rng: np.random.Generator, air: _Air, kind: str, start: date) -> dict[str, Array]:
    """The hours of one site: the district's weather some hours late, its own surroundings and noise."""
    particles, traffic, sulphur = np.array(_FACTORS[kind]) * rng.lognormal(0, 0.07, 3)
    lag = rng.uniform(0, 4)
    front, dry, still, haze, dust = (
        np.interp(air.hour - lag, air.hour, field) for field in (air.front, air.dry, air.still, air.haze, air.dust)
    )
    clock = air.hour % 24
    weekday = (air.hour // 24 + start.weekday()) % 7
    calm = 1 - 0.75 * front
    night = 1 + 0.2 * np.cos(2 * np.pi * (clock - 1) / 24)
    rush = (_bump(clock, 8, 1.6) + 1.15 * _bump(clock, 18.5, 2.1)) * np.where(weekday >= 5, 0.65, 1) * traffic
    sun = np.maximum(0, np.sin(np.pi * (clock - 7) / 10.5)) * ((clock >= 7) & (clock <= 17.5))
    bang = air.fireworks * rng.uniform(0.6, 1.4) * np.sqrt(particles)

    wander = np.exp(0.11 * _persistent(rng, air, 0.9))
    fine = (9 + 12 * calm + haze * (0.75 + 0.25 * night)) * particles * wander * night + 7 * rush * calm + 260 * bang
    coarse = (8 + 10 * calm + 0.16 * haze + 9 * rush) * particles * np.exp(0.2 * _persistent(rng, air, 0.8))
    no2 = (10 + 9 * calm + 0.15 * haze + 26 * rush * calm) * traffic**0.4 * np.exp(0.13 * _persistent(rng, air, 0.7))
    ozone = 26 + 30 * front + 16 * dry + (52 - 0.06 * haze) * sun - 0.42 * no2 + 5 * _persistent(rng, air, 0.8)
    return {
        "pm25": fine + _noise(rng, air, 0.8),
        "pm10": fine + coarse + 720 * dust * particles + 60 * bang + np.abs(_noise(rng, air, 1.5)) + 2,
        "so2": (4 + 0.045 * haze + 3 * night * calm) * sulphur * np.exp(0.15 * _persistent(rng, air, 0.8)) + 70 * bang,
        "no2": no2,
        "co": 0.28 + 0.0088 * fine + 0.16 * rush + 0.03 * np.abs(_persistent(rng, air, 0.8)),
        "o3": np.maximum(ozone, 1.5 + np.abs(_noise(rng, air, 1))),
        **_weather(rng, air, front, dry, still, start),
    }


def _weather(
    rng: np.random.Generator, air: _Air, front: Array, dry: Array, still: Array, start: date
) -> dict[str, Array]:
    clock = air.hour % 24
    day = start.timetuple().tm_yday + air.hour / 24
    afternoon = np.cos(2 * np.pi * (clock - 15) / 24)
    temperature = 11.5 - 15 * np.cos(2 * np.pi * (day - 18) / 365.25) + 4.4 * afternoon - 7.5 * dry + 2.5 * still
    humidity = 40 + 38 * still - 20 * dry - 11 * afternoon + 5 * _persistent(rng, air, 0.9)
    speed = 1.3 + 6.8 * front + 0.7 * np.maximum(afternoon, 0) - 0.6 * still + 0.5 * _persistent(rng, air, 0.7)
    north = np.clip(1.6 * front + 0.4 * dry, 0, 1)
    direction = 165 + 155 * north + (55 - 40 * north) * _persistent(rng, air, 0.85)
    return {
        "air_temperature": temperature + 0.8 * _persistent(rng, air, 0.9),
        "relative_humidity": np.clip(humidity, 9, 98.5),
        "wind_speed": np.maximum(speed, 0.1 + np.abs(_noise(rng, air, 0.15))),
        # Rounded here: 359.7 is the direction 0, and a reading of 360 would be another name for it.
        "wind_direction": np.round(direction) % 360,
    }


def _bump(clock: Array, at: float, width: float) -> Array:
    return np.exp(-(((clock - at) / width) ** 2))


def _noise(rng: np.random.Generator, air: _Air, size: float) -> Array:
    return rng.normal(0, size, air.hour.size)


def _persistent(rng: np.random.Generator, air: _Air, keep: float) -> Array:
    """Noise of unit variance whose every hour keeps the share `keep` of the hour before."""
    steps = rng.normal(0, np.sqrt(1 - keep**2), air.hour.size)
    out = np.empty(steps.size)
    level = float(rng.normal())
    for number, step in enumerate(steps.tolist()):
        level = keep * level + step
        out[number] = level
    return out


def _spoil(
    rng: np.random.Generator, fields: dict[str, Array], codes: list[str]
) -> tuple[npt.NDArray[np.bool_], list[Happening]]:
    """Which rows are there at all, and the faults put into `fields`; no two of a station lie within a day."""
    count, hours = fields["pm25"].shape
    present = np.ones((count, hours), dtype=np.bool_)
    faults: list[Happening] = []
    taken: dict[int, list[tuple[int, int]]] = {number: [] for number in range(count)}
    for kind, parameter, shortest, longest in _plan(count):
        length = int(rng.integers(shortest, longest + 1))
        station, begin = int(rng.integers(count)), int(rng.integers(2, max(hours - length - 2, 3)))
        lift = float(rng.uniform(0.9, 1.3))
        end = begin + length
        if end > hours - 1 or any(begin < stop + 24 and first - 24 < end for first, stop in taken[station]):
            continue  # a short winter has no room for all of them
        taken[station].append((begin, end))
        faults.append((kind, codes[station], parameter, begin, end))
        if parameter is None:
            present[station, begin:end] = False
            continue
        cells = fields[parameter][station]
        if kind == "gap":
            cells[begin:end] = np.nan
        elif kind == "stuck":
            cells[begin:end] = cells[begin - 1]
        elif kind == "spike":
            cells[begin:end] = np.round(cells[begin:end] + lift * _SPIKES[parameter], DECIMALS[parameter])
        else:
            cells[begin:end] = _BEYOND[parameter]
    return present, faults


#: Height of a spike, and what a broken instrument says [unit of the parameter].
_SPIKES: Mapping[str, float] = {"pm25": 420, "pm10": 800, "no2": 170, "co": 6}
_BEYOND: Mapping[str, float] = {"pm10": 9985, "no2": -32, "air_temperature": 85}


def _plan(count: int) -> list[tuple[str, str | None, int, int]]:
    """(kind, parameter, shortest, longest [h]) of the faults of `count` stations; the long ones come first."""
    some, many = max(1, count // 4), max(2, count // 2)
    stuck: list[tuple[str, str | None, int, int]] = [
        ("stuck", name, 30, 60) for _ in range(max(1, count // 12)) for name in ("pm25", "no2")
    ]
    return [
        *stuck,
        *[("outage", None, 20, 80)] * some,
        *[("gap", name, 2, 30) for _ in range(some) for name in ("pm25", "o3", "no2")],
        *[("spike", name, 1, 1) for _ in range(many) for name in _SPIKES],
        *[("range", name, 1, 2) for _ in range(max(1, count // 12)) for name in _BEYOND],
    ]


def _wide(
    fields: Mapping[str, Array], present: npt.NDArray[np.bool_], sites: pl.DataFrame, start: date
) -> pl.DataFrame:
    count, hours = present.shape
    first = datetime(start.year, start.month, start.day)  # noqa: DTZ001  # a wall clock: the text carries the offset
    clock = pl.datetime_range(first, first + timedelta(hours=hours - 1), "1h", eager=True)
    stamps = clock.dt.strftime(f"%Y-%m-%dT%H:%M:%S+{OFFSET // 60:02}:{OFFSET % 60:02}").to_list()
    wide = pl.DataFrame(
        {
            "station": np.repeat(sites["station"].to_numpy(), hours),
            "time": stamps * count,
            **{name: values.reshape(-1) for name, values in fields.items()},
        },
        schema_overrides={"station": pl.String},
    )
    return wide.filter(present.reshape(-1)).with_columns(pl.col(list(DECIMALS)).fill_nan(None))


def _truth(rows: list[Happening], start: date, days: int) -> pl.DataFrame:
    """TRUTH of `rows` in hours since the start, cut to the winter, sorted by start."""
    first = datetime(start.year, start.month, start.day, tzinfo=UTC) - timedelta(minutes=OFFSET)
    cut = [(*row[:3], max(row[3], 0), min(row[4], days * 24)) for row in rows]
    dated = [
        (*row[:3], first + timedelta(hours=row[3]), first + timedelta(hours=row[4])) for row in cut if row[3] < row[4]
    ]
    order = ["start", "kind", "station", "parameter"]
    return pl.DataFrame(dated, schema=dict(TRUTH), orient="row").sort(order)
