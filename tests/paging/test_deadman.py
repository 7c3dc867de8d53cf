"""The dead man's switch: what is silence, what is told of it, once, and by whom it may be kept quiet."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from analytics.metrics import Deadman
from jobs import console
from jobs.deadman import GRACE, Message, Switch, Teller
from jobs.incidents import signing
from jobs.incidents.watchdog import is_on
from tests import tools
from tests.paging.desk import Desk
from tests.scrape import read
from tests.serving import until

ON = {"alerts": [{"status": "firing", "labels": {"alertname": "Watchdog", "severity": "none"}}]}
KEY = b"k" * 32


class Hands:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Hands:
    return Hands()


def switch(tmp_path: Path, clock: Hands, after: float = 300) -> Switch:
    return Switch(after, 3600, tmp_path / "state.json", clock, clock)


def told(message: Message | None) -> str | None:
    return None if message is None else json.loads(message.body())["type"]


def test_silence_is_told_once_and_again_and_its_end_once(tmp_path: Path, clock: Hands) -> None:
    made = switch(tmp_path, clock)
    clock.now += 300
    assert told(made.look()) is None
    clock.now += 1
    assert told(made.look()) == "deadman.silent"
    assert made.silent
    clock.now += 3599
    assert told(made.look()) is None
    clock.now += 1
    assert told(made.look()) == "deadman.silent"
    made.hear()
    assert told(made.look()) == "deadman.heard"
    assert told(made.look()) is None
    assert not made.silent


def test_what_is_heard_in_time_is_told_nobody(tmp_path: Path, clock: Hands) -> None:
    made = switch(tmp_path, clock)
    for _ in range(20):
        clock.now += 240
        assert made.look() is None
        made.hear()


def test_a_restart_forgets_no_silence_and_tells_none_twice(tmp_path: Path, clock: Hands) -> None:
    switch(tmp_path, clock).hear()
    clock.now += 10_000  # nobody was there to hear
    made = switch(tmp_path, clock)
    clock.now += GRACE
    assert made.look() is None  # it may be on its way
    clock.now += 1
    assert told(made.look()) == "deadman.silent"
    # it ended before anybody had it: told again
    made = switch(tmp_path, clock)
    clock.now += GRACE + 1
    assert told(made.look()) == "deadman.silent"
    made.settle()
    made = switch(tmp_path, clock)
    clock.now += GRACE + 1
    assert made.look() is None
    made.hear()
    assert told(made.look()) == "deadman.heard"


def test_a_clock_that_jumps_is_no_silence(tmp_path: Path, clock: Hands) -> None:
    wall = Hands()
    made = Switch(300, 3600, tmp_path / "state.json", wall, clock)
    wall.now += 86_400
    assert made.look() is None
    made.hear()
    wall.now -= 2 * 86_400
    again = Switch(300, 3600, tmp_path / "state.json", wall, clock)  # heard in a time that is still to come
    clock.now += 299
    assert again.look() is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"heard": "x"}', '{"heard": null, "told": 1}'])
def test_a_file_that_was_cut_is_begun_again(tmp_path: Path, clock: Hands, text: str) -> None:
    (tmp_path / "state.json").write_text(text)
    made = switch(tmp_path, clock)
    clock.now += 301
    assert told(made.look()) == "deadman.silent"


def test_a_file_that_cannot_be_kept_is_said_at_once(tmp_path: Path, clock: Hands) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(console.NotAsAsked, match="--file"):
        Switch(300, 3600, tmp_path / "taken/state.json", clock, clock)


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {},
        {"alerts": None},
        {"alerts": [None, 3, {"labels": "x"}]},
        {"alerts": [{"status": "resolved", "labels": {"alertname": "Watchdog"}}]},
        {"alerts": [{"status": "firing", "labels": {"alertname": "StoreAway"}}]},
    ],
)
def test_only_a_watchdog_that_is_on_is_heard(body: object) -> None:
    assert not is_on(body)
    assert is_on(ON)


def test_what_could_not_be_told_is_tried_until_it_is_and_signed(desk: Desk) -> None:
    desk.status = 500
    page = Deadman("1")
    teller, message = Teller(desk.at("/chat"), page, KEY), Message(silent=True, heard=900.0, at=1000.0)
    teller.take(message)
    teller.turn(0)
    teller.turn(1)  # not due yet
    assert (teller.waits, teller.tries, len(desk.calls)) == (message, 1, 1)
    desk.status = 200
    teller.turn(1_000)
    assert teller.waits is None
    first, second = desk.calls
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert signing.wrong(KEY, second.headers, second.raw, float(second.headers["webhook-timestamp"])) == ""
    assert second.body["data"] == {"heard": "1970-01-01T00:15:00+00:00", "silent_seconds": 100}
    found = read(page.answer("")[0].decode())
    outcomes = {dict(labels)["outcome"]: value for (name, labels), value in found.items() if "messages" in name}
    assert outcomes == {"told": 1, "failed": 1}


@contextmanager
def running(*words: object, log: Path) -> Iterator[httpx.Client]:
    [port] = tools.free_ports(1)
    command = [sys.executable, "-m", "jobs.cli", "deadman", "--port", port, *words]
    place = f"http://127.0.0.1:{port}"
    with tools.served(command, f"{place}/healthz", log), httpx.Client(base_url=place, trust_env=False) as client:
        yield client


def test_the_command_tells_of_silence_and_of_its_end(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GREENWATCH_DEADMAN_TOKEN", "quiet")
    words = ["--tell", desk.at("/chat"), "--after", 2, "--file", tmp_path / "state.json"]
    with running(*words, log=tmp_path / "log") as client:
        assert client.post("/watchdog", json=ON).status_code == 401  # nobody else keeps it quiet
        until(lambda: len(desk.calls) == 1, 60)
        known = {"Authorization": "Bearer quiet"}
        assert client.post("/watchdog", content=b"{", headers=known).json() == {"heard": False}
        assert client.post("/watchdog", content=b"[" * 100_000, headers=known).json() == {"heard": False}
        assert client.post("/watchdog", content=b" " * (2**20 + 1), headers=known).status_code == 413
        assert client.post("/watchdog", json=ON, headers=known).json() == {"heard": True}
        until(lambda: len(desk.calls) == 2, 60)
        assert "greenwatch_deadman_heard_timestamp_seconds" in client.get("/metrics").text
    assert [call.body["type"] for call in desk.calls] == ["deadman.silent", "deadman.heard"]
    assert "quiet" not in (tmp_path / "log").read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--tell", "nowhere"], "--tell is no address"),
        (["--tell", "http://x", "--host", "0.0.0.0"], "GREENWATCH_DEADMAN_TOKEN"),
    ],
)
def test_what_is_not_as_asked_is_said(words: list[str], said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "jobs.cli", "deadman", *words], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == console.NOT_AS_ASKED
    assert said in " ".join(done.stderr.split())


def test_a_secret_that_is_none_is_named_as_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREENWATCH_DEADMAN_SECRET", "short")
    command = [sys.executable, "-m", "jobs.cli", "deadman", "--tell", "http://127.0.0.1:9"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert "GREENWATCH_DEADMAN_SECRET" in done.stderr
    assert "short" not in done.stderr


def test_it_ends_well_when_it_is_told_to(tmp_path: Path) -> None:
    [port] = tools.free_ports(1)
    words = ["--tell", "http://127.0.0.1:9", "--port", str(port), "--file", str(tmp_path / "state.json")]
    with tools.served(
        [sys.executable, "-m", "jobs.cli", "deadman", *words], f"http://127.0.0.1:{port}/healthz", tmp_path / "log"
    ) as process:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
