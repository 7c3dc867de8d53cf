"""Zones from their file to the advice: registration, `jobs.irrigate`, what is kept, what `report` shows."""

import copy
import json
import math
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import typer

from analytics import parameters, standards
from analytics.store import migrations, register, zones
from analytics.store.connection import Connection
from analytics.store.errors import Nonsense
from jobs import irrigate
from jobs import register as job
from tests import world

SAMPLES = Path(__file__).parent / "samples" / "register"
CSV = (SAMPLES / "zones.csv").read_text(encoding="utf-8")
TOML = (SAMPLES / "zones.toml").read_text(encoding="utf-8")
PARAMETERS, STANDARDS = parameters.load(), register.standards_in(standards.tables())

STATIONS = """\
station,title,longitude,latitude,utc_offset,parameter,position,cadence
M01,Park,116.4,39.9,+08:00,air_temperature,,1h
M01,,,,,relative_humidity,,1h
M01,,,,,wind_speed,10,1h
M01,,,,,solar_radiation,,1h
M01,,,,,rain,,1h
S01,Lawn,116.4,39.9,+08:00,soil_moisture,-0.1,1h
S01,,,,,soil_moisture,-0.5,1h
S01,,,,,irrigation,,1h
"""


def put(conn: Connection, text: str, name: str = "zones.csv") -> register.Plan:
    return job.write(conn, register.read(text.encode(), name, *job.rules(conn)))[0]


def facts(conn: Connection, query: str) -> list[Any]:
    return conn.execute(query).fetchall()


def snapshot(conn: Connection, *tables: str) -> list[Any]:
    """Every row with its physical place: a row that was written again has another one."""
    return [row for table in tables for row in facts(conn, f"SELECT ctid, xmin, t::text FROM {table} t")]


# Registration


def test_a_file_of_zones_says_the_same_in_csv_and_toml() -> None:
    said = register.read(CSV.encode(), "zones.csv", PARAMETERS, STANDARDS)
    toml = register.read(TOML.encode(), "zones.toml", PARAMETERS, STANDARDS)
    assert said.problems == toml.problems == []
    assert said.rows.zones == toml.rows.zones
    assert said.rows.zones["Z02"] == {
        "title": "south lawn",
        "title_zh": "南草坪",
        "weather": "M01",
        "probe": "S01",
        "area": 8500.0,
        "cover": "turf, cool season",
        "texture": "loam",
        "root_depth": 0.6,
        "flow": 30.0,
        "method": "drip",
    }


def test_zones_are_registered_and_the_second_time_changes_nothing(conn: Connection) -> None:
    plan = put(conn, TOML, "zones.toml")
    assert plan.count("zone") == (2, 0, 0)
    assert facts(
        conn,
        """
        SELECT z.code, w.code, p.code, area, cover, texture, root_depth, flow, method, altitude
        FROM zone z JOIN station w ON w.id = weather LEFT JOIN station p ON p.id = probe ORDER BY 1
        """,
    ) == [
        ("Z01", "M01", None, 12000.0, "turf, cool season", "sandy loam", 0.6, 42.0, "sprinkler", 44.0),
        ("Z02", "M01", "S01", 8500.0, "turf, cool season", "loam", 0.6, 30.0, "drip", 50.0),
    ]
    before = snapshot(conn, "zone", "station")
    assert put(conn, TOML, "zones.toml").changes == []
    assert put(conn, CSV).changes == []
    assert snapshot(conn, "zone", "station") == before


def test_only_what_a_file_names_of_a_zone_changes(conn: Connection) -> None:
    put(conn, TOML, "zones.toml")
    plan = put(conn, "zone,area,method\nZ02,9000,sprinkler\n")
    assert plan.changes == [
        register.Change("zone", "Z02", False, (("area", "8500.0", "9000.0"), ("method", '"drip"', '"sprinkler"')))
    ]
    (row,) = facts(conn, "SELECT title, area, method, probe IS NULL, root_depth FROM zone WHERE code = 'Z02'")
    assert row == ("south lawn", 9000.0, "sprinkler", False, 0.6)
    plan = put(conn, '[[zone]]\nzone = "Z02"\nprobe = ""\n', "zones.toml")
    assert plan.changes[0].fields == (("probe", '"S01"', "none"),)
    assert facts(conn, "SELECT probe FROM zone WHERE code = 'Z02'") == [(None,)]


def test_a_plan_shows_zones_and_writes_nothing(conn: Connection, dsn: str, capsys: pytest.CaptureFixture[str]) -> None:
    put(conn, STATIONS, "stations.csv")
    job.main(SAMPLES / "zones.csv", plan=True, dsn=dsn)
    shown = capsys.readouterr().out
    assert '+ zone       Z01  title "north lawn", title_zh "北草坪", weather "M01", area 12000.0' in shown
    assert facts(conn, "SELECT count(*) FROM zone") == [(0,)]


HEADER = "zone,weather,area,cover,texture,flow,method"
GOOD = '"turf, cool season",loam,30,drip'
REFUSED = [
    ("unknown weather station", f"{HEADER}\nZ1,M1,10,{GOOD}", "2: weather names station 'M1', neither registered"),
    ("nearly its name", f"{HEADER}\nZ1,M0,10,{GOOD}", "did you mean 'M01'?"),
    ("unknown probe", f"{HEADER},probe\nZ1,M01,10,{GOOD},P9", "2: probe names station 'P9', neither registered"),
    (
        "unknown cover",
        f"{HEADER}\nZ1,M01,10,turf cool seasn,loam,30,drip",
        "2: cover 'turf cool seasn' is unknown: did",
    ),
    ("cover like none", f"{HEADER}\nZ1,M01,10,qqqq,loam,30,drip", "known are apple, cherry"),
    (
        "unknown texture",
        f"{HEADER}\nZ1,M01,10,conifers,lome,30,drip",
        "2: texture 'lome' is unknown: did you mean 'loam'",
    ),
    (
        "unknown method",
        f"{HEADER}\nZ1,M01,10,conifers,loam,30,bucket",
        "2: method 'bucket' is unknown: known are drip;",
    ),
    ("no area", f"{HEADER}\nZ1,M01,0,{GOOD}", "2: area cannot be '0': it lies outside 0.1 to 100,000,000 m²"),
    ("area of no float", f"{HEADER}\nZ1,M01,1e308,{GOOD}", "2: area cannot be '1e308': it lies outside"),
    ("a drop a year", f"{HEADER}\nZ1,M01,10,conifers,loam,1e-308,drip", "2: flow cannot be '1e-308': it lies outside"),
    (
        "roots in centimetres",
        f"{HEADER},root_depth\nZ1,M01,10,{GOOD},30",
        "2: root_depth cannot be '30': it lies outside 0.01 to 10 m",
    ),
    ("area in words", f"{HEADER}\nZ1,M01,large,{GOOD}", "2: area cannot be 'large': write a number"),
    ("endless flow", f"{HEADER}\nZ1,M01,10,conifers,loam,1e999,drip", "2: flow cannot be '1e999'"),
    ("altitude", f"{HEADER},altitude\nZ1,M01,10,{GOOD},44000", "2: altitude cannot be '44000': it lies outside"),
    ("new and half", "zone,area\nZ1,10", "2: zone 'Z1' is new and lacks weather, cover, texture, flow, method"),
    ("no name", f"{HEADER}\n,M01,10,{GOOD}", "2: the row names no zone"),
    ("twice", f"{HEADER}\nZ1,M01,10,{GOOD}\nZ1,M01,11,{GOOD}", "3: zone 'Z1' has area 11.0 here and 10.0 at line 2"),
    ("unknown column", f"{HEADER},colour\nZ1,M01,10,{GOOD},red", "1: unknown column 'colour'"),
    ("column of stations", f"{HEADER},utc_offset\nZ1,M01,10,{GOOD},480", "1: unknown column 'utc_offset'"),
    ("short row", f"{HEADER}\nZ1,M01", "2: the row has 2 cells, the header 7"),
]


@pytest.mark.parametrize(("text", "reason"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_nonsense_of_zones_is_refused_with_line_and_column(text: str, reason: str) -> None:
    stored = register.Registry(stations={"M01": {}})
    with pytest.raises(Nonsense) as refused:
        register.compare(stored, register.read(text.encode(), "zones.csv", PARAMETERS, STANDARDS))
    (problem,) = str(refused.value).splitlines()[1:]
    assert reason in problem


def test_a_key_of_no_zone_is_refused_in_toml() -> None:
    draft = register.read(b'[[zone]]\nzone = "Z1"\narea = "ten"\ncolour = 1\n', "z.toml", PARAMETERS, STANDARDS)
    assert [problem.line for problem in draft.problems] == [3, 4]
    assert "unknown key 'colour'" in draft.problems[1].reason


# The balance

#: Local midnight at UTC+08:00, ten local days after the first reading.
MIDNIGHT = datetime(2026, 3, 8, 16, tzinfo=UTC)
NOW = MIDNIGHT + timedelta(minutes=5)
#: Local days begin at 16:00 UTC; world.T0 is 00:00 UTC on 27 February.
FIRST, DAYS = -8, 10
DAY0 = date(2026, 2, 27)
Make = Callable[[float], float]


def temperature(hour: float) -> float:
    """20 ± 8 °C, warmest at 14:00 local time."""
    return 20 - 8 * math.cos(2 * math.pi * (hour + 6) / 24)


def sunshine(hour: float) -> float:
    """Radiation of a clear day [W/m²], 06 to 18 local time."""
    return max(0.0, 800 * math.sin(2 * math.pi * (hour + 2) / 24))


WEATHER: Mapping[str, Make] = {
    "air_temperature": temperature,
    "relative_humidity": lambda hour: 60 - 1.5 * (temperature(hour) - 20),
    "wind_speed@10": lambda hour: 2.5,
    "solar_radiation": sunshine,
    "rain": lambda hour: 0.0,
}


def send(conn: Connection, channel: str, make: Make, first: int, last: int, station: str = "M01") -> None:
    """Hourly readings of the local days `first` to `last`, settled."""
    (number,) = facts(
        conn,
        f"""
        SELECT s.id FROM series s JOIN station t ON t.id = s.station WHERE t.code = '{station}' AND s.parameter
        || CASE WHEN s.position <> '' THEN '@' || s.position ELSE '' END = '{channel}' AND s.cadence = 3600
        """,
    )[0]
    hours = range(FIRST + 24 * first, FIRST + 24 * (last + 1))
    world.send(conn, [(number, hour, make(hour), 1, None) for hour in hours])
    world.settle(conn)


@pytest.fixture
def bare(conn: Connection) -> Connection:
    """A weather station, a probe and two zones; no reading."""
    put(conn, STATIONS, "stations.csv")
    put(conn, CSV)
    return conn


@pytest.fixture
def site(bare: Connection) -> Connection:
    """Ten dry days of weather, no reading of the probe yet."""
    for channel, make in WEATHER.items():
        send(bare, channel, make, 0, DAYS - 1)
    return bare


def balance(conn: Connection, zone: str = "Z01") -> list[dict[str, Any]]:
    names = ("day", "et0", "etc", "rain", "depletion", "correction", "moisture", "irrigation", "known", "fallbacks")
    rows = facts(
        conn,
        f"SELECT b.{', b.'.join(names)} FROM water_balance b JOIN zone z ON z.id = b.zone WHERE code = '{zone}'"
        " ORDER BY 1",
    )
    return [dict(zip(names, row, strict=True)) for row in rows]


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
    assert irrigate.run(site, NOW + timedelta(hours=1)) == irrigate.Irrigated(2, 0, 2)


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
    assert rows[4]["depletion"] == pytest.approx(1000 * 0.04 * 0.6)
    assert rows[4]["correction"] == pytest.approx(24.0 - rows[3]["depletion"] - rows[4]["etc"], abs=1e-5)
    assert balance(site)[4]["moisture"] is None  # the other zone has no probe
    send(site, "soil_moisture@-0.1", lambda hour: 0.25, DAYS - 1, DAYS - 1, "S01")
    send(site, "soil_moisture@-0.5", lambda hour: 0.25, DAYS - 1, DAYS - 1, "S01")
    irrigate.run(site, NOW + timedelta(hours=1))
    said = facts(
        site,
        "SELECT a.water, a.depletion, a.reason FROM advice a JOIN zone z ON z.id = a.zone WHERE z.code = 'Z02'"
        " ORDER BY issued DESC LIMIT 1",
    )[0]
    assert said[:2] == (False, 0.0)
    assert said[2].endswith("(by the probe).")


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


def test_a_cover_that_is_in_no_table_now_leaves_its_zone_out(site: Connection) -> None:
    site.execute("UPDATE zone SET cover = 'lichen' WHERE code = 'Z01'")
    assert irrigate.run(site, NOW) == irrigate.Irrigated(1, DAYS, 1, ("Z01",))


def test_a_cover_that_older_tables_lack_begins_with_its_edition(site: Connection) -> None:
    site.execute("UPDATE edition SET rows = rows - 0, sha256 = 'without the lawn' WHERE name = 'covers'")
    list(migrations.migrate(site, standards.tables(), MIDNIGHT - timedelta(days=3, hours=5)))
    assert irrigate.run(site, NOW) == irrigate.Irrigated(2, 2 * 3, 2)
    assert balance(site)[0]["fallbacks"] == ["start_raw"]


def test_another_edition_holds_from_its_day_on(site: Connection) -> None:
    irrigate.run(site, NOW)
    before = facts(site, "SELECT day, kc FROM water_balance WHERE zone = 1 ORDER BY 1")
    changed = copy.deepcopy(standards.tables())
    covers: Any = changed["covers"]
    covers[0]["kc_mid"] = "1.05"
    list(migrations.migrate(site, changed, MIDNIGHT - timedelta(days=3, hours=5)))
    irrigate.run(site, NOW)
    after = facts(site, "SELECT day, kc FROM water_balance WHERE zone = 1 ORDER BY 1")
    assert after[:7] == before[:7]
    assert [kc - old for (_, kc), (_, old) in zip(after[7:], before[7:], strict=True)] == pytest.approx([0.1] * 3)


def test_a_run_waits_for_the_one_before_it(site: Connection, other: Connection) -> None:
    other.execute("SET lock_timeout = '200ms'")
    with site.transaction():
        zones.lock(site)
        with pytest.raises(Exception, match="lock timeout"):
            irrigate.run(other, NOW)
    assert irrigate.run(other, NOW).balance == 2 * DAYS


# What is shown


def test_dashboards_read_zones_balance_and_the_newest_advice(site: Connection) -> None:
    irrigate.run(site, NOW)
    irrigate.run(site, NOW + timedelta(hours=1))
    with site.transaction():
        site.execute("SET LOCAL ROLE greenwatch_reader")
        assert facts(site, "SELECT zone, weather, probe, latitude FROM report.zone ORDER BY 1") == [
            ("Z01", "M01", None, 39.9),
            ("Z02", "M01", "S01", 39.9),
        ]
        (first,) = facts(site, "SELECT min(time) FROM report.water_balance")[0]
        assert first == MIDNIGHT - timedelta(days=DAYS)
        said = facts(site, "SELECT zone, issued, title_zh FROM report.advice ORDER BY 1")
        assert said == [
            ("Z01", MIDNIGHT + timedelta(hours=1), "北草坪"),
            ("Z02", MIDNIGHT + timedelta(hours=1), "南草坪"),
        ]


def test_the_writer_may_irrigate(site: Connection) -> None:
    with site.transaction():
        site.execute("SET LOCAL ROLE greenwatch_writer")
        assert irrigate.run(site, NOW).advice == 2


def test_the_command_prints_the_advice(
    site: Connection, dsn: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.console.now", lambda: NOW)
    irrigate.main(dsn=dsn)
    shown = capsys.readouterr().out
    assert "北草坪" in shown
    assert "yes" in shown
    assert "2026-03-08 16:00Z" in shown
    irrigate.main(as_json=True, dsn=dsn)
    (first, second) = json.loads(capsys.readouterr().out)
    assert (first["code"], second["code"]) == ("Z01", "Z02")
    assert first["water"] is True
    assert first["volume"] == pytest.approx(first["depth"] * 12 / 0.75)
    irrigate.main(since="2026-03-01", dsn=dsn)
    with pytest.raises(typer.BadParameter, match="no day"):
        irrigate.main(since="yesterday", dsn=dsn)


def test_the_command_says_how_to_begin(conn: Connection, dsn: str, capsys: pytest.CaptureFixture[str]) -> None:
    irrigate.main(dsn=dsn)
    assert "greenwatch register zones.csv" in capsys.readouterr().err
