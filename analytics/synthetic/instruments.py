"""What the instruments make of the made-up world: noise, rounding, and the faults that the plan has for them."""

from collections.abc import Mapping, Sequence

import numpy as np

from analytics.synthetic import air, noise, soil, water, weather
from analytics.synthetic.almanac import DAY
from analytics.synthetic.chance import Array, Draw, Ints, keys, normal
from analytics.synthetic.happenings import Happening, planned
from analytics.synthetic.layout import ANALYSERS, CHANNELS, Site
from analytics.synthetic.plan import EVENT
from analytics.synthetic.quantities import MINUTE, QUANTITIES, Quantity
from analytics.synthetic.weather import STEP, World

#: [min]
FOUR_HOURS, BLOCK = 240, 10 * DAY

Values = dict[str, Array]


def channels(letter: str, cadence: int) -> tuple[str, ...]:
    """What stations of `letter` give every `cadence` [min]."""
    return (ANALYSERS if cadence == FOUR_HOURS else CHANNELS).get(letter, ())


def values(world: World, scale: int, sites: Sequence[Site], at: Ints, cadence: int) -> Values:
    """Readings of `sites`, all of one letter, at `at`, every `cadence` [min]; a row a station, NaN is no reading."""
    out, humidity = sound(world, scale, sites, at, cadence)
    faults = [one for one in _on(world, scale, sites[0].letter, at) if one.group != EVENT]
    rows = {site.code: row for row, site in enumerate(sites)}
    for one in faults:
        row = rows.get(one.station)
        if row is not None:
            low, high = (int(edge) for edge in np.searchsorted(at, (one.start, one.stop)))
            if low < high:
                _spoil(world, scale, sites[row], at[low:high], cadence, one, _Rows(out, humidity, row, low, high))
    return out


def sound(world: World, scale: int, sites: Sequence[Site], at: Ints, cadence: int) -> tuple[Values, Array | None]:
    """What sound instruments would read, rounded, and the humidity of the air [%] where it is known."""
    clean = _world(world, scale, sites, at, cadence)
    codes = [site.code for site in sites]
    out = {}
    for name in channels(sites[0].letter, cadence):
        quantity = QUANTITIES[name.partition("@")[0]]
        out[name] = _rounded(clean[name] + _noise(world, codes, name, at, cadence, clean[name], quantity), quantity)
    if "wind_direction" in out:
        out["wind_direction"] = np.round(clean["wind_direction"]) % 360
    return out, clean.get("relative_humidity")


def _world(world: World, scale: int, sites: Sequence[Site], at: Ints, cadence: int) -> Mapping[str, Array]:
    """What is there to be read: means of ten minutes are taken at their middle."""
    letter = sites[0].letter
    middle = at + STEP // 2 if cadence == STEP else at
    sky = weather.fields(world, *_span(at))
    events = [one for one in _on(world, scale, letter, at) if one.group == EVENT]
    if letter == "A":
        return air.air(world, sky, sites, middle, events)
    if letter == "V":
        return air.voc(world, sky, sites, middle, events)
    if letter == "W":
        return water.water(world, sky, sites, middle, events)
    if letter == "N":
        return noise.noise(world, sky, sites, middle, events, cadence)
    if letter == "S":
        return soil.soil(world, sky, sites, middle, scale)
    return {**air.weather(world, sky, sites, middle), "rain": air.rain(world, sky, sites, at, cadence)}


def _on(world: World, scale: int, letter: str, at: Ints) -> tuple[Happening, ...]:
    """What happens to stations of `letter` about `at`."""
    return planned(world, scale, *_span(at), letter)


def _span(at: Ints) -> tuple[int, int]:
    """Whole blocks about `at`: many windows ask for the same, and what is cached is found again."""
    return int(at[0]) // BLOCK * BLOCK, (int(at[-1]) // BLOCK + 1) * BLOCK


def _noise(
    world: World, codes: Sequence[str], name: str, at: Ints, cadence: int, clean: Array, quantity: Quantity
) -> Array:
    chance = normal(keys(world.seed, codes, "noise", name, cadence), at // cadence)
    # No two instruments of a kind are alike.
    own = np.array([Draw(world.seed, "instrument", code, name).uniform(0.7, 1.7) for code in codes])[:, None]
    return own * chance * (quantity.noise + quantity.share * np.abs(clean)) * (MINUTE if cadence < STEP else 1)


def _rounded(found: Array, quantity: Quantity) -> Array:
    return np.asarray(np.round(np.clip(found, quantity.low, quantity.high), quantity.decimals) + 0.0, np.float64)


class _Rows:
    """The cells of a fault: `row` of all values from `low` to `high`."""

    def __init__(self, out: Values, humidity: Array | None, row: int, low: int, high: int) -> None:
        self.out, self.place = out, (row, slice(low, high))
        self.humidity = None if humidity is None else humidity[self.place]

    def __getitem__(self, name: str) -> Array:
        return self.out[name][self.place]

    def __setitem__(self, name: str, found: Array | float) -> None:
        self.out[name][self.place] = found


def _spoil(world: World, scale: int, site: Site, at: Ints, cadence: int, fault: Happening, cells: _Rows) -> None:
    """The readings of `site` at `at` as `fault` leaves them."""
    names = [name for name in fault.parameters or cells.out if name in cells.out]
    if fault.kind == "clock":
        seen, _ = sound(world, scale, [site], at + int(fault.size), cadence)
        for name in names:
            cells[name] = seen[name][0]
        return
    if fault.kind == "inverted_pair":
        first, second = (cells[name].copy() for name in names)
        cells[names[0]], cells[names[1]] = second, first
        return
    for name in names:
        quantity = QUANTITIES[name.partition("@")[0]]
        if fault.kind in ("gap", "outage"):
            cells[name] = np.nan
        elif fault.kind == "range":
            cells[name] = quantity.beyond
        elif fault.kind == "stuck":
            last = np.array([(fault.start - 1) // cadence * cadence], dtype=np.int64)
            seen, _ = sound(world, scale, [site], last, cadence)
            cells[name] = float(seen[name][0, 0])
        else:
            found = _bent(world, site, at, cadence, fault, name, cells)
            if found is not None:
                cells[name] = _rounded(found, quantity)


def _bent(world: World, site: Site, at: Ints, cadence: int, fault: Happening, name: str, cells: _Rows) -> Array | None:
    """The values of a fault that leaves something of them."""
    quantity, found = QUANTITIES[name.partition("@")[0]], cells[name]
    part = (at - fault.start) / (fault.stop - fault.start)
    if fault.kind == "drift":
        return np.asarray(found + fault.size * quantity.wander * part)
    if fault.kind == "offset":
        return found + fault.size * quantity.wander
    if fault.kind == "noisy":
        wild = _noise(world, [site.code], f"{name} noisy", at, cadence, found[None, :], quantity)[0]
        return np.asarray(found + fault.size * wild / (MINUTE if cadence < STEP else 1))
    if fault.kind == "spike":
        # A glitch of the logger: one reading of each series, be it of a minute or of ten.
        first = (at == at[0]) & (at < fault.start + cadence)
        return np.asarray(found + np.where(first, fault.size * quantity.spike, 0))
    if fault.kind == "calibration_dip":
        span = 1.2 * quantity.spike
        gas = np.where(part < fault.size, 0.0, span)
        return np.asarray(gas + _noise(world, [site.code], f"{name} span", at, cadence, gas[None, :], quantity)[0])
    if fault.kind == "humidity_artefact" and cells.humidity is not None:
        return np.asarray(found * (1 + fault.size * np.clip((cells.humidity - 78) / 22, 0, 1) ** 1.5))
    return None
