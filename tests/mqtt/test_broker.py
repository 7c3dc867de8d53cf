"""A real broker: acknowledged once it is safe, sent again where it is not; a broker or a database that is away."""

import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from analytics.metrics import Broker
from analytics.spool import Full, Place, Spool
from analytics.spool import records as spooled
from analytics.store import register
from analytics.store.connection import Connection
from analytics.synthetic import District
from jobs import register as job
from jobs.mqtt import subscriber
from jobs.mqtt.asked import address, topic
from jobs.mqtt.server import subscribe
from jobs.mqtt.subscriber import MOST, Asked, Subscriber
from jobs.simulate.broker import TOPIC, Published
from tests.commands.terminal import fails
from tests.mqtt.broker import Mosquitto, Publisher, broker, password_line
from tests.mqtt.test_store import OBSERVED, SITE, WHEN, put, uplink
from tests.serving import until


def asked(url: str, **more: Any) -> Asked:
    topics = [topic("chirpstack:up/+"), topic("plain:sensors/<station>/<channel>")]
    return replace(Asked(address(url), topics, "tests"), **more)


@contextmanager
def subscribing(spool: Any, wanted: Asked) -> Iterator[Subscriber]:
    """A subscriber in a thread; it ended well."""
    made = Subscriber(wanted, spool, Broker("test"), Event(), pause=0.05, grace=0.2)
    problems: list[BaseException] = []

    def run() -> None:
        try:
            made.run()
        except BaseException as problem:
            problems.append(problem)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield made
    finally:
        made.stopping.set()
        made.wake()
        thread.join(20)
    assert not thread.is_alive()
    assert problems == []


def connected(made: Subscriber) -> None:
    until(lambda: made.line.connected._value.get() == 1)


def payloads(folder: Path) -> list[bytes]:
    return [record.payload for record in spooled(folder, None, 1000)]


class Paper:
    """A spool that is safe when the test says so."""

    def __init__(self) -> None:
        self.records: list[tuple[bytes, Any, Future[Place]]] = []

    def append(self, payload: bytes, head: Any, received: Any) -> "Future[Place]":
        future: Future[Place] = Future()
        self.records.append((payload, head, future))
        return future

    def got(self) -> list[bytes]:
        return [payload for payload, _, _ in self.records]


@pytest.fixture(scope="module")
def free(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    """A broker of which everybody may have everything; its folder is the broker's own."""
    with broker(tmp_path_factory.mktemp("broker")) as made:
        yield made


@pytest.mark.parametrize("old", [False, True])
def test_what_is_not_on_the_disk_is_not_acknowledged_and_comes_again(free: Mosquitto, old: bool) -> None:
    wanted = asked(free.url, old=old, client=f"again-{old}")
    first, second, third = Paper(), Paper(), Paper()
    with Publisher(free.port) as publisher:
        with subscribing(first, wanted) as made:
            connected(made)
            publisher.send("up/x", b"1", b"2", b"3")
            until(lambda: len(first.records) == 3)
            first.records[1][2].set_result(Place(1, 2))  # the first of them holds up its acknowledgement
            first.records[0][2].set_result(Place(1, 1))
            until(lambda: made.line.waiting._value.get() == 1)
        publisher.send("up/x", b"4")  # nobody is there
        with subscribing(second, wanted) as made:
            until(lambda: second.got() == [b"3", b"4"])
            second.records[0][2].set_exception(Full("no room"))
            until(lambda: second.got() == [b"3", b"4", b"3", b"4"])
            for _, _, future in second.records[2:]:
                future.set_result(Place(1, 3))
            until(lambda: made.line.waiting._value.get() == 0)
        publisher.send("up/x", b"5")
        with subscribing(third, wanted):
            until(lambda: third.got() == [b"5"])
            third.records[0][2].set_result(Place(1, 4))
    assert first.records[0][1] == {
        "topic": "up/x", "qos": "1", "format": "chirpstack", "pattern": "up/+",
    }  # fmt: skip


def test_hostile_messages_leave_the_subscriber_well(free: Mosquitto, tmp_path: Path) -> None:
    with closing(Spool(tmp_path)) as spool, Publisher(free.port) as publisher:
        publisher.send("up/old", b"kept", retain=True)
        with subscribing(spool, asked(free.url, client="hostile")) as made:
            connected(made)
            publisher.send("up/x", b"x" * (MOST + 1), b"", b"\0\xff", b"[" * MOST)
            publisher.send("up/" + "y" * 1000, b"long")
            publisher.send("up/y", b"y" * 1_100_000)  # larger than we ask for: the broker keeps it
            publisher.send("up/x", b"last")
            until(lambda: payloads(tmp_path)[-1:] == [b"last"])
        publisher.send("up/old", b"", retain=True)
    found = spooled(tmp_path, None, 1000)
    assert [len(record.payload) for record in found] == [4, 1000, 0, 2, MOST, 4, 4]
    assert [record.head.get("fault") for record in found] == [
        None, "a message of more than 64 KiB", None, None, None, "unreadable topic", None,
    ]  # fmt: skip
    assert [record.head.get("retain") for record in found] == ["1", *[None] * 6]


def test_what_the_broker_retains_comes_once_however_often_the_connection_is_lost(free: Mosquitto) -> None:
    first, second = Paper(), Paper()
    with Publisher(free.port) as publisher:
        publisher.send("up/kept", b"old", retain=True)
        with subscribing(first, asked(free.url, client="retained")):
            until(lambda: first.got() == [b"old"])
            first.records[0][2].set_result(Place(1, 1))
        with subscribing(second, asked(free.url, client="retained")) as made:
            connected(made)
            publisher.send("up/x", b"new")
            until(lambda: b"new" in second.got())
            second.records[0][2].set_result(Place(1, 2))
        publisher.send("up/kept", b"", retain=True)
    assert second.got() == [b"new"]


@pytest.mark.parametrize("old", [False, True])
def test_a_disk_that_is_slow_holds_up_a_broker_that_waits_for_nobody(
    free: Mosquitto, old: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is published with QoS 0 comes as fast as it can: so much is taken as the disk has room for soon."""
    monkeypatch.setattr(subscriber, "HELD", 2 * MOST)
    paper = Paper()
    sent = [bytes([number]) * MOST for number in range(60)]
    with Publisher(free.port) as publisher, subscribing(paper, asked(free.url, client=f"slow-{old}", old=old)) as made:
        connected(made)
        for payload in sent:
            publisher.client.publish("up/x", payload, qos=0)
        until(lambda: len(paper.records) == 2)
        time.sleep(0.3)
        assert paper.got() == sent[:2]
        for number in range(60):
            until(lambda number=number: len(paper.records) > number)  # type: ignore[misc]
            assert len(paper.records) <= number + 2
            paper.records[number][2].set_result(Place(1, number))
    assert paper.got() == sent


# The client leaves a socket whose handshake failed to the collector, which closes it at once.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_only_with_its_password_and_over_tls(tmp_path: Path) -> None:
    cert, key, known = tmp_path / "cert.pem", tmp_path / "key.pem", tmp_path / "known"
    words = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=broker"]
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)]
    subprocess.run(["openssl", "req", "-x509", *words, *names], check=True, capture_output=True)
    known.write_text(password_line("greenwatch", "secret") + password_line("sensor", "other"))
    known.chmod(0o600)
    lines = (f"certfile {cert}", f"keyfile {key}", "allow_anonymous false", f"password_file {known}")
    with broker(tmp_path / "broker", *lines) as secure:
        url = f"mqtts://greenwatch@127.0.0.1:{secure.port}"
        wanted = asked(url, ca=cert, password="secret")
        with closing(Spool(tmp_path / "spool")) as spool:
            for wrong in (replace(wanted, password="guess"), replace(wanted, ca=None), asked(secure.url)):
                with subscribing(spool, wrong) as made:
                    until(lambda made=made: made.line.lost._value.get() >= 2)  # type: ignore[misc]
            with (
                subscribing(spool, wanted) as made,
                Publisher(secure.port, user="sensor", password="other", ca=cert) as publisher,
            ):
                connected(made)
                publisher.send("up/x", b"1")
                until(lambda: payloads(tmp_path / "spool") == [b"1"])


def test_a_broker_and_a_database_that_are_away(dsn: str, conn: Connection, tmp_path: Path) -> None:
    put(conn, SITE)
    stopping, line = Event(), Broker("test")
    with broker(tmp_path / "broker") as there:
        wanted = asked(there.url)
        run = threading.Thread(
            target=lambda: subscribe(dsn, tmp_path / "spool", wanted, line, stopping=stopping), daemon=True
        )
        run.start()
        until(lambda: line.connected._value.get() == 1)
        with Publisher(there.port) as publisher:
            publisher.send("up/x", uplink(1), uplink(1))
            until(lambda: len(conn.execute(OBSERVED).fetchall()) == 1)
        there.stop()
        until(lambda: line.connected._value.get() == 0)
        there.start()
        until(lambda: line.connected._value.get() == 1)
        with Publisher(there.port) as publisher:
            publisher.send("sensors/A/pm25", b'{"time":"2026-05-31T12:00:00Z","value":7}')
        until(lambda: len(conn.execute(OBSERVED).fetchall()) == 2)
        stopping.set()
        run.join(30)
        assert not run.is_alive()
        # While the database is away all is safe, and acknowledged.
        stopping, line = Event(), Broker("test")
        nowhere = "host=127.0.0.1 port=1 dbname=none connect_timeout=1"
        run = threading.Thread(
            target=lambda: subscribe(nowhere, tmp_path / "spool", wanted, line, stopping=stopping), daemon=True
        )
        run.start()
        until(lambda: line.connected._value.get() == 1)
        with Publisher(there.port) as publisher:
            publisher.send("up/x", uplink(2, WHEN.replace(hour=13)))
        until(lambda: len(payloads(tmp_path / "spool")) == 4)
        stopping.set()
        run.join(30)
        assert not run.is_alive()


def test_what_is_asked_wrongly_is_told_in_a_line(dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREENWATCH_HOME", str(tmp_path))
    good = ("--topic", "plain:a/#", "--dsn", dsn)
    assert "write FORMAT:TOPIC" in fails("mqtt", "--topic", "a/#", "--dsn", dsn)
    assert "+ and # are a whole level" in fails("mqtt", "--topic", "plain:a#", "--dsn", dsn)
    assert "topics say <node>, no <station>" in fails("mqtt", "--topic", "chirpstack:<station>", "--dsn", dsn)
    told = fails("mqtt", *good, "--url", "mqtt://me:hidden@127.0.0.1")
    assert "GREENWATCH_MQTT_PASSWORD" in told
    assert "hidden" not in told
    for url in ("http://127.0.0.1", "mqtt://", "mqtt://a:port", "mqtt://a/b"):
        assert "--url is mqtt://HOST:PORT" in fails("mqtt", *good, "--url", url)
    assert "write 5 or 3.1.1" in fails("mqtt", *good, "--mqtt", "4")
    with closing(Spool(tmp_path / "spool" / "mqtt")):
        assert "one subscriber a machine" in fails("mqtt", *good)


def test_the_made_up_district_publishes_what_falls_due(dsn: str, conn: Connection, tmp_path: Path) -> None:
    made, start = District(1, None, 1), WHEN
    rows = made.deliveries(start, start + timedelta(minutes=2), 60, made.stations()[::8])
    csv = tmp_path / "stations.csv"
    made.registry().write_csv(csv)
    job.write(conn, register.read(csv.read_bytes(), csv.name, *job.rules(conn)))
    stopping, line = Event(), Broker("test")
    with broker(tmp_path / "broker") as there:
        wanted = replace(asked(there.url), topics=[topic(f"plain:{TOPIC}/<station>")], source="synthetic")
        run = threading.Thread(
            target=lambda: subscribe(dsn, tmp_path / "spool", wanted, line, stopping=stopping), daemon=True
        )
        run.start()
        until(lambda: line.connected._value.get() == 1)
        with Published(there.url) as sender:
            sender.take(rows, 60)
            assert sender.rows == rows.height > 0
        there_are = rows.select("station", "parameter", "time").n_unique()
        until(lambda: conn.execute("SELECT count(*) FROM observation").fetchone() == (there_are,))
        stopping.set()
        run.join(30)
        assert not run.is_alive()
    assert conn.execute("SELECT count(*) FROM reject").fetchone() == (0,)
