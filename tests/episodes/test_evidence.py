"""What is kept beside an episode, what the day will be, feasts: each seen by eye."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import episodes, tables
from analytics.episodes.expected import LEAST
from analytics.frames import TIME
from analytics.synthetic import almanac
from analytics.tables import TableError
from tests.episodes.test_measures import HOUR, STATIONS, T0, Values, rule, spoken


def hour(time: datetime | None) -> int | None:
    return None if time is None else (time - T0) // HOUR


def test_evidence_is_what_each_term_said() -> None:
    also = [{"parameter": "no2", "averaging": "hour", "direction": "below", "level": 5, "off": 6}]
    rows = spoken({"pm25": [1, 12, 40, 30, 7, 1, 1, 1], "no2": [9, 4, 3, 2, 5, 0, 0, 0]})
    rules = rule(also=also)
    made = episodes.runs(episodes.conditions(rows, STATIONS, rules))
    first, second = episodes.evidence(made, rows, rules).to_dicts()
    assert (first["words"], first["first"], first["worst"], first["last"], first["count"]) == (
        "pm25/hour",
        12,
        40,
        7,
        4,
    )
    assert (hour(first["time"]), hour(first["worst_time"])) == (1, 2)
    assert (second["term"], second["first"], second["worst"], hour(second["worst_time"])) == (1, 4, 2, 3)
    assert episodes.evidence(made.clear(), rows, rules).schema == pl.Schema(episodes.EVIDENCE)


def test_where_a_term_said_nothing_there_is_none() -> None:
    also = [
        {"parameter": name, "averaging": "hour", "direction": "above", "level": 1, "off": 1} for name in ("no2", "o3")
    ]
    rows, rules = spoken({"pm25": [20], "no2": [2]}), rule(also=also, least=1)
    found = episodes.evidence(episodes.runs(episodes.conditions(rows, STATIONS, rules)), rows, rules)
    assert found.select("term", "first", "count").rows() == [(0, 20, 1), (1, 2, 1), (2, None, 0)]


def test_rain_is_lent_to_who_has_none() -> None:
    rows = pl.concat([spoken({"rain": [1, 2]}, 1), spoken({"turbidity": [5]}, 2), spoken({"rain": [7]}, 3)])
    loans = pl.DataFrame(
        {"station": [2, 3], "lender": [1, 1], "parameter": ["rain", "rain"]},
        schema={"station": pl.Int32, "lender": pl.Int32, "parameter": pl.String},
    )
    found = episodes.lent(rows, loans).filter(parameter="rain").sort("station", "time")
    assert found.select("station", "value").rows() == [(1, 1), (1, 2), (2, 1), (2, 2), (3, 7)]


def foreseen(values: Values, issues: Mapping[int, Sequence[float]], fresh: int = 6) -> dict[int, float]:
    """`expected` of a station at UTC+8 whose hour 0 is its local midnight; `issues` by the hour before which they were
    issued."""
    start = T0 - 8 * HOUR
    said = [(1, "pm25", start + h * HOUR, float(v)) for h, v in enumerate(values) if v is not None]
    told = [
        (1, "pm25", start + at * HOUR, start + (at + lead) * HOUR, float(v))
        for at, each in issues.items()
        for lead, v in enumerate(each)
    ]
    key: dict[str, Any] = {"station": pl.Int32(), "parameter": pl.String()}
    hours = pl.DataFrame(said, schema={**key, "time": TIME, "value": pl.Float64()}, orient="row")
    made = pl.DataFrame(told, schema={**key, "issued": TIME, "time": TIME, "value": pl.Float64()}, orient="row")
    found = episodes.expected(hours, made, STATIONS, fresh=fresh)
    assert set(found["averaging"]) <= {"expected_day"}
    return {(time - start) // HOUR: value for time, value in found.select("time", "value").rows()}


def test_the_day_is_what_was_measured_and_what_is_to_come() -> None:
    """Twelve hours of 100; before hour 6 the forecast says 20 for what is left, before hour 12 it says 200."""
    made = foreseen([100] * 12, {6: [20] * 30, 12: [200] * 30})
    assert made[5] == (6 * 100 + 18 * 20) / 24
    assert made[10] == pytest.approx((11 * 100 + 13 * 20) / 24, abs=1e-6)  # hours 11 to 23, of the issue of hour 6
    assert made[11] == (12 * 100 + 12 * 200) / 24
    assert min(made) == 5  # before that nobody said anything of the rest


def test_an_old_forecast_says_nothing_and_a_day_needs_its_hours() -> None:
    assert min(foreseen([100] * 24, {2: [50] * 40}, fresh=3)) == 1
    assert max(hour for hour in foreseen([100] * 12, {2: [50] * 40}, fresh=3)) == 4
    assert foreseen([100] * 24, {}) == dict.fromkeys(range(LEAST - 1, 24), 100.0)
    assert foreseen([100] * (LEAST - 1), {}) == {}


def test_the_next_day_begins_anew() -> None:
    made = foreseen([100] * 24 + [10] * 2, {24: [10] * 24, 25: [10] * 24})
    assert (made[23], made[24], made[25]) == (100.0, 10.0, 10.0)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.none(), st.integers(0, 99)), min_size=24, max_size=60), st.integers(1, 4))
def test_it_is_that_of_the_obvious_loop(values: Values, every: int) -> None:
    issues = {at: [float((at * 7 + lead * 3) % 50) for lead in range(24)] for at in range(0, len(values) + 1, every)}
    expected = {}
    for now, value in enumerate(values):
        if value is None:
            continue
        issued = max(at for at in issues if at <= now + 1)
        day = range(now // 24 * 24, now // 24 * 24 + 24)
        there = [float(v) for h in day if h <= now and (v := values[h]) is not None]
        there += [issues[issued][h - issued] for h in day if h > now and 0 <= h - issued < 24]
        if len(there) >= LEAST:
            expected[now] = round(sum(there) / len(there), 6)
    assert foreseen(values, issues, fresh=4) == pytest.approx(expected, abs=1.1e-6)


def test_the_evening_before_the_first_day_is_a_feast() -> None:
    rows = episodes.feasts(tables.read("feasts"), 480)
    assert rows.schema == pl.Schema(episodes.PLANNED)
    eve = datetime.fromisoformat("2026-02-16T17:00:00+08:00")
    found = rows.filter(start=eve).row(0, named=True)
    assert (found["kind"], found["station"], found["stop"] - eve) == ("fireworks", None, timedelta(hours=13))


def test_feasts_are_those_of_the_made_up_district() -> None:
    """Two lists of the same days: the district's, that it may never change, and the service's."""
    firsts = [(date.fromisoformat(text) - date(1970, 1, 1)).days for text in _firsts()]
    assert set(almanac.spring_days()) <= set(firsts)


def _firsts() -> list[str]:
    content = tables.read("feasts")
    assert isinstance(content, dict)
    return list(content["spring_festival"]["firsts"])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"firsts": ["2026-02-30"]}, "'firsts' cannot be '2026-02-30'"),
        ({"firsts": [7]}, "'firsts' cannot be 7"),
        ({"start": 30, "stop": 17}, "'start' must lie before 'stop'"),
        ({"kind": 7}, "'kind' cannot be 7"),
    ],
)
def test_a_feast_that_cannot_be_is_refused(changes: dict[str, Any], words: str) -> None:
    content = tables.read("feasts")
    assert isinstance(content, dict)
    with pytest.raises(TableError, match=words):
        episodes.feasts({"feast": {**content["spring_festival"], **changes}}, 480)
