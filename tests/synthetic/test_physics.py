"""Physics: sun, weather, traffic and water shape the readings of the district as they do elsewhere."""

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from analytics.synthetic import District, almanac, instruments, weather
from analytics.synthetic.layout import CHANNELS, Site
from tests.synthetic.period import DAY, HOUR, KEY, MINUTE, START, STOP, TEN, Rows, local, mean


@pytest.mark.parametrize("month", [1, 4, 7, 10])
def test_an_ordered_episode_is_on_at_any_season(month: int) -> None:
    stop = datetime(2026, month, 21, 7, 37, tzinfo=UTC)
    made = District(month, stop)
    sites = [site for site in made.stations() if site.letter == "A"]
    fine = made.readings(stop - 30 * HOUR, stop + 30 * HOUR, TEN, sites).filter(parameter="pm25")
    for end in (stop, stop + 30 * HOUR):
        last = fine.filter(pl.col("time") >= end - DAY, pl.col("time") < end).group_by("station").agg(pl.mean("value"))
        assert (last["value"] > 150).sum() >= 8
    onset = fine.filter(pl.col("time") < stop - 29 * HOUR)
    assert onset.select((pl.col("value") > 115).mean()).item() > 0.8
    truth = made.truth(stop - DAY, stop + DAY)
    assert {(row["start"], row["stop"]) for row in each_haze(truth)} == {(stop - DAY, stop + DAY)}


def each_haze(truth: pl.DataFrame) -> list[Rows]:
    return truth.filter(kind="haze").to_dicts()


def test_haze_is_shared_and_creeps_in_from_the_south(made: District, sound: pl.DataFrame) -> None:
    fine = sound.filter(parameter="pm25").pivot("station", index="time", values="value").sort("time")
    assert fine.select(pl.corr("SYN-A01", "SYN-A10", method="spearman")).item() > 0.8
    at = np.arange(almanac.minutes(START), almanac.minutes(STOP), 10, dtype=np.int64)
    sky = weather.fields(made.world, int(at[0]), int(at[-1]) + 20)
    growing = (sky.at("still", at) > 0.1) & (sky.at("front", at) < 0.05)
    south, north = (site_of(made, name) for name in ("lakeside", "hillside"))
    assert south.y < -5 < 5 < north.y
    change = {
        site.code: np.convolve(np.log(fine[site.code].to_numpy()), np.ones(36) / 36, "same") for site in (south, north)
    }
    lags = range(-12, 13)
    fit = [
        np.corrcoef(
            change[south.code][12:-12][growing[12:-12]], np.roll(change[north.code], -lag)[12:-12][growing[12:-12]]
        )[0, 1]
        for lag in lags
    ]
    assert lags[int(np.argmax(fit))] > 0


def site_of(made: District, name: str) -> Site:
    return next(site for site in made.stations() if site.letter == "A" and site.title.endswith(name))


def test_traffic_sun_and_weekends_shape_the_day(sound: pl.DataFrame) -> None:
    def at(parameter: str, hour: int) -> float:
        return mean(sound.filter(local(hour), parameter=parameter))

    assert at("no2", 8) > 1.3 * at("no2", 12)
    assert at("o3", 14) > 2 * at("o3", 4)
    assert at("air_temperature", 15) > at("air_temperature", 5) + 4
    assert at("laeq", 10) > at("laeq", 3) + 6
    assert at("dissolved_oxygen", 16) > at("dissolved_oxygen", 5)
    assert at("solar_radiation", 1) < 1
    weekend = pl.col("time").dt.offset_by("8h").dt.weekday() >= 6
    rush = sound.filter(local(8), parameter="no2")
    assert mean(rush.filter(~weekend)) > 1.15 * mean(rush.filter(weekend))


def test_fronts_clear_the_air_and_rain_washes_it(made: District, sound: pl.DataFrame) -> None:
    fine = sound.filter(parameter="pm25").group_by("time").agg(pl.median("value")).sort("time")
    drops = 0
    known = [
        front for front in weather.fronts(made.world, almanac.minutes(START), almanac.minutes(STOP)) if front.peak > 40
    ]
    inside = [front for front in known if START + DAY < almanac.moment(front.at) < STOP - DAY]
    for front in inside:
        at = almanac.moment(front.at)
        before = fine.filter(pl.col("time").is_between(at - 8 * HOUR, at - HOUR))
        after = fine.filter(pl.col("time").is_between(at + 7 * HOUR, at + 14 * HOUR))
        drops += mean(after) < 0.7 * mean(before)
    assert drops >= len(inside) - 1 >= 1
    wind = sound.filter(parameter="wind_speed")
    assert all(
        mean(wind.filter(pl.col("time").is_between(almanac.moment(f.at), almanac.moment(f.at) + 9 * HOUR))) > mean(wind)
        for f in inside
        if f.strength > 0.8
    )


def test_dust_is_coarse() -> None:
    for seed in range(1, 4):
        made = District(seed)
        stop = datetime(2026, 5, 1, tzinfo=UTC)
        for row in made.truth(stop - 40 * DAY, stop).filter(kind="dust").to_dicts():
            middle = row["start"] + (row["stop"] - row["start"]) / 2
            sites = [site for site in made.stations() if site.letter == "A"]
            rows = made.readings(middle - HOUR, middle + HOUR, TEN, sites)
            fine, coarse = (rows.filter(parameter=name)["value"].median() for name in ("pm25", "pm10"))
            assert isinstance(fine, float)
            assert isinstance(coarse, float)
            assert coarse > 5 * fine
            return
    raise AssertionError("no dust in three springs")


def test_minutes_agree_with_their_tens(made: District) -> None:
    start = STOP - DAY
    minutes, tens = (made.readings(start, STOP, cadence) for cadence in (MINUTE, TEN))
    means = minutes.group_by("station", "parameter", pl.col("time").dt.truncate("10m")).agg(
        pl.mean("value").alias("mean"), pl.sum("value").alias("sum"), pl.len()
    )
    both = tens.join(means.filter(pl.col("len") == 10), on=KEY)
    rain = both.filter(parameter="rain")
    assert (rain["value"] - rain["sum"]).abs().max() == pytest.approx(0, abs=1e-9)
    for name, near in (("pm25", 8), ("air_temperature", 0.5), ("laeq", 4), ("soil_moisture@-0.1", 0.005), ("ph", 0.1)):
        far = both.filter(parameter=name).select((pl.col("value") - pl.col("mean")).abs().quantile(0.95)).item()
        assert far < near


def test_water_wets_the_soil_from_above_and_it_dries_again(made: District, sound: pl.DataFrame) -> None:
    probes = {row["zone"]: row["probe"] for row in made.zones().to_dicts()}
    rises = []
    for row in made.waterings(START + DAY, STOP - DAY).filter(zone="SYN-Z01").to_dicts():
        shallow = sound.filter(station=probes[row["zone"]], parameter="soil_moisture@-0.1")
        before = shallow.filter(pl.col("time") == row["start"])["value"].item()
        after = shallow.filter(pl.col("time") == row["start"] + 6 * HOUR)["value"].item()
        rises.append(after - before)
    assert len(rises) > 5
    assert np.median(rises) > 0.015


def test_frozen_soil_is_not_seen() -> None:
    made = District(4)
    stop = datetime(2026, 1, 30, tzinfo=UTC)
    sites = [site for site in made.stations() if site.letter == "S"]
    day = made.readings(stop - 10 * DAY, stop, TEN, sites).group_by("parameter").agg(pl.col("value").median())
    median = dict(day.iter_rows())
    assert median["soil_temperature@-0.1"] < 0
    assert median["soil_moisture@-0.1"] < 0.7 * median["soil_moisture@-0.4"]


def test_half_years_of_soil_meet_without_a_jump() -> None:
    for edge in (datetime(2026, 7, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)):
        made = District(8)
        sites = [site for site in made.stations() if site.letter == "S"]
        at = np.array([almanac.minutes(edge) - 10, almanac.minutes(edge)])
        values, _ = instruments.sound(made.world, 1, sites, at, 10)
        for name in CHANNELS["S"]:
            assert np.abs(np.diff(values[name])).max() < (0.012 if "moisture" in name else 0.3)


def test_a_forecast_is_the_worse_the_farther_it_looks(made: District) -> None:
    start = STOP - 20 * DAY
    ahead = made.forecast(start, STOP - 3 * DAY)
    assert ahead["issued"].dt.hour().is_in([0, 6, 12, 18]).all()
    leads = (pl.col("valid") - pl.col("issued")).dt.total_hours()
    assert ahead.select(leads.min(), leads.max().alias("most")).row(0) == (1, 72)
    sites = [site for site in made.stations() if site.letter == "M"]
    hours = (
        made.readings(start, STOP, TEN, sites)
        .group_by("station", "parameter", pl.col("time").dt.truncate("1h").alias("valid"))
        .agg(pl.mean("value").alias("seen"))
    )
    joined = ahead.join(hours, on=["station", "parameter", "valid"]).with_columns(lead=leads)
    day = pl.col("valid").dt.hour().is_in([2, 4, 6])
    joined = joined.filter(day | (pl.col("parameter") != "solar_radiation"))
    for name in ("air_temperature", "relative_humidity", "wind_speed", "air_pressure", "solar_radiation"):
        error = [
            joined.filter(pl.col("lead").is_between(low, low + 5), parameter=name)
            .select((pl.col("value") - pl.col("seen")).abs().mean())
            .item()
            for low in (1, 20, 67)
        ]
        assert error[0] < error[1] < error[2], name
    part = District(11).forecast(start + 3 * DAY, start + 5 * DAY)
    inside = pl.col("issued").is_between(start + 3 * DAY, start + 5 * DAY, closed="left")
    assert_frame_equal(part, ahead.filter(inside), check_exact=True)
    night = ahead.filter(pl.col("valid").dt.hour() == 17, parameter="solar_radiation")
    assert (night["value"] == 0).all()


def test_the_sun_is_where_it_should_be() -> None:
    def noon(month: int, day: int) -> int:
        return almanac.minutes(datetime(2026, month, day, 4, 14, tzinfo=UTC))

    for day, degrees in (((6, 21), 73.5), ((12, 21), 26.7), ((3, 20), 50.0)):
        height = np.degrees(np.arcsin(almanac.sun(np.array([noon(*day)]))[0]))
        assert height == pytest.approx(degrees, abs=0.8)
    assert almanac.weekday(np.array([almanac.minutes(datetime(2026, 11, 22, 16, tzinfo=UTC))]))[0] == 0
    assert almanac.year_day(np.array([almanac.minutes(datetime(2025, 12, 31, 16, tzinfo=UTC))]))[0] == 0
