"""What is done with an answer that is none, too large, too slow or of another kind; and who is never told the key."""

import gzip
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from email.utils import format_datetime

import pytest

from jobs import console
from jobs.pull import asking
from jobs.pull.asking import Limits, NoAnswer, fetch
from tests.pull.service import Reply, Service

GOOD = Reply(b"{}")
LIMITS = Limits(size=10_000, seconds=5, connect=2, read=0.3, patience=15)


def ask(service: Service, slept: list[float] | None = None, accept: str = "application/json") -> bytes:
    waits: list[float] = [] if slept is None else slept
    headers = {"X-API-Key": "secret"}
    with asking.client(LIMITS) as http:
        return fetch(http, service.url + "/a", {"q": "1 2"}, headers, accept, limits=LIMITS, sleep=waits.append)


def test_a_good_answer_comes_back_whole_and_asked_for_unpacked(service: Service) -> None:
    service.answers = [Reply(b'{"a": 1}')]
    assert ask(service) == b'{"a": 1}'
    [asked] = service.asked
    assert (asked.path, asked.params) == ("/a", {"q": "1 2"})
    assert asked.headers["Accept-Encoding"] == "identity"


def test_an_environment_s_proxy_is_not_asked(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    service.answers = [GOOD]
    assert ask(service) == b"{}"


@pytest.mark.parametrize("code", [500, 502, 503, 504, 408])
def test_a_service_that_stumbles_is_asked_again_after_longer_pauses(service: Service, code: int) -> None:
    slept: list[float] = []
    service.answers = [Reply(code=code), Reply(code=code), GOOD]
    assert ask(service, slept) == b"{}"
    assert slept == [1, 2]
    service.answers, service.asked = [Reply(code=code)], []
    with pytest.raises(NoAnswer, match=f"^{code} "):
        ask(service)
    assert len(service.asked) == LIMITS.tries


def test_who_asks_for_time_gets_it(service: Service) -> None:
    slept: list[float] = []
    service.answers = [Reply(code=429, headers={"Retry-After": "7"}), GOOD]
    assert ask(service, slept) == b"{}"
    assert slept == [7]
    service.answers, service.asked = [Reply(code=429, headers={"Retry-After": "600"})], []
    with pytest.raises(NoAnswer) as refused:
        ask(service)
    assert (refused.value.wait, refused.value.all, len(service.asked)) == (600, True, 1)
    when = format_datetime(console.now() + timedelta(minutes=10), usegmt=False)
    service.answers = [Reply(code=503, headers={"Retry-After": when})]
    with pytest.raises(NoAnswer) as refused:
        ask(service)
    assert refused.value.wait == pytest.approx(600, abs=10)
    for odd in ("never", "-5", "9" * 30):
        service.answers = [Reply(code=429, headers={"Retry-After": odd})]
        with pytest.raises(NoAnswer) as refused:
            ask(service)
        assert refused.value.wait is None or refused.value.wait <= 86_400


@pytest.mark.parametrize(
    ("reply", "words", "tries"),
    [
        (Reply(b"<html>down for repair</html>", kind="text/html"), "it answers with text/html", 3),
        (Reply(b"{}", kind=""), "it answers with no type", 3),
        (Reply(b'{"a"', length=4_000), "no answer", 3),
        (Reply(b"x" * 10_001), "more than 10,000 bytes", 1),
        (Reply(b"x" * 10_001, length=-1), "more than 10,000 bytes", 1),
        (Reply(gzip.compress(b"0" * 10**6), headers={"Content-Encoding": "gzip"}), "packs", 1),
        (Reply(b"no such\r\n sensor\x07", code=404), "404 Not Found: no such sensor", 1),
        (Reply(code=401), "401: the key is not accepted", 1),
        (Reply(code=403), "403: the key is not accepted", 1),
    ],
    ids=["html", "no type", "cut off", "claims too much", "is too much", "packed", "404", "401", "403"],
)
def test_what_is_no_good_answer_is_told_and_its_key_is_not(
    service: Service, reply: Reply, words: str, tries: int
) -> None:
    service.answers = [reply]
    with pytest.raises(NoAnswer, match=words) as refused:
        ask(service)
    assert len(service.asked) == tries
    assert "secret" not in str(refused.value)
    assert all(asked.headers["X-API-Key"] == "secret" for asked in service.asked)


def test_lines_that_end_nowhere_are_cut_off(service: Service) -> None:
    service.answers = [Reply(b"a,b\n1,2", kind="text/csv", length=-1)]
    with pytest.raises(NoAnswer, match="cut off"):
        ask(service, accept="text/csv")
    service.answers = [Reply(b"a,b\n1,2\n", kind="text/csv", length=-1)]
    assert ask(service, accept="text/csv") == b"a,b\n1,2\n"


def test_silence_has_an_end(service: Service) -> None:
    stall = threading.Event()
    service.answers = [Reply(b"{}", stall=stall)]
    try:
        with pytest.raises(NoAnswer, match="no answer in time"):
            ask(service)
    finally:
        stall.set()
    assert len(service.asked) == 3


@contextmanager
def dripping(begins: bytes, drop: bytes) -> Iterator[Service]:
    """A service that sends what it `begins` with and then a `drop` after the other, each before silence is over."""
    done = threading.Event()

    def drip() -> None:
        with suppress(OSError), server.accept()[0] as line:
            line.recv(4096)
            line.sendall(begins)
            while not done.wait(0.05):
                line.sendall(drop)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=drip)
        thread.start()
        try:
            yield Service(url=f"http://127.0.0.1:{server.getsockname()[1]}")
        finally:
            done.set()
            thread.join()


@pytest.mark.parametrize(
    ("begins", "drop", "words"),
    [
        (b"HTTP/1.1 200 OK\r\nX-Long: ", b"a", "in time"),
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\n\r\n", b"1,2\n", "in time"),
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n\n\r\n", "in time"),
        (b"HTTP/1.1 400 Bad\r\nContent-Type: text/plain\r\n\r\n", b"n", "400 Bad: n+"),
    ],
    ids=["header", "body", "chunks", "refusal"],
)
def test_what_drips_for_ever_is_cut_off(begins: bytes, drop: bytes, words: str) -> None:
    limits = Limits(size=10_000, seconds=0.4, connect=2, read=0.3, tries=1)
    began = time.monotonic()
    with (
        dripping(begins, drop) as service,
        asking.client(limits) as http,
        pytest.raises(NoAnswer, match=words),
    ):
        fetch(http, service.url, {}, {}, "text/csv", limits=limits)
    assert time.monotonic() - began < 5


def test_nobody_there_is_told(service: Service) -> None:
    nobody = Service(url="http://127.0.0.1:9")
    with pytest.raises(NoAnswer, match="no answer: ConnectError"):
        ask(nobody)


def test_it_follows_on_the_same_host_only(service: Service) -> None:
    service.answers = [Reply(code=302, headers={"Location": "/b?x=1"}), GOOD]
    assert ask(service) == b"{}"
    assert [asked.path for asked in service.asked] == ["/a", "/b"]
    for elsewhere in ("http://localhost:1/b", "//example.org/b", "ftp://127.0.0.1/b"):
        service.answers, service.asked = [Reply(code=301, headers={"Location": elsewhere})], []
        with pytest.raises(NoAnswer, match="another host"):
            ask(service)
        assert len(service.asked) == 1
    service.answers = [Reply(code=302, headers={"Location": "/a"})]
    with pytest.raises(NoAnswer, match="more than 3 redirects"):
        ask(service)


@pytest.mark.parametrize(
    ("url", "may"),
    [
        ("https://example.org/v3", True),
        ("http://example.org/v3", False),
        ("http://127.0.0.1:80", True),
        ("http://localhost", True),
        ("http://127.0.0.1.example.org", False),
    ],
)
def test_a_key_goes_over_tls_or_stays_here(url: str, may: bool) -> None:
    assert asking.may_carry(url) is may
