"""Wet-bulb temperature [°C] of air temperature [°C], relative humidity [%] and pressure [hPa]: the psychrometer solved.

A psychrometer says the vapour pressure by its two thermometers: ea = e°(tw) - a P (t - tw), FAO-56 equations 15 and 16,
p. 38, with e° of equation 11. Here ea is known from the humidity, and tw is the root. The left side grows with tw and
its curve is bent upwards, so that Newton's method from the dry temperature comes down to the root and never passes it.
Without a pressure that of the altitude is taken, equation 7, p. 31.

Below 0 °C it is the wet bulb over water, not over ice. Stull (2011, J. Appl. Meteor. Climatol. 50, 2267-2269) fits the
same at sea level to within about 1 °C.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import polars as pl

from analytics import evapotranspiration as et

#: What a block of the table must have for this method.
ROLES = ("temperature", "humidity", "pressure")
GIVEN = ("altitude",)
CONSTANTS: Mapping[str, Any] = {"psychrometer": float, "temperature": list, "humidity": list}
#: Newton's method comes to a millionth of a degree after five steps in the driest air; one more.
STEPS = 6


def reach(constants: Mapping[str, Any]) -> timedelta:
    """An hour is made of itself."""
    return timedelta(0)


def derive(rows: pl.DataFrame, constants: Mapping[str, Any], fits: pl.DataFrame) -> pl.DataFrame:
    """`rows` with `value` [°C], null outside the temperatures and humidities of `constants`."""
    t, humidity = pl.col("temperature"), pl.col("humidity")
    kilopascal = pl.coalesce(pl.col("pressure") / 10, et.pressure(altitude=pl.col("altitude")))
    holds = t.is_between(*constants["temperature"]) & humidity.is_between(*constants["humidity"])
    # Where a registered pressure has no value there is none of the altitude either: it is needed like the others.
    holds &= pl.col("pressure").is_not_null() if "count_pressure" in rows.columns else pl.lit(value=True)
    known = rows.with_columns(
        _gamma=constants["psychrometer"] * kilopascal,
        _ea=et.saturation_vapour_pressure(t=t) * humidity.clip(upper_bound=100) / 100,
        _wet=t,
    )
    for _ in range(STEPS):
        known = known.with_columns(_wet=_step(pl.col("_wet"), t))
    return known.with_columns(pl.when(holds).then("_wet").alias("value")).drop("_gamma", "_ea", "_wet")


def _step(wet: pl.Expr, t: pl.Expr) -> pl.Expr:
    """The next guess."""
    gamma = pl.col("_gamma")
    over = et.saturation_vapour_pressure(t=wet) - gamma * (t - wet) - pl.col("_ea")
    return wet - over / (et.slope(t=wet) + gamma)
