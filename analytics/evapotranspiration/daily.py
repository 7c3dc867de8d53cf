"""A day's weather to its reference evapotranspiration, and what stood in for what nobody measured."""

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
    extraterrestrial_radiation,
    hargreaves,
    mean_saturation_vapour_pressure,
    net_longwave,
    net_shortwave,
    penman_monteith,
    pressure,
    pressure_refet,
    radiation_from_temperature,
    sun_height_day,
    vapour_pressure_dewpoint,
    vapour_pressure_rh,
    vapour_pressure_rh_max,
    vapour_pressure_rh_mean,
    vapour_pressure_tmin,
    wind_at_2m,
)

#: What `daily` takes, beside any columns of its caller's: a day's weather at a place; null is not measured.
#: `radiation` [MJ/m² d], `wind` [m/s] at `wind_height` [m].
WEATHER: Mapping[str, pl.DataType] = {
    "day": pl.Date(),
    "latitude": pl.Float64(),
    "altitude": pl.Float64(),
    "tmax": pl.Float64(),
    "tmin": pl.Float64(),
    "dewpoint": pl.Float64(),
    "rh_max": pl.Float64(),
    "rh_min": pl.Float64(),
    "rh_mean": pl.Float64(),
    "wind": pl.Float64(),
    "wind_height": pl.Float64(),
    "radiation": pl.Float64(),
}


def daily(
    weather: pl.DataFrame,
    *,
    practice: Practice = FAO56,
    surface: Surface = SURFACES["day"],
    wind_default: float = 2.0,
    k_rs: float = 0.16,
) -> pl.DataFrame:
    """`weather` (WEATHER and more) with `u2` [m/s], `et0` [mm/d] and `fallbacks`, names of what stood in.

    Humidity in the paper's order (dew point, highest and lowest, highest, mean, lowest temperature: `humidity_*`),
    radiation from temperature (`radiation_temperature`), wind 2 m/s (`wind_default`), p. 57 to 64; where humidity,
    radiation and wind are all missing, `hargreaves`. `et0` is null without both temperatures or the latitude.
    """
    column = {name: pl.col(name) for name in WEATHER}
    tmax, tmin, height = column["tmax"], column["tmin"], column["wind_height"]
    known = weather.with_columns(
        _ea=pl.coalesce(*(expression for _, expression in _humidity(column))),
        _by=pl.coalesce(
            *(pl.when(expression.is_not_null()).then(pl.lit(name)) for name, expression in _humidity(column))
        ),
        _u2=wind_at_2m(wind=column["wind"], height=height).clip(lower_bound=practice.least_wind),
        _j=column["day"].dt.ordinal_day().cast(pl.Float64),
        _phi=column["latitude"].radians(),
        _p=(pressure_refet if practice.refet else pressure)(altitude=column["altitude"]),
        _es=mean_saturation_vapour_pressure(tmax=tmax, tmin=tmin),
    )
    j, phi, ea, air = pl.col("_j"), pl.col("_phi"), pl.col("_ea"), pl.col("_p")
    sun = (declination_refet if practice.refet else declination)(j=j)
    known = known.with_columns(
        _ra=extraterrestrial_radiation(latitude=phi, j=j, declination=sun, solar_constant=practice.solar_constant),
        # Air cannot hold more than it holds: hours of different sensors may say so in fog.
        _ea=pl.min_horizontal(ea, "_es"),
    )
    ra = pl.col("_ra")
    rs = pl.coalesce(column["radiation"], radiation_from_temperature(tmax=tmax, tmin=tmin, ra=ra, k_rs=k_rs))
    if practice.refet:
        rso = clear_sky_radiation_full(sine=sun_height_day(latitude=phi, j=j), pressure=air, ea=ea, ra=ra)
    else:
        rso = clear_sky_radiation(altitude=column["altitude"], ra=ra)
    share = pl.when(rso > 0).then(rs / rso).when(rso <= 0).then(1.0)  # where the sun does not rise
    rn = net_shortwave(rs=rs) - net_longwave(tmax=tmax, tmin=tmin, ea=ea, share=share, practice=practice)
    full = penman_monteith(
        t=(tmax + tmin) / 2,
        rn=rn,
        g=pl.lit(0.0),
        u2=pl.col("_u2").fill_null(wind_default),
        es=pl.col("_es"),
        ea=ea,
        pressure=air,
        surface=surface,
    )
    bare = pl.all_horizontal(pl.col("_u2").is_null(), column["radiation"].is_null(), pl.col("_by") == "humidity_tmin")
    full = pl.when(bare.fill_null(value=False)).then(hargreaves(tmax=tmax, tmin=tmin, ra=ra)).otherwise(full)
    stood_in = {
        "hargreaves": bare,
        "radiation_temperature": ~bare & column["radiation"].is_null(),
        "wind_default": ~bare & pl.col("_u2").is_null(),
    }
    humid = pl.when(~bare & ~pl.col("_by").is_in(_MEASURED)).then("_by")
    names = [humid, *(pl.when(when).then(pl.lit(name)) for name, when in stood_in.items())]
    et0 = pl.when(tmax >= tmin).then(full)
    known = known.with_columns(u2="_u2", et0=et0).with_columns(
        fallbacks=pl.when(pl.col("et0").is_not_null()).then(pl.concat_list(names).list.drop_nulls()).otherwise([])
    )
    return known.select(*weather.columns, "u2", "et0", "fallbacks")


#: Humidity as the paper prefers it, p. 58.
_MEASURED = ["humidity_dewpoint", "humidity_rh"]


def _humidity(column: Mapping[str, pl.Expr]) -> list[tuple[str, pl.Expr]]:
    tmax, tmin = column["tmax"], column["tmin"]
    rh_max, rh_min, rh_mean = column["rh_max"], column["rh_min"], column["rh_mean"]
    return [
        ("humidity_dewpoint", vapour_pressure_dewpoint(dewpoint=column["dewpoint"])),
        ("humidity_rh", vapour_pressure_rh(tmax=tmax, tmin=tmin, rh_max=rh_max, rh_min=rh_min)),
        ("humidity_rh_max", vapour_pressure_rh_max(tmin=tmin, rh_max=rh_max)),
        ("humidity_rh_mean", vapour_pressure_rh_mean(tmax=tmax, tmin=tmin, rh_mean=rh_mean)),
        ("humidity_tmin", vapour_pressure_tmin(tmin=tmin)),
    ]
