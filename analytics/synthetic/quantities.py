"""How the instruments of the made-up district write each parameter, and how they err. A row a parameter.

Frozen with the district: a row that changes changes every seed.
"""

from collections.abc import Mapping
from typing import NamedTuple


class Quantity(NamedTuple):
    """All in the parameter's unit, but `share` [1], which is noise as a share of the value.

    `noise` is that of a 10-minute mean (a minute's is `MINUTE` times it); `spike` the height of one; `beyond` what a
    broken instrument says; `wander` a drift or a step of size 1.
    """

    decimals: int
    low: float
    high: float
    noise: float
    share: float
    spike: float
    beyond: float
    wander: float


#: Noise of a minute's reading in terms of that of a mean of ten.
MINUTE = 2.0

QUANTITIES: Mapping[str, Quantity] = {
    "pm25": Quantity(1, 0.5, 980, 0.8, 0.02, 460, 9985, 38),
    "pm10": Quantity(1, 1, 2900, 1.5, 0.025, 900, 9985, 60),
    "so2": Quantity(1, 0.5, 1400, 0.5, 0.03, 380, -32, 28),
    "no2": Quantity(1, 0.5, 480, 0.8, 0.02, 230, -32, 38),
    "co": Quantity(3, 0.05, 48, 0.02, 0.02, 9, -2.5, 0.9),
    "o3": Quantity(1, 0.5, 780, 1.2, 0.015, 240, -40, 45),
    "tvoc": Quantity(3, 0.005, 29, 0.006, 0.03, 5, 45, 0.35),
    "nmhc": Quantity(3, 0.01, 48, 0.012, 0.03, 9, 75, 0.5),
    "air_temperature": Quantity(1, -45, 50, 0.08, 0, 18, 85, 2.6),
    "relative_humidity": Quantity(1, 3, 100, 0.4, 0, 60, 255, 10),
    "wind_speed": Quantity(1, 0, 60, 0.08, 0.06, 34, 99.9, 1.2),
    "wind_direction": Quantity(0, 0, 359, 4, 0, 180, 999, 40),
    "air_pressure": Quantity(1, 900, 1070, 0.05, 0, 22, 1200, 2.5),
    "solar_radiation": Quantity(1, 0, 1550, 0.3, 0.015, 900, 1999, 120),
    "rain": Quantity(1, 0, 60, 0, 0, 20, 655.3, 0.2),
    "water_temperature": Quantity(2, 0.1, 38, 0.015, 0, 14, 99.99, 1.6),
    "ph": Quantity(2, 4, 11, 0.012, 0, 3.2, 14.6, 0.7),
    "dissolved_oxygen": Quantity(2, 0.05, 24, 0.03, 0.004, 9, 32.76, 2.4),
    "conductivity": Quantity(1, 60, 9000, 0.8, 0.003, 3600, 65535, 190),
    "turbidity": Quantity(1, 0.5, 3800, 0.3, 0.03, 900, 4600, 45),
    "water_level": Quantity(3, 0.1, 9, 0.003, 0, 2.5, 99999, 0.25),
    "codmn": Quantity(2, 0.3, 190, 0.05, 0.03, 30, 250, 2.4),
    "nh3n": Quantity(3, 0.02, 95, 0.008, 0.03, 12, 120, 0.9),
    "tp": Quantity(3, 0.005, 48, 0.003, 0.03, 1.5, 60, 0.12),
    "tn": Quantity(2, 0.2, 190, 0.05, 0.02, 22, 250, 1.8),
    "laeq": Quantity(1, 22, 125, 0.7, 0, 34, 142, 5),
    "lafmax": Quantity(1, 28, 135, 0.9, 0, 36, 190, 5),
    "soil_moisture": Quantity(4, 0.01, 0.58, 0.0004, 0.002, 0.22, 0.873, 0.06),
    "soil_temperature": Quantity(2, -25, 45, 0.02, 0, 14, -127, 2.2),
}
