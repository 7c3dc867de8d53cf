"""Zones are registered from their file, and nonsense in it is refused with its line and a reason."""

import pytest

from analytics.store import register
from analytics.store.connection import Connection
from analytics.store.errors import Nonsense
from jobs import register as job
from tests.irrigation.park import CSV, STATIONS, TOML
from tests.register.drafts import PARAMETERS, SAMPLES, STANDARDS, facts, put, snapshot


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
    assert put(conn, CSV, "zones.csv").changes == []
    assert snapshot(conn, "zone", "station") == before


def test_only_what_a_file_names_of_a_zone_changes(conn: Connection) -> None:
    put(conn, TOML, "zones.toml")
    plan = put(conn, "zone,area,method\nZ02,9000,sprinkler\n", "zones.csv")
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
    (
        "a probe beside none",
        f"{HEADER},beside\nZ1,M01,10,{GOOD},M01",
        "2: zone 'Z1' has probes beside its own: name that as probe, once",
    ),
    (
        "a probe beside itself",
        f"{HEADER},probe,beside\nZ1,M01,10,{GOOD},M01,M01",
        "2: zone 'Z1' has probes beside its own: name that as probe, once",
    ),
    ("a probe twice", f"{HEADER},probe,beside\nZ1,M01,10,{GOOD},M01,M02 M02", "2: beside cannot be 'M02 M02'"),
    (
        "unknown probe",
        f"{HEADER},probe,beside\nZ1,M01,10,{GOOD},M01,M9",
        "2: beside names station 'M9', neither registered",
    ),
    (
        "moisture in percent",
        f"{HEADER},field_capacity\nZ1,M01,10,{GOOD},29",
        "2: field_capacity cannot be '29': it lies outside 0.005 to 1 m³/m³",
    ),
    (
        "no water between its limits",
        f"{HEADER},field_capacity,wilting_point\nZ1,M01,10,{GOOD},.2,.2",
        "2: zone 'Z1' has a wilting_point of 0.2, not below its field_capacity of 0.2",
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
