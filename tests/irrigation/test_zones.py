"""The balance of zones in the store, day after day: what comes late, what falls silent, what is measured."""

from datetime import timedelta

import pytest

from analytics.store import zones
from analytics.store.connection import Connection
from jobs import irrigate
from tests import world
from tests.irrigation.park import DAY0, DAYS, FIRST, NOW, WEATHER, balance, send, temperature
from tests.register.drafts import facts, put, snapshot

CONTENT = "SELECT (to_jsonb(b) - 'known')::text FROM water_balance b ORDER BY zone, day"


def test_every_day_up_to_yesterday_has_its_balance_and_twice_changes_nothing(site: Connection) -> None:
    done = irrigate.run(site, NOW)
    assert done == irrigate.Irrigated(zones=2, balance=2 * DAYS, advice=2)
    rows = balance(site)
    assert [row["day"] for row in rows] == [DAY0 + timedelta(days=nr) for nr in range(DAYS)]
    # Hourly figures of the sky above: 12 to 28 °C, 48 to 72 %, 253 W/m², 2.5 m/s at 10 m.
    assert all(row["et0"] == pytest.approx(4.2, abs=0.15) for row in rows)
    assert rows[0]["fallbacks"] == ["start_raw"]
    assert {tuple(row["fallbacks"]) for row in rows[1:]} == {()}
    before = snapshot(site, "water_balance", "advice")
    assert irrigate.run(site, NOW + timedelta(minutes=20)) == irrigate.Irrigated(2, 0, 0)
    assert snapshot(site, "water_balance", "advice") == before
    assert irrigate.run(site, NOW + timedelta(hours=1)) == irrigate.Irrigated(2, 0, 0)  # nobody need hear it again
    send(site, "rain", lambda hour: 6.0, DAYS, DAYS)
    assert irrigate.run(site, NOW + timedelta(hours=2)) == irrigate.Irrigated(2, 0, 2)


def test_day_by_day_ends_in_the_same_rows_as_all_at_once(site: Connection) -> None:
    send(site, "soil_moisture@-0.1", lambda hour: 0.22 - 0.0002 * hour, 5, 6, "S01")
    irrigate.run(site, NOW)
    whole = facts(site, CONTENT)
    assert len(whole) == 2 * DAYS
    site.execute("TRUNCATE water_balance, advice")
    for back in range(DAYS, -1, -1):
        irrigate.run(site, NOW - timedelta(days=back))
    assert facts(site, CONTENT) == whole


def test_late_weather_changes_its_day_and_what_follows(site: Connection) -> None:
    irrigate.run(site, NOW)
    before = balance(site)
    send(site, "rain", lambda hour: 1.0, 6, 6)
    later = NOW + timedelta(minutes=30)
    # Of each zone that day and the three after it.
    assert irrigate.run(site, later).balance == 2 * 4
    after = balance(site)
    assert after[:6] == before[:6]
    assert after[6]["rain"] == 24.0
    assert after[6]["depletion"] == pytest.approx(before[6]["depletion"] + after[6]["etc"] - before[6]["etc"] - 24.0)
    assert {row["known"] for row in after[6:]} == {later}
    assert irrigate.run(site, later).balance == 0


def test_older_weather_is_taken_up_when_asked_for(site: Connection) -> None:
    irrigate.run(site, NOW)
    send(site, "rain", lambda hour: 1.0, 1, 1)
    assert irrigate.run(site, NOW).balance == 0  # beyond the week that is made again
    assert irrigate.run(site, NOW, since=DAY0 + timedelta(days=1)).balance == 2 * 9
    assert balance(site)[1]["rain"] == 24.0
    whole = facts(site, CONTENT)
    site.execute("TRUNCATE water_balance")
    irrigate.run(site, NOW)
    assert facts(site, CONTENT) == whole


def test_a_probe_corrects_the_balance_and_speaks_for_now(site: Connection) -> None:
    # Loam, 0.6 m of roots: the upper probe stands for 0.3 m of them, the lower one for 0.3 m.
    send(site, "soil_moisture@-0.1", lambda hour: 0.19, 4, 4, "S01")
    send(site, "soil_moisture@-0.5", lambda hour: 0.23, 4, 4, "S01")
    irrigate.run(site, NOW)
    rows = balance(site, "Z02")
    assert [row["moisture"] for row in rows[3:6]] == [None, 0.21, None]
    modelled = rows[3]["depletion"] + rows[4]["etc"]
    assert min(modelled, 24.0) < rows[4]["depletion"] < max(modelled, 24.0)  # 0.21 is 24 mm below field capacity
    assert rows[4]["correction"] == pytest.approx(rows[4]["depletion"] - modelled, abs=1e-9)
    assert balance(site)[4]["moisture"] is None  # the other zone has no probe
    send(site, "soil_moisture@-0.1", lambda hour: 0.25, DAYS - 1, DAYS - 1, "S01")
    send(site, "soil_moisture@-0.5", lambda hour: 0.25, DAYS - 1, DAYS - 1, "S01")
    irrigate.run(site, NOW + timedelta(hours=1))
    said = facts(
        site,
        "SELECT z.code, a.depletion, a.reason FROM advice a JOIN zone z ON z.id = a.zone WHERE z.code = 'Z02'"
        " ORDER BY issued DESC LIMIT 1",
    )[0]
    assert said[1] < balance(site)[-1]["depletion"]  # the zone beside it, without a probe
    assert said[2].endswith("(by the probe and the water balance).")


def test_a_meter_is_seen(site: Connection) -> None:
    irrigate.run(site, NOW)
    dry = balance(site, "Z02")
    send(site, "irrigation", lambda hour: 0.5, 8, 8, "S01")
    irrigate.run(site, NOW)
    wet = balance(site, "Z02")
    assert wet[8]["irrigation"] == 12.0
    assert wet[8]["depletion"] == pytest.approx(dry[8]["depletion"] - 12.0, abs=1e-5)
    assert balance(site)[8]["irrigation"] == 0.0


def test_the_rain_of_today_counts_at_once(site: Connection) -> None:
    irrigate.run(site, NOW)
    (before,) = facts(site, "SELECT depletion FROM report.advice WHERE zone = 'Z01'")[0]
    send(site, "rain", lambda hour: 2.0, DAYS, DAYS)
    irrigate.run(site, NOW + timedelta(hours=6))
    (after,) = facts(site, "SELECT depletion FROM report.advice WHERE zone = 'Z01'")[0]
    # Six hours of rain and of what the lawn uses.
    assert after == pytest.approx(before - 12.0 + 0.7, abs=0.4)


def test_rain_counts_tomorrow_as_it_did_today_though_the_gauge_fell_silent(bare: Connection) -> None:
    for channel, make in WEATHER.items():
        send(bare, channel, make, 0, DAYS - 2 if channel == "rain" else DAYS - 1)
    (number,) = facts(bare, "SELECT id FROM series WHERE parameter = 'rain' AND cadence = 3600")[0]
    hours = range(FIRST + 24 * (DAYS - 1), FIRST + 24 * (DAYS - 1) + 15)
    world.send(bare, [(number, hour, 2.0, 0, None) for hour in hours])
    world.settle(bare)
    irrigate.run(bare, NOW)
    newest = balance(bare)[-1]
    assert newest["rain"] == 30.0
    assert "no_rain" not in newest["fallbacks"]


def test_the_series_that_stands_in_fills_the_gaps_of_the_one_that_speaks(site: Connection) -> None:
    put(site, "station,parameter,cadence\nM01,air_temperature,1m\n", "stations.csv")
    irrigate.run(site, NOW)
    hourly = [row["et0"] for row in balance(site)]
    ids = dict(facts(site, "SELECT cadence, id FROM series WHERE parameter = 'air_temperature'"))
    minutes = range(60 * (FIRST + 24 * 8), 60 * (FIRST + 24 * 9))
    world.send(site, [(ids[60], m / 60, temperature(m / 60) + 5, 0, None) for m in minutes])
    world.settle(site)
    irrigate.run(site, NOW)
    both = [row["et0"] for row in balance(site)]
    assert both[8] > hourly[8] + 0.2
    assert both[:8] + both[9:] == hourly[:8] + hourly[9:]


def test_wind_is_brought_down_from_the_height_of_its_series(site: Connection) -> None:
    irrigate.run(site, NOW)
    high = balance(site)[-1]["et0"]
    site.execute("UPDATE series SET position = '' WHERE parameter = 'wind_speed'")
    assert irrigate.run(site, NOW).balance == 0  # none named: as a weather station, 10 m
    for word in ("roof", "nan", "inf"):
        site.execute("UPDATE series SET position = %s WHERE parameter = 'wind_speed'", [word])
        assert irrigate.run(site, NOW).balance == 0
    site.execute("UPDATE series SET position = '2' WHERE parameter = 'wind_speed'")
    irrigate.run(site, NOW)
    assert balance(site)[-1]["et0"] > high + 0.1
    send(site, "soil_moisture@-0.1", lambda hour: 0.25, DAYS - 1, DAYS - 1, "S01")
    site.execute("UPDATE series SET position = 'nan' WHERE position = '-0.1'")
    irrigate.run(site, NOW)
    assert balance(site, "Z02")[-1]["moisture"] is None  # at no depth


def test_a_site_without_weather_has_no_balance_and_no_advice(bare: Connection) -> None:
    assert irrigate.run(bare, NOW) == irrigate.Irrigated(2, 0, 0)


def test_a_station_nobody_knows_the_place_of_has_no_et0(site: Connection) -> None:
    site.execute("UPDATE station SET latitude = NULL WHERE code = 'M01'")
    irrigate.run(site, NOW)
    rows = balance(site)
    assert len(rows) == DAYS
    assert {row["et0"] for row in rows} == {None}
    assert facts(site, "SELECT water, depth, latest FROM report.advice WHERE zone = 'Z01'") == [(None, None, None)]


def test_a_weather_station_that_falls_silent_is_carried_and_then_unknown(site: Connection) -> None:
    irrigate.run(site, NOW)
    irrigate.run(site, NOW + timedelta(days=12))
    rows = balance(site)
    assert len(rows) == DAYS + 12
    assert [row["fallbacks"][0] for row in rows[DAYS:]] == ["et0_recent"] * 7 + ["no_weather"] * 5
    assert facts(site, "SELECT water FROM report.advice ORDER BY zone") == [(None,), (None,)]


def test_a_run_waits_for_the_one_before_it(site: Connection, other: Connection) -> None:
    other.execute("SET lock_timeout = '200ms'")
    with site.transaction():
        zones.lock(site)
        with pytest.raises(Exception, match="lock timeout"):
            irrigate.run(other, NOW)
    assert irrigate.run(other, NOW).balance == 2 * DAYS
