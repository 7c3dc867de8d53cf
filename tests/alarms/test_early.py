"""Early warnings on a real database: from forecasts as they were issued to a ticket, and back."""

from datetime import datetime, timedelta

import polars as pl
import pytest

from analytics.store import corrections, forecasts, observations, registry, weather
from analytics.store.connection import Connection
from analytics.store.observations import Origin
from jobs import chain, watch
from tests import world
from tests.world import HOUR, NOTHING, T0

Event = tuple[str, str, str]
WARNING = "pm25_warning"


class Station:
    """PM2.5 every hour, forecasts of it, and the clock."""

    def __init__(self, conn: Connection) -> None:
        self.conn = conn
        self.series = world.settle_world(conn, [("A", "pm25")])[0]

    def send(self, values: dict[int, float], now: float, kind: str = "live") -> None:
        rows = [(self.series, hour, value, 0, None) for hour, value in values.items()]
        origin = Origin(registry.source(self.conn, "test"), "test", kind=kind)
        observations.save(self.conn, world.frame(rows), NOTHING, origin, T0 + now * HOUR)
        self.settle(now)

    def settle(self, now: float) -> None:
        chain.settle(self.conn, lambda: T0 + now * HOUR)

    def issue(self, hour: int, value: float, known: float = 0.1) -> None:
        """A forecast of `value` for all hours ahead, issued at `hour`, known `known` [h] later."""
        leads = [value] * 72
        row = {
            "series": self.series,
            "value": leads,
            "low": leads,
            "high": leads,
            "models": ["naive"] * 72,
            "skill": [0.0] * 72,
            "reason": "",
        }
        forecasts.save(self.conn, pl.DataFrame([row]), T0 + hour * HOUR, HOUR, 0.8)
        at = T0 + (hour + known) * HOUR
        self.conn.execute("UPDATE forecast SET known = %s WHERE issued = %s", [at, T0 + hour * HOUR])

    def watch(self, now: float) -> list[Event]:
        """What became of the warning."""
        found = watch.run(self.conn, T0 + now * HOUR)
        return [(event["before"], event["after"], event["reason"]) for event in found if event["rule"] == WARNING]

    def hour(self, hour: int, measured: float, ahead: float) -> list[Event]:
        """An hour that is over, its forecast, and a look."""
        self.send({hour - 1: measured}, hour + 0.05)
        self.issue(hour, ahead)
        return self.watch(hour + 0.1)


@pytest.fixture
def station(conn: Connection) -> Station:
    made = Station(conn)
    made.send(dict.fromkeys(range(23), 100.0), 23.05)
    return made


def warned(station: Station) -> None:
    """Two issues in a row say that the mean of a day will be above 150."""
    assert station.hour(24, 100.0, 200.0) == [("ok", "pending", "begun")]
    assert station.hour(25, 100.0, 200.0) == [("pending", "firing", "fired")]


def test_a_warning_comes_hours_before_the_alarm_which_takes_its_place(station: Station) -> None:
    warned(station)
    row = station.conn.execute(
        "SELECT s.kind, e.told, e.level, e.evidence->>'value', e.evidence->>'episode' FROM alarm_event e"
        " JOIN subject s ON s.id = e.subject JOIN term r ON r.id = e.rule"
        f" WHERE e.after = 'firing' AND r.name = '{WARNING}'"
    ).fetchone()
    # 100 + 100 n / 24 is above 150 from the 13th hour on, 200 in the 24th.
    assert row == ("station", "ticket", 2, "200.0", (T0 + 37 * HOUR).isoformat())
    station.send(dict.fromkeys(range(25, 35), 200.0), 35.05)
    assert station.hour(36, 200.0, 200.0) == []
    assert station.hour(37, 200.0, 200.0) == []
    assert station.hour(38, 200.0, 200.0) == [("firing", "ok", "cleared")]
    on = station.conn.execute(
        "SELECT r.name FROM alarm a JOIN term r ON r.id = a.rule WHERE a.state = 'firing' ORDER BY 1"
    ).fetchall()
    assert ("pm25_heavy",) in on
    assert station.hour(39, 200.0, 200.0) == []


def test_newer_issues_that_do_not_say_so_end_it(station: Station) -> None:
    warned(station)
    assert station.hour(26, 100.0, 20.0) == [("firing", "recovering", "quiet")]
    assert station.hour(27, 100.0, 20.0) == []
    assert station.hour(28, 100.0, 20.0) == [("recovering", "ok", "cleared")]


def test_when_forecasts_stop_it_is_blind_and_passes_with_its_hours(station: Station) -> None:
    warned(station)
    assert station.watch(28.2) == [("firing", "blind", "silent")]
    assert station.watch(48.9) == []
    assert station.watch(49.1) == [("blind", "ok", "cleared")]


def test_forecasts_issued_for_the_past_warn_nobody(station: Station) -> None:
    station.send({23: 100.0, 24: 100.0}, 25.05)
    station.issue(24, 200.0, known=3.5)
    station.issue(25, 200.0, known=24 * 30)
    assert station.watch(25.1) == []


def test_forecasts_after_a_backfill_alone_warn_nobody(conn: Connection) -> None:
    made = Station(conn)
    made.send(dict.fromkeys(range(25), 100.0), 25.05, "backfill")
    made.issue(24, 200.0)
    made.issue(25, 200.0)
    assert made.watch(25.1) == []


def test_a_correction_of_what_was_measured_withdraws_it(station: Station) -> None:
    assert station.hour(24, 100.0, 145.0) == []
    station.send({24: 300.0}, 25.05)
    for hour in (25, 26):
        station.send({hour - 1: 300.0}, hour + 0.05)
        station.issue(hour, 145.0)
    assert station.watch(26.1) == [("ok", "firing", "fired")]
    start, stop = T0 + 24 * HOUR, T0 + 26 * HOUR
    entry = corrections.Entry(station.series, "recalibration", start, stop, {"gain": 0.1, "offset": 0.0}, "Li", "gain")
    corrections.enter(station.conn, [entry], T0 + 26 * HOUR)
    station.settle(26.12)
    assert station.watch(26.1 + 1 / 30) == [("firing", "withdrawn", "removed")]


def test_another_process_finds_what_is_on(station: Station, other: Connection) -> None:
    warned(station)
    mine, station.conn = station.conn, other
    assert station.watch(25.11) == []
    assert station.hour(26, 100.0, 20.0) == [("firing", "recovering", "quiet")]
    station.conn = mine
    assert station.watch(26.2) == []


def test_new_forecasts_are_looked_for_once_a_minute(station: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    heads = forecasts.heads

    def counted(conn: Connection, series: pl.Series, since: datetime) -> pl.DataFrame:
        asked.append(since)
        return heads(conn, series, since)

    monkeypatch.setattr(forecasts, "heads", counted)
    station.watch(24)
    for second in range(2, 60, 8):
        station.watch(24 + second / 3600)
    assert len(asked) == 1
    station.watch(24 + timedelta(seconds=61) / HOUR)
    assert len(asked) == 2


def test_a_weather_feed_is_one_that_is_registered_and_says_something_of_later(station: Station) -> None:
    conn, now = station.conn, T0 + 48 * HOUR
    (number,) = conn.execute("SELECT id FROM station").fetchone() or (0,)
    source = registry.source(conn, "weather")

    def say(ahead: int, issued: float) -> None:
        rows = pl.DataFrame(
            [(number, "air_temperature", now + ahead * HOUR, 20.0)],
            schema=["station", "parameter", "time", "value"],
            orient="row",
        )
        weather.save(conn, rows, source, now + issued * HOUR)

    say(30, -1)
    assert weather.fed(conn, now) == []  # a file that somebody read in once
    conn.execute("INSERT INTO pull (name, connector, ids) VALUES ('sky', 'weather', '{}')")
    assert weather.fed(conn, now) == [number]
    assert weather.fed(conn, now + 24 * HOUR) == []  # it stopped
    conn.execute("TRUNCATE weather_forecast")
    say(20, -1)
    assert weather.fed(conn, now) == []
