"""Regions: what belongs together, in what order it came, against the obvious loop; and whose pollution it is."""

from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import episodes, regions
from analytics.episodes.expected import EXPECTED
from analytics.episodes.rules import SAID, SCORE
from analytics.frames import EPISODES, TIME
from analytics.tables import TableError

T0 = datetime.fromisoformat("2026-01-05T00:00:00+00:00")
HOUR = timedelta(hours=1)
#: Of the meridian [km].
DEGREE = 111.195
REACH = {"rule": regions.Reach("rule", radius=11.0, lag=2, least=2)}


def places(*kilometres: float | None) -> pl.DataFrame:
    """Stations 1, 2, ... so far up one meridian; None: nobody knows where."""
    rows = [
        (number, None if k is None else 116.0, None if k is None else 40 + k / DEGREE)
        for number, k in enumerate(kilometres, start=1)
    ]
    schema = {"station": pl.Int32, "longitude": pl.Float64, "latitude": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def drawn(*lines: str, rule: str = "rule") -> pl.DataFrame:
    """Episodes: a line a station, a digit an hour and its level, runs of them an episode; the dose is their sum."""
    rows: list[dict[str, Any]] = []
    for station, line in enumerate(lines, start=1):
        hour = 0
        for part in line.replace(".", " . ").split():
            if part != ".":
                levels = [int(letter) for letter in part]
                top = hour + levels.index(max(levels))
                rows.append(
                    {
                        "station": station,
                        "rule": rule,
                        "time": T0 + hour * HOUR,
                        "stop": T0 + (hour + len(part)) * HOUR,
                        "level": max(levels),
                        "closed": True,
                        "peak": 10.0 * max(levels),
                        "peak_time": T0 + top * HOUR,
                        "dose": float(sum(levels)),
                        "count": len(part),
                        "levels": "[]",
                    }
                )
            hour += len(part)
    return pl.DataFrame(rows, schema=dict(EPISODES))


def hour(time: datetime) -> int:
    return (time - T0) // HOUR


def test_a_front_comes_from_station_to_station() -> None:
    """Ten kilometres apart each, and each two hours later: 1 and 3 are too far for one another, 2 joins them."""
    found = regions.merge(
        drawn(
            "1121......",
            "..2232....",
            "......11..",
        ),
        places(0, 10, 20),
        REACH,
    )
    (region,) = found.regions.to_dicts()
    assert (hour(region["time"]), hour(region["stop"]), region["station"], region["stations"]) == (0, 8, 1, 3)
    assert (region["level"], region["worst"], region["peak"], hour(region["peak_time"])) == (3, 2, 30.0, 4)
    assert (hour(region["broadest"]), region["most"], hour(region["arrived"])) == (2, 2, 6)
    assert (region["dose"], region["core"], region["closed"]) == (16.0, 2, True)
    members = found.members.select("station", "arrival", "order", "hours", "presence", "core").rows()
    assert members == [(1, 0, 1, 4, 0.5, True), (2, 2, 2, 4, 0.5, True), (3, 6, 3, 2, 0.25, False)]


def test_too_far_in_place_or_time_is_another() -> None:
    apart = regions.merge(
        drawn("11.......11", "11.......11", "11.........", "11........."), places(0, 5, 50, 55), REACH
    )
    assert [(row["station"], hour(row["time"]), row["stations"]) for row in apart.regions.to_dicts()] == [
        (1, 0, 2),
        (3, 0, 2),
        (1, 9, 2),
    ]
    assert apart.parts.select("region", "station").rows() == [(0, 1), (0, 2), (1, 3), (1, 4), (2, 1), (2, 2)]


def test_the_lag_is_from_the_end_of_one_to_the_begin_of_the_other() -> None:
    assert regions.merge(drawn("11.....", "....11."), places(0, 5), REACH).regions.height == 1
    assert regions.merge(drawn("11.....", ".....11"), places(0, 5), REACH).regions.height == 0


def test_one_station_alone_is_no_region_however_often() -> None:
    assert regions.merge(drawn("11.11.11"), places(0), REACH).regions.height == 0


def test_those_at_one_place_of_two_rules_are_strangers() -> None:
    both = pl.concat([drawn("11", "11"), drawn("11", "11", rule="other")])
    assert regions.merge(both, places(0, 5), REACH).regions["rule"].to_list() == ["rule"]
    two = REACH | {"other": regions.Reach("other", 11.0, 2, 2)}
    assert regions.merge(both, places(0, 5), two).regions["rule"].to_list() == ["other", "rule"]


def test_who_is_nowhere_is_near_to_none() -> None:
    assert regions.near(places(0, None, 5), 11).rows() == [(1, 1), (1, 3), (2, 2), (3, 1), (3, 3)]
    assert regions.near(places(None), 11).rows() == [(1, 1)]
    assert regions.merge(drawn("11", "11"), places(0, None), REACH).regions.height == 0


def test_nothing_is_in_no_region() -> None:
    none = regions.merge(drawn(), places(0), REACH)
    assert none.regions.schema == pl.Schema(regions.REGIONS)
    assert none.members.schema == pl.Schema(regions.MEMBERS)
    assert none.parts.is_empty()
    assert regions.merge(drawn("11", "11"), places(0, 5), {}).regions.is_empty()


lines = st.lists(st.text(".1", min_size=14, max_size=14), min_size=2, max_size=5)


@settings(max_examples=150, deadline=None)
@given(lines, st.lists(st.integers(0, 30), min_size=5, max_size=5), st.integers(0, 4), st.randoms())
def test_what_belongs_together_is_that_of_the_obvious_loop(
    drawing: list[str], kilometres: list[int], lag: int, chance: Any
) -> None:
    made = drawn(*drawing)
    where = places(*(float(k) for k in kilometres))
    rows = made.select("station", "time", "stop").rows()
    group = list(range(len(rows)))
    for _ in rows:
        for a, (one, begin, end) in enumerate(rows):
            for b, (other, start, stop) in enumerate(rows):
                close = abs(kilometres[one - 1] - kilometres[other - 1]) < 10.5
                if close and begin <= stop + lag * HOUR and start <= end + lag * HOUR:
                    group[a] = group[b] = min(group[a], group[b])
    expected = {
        frozenset(rows[i][:2] for i in range(len(rows)) if group[i] == g)
        for g in set(group)
        if len({rows[i][0] for i in range(len(rows)) if group[i] == g}) >= 2
    }
    reach = {"rule": regions.Reach("rule", 10.5, lag, 2)}
    order = list(range(made.height))
    chance.shuffle(order)
    found = regions.merge(made[order], where, reach)
    assert {frozenset(part.select("station", "time").rows()) for _, part in found.parts.group_by("region")} == expected
    whole = regions.merge(made, where, reach)  # law 2: in any order
    assert all(a.equals(b) for a, b in zip(found, whole, strict=True))


def hours(*values: list[float | None]) -> pl.DataFrame:
    """station, parameter, time, value: a list a station."""
    rows = [
        (station, "pm25", T0 + at * HOUR, float(value))
        for station, each in enumerate(values, start=1)
        for at, value in enumerate(each)
        if value is not None
    ]
    schema = {"station": pl.Int32(), "parameter": pl.String(), "time": TIME, "value": pl.Float64()}
    return pl.DataFrame(rows, schema=schema, orient="row")


def test_the_background_is_the_median_of_the_others() -> None:
    rows = hours([100, 100, None], [10, 20, 30], [30, None, 30], [20, 20, 60])
    made = regions.background(rows, regions.near(places(0, 1, 2, 3), 11), least=3)
    mine = made.filter(station=1)
    assert [(hour(time), value) for time, value in mine.select("time", "value").rows()] == [(0, 20.0), (2, 30.0)]
    assert made["averaging"].unique().to_list() == [regions.BACKGROUND]
    assert regions.background(rows, regions.near(places(0, 1, 2, 90), 11), least=3).is_empty()


def test_ours_or_the_neighbours() -> None:
    """Station 1 has 100 where the others around have 20: four fifths are its own. Station 2 has what all have."""
    made = drawn("222.", "222.")
    rows = hours([100, 100, 100, 999], [30, 20, 10, 999], [20, 20, 20, 0], [20, 20, 20, 0])
    pairs = regions.near(places(0, 1, 2, 3), 11)
    found = regions.shares(made, rows, pairs, {"rule": "pm25"})
    assert found.select("station", "hours", "value", "background").rows() == [(1, 3, 100.0, 20.0), (2, 3, 20.0, 20.0)]
    assert found["share"].to_list() == [0.8, pytest.approx(10 / 60, abs=1e-6)]
    assert found["around"].to_list() == ["2,3,4", "1,3,4"]
    assert regions.shares(made, rows, pairs.filter(pl.col("other") < 3), {"rule": "pm25"}).is_empty()  # too few


def test_names_of_regions_follow_their_stations() -> None:
    """Late data at station 2 join two regions: the name of the one with more station-hours stays."""
    before = regions.merge(drawn("11.........", "11......111", "........111"), places(0, 5, 10), REACH).parts
    after = regions.merge(drawn("11.........", "11111111111", "........111"), places(0, 5, 10), REACH).parts
    named = before.rename({"region": "name"}).with_columns(pl.lit(value=False).alias("gone"))
    found = episodes.name(named.select(list(episodes.NAMED)), after.rename({"region": "key"}), first=9)
    assert found.names.rows() == [(0, 1)]
    assert found.events.select("name", "event", "other").rows() == [(0, "merged into", 1), (1, "extended", None)]


def test_the_table_is_about_rules_that_there_are() -> None:
    assert regions.load().keys() <= episodes.load().keys()
    assert {regions.BACKGROUND, EXPECTED, SCORE} == set(SAID)


@pytest.mark.parametrize("changes", [{"radius": 0}, {"lag": -1}, {"least": 1}, {"radius": "far"}, {"more": 1}])
def test_a_table_that_cannot_be_is_refused(changes: dict[str, Any]) -> None:
    record = {"radius": 60, "lag": 6, "least": 3, "source": "OWN", "confidence": "memory_low", **changes}
    with pytest.raises(TableError, match=r"regions: \[rule\]"):
        regions.parse({"rule": record})
