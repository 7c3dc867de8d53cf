"""An hour's weather to its reference evapotranspiration, and what stood in for what nobody measured."""

import math
from collections.abc import Mapping

import polars as pl

from analytics.evapotranspiration.equations import (
    FAO56,
    SURFACES,
    Practice,
    Surface,
    clear_sky_radiation,
    clear_sky_radiation_full,
    declination,
    declination_refet,
    extraterrestrial_radiation_hour,
    hour_angle,
    net_longwave,
    net_shortwave,
    penman_monteith,
    pressure,
    pressure_refet,
    saturation_vapour_pressure,
    soil_heat_hour,
    sun_height,
    vapour_pressure_dewpoint,
    wind_at_2m,
)

#: What `hourly` takes, beside any columns of its caller's: an hour's weather at a place; null is not measured. `time`
#: is its start [UTC], `radiation` [MJ/m² h], `wind` [m/s] at `wind_height` [m].
HOURS: Mapping[str, pl.DataType] = {
    "time": pl.Datetime("us", "UTC"),
    **dict.fromkeys(("latitude", "longitude", "altitude", "t", "dewpoint", "rh"), pl.Float64()),
    **dict.fromkeys(("wind", "wind_height", "radiation"), pl.Float64()),
}
#: A sun that stands lower [rad] when an hour begins says little of clouds: those seen before stand for them (ASCE-EWRI
#: equation 45, which asks at the middle of the hour; Ref-ET asks at its start).
_LOW_SUN = 0.3


def hourly(
    weather: pl.DataFrame,
    *,
    practice: Practice = FAO56,
    surface: Surface = SURFACES["hour_short_asce"],
    wind_default: float = 2.0,
    night: float = 0.7,
) -> pl.DataFrame:
    """`weather` (HOURS and more, of one place, in order) with `u2` [m/s], `et0` [mm/h] and `fallbacks`.

    Clouds of the night are those of the last hour with the sun above 0.3 rad (FAO-56 p. 75), at first `night` as the
    share of clear sky. Missing humidity is that of the lowest temperature of 24 hours (`humidity_tmin`), missing
    radiation that of the share of clear sky last seen (`radiation_share`), missing wind
    `wind_default`. The raw value may be below 0 at night. `et0` is null without a temperature or a place.
    """
    column = {name: pl.col(name) for name in HOURS}
    t = column["t"]
    coldest = t.rolling_min_by("time", "24h")
    middle = column["time"].dt.offset_by("30m")
    j = column["time"].dt.ordinal_day().cast(pl.Float64)
    known = weather.with_columns(
        _j=j,
        _phi=column["latitude"].radians(),
        _hour=middle.dt.hour().cast(pl.Float64) + middle.dt.minute() / 60,
        _p=(pressure_refet if practice.refet else pressure)(altitude=column["altitude"]),
        _es=saturation_vapour_pressure(t=t),
        _said=pl.coalesce(
            vapour_pressure_dewpoint(dewpoint=column["dewpoint"]), saturation_vapour_pressure(t=t) * column["rh"] / 100
        ),
        _u2=wind_at_2m(wind=column["wind"], height=column["wind_height"]).clip(lower_bound=practice.least_wind),
    ).with_columns(
        _ea=pl.min_horizontal(pl.coalesce("_said", saturation_vapour_pressure(t=coldest)), "_es"),
        _sun=(declination_refet if practice.refet else declination)(j=pl.col("_j")),
        _angle=hour_angle(
            hour=pl.col("_hour"), j=pl.col("_j"), longitude_west=-column["longitude"], zone_west=pl.lit(0.0)
        ),
    )
    place = {"latitude": pl.col("_phi"), "declination": pl.col("_sun"), "angle": pl.col("_angle")}
    known = known.with_columns(
        _ra=extraterrestrial_radiation_hour(**place, j=pl.col("_j"), solar_constant=practice.solar_constant),
        _high=sun_height(**place),
        _first=sun_height(**place | {"angle": pl.col("_angle") - math.pi / 24}),
    )
    ra, ea, air, high = pl.col("_ra"), pl.col("_ea"), pl.col("_p"), pl.col("_high")
    if practice.refet:
        rso = clear_sky_radiation_full(sine=high, pressure=air, ea=ea, ra=ra)
    else:
        rso = clear_sky_radiation(altitude=column["altitude"], ra=ra)
    known = known.with_columns(_rso=rso)
    seen = pl.when(pl.col("_first") > math.sin(_LOW_SUN)).then(column["radiation"] / pl.col("_rso"))
    known = known.with_columns(_share=seen.clip(practice.least_share, 1).forward_fill().fill_null(night))
    rs = pl.coalesce(column["radiation"], pl.col("_share") * pl.col("_rso"))
    rn = net_shortwave(rs=rs) - net_longwave(tmax=t, tmin=t, ea=ea, share=pl.col("_share"), practice=practice, hours=1)
    known = known.with_columns(_rn=rn)
    et0 = penman_monteith(
        t=t,
        rn=pl.col("_rn"),
        g=soil_heat_hour(rn=pl.col("_rn"), surface=surface),
        u2=pl.col("_u2").fill_null(wind_default),
        es=pl.col("_es"),
        ea=ea,
        pressure=air,
        surface=surface,
    )
    stood_in = {
        "humidity_tmin": pl.col("_said").is_null(),
        # By night nobody needs to measure that there is no sun.
        "radiation_share": column["radiation"].is_null() & (ra > 0),
        "wind_default": pl.col("_u2").is_null(),
    }
    names = [pl.when(when).then(pl.lit(name)) for name, when in stood_in.items()]
    known = known.with_columns(u2="_u2", et0=et0).with_columns(
        fallbacks=pl.when(pl.col("et0").is_not_null()).then(pl.concat_list(names).list.drop_nulls()).otherwise([])
    )
    return known.select(*weather.columns, "u2", "et0", "fallbacks")
