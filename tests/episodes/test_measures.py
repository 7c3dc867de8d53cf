"""What is measured of hours, against the obvious loop; what must hold beside; what is not known."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import episodes, standards
from analytics.episodes.measures import MEASURED, MEASURES, window
from analytics.frames import TIME
from analytics.tables import TableError
from tests.rows import EPISODE

T0 = datetime.fromisoformat("2026-01-05T00:00:00+00:00")
HOUR = timedelta(hours=1)
Values = Sequence[float | None]
STATIONS = pl.DataFrame(
    {"station": [1], "offset": [480]}, schema={"station": pl.Int32, "offset": pl.Int16}
).with_columns(pl.lit([], standards.PLACES).alias("places"))

#: measure -> what it makes of the values of a window, the last of them that of the hour, None where there is none
LOOPS: Mapping[str, Callable[[list[float], float | None], float | None]] = {
    "newest": lambda there, own: there[-1],
    "highest": lambda there, own: max(there),
    "lowest": lambda there, own: min(there),
    "mean": lambda there, own: sum(there) / len(there),
    "total": lambda there, own: sum(there),
    "rise": lambda there, own: None if own is None else own - min(there),
    "fall": lambda there, own: None if own is None else max(there) - own,
    "spread": lambda there, own: max(there) - min(there),
    "times": lambda there, own: (
        None if own is None or sum(there) - own <= 0 else own * (len(there) - 1) / (sum(there) - own)
    ),
}


def spoken(values: Mapping[str, Values], station: int = 1, averaging: str = "hour") -> pl.DataFrame:
    """Values of successive hours by parameter; None is missing."""
    rows = [
        (station, parameter, averaging, T0 + hour * HOUR, float(value))
        for parameter, each in values.items()
        for hour, value in enumerate(each)
        if value is not None
    ]
    schema = {"station": pl.Int32(), "parameter": pl.String(), "averaging": pl.String(), "time": TIME}
    return pl.DataFrame(rows, schema=schema | {"value": pl.Float64()}, orient="row")


def rule(**changes: Any) -> dict[str, episodes.Rule]:
    return episodes.parse({"rule": {**EPISODE, "levels": [10], "off": [5], **changes}})


def said(rows: pl.DataFrame, events: pl.DataFrame | None = None, **changes: Any) -> str:
    """A letter an hour: # beyond the level, + beyond the off line, - quiet, blank where nothing is said."""
    made = episodes.conditions(rows, STATIONS, rule(**changes), events)
    out = [" "] * 40
    for time, over, hold in made.select("time", "over", "hold").iter_rows():
        out[(time - T0) // HOUR] = "#" if over else "+" if hold else "-"
    return "".join(out).rstrip()


def test_every_measure_has_its_loop() -> None:
    assert {"value", *LOOPS} == set(MEASURES)


hours = st.lists(st.one_of(st.none(), st.integers(0, 40).map(lambda x: x / 4)), min_size=1, max_size=30)


@settings(max_examples=120, deadline=None)
@given(hours, st.sampled_from(sorted(LOOPS)), st.integers(2, 9), st.integers(1, 4))
def test_a_measure_is_that_of_the_obvious_loop(values: Values, name: str, length: int, least: int) -> None:
    least = max(least, MEASURES[name].least)
    asked = pl.DataFrame({"station": [1] * len(values), "time": [T0 + h * HOUR for h in range(len(values))]})
    asked = asked.cast({"station": pl.Int32, "time": TIME})
    own = spoken({"pm25": values}).select(*MEASURED)
    made = {
        (time - T0) // HOUR: value
        for time, value in window(own, asked, name, length, least).select("time", "value").rows()
    }
    expected = {}
    for hour, value in enumerate(values):
        there = [x for x in values[max(0, hour - length + 1) : hour + 1] if x is not None]
        found = LOOPS[name](there, value) if len(there) >= least else None
        if found is not None:
            expected[hour] = round(found, 6)
    assert made == pytest.approx(expected, abs=1.1e-6)


@settings(max_examples=80, deadline=None)
@given(hours, hours, st.sampled_from(sorted(LOOPS)), st.integers(2, 9), st.integers(0, 30))
def test_nothing_matters_from_further_back(pm25: Values, rain: Values, name: str, length: int, cut: int) -> None:
    """Law 3: an hour says the same whatever is loaded before `Rule.back`."""
    also = [{"parameter": "rain", "averaging": "hour", "measure": name, "window": length, "direction": "above"}]
    given_ = {"also": [{**also[0], "level": 5, "off": 2}], "measure": "rise", "window": 4}
    rows, (one,) = spoken({"pm25": pm25, "rain": rain}), rule(**given_).values()
    first = T0 + cut * HOUR
    whole = episodes.conditions(rows, STATIONS, {"rule": one}).filter(pl.col("time") >= first)
    part = episodes.conditions(rows.filter(pl.col("time") >= first - one.back), STATIONS, {"rule": one})
    assert part.filter(pl.col("time") >= first).equals(whole)


def test_a_rise_is_above_the_lowest_of_its_window() -> None:
    assert said(spoken({"pm25": [1, 2, 13, 13, 13, 13]}), measure="rise", window=3) == " -##--"


def test_what_must_hold_beside() -> None:
    """Of two others one is enough: the one is on from hour 2, the other in hour 5 alone."""
    also = [
        {"parameter": "no2", "averaging": "hour", "direction": "above", "level": 1, "off": 0},
        {"parameter": "o3", "averaging": "hour", "direction": "below", "level": 3, "off": 4},
    ]
    rows = spoken({"pm25": [20] * 8, "no2": [0, 1, 2, 1, 0, 0, 0, 0], "o3": [9, 9, 9, 9, 9, 2, 3, 4]})
    assert said(rows, also=also, least=1) == "-+#+-#+-"
    assert said(rows, also=also) == "--------"


def test_what_is_not_known_beside_is_as_if_it_were_missing() -> None:
    also = [
        {"parameter": "no2", "averaging": "hour", "direction": "above", "level": 1, "off": 1},
        {"parameter": "o3", "averaging": "hour", "direction": "above", "level": 1, "off": 1},
    ]
    rows = spoken(
        {"pm25": [20, 20, 20, 20, 20, 1], "no2": [2, 2, 0, 0, None, None], "o3": [2, None, None, 0, None, None]}
    )
    assert said(rows, also=also, least=1) == "## - -"
    assert said(rows, also=also) == "# -- -"


def test_a_newest_value_stands_for_its_window() -> None:
    """An analyser that says something every four hours."""
    also = [{"parameter": "nh3n", "averaging": "hour", "direction": "above", "level": 1, "off": 1}]
    rows = spoken({"pm25": [20] * 8, "nh3n": [2, None, None, None, 0, None, None, None]})
    assert said(rows, also=also) == "#   -"
    assert said(rows, also=[{**also[0], "measure": "newest", "window": 4}]) == "####----"


def test_ratios_and_differences() -> None:
    ratio = [{"parameter": "pm25", "averaging": "hour", "per": "no2", "direction": "above", "level": 3, "off": 2}]
    rows = spoken({"pm25": [20, 20, 20, 20], "no2": [5, 8, 10, 0]})
    assert said(rows, also=ratio) == "#+-"  # by nothing nothing can be divided
    around = spoken({"pm25": [9, 12, 18]}, averaging="background")
    assert said(pl.concat([rows, around]), minus="pm25/background") == "#+-"


def test_outside_of_planned_events_all_is_quiet() -> None:
    events = [(1, "fireworks", 1, 3), (None, "fireworks", 5, 6), (2, "fireworks", 0, 8), (1, "works", 0, 8)]
    rows = [(station, kind, T0 + a * HOUR, T0 + b * HOUR) for station, kind, a, b in events]
    planned = pl.DataFrame(rows, schema=dict(episodes.PLANNED), orient="row")
    assert said(spoken({"pm25": [20] * 8}), planned, planned="fireworks") == "-##--#--"
    assert said(spoken({"pm25": [20] * 8}), planned="fireworks") == "--------"


def test_it_reaches_back_as_far_as_its_longest_window() -> None:
    also = [{"parameter": "rain", "averaging": "hour", "measure": "total", "window": 24, "direction": "above"}]
    (one,) = rule(also=[{**also[0], "level": 5, "off": 2}], measure="rise", window=6).values()
    assert one.back == 23 * HOUR
    assert one.facts == {("pm25", "hour"), ("rain", "hour")}
    assert [str(term) for term in one.terms] == ["rise of pm25/hour in 6 h", "total of rain/hour in 24 h"]
    assert rule()["rule"].back == timedelta(0)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"measure": "sum", "window": 3}, "'measure' cannot be 'sum'"),
        ({"measure": "rise"}, "go with a measure"),
        ({"window": 3}, "go with a measure"),
        ({"values": 3}, "go with a measure"),
        ({"measure": "rise", "window": 745}, "'window' must be 1 to 744"),
        ({"measure": "rise", "window": 3, "values": 1}, "'values' 2 to 'window'"),
        ({"measure": "rise", "window": 3, "values": 4}, "'values' 2 to 'window'"),
        ({"per": "pm10"}, "levels of a ratio have no unit"),
        ({"least": 1}, "'least' cannot be 1"),
        ({"also": [{"parameter": "no2"}]}, "'also' 1: 'averaging' is missing"),
        ({"also": [7]}, "'also' 1: must be a table"),
        (
            {"also": [{"parameter": "a", "averaging": "b", "direction": "above", "level": 1, "off": 2}]},
            "no off line lie beyond",
        ),
        (
            {"also": [{"parameter": "a", "averaging": "b", "direction": "above", "level": 1, "off": 1}], "least": 0},
            "'least' cannot be 0",
        ),
    ],
)
def test_a_term_that_cannot_be_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(TableError, match=words):
        rule(**changes)
