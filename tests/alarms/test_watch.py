"""Alarms on a real database: from a reading to a page, through the stages, and back."""

import itertools
import json
from contextlib import closing
from datetime import UTC, datetime
from functools import partial

import psycopg
import pytest

from analytics.store import alarms as store
from analytics.store import observations, registry
from analytics.store.connection import Connection
from analytics.store.observations import Origin
from jobs import chain, watch
from tests import world
from tests.mortal import Killed, mortal
from tests.serving import until
from tests.world import HOUR, NOTHING, T0


class District:
    """One station with PM2.5 every hour, and the clock."""

    def __init__(self, conn: Connection) -> None:
        self.conn = conn
        self.series = world.settle_world(conn, [("A", "pm25")])[0]

    def send(self, values: list[tuple[float, float]], now: float, kind: str = "live", revision: int = 0) -> None:
        """Readings (hour, value) in a batch of `kind`, settled, at `now` [h]."""
        number = registry.source(self.conn, "test")
        rows = [(self.series, hour, value, revision, None) for hour, value in values]
        at = T0 + now * HOUR
        observations.save(self.conn, world.frame(rows), NOTHING, Origin(number, "test", kind=kind), at)
        chain.settle(self.conn, lambda: at)

    def watch(self, now: float) -> list[tuple[str, str, str, str]]:
        """What is said of PM2.5; what is silent has tests of its own."""
        found = [event for event in watch.run(self.conn, T0 + now * HOUR) if event["rule"].startswith("pm25")]
        return [(event["rule"], event["before"], event["after"], event["reason"]) for event in found]

    def gauge(self, now: float) -> list[tuple[str, int]]:
        return store.gauge(self.conn, T0 + now * HOUR).select("rule", "level").rows()


@pytest.fixture
def district(conn: Connection) -> District:
    return District(conn)


def haze(district: District) -> None:
    """A day above 150 as a backfill, and its last hour live: both alarms fire."""
    district.send([(h, 200.0) for h in range(23)], 23, kind="backfill")
    assert district.watch(23.05) == []  # all of it is the past
    district.send([(23, 200.0)], 24.05)
    assert district.watch(24.1) == [
        ("pm25_heavy", "ok", "firing", "fired"),
        ("pm25_polluted", "ok", "firing", "fired"),
    ]


def test_a_haze_pages_once_and_ends_by_clean_air(district: District) -> None:
    haze(district)
    assert district.watch(24.2) == []
    assert district.gauge(24.2) == [("pm25_heavy", 2), ("pm25_polluted", 2)]
    said = []
    for before, hour in itertools.pairwise((23, 29, 30, 31, 35, 36, 37, 38, 39, 43, 44, 45, 60)):
        district.send([(h, 0.0) for h in range(before + 1, hour + 1)], hour + 1.05)
        said += [(hour, *event) for event in district.watch(hour + 1.1)]
        assert district.watch(hour + 1.2) == []
    # 200 (24 - n) / 24 falls to 145 after 7 clean hours, to 75 after 15; level 1 goes on through 6 quiet hours.
    assert said == [
        (30, "pm25_heavy", "firing", "recovering", "quiet"),
        (30, "pm25_polluted", "firing", "firing", "lowered"),
        (36, "pm25_heavy", "recovering", "ok", "cleared"),
        (38, "pm25_polluted", "firing", "recovering", "quiet"),
        (44, "pm25_polluted", "recovering", "ok", "cleared"),
    ]
    assert district.gauge(60.9) == [("pm25_heavy", 0), ("pm25_polluted", 0)]
    assert district.gauge(61.2) == [("pm25_polluted", 0)]
    assert district.gauge(70.2) == []
    row = district.conn.execute("SELECT closed, level FROM report.episode WHERE rule = 'pm25_24h'").fetchall()
    assert row == [(True, 2)]


def test_silence_is_blind_and_stays_at_its_level(district: District) -> None:
    haze(district)
    assert district.watch(27.05) == [
        ("pm25_heavy", "firing", "blind", "silent"),
        ("pm25_polluted", "firing", "blind", "silent"),
    ]
    for hour in (30.0, 24.0 * 30, 24.0 * 365):
        assert district.watch(hour) == []
        assert district.gauge(hour) == [("pm25_heavy", 2), ("pm25_polluted", 2)]
    # Late readings show that it went on, not that it is on now; and then that it ended.
    district.send([(24, 200.0)], 31, kind="late")
    assert district.watch(31) == []
    district.send([(hour, 0.0) for hour in range(25, 60)], 61, kind="late")
    assert district.watch(61) == [
        ("pm25_heavy", "blind", "ok", "cleared"),
        ("pm25_polluted", "blind", "ok", "cleared"),
    ]


def test_values_again_after_silence_are_no_new_page(district: District) -> None:
    haze(district)
    district.watch(28)
    district.send([(h, 200.0) for h in range(24, 30)], 30.05)
    assert district.watch(30.1) == [
        ("pm25_heavy", "blind", "firing", "seen"),
        ("pm25_polluted", "blind", "firing", "seen"),
    ]


def test_a_correction_withdraws_and_does_not_resolve(district: District) -> None:
    haze(district)
    district.send([(h, 20.0) for h in range(24)], 24.3, kind="correction", revision=1)
    assert district.watch(24.4) == [
        ("pm25_heavy", "firing", "withdrawn", "removed"),
        ("pm25_polluted", "firing", "withdrawn", "removed"),
    ]
    assert district.gauge(24.4) == [("pm25_heavy", 0), ("pm25_polluted", 0)]
    # And what is real pages again.
    district.send([(h, 300.0) for h in range(24, 48)], 48.05)
    assert {event[2] for event in district.watch(48.1)} == {"firing"}


def test_a_late_row_raises_what_is_on_and_pages_nothing_new(district: District) -> None:
    """A day at 120 is level 1, live. What comes late makes it 183, which is level 2."""
    district.send([(h, 120.0) for h in range(24)], 24.05)
    assert district.watch(24.1) == [("pm25_polluted", "ok", "firing", "fired")]
    district.watch(29)
    district.send([(h, 500.0) for h in range(20, 24)], 29, kind="late", revision=1)
    assert district.watch(29.1) == []  # blind by now: nobody is woken by the past
    # It holds at the live edge again, by the newest live reading: now it does.
    district.send([(h, 120.0) for h in range(24, 29)], 29.2)
    assert district.watch(29.2) == [
        ("pm25_heavy", "ok", "firing", "fired"),
        ("pm25_polluted", "blind", "firing", "seen"),
    ]


def test_another_process_that_decides_is_left_alone(district: District, other: Connection) -> None:
    haze(district)
    with other.transaction():
        assert store.lock(other)
        assert district.watch(30) == []
    assert len(district.watch(30)) == 2


def test_a_restart_finds_everything_in_the_table(district: District, other: Connection) -> None:
    haze(district)
    district.conn = other
    assert district.watch(24.2) == []
    assert district.gauge(24.2) == [("pm25_heavy", 2), ("pm25_polluted", 2)]


def test_a_value_that_is_not_looked_at_yet_ends_nothing(district: District, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hour is averaged, its episode not made longer yet: no recovery, and no page either."""
    haze(district)
    due = chain.due
    without = lambda conn, now: {name: found for name, found in due(conn, now).items() if name != "detect"}  # noqa: E731
    monkeypatch.setattr(chain, "due", without)
    district.send([(24, 200.0)], 25.05)
    assert district.watch(25.1) == []
    monkeypatch.undo()
    chain.settle(district.conn, lambda: T0 + 25.1 * HOUR)
    assert district.watch(25.1) == []


def test_the_gauge_names_district_severity_and_parameter(district: District) -> None:
    district.conn.execute(
        "INSERT INTO membership (station, kind, since, place) SELECT id, 'district', since::date, place FROM station,"
        " (VALUES ('-infinity', 'EAST'), ('2030-01-01', 'WEST')) AS m (since, place)"
    )
    haze(district)
    found = store.gauge(district.conn, T0 + 24.2 * HOUR).rows()
    assert found == [
        ("pm25_heavy", "episode", "station", "A", "pm25", "", "", "EAST", "page", "1", 2),
        ("pm25_polluted", "episode", "station", "A", "pm25", "", "", "EAST", "ticket", "2", 2),
    ]
    # It goes on under the district of when it began, wherever the station is by then.
    assert store.gauge(district.conn, datetime(2030, 6, 1, tzinfo=UTC)).rows() == found


def test_an_upgrade_that_takes_a_rule_away_resolves_nothing(district: District) -> None:
    """Absent, the gauge would be "resolved" after six hours by who reads it, and nothing had ended."""
    haze(district)
    before = store.gauge(district.conn, T0 + 24.2 * HOUR)
    for table, rule in (("alarms", "pm25_heavy"), ("episodes", "pm25_episode")):
        district.conn.execute(
            "INSERT INTO edition (name, sha256, valid_from, known, rows) SELECT name, 'new', %s, %s, rows - %s"
            " FROM edition WHERE name = %s",
            [T0 + 24 * HOUR, T0 + 24 * HOUR, rule, table],
        )
    assert store.gauge(district.conn, T0 + 24.2 * HOUR).equals(before)


def test_events_say_what_they_stand_on(district: District) -> None:
    haze(district)
    rows = district.conn.execute(
        "SELECT time, rule, before, after, level, reason, evidence, severity, parameter FROM report.alarm_event"
        " ORDER BY rule"
    ).fetchall()
    assert len(rows) == 2
    at, rule, before, after, level, reason, evidence, severity, parameter = rows[0]
    assert (at, rule, before, after, level, reason) == (T0 + 24.1 * HOUR, "pm25_heavy", "ok", "firing", 2, "fired")
    assert (severity, parameter) == ("page", "pm25")
    # 20 hours make a moving mean: the first is that of hour 19.
    assert evidence == {
        "episode": (T0 + 19 * HOUR).isoformat(),
        "onset": (T0 + 19 * HOUR).isoformat(),
        "edge": (T0 + 24 * HOUR).isoformat(),
        "live": (T0 + 23 * HOUR).isoformat(),
        "value": 200.0,
    }


def test_what_was_told_of_before_there_were_incidents_gets_one(district: District) -> None:
    """As after an upgrade; and once only."""
    haze(district)
    district.conn.execute("UPDATE alarm SET incident = NULL")
    district.conn.execute("UPDATE incident SET withdrawn = opened")
    assert {(rule, reason) for rule, _, _, reason in district.watch(24.2)} == {
        ("pm25_heavy", "told"),
        ("pm25_polluted", "told"),
    }
    assert district.conn.execute("SELECT count(*) FROM incident WHERE withdrawn IS NULL").fetchone() == (2,)
    assert store.load(district.conn)["incident"].null_count() == 0
    assert district.watch(24.25) == []


def test_the_command_prints_alarms(district: District, dsn: str, capsys: pytest.CaptureFixture[str]) -> None:
    haze(district)
    watch.main(as_json=True, dsn=dsn)
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert {(event["rule"], event["after"]) for event in said["events"]} == {
        ("pm25_heavy", "blind"),
        ("pm25_polluted", "blind"),
    }
    assert [(row["rule"], row["level"]) for row in said["gauge"]] == [("pm25_heavy", 2), ("pm25_polluted", 2)]
    watch.main(dsn=dsn)
    assert "pm25_heavy" in capsys.readouterr().out


def _gone(conn: Connection, pid: int) -> bool:
    return conn.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", [pid]).fetchone() is None


def test_a_watch_that_dies_anywhere_has_told_all_or_nothing(district: District) -> None:
    """Law 7: cut at each of its statements, it tells each event once in the end."""
    district.send([(h, 200.0) for h in range(24)], 24.05)
    for statements in range(400):
        with closing(mortal(district.conn, statements)) as own:
            pid = own.info.backend_pid
            try:
                watch.run(own, T0 + 24.1 * HOUR)
                break
            except (Killed, psycopg.OperationalError):
                told = district.conn.execute("SELECT count(*) FROM alarm_event").fetchone()
                kept = district.conn.execute("SELECT count(*) FROM alarm").fetchone()
                assert (told, kept) == ((0,), (0,))
        # Who is killed holds its lock until its backend has noticed; whoever looks meanwhile sees nothing to do.
        until(partial(_gone, district.conn, pid))
    assert statements > 10
    assert district.watch(24.2) == []
    assert district.conn.execute("SELECT count(*), count(DISTINCT rule) FROM alarm_event").fetchone() == (2, 2)
