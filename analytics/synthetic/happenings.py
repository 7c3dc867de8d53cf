"""What happens in the made-up district: the rows of the plan on absolute time, and what the weather itself brings."""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import polars as pl

from analytics.frames import TIME
from analytics.synthetic import almanac, weather
from analytics.synthetic.almanac import DAY, HOUR
from analytics.synthetic.chance import Draw
from analytics.synthetic.layout import Site, sites
from analytics.synthetic.plan import EVENT, FAULT, PLAN, Kind
from analytics.synthetic.quantities import QUANTITIES
from analytics.synthetic.weather import STEP, World

#: What was put in: `group` is `event` (it happened) or `fault` (the sensor failed); no station: the whole district;
#: no parameter: all of the station. Half-open; `magnitude` in the unit that `note` says.
TRUTH: Mapping[str, pl.DataType] = {
    "kind": pl.String(),
    "class": pl.String(),
    "domain": pl.String(),
    "station": pl.String(),
    "parameter": pl.String(),
    "start": TIME,
    "stop": TIME,
    "magnitude": pl.Float64(),
    "note": pl.String(),
}
DOMAINS = {"A": "air", "V": "air", "W": "water", "N": "noise", "S": "soil", "M": "weather", "": "air"}

#: No two of a station that meet the same parameter lie nearer than this [min].
_APART = 2 * HOUR
#: Haze is an episode from here on [µg/m³ of PM2.5 above the background].
HAZE = 75.0
#: A rain of this depth [mm] washes the streets into the rivers.
STORM = 9.0
#: Where water comes from -> where it goes, how much later [min], and how much of a load is left.
DOWNSTREAM: Mapping[str, tuple[tuple[str, int, float], ...]] = {
    "upper": (("middle", 290, 0.72), ("lower", 610, 0.38)),
    "middle": (("lower", 320, 0.55),),
    "moat": (("outfall", 210, 0.8), ("lower", 480, 0.3)),
    "outfall": (("lower", 270, 0.36),),
}


class Happening(NamedTuple):
    """One of them: `station` "" is the region, `parameters` () all of the station."""

    start: int
    stop: int
    kind: str
    group: str
    letter: str
    station: str
    parameters: tuple[str, ...]
    size: float
    note: str

    def meets(self, start: int, stop: int) -> bool:
        """Whether it is on at any time of the half-open window."""
        return self.start < stop and self.stop > start


def happenings(world: World, scale: int, start: int, stop: int) -> list[Happening]:
    """All that meets the window, by its start: what is planned, and what the weather and the calendar bring."""
    members = _members(scale)
    found = list(planned(world, scale, start, stop))
    found += _brought(world, [site for some in members for site in some], start, stop)
    return sorted(one for one in found if one.meets(start, stop))


@lru_cache(maxsize=64)
def planned(world: World, scale: int, start: int, stop: int, letters: str = "AVWNSM") -> tuple[Happening, ...]:
    """What the plan has for the window, by its start; what reaches other stations once for each of them.

    `letters` are the stations that matter to the caller: what meets the region comes with all of them.
    """
    found = [
        one
        for copy, members in enumerate(_members(scale))
        for kept in _kept(_candidates(world, copy, members, start - 2 * DAY, stop, letters))
        for one in _spread(world, kept, members)
    ]
    return tuple(sorted(one for one in found if one.meets(start, stop)))


def truth(found: Sequence[Happening], start: int, stop: int) -> pl.DataFrame:
    """TRUTH of `found`, cut to the window, a row a parameter."""
    rows = [
        (
            one.kind,
            one.group,
            DOMAINS[one.letter],
            one.station or None,
            parameter,
            almanac.moment(max(one.start, start)),
            almanac.moment(min(one.stop, stop)),
            round(one.size * _unit(one, parameter), 4),
            one.note,
        )
        for one in found
        if one.meets(start, stop)
        for parameter in one.parameters or (None,)
    ]
    return pl.DataFrame(rows, schema=dict(TRUTH), orient="row").sort("start", "kind", "station", "parameter")


def _unit(one: Happening, parameter: str | None) -> float:
    """What a size of 1 is in the parameter's unit, where the plan counts in what is usual for its instrument."""
    quantity = QUANTITIES.get((parameter or "").partition("@")[0])
    if quantity is None or one.group == EVENT:
        return 1.0
    return {"drift": quantity.wander, "offset": quantity.wander, "spike": quantity.spike}.get(one.kind, 1.0)


def _members(scale: int) -> list[tuple[Site, ...]]:
    every = sites(scale)
    size = len(every) // scale
    return [every[copy * size : (copy + 1) * size] for copy in range(scale)]


def _candidates(
    world: World, copy: int, members: Sequence[Site], start: int, stop: int, letters: str
) -> Iterator[tuple[int, Happening]]:
    """Rank and happening of all that the plan has for the window and as far as one of it can be met by another."""
    reach = int(max(kind.hours[1] for kind in PLAN) * HOUR) + _APART
    for rank, kind in enumerate(PLAN):
        if kind.letter not in letters or (not kind.letter and copy):
            continue
        size = int(kind.every * DAY)
        for cell in range((start - 2 * reach) // size - 1, (stop + reach) // size + 1):
            one = _candidate(world, copy, members, kind, cell)
            if one is not None and one.meets(start - reach, stop + reach):
                yield rank, one


def _candidate(world: World, copy: int, members: Sequence[Site], kind: Kind, cell: int) -> Happening | None:
    draw = Draw(world.seed, "plan", kind.kind, kind.letter, *kind.parameters, copy, cell)
    can = [s for s in members if s.letter == kind.letter and (not kind.kinds or s.kind in kind.kinds)]
    site = can[draw.below(len(can))] if can else None
    start = int((cell + draw.uniform()) * kind.every * DAY)
    if kind.begins is not None:
        day = (start + almanac.OFFSET) // DAY
        start = day * DAY - almanac.OFFSET + int(draw.uniform(*kind.begins) * HOUR)
    start = start // STEP * STEP
    last = max(int(draw.uniform(*kind.hours) * HOUR) // STEP * STEP, STEP)
    named = kind.parameters if kind.together or not kind.parameters else (_one(kind.parameters, draw),)
    local = almanac.moment(start + almanac.OFFSET)
    if local.month not in kind.months:
        return None
    size = draw.uniform(*kind.size)
    if kind.group == FAULT and draw.uniform() < 0.4 and kind.kind in ("drift", "offset"):
        size = -size
    if kind.kind == "clock":
        size = STEP * round(size / STEP)
    code = site.code if site else ""
    return Happening(start, start + last, kind.kind, kind.group, kind.letter, code, named, size, kind.meaning)


def _one(words: Sequence[str], draw: Draw) -> str:
    return words[draw.below(len(words))]


def _kept(candidates: Iterator[tuple[int, Happening]]) -> list[Happening]:
    """Those that no other of their station stands in the way of: one that is higher in the plan, or of one row earlier.

    One that is itself dropped stands in the way all the same: else a window would depend on what is far from it.
    """
    places: dict[str, list[tuple[tuple[int, int], Happening]]] = {}
    for rank, one in candidates:
        places.setdefault(one.station, []).append(((rank, one.start), one))
    kept = []
    for station, ranked in places.items():
        for order, one in ranked:
            others = (other for higher, other in ranked if station and higher < order)
            if not any(_clash(one, other) for other in others):
                kept.append(one)
    return kept


def _clash(one: Happening, other: Happening) -> bool:
    if not other.meets(one.start - _APART, one.stop + _APART):
        return False
    if one.group == other.group == EVENT or not (one.parameters and other.parameters):
        return True
    return other.group == EVENT or bool({*one.parameters} & {*other.parameters})


def _spread(world: World, one: Happening, members: Sequence[Site]) -> Iterator[Happening]:
    """`one`, and what arrives of it elsewhere: down the wind, down the river, in the next nights."""
    yield one
    home = next((site for site in members if site.code == one.station), None)
    if home is None:
        return
    if one.kind == "local_source":
        sky = weather.fields(world, one.start // DAY * DAY, (one.start // DAY + 2) * DAY)
        middle = np.array([(one.start + one.stop) // 2])
        east, north, speed = (float(sky.at(name, middle)[0]) for name in ("east", "north", "speed"))
        for site in members:
            x, y = site.x - home.x, site.y - home.y
            along, away = x * east + y * north, float(np.hypot(x, y))
            if site.letter == "A" and 0 < away < 6 and along > 0.75 * away:
                delay = int(along / max(speed * 3.6, 2) * HOUR) // STEP * STEP
                share = float(np.exp(-away / 3.5)) * along / away
                yield _elsewhere(one, site.code, delay, share)
    if one.kind in ("ammonia_pulse", "black_odour"):
        for reach, delay, share in DOWNSTREAM.get(home.kind, ()):
            for site in members:
                if site.letter == "W" and site.kind == reach:
                    yield _elsewhere(one, site.code, delay // STEP * STEP, share * (0.4 if one.size > 7 else 1))
    if one.kind == "night_construction":
        nights = 1 + Draw(world.seed, "nights", one.station, one.start).below(3)
        for night in range(1, nights):
            yield one._replace(start=one.start + night * DAY, stop=one.stop + night * DAY)


def _elsewhere(one: Happening, station: str, delay: int, share: float) -> Happening:
    note = f"{one.note}; what arrives of {one.station}"
    return one._replace(
        station=station, start=one.start + delay, stop=one.stop + delay, size=one.size * share, note=note
    )


def _brought(world: World, members: Sequence[Site], start: int, stop: int) -> Iterator[Happening]:
    """Haze, dust, feasts and storm water: what the weather and the calendar bring."""

    def region(kind: str, parameter: str, low: int, high: int, size: float, note: str) -> Happening:
        return Happening(_tens(low), _tens(high), kind, EVENT, "", "", (parameter,), size, note)

    for front in weather.fronts(world, start - DAY, stop + DAY):
        if front.dust:
            yield region("dust", "pm10", front.at, front.dust_stop, front.dust, "µg/m³ of PM10")
    for low, high, size in hazes(world, start, stop):
        yield region("haze", "pm25", low, high, size, "µg/m³ of PM2.5 above the background")
    for at, size in almanac.fireworks():
        note = "µg/m³ of PM2.5, the whole district"
        yield region("fireworks", "pm25", at - 2 * HOUR, at + 5 * HOUR, 240 * size, note)
    for rain in weather.rains(world, start - 3 * DAY, stop + DAY):
        for site in members:
            if site.letter == "W" and rain.depth >= STORM and not rain.snow:
                low, high = rain.start + LAGS[site.kind], rain.stop + LAGS[site.kind] + 10 * HOUR
                storm = region("storm_runoff", "turbidity", low, high, rain.depth, "mm of rain")
                yield storm._replace(letter="W", station=site.code)


#: How long the water of a rain takes to a section [min].
LAGS: Mapping[str, int] = {"upper": 60, "middle": 180, "lower": 330, "moat": 30, "outfall": 90, "lake": 240}


def hazes(world: World, start: int, stop: int) -> list[tuple[int, int, float]]:
    """Start, stop and peak [µg/m³] of every time that the district's haze is above `HAZE` in or about the window."""
    # No haze is as long as the margin: all that meet the window are seen whole.
    sky = weather.fields(world, start // DAY * DAY - 12 * DAY, (stop // DAY + 13) * DAY)
    haze = sky.rows["haze"]
    on = np.concatenate([[False], haze > HAZE, [False]])
    edges = np.flatnonzero(on[1:] != on[:-1])
    return [
        (sky.start + int(low) * STEP, sky.start + int(high) * STEP, float(haze[low:high].max()))
        for low, high in zip(edges[::2], edges[1::2], strict=True)
    ]


def _tens(at: int) -> int:
    return at // STEP * STEP
