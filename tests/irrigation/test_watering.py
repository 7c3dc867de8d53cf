"""Waterings seen: by a meter, by a rise of the root zone that no rain explains; made again by late data."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial

import polars as pl
import pytest

from analytics import irrigation
from analytics.store.connection import Connection
from jobs import irrigate
from tests.irrigation.park import DAY0, FIRST, NOW, send, temperature
from tests.irrigation.season import LAND
from tests.register.drafts import facts

T0 = datetime(2026, 6, 1, tzinfo=UTC)
RULES = LAND.rules["watering"]
ROOTS = pl.DataFrame({"zone": [1], "root": [0.5]}, schema={"zone": pl.Int32, "root": pl.Float64})
SEEN = "SELECT zone, moisture, meter, evidence, time, stop, volume FROM report.watering ORDER BY zone, time"


def hours(
    moisture: Mapping[int, float], rain: Mapping[int, float | None] | None = None, metered: float = 0.0
) -> pl.DataFrame:
    """Two days: `moisture` from each hour on, `rain` and at hour 20 the `metered` water."""
    said, rows = 0.2, []
    for hour in range(48):
        said = moisture.get(hour, said)
        water = metered if hour == 20 else 0.0
        rows.append((1, T0 + timedelta(hours=hour), said, 2, (rain or {}).get(hour, 0.0), water, None))
    return pl.DataFrame(rows, schema=dict(irrigation.HOURS), orient="row")


def seen(given: pl.DataFrame) -> list[tuple[object, ...]]:
    """First and last hour, mm by moisture, mm by meter, evidence."""
    return [
        (
            *((row[end] - T0) // timedelta(hours=1) for end in ("start", "stop")),
            *(row[name] for name in ("moisture", "meter", "evidence")),
        )
        for row in irrigation.watered(given, ROOTS, RULES).iter_rows(named=True)
    ]


RISE = {20: 0.21, 21: 0.22}  # of 0.5 m: 10 mm


def test_a_rise_without_rain_is_a_watering() -> None:
    assert seen(hours(RISE)) == [(20, 22, 10.0, None, "moisture")]
    assert seen(hours({})) == []
    assert seen(hours({20: 0.205})) == []  # 2.5 mm


def test_a_shower_explains_a_rise_and_a_drop_a_part_of_it() -> None:
    assert seen(hours(RISE, {18: 9.0})) == []
    assert seen(hours(RISE, {18: 1.0})) == []  # through cracks it is more than fell
    assert seen(hours(RISE, {18: 0.5})) == [(20, 22, 9.5, None, "moisture")]
    assert seen(hours(RISE, {10: 9.0})) == [(20, 22, 10.0, None, "moisture")]  # long before
    assert seen(hours(RISE, {18: None})) == []  # who knows what fell then


def test_what_thaws_is_no_watering_but_for_a_meter() -> None:
    def after(lowest: float | None) -> pl.DataFrame:
        return hours(RISE, metered=0.0).with_columns(lowest=pl.lit(lowest, pl.Float64))

    assert seen(after(-3.1)) == []
    assert seen(after(-2.9)) == seen(after(None)) == [(20, 22, 10.0, None, "moisture")]
    metered = hours(RISE, metered=12.0).with_columns(lowest=pl.lit(-9.0))
    assert seen(metered) == [(20, 21, None, 12.0, "meter")]


def test_a_probe_that_jumps_for_an_hour_saw_no_watering() -> None:
    assert seen(hours({20: 0.30, 21: 0.2})) == []
    assert seen(hours({20: 0.30, 22: 0.29})) == [(20, 21, 50.0, None, "moisture")]


def test_another_number_of_depths_is_no_rise() -> None:
    fewer = hours(RISE).with_columns(depths=pl.when(pl.col("time") >= T0 + timedelta(hours=20)).then(1).otherwise(2))
    assert seen(fewer) == [(21, 22, 5.0, None, "moisture")]


def test_a_meter_speaks_for_itself_and_beside_the_soil_it_is_one_watering() -> None:
    assert seen(hours({}, metered=4.0)) == [(20, 21, None, 4.0, "meter")]
    assert seen(hours({22: 0.22}, metered=12.0)) == [(20, 23, 10.0, 12.0, "both")]
    assert seen(hours({30: 0.22}, metered=12.0)) == [
        (20, 21, None, 12.0, "meter"),
        (30, 31, 10.0, None, "moisture"),
    ]


def _air(colder: float, hour: float) -> float:
    return temperature(hour) - colder


def test_waterings_are_kept_and_late_data_makes_them_again(site: Connection) -> None:
    send(site, "soil_moisture@-0.1", lambda hour: 0.2 if hour < FIRST + 24 * 8 + 6 else 0.24, 7, 9, "S01")
    irrigate.run(site, NOW)
    zone, moisture, meter, evidence, time, stop, volume = facts(site, SEEN)[0]
    assert (zone, meter, evidence, volume) == ("Z02", None, "moisture", None)
    assert moisture == pytest.approx(24.0)  # 0.04 of 0.6 m of roots: a single probe stands for all
    assert time == NOW.replace(minute=0) - timedelta(hours=42)
    assert stop - time == timedelta(hours=1)
    known = facts(site, "SELECT known FROM watering")
    irrigate.run(site, NOW + timedelta(minutes=9))
    assert facts(site, "SELECT known FROM watering") == known
    # Late frost of the days before says that it thawed; put right, it was water.
    for revision, colder, left in ((2, 30.0, 0), (3, 0.0, 1)):
        send(site, "air_temperature", partial(_air, colder), 4, 4, revision=revision)
        irrigate.run(site, NOW, since=DAY0)
        assert len(facts(site, SEEN)) == left
    # The rain that explains it comes late; then hours of a meter, which needs no other.
    send(site, "rain", lambda hour: 30.0 if hour == FIRST + 24 * 8 + 4 else 0.0, 8, 8)
    irrigate.run(site, NOW, since=DAY0)
    assert facts(site, SEEN) == []
    send(site, "irrigation", lambda hour: 5.0 if hour == FIRST + 24 * 8 + 5 else 0.0, 8, 8, "S01")
    irrigate.run(site, NOW)
    ((_, moisture, meter, evidence, *_, volume),) = facts(site, SEEN)
    (area,) = facts(site, "SELECT area FROM zone WHERE code = 'Z02'")[0]
    assert (moisture, meter, evidence, volume) == (None, 5.0, "meter", pytest.approx(5 * area / 1000))
