"""`greenwatch demo` as a newcomer runs it: a live district and a page, again after a kill, and with their own files."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from analytics.store import connection
from tests import tools

pytestmark = pytest.mark.long

#: The first stations of the district to keep readings back are heard of again within so many days.
DAYS = 8
#: A demo of few days is up in so long. [s]
PATIENCE = 240


def words(*more: object) -> list[str]:
    return [sys.executable, "-m", "jobs.cli", "demo", *map(str, more)]


def once(*more: object) -> str:
    """What a demo that ends by itself shows."""
    done = subprocess.run(words("--once", *more), capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "page: 200" in done.stderr
    return done.stdout


@contextmanager
def running(dsn: str, port: int, log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A demo that stays up, from its page's first answer."""
    with log.open("wb") as sink:
        process = subprocess.Popen(words("--days", DAYS, "--port", port, "--dsn", dsn), stdout=sink, stderr=sink)
    try:
        give_up = time.monotonic() + PATIENCE
        while time.monotonic() < give_up and process.poll() is None and "Ctrl-C" not in log.read_text():
            time.sleep(0.2)
        assert process.poll() is None, log.read_text()[-3000:]
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        process.wait()


def test_it_is_live_ends_well_and_works_again_after_a_kill(blank: str, tmp_path: Path) -> None:
    [port] = tools.free_ports(1)
    page = f"http://127.0.0.1:{port}"
    with running(blank, port, tmp_path / "first.log") as first:
        assert "readings arrived after" in (tmp_path / "first.log").read_text()
        assert _rows(page) > 0  # the district's first live minutes are in
        give_up = time.monotonic() + 60
        while "greenwatch_alarm_level{" not in (told := httpx.get(f"{page}/metrics").text):
            assert time.monotonic() < give_up, told  # the haze over the district raises its alarms
            time.sleep(0.5)
        first.kill()  # as a machine that goes down: no word to its children
    give_up = time.monotonic() + 60
    while time.monotonic() < give_up:
        try:
            httpx.get(f"{page}/healthz")
        except httpx.HTTPError:
            break
        time.sleep(0.2)
    with running(blank, port, tmp_path / "second.log") as second:
        second.send_signal(signal.SIGINT)
        assert second.wait(60) == 0, (tmp_path / "second.log").read_text()[-3000:]


def _rows(page: str) -> float:
    lines = httpx.get(f"{page}/metrics", timeout=20).text.splitlines()
    return sum(
        float(line.rpartition(" ")[2]) for line in lines if line.startswith('greenwatch_cells_total{kind="live"')
    )


def test_it_shows_your_own_files(blank: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    rows = [f"GARDEN,2026-01-{day:02}T{hour:02}:00+08:00,{40 + hour}" for day in range(1, 8) for hour in range(24)]
    file.write_text("\n".join(["station,time,pm25", *rows, ""]))
    shown = once(file, "--port", 0, "--dsn", blank)
    assert "GARDEN" in shown
    assert "SYNTHETIC" not in shown
    with closing(connection.connect(blank)) as conn:
        assert conn.execute("SELECT count(*) FROM observation").fetchone() == (len(rows),)
