"""The days ahead: rain that may come, what is planned of many zones, and what a supply lets."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import zip_longest
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import irrigation
from analytics.irrigation import plan
from tests.irrigation.season import LAND, days, start, zone
from tests.stories import EXAMPLES

RULES = LAND.rules["plan"]
ISSUED = datetime(2026, 6, 9, 22, tzinfo=UTC)  # 06:00 of 10 June at +08:00


def ahead(lost: list[float], doubt: float = 1.0, rain: float = 0.0, demand: float = 5.0) -> plan.Ahead:
    number = len(lost)
    full = np.ones(number)
    rains = np.full((number, 4, plan.LONG), rain)
    return plan.Ahead(np.array(lost), doubt * full, 26 * full, 65 * full, demand * np.ones((number, plan.LONG)), rains)


def advise(
    lost: float, issued: datetime = ISSUED, rain: list[float] | None = None, lowest: list[float] | None = None
) -> dict[str, Any]:
    """Advice on 10 June after nine dry days that end with `lost`; `rain` or `lowest` are foretold day by day."""
    last = irrigation.balance(days([{}] * 9), zone(), LAND, start(0.0))
    newest = pl.col("day") == pl.col("day").max()
    last = last.with_columns(depletion=pl.when(newest).then(lost).otherwise("depletion"))
    named = dict.fromkeys(("rain", "irrigation", "moisture", "tmax"), pl.Float64())
    schema: dict[str, pl.DataType] = {"zone": pl.Int32(), **named, "others": pl.List(pl.Float64())}
    today = pl.DataFrame([{"zone": 1, "tmax": 32.0}], schema=schema)
    told = pl.DataFrame(
        [(1, number, *said) for number, said in enumerate(zip_longest(rain or [], lowest or []))],
        schema={"zone": pl.Int32, "ahead": pl.Int64, "rain": pl.Float64, "lowest": pl.Float64},
        orient="row",
    )
    return irrigation.advise(last, zone(), LAND, today, issued, foretold=told).row(0, named=True)


def test_a_dry_week_is_planned_through_without_stress() -> None:
    made = plan.make(ahead([0.0, 10.0, 22.0, 40.0], doubt=0.1), RULES)
    for lost, depth in zip((0.0, 10.0, 22.0, 40.0), made.depth, strict=True):
        now = lost
        for given_now in depth:
            now = max(now - given_now, 0) + 5
            assert now <= 26 + 1.5
    assert made.stress[0] == 0
    assert made.stress[3] == 1
    assert not made.rain.any()


def test_rain_that_is_foretold_is_waited_for_and_said() -> None:
    dry, wet = advise(21.0), advise(21.0, rain=[30.0, 10.0])
    assert dry["water"] is True
    assert wet["water"] is False
    assert "rain may well make watering a waste" in wet["reason"]
    assert "预计有雨" in wet["reason_zh"]
    assert wet["risk"] < dry["risk"]
    # Who suffers already is not left to it.
    assert advise(45.0, rain=[6.0])["water"] is True


def test_nobody_waters_before_a_frost_that_is_foretold() -> None:
    before = advise(30.0, lowest=[-2.0, -1.0, 3.0])
    assert before["water"] is False
    assert before["plan"][:2] == [0.0, 0.0]
    assert before["plan"][2] > 10
    assert "frost is foretold (-2 °C within 24 h): do not water" in before["reason"]
    assert "预计 24 小时内有霜冻（最低 -2 °C）" in before["reason_zh"]
    assert advise(30.0, lowest=[0.5, -1.0])["water"] is True  # today it stays above


@settings(deadline=None, max_examples=EXAMPLES or 8)
@given(st.floats(0, 60), st.floats(0, 40), st.floats(0, 20))
def test_more_rain_never_means_more_stress_or_more_water(lost: float, rain: float, more: float) -> None:
    one = ahead([lost], doubt=3.0)
    coming = np.zeros((1, 4, plan.LONG))
    coming[0, :, 1] = rain
    wetter = coming.copy()
    wetter[0, :, 1] += more
    less, most = (plan.make(replace(one, rain=some), RULES, days=1) for some in (wetter, coming))
    assert less.stress[0] <= most.stress[0] + 1e-9
    # To the step in which a refill is chosen.
    assert less.depth[0, 0] <= most.depth[0, 0] + 0.15 * 26 + 1e-6


def test_water_is_for_the_cool_hours_unless_it_cannot_wait() -> None:
    noon = datetime(2026, 6, 10, 4, tzinfo=UTC)  # 12:00 at +08:00
    assert advise(21.0)["begin"] == ISSUED
    assert advise(18.0, noon)["begin"] == noon + timedelta(hours=6)
    assert advise(45.0, noon)["begin"] == noon
    assert advise(5.0)["begin"] is None


def test_the_plan_is_what_the_emitters_give() -> None:
    said = advise(40.0)
    assert len(said["plan"]) == plan.LONG
    assert said["plan"][0] == said["volume"] == pytest.approx(said["depth"] / 0.75, abs=1e-5)
    assert sum(said["plan"]) > said["plan"][0]


def test_a_supply_is_kept_and_goes_to_those_in_need() -> None:
    zones = ahead([5.0, 30.0, 24.0, 12.0])
    area = np.array([1000.0, 500.0, 2000.0, 800.0])
    wanted = plan.make(zones, RULES).depth
    used = (wanted * area[:, None]).sum(axis=0)
    plenty = plan.share(zones, wanted, area, np.full(plan.LONG, 1e9))
    assert (np.cumsum(plenty, axis=1) >= np.cumsum(wanted, axis=1) - 1e-6).all()
    supply = np.full(plan.LONG, 0.7 * used.mean())
    made = plan.share(zones, wanted, area, supply)
    assert ((made * area[:, None]).sum(axis=0) <= supply + 1e-3).all()
    assert made[1, 0] + made[2, 0] > made[0, 0] + made[3, 0]
    shut = np.zeros(wanted.shape, dtype=bool)
    shut[:, 0] = True
    assert plan.share(zones, wanted, area, supply, shut)[:, 0] == pytest.approx(0.0)
    assert plan.share(zones, wanted, area, np.zeros(plan.LONG)) == pytest.approx(0.0)


def test_rains_are_those_of_weeks_past_or_of_the_forecast() -> None:
    past = np.zeros((1, 90))
    past[0, 40] = 12.0
    told = np.full((1, plan.LONG), np.nan)
    told[0, 2] = 8.0
    made = plan.rains(past, told, LAND.rain)
    assert made.shape[2] == plan.LONG
    assert set(np.unique(made[0, :, 2])) == {0.0, 8.0, 12.0}  # 4 mm do not count
    others = np.delete(made[0], 2, axis=1)
    assert (others == 12.0).any()
    assert (others[others != 12.0] == 0).all()


def test_a_drier_zone_is_never_given_less_whatever_rain_may_come() -> None:
    """Zones of a hundred soils, plants and skies, from full to empty."""
    rng = np.random.default_rng(1)
    for _ in range(100):
        taw, demand = rng.uniform(20, 150), rng.uniform(0.5, 8)
        showers = rng.random((1, 21, plan.LONG)) < rng.uniform(0, 0.6)
        rain = np.where(showers, rng.gamma(1, rng.uniform(1, 15), showers.shape), 0.0)
        zones = np.ones(60)
        known = plan.Ahead(
            np.linspace(0, taw, zones.size),
            rng.uniform(0, 0.3) * taw * zones,
            rng.uniform(0.1, 0.8) * taw * zones,
            taw * zones,
            np.full((zones.size, plan.LONG), demand),
            np.repeat(rain, zones.size, axis=0),
        )
        made = plan.make(known, RULES, days=1)
        assert (np.diff(made.depth[:, 0]) >= -1e-9).all()
        assert (np.diff(made.stress) >= -1e-9).all()
        assert made.depth[-1, 0] <= taw + 1e-9
