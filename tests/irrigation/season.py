"""What the tests of the water balance share: one lawn, days of its weather, and its balance over them."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import polars as pl

from analytics import crops, irrigation
from analytics.frames import BALANCE, ZONES

LAND = crops.load()
DAY0 = date(2026, 6, 1)

ZONE: dict[str, Any] = {
    "zone": 1,
    "code": "Z01",
    "title": "lawn",
    "title_zh": "草坪",
    "weather": 1,
    "probe": None,
    "beside": None,
    "probes": ["S01"],
    "area": 1000.0,
    "cover": "turf, cool season",
    "texture": "loam",
    "root_depth": 0.5,
    "field_capacity": None,
    "wilting_point": None,
    "flow": 5.0,
    "method": "sprinkler",
    "altitude": 44.0,
    "latitude": 39.92,
    "offset": 480,
}
WEATHER: dict[str, Any] = {
    "latitude": 39.92,
    "altitude": 44.0,
    "tmax": 32.0,
    "tmin": 20.0,
    "rh_max": 80.0,
    "rh_min": 45.0,
    "wind": 2.0,
    "wind_height": 2.0,
    "radiation": 22.0,
    "rain": 0.0,
    "irrigation": 0.0,
    "moisture": None,
}


def zone(**other: object) -> pl.DataFrame:
    return pl.DataFrame([ZONE | other], schema=dict(ZONES))


def days(changes: Sequence[Mapping[str, object]], number: int = 1) -> pl.DataFrame:
    made = [
        WEATHER | {"zone": number, "day": DAY0 + timedelta(days=nr)} | dict(change) for nr, change in enumerate(changes)
    ]
    return pl.DataFrame(made, schema_overrides=irrigation.DAYS).select(
        (pl.col(name) if name in made[0] else pl.lit(None)).cast(dtype).alias(name)
        for name, dtype in irrigation.DAYS.items()
    )


def start(depletion: float | None = None, day: date | None = None, number: int = 1) -> pl.DataFrame:
    schema = {name: BALANCE[name] for name in ("zone", "day", "depletion", "joined")}
    return pl.DataFrame([(number, day, depletion, None)], schema=schema, orient="row")


def run(changes: Sequence[Mapping[str, object]], depletion: float | None = 0.0, **other: object) -> pl.DataFrame:
    return irrigation.balance(days(changes), zone(**other), LAND, start(depletion))
