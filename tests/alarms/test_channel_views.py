"""The views `report.channel` and `report.hour_coverage`: whom nobody hears, and where readings are missing."""

import json
from datetime import datetime, timedelta

from analytics.store import observations, registry
from analytics.store.connection import Connection
from analytics.store.observations import Origin
from jobs import chain, console
from tests import world
from tests.world import NOTHING, T0

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def say(conn: Connection, series: int, start: datetime, stop: datetime, step: timedelta, kind: str = "live") -> None:
    """Readings of `series` in [start, stop), in one batch that was committed as the last of them came."""
    count = int((stop - start) / step)
    rows = [(series, (start + n * step - T0) / HOUR, 20.0 + n % 7, 0, None) for n in range(count)]
    number = registry.source(conn, "gateway")
    observations.save(conn, world.frame(rows), NOTHING, Origin(number, "test", "hj212 1:2", kind=kind), stop)
    conn.execute("UPDATE batch SET known = %s WHERE ordinal = (SELECT max(ordinal) FROM batch)", [stop - MINUTE])


def test_channels_are_silent_by_what_was_learned_never_heard_or_retired(conn: Connection) -> None:
    now = console.now().replace(microsecond=0)
    names = [("A", "pm25"), ("A", "o3"), ("A", "no2"), ("B", "pm25"), ("B", "o3")]
    fresh, quiet, paused, left, _ = world.settle_world(conn, names, cadence=60)
    say(conn, fresh, now - 5 * MINUTE, now, MINUTE)
    for each in (quiet, paused, left):
        say(conn, each, now - 2 * HOUR, now - HOUR, MINUTE)
    say(conn, quiet, now - 20 * MINUTE, now, MINUTE, kind="late")
    conn.execute(
        "INSERT INTO membership (station, kind, since, place) SELECT id, 'district', d, p FROM station,"
        " (VALUES ('-infinity'::date, 'north'), ('2026-02-01', NULL)) AS v (d, p) WHERE code = 'B'"
    )
    usual = {"gap": 60.0, "long": 7200.0, "delay": 2.0, "late": 60.0}
    conn.execute(
        "INSERT INTO fit (kind, subject, since, valid_from, fitted_at, seed, versions, sha256, blob)"
        " VALUES ('cadence', %s, %s, %s, %s, 0, '{}', '', %s)",
        [paused, T0, now, now, json.dumps(usual).encode()],
    )
    found = conn.execute(
        'SELECT station, parameter, source, silent, never, retired, "limit", gap FROM report.channel'
        " ORDER BY station, parameter"
    ).fetchall()
    short, long = 10 * MINUTE, 1.5 * (2 * HOUR + MINUTE)
    assert found == [
        ("A", "no2", "gateway", False, False, False, long, MINUTE),
        ("A", "o3", "gateway", True, False, False, short, None),
        ("A", "pm25", "gateway", False, False, False, short, None),
        ("B", "o3", None, False, True, True, short, None),
        ("B", "pm25", "gateway", False, False, True, short, None),
    ]


def test_hours_tell_what_is_missing_at_its_source_and_what_was_lost_here(conn: Connection) -> None:
    top = console.now().replace(minute=0, second=0, microsecond=0)
    one, two = world.settle_world(conn, [("A", "pm25"), ("B", "pm25")], cadence=600)
    step = 10 * MINUTE
    # A speaks all the time; B has a gap of an hour, then half an hour; from -3 to -2 h nothing came, but late.
    say(conn, one, top - 6 * HOUR, top - 3 * HOUR, step)
    say(conn, one, top - 3 * HOUR, top - 2 * HOUR, step, kind="late")
    say(conn, one, top - 2 * HOUR, top, step)
    say(conn, two, top - 6 * HOUR, top - 5 * HOUR, step)
    say(conn, two, top - 4 * HOUR, top - 3 * HOUR - 30 * MINUTE, step)
    say(conn, two, top - 2 * HOUR, top, step)
    # In each hour that was heard something was committed.
    ups = (-6, -5, -4, -2, -1)
    conn.execute("UPDATE batch SET known = %s WHERE kind = 'live'", [top - 6 * HOUR + MINUTE])
    for number, hour in enumerate(ups):
        conn.execute(
            "UPDATE batch SET known = %s WHERE ordinal = %s", [top + hour * HOUR + MINUTE, (1, 3, 4, 5, 6)[number]]
        )
    conn.execute("UPDATE batch SET known = %s WHERE kind = 'late'", [top])
    conn.execute(
        "INSERT INTO reject (batch, source, reason, station, channel, stamp, text, kept, time)"
        " SELECT 1, min(id), 'approved', 'B', 'pm25', 'x', 'y', now(), %s FROM source",
        [top - 5 * HOUR + MINUTE],
    )
    chain.settle(conn, console.now)
    found = conn.execute(
        "SELECT station, time, expected, received, missing, lost, up FROM report.hour_coverage"
        " WHERE time >= %s AND time < %s ORDER BY station, time",
        [top - 6 * HOUR, top],
    ).fetchall()
    rows = [(station, round((time - top) / HOUR), *rest) for station, time, *rest in found]  # type: ignore[operator]
    assert rows == [
        *(("A", hour, 6, 6, 0, 0, hour in ups) for hour in range(-6, 0)),
        ("B", -6, 6, 6, 0, 0, True),
        ("B", -5, 6, 0, 5, 1, True),
        ("B", -4, 6, 3, 3, 0, True),
        ("B", -3, 6, 0, 0, 6, False),
        ("B", -2, 6, 6, 0, 0, True),
        ("B", -1, 6, 6, 0, 0, True),
    ]
