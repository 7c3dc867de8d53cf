"""Derived values against printed ones."""

import tomllib
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from analytics import evapotranspiration as et
from analytics.derivation import oxygen_saturation as oxygen
from tests.derivation.hours import derive

FILE = Path(__file__).parents[1] / "published" / "derivations.toml"
PRINTED: dict[str, Any] = tomllib.loads(FILE.read_text(encoding="utf-8"))


def half(prints: str) -> float:
    """Half its last digit."""
    return float(f"0.5e-{len(prints.partition('.')[2])}")


def value(expression: pl.Expr, **known: float) -> float:
    return float(pl.DataFrame({name: [float(number)] for name, number in known.items()}).select(expression).item())


@pytest.mark.parametrize("row", PRINTED["wet_bulb"], ids=lambda row: row["source"][:10])
def test_the_wet_bulb_is_the_printed_one(row: dict[str, Any]) -> None:
    full = value(et.saturation_vapour_pressure(t=pl.col("t")), t=row["temperature"])
    humidity = row.get("humidity", 100 * row.get("vapour_pressure", 0.0) / full)
    (found,) = derive(
        "wet-bulb", {"temperature": [row["temperature"]], "humidity": [humidity]}, {"altitude": row["altitude"]}
    )
    assert found == pytest.approx(float(row["prints"]), abs=row.get("within", half(row["prints"])))


def test_the_wet_bulb_is_within_a_degree_of_the_fit_of_stull() -> None:
    """Stull 2011, equation 1: his own error is -1 ... +0.65 °C, in the mean less than 0.3 °C."""
    t, rh = pl.col("t"), pl.col("rh")
    fit = (
        t * (0.151977 * (rh + 8.313659).sqrt()).arctan()
        + (t + rh).arctan()
        - (rh - 1.676331).arctan()
        + 0.00391838 * rh**1.5 * (0.023101 * rh).arctan()
        - 4.686035
    )
    grid = pl.DataFrame({"t": [float(c) for c in range(0, 46, 5)]}).join(
        pl.DataFrame({"rh": [float(p) for p in range(20, 100, 10)]}), how="cross"
    )
    found = derive("wet-bulb", {"temperature": grid["t"].to_list(), "humidity": grid["rh"].to_list()})
    off = grid.select(fit - pl.Series(found)).to_series()
    assert off.is_between(-1.0, 1.0).all()
    assert abs(float(off.mean())) < 0.3  # type: ignore[arg-type]  # of floats


@pytest.mark.parametrize(
    ("t", "prints", "within"),
    [(float(t), float(prints), table["within"]) for table in PRINTED["oxygen"] for t, prints in table["prints"]],
)
def test_fresh_water_holds_as_much_oxygen_as_printed(t: float, prints: float, within: float) -> None:
    assert value(oxygen.solubility(t=pl.col("t")), t=t) == pytest.approx(prints, abs=within)
    # Water that holds just that is saturated.
    (found,) = derive("oxygen-saturation", {"oxygen": [prints], "temperature": [t], "pressure": [1013.25]})
    assert found == pytest.approx(100, abs=100 * within / prints)


@pytest.mark.parametrize(("altitude", "prints"), PRINTED["altitude"][0]["prints"])
def test_less_of_it_higher_up(altitude: str, prints: str) -> None:
    (found,) = derive(
        "oxygen-saturation", {"oxygen": [float(prints)], "temperature": [0.0]}, {"altitude": float(altitude)}
    )
    assert found == pytest.approx(100, abs=100 * PRINTED["altitude"][0]["within"] / float(prints))


def test_sea_water_holds_as_much_oxygen_as_others_found() -> None:
    sea = PRINTED["sea"]
    full = sea["millilitres"] * sea["milligrams"]
    (found,) = derive(
        "oxygen-saturation",
        {"oxygen": [full], "temperature": [sea["temperature"]], "salinity": [35.0], "pressure": [1013.25]},
    )
    assert found == pytest.approx(100, rel=sea["within"])


@pytest.mark.parametrize("conductivity", [5_000, 10_000, 30_000, 50_000])
def test_salinity_of_a_conductivity_is_about_that_of_the_practical_scale(conductivity: int) -> None:
    """Schemel 2001: the practical salinity scale at 25 °C, of the ratio to that of sea water [mS/cm]."""
    ratio = conductivity / 53_087
    terms = (0.0120, -0.2174, 25.3283, 13.7714, -6.4788, 2.5842)
    practical = sum(term * ratio ** (power / 2) for power, term in enumerate(terms))
    found = value(oxygen.salinity(conductivity=pl.col("c")), c=conductivity)
    assert found == pytest.approx(practical, rel=0.06)
