"""The made-up winter: the same for a seed, as physics allows, and with exactly the faults its truth names."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from analytics import parameters
from analytics.synthetic import DECIMALS, FAULTS, OFFSET, TRUTH, Winter, winter

BEGIN = datetime(2025, 11, 30, 16, tzinfo=UTC)


@pytest.fixture(scope="module")
def made() -> Winter:
    return winter(7)


def timed(wide: pl.DataFrame) -> pl.DataFrame:
    """`wide` with its texts as times in UTC."""
    return wide.with_columns(pl.col("time").str.to_datetime("%Y-%m-%dT%H:%M:%S%z", time_unit="us"))


def during(made: Winter, fault: dict[str, Any]) -> pl.DataFrame:
    """The rows of the station of `fault` while it lasted."""
    return timed(made.wide).filter(
        pl.col("station") == fault["station"], pl.col("time") >= fault["start"], pl.col("time") < fault["stop"]
    )


def faults(made: Winter, kind: str) -> list[dict[str, Any]]:
    found = made.truth.filter(kind=kind).to_dicts()
    assert found
    return found


def without_faults(made: Winter) -> pl.DataFrame:
    """Long rows (station, time, parameter, value) that no fault of a sensor touched."""
    long = timed(made.wide).unpivot(index=["station", "time"], variable_name="parameter").drop_nulls("value")
    bad = made.truth.filter(pl.col("kind").is_in(FAULTS), pl.col("parameter").is_not_null()).select(
        "station", "parameter", pl.datetime_ranges("start", "stop", "1h", closed="left").alias("time")
    )
    return long.join(bad.explode("time"), on=["station", "parameter", "time"], how="anti")


def test_a_seed_gives_one_winter() -> None:
    one, two, other = winter(3, days=20), winter(3, days=20), winter(4, days=20)
    assert_frame_equal(one.wide, two.wide, check_exact=True)
    assert_frame_equal(one.truth, two.truth)
    assert not one.wide.equals(other.wide)


def test_a_station_more_leaves_the_air_of_the_others_alone() -> None:
    few, many = (without_faults(winter(5, stations=count, days=15)) for count in (2, 3))
    both = few.join(many, on=["station", "time", "parameter"])
    assert both.height > 2 * 15 * 24 * 9
    assert (both["value"] == both["value_right"]).all()


def test_the_default_winter_has_both_editions(made: Winter) -> None:
    days = made.wide["time"].str.slice(0, 10)
    assert (days.min(), days.max()) == ("2025-12-01", "2026-03-10")


def test_every_hour_has_an_offset_and_is_there_but_for_outages(made: Winter) -> None:
    assert made.wide["time"].str.ends_with(f"+{OFFSET // 60:02}:00").all()
    silent = made.truth.filter(kind="outage").select((pl.col("stop") - pl.col("start")).dt.total_hours().sum()).item()
    assert made.wide.height == 12 * 100 * 24 - silent
    assert made.wide.select("station", "time").is_unique().all()
    assert timed(made.wide)["time"].min() == BEGIN


def test_titles_say_synthetic_in_both_languages(made: Winter) -> None:
    assert made.stations["title"].str.starts_with("Synthetic").all()
    assert made.stations["title_zh"].str.contains("合成").all()
    assert made.stations["station"].str.starts_with("SYN-").all()
    assert made.stations["station"].is_unique().all()


@pytest.mark.parametrize("name", DECIMALS)
def test_what_no_fault_touched_is_physically_possible(made: Winter, name: str) -> None:
    low, high = parameters.load()[name].quality["gross_range"]["fail"]
    values = without_faults(made).filter(parameter=name)["value"]
    assert values.is_finite().all()
    assert values.is_between(max(low, -60), high).all()
    if name not in ("air_temperature",):
        assert (values >= 0).all()


def test_directions_are_below_360(made: Winter) -> None:
    assert (made.wide["wind_direction"] < 360).all()


def test_there_is_always_more_pm10_than_pm25(made: Winter) -> None:
    rows = without_faults(made)
    pairs = rows.filter(parameter="pm25").join(rows.filter(parameter="pm10"), on=["station", "time"])
    assert pairs.height > 28_000
    assert (pairs["value_right"] > pairs["value"]).all()


def test_a_stuck_sensor_repeats_the_reading_before(made: Winter) -> None:
    for fault in faults(made, "stuck"):
        parameter = str(fault["parameter"])
        fault["start"] = fault["start"] - timedelta(hours=1)
        values = during(made, fault)[parameter]
        assert len(values) > 24
        assert values.n_unique() == 1


def test_nothing_else_is_stuck(made: Winter) -> None:
    repeats = without_faults(made).filter(parameter="pm25").sort("station", "time")
    same = pl.all_horizontal(pl.col("value") == pl.col("value").shift(n).over("station") for n in range(1, 7))
    assert not repeats.select(same.any()).item()


def test_an_outage_has_no_rows_and_a_gap_no_values(made: Winter) -> None:
    for fault in faults(made, "outage"):
        assert during(made, fault).is_empty()
    hours = 0
    for fault in faults(made, "gap"):
        rows = during(made, fault)
        assert rows[str(fault["parameter"])].is_null().all()
        hours += rows.height
    assert made.wide.select(pl.sum_horizontal(pl.col(list(DECIMALS)).null_count())).item() == hours


def test_spikes_stand_out_and_broken_instruments_say_the_impossible(made: Winter) -> None:
    for fault in faults(made, "spike"):
        parameter = str(fault["parameter"])
        limit = parameters.load()[parameter].quality["spike"]["suspect"]
        around = dict(fault, start=fault["start"] - timedelta(hours=1), stop=fault["stop"] + timedelta(hours=1))
        before, value, after = during(made, around)[parameter]
        assert value - (before + after) / 2 > 0.5 * limit
    for fault in faults(made, "range"):
        parameter = str(fault["parameter"])
        low, high = parameters.load()[parameter].quality["gross_range"]["fail"]
        assert not during(made, fault)[parameter].is_between(low, high).any()


def test_haze_is_shared_dust_is_coarse_and_fireworks_are_at_midnight(made: Winter) -> None:
    fine = without_faults(made).filter(parameter="pm25").pivot("station", index="time", values="value").drop_nulls()
    assert fine.select(pl.corr("SYN-01", "SYN-10", method="spearman")).item() > 0.8
    dust = made.truth.filter(kind="dust").row(0, named=True)
    hour = timed(made.wide).filter(pl.col("time") == dust["start"] + timedelta(hours=11))
    assert (hour["pm10"] > 300).all()
    assert (hour["pm25"] < 100).all()
    new_year = made.wide.filter(pl.col("time").is_in(["2026-02-17T00:00:00+08:00", "2026-02-16T18:00:00+08:00"]))
    evening, midnight = (
        new_year.filter(pl.col("time").str.starts_with(day)).select(pl.median("pm25")).item()
        for day in ("2026-02-16", "2026-02-17")
    )
    assert midnight > 2 * evening


def test_traffic_and_sun_shape_the_day(made: Winter) -> None:
    hours = made.wide.group_by(pl.col("time").str.slice(11, 2).alias("hour")).agg(pl.col("no2", "o3").median())
    by = {hour: (no2, o3) for hour, no2, o3 in hours.iter_rows()}
    assert by["08"][0] > 1.3 * by["12"][0]
    assert by["18"][0] > 1.3 * by["14"][0]
    assert by["13"][1] > 2 * by["04"][1]


def test_fronts_bring_wind_and_clear_the_air(made: Winter) -> None:
    rows = timed(made.wide)
    for front in made.truth.filter(kind="front").to_dicts()[1:-1]:
        before = rows.filter(pl.col("time").is_between(front["start"] - timedelta(hours=8), front["start"]))
        after = rows.filter(
            pl.col("time").is_between(front["start"] + timedelta(hours=7), front["start"] + timedelta(hours=12))
        )
        for rise, name in ((-1, "pm25"), (1, "wind_speed")):
            change = after.select(pl.median(name)).item() - before.select(pl.median(name)).item()
            assert rise * change > 0


@pytest.mark.parametrize(("stations", "days"), [(1, 1), (1, 3), (30, 2), (2, 40)])
def test_any_size_of_winter(stations: int, days: int) -> None:
    made = winter(0, stations, date(2024, 2, 28), days)
    assert made.truth.schema == TRUTH
    assert made.wide["station"].n_unique() == stations
    end = datetime(2024, 2, 27, 16, tzinfo=UTC) + timedelta(days=days)
    assert (made.truth["stop"] <= end).all()


@pytest.mark.parametrize(("stations", "days"), [(0, 1), (1, 0)])
def test_no_winter_without_station_or_day(stations: int, days: int) -> None:
    with pytest.raises(ValueError, match="has stations and days"):
        winter(0, stations, days=days)
