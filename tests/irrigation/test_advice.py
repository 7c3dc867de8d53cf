"""What the advice says of a morning: water or not, by when, how much, and why."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import irrigation
from tests.irrigation.season import LAND, days, start, zone
from tests.stories import EXAMPLES

ISSUED = datetime(2026, 6, 9, 22, tzinfo=UTC)  # 06:00 of 10 June at +08:00


def advise(
    depletion: float, issued: datetime = ISSUED, weather: Mapping[str, object] | None = None, **today: float | None
) -> dict[str, Any]:
    """Advice on the morning of 10 June after nine dry days that end with `depletion`."""
    last = irrigation.balance(days([weather or {}] * 9), zone(), LAND, start(0.0))
    newest = pl.col("day") == pl.col("day").max()
    last = last.with_columns(depletion=pl.when(newest).then(depletion).otherwise("depletion"))
    named = dict.fromkeys(("rain", "irrigation", "moisture", "tmax"), pl.Float64())
    schema: dict[str, pl.DataType] = {"zone": pl.Int32(), **named, "others": pl.List(pl.Float64())}
    frame = pl.DataFrame([{"zone": 1, "tmax": 32.0} | today], schema=schema)
    return irrigation.advise(last, zone(), LAND, frame, issued).row(0, named=True)


RATE = 5.1  # what this weather takes a day [mm], roughly


def test_a_dry_zone_is_watered_now_back_to_field_capacity() -> None:
    said = advise(40.0)
    assert said["water"] is True
    assert said["latest"] == ISSUED
    assert said["day"] == date(2026, 6, 10)
    assert said["depth"] == said["depletion"] > 40.0  # with what was used since midnight
    # 1000 m², three quarters reach the roots, 5 m³ an hour
    assert said["volume"] == pytest.approx(said["depth"] / 0.75, abs=1e-5)
    assert said["minutes"] == pytest.approx(said["volume"] / 5 * 60, abs=1e-4)
    assert "water now (by the water balance, which knows of no watering)." in said["reason"]
    assert said["reason_zh"].endswith("请立即灌溉（依据水量平衡，未见灌溉记录）。")


def test_a_zone_that_will_be_dry_tomorrow_is_watered_today() -> None:
    raw = advise(0.0)["raw"]
    said = advise(raw - 4.5)
    assert said["water"] is True
    hours = (said["latest"] - ISSUED) / timedelta(hours=1)
    assert 10 <= hours <= 24
    assert f"water within {int(hours)} h" in said["reason"]
    # What is not known of its soil makes it likely enough a day before.
    likely = advise(raw - 8.0)
    assert likely["water"] is True
    assert 0.1 < likely["risk"] < 0.5
    assert f"Without, stress by tomorrow is {100 * likely['risk']:.0f} % likely." in likely["reason"]
    assert advise(raw - 20.0)["water"] is False


def test_a_later_need_is_told_and_a_wet_zone_left_alone() -> None:
    said = advise(5.0)
    assert (said["water"], said["depth"], said["volume"], said["minutes"]) == (False, 0.0, 0.0, 0.0)
    days_left = (said["latest"] - ISSUED) / timedelta(days=1)
    assert days_left == pytest.approx((said["raw"] - said["depletion"]) / RATE, rel=0.1)
    assert "enough for" in said["reason"]
    wet = advise(0.0, weather={"radiation": 2.0, "tmax": 21.0, "rh_min": 75.0})
    assert wet["latest"] is None
    assert "no need within 14 days" in wet["reason"]


def test_rain_and_watering_of_today_count_and_a_probe_is_weighed() -> None:
    dry = advise(40.0)
    assert advise(40.0, rain=20.0)["depletion"] == pytest.approx(dry["depletion"] - 20.0)
    assert advise(40.0, rain=4.0)["depletion"] == dry["depletion"]  # too little to count
    assert advise(40.0, irrigation=12.0)["depletion"] == pytest.approx(dry["depletion"] - 12.0)
    probed = advise(40.0, moisture=0.24)
    assert 5.0 < probed["depletion"] < 30.0
    assert probed["reason"].endswith("(by the probe and the water balance).")
    doubted = advise(40.0, moisture=0.60)
    assert doubted["depletion"] == dry["depletion"]
    assert doubted["reason"].endswith("What probe S01 says cannot be, and is not trusted.")
    assert doubted["reason_zh"].endswith("墒情探头 S01 读数不合常理，未予采信。")


def test_nobody_waters_on_a_cold_day() -> None:
    said = advise(40.0, weather={"tmax": 3.0, "tmin": -5.0}, tmax=3.0)
    assert said["water"] is False
    assert "do not water" in said["reason"]
    assert said["depth"] == 0.0


def test_without_weather_and_probe_nothing_is_said() -> None:
    said = advise(40.0, weather={"tmin": None})
    assert (said["water"], said["depth"], said["volume"], said["minutes"], said["latest"]) == (None,) * 5
    assert "nothing can be said" in said["reason"]
    by_probe = advise(40.0, weather={"tmin": None}, moisture=0.15)
    assert by_probe["water"] is True  # the probe alone shows that the zone is dry
    assert by_probe["latest"] == ISSUED
    wet = advise(40.0, weather={"tmin": None}, moisture=0.24)
    assert (wet["water"], wet["latest"]) == (False, None)
    # Nobody knows what it loses, so nobody promises a fortnight.
    assert "no need now; how much it loses a day is not known (by the probe and the water balance)." in wet["reason"]


def test_a_zone_that_is_watered_by_a_meter_is_not_called_unwatered() -> None:
    assert advise(5.0, weather={"irrigation": 1.0})["reason"].endswith("(by the water balance).")
    assert advise(40.0, irrigation=12.0)["reason"].endswith("(by the water balance).")  # this morning


@settings(deadline=None, max_examples=EXAMPLES or 10)
@given(st.floats(0, 65), st.floats(0, 65))
def test_a_drier_zone_never_gets_less(one: float, other: float) -> None:
    wetter, drier = (advise(value) for value in sorted((one, other)))
    assert drier["depth"] >= wetter["depth"]
    assert drier["water"] >= wetter["water"]
    if drier["latest"] and wetter["latest"]:
        assert drier["latest"] <= wetter["latest"]
