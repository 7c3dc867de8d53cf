"""FAO-56 is met to the printed digit."""

import tomllib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from analytics import evapotranspiration as et
from tests.evapotranspiration.figures import number

PUBLISHED = Path(__file__).parents[1] / "published"
#: Digits as they are printed: 1.70 is more exact than 1.7.
VECTORS: list[dict[str, Any]] = tomllib.loads(
    (PUBLISHED / "fao56_vectors.toml").read_text(encoding="utf-8"), parse_float=Decimal
)["vector"]


class Example:
    """What can be worked out of the figures a worked example gives, each by the function of its equation."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self.given = {key: float(value) for key, value in given.items() if isinstance(value, Decimal | int)}
        self.printed = {key: float(given["expected"][key]) for key in given.get("as_printed", ())}

    def __getitem__(self, name: str) -> pl.Expr:
        if name in self.given:
            return pl.lit(self.given[name])
        return pl.lit(self.printed[name]) if name in self.printed else self.made(name)

    def made(self, name: str) -> pl.Expr:
        """`name` by its function, whatever the paper prints for it."""
        found: pl.Expr = getattr(self, f"_{name}")()
        return found

    def lits(self, *names: str) -> dict[str, Any]:
        return {name: self[name] for name in names}

    def _altitude(self) -> pl.Expr:
        return self["z"]

    def _pressure(self) -> pl.Expr:
        return et.pressure(altitude=self["z"])

    def _gamma(self) -> pl.Expr:
        return et.psychrometric_constant(pressure=self["pressure"])

    def _e0_tmax(self) -> pl.Expr:
        return et.saturation_vapour_pressure(t=self["tmax"])

    def _e0_tmin(self) -> pl.Expr:
        return et.saturation_vapour_pressure(t=self["tmin"])

    def _es(self) -> pl.Expr:
        if "t" in self.given:  # of an hour
            return et.saturation_vapour_pressure(t=self["t"])
        return et.mean_saturation_vapour_pressure(**self.lits("tmax", "tmin"))

    def _ea(self) -> pl.Expr:
        if "rh" in self.given:
            return self["es"] * self["rh"] / 100
        return et.vapour_pressure_rh(**self.lits("tmax", "tmin", "rh_max", "rh_min"))

    def _t_mean(self) -> pl.Expr:
        return self["t"] if "t" in self.given else (self["tmax"] + self["tmin"]) / 2

    def _delta(self) -> pl.Expr:
        return et.slope(t=self["t_mean"])

    def _u2(self) -> pl.Expr:
        if "uz" in self.given:
            return et.wind_at_2m(wind=self["uz"], height=self["z"])
        return et.wind_at_2m(wind=self["wind_10m_kmh"] / 3.6, height=pl.lit(10.0))

    def _latitude(self) -> pl.Expr:
        return self["lat_deg"].radians()

    def _declination(self) -> pl.Expr:
        return et.declination(j=self["day_of_year"])

    def _angle(self) -> pl.Expr:
        return et.hour_angle(
            hour=self["hour_middle"], j=self["day_of_year"], longitude_west=self["lm_west"], zone_west=self["lz_west"]
        )

    def _ra(self) -> pl.Expr:
        place: dict[str, Any] = {"j": self["day_of_year"], **self.lits("latitude", "declination")}
        if "hour_middle" in self.given:
            return et.extraterrestrial_radiation_hour(angle=self["angle"], **place)
        return et.extraterrestrial_radiation(**place)

    def _daylight_hours(self) -> pl.Expr:
        return et.daylight_hours(**self.lits("latitude", "declination"))

    def _rs(self) -> pl.Expr:
        if "sunshine_hours" in self.given:
            return et.radiation_from_sunshine(
                sunshine=self["sunshine_hours"], daylight=self["daylight_hours"], ra=self["ra"]
            )
        return et.radiation_from_temperature(**self.lits("tmax", "tmin", "ra"))

    def _rso(self) -> pl.Expr:
        return et.clear_sky_radiation(altitude=self["z"], ra=self["ra"])

    def _rns(self) -> pl.Expr:
        return et.net_shortwave(rs=self["rs"])

    def _rnl(self) -> pl.Expr:
        if "t" in self.given:
            share = self["rs_rso_night"] if "rs_rso_night" in self.given else self["rs"] / self["rso"]
            return et.net_longwave(tmax=self["t"], tmin=self["t"], ea=self["ea"], share=share, hours=1)
        return et.net_longwave(**self.lits("tmax", "tmin", "ea"), share=self["rs"] / self["rso"])

    def _rn(self) -> pl.Expr:
        return self["rns"] - self["rnl"]

    def _g(self) -> pl.Expr:
        if "t_month" in self.given:
            return et.soil_heat_month(t=self["t_month"], t_previous=self["t_previous_month"])
        return et.soil_heat_hour(rn=self["rn"]) if "t" in self.given else pl.lit(0.0)

    def _eto(self) -> pl.Expr:
        surface = et.SURFACES["hour" if "t" in self.given else "day"]
        return et.penman_monteith(
            t=self["t_mean"], **self.lits("rn", "g", "u2", "es", "ea", "pressure"), surface=surface
        )

    def _hargreaves(self) -> pl.Expr:
        return et.hargreaves(**self.lits("tmax", "tmin", "ra"))


@pytest.mark.parametrize(
    ("vector", "name"),
    [(vector, name) for vector in VECTORS for name in vector["expected"]],
    ids=[f"{vector['name']}: {name}" for vector in VECTORS for name in vector["expected"]],
)
def test_the_paper_is_met_to_the_printed_digit(vector: dict[str, Any], name: str) -> None:
    printed = vector["expected"][name]
    digits = len(str(printed).partition(".")[2])
    assert number(Example(vector).made(name)) == pytest.approx(float(printed), abs=0.5 * 10**-digits + 1e-9)
