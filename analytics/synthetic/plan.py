"""What is put into the district, and how often: a row a kind. Frozen: a row that changes changes every seed.

A kind happens once in each stretch of `every` days of a district of 40 stations, at a station and time of chance; so
every two months of every seed have a decent mix. The rate per station-month is `rate()`.
"""

from typing import NamedTuple

from analytics.synthetic.layout import COUNTS

EVENT, FAULT = "event", "fault"
WARM, GROWING = range(5, 10), range(4, 11)
GASES = ("so2", "no2", "co", "o3")
SONDE = ("ph", "dissolved_oxygen", "conductivity", "turbidity")
WET = ("codmn", "nh3n", "tp", "tn")
SOIL = ("soil_moisture@-0.1", "soil_moisture@-0.2", "soil_moisture@-0.4")


class Kind(NamedTuple):
    """`letter` is whose stations it meets ("" is the region), `parameters` those of which it meets one, () all of them;
    `together`: it meets all that are named. `kinds` are the surroundings of a station where it can be, () any.

    `every` [days]; `hours` shortest and longest [h]; `size` least and greatest, in the unit that `meaning` names
    (drifts, offsets and spikes in those of quantities.py; the truth gives them in the parameter's unit); `begins` first
    and last local hour [h]; `months` when it can begin.
    """

    kind: str
    group: str
    letter: str
    parameters: tuple[str, ...]
    every: float
    hours: tuple[float, float]
    size: tuple[float, float]
    meaning: str
    begins: tuple[float, float] | None = None
    months: range = range(1, 13)
    kinds: tuple[str, ...] = ()
    together: bool = False


#: Of two at one station that meet, the one that stands higher here stays.
PLAN = (
    Kind("ozone_day", EVENT, "", ("o3",), 9, (6, 8), (75, 135), "µg/m³", (10.5, 12), WARM),
    Kind("voc_leak", EVENT, "V", ("tvoc",), 14, (72, 144), (0.7, 2.6), "mg/m³ in work hours", (8, 9), kinds=("works",)),
    Kind(
        "black_odour",
        EVENT,
        "W",
        ("nh3n",),
        29,
        (96, 192),
        (8.5, 14),
        "mg/L of ammonia nitrogen",
        kinds=("moat", "outfall"),
    ),
    Kind(
        "algal_bloom",
        EVENT,
        "W",
        ("dissolved_oxygen",),
        29,
        (120, 240),
        (0.5, 0.9),
        "share of saturation above it",
        None,
        GROWING,
        ("lake",),
    ),
    Kind("pipe_leak", EVENT, "S", SOIL[2:], 28, (72, 190), (0.7, 2.2), "mm/h into the soil"),
    Kind("dry_down", EVENT, "S", SOIL[:1], 28, (216, 360), (0, 0), "waterings left out", None, GROWING),
    Kind(
        "over_watering", EVENT, "S", SOIL[:1], 25, (120, 190), (2.2, 3.2), "times the depth, every day", None, GROWING
    ),
    Kind("oxygen_sag", EVENT, "W", ("dissolved_oxygen",), 15, (20, 60), (0.5, 0.8), "share of the oxygen that goes"),
    Kind(
        "ammonia_pulse",
        EVENT,
        "W",
        ("nh3n",),
        13,
        (8, 16),
        (2.2, 6),
        "mg/L",
        kinds=("upper", "middle", "moat", "outfall"),
    ),
    Kind("night_construction", EVENT, "N", ("laeq",), 11, (4, 6.5), (11, 19), "dB above the night", (22.3, 23.7)),
    Kind("night_peak", EVENT, "N", ("lafmax",), 2, (0.2, 0.6), (22, 34), "dB above the level around it", (23, 28)),
    Kind(
        "local_source", EVENT, "A", ("pm25",), 8, (2, 6), (70, 170), "µg/m³ of PM2.5", kinds=("urban", "works", "road")
    ),
    Kind("fireworks", EVENT, "A", ("pm25",), 22, (1, 2), (140, 320), "µg/m³ of PM2.5", (19, 21)),
    Kind("drift", FAULT, "A", ("pm25", *GASES), 13, (240, 528), (0.6, 1.5), "in its unit, reached at the end"),
    Kind("drift", FAULT, "W", SONDE, 18, (200, 480), (0.6, 1.6), "in its unit, reached at the end"),
    Kind("drift", FAULT, "V", ("tvoc", "nmhc"), 40, (240, 480), (0.6, 1.5), "in its unit, reached at the end"),
    Kind("drift", FAULT, "S", SOIL, 38, (240, 528), (0.6, 1.4), "in its unit, reached at the end"),
    Kind("inverted_pair", FAULT, "A", ("pm25", "pm10"), 21, (24, 96), (0, 0), "both columns swapped", together=True),
    Kind(
        "humidity_artefact", FAULT, "A", ("pm25", "pm10"), 16, (96, 200), (0.6, 1.4), "growth at 100 %", together=True
    ),
    Kind("offset", FAULT, "A", ("pm25", "pm10", *GASES, "air_temperature"), 9, (48, 190), (0.8, 1.8), "in its unit"),
    Kind("offset", FAULT, "W", (*SONDE, "water_level"), 17, (36, 150), (0.8, 1.7), "in its unit"),
    Kind("offset", FAULT, "N", ("laeq",), 27, (48, 150), (0.8, 1.6), "in its unit"),
    Kind("offset", FAULT, "S", (*SOIL, "soil_temperature@-0.1"), 30, (48, 200), (0.8, 1.6), "in its unit"),
    Kind("stuck", FAULT, "A", ("pm25", "pm10", "no2", "o3", "co"), 4.5, (5, 42), (0, 0), "the last value"),
    Kind("stuck", FAULT, "W", SONDE, 9, (5, 40), (0, 0), "the last value"),
    Kind("stuck", FAULT, "W", WET, 17, (20, 60), (0, 0), "the last value"),
    Kind("stuck", FAULT, "V", ("tvoc", "nmhc"), 20, (6, 36), (0, 0), "the last value"),
    Kind("stuck", FAULT, "N", ("laeq",), 18, (5, 30), (0, 0), "the last value"),
    Kind("stuck", FAULT, "S", SOIL, 14, (12, 60), (0, 0), "the last value"),
    Kind(
        "stuck",
        FAULT,
        "M",
        ("air_temperature", "relative_humidity", "air_pressure"),
        38,
        (6, 30),
        (0, 0),
        "the last value",
    ),
    Kind("outage", FAULT, "A", (), 5, (4, 70), (0, 0), "nothing comes"),
    Kind("outage", FAULT, "V", (), 25, (4, 60), (0, 0), "nothing comes"),
    Kind("outage", FAULT, "W", (), 13, (4, 70), (0, 0), "nothing comes"),
    Kind("outage", FAULT, "N", (), 13, (4, 50), (0, 0), "nothing comes"),
    Kind("outage", FAULT, "S", (), 14, (6, 90), (0, 0), "nothing comes"),
    Kind("outage", FAULT, "M", (), 45, (3, 12), (0, 0), "nothing comes"),
    Kind("late", FAULT, "A", (), 5, (2, 14), (0, 0), "kept back until its end, then sent"),
    Kind("late", FAULT, "W", (), 15, (3, 16), (0, 0), "kept back until its end, then sent"),
    Kind("late", FAULT, "N", (), 16, (2, 12), (0, 0), "kept back until its end, then sent"),
    Kind("late", FAULT, "S", (), 14, (4, 20), (0, 0), "kept back until its end, then sent"),
    Kind("clock", FAULT, "A", (), 23, (4, 16), (20, 60), "min that its clock is behind"),
    Kind("clock", FAULT, "N", (), 33, (4, 16), (20, 60), "min that its clock is behind"),
    Kind("noisy", FAULT, "A", ("pm25", "no2", "o3"), 24, (6, 36), (8, 16), "times the usual noise"),
    Kind("noisy", FAULT, "W", SONDE, 20, (6, 40), (8, 16), "times the usual noise"),
    Kind("noisy", FAULT, "S", SOIL, 24, (8, 48), (10, 20), "times the usual noise"),
    Kind("gap", FAULT, "A", ("pm25", "pm10", *GASES), 2.5, (0.5, 20), (0, 0), "nothing of it comes"),
    Kind("gap", FAULT, "V", ("tvoc", "nmhc"), 18, (0.5, 20), (0, 0), "nothing of it comes"),
    Kind("gap", FAULT, "W", (*SONDE, "water_temperature"), 8, (0.5, 24), (0, 0), "nothing of it comes"),
    Kind("gap", FAULT, "W", WET, 11, (8, 30), (0, 0), "nothing of it comes"),
    Kind("gap", FAULT, "N", ("laeq", "lafmax"), 10, (0.5, 10), (0, 0), "nothing of it comes"),
    Kind("gap", FAULT, "S", SOIL, 10, (1, 24), (0, 0), "nothing of it comes"),
    Kind("gap", FAULT, "M", ("wind_speed", "solar_radiation", "rain"), 28, (1, 12), (0, 0), "nothing of it comes"),
    Kind(
        "calibration_dip",
        FAULT,
        "A",
        GASES,
        2.5,
        (0.7, 1.3),
        (0.4, 0.8),
        "share of it at zero, the rest at span",
        (9, 17),
    ),
    Kind("range", FAULT, "A", ("pm10", "no2", "co", "air_temperature"), 6, (0.17, 0.5), (0, 0), "an impossible value"),
    Kind("range", FAULT, "V", ("tvoc",), 20, (0.17, 0.5), (0, 0), "an impossible value"),
    Kind("range", FAULT, "W", SONDE, 8, (0.17, 0.7), (0, 0), "an impossible value"),
    Kind("range", FAULT, "N", ("laeq", "lafmax"), 20, (0.17, 0.5), (0, 0), "an impossible value"),
    Kind("range", FAULT, "S", (*SOIL, "soil_temperature@-0.1"), 9, (0.17, 0.5), (0, 0), "an impossible value"),
    Kind(
        "range",
        FAULT,
        "M",
        ("air_temperature", "relative_humidity", "wind_speed", "rain"),
        28,
        (0.17, 0.5),
        (0, 0),
        "an impossible value",
    ),
    Kind("spike", FAULT, "A", ("pm25", "pm10", "no2", "co", "o3"), 1, (0.16, 0.16), (0.8, 1.3), "in its unit"),
    Kind("spike", FAULT, "V", ("tvoc", "nmhc"), 6, (0.16, 0.16), (0.8, 1.3), "in its unit"),
    Kind("spike", FAULT, "W", (*SONDE, "water_level"), 3, (0.16, 0.16), (0.7, 1.2), "in its unit"),
    Kind("spike", FAULT, "N", ("laeq",), 9, (0.16, 0.16), (0.8, 1.2), "in its unit"),
    Kind("spike", FAULT, "S", SOIL, 5, (0.16, 0.16), (0.8, 1.2), "in its unit"),
    Kind("spike", FAULT, "M", ("air_temperature", "air_pressure"), 14, (0.16, 0.16), (0.8, 1.2), "in its unit"),
    Kind("duplicate", FAULT, "A", (), 6, (1, 5), (0, 0), "every row is sent twice"),
    Kind("duplicate", FAULT, "W", (), 16, (1, 6), (0, 0), "every row is sent twice"),
)


def rate(kind: Kind) -> float:
    """How often it happens to one station in 30 days; of what meets the region, how often in 30 days."""
    return 30 / kind.every / COUNTS.get(kind.letter, 1)
