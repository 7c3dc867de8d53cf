"""From the spool to the store: sensors, copies of a frame, what waits, what comes again."""

import json
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from analytics.spool import Spool
from analytics.store import nodes, register
from analytics.store.connection import Connection
from analytics.store.errors import Nonsense
from jobs import register as job
from jobs.drain import Guarded, Saver, drain
from jobs.replay import Ask, replay
from tests import world
from tests.conftest import NOW

SITE = """
[[station]]
code = "A"
[[station.series]]
parameter = "soil_moisture"
position = "-0.1"
cadence = "10m"
[[station.series]]
parameter = "pm25"
cadence = "1m"
[[node]]
id = "0004A30B001C0530"
station = "A"
cadence = "10m"
channels = { soil = "soil_moisture@-0.1", battery = "" }
units = { soil = "%" }
"""
WHEN = datetime(2026, 5, 31, 12, tzinfo=UTC)
OBSERVED = "SELECT s.parameter, o.time, o.value FROM observation o JOIN series s ON s.id = o.series ORDER BY 1, 2"
CHIRPSTACK = {"format": "chirpstack", "pattern": "up/+", "topic": "up/x"}
PLAIN = {"format": "plain", "pattern": "sensors/<station>/<channel>", "topic": "sensors/A/pm25"}


def put(conn: Connection, text: str) -> None:
    job.write(conn, register.read(text.encode(), "site.toml", *job.rules(conn)))


def uplink(
    counter: int, at: datetime = WHEN, soil: object = 25, session: str = "s1", node: str = "0004a30b001c0530"
) -> bytes:
    fields = {"soil": soil, "battery": 3.6}
    said = {"deviceInfo": {"devEui": node}, "devAddr": session, "fCnt": counter, "time": at.isoformat()}
    return json.dumps({**said, "object": fields}).encode()


def drained(conn: Connection, folder: Path, *messages: tuple[Mapping[str, str], bytes]) -> Any:
    """Counts of `messages`, which came a moment ago."""
    with closing(Spool(folder)) as spool:
        for head, payload in messages:
            spool.append(payload, head, NOW).result(10)
    saver = Saver("mqtt")
    guard = Guarded("mqtt", saver)
    while drain(conn, folder, "mqtt", guard):
        pass
    return saver.counts + guard.refused


def test_a_frame_is_one_reading_however_often_and_whichever_way_it_came(conn: Connection, tmp_path: Path) -> None:
    put(conn, SITE)
    second = timedelta(seconds=1)
    copies = [(CHIRPSTACK, uplink(7, WHEN + shift)) for shift in (second, 0 * second, second)]
    counts = drained(conn, tmp_path, *copies)
    assert (counts.read, counts.new, counts.duplicates) == (3, 1, 2)
    there = [("soil_moisture", WHEN, 0.25)]
    assert conn.execute(OBSERVED).fetchall() == there
    before = world.picture(conn)
    again = drained(conn, tmp_path, *copies, (CHIRPSTACK, uplink(7, WHEN + 60 * second)))
    assert (again.new, again.duplicates, again.replaced) == (0, 4, 0)
    assert world.picture(conn) == before
    # After it joined again, or began anew by itself, the counter says nothing of what was before.
    more = drained(
        conn,
        tmp_path,
        (CHIRPSTACK, uplink(7, WHEN + second, session="s2")),
        (CHIRPSTACK, uplink(7, WHEN + 600 * second)),
    )
    assert (more.new, more.duplicates) == (2, 0)
    assert nodes.forget(conn, WHEN + 60 * second) == 2


def test_what_nobody_knows_waits_and_comes_in_by_replay(conn: Connection, tmp_path: Path) -> None:
    put(conn, SITE)
    messages = [
        (CHIRPSTACK, uplink(1, node="ff")),
        (CHIRPSTACK, json.dumps({**json.loads(uplink(2, WHEN + timedelta(hours=1))), "object": {"x": 5}}).encode()),
        (CHIRPSTACK, b"\0{"),
        ({"topic": "t", "fault": "a message of more than 64 KiB", "source": "lora"}, b"\xff\0"),
    ]
    counts = drained(conn, tmp_path, *messages)
    assert (counts.read, counts.rejects) == (4, 4)
    rows = conn.execute(
        "SELECT r.station, channel, name, reason FROM reject r JOIN source s ON s.id = r.source"
    ).fetchall()
    assert sorted(rows, key=lambda row: str(row[3])) == [
        (None, None, "lora", "a message of more than 64 KiB"),
        (None, None, "chirpstack", "no JSON"),
        ("A", "x", "chirpstack", "no channel for the field x"),
        ("ff", None, "chirpstack", "unknown node"),
    ]
    channels = '{ soil = "soil_moisture@-0.1", battery = "" }'
    put(conn, f'[[node]]\nid = "FF"\nstation = "A"\ncadence = "10m"\nchannels = {channels}\n')
    again = replay(conn, tmp_path, "mqtt", Ask(reason="unknown node"))
    assert (again.rejects, again.counts.new) == (1, 1)
    assert conn.execute("SELECT count(*) FROM reject").fetchone() == (3,)


def test_plain_json_by_its_topic_and_a_forged_one(conn: Connection, tmp_path: Path) -> None:
    put(conn, SITE)
    good = json.dumps({"time": WHEN.isoformat(), "value": 35.2}).encode()
    sql = json.dumps({"station": "A'; DROP TABLE batch; --", "time": WHEN.isoformat(), "value": 1}).encode()
    ahead = json.dumps({"time": "2029-01-01T00:00:00Z", "value": 1}).encode()
    messages = [(PLAIN, good), (PLAIN, b"[" * 60_000), (PLAIN, sql), ({**PLAIN, "retain": "1"}, good), (PLAIN, b"")]
    counts = drained(conn, tmp_path, *messages, (PLAIN, ahead))
    assert (counts.read, counts.new, counts.duplicates, counts.rejects) == (5, 1, 1, 3)
    assert conn.execute(OBSERVED).fetchall() == [("pm25", WHEN, 35.2)]
    reasons = {reason for (reason,) in conn.execute("SELECT reason FROM reject").fetchall()}
    assert reasons == {"broken line", "its topic names another station", "ahead of the clock"}
    places = [place for (place,) in conn.execute("SELECT place FROM reject").fetchall()]
    assert all(str(place).startswith("mqtt ") and ":" in str(place) for place in places)
    kinds = conn.execute("SELECT kind, count(*) FROM batch GROUP BY 1 ORDER BY 1").fetchall()
    assert [kind for kind, _ in kinds] == ["late", "live"]


def test_a_file_says_its_sensors_and_what_is_wrong_with_them(conn: Connection) -> None:
    put(conn, SITE)
    said = register.read(SITE.encode(), "site.toml", *job.rules(conn))
    assert register.compare(register.load(conn), said).changes == []
    assert nodes.load(conn, ["0004a30b001c0530"])["0004a30b001c0530"].units == {"soil": "%"}
    bad = (
        '[[node]]\nid = "N"\n[[node]]\nid = "n"\n[[node]]\nid = "M"\nstation = "Z"\nwhat = 1\n'
        'channels = { y = "nothing" }\nsentinels = ["a"]\n'
        '[[node]]\nid = "L"\nstation = "A"\nchannels = { x = "pm25" }\nunits = { x = "°C" }\n'
    )
    with pytest.raises(Nonsense) as problem:
        put(conn, bad)
    words = str(problem.value)
    for one in (
        "new and lacks station, channels",
        "node 'n' stands at line 1 already",
        "names station 'Z'",
        "unknown key 'what'",
        "'nothing' is unknown",
        "x [°C] cannot be pm25",
        "must be numbers",
    ):
        assert one in words


@pytest.mark.parametrize("dsn", ["plain"], indirect=True)
def test_on_plain_postgresql_it_is_the_same(conn: Connection, tmp_path: Path) -> None:
    put(conn, SITE)
    assert drained(conn, tmp_path, (CHIRPSTACK, uplink(7)), (CHIRPSTACK, uplink(7))).duplicates == 1
