"""What the tests of zones share: a park with a weather station and a probe, ten days of its weather, its balance."""

import math
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from analytics.store.connection import Connection
from tests import world
from tests.register.drafts import SAMPLES, facts

CSV = (SAMPLES / "zones.csv").read_text(encoding="utf-8")
TOML = (SAMPLES / "zones.toml").read_text(encoding="utf-8")

STATIONS = """\
station,title,longitude,latitude,utc_offset,parameter,position,cadence
M01,Park,116.4,39.9,+08:00,air_temperature,,1h
M01,,,,,relative_humidity,,1h
M01,,,,,wind_speed,10,1h
M01,,,,,solar_radiation,,1h
M01,,,,,rain,,1h
S01,Lawn,116.4,39.9,+08:00,soil_moisture,-0.1,1h
S01,,,,,soil_moisture,-0.5,1h
S01,,,,,irrigation,,1h
"""

#: Local midnight at UTC+08:00, ten local days after the first reading.
MIDNIGHT = datetime(2026, 3, 8, 16, tzinfo=UTC)
NOW = MIDNIGHT + timedelta(minutes=5)
#: Local days begin at 16:00 UTC; world.T0 is 00:00 UTC on 27 February.
FIRST, DAYS = -8, 10
DAY0 = date(2026, 2, 27)
Make = Callable[[float], float]


def temperature(hour: float) -> float:
    """20 ± 8 °C, warmest at 14:00 local time."""
    return 20 - 8 * math.cos(2 * math.pi * (hour + 6) / 24)


def sunshine(hour: float) -> float:
    """Radiation of a clear day [W/m²], 06 to 18 local time."""
    return max(0.0, 800 * math.sin(2 * math.pi * (hour + 2) / 24))


WEATHER: Mapping[str, Make] = {
    "air_temperature": temperature,
    "relative_humidity": lambda hour: 60 - 1.5 * (temperature(hour) - 20),
    "wind_speed@10": lambda hour: 2.5,
    "solar_radiation": sunshine,
    "rain": lambda hour: 0.0,
}


def send(
    conn: Connection, channel: str, make: Make, first: int, last: int, station: str = "M01", *, revision: int = 1
) -> None:
    """Hourly readings of the local days `first` to `last`, settled."""
    (number,) = facts(
        conn,
        f"""
        SELECT s.id FROM series s JOIN station t ON t.id = s.station WHERE t.code = '{station}' AND s.parameter
        || CASE WHEN s.position <> '' THEN '@' || s.position ELSE '' END = '{channel}' AND s.cadence = 3600
        """,
    )[0]
    hours = range(FIRST + 24 * first, FIRST + 24 * (last + 1))
    world.send(conn, [(number, hour, make(hour), revision, None) for hour in hours])
    world.settle(conn)


def balance(conn: Connection, zone: str = "Z01") -> list[dict[str, Any]]:
    names = ("day", "et0", "etc", "rain", "depletion", "correction", "moisture", "irrigation", "known", "fallbacks")
    rows = facts(
        conn,
        f"SELECT b.{', b.'.join(names)} FROM water_balance b JOIN zone z ON z.id = b.zone WHERE code = '{zone}'"
        " ORDER BY 1",
    )
    return [dict(zip(names, row, strict=True)) for row in rows]
