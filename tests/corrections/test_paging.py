"""Corrections and alarms: evidence that a layer takes away is withdrawn, and the past does not page."""

from analytics.store import corrections, observations, registry
from analytics.store.connection import Connection
from analytics.store.corrections import Entry
from analytics.store.observations import Origin
from jobs import chain, watch
from tests import world
from tests.world import HOUR, NOTHING, T0


def live(conn: Connection, series: int, values: dict[int, float], now: float) -> None:
    """Hours in a live batch, settled at `now` [h]."""
    origin = Origin(registry.source(conn, "test"), "test", kind="live")
    rows = [(series, float(hour), value, 0, None) for hour, value in values.items()]
    at = T0 + now * HOUR
    observations.save(conn, world.frame(rows), NOTHING, origin, at)
    chain.settle(conn, lambda: at)


def lay(conn: Connection, series: int, hours: tuple[int, int], gain: float, now: float) -> int:
    entry = Entry(
        series,
        "recalibration",
        T0 + hours[0] * HOUR,
        T0 + hours[1] * HOUR,
        {"gain": gain, "offset": 0.0},
        "Wang",
        "why",
    )
    at = T0 + now * HOUR
    (number,) = corrections.enter(conn, [entry], at).ids
    chain.settle(conn, lambda: at)
    return number


def said(conn: Connection, now: float) -> list[tuple[str, str, str]]:
    return [(event["rule"], event["before"], event["after"]) for event in watch.run(conn, T0 + now * HOUR)]


def test_law_5_evidence_that_a_correction_removes_is_withdrawn_and_not_resolved(conn: Connection) -> None:
    series = world.settle_world(conn, [("A", "pm25")])[0]
    live(conn, series, dict.fromkeys(range(24), 200.0), 24.05)
    assert [event[2] for event in said(conn, 24.1)] == ["firing", "firing"]
    lay(conn, series, (0, 1000), 0.1, 24.2)
    assert said(conn, 24.3) == [("pm25_heavy", "firing", "withdrawn"), ("pm25_polluted", "firing", "withdrawn")]


def test_law_6_a_correction_of_the_past_pages_nobody(conn: Connection) -> None:
    series = world.settle_world(conn, [("A", "pm25")])[0]
    live(conn, series, dict.fromkeys(range(96), 20.0), 96.05)
    assert said(conn, 96.1) == []
    number = lay(conn, series, (0, 30), 10.0, 96.2)
    # A series that says the same for days is a stuck sensor as well.
    episodes = "SELECT count(*) FROM episode e JOIN term r ON r.id = e.rule WHERE r.name = 'pm25_24h'"
    assert conn.execute(episodes).fetchone() != (0,)
    assert said(conn, 96.3) == []
    corrections.end(conn, [number], "Li", "x", T0 + 97 * HOUR)
    chain.settle(conn, lambda: T0 + 97 * HOUR)
    assert conn.execute(episodes).fetchone() == (0,)
    assert said(conn, 97.1) == []
