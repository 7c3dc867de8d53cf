"""Reference evapotranspiration, one function an equation: FAO irrigation and drainage paper 56 (Allen et al. 1998).

Units throughout: °C, kPa, %, m/s, m, MJ/m² and mm a step (a day, an hour), radians for angles. `j` is the day of the
year (1 = 1 January). Page numbers are those of the printed paper. Where ASCE-EWRI (2005) or the program Ref-ET differ
from the paper, the difference is a function of its own or an entry of `PRACTICES`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

ALBEDO = 0.23  # of the reference grass, equation 38
MJ_TO_MM = 0.408  # [mm m²/MJ], 1 / 2.45, equation 20
W_TO_MJ_DAY = 0.0864  # [W/m²] -> [MJ/m² d]
_TWO_PI = 2 * math.pi


@dataclass(frozen=True, slots=True)
class Practice:
    """What authors choose apart from the equations.

    `solar_constant` [MJ/m² min]; `stefan_boltzmann` [MJ/K⁴ m² d]; `kelvin` is 0 °C in the long-wave equation;
    `least_share` of clear-sky radiation (ASCE-EWRI equation 18; the paper has only the upper end); `least_wind` [m/s]
    (FAO-56 p. 63). `refet`: pressure, declination and clear sky are those of Ref-ET.
    """

    solar_constant: float = 0.0820
    stefan_boltzmann: float = 4.903e-9
    kelvin: float = 273.16
    least_share: float = 0.3
    least_wind: float = 0.5
    refet: bool = False


FAO56 = Practice()
PRACTICES: Mapping[str, Practice] = {
    "fao56": FAO56,
    #: Ref-ET 4.1 as its outputs show it (RefET's tests agree): 1367 W/m², no least wind
    "refet": Practice(1367 * 60e-6, 4.901e-9, least_wind=0.0, refet=True),
}


@dataclass(frozen=True, slots=True)
class Surface:
    """A reference surface: its two constants, and the share of net radiation that goes into the soil."""

    cn: float
    cd: float
    g_day: float = 0.0
    g_night: float = 0.0
    cd_night: float | None = None


#: FAO-56 equations 6 and 53; ASCE-EWRI (2005) table 1 for the short (grass) and the tall (alfalfa) surface.
SURFACES: Mapping[str, Surface] = {
    "day": Surface(900, 0.34),
    "day_tall": Surface(1600, 0.38),
    "hour": Surface(37, 0.34, 0.1, 0.5),
    "hour_short_asce": Surface(37, 0.24, 0.1, 0.5, 0.96),
    "hour_tall_asce": Surface(66, 0.25, 0.04, 0.2, 1.7),
}

# Air


def pressure(*, altitude: pl.Expr) -> pl.Expr:
    """Atmospheric pressure [kPa] at `altitude` [m]. Equation 7, p. 31."""
    return 101.3 * ((293 - 0.0065 * altitude) / 293) ** 5.26


def pressure_refet(*, altitude: pl.Expr) -> pl.Expr:
    """As `pressure`, with the exponent not rounded: Ref-ET."""
    return 101.3 * ((293 - 0.0065 * altitude) / 293) ** (9.8 / (0.0065 * 286.9))


def psychrometric_constant(*, pressure: pl.Expr) -> pl.Expr:
    """γ [kPa/°C]. Equation 8, p. 32."""
    return 0.000665 * pressure


def saturation_vapour_pressure(*, t: pl.Expr) -> pl.Expr:
    """e°(t) [kPa]. Equation 11, p. 36."""
    return 0.6108 * (17.27 * t / (t + 237.3)).exp()


def mean_saturation_vapour_pressure(*, tmax: pl.Expr, tmin: pl.Expr) -> pl.Expr:
    """es of a day [kPa]. Equation 12, p. 36."""
    return (saturation_vapour_pressure(t=tmax) + saturation_vapour_pressure(t=tmin)) / 2


def slope(*, t: pl.Expr) -> pl.Expr:
    """Δ, slope of the saturation vapour pressure [kPa/°C]. Equation 13, p. 37."""
    return 4098 * saturation_vapour_pressure(t=t) / (t + 237.3) ** 2


def vapour_pressure_dewpoint(*, dewpoint: pl.Expr) -> pl.Expr:
    """ea [kPa]. Equation 14, p. 37."""
    return saturation_vapour_pressure(t=dewpoint)


def vapour_pressure_rh(*, tmax: pl.Expr, tmin: pl.Expr, rh_max: pl.Expr, rh_min: pl.Expr) -> pl.Expr:
    """ea [kPa] of the highest and lowest humidity of a day. Equation 17, p. 38."""
    wet = saturation_vapour_pressure(t=tmin) * rh_max / 100
    return (wet + saturation_vapour_pressure(t=tmax) * rh_min / 100) / 2


def vapour_pressure_rh_max(*, tmin: pl.Expr, rh_max: pl.Expr) -> pl.Expr:
    """ea [kPa] where only the highest humidity is to be trusted. Equation 18, p. 39."""
    return saturation_vapour_pressure(t=tmin) * rh_max / 100


def vapour_pressure_rh_mean(*, tmax: pl.Expr, tmin: pl.Expr, rh_mean: pl.Expr) -> pl.Expr:
    """ea [kPa] of the mean humidity. Equation 19, p. 39."""
    return rh_mean / 100 * mean_saturation_vapour_pressure(tmax=tmax, tmin=tmin)


def vapour_pressure_tmin(*, tmin: pl.Expr) -> pl.Expr:
    """ea [kPa] where no humidity is known: dew forms at the lowest temperature. Equation 48, p. 58."""
    return saturation_vapour_pressure(t=tmin)


def wind_at_2m(*, wind: pl.Expr, height: pl.Expr) -> pl.Expr:
    """u2 [m/s] of `wind` at `height` [m] over grass. Equation 47, p. 56; over 0.08 m, where its logarithm is 0."""
    return wind * 4.87 / (67.8 * height - 5.42).log()


# Radiation


def inverse_distance(*, j: pl.Expr) -> pl.Expr:
    """dr, inverse relative distance to the sun [1]. Equation 23, p. 46."""
    return 1 + 0.033 * (_TWO_PI / 365 * j).cos()


def declination(*, j: pl.Expr) -> pl.Expr:
    """Of the sun [rad]. Equation 24, p. 46."""
    return 0.409 * (_TWO_PI / 365 * j - 1.39).sin()


def declination_refet(*, j: pl.Expr) -> pl.Expr:
    """Of the sun [rad]: Ref-ET."""
    return math.radians(23.45) * (_TWO_PI * (j + 284) / 365).sin()


def sunset_angle(*, latitude: pl.Expr, declination: pl.Expr) -> pl.Expr:
    """ωs [rad]; π where the sun does not set, 0 where it does not rise. Equation 25, p. 46."""
    return (-latitude.tan() * declination.tan()).clip(-1, 1).arccos()


def extraterrestrial_radiation(
    *, latitude: pl.Expr, j: pl.Expr, declination: pl.Expr, solar_constant: float = FAO56.solar_constant
) -> pl.Expr:
    """Ra of a day [MJ/m² d]. Equation 21, p. 46."""
    angle = sunset_angle(latitude=latitude, declination=declination)
    high = angle * latitude.sin() * declination.sin() + latitude.cos() * declination.cos() * angle.sin()
    return 24 * 60 / math.pi * solar_constant * inverse_distance(j=j) * high


def daylight_hours(*, latitude: pl.Expr, declination: pl.Expr) -> pl.Expr:
    """N [h]. Equation 34, p. 48."""
    return 24 / math.pi * sunset_angle(latitude=latitude, declination=declination)


def radiation_from_sunshine(*, sunshine: pl.Expr, daylight: pl.Expr, ra: pl.Expr) -> pl.Expr:
    """Rs [MJ/m² d] of `sunshine` [h]. Equation 35, p. 50, a and b of Ångström as 0.25 and 0.50."""
    return (0.25 + 0.50 * sunshine / daylight) * ra


def radiation_from_temperature(*, tmax: pl.Expr, tmin: pl.Expr, ra: pl.Expr, k_rs: float = 0.16) -> pl.Expr:
    """Rs [MJ/m² d]; `k_rs` is 0.16 inland, 0.19 at the coast. Equation 50, p. 60."""
    return k_rs * (tmax - tmin).clip(lower_bound=0).sqrt() * ra


def clear_sky_radiation(*, altitude: pl.Expr, ra: pl.Expr) -> pl.Expr:
    """Rso [MJ/m² d]. Equation 37, p. 51."""
    return (0.75 + 2e-5 * altitude) * ra


def clear_sky_radiation_full(*, sine: pl.Expr, pressure: pl.Expr, ea: pl.Expr, ra: pl.Expr) -> pl.Expr:
    """Rso [MJ/m²], direct and diffuse light of a clean sky; `sine` of the sun's height. ASCE-EWRI (2005) appendix D."""
    water = 0.14 * ea * pressure + 2.1  # precipitable [mm]
    direct = 0.98 * (-0.00146 * pressure / sine - 0.075 * (water / sine) ** 0.4).exp()
    diffuse = pl.when(direct >= 0.15).then(0.35 - 0.36 * direct).otherwise(0.18 + 0.82 * direct)
    return (direct + diffuse) * ra


def sun_height_day(*, latitude: pl.Expr, j: pl.Expr) -> pl.Expr:
    """Sine of the sun's height, weighted over a day. ASCE-EWRI (2005) equation D.5."""
    return (0.85 + 0.3 * latitude * (_TWO_PI / 365 * j - 1.39).sin() - 0.42 * latitude**2).sin().clip(lower_bound=0.1)


def net_shortwave(*, rs: pl.Expr) -> pl.Expr:
    """Rns [MJ/m²]. Equation 38, p. 51."""
    return (1 - ALBEDO) * rs


def net_longwave(
    *, tmax: pl.Expr, tmin: pl.Expr, ea: pl.Expr, share: pl.Expr, practice: Practice = FAO56, hours: int = 24
) -> pl.Expr:
    """Rnl [MJ/m²] in `hours`; `share` is Rs / Rso, at most 1. Equation 39, p. 52."""
    black = ((tmax + practice.kelvin) ** 4 + (tmin + practice.kelvin) ** 4) / 2
    clear = 1.35 * share.clip(practice.least_share, 1) - 0.35
    return practice.stefan_boltzmann * hours / 24 * black * (0.34 - 0.14 * ea.sqrt()) * clear


def soil_heat_month(*, t: pl.Expr, t_previous: pl.Expr) -> pl.Expr:
    """G of a month [MJ/m² d] of its mean temperature and that of the month before. Equation 44, p. 54."""
    return 0.14 * (t - t_previous)


# Hours


def season_correction(*, j: pl.Expr) -> pl.Expr:
    """Sc, of the sun's time [h]. Equations 32 and 33, p. 48."""
    b = _TWO_PI / 364 * (j - 81)
    return 0.1645 * (2 * b).sin() - 0.1255 * b.cos() - 0.025 * b.sin()


def hour_angle(*, hour: pl.Expr, j: pl.Expr, longitude_west: pl.Expr, zone_west: pl.Expr) -> pl.Expr:
    """ω [rad] at `hour`, the middle of the hour in zone time; longitudes in degrees WEST. Equation 31, p. 48."""
    solar = hour + (zone_west - longitude_west) / 15 + season_correction(j=j)
    turned = math.pi / 12 * (solar - 12) + math.pi
    return turned - _TWO_PI * (turned / _TWO_PI).floor() - math.pi


def extraterrestrial_radiation_hour(
    *,
    latitude: pl.Expr,
    j: pl.Expr,
    declination: pl.Expr,
    angle: pl.Expr,
    solar_constant: float = FAO56.solar_constant,
) -> pl.Expr:
    """Ra of the hour around `angle` [MJ/m² h], of its part with the sun up. Equations 28 to 30, p. 47."""
    sunset = sunset_angle(latitude=latitude, declination=declination)
    first = pl.max_horizontal(angle - math.pi / 24, -sunset)
    last = pl.min_horizontal(angle + math.pi / 24, sunset)
    high = (last - first) * latitude.sin() * declination.sin()
    high += latitude.cos() * declination.cos() * (last.sin() - first.sin())
    ra = 12 * 60 / math.pi * solar_constant * inverse_distance(j=j) * high
    return pl.when(last > first).then(ra).otherwise(0.0)


def sun_height(*, latitude: pl.Expr, declination: pl.Expr, angle: pl.Expr) -> pl.Expr:
    """Sine of the sun's height at `angle`, at least 0.01. FAO-56 annex 3, equation 3-18."""
    high = latitude.sin() * declination.sin() + latitude.cos() * declination.cos() * angle.cos()
    return high.clip(lower_bound=0.01)


def soil_heat_hour(*, rn: pl.Expr, surface: Surface = SURFACES["hour"]) -> pl.Expr:
    """G of an hour [MJ/m² h]; it is day where `rn` is over 0. Equations 45 and 46, p. 55."""
    return pl.when(rn > 0).then(surface.g_day).otherwise(surface.g_night) * rn


# Reference evapotranspiration


def penman_monteith(
    *,
    t: pl.Expr,
    rn: pl.Expr,
    g: pl.Expr,
    u2: pl.Expr,
    es: pl.Expr,
    ea: pl.Expr,
    pressure: pl.Expr,
    surface: Surface = SURFACES["day"],
) -> pl.Expr:
    """ET0 [mm a step]. Equation 6, p. 24 (days and months), equation 53, p. 74 (hours): `surface` says which."""
    gamma, delta = psychrometric_constant(pressure=pressure), slope(t=t)
    night = surface.cd if surface.cd_night is None else surface.cd_night
    cd = pl.when(rn > 0).then(surface.cd).otherwise(night)
    above = MJ_TO_MM * delta * (rn - g) + gamma * surface.cn / (t + 273) * u2 * (es - ea)
    return above / (delta + gamma * (1 + cd * u2))


def hargreaves(*, tmax: pl.Expr, tmin: pl.Expr, ra: pl.Expr) -> pl.Expr:
    """ET0 [mm/d] where nothing but temperature is known. Equation 52, p. 64."""
    return 0.0023 * ((tmax + tmin) / 2 + 17.8) * (tmax - tmin).clip(lower_bound=0).sqrt() * MJ_TO_MM * ra
