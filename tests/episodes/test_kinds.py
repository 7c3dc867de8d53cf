"""Each kind of episode of the table, by an example whose answer is seen by eye, and by one that is none."""

from collections.abc import Mapping, Sequence

import polars as pl
import pytest

from analytics import averaging, episodes, parameters, standards
from tests.episodes.test_measures import HOUR, T0, spoken

RULES = episodes.load()
Hours = Sequence[float | None]


def every(step: int, *values: float) -> list[float | None]:
    """A value every `step` hours."""
    return [value if at == 0 else None for value in values for at in range(step)]


def dry(days: int, start: float, loss: float) -> list[float]:
    """Soil that loses the share `loss` of what is above 0.1 each hour."""
    return [round(0.1 + (start - 0.1) * (1 - loss) ** hour, 4) for hour in range(24 * days)]


#: rule -> what was measured (parameter, or parameter/averaging: hours from local 8 on), its first and last hour
KINDS: dict[str, tuple[Mapping[str, Hours], tuple[int, int]]] = {
    "dust": ({"pm10": [60] * 6 + [300, 600, 400, 160, 90], "pm25": [40] * 11}, (6, 9)),
    "pm25_day": ({"pm25/expected_day": [100, 150, 160, 120, 80, 70]}, (2, 4)),
    "pm25_local": ({"pm25": [40, 90, 120, 60, 40], "pm25/background": [40, 45, 40, 38, 40]}, (1, 3)),
    "haze": ({"pm25/background": [40, 60, 80, 95, 120, 130, 90, 80, 76, 60, 50]}, (2, 9)),
    "voc_rise": ({"tvoc": [0.1] * 12 + [0.2, 0.7, 0.9, 0.8, 0.7, 0.3, 0.1]}, (13, 16)),
    "oxygen_sag": ({"dissolved_oxygen": [8, 7.5, 6, 4.8, 2.6, 2, 4, 5.2, 6, 7]}, (3, 7)),
    "oxygen_low": ({"dissolved_oxygen": [6, 2.9, 2.5, 4, 5.5]}, (1, 3)),
    "ammonia_pulse": ({"nh3n": every(4, 0.3, 0.3, 2.5, 1.5, 0.6, 0.4)}, (8, 12)),
    "storm_runoff": ({"turbidity": [10, 12, 60, 200, 90, 40, 22], "rain": [0, 5, 8, 0, 0, 0, 0]}, (2, 5)),
    "mine_drainage": ({"ph": [7, 5.8, 5, 4.2, 6, 7], "conductivity": [600, 1100, 1500, 1600, 1200, 700]}, (1, 4)),
    "black_odour": (
        {"nh3n": every(4, 2, 9, 16, 10, 4), "dissolved_oxygen": [3] * 4 + [1] * 16},
        (4, 12),
    ),
    "flood_rise": ({"water_level": [1, 1, 1.2, 1.6, 2.1, 2.2, 2.2]}, (3, 6)),
    "soil_saturation": ({"soil_moisture": [0.4] * 60}, (35, 59)),
    "soil_dry_down": ({"soil_moisture": dry(12, 0.25, 0.006)}, (227, 287)),
    "noise_event": ({"laeq": [None] * 14 + [45, 44, 43, 52, 53, 52, 51, 44, 43]}, (17, 19)),
    "noise_peak": ({"laeq": [None] * 14 + [45, 44, 66, 45, 44]}, (16, 16)),
    "fireworks": ({"pm25": [40] * 9 + [60, 180, 300, 200, 90, 60]}, (10, 12)),
    "stuck_pm25": ({"pm25": [31, 35, 33, 33, 33, 33, 33, 33, 36]}, (6, 7)),
    "stuck_no2": ({"no2": [31, 35, 33, 33, 33, 33, 33, 33, 36]}, (6, 7)),
    "stuck_o3": ({"o3": [31, 33, 33, 33, 33, 33, 33, 33, 36]}, (7, 7)),
    "stuck_dissolved_oxygen": ({"dissolved_oxygen": [8.1, 8, 8, 8, 8, 8, 7.9]}, (5, 5)),
    "stuck_laeq": ({"laeq": [51, 50, 50, 50, 50, 52]}, (4, 4)),
    "drift_pm25": ({"pm25": [70] * 300, "pm25/background": [40] * 300}, (251, 299)),
    "drift_pm10": ({"pm10": [90] * 300, "pm10/background": [60] * 300}, (251, 299)),
    "tamper_pm25": ({"pm25": [110, 30, 25, 30, 28, 90], "pm25/background": [115] * 6}, (1, 4)),
    "tamper_pm10": ({"pm10": [110, 30, 25, 30, 28, 90], "pm10/background": [115] * 6}, (1, 4)),
}
UNUSUAL = {rule.name: rule.parameter for rule in RULES.values() if rule.about == episodes.ANOMALY}
KINDS |= {name: ({f"{of}/score": [0, 0, 1.2, 0, 0, 3, 1, 0, 0]}, (2, 6)) for name, of in UNUSUAL.items()}
#: what comes near to one and is none
NONE: Mapping[str, tuple[str, Mapping[str, Hours]]] = {
    "haze is no dust": ("dust", {"pm10": [60] * 6 + [300, 600, 400], "pm25": [40] * 6 + [250, 500, 350]}),
    "dust that was there before does not come": ("dust", {"pm10": [160] * 12, "pm25": [40] * 12}),
    "what all around have is not from nearby": ("pm25_local", {"pm25": [40, 150], "pm25/background": [40, 140]}),
    "haze that is thicker here": ("pm25_local", {"pm25": [200, 240], "pm25/background": [180, 180]}),
    "an hour that jumps": ("anomaly_pm25", {"pm25/score": [0, 5, 0, 0, 0, 0]}),
    "an evening of it is no haze": ("haze", {"pm25/background": [40, 90, 95, 90, 80, 50]}),
    "vapours that are always there": ("voc_rise", {"tvoc": [0.9, 1.1] * 15}),
    "oxygen that is always low does not sag": ("oxygen_sag", {"dissolved_oxygen": [4.5] * 40}),
    "turbid water without rain is no run-off": ("storm_runoff", {"turbidity": [10, 90, 200], "rain": [0, 0, 0]}),
    "turbid water of which no rain is known": ("storm_runoff", {"turbidity": [10, 90, 200]}),
    "acid water that is fresh": ("mine_drainage", {"ph": [7, 5, 5], "conductivity": [100, 90, 80]}),
    "ammonia in living water": ("black_odour", {"nh3n": [9, 9, 9], "dissolved_oxygen": [7, 7, 7]}),
    "watered soil": ("soil_dry_down", {"soil_moisture": dry(4, 0.25, 0.02) * 4}),
    "clean air of a detection limit": ("stuck_no2", {"no2": [0.5] * 12}),
    "clean air around": ("tamper_pm25", {"pm25": [30, 3, 3, 3, 3], "pm25/background": [30] * 5}),
    "always lower than those around": ("tamper_pm25", {"pm25": [20] * 9, "pm25/background": [90] * 9}),
    "the morning is louder than the night": ("noise_event", {"laeq": [None] * 20 + [45, 53, 57, 58, 60]}),
}


def episodes_of(rule: str, said: Mapping[str, Hours]) -> list[tuple[int, int]]:
    """First and last hour of each episode, at a station of zone 1 whose clock shows 8 at hour 0; all evenings are
    feasts."""
    rows = []
    for name, hours in said.items():
        parameter, _, averaged = name.partition("/")
        rows.append(spoken({parameter: list(hours)}, averaging=averaged or "hour"))
    places = [{"place": "noise_zone:1", "since": None, "until": None}]
    stations = pl.DataFrame({"station": [1], "offset": [480]}, schema={"station": pl.Int32, "offset": pl.Int16})
    stations = stations.with_columns(pl.Series("places", [places], dtype=standards.PLACES))
    feast = pl.DataFrame([(None, "fireworks", T0, T0 + 99 * HOUR)], schema=dict(episodes.PLANNED), orient="row")
    made = episodes.runs(episodes.conditions(pl.concat(rows), stations, {rule: RULES[rule]}, feast))
    return [((start - T0) // HOUR, (stop - T0) // HOUR - 1) for start, stop in made.select("time", "stop").rows()]


@pytest.mark.parametrize("rule", KINDS)
def test_a_kind_is_found_where_it_is(rule: str) -> None:
    said, hours = KINDS[rule]
    assert episodes_of(rule, said) == [hours]


@pytest.mark.parametrize("case", NONE)
def test_what_comes_near_is_none(case: str) -> None:
    assert episodes_of(*NONE[case]) == []


def test_every_rule_that_is_more_than_lines_has_its_example() -> None:
    plain = {name for name, rule in RULES.items() if rule.plain}
    assert RULES.keys() - plain <= KINDS.keys() <= RULES.keys()


def test_all_that_rules_rest_on_is_there() -> None:
    episodes.check(RULES, parameters.load(), averaging.load())


def test_a_peak_is_beyond_its_limit_by_fifteen_decibels() -> None:
    """GB 3096-2008, 5.4; the limits themselves are those of `noise_night`."""
    night, peak = RULES["noise_night"].lines, RULES["noise_peak"].lines
    assert {zone: lines.levels[0] + 15 for zone, lines in night.items()} == {
        zone: lines.levels[0] for zone, lines in peak.items()
    }
