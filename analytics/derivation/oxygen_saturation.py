"""Oxygen saturation [%]: dissolved oxygen [mg/L] over what water of that temperature [°C] holds in contact with air.

Benson and Krause (1984, Limnol. Oceanogr. 29, 620-632) in the form of the US Geological Survey, Office of Water Quality
technical memorandum 2011.03, which its tables (DOTABLES) are made with: solubility at one atmosphere in fresh water, a
factor for salinity, a factor for pressure. Salinity [g/kg] is measured, else it is that of the specific conductance
[µS/cm at 25 °C] (same memorandum), else none. Without a pressure [hPa] that of the altitude is taken (FAO-56 equation
7); it is that at the water, never reduced to sea level.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import polars as pl

from analytics import evapotranspiration as et

ATMOSPHERE = 1013.25  # [hPa]


#: What a block of the table must have for this method.
ROLES = ("oxygen", "temperature", "salinity", "conductivity", "pressure")
GIVEN = ("altitude",)
CONSTANTS: Mapping[str, Any] = {"temperature": list, "salinity": list}


def reach(constants: Mapping[str, Any]) -> timedelta:
    """An hour is made of itself."""
    return timedelta(0)


def derive(rows: pl.DataFrame, constants: Mapping[str, Any], fits: pl.DataFrame) -> pl.DataFrame:
    """`rows` with `value` [%], null outside the temperatures and salinities of `constants`."""
    t, oxygen = pl.col("temperature"), pl.col("oxygen")
    registered = [role for role in ("salinity", "conductivity", "pressure") if f"count_{role}" in rows.columns]
    heard = pl.all_horizontal(pl.lit(value=True), *(pl.col(role).is_not_null() for role in registered))
    s = pl.coalesce("salinity", salinity(conductivity=pl.col("conductivity")), pl.lit(0.0))
    hectopascal = pl.coalesce("pressure", 10 * et.pressure(altitude=pl.col("altitude")))
    holds = heard & t.is_between(*constants["temperature"]) & s.is_between(*constants["salinity"]) & (oxygen >= 0)
    full = solubility(t=t) * salt_factor(t=t, salinity=s) * pressure_factor(t=t, pressure=hectopascal)
    return rows.with_columns(pl.when(holds).then(100 * oxygen / full).alias("value"))


def solubility(*, t: pl.Expr) -> pl.Expr:
    """Oxygen [mg/L] in fresh water under one atmosphere of moist air. Benson and Krause 1984, equation 32."""
    k = t + 273.15
    return (-139.34411 + 1.575701e5 / k - 6.642308e7 / k**2 + 1.243800e10 / k**3 - 8.621949e11 / k**4).exp()


def salt_factor(*, t: pl.Expr, salinity: pl.Expr) -> pl.Expr:
    """By how much less of it salt water [g/kg] holds [1]. Benson and Krause 1984, equation 32."""
    k = t + 273.15
    return (-salinity * (0.017674 - 10.754 / k + 2140.7 / k**2)).exp()


def pressure_factor(*, t: pl.Expr, pressure: pl.Expr) -> pl.Expr:
    """How much of it remains under another `pressure` [hPa] [1]. Benson and Krause 1984, equations 23, 24."""
    k, p = t + 273.15, pressure / ATMOSPHERE
    vapour = (11.8571 - 3840.70 / k - 216961 / k**2).exp()  # [atm]
    theta = 0.000975 - 1.426e-5 * t + 6.436e-8 * t**2
    return (p - vapour) * (1 - theta * p) / ((1 - vapour) * (1 - theta))


def salinity(*, conductivity: pl.Expr) -> pl.Expr:
    """[g/kg] of the specific conductance [µS/cm at 25 °C]. Memorandum 2011.03."""
    return 5.572e-4 * conductivity + 2.02e-9 * conductivity**2
