"""Faults of probes, all the way to the advice: a week of it stays as with a good probe, and says who is not trusted."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from analytics import irrigation
from analytics.irrigation import filter
from analytics.irrigation.balance import DAYS
from tests.irrigation.season import DAY0, LAND, start, zone
from tests.irrigation.test_filter import FAULTS, broken

ZONES, LONG = 60, 90


@pytest.fixture(scope="module")
def park() -> tuple[pl.DataFrame, pl.DataFrame, filter.Numbers]:
    """Zones, their days without a probe, and what good probes would say of them, (days, zones).

    They use a fifth more than the tables say, and their probes read 0.02 too wet, with noise.
    """
    rng = np.random.default_rng(7)
    zones = pl.concat(zone(zone=number, code=f"Z{number:03}", probe=1) for number in range(ZONES))
    weather = {
        "tmax": 32.0,
        "tmin": 20.0,
        "rh_max": 80.0,
        "rh_min": 45.0,
        "wind": 2.0,
        "wind_height": 2.0,
        "latitude": 39.92,
        "altitude": 44.0,
    }
    radiation = rng.uniform(10, 28, LONG)
    rain = np.where(rng.random(LONG) < 0.15, rng.gamma(1.0, 8.0, LONG), 0.0)
    days = pl.DataFrame({"day": [DAY0 + timedelta(days=nr) for nr in range(LONG)]}).with_columns(
        radiation=pl.Series(radiation), rain=pl.Series(rain), **{name: pl.lit(x) for name, x in weather.items()}
    )
    dry = zones.select("zone").join(days, how="cross").with_columns(irrigation=0.0, moisture=None)
    dry = dry.select(
        pl.col(name).cast(dtype) if name in dry.columns else pl.lit(None, dtype).alias(name)
        for name, dtype in DAYS.items()
    )
    made = irrigation.balance(dry, zones, LAND, pl.concat(start(0.0, number=number) for number in range(ZONES)))
    one = made.filter(pl.col("zone") == 0)
    demand, effective = ((pl.col("kc") * pl.col("et0")).alias("demand"), pl.col("effective"))
    used, wet = (one.select(what).to_series().to_numpy() for what in (demand, effective))
    lost, water, truth = rng.uniform(5, 25, ZONES), np.zeros((LONG, ZONES)), np.zeros((LONG, ZONES))
    for day in range(LONG):
        water[day] = np.where(lost > 24, lost, 0.0)
        lost = np.clip(lost + 1.2 * rng.normal(1, 0.06, ZONES) * used[day] - wet[day] - water[day], 0, 65)
        truth[day] = lost
    said = 0.25 + 0.02 - truth / 500 + rng.normal(0, 0.0015, truth.shape)
    metered = dry.sort("zone", "day").with_columns(irrigation=pl.Series(water.T.ravel()))
    return zones, metered, said


def advice(zones: pl.DataFrame, days: pl.DataFrame, said: filter.Numbers) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The balance with the probes heard, and the advice of the seven mornings after its last week's days."""
    heard = days.with_columns(moisture=pl.Series(said.T.ravel()).fill_nan(None))
    made = irrigation.balance(heard, zones, LAND, pl.concat(start(None, number=number) for number in range(ZONES)))
    out = []
    for back in range(7):
        last = DAY0 + timedelta(days=LONG - 1 - back)
        issued = datetime(last.year, last.month, last.day, 22, tzinfo=UTC)  # 06:00 of the day after at +08:00
        now = heard.filter(pl.col("day") == last).select("zone", "moisture", "others", "tmax", rain=0.0, irrigation=0.0)
        recent = made.filter(pl.col("day") <= last, pl.col("day") > last - timedelta(days=7))
        out.append(irrigation.advise(recent, zones, LAND, now, issued))
    return made, pl.concat(out).sort("zone", "issued")


@pytest.fixture(scope="module")
def good(park: tuple[pl.DataFrame, pl.DataFrame, filter.Numbers]) -> pl.DataFrame:
    return advice(*park)[1]


@pytest.mark.parametrize("kind", FAULTS)
def test_a_week_of_advice_is_as_with_a_good_probe(
    kind: str, park: tuple[pl.DataFrame, pl.DataFrame, filter.Numbers], good: pl.DataFrame
) -> None:
    zones, days, said = park
    made, found = advice(zones, days, broken(said, kind, LONG - 7, 3))
    off = np.abs(found["depletion"].to_numpy() - good["depletion"].to_numpy()).reshape(ZONES, 7).max(axis=1)
    assert np.quantile(off, 0.95) < 3.0
    assert off.max() < 5.0
    last = made.filter(pl.col("day") == pl.col("day").max())["trusted"]
    if kind == "dead":
        assert last.null_count() == ZONES
        assert not found["reason"].str.contains("by the probe").any()
    else:
        assert (~last).sum() > 0.95 * ZONES
        newest = found.filter(pl.col("issued") == pl.col("issued").max())
        assert newest["reason"].str.contains("is not trusted").sum() > 0.95 * ZONES
