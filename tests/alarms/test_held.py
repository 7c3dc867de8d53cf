"""Whom nobody is told of for now, on a real database: planned events, regions; and alarms that escalate."""

import json
from collections.abc import Sequence
from datetime import timedelta

import pytest
from typer.testing import CliRunner

from analytics.store import alarms as store
from analytics.store import observations, planned, registry
from analytics.store.connection import Connection
from analytics.store.observations import Origin
from jobs import chain, watch
from jobs.alarms import app
from tests import world
from tests.world import HOUR, NOTHING, T0

LATER = timedelta(days=400)


class District:
    """Stations of one district with PM2.5 every hour, and the clock."""

    def __init__(self, conn: Connection, codes: Sequence[str]) -> None:
        self.conn = conn
        self.series = dict(zip(codes, world.settle_world(conn, [(code, "pm25") for code in codes]), strict=True))
        conn.execute("INSERT INTO membership (station, kind, place) SELECT id, 'district', 'EAST' FROM station")

    def send(self, codes: Sequence[str], hours: Sequence[int], value: float) -> None:
        """A reading an hour of each station, live, settled at the end of the last hour."""
        number = registry.source(self.conn, "test")
        rows = [(self.series[code], float(hour), value, 0, None) for code in codes for hour in hours]
        at = T0 + (hours[-1] + 1.05) * HOUR
        observations.save(self.conn, world.frame(rows), NOTHING, Origin(number, "test", kind="live"), at)
        chain.settle(self.conn, lambda: at)

    def watch(self, now: float) -> list[tuple[str, str, str, str]]:
        """(subject, rule, reason, told) of each event on heavy pollution."""
        events = watch.run(self.conn, T0 + now * HOUR)
        names = store.words(self.conn, [event["subject"] for event in events])
        said = [(names[event["subject"]], event["rule"], event["reason"], event["told"]) for event in events]
        return [each for each in said if each[1].startswith("pm25_heavy")]

    def gauge(self, now: float) -> list[tuple[str, ...]]:
        """(rule, scope, station, district, severity) of what is above 0."""
        rows = store.gauge(self.conn, T0 + now * HOUR).filter(level=2)
        return sorted(rows.select("rule", "scope", "station", "district", "severity").rows())


def test_a_haze_over_a_district_is_one_page(conn: Connection) -> None:
    codes = ["A", "B", "C", "D"]
    district = District(conn, codes)
    conn.execute("UPDATE station SET longitude = 116, latitude = 40 + id / 100.0")
    district.send(codes[:2], range(24), 200.0)
    district.send(["C"], range(24), 140.0)
    district.send(["D"], range(24), 20.0)
    assert district.watch(24.1) == [("A", "pm25_heavy", "fired", "page"), ("B", "pm25_heavy", "fired", "page")]
    district.send(codes[:2], [24], 200.0)
    district.send(["C"], [24], 480.0)
    district.send(["D"], [24], 20.0)
    # The third one makes it a region, in the very look in which it begins; nobody is told of it by itself.
    assert district.watch(25.1) == [("C", "pm25_heavy", "fired", ""), ("EAST", "pm25_heavy_region", "fired", "page")]
    assert ("pm25_heavy_region", "district", "", "EAST", "page") in district.gauge(25.2)
    assert not any(row[:3] == ("pm25_heavy", "station", "C") for row in district.gauge(25.2))
    # What is kept of regions says the same: one of these three, since the first of them had it.
    about = conn.execute(
        "SELECT district, state, episode_rule, time, stations, members, closed FROM report.alarm_region"
    ).fetchall()
    assert about == [("EAST", "firing", "pm25_24h", T0 + 19 * HOUR, 3, 3, False)]
    event = conn.execute("SELECT evidence->>'by', told FROM report.alarm_event WHERE station = 'C'").fetchone()
    assert event == ("pm25_heavy_region", "")
    # A restart finds it so, and a gap is no end of it.
    assert district.watch(25.15) == []
    assert {each[2] for each in district.watch(28)} == {"silent"}
    # A and B get clean air; what goes on at C is told when the region is over.
    said = []
    for hours in (range(25, 36), *([hour] for hour in range(36, 45))):
        district.send(codes[:2], hours, 0.0)
        district.send(["C", "D"], hours, 200.0)
        said += [(hours[-1], *each) for each in district.watch(hours[-1] + 1.1)]
        if any(each[2:4] == ("pm25_heavy_region", "cleared") for each in said):
            break
    ends = [each for each in said if each[2] == "pm25_heavy_region"]
    told = [each for each in said if each[1] == "C"]
    assert (ends[-1][3], told[-1][3:]) == ("cleared", ("told", "page"))
    assert ends[-1][0] == told[-1][0]


def test_stations_that_stop_make_no_region_of_those_that_go_on(conn: Connection) -> None:
    codes = ["A", "B", "C", "D", "E", "F", "G"]
    district = District(conn, codes)
    district.send(codes[:3], range(24), 200.0)
    district.send(codes[3:], range(24), 20.0)
    assert [each[0] for each in district.watch(24.1)] == ["A", "B", "C"]
    # Three of seven are no region; nor are they when the others are heard no more.
    district.send(codes[:3], range(24, 28), 200.0)
    assert district.watch(28.1) == []
    # One that moves while its alarm is on stays in the district of its incident: another label is another alert.
    before = district.gauge(28.1)
    assert ("pm25_heavy", "station", "A", "EAST", "page") in before
    conn.execute(
        "INSERT INTO membership (station, kind, place, since) SELECT id, 'district', 'WEST', '2025-12-01' FROM station"
    )
    assert district.gauge(28.2) == before


def test_what_was_planned_tells_nobody_and_ends_nothing(conn: Connection) -> None:
    district = District(conn, ["A"])
    number = planned.add(conn, "station", "A", T0, T0 + 26.5 * HOUR, "Wang", "fireworks", T0)
    district.send(["A"], range(24), 200.0)
    assert district.watch(24.1) == [("A", "pm25_heavy", "fired", "")]
    assert district.gauge(24.2) == []
    assert conn.execute("SELECT count(*) FROM incident").fetchone() == (0,)
    for hour in (24, 25):
        district.send(["A"], [hour], 200.0)
        assert district.watch(hour + 1.1) == []
    district.send(["A"], [26], 200.0)
    assert district.watch(27.1) == [("A", "pm25_heavy", "told", "page")]
    assert [row[4] for row in district.gauge(27.2)] == ["page", "ticket"]
    assert conn.execute("SELECT count(*) FROM incident").fetchone() == (2,)
    # Another event does not take back what was told.
    planned.add(conn, "all", "", T0 + 27 * HOUR, T0 + 90 * HOUR, "Wang", "again", T0)
    assert district.watch(27.2) == []
    assert len(district.gauge(27.2)) == 2
    assert planned.find(conn, number)["ended"].to_list() == [None]


def test_a_ticket_that_stays_on_keeps_its_row_and_gets_a_page_beside_it(conn: Connection) -> None:
    district = District(conn, ["A"])
    district.send(["A"], range(24), 130.0)
    watch.run(conn, T0 + 24.1 * HOUR)
    district.send(["A"], range(24, 102), 130.0)
    watch.run(conn, T0 + 102.1 * HOUR)
    rows = store.gauge(conn, T0 + 102.2 * HOUR).filter(rule="pm25_polluted").select("severity", "incident", "level")
    assert rows.rows() == [("page", "1", 1), ("ticket", "1", 1)]
    district.send(["A"], range(102, 132), 0.0)
    watch.run(conn, T0 + 132.1 * HOUR)
    rows = store.gauge(conn, T0 + 132.2 * HOUR).filter(rule="pm25_polluted").select("severity", "incident", "level")
    assert rows.rows() == [("page", "1", 0), ("ticket", "1", 0)]


def run(dsn: str, *words: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, [*words, "--dsn", dsn])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout, done.stderr


def test_the_calendar_is_added_to_and_ended_by_a_row(
    conn: Connection, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.settle_world(conn, [("A", "pm25")])
    monkeypatch.setattr("jobs.console.now", lambda: T0)
    words = ["--from", "2026-01-01T00:00Z", "--to", "2027-01-01T00:00Z", "--author", "Wang", "--reason", "span [gas]"]
    add = ["calendar", "add", "station", "A", *words]
    assert run(dsn, *add, "--dry-run")[0] == 0
    assert planned.listed(conn, T0).is_empty()
    code, out, _ = run(dsn, *add, "--json")
    [row] = json.loads(out)
    assert (code, row["scope"], row["name"], row["author"], row["reason"]) == (0, "station", "A", "Wang", "span [gas]")
    assert "span [gas]" in run(dsn, "calendar", "list")[1]
    number = str(row["planned"])
    end = ["calendar", "end", number, "--author", "Li", "--reason", "done"]
    assert json.loads(run(dsn, *end, "--dry-run", "--json")[1])[0]["ended_by"] == "Li"
    assert planned.current(conn, T0 + HOUR).rows() == [("station", "A")]
    assert run(dsn, *end)[0] == 0
    assert planned.current(conn, T0 + HOUR).rows() == []
    assert run(dsn, "calendar", "list")[1].count("station") == 0
    [old] = json.loads(run(dsn, "calendar", "list", "--all", "--json")[1])
    assert (old["reason"], old["ended_by"], old["ended_for"]) == ("span [gas]", "Li", "done")
    with pytest.raises(Exception, match="Li ended"):
        run(dsn, *end)
    with pytest.raises(Exception, match="there is no planned event 99"):
        run(dsn, "calendar", "end", "99", "--author", "Li", "--reason", "done")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["station", "B"], "there is no station 'B'"),
        (["station"], "which station"),
        (["all", "A"], "all is all"),
        (["moon", "A"], "Invalid value"),
    ],
)
def test_what_cannot_be_planned_is_said(conn: Connection, dsn: str, words: list[str], said: str) -> None:
    world.settle_world(conn, [("A", "pm25")])
    far = (T0 + LATER * 100).isoformat()
    period = ["--from", T0.isoformat(), "--to", far, "--author", "Wang", "--reason", "x"]
    code, _, told = run(dsn, "calendar", "add", *words, *period)
    assert code == 2
    assert said in " ".join(told.replace("│", " ").split())


def test_the_past_cannot_be_planned(conn: Connection, dsn: str) -> None:
    period = ["--from", "2020-01-01T00:00Z", "--to", "2020-01-02T00:00Z", "--author", "Wang", "--reason", "x"]
    assert run(dsn, "calendar", "add", "all", *period)[0] == 2


def test_what_is_listed_is_what_is_on(conn: Connection, dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    district = District(conn, ["A"])
    monkeypatch.setattr("jobs.console.now", lambda: T0 + 24.2 * HOUR)
    assert "no alarm" in run(dsn, "list")[2]
    district.send(["A"], range(24), 200.0)
    district.watch(24.1)
    found = json.loads(run(dsn, "list", "--json")[1])
    assert [(row["subject"], row["rule"], row["state"], row["told"], row["incident"]) for row in found] == [
        ("A", "pm25_heavy", "firing", "page", 1),
        ("A", "pm25_polluted", "firing", "ticket", 2),
    ]
    assert "pm25_heavy" in run(dsn, "list")[1]
