"""Law 7: a listener killed under load has lost nothing that it answered, and nothing is counted twice."""

import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from analytics.spool import Spool
from analytics.store import register
from analytics.store.connection import Connection
from analytics.store.register import Secrets
from analytics.telemetry.hj212.frames import Decoder, Frame
from analytics.telemetry.hj212.messages import parse
from jobs import register as job
from jobs import serve
from jobs.drain import Guarded, Saver, drain
from tests.listen.line import PEPPER, head, said
from tests.serving import until

pytestmark = pytest.mark.long

REPOSITORY = Path(__file__).parents[2]
DEVICES = ("M1", "M2", "M3")
START = datetime(2026, 6, 1, 8)  # noqa: DTZ001  # a device's clock
KILLS = 3


@contextmanager
def process(port: int, dsn: str, home: Path, *more: str) -> Iterator["subprocess.Popen[bytes]"]:
    """The command, once it accepts connections; killed at the end where it still runs."""
    words = [sys.executable, "-m", "jobs.cli", "listen", "--port", str(port), "--dsn", dsn, *more]
    environ = {**os.environ, "GREENWATCH_PEPPER": PEPPER.decode(), "GREENWATCH_HOME": str(home)}
    running = subprocess.Popen(words, cwd=REPOSITORY, env=environ, stderr=subprocess.DEVNULL)

    def accepts() -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        return False

    try:
        until(accepts, 60)
        yield running
    finally:
        running.kill()
        running.wait(20)


def free() -> int:
    """A port that nobody listens at."""
    with closing(serve.listen("127.0.0.1", 0)) as listener:
        found: int = listener.getsockname()[1]
        return found


class Sender(threading.Thread):
    """A device that sends a reading a minute of its clock as fast as it is answered, and again until it is."""

    def __init__(self, mn: str, port: int, stopping: threading.Event) -> None:
        super().__init__(daemon=True)
        self.mn, self.port, self.stopping = mn, port, stopping
        self.answered: dict[int, float] = {}

    def run(self) -> None:
        while not self.stopping.is_set():
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 5) as line:
                line.settimeout(2)
                self._send(line)
            time.sleep(0.02)

    def _send(self, line: socket.socket) -> None:
        decoder = Decoder()
        while not self.stopping.is_set():
            first = len(self.answered)
            waiting = {head(self.mn, n % 1000, "")["QN"]: n for n in range(first, first + 5)}
            at = {n: f"{START + timedelta(minutes=n):%Y%m%d%H%M%S}" for n in waiting.values()}
            line.sendall(b"".join(said(self.mn, n % 1000, value=n / 10, time=at[n]) for n in waiting.values()))
            while waiting:
                data = line.recv(4096)
                if not data:
                    return
                for found in decoder.feed(data):
                    assert isinstance(found, Frame)
                    number = waiting.pop(parse(found.segment).head["QN"])
                    self.answered[number] = number / 10


def test_what_was_answered_is_in_the_store_once(dsn: str, conn: Connection, tmp_path: Path) -> None:
    site = "".join(
        f'[[station]]\ncode = "{mn}"\n[[station.series]]\nparameter = "pm25"\ncadence = "1m"\n'
        f'[[device]]\nmn = "{mn}"\nstation = "{mn}"\npassword = "123456"\n'
        for mn in DEVICES
    )
    secrets = Secrets(PEPPER, {})
    job.write(conn, register.read(site.encode(), "site.toml", *job.rules(conn), secrets=secrets))
    port, scraped = free(), free()
    stopping, dice = threading.Event(), random.Random(6)
    senders = [Sender(mn, port, stopping) for mn in DEVICES]
    for sender in senders:
        sender.start()
    for _ in range(KILLS):
        with process(port, dsn, tmp_path) as running:
            _more(senders)
            time.sleep(dice.uniform(0.0, 0.6))
            running.send_signal(signal.SIGKILL)
            running.wait(20)
    with process(port, dsn, tmp_path, "--metrics-port", str(scraped)) as running:
        _more(senders)
        page = httpx.get(f"http://127.0.0.1:{scraped}/metrics", trust_env=False).text
        assert re.search(r'^greenwatch_listen_frames_total{command="2011"} [1-9]', page, re.MULTILINE)
        assert re.search(r'^greenwatch_listen_seen_timestamp_seconds{device="M1"} 1', page, re.MULTILINE)
        assert re.search(r"^greenwatch_listen_connections [1-4]", page, re.MULTILINE)
        assert "123456" not in page
        running.send_signal(signal.SIGTERM)
        assert running.wait(30) == 0
    stopping.set()
    for sender in senders:
        sender.join(20)
    folder = tmp_path / "spool" / "hj212"
    with closing(Spool(folder)):
        pass  # it is nobody's: the lock went with the process
    while drain(conn, folder, "hj212", Guarded("hj212", Saver("hj212"))):
        pass
    _check(conn, {sender.mn: sender.answered for sender in senders})


def _more(senders: Sequence[Sender]) -> None:
    """Nothing, once some more were answered."""
    wanted = sum(len(sender.answered) for sender in senders) + 30
    until(lambda: sum(len(sender.answered) for sender in senders) > wanted)


def _check(conn: Connection, answered: Mapping[str, Mapping[int, float]]) -> None:
    rows = conn.execute(
        """
        SELECT t.code, o.time, o.value FROM observation o
        JOIN series s ON s.id = o.series JOIN station t ON t.id = s.station
        """
    ).fetchall()
    there = {(mn, time): value for mn, time, value in rows}
    assert len(there) == len(rows)
    for mn, values in answered.items():
        for number, value in values.items():
            at = (START + timedelta(minutes=number, hours=-8)).replace(tzinfo=UTC)
            assert there[mn, at] == value
    read = conn.execute("SELECT sum(new), sum(replaced), sum(rejects) FROM batch").fetchone()
    assert read == (len(rows), 0, 0)
