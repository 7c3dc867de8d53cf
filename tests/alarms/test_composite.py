"""Alarms on episodes that are more than a line over one mean: what stands beside it decides when they end, too."""

import json

import pytest

from analytics import alarms, episodes, tables
from analytics.store import observations, registry
from analytics.store.connection import Connection
from analytics.store.observations import Origin
from analytics.tables import TableError
from jobs import chain, watch
from tests import world
from tests.world import HOUR, NOTHING, T0

ALARM = {
    "episode": "black_odour",
    "level": 1,
    "confirm": 0,
    "clear": 13,
    "cadences": 6,
    "at_least": 90,
    "severity": "ticket",
    "title": "black and odorous water",
    "title_zh": "黑臭",
    "source": "OWN",
    "confidence": "memory_low",
}


def said(conn: Connection, series: list[int], hours: range, ammonia: float, oxygen: float) -> list[str]:
    """What is said of it hour by hour, each an hour after the water was so."""
    source, out = registry.source(conn, "test"), []
    for hour in hours:
        values = (ammonia, oxygen + hour % 3 / 10, 200.0, 60.0)
        rows = [(number, hour, value, 0, None) for number, value in zip(series, values, strict=True)]
        now = T0 + (hour + 1.1) * HOUR
        observations.save(conn, world.frame(rows), NOTHING, Origin(source, "test", kind="live"), now)
        chain.settle(conn, lambda now=now: now)  # type: ignore[misc]  # the now of this hour
        out += [f"{hour} {event['after']}" for event in watch.run(conn, now) if event["rule"] == "black_odour"]
    return out


def test_it_ends_when_what_stands_beside_it_does(conn: Connection) -> None:
    """Ammonia stays high, oxygen comes back: a day later its lowest is above the line, and the water is not black."""
    conn.execute(
        "INSERT INTO edition (name, sha256, valid_from, known, rows) SELECT name, 'new', %s, %s, rows || %s"
        " FROM edition WHERE name = 'alarms'",
        [T0 - 1000 * HOUR, T0 - 1000 * HOUR, json.dumps({"black_odour": ALARM})],
    )
    series = world.settle_world(conn, [("W", name) for name in ("nh3n", "dissolved_oxygen", "orp", "transparency")])
    assert said(conn, series, range(3), 2.0, 6.0) == []
    assert said(conn, series, range(3, 9), 12.0, 1.0) == ["4 firing"]
    assert said(conn, series, range(9, 31), 12.0, 6.0) == []  # for a day its lowest is what it was
    assert said(conn, series, range(31, 50), 12.0, 6.0) == ["32 recovering", "44 ok"]


def test_nobody_is_paged_for_a_device() -> None:
    known = episodes.load()
    facts = (
        {name: rule.depth for name, rule in known.items()},
        {name: rule.bridge for name, rule in known.items()},
        {name: rule.about for name, rule in known.items()},
    )
    stuck = {**ALARM, "episode": "stuck_pm25", "clear": 30}
    alarms.check(alarms.parse({"stuck": stuck}), *facts)
    for more in ({"severity": "page"}, {"escalate": {"after": 4, "severity": "page"}}):
        with pytest.raises(TableError, match=r"\[stuck\]: 'stuck_pm25' is a hint at a device: that is no 'page'"):
            alarms.check(alarms.parse({"stuck": {**stuck, **more}}), *facts)
    alarms.check(alarms.parse(tables.read("alarms")), *facts)
