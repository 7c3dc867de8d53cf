"""Minutes, local clocks, seasons, the sun and the feasts of the made-up district: what holds for every seed.

A time is a whole number of minutes since 1970-01-01T00:00Z.
"""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from analytics.frames import TIME
from analytics.synthetic.chance import Array, Ints

#: Minutes from UTC of the district's clocks.
OFFSET = 480
HOUR, DAY = 60, 1440
#: Middle of the district [°].
LATITUDE, LONGITUDE = 39.9, 116.4

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: First days of the Chinese year.
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


def minutes(moment: datetime) -> int:
    """`moment`, which has an offset, in whole minutes."""
    return (moment - _EPOCH) // timedelta(minutes=1)


def moment(at: int) -> datetime:
    """The time that `at` is, in UTC."""
    return _EPOCH + timedelta(minutes=at)


def times(at: Ints) -> pl.Series:
    """`at` as frames write times."""
    return pl.Series("time", at * 60_000_000, pl.Int64).cast(TIME)


def hour(at: Ints) -> Array:
    """Local hour of the day with its fraction, 0 to 24."""
    return np.asarray(((at + OFFSET) % DAY) / 60.0)


def local_day(at: Ints) -> Ints:
    """Number of the local day."""
    return np.asarray((at + OFFSET) // DAY)


def weekday(at: Ints) -> Ints:
    """0 is Monday."""
    return np.asarray((local_day(at) + 3) % 7)


def year_day(at: Ints) -> Array:
    """Days since the local year began, with their fraction."""
    days = local_day(at).astype("datetime64[D]")
    whole = (days - days.astype("datetime64[Y]")).astype(np.int64)
    return np.asarray(whole + hour(at) / 24)


def year_wave(at: Ints, peak: float) -> Array:
    """1 on the `peak`th day of the year, -1 half a year from it."""
    return np.asarray(np.cos(2 * np.pi * (year_day(at) - peak) / 365.25))


def warmth(at: Ints) -> Array:
    """0 in the middle of January, 1 in the middle of July."""
    return np.asarray((1 - year_wave(at, 15)) / 2)


def sun(at: Ints) -> Array:
    """Sine of the sun's height, 0 where it is down. Declination and equation of time as FAO-56, eq. 24, 32, 33."""
    day = np.floor(year_day(at)) + 1
    declination = 0.409 * np.sin(2 * np.pi * day / 365 - 1.39)
    turn = 2 * np.pi * (day - 81) / 364
    correction = 0.1645 * np.sin(2 * turn) - 0.1255 * np.cos(turn) - 0.025 * np.sin(turn)
    solar = hour(at) - OFFSET / 60 + LONGITUDE / 15 + correction
    angle = np.pi / 12 * (solar - 12)
    north = np.radians(LATITUDE)
    height = np.sin(north) * np.sin(declination) + np.cos(north) * np.cos(declination) * np.cos(angle)
    return np.asarray(np.maximum(height, 0))


def distance(at: Ints) -> Array:
    """Inverse relative distance of the sun, FAO-56, eq. 23."""
    return np.asarray(1 + 0.033 * np.cos(2 * np.pi * (np.floor(year_day(at)) + 1) / 365))


def quiet(at: Ints) -> Array:
    """1 in the week of the Chinese new year, when the city is empty, else 0."""
    days = local_day(at)
    out = np.zeros(days.shape)
    for first in spring_days():
        out[(days >= first - 1) & (days < first + 6)] = 1
    return out


def spring_days() -> tuple[int, ...]:
    """Numbers of the local days on which a Chinese year begins, 2020 to 2030."""
    return tuple(_number(*first) for first in _SPRING)


def fireworks() -> list[tuple[int, float]]:
    """Time and size of the feasts with fireworks: both new years, the fifth day, the lantern feast."""
    found = []
    for year, month, day in _SPRING:
        first = _number(year, month, day) * DAY - OFFSET
        found += [(first, 1.0), (first + 4 * DAY + 19 * HOUR, 0.3), (first + 14 * DAY + 20 * HOUR, 0.45)]
        found.append((_number(year, 1, 1) * DAY - OFFSET, 0.35))
    return sorted(found)


def _number(year: int, month: int, day: int) -> int:
    return (datetime(year, month, day, tzinfo=UTC) - _EPOCH).days
