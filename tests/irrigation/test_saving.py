"""What was saved against a fixed schedule in the same weather for no more days of stress."""

from datetime import date, timedelta

import polars as pl
import pytest

from analytics import irrigation
from analytics.frames import BALANCE
from analytics.store.connection import Connection
from jobs import irrigate
from tests.irrigation.park import FIRST, NOW, send
from tests.register.drafts import facts

UNMETERED = pl.DataFrame(schema={"zone": pl.Int32, "day": pl.Date, "moisture": pl.Float64})
DAY0 = date(2025, 5, 1)


def year(watered: float, rain: float = 0.0, days: int = 92, moisture: float | None = 0.2) -> pl.DataFrame:
    """Summer days that need 5 mm each; every tenth has `rain`, every fifth is `watered`; no stress."""
    rows = [
        {"zone": 1, "day": DAY0 + timedelta(days=n), "et0": 5.0, "kc": 1.0, "irrigation": watered * (n % 5 == 0)}
        | {"effective": rain * (n % 10 == 0), "depletion": 10.0, "taw": 80.0, "raw": 40.0, "ks": 1.0, "factor": 1.0}
        | {"doubt": 1.0, "moisture": moisture, "fallbacks": [], "trusted": True}
        for n in range(days)
    ]
    return pl.DataFrame(rows, schema=dict(BALANCE))


def test_a_schedule_needs_what_the_plants_use_and_waters_in_the_rain() -> None:
    dry = irrigation.savings(year(25.0), UNMETERED)
    assert dry["month"].to_list() == [date(2025, 5, 1), date(2025, 6, 1), date(2025, 7, 1)]
    # Without rain both give what is used, but for what the soil may lend a schedule that is cut to the bone.
    assert dry["baseline"].sum() == pytest.approx(92 * 5.0, rel=0.1)
    assert (dry["low"] <= dry["baseline"]).all()
    assert (dry["baseline"] <= dry["high"]).all()
    june = irrigation.savings(year(0.0, rain=50.0).with_columns(raw=pl.lit(60.0)), UNMETERED).row(1, named=True)
    assert june["used"] == 0.0
    assert june["baseline"] == 0.0  # rain alone does: nothing is claimed


def test_what_only_the_moisture_saw_is_used_and_an_unwatched_month_claims_nothing() -> None:
    seen = pl.DataFrame({"zone": [1], "day": [date(2025, 6, 3)], "moisture": [7.0]}, schema=UNMETERED.schema)
    assert irrigation.savings(year(25.0), seen)["used"].to_list() == [175.0, 157.0, 150.0]
    assert irrigation.savings(year(0.0, moisture=None), seen).is_empty()
    assert irrigation.savings(year(25.0, moisture=None), UNMETERED).height == 3  # the meter ran


def test_more_stress_in_fact_lets_the_rival_give_less() -> None:
    dry = year(0.0).with_columns(ks=pl.when(pl.col("day") > date(2025, 6, 1)).then(0.5).otherwise(1.0))
    assert (
        irrigation.savings(dry, UNMETERED)["baseline"].sum()
        < irrigation.savings(year(0.0), UNMETERED)["baseline"].sum()
    )


def test_no_schedule_serves_no_claim() -> None:
    tiny = year(5.0).with_columns(taw=pl.lit(8.0), raw=pl.lit(4.0), depletion=pl.lit(2.0))
    assert irrigation.savings(tiny, UNMETERED).is_empty()


def test_months_are_kept_and_change_with_late_data(site: Connection) -> None:
    seen = "SELECT zone, month, used, baseline, saved, saved_low, saved_high, share, volume, days FROM report.saving"
    irrigate.run(site, NOW)
    assert facts(site, seen) == []  # nobody watched
    send(site, "irrigation", lambda hour: 5.0 if hour == FIRST + 24 * 8 else 0.0, 8, 8, "S01")
    irrigate.run(site, NOW)
    ((zone, month, used, baseline, saved, low, high, share, volume, days),) = facts(site, seen)
    (area,) = facts(site, "SELECT area FROM zone WHERE code = 'Z02'")[0]
    assert (zone, month, used, days) == ("Z02", date(2026, 3, 1), 5.0, 8)
    assert saved == pytest.approx(baseline - used)
    assert low <= saved <= high
    assert volume == pytest.approx(saved * area / 1000)
    assert share is None or share == pytest.approx(saved / baseline)
    known = facts(site, "SELECT known FROM saving")
    irrigate.run(site, NOW + timedelta(minutes=20))
    assert facts(site, "SELECT known FROM saving") == known
