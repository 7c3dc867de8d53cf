"""Several probes in one zone: each with its own offset and its own trust."""

from collections.abc import Sequence
from datetime import timedelta

import polars as pl
import pytest

from analytics import irrigation
from analytics.store.connection import Connection
from jobs import irrigate
from tests.irrigation.park import DAYS, FIRST, NOW, send
from tests.irrigation.season import LAND, days, start, zone
from tests.register.drafts import facts, put

MORE = """\
station,title,longitude,latitude,utc_offset,parameter,position,cadence
S02,Lawn's other end,116.4,39.9,+08:00,soil_moisture,-0.1,1h
"""
CONTENT = "SELECT (to_jsonb(b) - 'known')::text FROM water_balance b ORDER BY zone, day"
PAIR = {"probe": 1, "beside": [2], "probes": ["S01", "S02"]}


def drying(day: int) -> float:
    return 0.23 - 0.006 * day


def run(first: Sequence[float | None], second: Sequence[float | None], **other: object) -> pl.DataFrame:
    """Days on which the zone's probe says `first`, and that beside it `second`."""
    told = [{"moisture": a, "others": [b]} for a, b in zip(first, second, strict=True)]
    return irrigation.balance(days(told), zone(**(PAIR | other)), LAND, start(12.0))


def test_a_probe_beside_with_another_offset_is_believed_too() -> None:
    one = [drying(day) for day in range(14)]
    made = run(one, [value + 0.02 for value in one])
    assert made["doubted"].to_list() == [[]] * 14
    assert made["trusted"].all()
    assert made["moisture"].to_list() == pytest.approx([value + 0.01 for value in one])
    # Who knows both knows more.
    alone = run(one, [None] * 14)
    assert made["doubt"][-1] < alone["doubt"][-1]
    # Whose field capacity is the table's nobody knows: half of the 10 mm between them.
    assert made["depletion"][-1] == pytest.approx(alone["depletion"][-1] - 5.0, abs=1.0)


def test_a_zone_with_a_silent_probe_beside_is_one_with_a_single_probe() -> None:
    one = [drying(day) for day in range(10)]
    single = irrigation.balance(
        days([{"moisture": value} for value in one]), zone(probe=1, probes=["S01"]), LAND, start(12.0)
    )
    beside = run(one, [None] * 10)
    assert beside.drop("joined").equals(single.drop("joined"))


@pytest.mark.parametrize("bad", [0, 1])
def test_the_one_that_says_what_cannot_be_is_named_and_the_other_goes_on(bad: int) -> None:
    good: list[float | None] = [drying(day) for day in range(12)]
    odd: list[float | None] = [*good[:8], 0.6, 0.6, 0.6, 0.6]
    told = (odd, good) if bad == 0 else (good, odd)
    made, whole = run(*told), run(good, good)
    assert made["doubted"].to_list()[8:] == [[PAIR["probes"][bad]]] * 4  # type: ignore[index]  # a list of two
    assert made["trusted"].all()
    assert made["moisture"].to_list() == pytest.approx(good)
    assert made["depletion"][-1] == pytest.approx(whole["depletion"][-1], abs=1.0)


def test_a_zone_is_the_same_whatever_others_there_are() -> None:
    one = [drying(day) for day in range(6)]
    told = [{"moisture": value, "others": [value + 0.02]} for value in one]
    single = [{"moisture": value} for value in one]
    zones = pl.concat([zone(**PAIR), zone(zone=2), zone(zone=3, beside=[], probes=["S03"])])
    whole = irrigation.balance(
        pl.concat([days(told), days(single, 2), days(single, 3)]),
        zones,
        LAND,
        pl.concat(start(12.0, number=number) for number in (1, 2, 3)),
    )
    assert whole.filter(zone=1).equals(run(one, [value + 0.02 for value in one]))
    assert whole.filter(zone=2).drop("zone").equals(whole.filter(zone=3).drop("zone"))


@pytest.fixture
def pair(site: Connection) -> Connection:
    """Z02 has a second probe."""
    put(site, MORE, "stations.csv")
    plan = put(site, "zone,beside\nZ02,S02\n", "zones.csv")
    assert plan.changes[0].fields == (("beside", "none", '"S02"'),)
    assert put(site, '[[zone]]\nzone = "Z02"\nbeside = ["S02"]\n', "zones.toml").changes == []
    for station, more in (("S01", 0.0), ("S02", 0.02)):
        send(site, "soil_moisture@-0.1", lambda hour, more=more: 0.24 + more - 0.0003 * hour, 0, 6, station)  # type: ignore[misc]  # a default
    return site


def test_days_one_by_one_are_days_at_once_and_a_probe_may_come_and_go(pair: Connection) -> None:
    irrigate.run(pair, NOW)
    whole = facts(pair, CONTENT)
    pair.execute("TRUNCATE water_balance, advice")
    for back in range(DAYS, -1, -1):
        irrigate.run(pair, NOW - timedelta(days=back))
    assert facts(pair, CONTENT) == whole
    for beside in ("", "S02"):
        put(pair, f'[[zone]]\nzone = "Z02"\nbeside = "{beside}"\n', "zones.toml")
        assert facts(pair, "SELECT beside FROM report.zone WHERE zone = 'Z02'") == [([beside] if beside else [],)]
        irrigate.run(pair, NOW)
        ((widths,),) = facts(pair, "SELECT array_agg(DISTINCT cardinality(joined)) FROM water_balance WHERE zone = 2")
        assert set(widths) <= {19, 31}
    assert facts(pair, CONTENT)[-1:] != []


def test_the_advice_names_the_probe_that_is_not_trusted(pair: Connection) -> None:
    send(pair, "soil_moisture@-0.1", lambda hour: 0.22 - 0.0001 * hour, 7, DAYS - 1, "S01")
    send(pair, "soil_moisture@-0.1", lambda hour: 0.01, 7, DAYS - 1, "S02")
    irrigate.run(pair, NOW)
    trusted, doubted, reason, reason_zh = facts(
        pair, "SELECT trusted, doubted, reason, reason_zh FROM report.advice WHERE zone = 'Z02'"
    )[0]
    assert doubted == ["S02"]
    assert trusted is True
    assert "What probe S02 says cannot be, and is not trusted." in reason
    assert "墒情探头 S02 读数不合常理，未予采信。" in reason_zh
    assert facts(pair, "SELECT doubted FROM report.water_balance WHERE zone = 'Z02' ORDER BY day")[-1] == (["S02"],)


def test_a_watering_is_seen_in_the_mean_of_the_probes(pair: Connection) -> None:
    for station in ("S01", "S02"):
        send(
            pair,
            "soil_moisture@-0.1",
            lambda hour: 0.2 if hour < FIRST + 24 * 8 + 6 else 0.24,
            7,
            9,
            station,
        )
    irrigate.run(pair, NOW)
    (event,) = facts(pair, "SELECT zone, moisture, evidence FROM report.watering")
    assert event == ("Z02", pytest.approx(24.0), "moisture")
