"""A weather forecast for the made-up weather stations: the truth to come, seen the worse the farther it lies ahead."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from analytics.frames import TIME
from analytics.synthetic import almanac, weather
from analytics.synthetic.almanac import DAY, HOUR
from analytics.synthetic.chance import Array, Ints, keys, normal, smooth
from analytics.synthetic.layout import CHANNELS, Site
from analytics.synthetic.quantities import QUANTITIES
from analytics.synthetic.weather import World

#: The hour `valid` begins with; `issued` every 6 h; leads of 1 to 72 h.
FORECAST: Mapping[str, pl.DataType] = {
    "station": pl.String(),
    "parameter": pl.String(),
    "issued": TIME,
    "valid": TIME,
    "value": pl.Float64(),
}
EVERY, LEADS = 6 * HOUR, np.arange(1, 73, dtype=np.int64)

#: Error at once and after three days: of temperature and dew point [°C], of the wind [share, °], of pressure [hPa], of
#: the sun [share], of rain [log], and how early or late all of it comes [min].
_ERRORS: Mapping[str, tuple[float, float]] = {
    "temperature": (0.6, 2.3),
    "dew": (0.7, 2.6),
    "speed": (0.1, 0.32),
    "turn": (12, 48),
    "pressure": (0.3, 2.4),
    "sun": (0.07, 0.26),
    "rain": (0.3, 0.9),
    "phase": (10, 150),
}


def forecast(world: World, sites: Sequence[Site], start: int, stop: int) -> pl.DataFrame:
    """FORECAST of all issues with start <= issued < stop [min], means of hours (rain: sums) as stations read them."""
    issues = np.arange(-(-start // EVERY) * EVERY, stop, EVERY, dtype=np.int64)
    parts = [pl.DataFrame(schema=dict(FORECAST))]
    for low in range(0, issues.size, 64):
        some = issues[low : low + 64]
        parts += [
            _long(site, name, some, found) for site in sites for name, found in _issued(world, site, some).items()
        ]
    return pl.concat(parts).sort("issued", "station", "parameter", "valid")


def _issued(world: World, site: Site, issues: Ints) -> dict[str, Array]:
    """Values by parameter, a row an issue, a column a lead."""
    valid = issues[:, None] + LEADS[None, :] * HOUR
    growth = np.sqrt(LEADS / LEADS[-1])[None, :]
    ahead = np.broadcast_to(LEADS * HOUR, valid.shape)
    names = [str(issue) for issue in issues]

    def error(name: str) -> Array:
        """Half of it is in all forecasts of that hour, half in all hours of that forecast."""
        least, most = _ERRORS[name]
        shared = smooth(keys(world.seed, [""], "forecast", name), valid.reshape(-1), 9 * HOUR).reshape(valid.shape)
        own = smooth(keys(world.seed, names, "forecast", name), ahead, 18 * HOUR)
        return np.asarray((least + (most - least) * growth) * (shared + own) / np.sqrt(2))

    seen = valid + HOUR // 2 + np.round(error("phase")).astype(np.int64)
    sky = weather.fields(world, int(seen.min()) // DAY * DAY, (int(seen.max()) // DAY + 1) * DAY)
    temperature = sky.at("temperature", seen) - 0.3 + error("temperature")
    dew = np.minimum(sky.at("dew", seen) + error("dew"), temperature - 0.1)
    blow = np.degrees(np.arctan2(-sky.at("east", seen), -sky.at("north", seen))) + error("turn")
    share = np.exp(17.27 * dew / (dew + 237.3) - 17.27 * temperature / (temperature + 237.3))
    found = {
        "air_temperature": temperature,
        "relative_humidity": 100 * share,
        "wind_speed": sky.at("speed", seen) * np.exp(error("speed")),
        "wind_direction": np.round(blow) % 360,
        "air_pressure": sky.at("pressure", seen) + error("pressure"),
        # The sun's height is known, only the clouds are not.
        "solar_radiation": _sunlit(sky.at("radiation", seen), seen, valid + HOUR // 2) * np.exp(error("sun")),
        "rain": _rain(world, sky.rains, seen, valid, names) * np.exp(error("rain")),
    }
    return {name: _rounded(name, found[name]) for name in CHANNELS[site.letter]}


def _sunlit(radiation: Array, seen: Ints, valid: Ints) -> Array:
    """`radiation` at `seen` under the sun of `valid`."""
    there, here = almanac.sun(seen), almanac.sun(valid)
    share = np.where(there > 0.05, radiation / (1367 * 0.75 * np.maximum(there, 0.05)), 0.6)
    return np.asarray(1367 * 0.75 * here * np.clip(share, 0.1, 1.05))


def _rain(world: World, rains: Sequence[weather.Rain], seen: Ints, valid: Ints, names: Sequence[str]) -> Array:
    """Rain [mm] of the hour around `seen`, and now and then some that will not come."""
    out = np.zeros(seen.shape)
    for one in rains:
        out += one.depth * (one.fallen(seen + HOUR // 2) - one.fallen(seen - HOUR // 2))
    false = smooth(keys(world.seed, names, "drizzle"), valid, 8 * HOUR) - 2.1 - 0.4 * (1 - almanac.warmth(valid))
    amount = np.exp(normal(keys(world.seed, names, "amount"), valid // HOUR))
    return np.where(false > 0, out + false * amount, out)


def _rounded(name: str, found: Array) -> Array:
    quantity = QUANTITIES[name]
    return np.asarray(np.round(np.clip(found, quantity.low, quantity.high), quantity.decimals) + 0.0, np.float64)


def _long(site: Site, name: str, issues: Ints, found: Array) -> pl.DataFrame:
    valid = issues[:, None] + LEADS[None, :] * HOUR
    return pl.DataFrame(
        {
            "station": pl.repeat(site.code, found.size, dtype=pl.String, eager=True),
            "parameter": pl.repeat(name, found.size, dtype=pl.String, eager=True),
            "issued": almanac.times(np.repeat(issues, LEADS.size)),
            "valid": almanac.times(valid.reshape(-1)),
            "value": found.reshape(-1),
        }
    )
