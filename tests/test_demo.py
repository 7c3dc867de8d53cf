"""`greenwatch demo` as a newcomer runs it: with their own files, and after a kill with a live district and its page."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from zlib import crc32

import httpx
import pytest

from analytics.store import connection
from jobs import pepper
from jobs.database.home import home
from tests import tools
from tests.serving import until
from tests.worker.processes import DEVICE, PEPPER, enrol

pytestmark = pytest.mark.long

#: The first stations of the district to keep readings back are heard of again within so many days.
DAYS = 8
#: A demo of few days is up in so long. [s]
PATIENCE = 240


@contextmanager
def running(log: Path, *more: object) -> Iterator["subprocess.Popen[bytes]"]:
    """A demo that stays up, from its page's first answer."""
    words = [sys.executable, "-m", "jobs.cli", "demo", *map(str, more)]
    with log.open("wb") as sink:
        process = subprocess.Popen(words, stdout=sink, stderr=sink)
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


def test_it_shows_your_files_and_after_a_kill_a_live_district(
    blank: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One store and two demos: each start costs ten seconds."""
    [port] = tools.free_ports(1)
    page = f"http://127.0.0.1:{port}"
    file, first, second = (tmp_path / name for name in ("mine.csv", "first.log", "second.log"))
    rows = [f"GARDEN,2026-01-{day:02}T{hour:02}:00+08:00,{40 + hour}" for day in range(1, 8) for hour in range(24)]
    file.write_text("\n".join(["station,time,pm25", *rows, ""]))
    with running(first, file, "--port", port, "--dsn", blank) as demo:
        shown = first.read_text()
        assert "page: 200" in shown
        assert "GARDEN" in shown
        assert "SYNTHETIC" not in shown
        with closing(connection.connect(blank)) as conn:
            assert conn.execute("SELECT count(*) FROM observation").fetchone() == (len(rows),)
            enrol(conn, DEVICE)
        demo.kill()  # as a machine that goes down: no word to its children
    gone(page)
    monkeypatch.setenv(pepper.NAME, PEPPER)
    with running(second, "--days", DAYS, "--port", port, "--dsn", blank) as demo:
        assert "readings arrived after" in second.read_text()
        assert _rows(page) > 0  # the district's first live minutes are in
        give_up = time.monotonic() + 60
        while "greenwatch_alarm_level{" not in (told := httpx.get(f"{page}/metrics").text):
            assert time.monotonic() < give_up, told  # the haze over the district raises its alarms
            time.sleep(0.5)
        assert "listening to 1 HJ 212 devices" in second.read_text()
        # Not in this machine's own spool, which waits for another database.
        assert list(home().glob(f"demo-{crc32(blank.encode()):08x}/spool/hj212"))
        demo.send_signal(signal.SIGINT)
        assert demo.wait(60) == 0, second.read_text()[-3000:]


def test_once_the_summary_is_its_last_word(blank: str, tmp_path: Path) -> None:
    """Whatever its servers log while they end."""
    [port] = tools.free_ports(1)
    file = tmp_path / "mine.csv"
    rows = [f"GARDEN,2026-01-01T{hour:02}:00+08:00,{40 + hour}" for hour in range(24)]
    file.write_text("\n".join(["station,time,pm25", *rows, ""]))
    words = [sys.executable, "-m", "jobs.cli", "demo", str(file), "--once", "--port", str(port), "--dsn", blank]
    done = subprocess.run(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=PATIENCE, check=True
    )
    assert done.stdout.index('"state": "ended"') < done.stdout.index("GARDEN")
    assert done.stdout.splitlines()[-1].startswith("ended;")
    gone(f"http://127.0.0.1:{port}")


def gone(page: str) -> None:
    """Nothing, once nobody answers at `page`."""

    def silent() -> bool:
        with suppress(httpx.HTTPError):
            httpx.get(f"{page}/healthz")
            return False
        return True

    until(silent, 60)


def _rows(page: str) -> float:
    lines = httpx.get(f"{page}/metrics", timeout=20).text.splitlines()
    return sum(
        float(line.rpartition(" ")[2]) for line in lines if line.startswith('greenwatch_cells_total{kind="live"')
    )
