"""From a socket to the store: series by cadence, marks, rejects; what is sent again; what is missing."""

import asyncio
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from analytics.ingest import ndjson
from analytics.metrics import Line
from analytics.spool import Spool
from analytics.store import devices, register, registry
from analytics.store.connection import Connection
from analytics.store.register import Secrets
from analytics.synthetic import District
from analytics.telemetry.hj212.devices import Device
from analytics.telemetry.hj212.encoding import frame
from analytics.telemetry.hj212.frames import Decoder, Frame
from analytics.telemetry.hj212.gaps import Gap
from analytics.telemetry.hj212.messages import parse
from jobs import register as job
from jobs import serve
from jobs.drain import Guarded, Saver, drain
from jobs.intake import Intake, Order
from jobs.listen.server import Settings, listen
from jobs.listen.threads import Asker
from jobs.replay import Ask, replay
from jobs.rules import load_rules
from jobs.simulate.devices import Devices, registration
from jobs.simulate.sender import body
from tests import world
from tests.conftest import NOW
from tests.listen.line import PEPPER, QUICK, head, said
from tests.serving import until

SECRETS = Secrets(PEPPER, {})
SITE = """
[[station]]
code = "A"
[[station.series]]
parameter = "pm25"
cadence = "1m"
[[station.series]]
parameter = "pm25"
cadence = "1h"
[[device]]
mn = "M1"
station = "A"
password = "123456"
"""
OBSERVED = (
    "SELECT s.parameter, s.statistic, s.cadence, o.time, o.value, o.mark FROM observation o"
    " JOIN series s ON s.id = o.series ORDER BY 1, 2, 3, 4"
)
HOUR = datetime(2026, 6, 1, tzinfo=UTC)  # 08:00 of the device


def put(conn: Connection, text: str) -> None:
    job.write(conn, register.read(text.encode(), "site.toml", *job.rules(conn), secrets=SECRETS))


def spooled(folder: Path, *frames: bytes, mn: str = "M1", **about: str) -> None:
    """The spool of `folder` holds `frames` behind what it held."""
    with closing(Spool(folder)) as spool:
        for one in frames:
            spool.append(one.rstrip(), {"mn": mn, **about}, NOW + timedelta(minutes=1)).result(10)


def drained(conn: Connection, folder: Path) -> Saver:
    """Who saved all of it."""
    saver = Saver("hj212")
    while drain(conn, folder, "hj212", Guarded("hj212", saver)):
        pass
    return saver


def test_cadences_are_series_of_their_own_and_what_comes_again_is_a_duplicate(conn: Connection, tmp_path: Path) -> None:
    put(conn, SITE)
    hour = [[("DataTime", "20260601080001")], [("a34004-Avg", "40"), ("a34004-Flag", "D")], [("a34002-Avg", "50")]]
    frames = (said("M1", 1, value=35), frame(head("M1", 2, "2061"), hour), said("M1", 3, "2021"))
    spooled(tmp_path, *frames)
    saver = drained(conn, tmp_path)
    there = [("pm25", "", 60, HOUR, 35.0, 78), ("pm25", "", 3600, HOUR, 40.0, 68)]
    assert conn.execute(OBSERVED).fetchall() == there
    assert (saver.counts.read, saver.counts.new, saver.counts.rejects) == (3, 2, 1)
    assert conn.execute("SELECT station, channel, cadence, reason FROM reject").fetchall() == [
        ("A", "pm10", 3600, "unknown series")
    ]
    before = world.picture(conn)
    spooled(tmp_path, *frames)
    again = drained(conn, tmp_path).counts
    assert (again.read, again.new, again.duplicates, again.rejects) == (3, 0, 2, 1)
    assert world.picture(conn) == before
    assert conn.execute("SELECT count(*) FROM reject").fetchone() == (1,)


def test_what_a_device_is_looked_up_for_is_what_everybody_is(conn: Connection) -> None:
    """A batch of a few devices reads no other's series: the answer is the same."""
    twice = "".join(f'[[station.series]]\nparameter = "pm25"\ncadence = "{step}"\n' for step in ("1m", "10m", "1h"))
    spoken = '[[authority]]\nstation = "B"\nparameter = "pm25"\ncadence = "1h"\nfallback = { cadence = "1m" }\n'
    put(conn, "".join(f'[[station]]\ncode = "{code}"\n{twice}' for code in "ABC") + spoken)
    parameters = load_rules(conn)[-1].parameters
    pairs = pl.DataFrame(
        [(station, channel) for station in "ABCX" for channel in ("pm25", "PM2.5", "pm10", "nothing")],
        schema=["station", "channel"],
        orient="row",
    )
    for cadence in (None, 60, 3600):
        whole = registry.resolve(conn, pairs, parameters, cadence)
        parts = [registry.resolve(conn, one, parameters, cadence) for one in pairs.iter_slices(3)]
        assert pl.concat(parts).equals(whole)
        step = {"A": 60, "B": 3600, "C": 60} if cadence is None else dict.fromkeys("ABC", cadence)
        steps = registry.load_series(conn).select("series", "cadence")
        found = whole.filter(channel="pm25").join(steps, on="series", how="inner")
        assert dict(found.select("station", "cadence").iter_rows()) == step


def test_the_later_number_wins_whatever_came_first(conn: Connection, tmp_path: Path) -> None:
    put(conn, SITE)
    spooled(tmp_path, said("M1", 5, value=50), said("M1", 4, value=40))
    drained(conn, tmp_path)
    assert [row[4] for row in conn.execute(OBSERVED).fetchall()] == [50.0]


def test_codes_nobody_knows_wait_with_their_words_and_devices_nobody_knows_without_password(
    conn: Connection, tmp_path: Path
) -> None:
    put(conn, SITE)
    strange = frame(head("M1", 1, "2011"), [[("DataTime", "20260601080000")], [("a24036-Rtd", "0.1")]])
    spooled(tmp_path, strange, said("M1", 2, time="20260601090000"))
    spooled(tmp_path, said("M9", 3), mn="M9")
    spooled(tmp_path, b"no frame at all")
    drained(conn, tmp_path)
    rows = conn.execute("SELECT channel, text, reason, source FROM reject ORDER BY reason").fetchall()
    assert [row[:3] for row in rows[:2]] == [
        ("pm25", "35.2", "ahead of the clock"),
        ("a24036-Rtd", "0.1", "no parameter has the code a24036"),
    ]
    assert {row[2] for row in rows} == {
        "ahead of the clock",
        "no parameter has the code a24036",
        "there is no CP=&&...&&",
        "unknown device",
    }
    assert not any("123456" in str(row) for row in rows)


def test_a_code_that_is_named_later_comes_in_by_replay(conn: Connection, tmp_path: Path) -> None:
    put(conn, SITE)
    strange = frame(head("M1", 1, "2011"), [[("DataTime", "20260601080000")], [("x7-Rtd", "47000"), ("x7-Flag", "N")]])
    spooled(tmp_path, strange, said("M1", 2, time="20260601080100"))
    drained(conn, tmp_path)
    put(conn, '[[device]]\nmn = "M1"\nchannels = { x7 = "pm25" }\nunits = { x7 = "ng/m³" }\n')
    again = replay(conn, tmp_path, "hj212", Ask(reason="no parameter has the code x7"))
    assert (again.rejects, again.counts.new, again.counts.duplicates) == (1, 1, 1)
    assert [row[4] for row in conn.execute(OBSERVED).fetchall()] == [47.0, 35.2]
    assert conn.execute("SELECT count(*) FROM reject").fetchone() == (0,)


def test_a_device_makes_its_series_where_that_is_allowed(conn: Connection, tmp_path: Path) -> None:
    put(conn, SITE)
    figures = [[("DataTime", "20260601080000")], [("a34004-Min", "1"), ("a34004-Avg", "2"), ("a34004-Max", "3")]]
    spooled(tmp_path, frame(head("M1", 1, "2051"), figures), register="1")
    drained(conn, tmp_path)
    assert [(row[1], row[2], row[4]) for row in conn.execute(OBSERVED).fetchall()] == [
        ("", 600, 2.0),
        ("max", 600, 3.0),
        ("min", 600, 1.0),
    ]


def test_the_newest_gap_is_asked_for_once(conn: Connection) -> None:
    put(conn, SITE)
    device = devices.load(conn)["M1"]
    asker = Asker("ask", "", threading.Event(), house=None)  # type: ignore[arg-type]  # only what it would ask
    assert asker.wanted(conn, device, NOW) is None  # it never sent any
    [series] = [row[0] for row in conn.execute("SELECT id FROM series WHERE cadence = 3600").fetchall()]
    hours = [hour for hour in range(48) if hour not in (10, 30, 31)]
    world.send(conn, [(int(str(series)), float(hour), 1.0, 0, None) for hour in hours])
    now = world.T0 + timedelta(hours=48, minutes=20)
    first = datetime(2026, 2, 28, 14)  # noqa: DTZ001  # 30 hours behind, on the device's clock
    assert asker.wanted(conn, device, now) == ("2061", Gap(first, first + timedelta(hours=1)))
    asker._asked["M1", "2061", Gap(first, first + timedelta(hours=1))] = now
    other = datetime(2026, 2, 27, 18)  # noqa: DTZ001  # 10 hours behind
    assert asker.wanted(conn, device, now) == ("2061", Gap(other, other))
    asker._asked["M1", "2061", Gap(other, other)] = now
    assert asker.wanted(conn, device, now) is None
    assert asker.wanted(conn, device, now + timedelta(hours=7)) is not None


@dataclass
class Running:
    """A whole listener in a thread."""

    port: int
    line: Line

    def commits(self) -> float:
        return sum(
            sample.value
            for metric in self.line.commit.collect()
            for sample in metric.samples
            if sample.name.endswith("_count")
        )


@contextmanager
def listening(dsn: str, folder: Path, known: Mapping[str, Device], **more: bool) -> Iterator[Running]:
    """A listener as the command has it, from its start to its clean end."""
    line, loops = Line("test"), list[tuple[asyncio.AbstractEventLoop, asyncio.Event]]()
    settings = Settings(dsn, PEPPER, folder, limits=QUICK, **more)  # type: ignore[arg-type]
    problems: list[BaseException] = []

    async def main(listener: socket.socket) -> None:
        stop = asyncio.Event()
        loops.append((asyncio.get_running_loop(), stop))
        await listen(settings, listener, line, known, stop)

    def work() -> None:
        try:
            asyncio.run(main(listener))
        except BaseException as problem:
            problems.append(problem)

    with closing(serve.listen("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        thread = threading.Thread(target=work)
        thread.start()
        try:
            until(lambda: bool(loops))
            yield Running(port, line)
        finally:
            loop, stop = loops[0]
            loop.call_soon_threadsafe(stop.set)
            thread.join(30)
    assert not thread.is_alive()
    assert problems == []


def test_the_district_over_hj212_is_the_district_over_http(
    dsn: str, conn: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Law 2: whichever door, the same readings; a device registered meanwhile is heard."""
    monkeypatch.setattr("jobs.listen.threads.LOOK", 0.1)
    monkeypatch.setattr("jobs.simulate.devices.OVER_TIME", 1.0)
    made, start = District(1, None, 1), HOUR
    rows = made.deliveries(start, start + timedelta(minutes=3), 60, made.stations()[::4])
    csv = tmp_path / "stations.csv"
    made.registry().write_csv(csv)
    job.write(conn, register.read(csv.read_bytes(), csv.name, *job.rules(conn)))
    intake = Intake(conn, Order(source="hj212", cadence=60))
    wanted = rows.select("station", channel="parameter", time="time", value="value").unique().height
    with listening(dsn, tmp_path / "spool", {}) as running:
        put(conn, registration(made, "123456") + "\n")
        with Devices(made, f"hj212://127.0.0.1:{running.port}") as sender:
            sender.take(rows, 60)
            assert sender.rows == rows.height
        until(lambda: running.commits() >= sender.frames)
    got = conn.execute("SELECT count(*) FROM observation").fetchone()
    assert got == (wanted,)
    picture = conn.execute("SELECT series, time, value FROM observation ORDER BY 1, 2").fetchall()
    world.empty(conn)
    intake.block(ndjson.batch(body(rows)), "ndjson")
    assert conn.execute("SELECT series, time, value FROM observation ORDER BY 1, 2").fetchall() == picture


def test_while_the_database_is_away_frames_are_safe_and_answered(conn: Connection, tmp_path: Path) -> None:
    put(conn, SITE)
    with (
        listening("host=127.0.0.1 port=1 dbname=none connect_timeout=1", tmp_path, devices.load(conn)) as running,
        socket.create_connection(("127.0.0.1", running.port), 10) as line,
    ):
        line.sendall(said("M1", 1) + said("M1", 2, time="20260601080100"))
        data = b""
        while data.count(b"CN=9014") < 2:
            data += line.recv(4096)
        assert running.commits() == 0
    drained(conn, tmp_path)
    assert len(conn.execute(OBSERVED).fetchall()) == 2


def test_a_listener_asks_for_what_is_missing_and_gets_it(dsn: str, conn: Connection, tmp_path: Path) -> None:
    put(conn, SITE)
    [series] = [row[0] for row in conn.execute("SELECT id FROM series WHERE cadence = 3600").fetchall()]
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    hours = [(now - world.T0) / timedelta(hours=1) - back for back in (5, 4, 2, 1)]
    world.send(conn, [(int(str(series)), hour, 1.0, 0, None) for hour in hours], now=now)
    missing = now - timedelta(hours=3)
    with (
        listening(dsn, tmp_path, devices.load(conn), ask=True) as running,
        socket.create_connection(("127.0.0.1", running.port), 10) as line,
    ):
        line.sendall(said("M1", 1, time=f"{now + timedelta(hours=8):%Y%m%d%H%M%S}"))
        decoder, asked = Decoder(), None
        while asked is None:
            for found in decoder.feed(line.recv(4096)):
                assert isinstance(found, Frame)
                message = parse(found.segment)
                asked = message if message.head["CN"] == "2061" else asked
        local = f"{missing + timedelta(hours=8):%Y%m%d%H%M%S}"
        assert [item.value for item in asked.items()] == [local, local]
        figures = [[("DataTime", local)], [("a34004-Avg", "77")]]
        line.sendall(frame({**asked.head, "ST": "91", "CN": "9011", "Flag": "4"}, [[("QnRtn", "1")]]))
        line.sendall(frame({**asked.head, "Flag": "4"}, figures))
        line.sendall(frame({**asked.head, "ST": "91", "CN": "9012", "Flag": "4"}, [[("ExeRtn", "1")]]))
        query = "SELECT value FROM observation WHERE series = %s AND time = %s"
        until(lambda: conn.execute(query, [series, missing]).fetchall() == [(77.0,)])
        until(lambda: running.line.results.labels("done")._value.get() == 1)


@pytest.mark.parametrize("dsn", ["plain"], indirect=True)
def test_on_plain_postgresql_it_is_the_same(conn: Connection, tmp_path: Path) -> None:
    put(conn, SITE)
    spooled(tmp_path, said("M1", 1))
    drained(conn, tmp_path)
    assert [row[4] for row in conn.execute(OBSERVED).fetchall()] == [35.2]
