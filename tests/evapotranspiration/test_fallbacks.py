"""What stands in for what is missing is said, and the formulas go the right way."""

import math
from datetime import date
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import evapotranspiration as et
from tests.evapotranspiration.figures import lit, number

FULL = {
    "day": date(2026, 7, 16),
    "latitude": 39.92,
    "altitude": 44.0,
    "tmax": 32.0,
    "tmin": 23.0,
    "dewpoint": 21.1,
    "rh_max": 90.0,
    "rh_min": 52.0,
    "rh_mean": 71.0,
    "wind": 2.3,
    "wind_height": 10.0,
    "radiation": 20.0,
}


def day(**other: object) -> dict[str, Any]:
    frame = pl.DataFrame([FULL | other], schema=dict(et.WEATHER))
    return et.daily(frame).row(0, named=True)


HUMIDITY = ("dewpoint", "rh_max", "rh_min", "rh_mean")


@pytest.mark.parametrize(
    ("absent", "fallbacks"),
    [
        ((), []),
        (("dewpoint",), []),
        (("dewpoint", "rh_min"), ["humidity_rh_max"]),
        (("dewpoint", "rh_max"), ["humidity_rh_mean"]),
        (HUMIDITY, ["humidity_tmin"]),
        (("radiation",), ["radiation_temperature"]),
        (("wind",), ["wind_default"]),
        (("wind", "radiation"), ["radiation_temperature", "wind_default"]),
        ((*HUMIDITY, "wind"), ["humidity_tmin", "wind_default"]),
        ((*HUMIDITY, "wind", "radiation"), ["hargreaves"]),
    ],
)
def test_what_is_missing_is_stood_in_for_and_said(absent: tuple[str, ...], fallbacks: list[str]) -> None:
    done = day(**dict.fromkeys(absent))
    assert done["fallbacks"] == fallbacks
    assert done["et0"] == pytest.approx(day()["et0"], rel=0.3)


def test_hargreaves_alone_is_the_value_of_the_paper() -> None:
    done = day(**dict.fromkeys((*HUMIDITY, "wind", "radiation")))
    assert done["et0"] == pytest.approx(5.192, abs=0.0005)


@pytest.mark.parametrize("absent", ["tmax", "tmin", "latitude", "altitude"])
def test_without_temperature_or_place_there_is_no_figure(absent: str) -> None:
    done = day(**{absent: None})
    assert done["et0"] is None
    assert done["fallbacks"] == []


def test_a_highest_below_the_lowest_is_no_weather() -> None:
    assert day(tmax=20.0, tmin=23.0)["et0"] is None


def test_calm_air_counts_as_half_a_metre_a_second() -> None:
    assert day(wind=0.0, wind_height=2.0)["et0"] == pytest.approx(day(wind=0.5, wind_height=2.0)["et0"], abs=1e-3)
    assert day(wind=0.0, wind_height=2.0)["et0"] < day(wind=1.0, wind_height=2.0)["et0"]


# The direction of the formulas


@settings(deadline=None)
@given(
    st.floats(-30, 45),
    st.floats(-5, 20),
    st.floats(0, 15),
    st.floats(0, 5),
    st.floats(60, 105),
    st.sampled_from(sorted(et.SURFACES)),
)
def test_more_energy_or_drier_air_takes_more_water(
    t: float, rn: float, u2: float, deficit: float, air: float, surface: str
) -> None:
    def made(rn: float, deficit: float) -> float:
        es = et.saturation_vapour_pressure(t=lit(t))
        return number(
            et.penman_monteith(
                t=lit(t),
                rn=lit(rn),
                g=lit(0),
                u2=lit(u2),
                es=es,
                ea=es - deficit,
                pressure=lit(air),
                surface=et.SURFACES[surface],
            )
        )

    here = made(rn, deficit)
    assert math.isfinite(here)
    assert made(rn, deficit + 0.1) >= here
    if rn > 0:
        assert made(rn + 0.1, deficit) > here


@given(st.floats(-90, 90), st.integers(1, 366))
def test_a_day_has_light_by_its_latitude(latitude: float, j: int) -> None:
    here: dict[str, Any] = {"latitude": pl.lit(math.radians(latitude))}
    turn = et.declination(j=pl.lit(float(j)))
    light = number(et.daylight_hours(**here, declination=turn))
    ra = number(et.extraterrestrial_radiation(**here, j=pl.lit(float(j)), declination=turn))
    assert 0 <= light <= 24
    assert -1e-9 <= ra < 50
    opposite = number(et.daylight_hours(latitude=pl.lit(math.radians(-latitude)), declination=turn))
    assert light + opposite == pytest.approx(24)


@given(st.floats(-66, 66), st.integers(1, 365), st.floats(0, 360))
def test_the_hours_of_a_day_add_up_to_its_light(latitude: float, j: int, west: float) -> None:
    here: dict[str, Any] = {"latitude": pl.lit(math.radians(latitude)), "j": pl.lit(float(j))}
    turn = et.declination(j=here["j"])
    hours = pl.DataFrame({"hour": [number + 0.5 for number in range(24)]})
    angle = et.hour_angle(hour=pl.col("hour"), j=here["j"], longitude_west=pl.lit(west), zone_west=pl.lit(west))
    made = hours.select(ra=et.extraterrestrial_radiation_hour(**here, declination=turn, angle=angle))["ra"]
    whole = number(et.extraterrestrial_radiation(**here, declination=turn))
    assert made.min() >= 0  # type: ignore[operator]
    assert made.sum() == pytest.approx(whole, abs=0.02 * whole + 0.01)
