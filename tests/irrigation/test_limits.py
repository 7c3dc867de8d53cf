"""What a soil holds: as its zone was registered, as its dry-downs show it."""

from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from analytics import irrigation
from analytics.frames import BALANCE, SOIL_LIMIT
from analytics.store.connection import Connection
from jobs import irrigate
from tests.irrigation.park import NOW, send
from tests.irrigation.season import DAY0, LAND, zone
from tests.register.drafts import facts, put, snapshot

LOAM = LAND.soils.row(by_predicate=pl.col("texture") == "loam", named=True)


def year(number: int, *, trusted: bool | None = True) -> pl.DataFrame:
    """BALANCE of 240 days of a soil that rain fills every 24 days, drains to 0.27 and dries towards 0.11, while its
    plants use ever less."""
    now, rows = 0.30, []
    for day in range(240):
        rain = 25.0 if day % 24 == 0 else 0.0
        now = 0.31 if rain else now
        et0 = 6.0 - 0.02 * day
        now -= 0.5 * max(now - 0.27, 0) + 0.01 * et0 * max(min(now, 0.27) - 0.11, 0)
        rows.append({"zone": number, "day": DAY0 + timedelta(days=day), "rain": rain, "irrigation": 0.0})
        rows[-1] |= {"et0": et0, "kc": 1.0}
        rows[-1] |= {"moisture": now, "trusted": trusted}
    return pl.DataFrame(rows, schema={name: dtype for name, dtype in BALANCE.items() if name in rows[0]})


def limit(days: pl.DataFrame, *, number: int = 1) -> dict[str, Any]:
    zones = pl.concat([zone(), zone(zone=2), zone(zone=3)])
    return irrigation.limits(days, zones, LAND).row(by_predicate=pl.col("zone") == number, named=True)


def test_dry_downs_of_a_zone_show_its_limits_with_their_doubt() -> None:
    found = limit(pl.concat([year(1), year(2, trusted=None)]))
    assert (found["days"], found["fc_seen"], found["wp_seen"]) == (240, 10, 10)
    assert found["fc"] == pytest.approx(0.27, abs=0.02)
    assert found["wp"] == pytest.approx(0.11, abs=0.02)
    # Surer than the table, whose range is 0.05 to either side.
    assert 0 < found["fc_doubt"] < 0.03
    assert 0 < found["wp_doubt"] < 0.03


def test_a_probe_that_is_not_believed_teaches_nothing() -> None:
    with pytest.raises(pl.exceptions.NoRowsReturnedError):
        limit(pl.concat([year(1), year(2, trusted=False)]), number=2)
    # Days with a salted probe between those with a good one are as if it had been silent.
    odd = year(1).with_columns(trusted=pl.col("day") < DAY0 + timedelta(days=48))
    salted = odd.with_columns(moisture=pl.when("trusted").then("moisture").otherwise(0.6))
    assert limit(salted) == limit(odd)
    assert limit(salted)["days"] == 48


def test_without_a_dry_down_the_table_is_all_there_is() -> None:
    found = limit(year(1).head(4).with_columns(rain=pl.lit(0.0)))
    assert {name: found[name] for name in ("fc", "fc_doubt", "fc_seen", "wp_doubt", "wp_seen")} == {
        "fc": LOAM["fc"],
        "fc_doubt": LOAM["fc_spread"],
        "fc_seen": 0,
        "wp_doubt": LOAM["wp_spread"],
        "wp_seen": 0,
    }


def test_one_dry_down_may_be_the_weather_s() -> None:
    found = limit(year(1).head(40))
    assert (found["fc"], found["wp"], found["wp_doubt"]) == (LOAM["fc"], LOAM["wp"], LOAM["wp_spread"])
    assert 0 < found["wp_seen"] < 3


def test_what_plants_use_less_in_autumn_is_no_wilting_point() -> None:
    """A wet soil whose plants use less each day for three months, watered by nobody knows whom."""
    now, rows = 0.28, []
    for day in range(90):
        now = 0.28 if day % 12 == 0 else now - 0.0035 * (1 - day / 100)
        rows.append({"day": DAY0 + timedelta(days=day), "moisture": now, "et0": 5 * (1 - day / 100)})
    autumn = pl.DataFrame(rows).with_columns(
        zone=pl.lit(1, pl.Int32), rain=0.0, irrigation=0.0, kc=1.0, trusted=pl.lit(value=True)
    )
    assert limit(autumn)["wp"] == LOAM["wp"]


def test_days_that_are_missing_are_days_without_rain_and_probe() -> None:
    whole = year(1)
    some = whole.filter(~pl.col("day").is_between(DAY0 + timedelta(days=30), DAY0 + timedelta(days=40)))
    silent = whole.with_columns(
        pl.when(pl.col("day").is_in(some["day"].implode())).then(name).alias(name) for name in ("moisture", "rain")
    )
    assert limit(some) == limit(silent)


def test_no_zone_has_no_limits() -> None:
    assert irrigation.limits(year(1).clear(), zone(), LAND).schema == pl.Schema(SOIL_LIMIT)


def test_a_zone_s_own_limits_stand_for_the_table_s() -> None:
    (taw,) = irrigation.soil(zone(field_capacity=0.31), LAND)["taw"]
    assert taw == pytest.approx(1000 * (0.31 - LOAM["wp"]) * 0.5)
    (taw,) = irrigation.soil(zone(field_capacity=0.31, wilting_point=0.11), LAND)["taw"]
    assert taw == pytest.approx(1000 * 0.2 * 0.5)
    assert np.isclose(irrigation.soil(zone(), LAND)["taw"][0], 1000 * (LOAM["fc"] - LOAM["wp"]) * 0.5)
    # One of them that leaves plants no water beside the other of the table.
    assert irrigation.soil(zone(field_capacity=0.1), LAND).is_empty()


def test_limits_are_kept_and_shown_and_a_zone_goes_by_its_own_when_told(site: Connection) -> None:
    send(site, "soil_moisture@-0.1", lambda hour: 0.26 - 0.0003 * hour, 0, 8, "S01")
    irrigate.run(site, NOW)
    before = facts(site, "SELECT taw FROM water_balance ORDER BY zone, day")
    with site.transaction():
        site.execute("SET LOCAL ROLE greenwatch_reader")
        shown = facts(site, "SELECT zone, field_capacity, fc, fc_seen, wp_seen, days >= 5 FROM report.soil_limit")
    assert shown == [("Z02", None, LOAM["fc"], 0, 0, True)]
    kept = snapshot(site, "soil_limit")
    irrigate.run(site, NOW + timedelta(minutes=30))
    assert snapshot(site, "soil_limit") == kept
    put(site, "zone,field_capacity,wilting_point\nZ02,0.3,0.1\n", "zones.csv")
    irrigate.run(site, NOW + timedelta(hours=1))
    after = facts(site, "SELECT b.taw FROM water_balance b JOIN zone z ON z.id = zone ORDER BY zone, day")
    assert after != before
    assert after[-1] == (pytest.approx(1000 * 0.2 * 0.6),)
    (row,) = facts(site, "SELECT field_capacity, wilting_point, fc FROM report.soil_limit")
    assert row == (0.3, 0.1, LOAM["fc"])
