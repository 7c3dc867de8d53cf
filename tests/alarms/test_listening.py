"""Silence on a real database: from readings and what doors told to a ticket, a page, and back; and what is learned."""

import json
from datetime import timedelta

import pytest

from analytics.store import alarms as store
from analytics.store import channels, observations, registry, spools
from analytics.store.connection import Connection
from analytics.store.observations import Origin
from analytics.store.spools import Told
from jobs import relearn, watch
from tests import world
from tests.world import NOTHING, T0

MINUTE = timedelta(minutes=1)


class Net:
    """Stations of two channels by the minute, on a gateway that speaks by the door `hj212`, and the clock [min]."""

    def __init__(self, conn: Connection, stations: int = 6) -> None:
        self.conn = conn
        self.series = world.settle_world(
            conn, [(f"S{n}", channel) for n in range(stations) for channel in ("pm25", "o3")], cadence=60
        )
        self.told: list[tuple[int, str, str, str]] = []

    def say(
        self, series: list[int], minute: int, kind: str = "live", stamp: int | None = None, door: str = "hj212 1:2"
    ) -> None:
        """A reading of each of `series`, in one batch of `kind` at `minute`."""
        number = registry.source(self.conn, "gateway")
        at = T0 + minute * MINUTE
        stamped = (minute if stamp is None else stamp) / 60
        frame = world.frame([(each, stamped, 20.0 + minute % 7, 0, None) for each in series])
        observations.save(self.conn, frame, NOTHING, Origin(number, "test", door, kind=kind), at)

    def look(self, minute: int, *, away: bool = False) -> list[tuple[str, str, str]]:
        """Rule, subject and state of what changed at `minute`; the door told of itself, unless it is away."""
        now = T0 + minute * MINUTE
        if not away:
            spools.tell(self.conn, "hj212", Told(), now)
        events = watch.run(self.conn, now)
        names = store.words(self.conn, [event["subject"] for event in events])
        self.told += [
            (minute, event["rule"], names[event["subject"]], event["told"])
            for event in events
            if event["told"] and event["reason"] in ("fired", "told", "escalated")
        ]
        return [(event["rule"], names[event["subject"]], event["after"]) for event in events]

    def run(self, start: int, stop: int, speaking: list[int], *, away: bool = False) -> None:
        """Every minute of [start, stop) those that are `speaking` do, and watch looks."""
        for minute in range(start, stop):
            if speaking:
                self.say(speaking, minute)
            self.look(minute, away=away)


@pytest.fixture
def net(conn: Connection) -> Net:
    return Net(conn)


def test_one_channel_is_a_ticket_one_station_one_too_and_most_of_a_source_a_page(net: Net) -> None:
    net.run(0, 1, net.series)
    net.run(1, 32, net.series[1:])
    assert net.told == [(30, "channel_silent", "S0 pm25", "ticket")]
    net.run(32, 54, net.series[2:])
    assert net.told[1:] == [(51, "station_silent", "S0", "ticket")]
    # Of twelve channels ten stop; those of S0 are heard again.
    net.run(54, 69, net.series[:2])
    assert net.told[2:] == [(65, "source_outage", "gateway", "page")]
    # Nothing ever began of what lies under it.
    assert net.conn.execute("SELECT count(*) FROM alarm").fetchone() == (3,)


def test_late_and_filled_in_readings_end_nothing_and_fresh_ones_do(net: Net) -> None:
    rest, one = net.series[1:], net.series[:1]
    net.run(0, 1, net.series)
    net.run(1, 31, rest)
    for kind in ("late", "backfill", "correction"):
        net.say(one, 31, kind=kind)
    net.say(one, 31, stamp=15)  # kept by the device while its line was down
    assert net.look(31) == []
    assert channels.live(net.conn).filter(series=one[0])["live"].to_list() == [T0 + 15 * MINUTE]
    found = []
    for minute in (32, 33, 34):
        net.say(net.series, minute)
        found.append(net.look(minute))
    assert found == [
        [("channel_silent", "S0 pm25", "recovering")],
        [],
        [("channel_silent", "S0 pm25", "ok")],
    ]
    assert len(net.told) == 1


def test_a_restart_or_a_door_that_is_away_tells_nobody(net: Net, other: Connection) -> None:
    net.run(0, 2, net.series)
    net.look(2, away=True)
    # The door is away and comes back; so does the worker, on another connection.
    for minute in (3, 4, 5, 17, 18):
        assert net.look(minute, away=True) == []
    net.conn = other
    for minute in (30, 31, 39):
        assert net.look(minute) == []
    net.run(40, 42, net.series)
    assert net.told == []
    known = other.execute("SELECT job, succeeded, failed FROM work WHERE job LIKE 'silence%' ORDER BY 1").fetchall()
    assert known == [
        ("silence", T0 + 41 * MINUTE, T0 + 39 * MINUTE),
        ("silence hj212", T0 + 41 * MINUTE, T0 + 39 * MINUTE),
    ]


def test_a_station_that_left_is_not_silent_and_what_came_by_no_door_is(net: Net) -> None:
    net.say(net.series[:2], 0)
    net.say(net.series[2:3], 0, door="reading.csv")
    net.conn.execute(
        "INSERT INTO membership (station, kind, since, place) SELECT id, 'district', d, p FROM station,"
        " (VALUES ('-infinity'::date, 'north'), ('2026-02-01', NULL)) AS v (d, p) WHERE code = 'S0'"
    )
    for minute in range(22):
        net.say(net.series[3:], minute)
        net.look(minute, away=True)
    assert {(rule, name) for _, rule, name, _ in net.told} == set()
    assert (
        net.conn.execute("SELECT station, silent FROM report.channel WHERE retired").fetchall() == [("S0", False)] * 2
    )
    net.run(22, 32, net.series[3:], away=True)
    assert net.told == [(30, "channel_silent", "S1 pm25", "ticket")]


def test_a_learned_pause_lengthens_the_limit(conn: Connection) -> None:
    """A channel that speaks for an hour each day, every ten minutes, and one of one minute that was only filled in."""
    daily, filled = world.settle_world(conn, [("A", "laeq"), ("B", "pm25")], cadence=600)
    number = registry.source(conn, "gateway")
    for day in range(10):
        for minute in range(0, 60, 10):
            at = T0 + timedelta(days=day, minutes=minute)
            one = world.frame([(daily, day * 24 + minute / 60, 60.0 + minute, 0, None)])
            observations.save(conn, one, NOTHING, Origin(number, "test", kind="live"), at)
    world.send(conn, [(filled, n, 20.0, 0, None) for n in range(240)])
    world.settle(conn)
    # As if each had come two seconds after its time.
    conn.execute(
        "UPDATE batch b SET known = o.time + interval '2 s' FROM observation o WHERE o.batch = b.id AND b.kind = 'live'"
    )
    now = T0 + timedelta(days=10, hours=3)
    done = relearn.run(conn, now)
    assert done.cadences == 1
    query = "SELECT subject, valid_from, convert_from(blob, 'UTF8') FROM fit WHERE kind = 'cadence'"
    row = conn.execute(query).fetchone()
    assert row is not None
    assert row[:2] == (daily, T0 + timedelta(days=10))
    assert json.loads(str(row[2])) == {"gap": 600.0, "long": 24 * 3600.0, "delay": 2.0, "late": 2.0}
    assert relearn.run(conn, now).cadences == 0
