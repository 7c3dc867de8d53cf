"""Values into the unit of their parameter: a table, and the one place where a number changes its unit.

Factors are exact by definition (SI Brochure, 9th edition, tables 7 and 8; the degree Fahrenheit by NIST SP 811,
B.8). What needs a temperature or a molar mass (ppb to µg/m³) is no change of unit and is not here.
"""

from collections.abc import Mapping
from math import pi
from typing import NamedTuple

import polars as pl

#: Mean radius of the earth [km], IUGG.
EARTH = 6371.0088


class UnknownUnit(ValueError):
    """There is no conversion between the two units."""


class Change(NamedTuple):
    """`(value + shift) * times / over`: dividing by 1000 gives 0.3 of 300, multiplying by 0.001 may not."""

    times: float = 1.0
    over: float = 1.0
    shift: float = 0.0


CHANGES: Mapping[tuple[str, str], Change] = {
    ("µg/m³", "mg/m³"): Change(over=1000.0),
    ("mg/m³", "µg/m³"): Change(times=1000.0),
    ("ng/m³", "µg/m³"): Change(over=1000.0),
    ("µg/L", "mg/L"): Change(over=1000.0),
    ("mg/L", "µg/L"): Change(times=1000.0),
    ("mS/cm", "µS/cm"): Change(times=1000.0),
    ("µS/cm", "mS/cm"): Change(over=1000.0),
    ("%", "m³/m³"): Change(over=100.0),
    ("m³/m³", "%"): Change(times=100.0),
    ("mV", "V"): Change(over=1000.0),
    ("MJ/(m²·h)", "W/m²"): Change(times=1e6, over=3600.0),
    ("MJ/(m²·d)", "W/m²"): Change(times=1e6, over=86_400.0),
    # A langley is a thermochemical calorie per cm²: 41,840 J/m² (SP 811, B.8).
    ("ly/h", "W/m²"): Change(times=41_840.0, over=3600.0),
    ("ly/d", "W/m²"): Change(times=41_840.0, over=86_400.0),
    ("rad", "°"): Change(times=180.0, over=pi),
    ("Pa", "hPa"): Change(over=100.0),
    ("kPa", "hPa"): Change(times=10.0),
    ("hPa", "kPa"): Change(over=10.0),
    ("K", "°C"): Change(shift=-273.15),
    ("°F", "°C"): Change(shift=-32.0, times=5.0, over=9.0),
    ("km/h", "m/s"): Change(over=3.6),
    ("mi/h", "m/s"): Change(times=0.44704),
    ("ft³/s", "m³/s"): Change(times=0.028316846592),
    ("L/s", "m³/s"): Change(over=1000.0),
    ("L/min", "m³/s"): Change(over=60_000.0),
    ("m³/h", "m³/s"): Change(over=3600.0),
    ("mbar", "hPa"): Change(),
    ("mbar", "kPa"): Change(over=10.0),
    # Both scales are set by the same formazin (ISO 7027-1:2016; EPA 180.1): the number stays. On natural water the two
    # kinds of instrument differ by their light and angle, which no factor undoes.
    ("FNU", "NTU"): Change(),
    ("psu", "PSU"): Change(),
    ("cm", "m"): Change(over=100.0),
    ("mm", "m"): Change(over=1000.0),
}

#: Other spellings of the same sign: the Greek letter mu, digits for exponents, one sign for a degree Celsius.
SPELLINGS = str.maketrans({"μ": "µ", "3": "³", "2": "²", "℃": "°C"})
#: Significant digits kept of a product or a difference: 96.39 kPa are 963.9 hPa, and not 963.9000000000001.
DIGITS = 15


def spelled(unit: str) -> str:
    """`unit` as the table spells it: `ug/m3` and `μg/m³` are `µg/m³`."""
    text = unit.strip().translate(SPELLINGS)
    return "µ" + text[1:] if text.startswith(("ug/", "uS/")) else text


def convert(value: pl.Expr, unit: str, into: str) -> pl.Expr:
    """`value` [`unit`] in [`into`]; raises `UnknownUnit` where the table has no such change."""
    pair = (spelled(unit), spelled(into))
    if pair[0] == pair[1]:
        return value
    if pair not in CHANGES:
        raise UnknownUnit(f"no conversion from {unit} to {into}")
    change = CHANGES[pair]
    moved = (value + change.shift) * change.times
    # Polars divides by one number as it multiplies by its reciprocal (700 / 1000 is 0.7000000000000001); by a column of
    # numbers it divides as IEEE 754 does.
    moved = moved / (moved * 0.0 + change.over) if change.over != 1.0 else moved
    return moved if (change.shift, change.times) == (0.0, 1.0) else moved.round_sig_figs(DIGITS)
