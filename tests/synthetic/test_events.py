"""Events: what the truth says happened shows in the readings."""

from datetime import datetime

import polars as pl

from analytics.synthetic import District
from tests.synthetic.period import DAY, HOUR, KEY, START, STOP, Rows, each, highest, local, mean, some


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
