"""Many who look at the same page, and many who are connected: none of them keeps the others out."""

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing

import pytest

from jobs import serve
from jobs.web import shared
from jobs.web.shared import Shared
from jobs.web.site import Settings
from tests.serving import serving

HEAD = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


def test_who_comes_while_a_page_is_made_waits_for_that_one() -> None:
    pages, going, made = Shared(), threading.Event(), []

    def make() -> str:
        going.wait(10)
        made.append(1)
        return f"page {len(made)}"

    with ThreadPoolExecutor(20) as pool:
        answers = [pool.submit(pages.page, "board", make) for _ in range(20)]
        time.sleep(0.2)
        going.set()
        assert {answer.result(10) for answer in answers} == {"page 1"}


def test_a_page_is_shown_again_for_some_time_and_each_key_has_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    pages, took, made = Shared(), 0.5, []

    def make() -> str:
        nonlocal now
        now += took
        made.append(1)
        return f"page {len(made)}"

    assert [pages.page(key, make) for key in ("zh", "en", "zh")] == ["page 1", "page 2", "page 1"]
    now = 100.5 + shared.TIMES * took - 0.01
    assert pages.page("zh", make) == "page 1"
    now += 0.02
    assert pages.page("zh", make) == "page 3"
    took = 60.0
    assert pages.page("de", make) == "page 4"
    now += shared.LONGEST
    assert pages.page("de", make) == "page 5"


def test_a_page_that_could_not_be_made_is_tried_again_at_once() -> None:
    pages = Shared()
    with pytest.raises(ZeroDivisionError):
        pages.page("board", lambda: str(1 // 0))
    assert pages.page("board", lambda: "page") == "page"


def test_three_hundred_stations_keep_their_connections(dsn: str) -> None:
    with serving(Settings(dsn)) as client, ExitStack() as opened:
        place = (client.base_url.host, client.base_url.port)
        for _ in range(300):
            station = opened.enter_context(socket.create_connection(place, 10))
            station.sendall(HEAD)
            assert station.recv(100).startswith(b"HTTP/1.1 200 ")
        assert client.get("/healthz").is_success


def cut(slow: socket.socket, seconds: float) -> bool:
    """Whether the other side ends it within `seconds`, while a letter of an endless head comes each fifth of one."""
    for _ in range(round(seconds * 5)):
        try:
            slow.sendall(b"X")
        except OSError:
            return True
        time.sleep(0.2)
    return False


def test_a_connection_that_says_nothing_or_never_ends_is_closed(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "KEEP", 1)
    with serving(Settings(dsn)) as client:
        place = (client.base_url.host, client.base_url.port)
        with closing(socket.create_connection(place, 20)) as silent:
            assert silent.recv(1) == b""
        for begun in (b"", HEAD):  # at first, and after an answer
            with closing(socket.create_connection(place, 20)) as slow:
                slow.sendall(begun)
                assert cut(slow, 15)
        assert client.get("/healthz").is_success
