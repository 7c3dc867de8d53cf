"""One seed is one district, any window of it the same; it is complete and says that it is made up."""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from analytics import parameters
from analytics.synthetic import District, plan
from analytics.synthetic.happenings import TRUTH
from analytics.synthetic.layout import PREFIX
from analytics.synthetic.quantities import QUANTITIES
from tests.synthetic.period import DAY, FOUR_HOURS, HOUR, KEY, MINUTE, START, STOP, TEN


def test_a_seed_gives_one_district_and_another_gives_another() -> None:
    one, same, other = (District(seed).readings(STOP - 6 * HOUR, STOP, TEN) for seed in (5, 5, 6))
    assert_frame_equal(one, same, check_exact=True)
    assert one.join(other, on=[*KEY, "value"]).height < 0.2 * one.height


def test_the_district_is_frozen(made: District) -> None:
    """Work to come is judged on seeds nobody has seen: whoever changes a seed changes them all, and must want to."""
    digest = hashlib.sha256()
    for cadence in (MINUTE, TEN, FOUR_HOURS):
        digest.update(made.readings(STOP - 4 * HOUR, STOP, cadence).sort(KEY).write_csv().encode())
    digest.update(made.truth(START, STOP).write_csv().encode())
    digest.update(made.forecast(STOP - 6 * HOUR, STOP).write_csv().encode())
    assert digest.hexdigest() == "0613fb7f7f2812e30dca947ed179ca68b9e44c02923e0b04589e1a5c8483af49"


def test_any_window_equals_the_same_window_of_the_whole(tens: pl.DataFrame, fours: pl.DataFrame) -> None:
    for cadence, whole in ((TEN, tens), (FOUR_HOURS, fours)):
        check_windows(whole, cadence, START, STOP)


def test_any_window_of_minutes_equals_the_same_window_of_the_whole(made: District) -> None:
    start = STOP - DAY
    check_windows(made.readings(start, STOP, MINUTE).sort(KEY), MINUTE, start, STOP)


def check_windows(whole: pl.DataFrame, cadence: int, start: datetime, stop: datetime) -> None:
    last = int((stop - start) / timedelta(minutes=1))

    @settings(max_examples=8, deadline=None, derandomize=True)
    @given(st.integers(0, last - 1), st.integers(1, 2000))
    def check(first: int, length: int) -> None:
        low, high = start + timedelta(minutes=first), min(start + timedelta(minutes=first + length), stop)
        part = District(11).readings(low, high, cadence).sort(KEY)
        assert_frame_equal(part, whole.filter(pl.col("time") >= low, pl.col("time") < high), check_exact=True)

    check()


def test_what_falls_due_does_not_depend_on_how_often_one_asks(made: District) -> None:
    start = STOP - 2 * DAY
    whole = made.deliveries(start, STOP, TEN)
    edges = [start + timedelta(minutes=minutes) for minutes in (0, 7, 180, 181, 1000, 2880)]
    parts = [made.deliveries(low, high, TEN) for low, high in pairwise(edges)]
    order = ["due", *KEY]
    assert_frame_equal(pl.concat(parts).sort(order), whole.sort(order), check_exact=True)


def test_a_larger_district_begins_with_the_smaller_one(made: District) -> None:
    start = STOP - 3 * HOUR
    few, many = (District(11, scale=scale).readings(start, STOP, MINUTE).sort(KEY) for scale in (1, 3))
    codes = [site.code for site in made.stations()]
    assert_frame_equal(many.filter(pl.col("station").is_in(codes)), few, check_exact=True)
    assert many["station"].n_unique() == 3 * few["station"].n_unique() > 100
    part = made.stations(5)
    assert {site.letter for site in part} == {"A", "V", "W", "N", "S"}
    alone = made.readings(start, STOP, MINUTE, part).sort(KEY)
    assert_frame_equal(alone, few.filter(pl.col("station").is_in([site.code for site in part])), check_exact=True)


def test_the_district_is_read_at_its_own_cadences_only(made: District) -> None:
    with pytest.raises(ValueError, match="not every 3600"):
        made.readings(START, STOP, 3600)


# Said to be synthetic, and complete


def test_everything_says_that_it_is_synthetic(made: District) -> None:
    registry, zones = made.registry(), made.zones()
    for frame, code in ((registry, "station"), (zones, "zone")):
        assert frame[code].str.starts_with(PREFIX).all()
        assert frame["title"].str.contains("Synthetic").all()
        assert frame["title_zh"].str.contains("合成").all()
    places = registry.select(pl.col("^member:(district|grid|street|river)$"))
    assert all(places[name].replace("", None).drop_nulls().str.contains("合成").all() for name in places.columns)


def test_forty_stations_measure_what_the_tables_know(made: District, tens: pl.DataFrame, fours: pl.DataFrame) -> None:
    assert len(made.stations()) == 40
    known = parameters.load()
    registry = made.registry()
    assert set(registry["parameter"]) == set(QUANTITIES) <= known.keys()
    registered = registry.select(
        "station",
        pl.concat_str(
            "parameter", pl.when(pl.col("position") != "").then(pl.format("@{}", "position")).otherwise(pl.lit(""))
        ).alias("parameter"),
        "cadence",
    ).unique()
    for frame, cadence in ((tens, "10m"), (fours, "4h")):
        read = frame.select("station", "parameter").unique()
        assert read.join(registered.filter(cadence=cadence), on=["station", "parameter"], how="anti").is_empty()
        assert read.height == registered.filter(cadence=cadence).height
    kinds = dict(registry.select("station", "member:noise_zone").filter(pl.col("member:noise_zone") != "").iter_rows())
    assert sorted(kinds.values()) == ["0", "1", "2", "3", "4a", "4b"]
    assert set(registry["member:water_body"]) == {"", "river", "lake"}


@pytest.mark.parametrize("month", [1, 4, 8, 11])
def test_every_season_and_seed_has_a_decent_mix(month: int) -> None:
    stop = datetime(2026, month, 15, tzinfo=UTC)
    for seed in (1, 2):
        found = District(seed).truth(stop - 60 * DAY, stop)
        assert found.schema == TRUTH
        assert (found["start"] < found["stop"]).all()
        assert (found["stop"] <= stop).all()
        kinds = set(found["kind"])
        faults = {kind.kind for kind in plan.PLAN if kind.group == plan.FAULT}
        assert kinds >= faults | {"haze", "dust", "fireworks", "local_source", "voc_leak", "ammonia_pulse"}
        assert kinds >= {"oxygen_sag", "black_odour", "night_peak", "night_construction", "pipe_leak"}
        if month == 8:
            assert kinds >= {"ozone_day", "storm_runoff", "dry_down", "over_watering", "algal_bloom"}
        assert {"event", "fault"} == set(found["class"])
        counts = dict(found.group_by("class").len().iter_rows())
        assert counts["event"] > 60
        assert counts["fault"] > 200


def test_the_plan_is_one_row_a_kind_and_place() -> None:
    names = [(kind.kind, kind.letter, kind.parameters) for kind in plan.PLAN]
    assert len(set(names)) == len(names)
    rates: dict[str, float] = {}
    for kind in plan.PLAN:
        rates[kind.kind] = rates.get(kind.kind, 0) + plan.rate(kind)
    assert rates["outage"] == pytest.approx(30 * (1 / 80 + 1 / 100 + 3 / 78 + 0 + 1 / 90), rel=0.2)
    check: Callable[[plan.Kind], bool] = lambda kind: kind.hours[0] <= kind.hours[1] and kind.size[0] <= kind.size[1]  # noqa: E731
    assert all(check(kind) for kind in plan.PLAN)
