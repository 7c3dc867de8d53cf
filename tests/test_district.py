"""The made-up district: one seed one district, any window of it the same, and its truth is what was put in."""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from analytics import parameters
from analytics.synthetic import District, almanac, instruments, plan, weather
from analytics.synthetic.happenings import TRUTH
from analytics.synthetic.layout import CHANNELS, PREFIX, Site
from analytics.synthetic.quantities import QUANTITIES

TEN, MINUTE, FOUR_HOURS = 600, 60, 14_400
KEY = ["station", "parameter", "time"]
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
#: Of the district that most tests look at: two months into summer rain.
STOP = datetime(2026, 7, 18, 4, 20, tzinfo=UTC)
START = STOP - 40 * DAY
Rows = dict[str, Any]


@pytest.fixture(scope="module")
def made() -> District:
    return District(11)


@pytest.fixture(scope="module")
def tens(made: District) -> pl.DataFrame:
    return made.readings(START, STOP, TEN).sort(KEY)


@pytest.fixture(scope="module")
def fours(made: District) -> pl.DataFrame:
    return made.readings(START, STOP, FOUR_HOURS).sort(KEY)


@pytest.fixture(scope="module")
def truth(made: District) -> pl.DataFrame:
    return made.truth(START, STOP)


@pytest.fixture(scope="module")
def sound(made: District) -> pl.DataFrame:
    """What the same instruments would have read without a fault."""
    at = np.arange(almanac.minutes(START), almanac.minutes(STOP), 10, dtype=np.int64)
    parts = []
    for letter in CHANNELS:
        sites = [site for site in made.stations() if site.letter == letter]
        values, _ = instruments.sound(made.world, 1, sites, at, 10)
        codes = pl.Series("station", np.repeat([site.code for site in sites], at.size))
        for name, found in values.items():
            frame = {"time": almanac.times(np.tile(at, len(sites))), "value": found.reshape(-1)}
            parts.append(pl.DataFrame({"station": codes, **frame}).with_columns(parameter=pl.lit(name)))
    return pl.concat(parts).select(*KEY, "value").sort(KEY)


def some(
    frame: pl.DataFrame, row: Rows, parameter: str | None = None, *, wide: timedelta = timedelta()
) -> pl.DataFrame:
    """The rows of `frame` at the station and in the time of the truth `row`, `wide` on both sides."""
    name = parameter or row["parameter"]
    here = (pl.col("time") >= row["start"] - wide) & (pl.col("time") < row["stop"] + wide)
    return frame.filter(here, station=row["station"], **({"parameter": name} if name else {}))


def each(truth: pl.DataFrame, kind: str, **only: str) -> list[Rows]:
    """Truth rows of `kind`; there are some, and they were not cut."""
    found = truth.filter(pl.col("start") > START, pl.col("stop") < STOP, kind=kind, **only).to_dicts()
    assert found, kind
    return found


def mean(frame: pl.DataFrame) -> float:
    value = frame["value"].mean()
    assert isinstance(value, float)
    return value


def highest(frame: pl.DataFrame) -> float:
    return float(frame.select(pl.max("value")).item())


def local(hour: int) -> pl.Expr:
    return pl.col("time").dt.offset_by("8h").dt.hour() == hour


# One seed, one district


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


# Faults: all of them are in the truth, and nothing else is


def test_outside_of_the_truth_sound_instruments_speak(
    tens: pl.DataFrame, sound: pl.DataFrame, truth: pl.DataFrame
) -> None:
    joined = sound.join(tens, on=KEY, how="left", suffix="_read")
    other = joined.filter(pl.col("value").ne_missing(pl.col("value_read")))
    faults = truth.filter(pl.col("class") == "fault", ~pl.col("kind").is_in(["late", "duplicate"]))
    everywhere = faults.filter(pl.col("parameter").is_null()).drop("parameter")
    single = faults.filter(pl.col("parameter").is_not_null())
    left = other
    for spans, keys in ((everywhere, ["station"]), (single, ["station", "parameter"])):
        hit = left.join(spans.select(*keys, "start", "stop"), on=keys)
        hit = hit.filter(pl.col("time") >= pl.col("start"), pl.col("time") < pl.col("stop"))
        left = left.join(hit, on=KEY, how="anti")
    assert other.height > 5000
    assert left.is_empty()


def test_silence(tens: pl.DataFrame, truth: pl.DataFrame) -> None:
    for kind in ("outage", "gap"):
        for row in each(truth, kind):
            if row["parameter"] not in ("codmn", "nh3n", "tp", "tn"):
                assert some(tens, row).is_empty()
                assert some(tens, row, wide=HOUR).height > 0


def test_stuck_is_really_equal(tens: pl.DataFrame, fours: pl.DataFrame, truth: pl.DataFrame) -> None:
    for row in each(truth, "stuck"):
        frame = fours if row["parameter"] in ("codmn", "nh3n", "tp", "tn") else tens
        values = some(frame, row)["value"]
        assert values.len() > 4
        assert values.n_unique() == 1
        before = frame.filter(pl.col("time") < row["start"], station=row["station"], parameter=row["parameter"])
        assert before["value"][-1] == values[0]


def test_broken_instruments_say_the_impossible_and_nothing_else_does(
    tens: pl.DataFrame, fours: pl.DataFrame, truth: pl.DataFrame
) -> None:
    known = parameters.load()
    spans = {name: known[name.partition("@")[0]].quality["gross_range"]["fail"] for name in tens["parameter"].unique()}
    spans |= {name: known[name].quality["gross_range"]["fail"] for name in fours["parameter"].unique()}
    both = pl.concat([tens, fours])
    low, high = (pl.col("parameter").replace_strict({n: float(s[i]) for n, s in spans.items()}) for i in (0, 1))
    impossible = both.filter((pl.col("value") < low) | (pl.col("value") > high))
    told = [some(both, row) for row in each(truth, "range")]
    assert_frame_equal(impossible.sort(KEY), pl.concat(told).sort(KEY))


@pytest.mark.parametrize("kind", ["offset", "drift", "spike"])
def test_what_is_added_is_what_the_truth_says(
    kind: str, tens: pl.DataFrame, sound: pl.DataFrame, truth: pl.DataFrame
) -> None:
    for row in each(truth, kind):
        joined = some(tens, row).join(some(sound, row), on=KEY, suffix="_sound").sort("time")
        added = joined["value"] - joined["value_sound"]
        quantity = QUANTITIES[row["parameter"].partition("@")[0]]
        free = joined["value"].is_between(quantity.low, quantity.high, closed="none")
        slack = 2 * 10.0**-quantity.decimals
        if kind == "drift":
            assert abs(added[0]) <= slack + abs(row["magnitude"]) / 100
            assert added[-1] == pytest.approx(row["magnitude"], rel=0.02, abs=slack) or not free[-1]
        else:
            assert ((added.filter(free) - row["magnitude"]).abs() <= slack).all()
        assert (added != 0).any()


def test_a_pair_is_inverted_and_a_wet_inlet_reads_high(
    tens: pl.DataFrame, sound: pl.DataFrame, truth: pl.DataFrame
) -> None:
    for row in each(truth, "inverted_pair", parameter="pm25"):
        fine, coarse = (some(tens, row, name).sort("time")["value"] for name in ("pm25", "pm10"))
        assert (fine > coarse).sum() > 0.95 * fine.len()
    ratios = []
    for row in each(truth, "humidity_artefact", parameter="pm25"):
        humid = some(sound, row, "relative_humidity").rename({"value": "humidity"}).drop("parameter")
        joined = some(tens, row).join(some(sound, row), on=KEY, suffix="_sound").join(humid, on=["station", "time"])
        dry, wet = joined.filter(pl.col("humidity") < 75), joined.filter(pl.col("humidity") > 92)
        assert (dry["value"] == dry["value_sound"]).all()
        ratios += (wet["value"] / wet["value_sound"]).to_list()
    assert min(ratios) > 1.15


def test_a_slow_clock_tells_what_comes_later(tens: pl.DataFrame, sound: pl.DataFrame, truth: pl.DataFrame) -> None:
    for row in each(truth, "clock"):
        behind = timedelta(minutes=row["magnitude"])
        told = some(tens, row).with_columns(pl.col("time") + behind)
        assert_frame_equal(told, sound.join(told.select(KEY), on=KEY, how="semi"), check_exact=True)
        assert row["magnitude"] in (20, 30, 40, 50, 60)


def test_late_rows_come_at_the_end_and_repeated_rows_again(made: District, truth: pl.DataFrame) -> None:
    row = each(truth, "late")[0]
    came = made.deliveries(row["start"] - HOUR, row["stop"] + HOUR, TEN)
    kept = some(came, row)
    assert kept.height > 10
    assert (kept["due"] == row["stop"]).all()
    assert came.filter(pl.col("due") > pl.col("time"), pl.col("station") == row["station"]).height == kept.height
    row = each(truth, "duplicate")[0]
    came = some(made.deliveries(row["start"] - HOUR, row["stop"] + HOUR, TEN), row)
    twice = came.group_by(*KEY, "value").agg(pl.len(), (pl.col("due") - pl.col("time")).sort().alias("after"))
    assert (twice["len"] == 2).all()
    assert twice["after"].to_list() == [[timedelta(), timedelta(minutes=10)]] * twice.height


# Events: what happened shows


def lifted(frame: pl.DataFrame, row: Rows, name: str) -> float:
    """How far the middle of an event stands above the hours around it."""
    third = (row["stop"] - row["start"]) / 3
    core = dict(row, start=row["start"] + third, stop=row["stop"] - third)
    around = some(frame, row, name, wide=6 * HOUR).join(some(frame, row, name, wide=HOUR), on=KEY, how="anti")
    return mean(some(frame, core, name)) - mean(around)


def unspoiled(truth: pl.DataFrame, rows: list[Rows]) -> list[Rows]:
    """Those of `rows` about which no fault is known at their station."""
    faults = truth.filter(pl.col("class") == "fault").to_dicts()
    return [
        row
        for row in rows
        if not any(
            fault["station"] == row["station"]
            and fault["start"] < row["stop"] + 12 * HOUR
            and fault["stop"] > row["start"] - 12 * HOUR
            for fault in faults
        )
    ]


def test_a_source_shows_at_its_station_and_down_the_wind(sound: pl.DataFrame, truth: pl.DataFrame) -> None:
    rows = each(truth, "local_source")
    assert any("arrives of" in row["note"] for row in rows)
    for row in rows:
        if row["magnitude"] > 30:
            assert lifted(sound, row, "pm25") > 0.4 * row["magnitude"]


def test_leaks_keep_work_hours(sound: pl.DataFrame, truth: pl.DataFrame) -> None:
    for row in each(truth, "voc_leak"):
        during = some(sound, row).with_columns(pl.col("time").dt.offset_by("8h").alias("clock"))
        working = (pl.col("clock").dt.weekday() <= 5) & pl.col("clock").dt.hour().is_in([10, 11, 14, 15])
        night = pl.col("clock").dt.hour().is_in([1, 2, 3])
        assert mean(during.filter(working)) > mean(during.filter(night)) + 0.3 * row["magnitude"]


def test_an_ozone_day_is_above_its_neighbours(sound: pl.DataFrame, truth: pl.DataFrame) -> None:
    ozone = (
        sound.filter(local(14), parameter="o3").group_by(pl.col("time").dt.date().alias("day")).agg(pl.mean("value"))
    )
    days = {row["start"].date() for row in each(truth, "ozone_day")}
    on, off = ozone.filter(pl.col("day").is_in(list(days))), ozone.filter(~pl.col("day").is_in(list(days)))
    assert mean(on) > mean(off) + 40


def test_loads_of_ammonia_travel_downstream(made: District, fours: pl.DataFrame, truth: pl.DataFrame) -> None:
    rows = each(truth, "ammonia_pulse")
    sources = [row for row in rows if "arrives of" not in row["note"]]
    for source in sources:
        arrived = [row for row in rows if row["note"].endswith(source["station"]) and row["start"] > source["start"]]
        assert all(row["magnitude"] < source["magnitude"] for row in arrived)
    for row in unspoiled(truth, sources):
        assert highest(some(fours, row, "nh3n")) > 0.35 * row["magnitude"]


def test_oxygen_sags_and_black_water(sound: pl.DataFrame, truth: pl.DataFrame) -> None:
    for row in each(truth, "oxygen_sag"):
        around = some(sound, row, wide=DAY).join(some(sound, row), on=KEY, how="anti")
        assert -highest(some(sound, row).with_columns(-pl.col("value"))) < (1.15 - row["magnitude"]) * mean(around)
    black = truth.filter(pl.col("magnitude") > 8, kind="black_odour").to_dicts()
    assert black
    for row in black:
        core = dict(row, start=row["start"] + 20 * HOUR, stop=row["stop"] - 20 * HOUR)
        assert mean(some(sound, core, "dissolved_oxygen")) < 2


def test_storms_reach_the_lower_sections_later(made: District, sound: pl.DataFrame, truth: pl.DataFrame) -> None:
    rows = each(truth, "storm_runoff")
    assert {row["magnitude"] >= 9 for row in rows} == {True}
    peaks: dict[datetime, dict[str, datetime]] = {}
    kinds = {site.code: site.kind for site in made.stations()}
    storms = [row for row in rows if kinds[row["station"]] == "upper" and row["magnitude"] > 15]
    assert storms
    for storm in storms:
        for code, kind in kinds.items():
            if kind in ("upper", "middle", "lower"):
                wide = dict(storm, station=code, stop=storm["stop"] + 6 * HOUR)
                best = some(sound, wide, "turbidity").sort("value").tail(1)
                assert best["value"].item() > 60
                peaks.setdefault(storm["start"], {})[kind] = best["time"].item()
    later = [peak["upper"] < peak["lower"] for peak in peaks.values()]
    assert sum(later) >= len(later) - 1


def test_nights_are_disturbed(sound: pl.DataFrame, truth: pl.DataFrame) -> None:
    for row in each(truth, "night_peak"):
        around = some(sound, row, "lafmax", wide=2 * HOUR).join(some(sound, row, "lafmax"), on=KEY, how="anti")
        assert highest(some(sound, row, "lafmax")) > mean(around) + 5
    for row in each(truth, "night_construction"):
        nights = sound.filter(local(1), station=row["station"], parameter="laeq")
        noisy = some(sound, row, "laeq").filter(local(1))
        assert noisy.is_empty() or mean(noisy) > nights.select(pl.median("value")).item() + 6


def test_soil_dries_floods_and_leaks(made: District, sound: pl.DataFrame, truth: pl.DataFrame) -> None:
    log = made.waterings(START, STOP)
    zones = {row["probe"]: row for row in made.zones().to_dicts()}
    assert log["zone"].is_in([zone["zone"] for zone in zones.values()]).all()
    areas = {zone["zone"]: zone["area"] for zone in zones.values()}
    volume = pl.col("depth") / 1000 * pl.col("zone").replace_strict(areas)
    assert log.select((pl.col("volume") - volume).abs().max()).item() < 0.1
    for row in truth.filter(kind="dry_down").to_dicts():
        inside = log.filter(pl.col("start") >= row["start"], pl.col("start") < row["stop"])
        assert inside.filter(zone=zones[row["station"]]["zone"]).is_empty()
    for row in each(truth, "over_watering"):
        inside = log.filter(pl.col("start") >= row["start"], pl.col("start") < row["stop"])
        days = (row["stop"] - row["start"]) // DAY
        assert inside.filter(zone=zones[row["station"]]["zone"]).height >= days
    for row in truth.filter(kind="pipe_leak").to_dicts():
        before = dict(row, start=row["start"] - DAY, stop=row["start"])
        deep = some(sound, row, "soil_moisture@-0.4")
        if row["start"] > START + DAY:
            assert highest(deep) > mean(some(sound, before, "soil_moisture@-0.4")) + 0.03


# Physics


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


def test_the_plan_is_one_row_a_kind_and_place() -> None:
    names = [(kind.kind, kind.letter, kind.parameters) for kind in plan.PLAN]
    assert len(set(names)) == len(names)
    rates: dict[str, float] = {}
    for kind in plan.PLAN:
        rates[kind.kind] = rates.get(kind.kind, 0) + plan.rate(kind)
    assert rates["outage"] == pytest.approx(30 * (1 / 80 + 1 / 100 + 3 / 78 + 0 + 1 / 90), rel=0.2)
    check: Callable[[plan.Kind], bool] = lambda kind: kind.hours[0] <= kind.hours[1] and kind.size[0] <= kind.size[1]  # noqa: E731
    assert all(check(kind) for kind in plan.PLAN)
