"""Mixing ratios of gases into masses: what no change of unit alone can do, since it needs a temperature.

Source: ideal gas at 101.325 kPa, molar volume 22.41396954 L/mol at 273.15 K (CODATA 2018); molar masses from the
standard atomic weights of IUPAC. Networks say at which temperature they mean it: 298.15 K in the United States and
since 2018-09-01 in China (GB 3095-2012, amendment), 293.15 K in the European Union (2008/50/EC, annex VI), 273.15 K in
China before.
"""

from collections.abc import Mapping

import polars as pl

from analytics.units import DIGITS, spelled

#: Parameter -> molar mass [g/mol]. Oxides of nitrogen count as NO2, hydrocarbons as the carbon in them.
MOLAR: Mapping[str, float] = {
    "so2": 64.06,
    "no2": 46.01,
    "no": 30.01,
    "nox": 46.01,
    "o3": 48.00,
    "co": 28.01,
    "h2s": 34.08,
    "nh3": 17.03,
    "benzene": 78.11,
    "nmhc": 12.01,
    "thc": 12.01,
    "ch4": 16.04,
}
VOLUME, ZERO = 22.41396954, 273.15
#: Parts -> how many ppb.
PARTS: Mapping[str, float] = {"ppb": 1.0, "ppm": 1000.0}
#: Mass -> how many µg/m³.
MASSES: Mapping[str, float] = {"µg/m³": 1.0, "mg/m³": 1000.0}


def factor(parameter: str, unit: str, into: str, kelvin: float) -> float | None:
    """[`into`] of one [`unit`] of the gas `parameter` at `kelvin` [K]; None where that is no ratio into a mass."""
    parts, mass, molar = PARTS.get(unit.strip()), MASSES.get(spelled(into)), MOLAR.get(parameter)
    if parts is None or mass is None or molar is None:
        return None
    return molar / VOLUME * ZERO / kelvin * parts / mass


def convert(value: pl.Expr, times: float) -> pl.Expr:
    """`value` times `times`, to the digits that are kept."""
    return (value * times).round_sig_figs(DIGITS)
