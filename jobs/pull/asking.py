"""One question over HTTP: bounded in size, time, redirects and tries. No key is in any word that it says.

Neither a proxy nor a password file of the environment is looked at. An answer is asked for unpacked: a small one cannot
become a large one.
"""

import ipaddress
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from threading import Timer
from typing import Any

import httpx

from jobs import console


@dataclass(frozen=True, slots=True)
class Limits:
    """What an answer may cost. Times [s]."""

    #: of a body; as JSON it may be thirty times as large in memory
    size: int = 8 * 1024 * 1024
    #: of the whole of one try, however slowly its bytes come
    seconds: float = 120.0
    connect: float = 10.0
    #: of silence
    read: float = 30.0
    redirects: int = 3
    tries: int = 3
    #: before the second try; twice as long before the next
    pause: float = 1.0
    #: longest wait that is sat out; who asks for more is asked again at another time
    patience: float = 15.0


LIMITS = Limits()
#: Nobody is obeyed for longer than this [s].
_LONGEST = 86_400.0
_MOVED = (301, 302, 303, 307, 308)
_BUSY = (408, 425, 429, 500, 502, 503, 504)
_KEYED = (401, 403)


class NoAnswer(Exception):
    """The service did not answer as it should. `wait` [s]: it asked to be left alone; `all`: it answers nobody so."""

    def __init__(self, words: str, *, again: bool = False, wait: float | None = None, all: bool = False) -> None:
        super().__init__(words)
        self.again = again
        self.wait = wait
        self.all = all


def client(limits: Limits = LIMITS) -> httpx.Client:
    """A client that does as it is told here and nowhere else; close it."""
    return httpx.Client(
        timeout=httpx.Timeout(limits.read, connect=limits.connect),
        follow_redirects=False,
        trust_env=False,
        limits=httpx.Limits(max_keepalive_connections=0),  # whose time is up is cut off: `_in_time`
        headers={"Accept-Encoding": "identity", "User-Agent": "greenwatch"},
    )


def fetch(
    http: httpx.Client,
    url: str,
    params: Mapping[str, str],
    headers: Mapping[str, str],
    accept: str,
    *,
    limits: Limits = LIMITS,
    sleep: Callable[[float], None] = time.sleep,
) -> bytes:
    """The body of a good answer. Raises `NoAnswer`, at the end of all tries."""
    target = httpx.URL(url).copy_merge_params(dict(params))
    for attempt in range(1, limits.tries + 1):
        try:
            return _followed(http, target, headers, accept, limits)
        except NoAnswer as problem:
            wait = problem.wait if problem.wait is not None else limits.pause * 2 ** (attempt - 1)
            if not problem.again or attempt == limits.tries or wait > limits.patience:
                raise
            sleep(wait)
    raise AssertionError("no try")


def may_carry(url: str) -> bool:
    """Whether a key may go to `url`: over TLS, or to this machine."""
    found = httpx.URL(url)
    if found.scheme == "https" or found.host == "localhost":
        return True
    try:
        return ipaddress.ip_address(found.host).is_loopback
    except ValueError:
        return False


def _followed(http: httpx.Client, target: httpx.URL, headers: Mapping[str, str], accept: str, limits: Limits) -> bytes:
    until = time.monotonic() + limits.seconds
    for _ in range(limits.redirects + 1):
        try:
            found = _once(http, target, headers, accept, limits, until)
        except httpx.TimeoutException:
            raise NoAnswer("no answer in time", again=True) from None
        except httpx.HTTPError as problem:
            if time.monotonic() >= until:
                raise NoAnswer("no whole answer in time", again=True) from None
            raise NoAnswer(f"no answer: {type(problem).__name__}: {problem}"[:300], again=True) from None
        if isinstance(found, bytes):
            return found
        same = (found.host, found.port) == (target.host, target.port) and found.scheme == target.scheme
        if not same and not (target.scheme == "http" and found.scheme == "https" and found.host == target.host):
            raise NoAnswer(f"it sends us to another host, {found.host!r:.100}, which is not asked")
        target = found
    raise NoAnswer(f"more than {limits.redirects} redirects")


def _once(
    http: httpx.Client, target: httpx.URL, headers: Mapping[str, str], accept: str, limits: Limits, until: float
) -> bytes | httpx.URL:
    """The body of a good answer, or where it sends us."""
    sent = {**headers, "Accept": accept}
    with _in_time(until) as heard, http.stream("GET", target, headers=sent, extensions={"trace": heard}) as answer:
        code = answer.status_code
        if code in _MOVED:
            try:
                return target.join(answer.headers.get("Location", ""))
            except httpx.InvalidURL:
                raise NoAnswer("it sends us to an address that is none") from None
        if code in _KEYED:
            raise NoAnswer(f"{code}: the key is not accepted, or there is none", all=True)
        if code in _BUSY:
            raise NoAnswer(f"{code} {answer.reason_phrase}"[:100], again=True, wait=_wait(answer), all=code == 429)
        if code != 200:
            raise NoAnswer(f"{code} {answer.reason_phrase}: {_said(answer)}"[:300])
        kind = answer.headers.get("Content-Type", "").strip().lower()
        if not kind.startswith(accept):
            raise NoAnswer(f"it answers with {kind[:60] or 'no type'}, not {accept}", again=True)
        if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise NoAnswer("it packs what was asked for unpacked")
        length = answer.headers.get("Content-Length", "")
        if length.isdecimal() and int(length) > limits.size:
            raise NoAnswer(f"more than {limits.size:,} bytes")
        body = bytearray()
        for piece in answer.iter_raw():
            body += piece
            if len(body) > limits.size:
                raise NoAnswer(f"more than {limits.size:,} bytes")
        if time.monotonic() >= until:  # what was cut off may look whole
            raise NoAnswer("no whole answer in time", again=True)
        # JSON says where it ends. Of lines that come until the line is cut, nobody knows whether the last is whole.
        framed = bool(length) or "chunked" in answer.headers.get("Transfer-Encoding", "").lower()
        if accept == "text/csv" and not framed and not body.endswith(b"\n"):
            raise NoAnswer("the answer is cut off", again=True)
        return bytes(body)


@contextmanager
def _in_time(until: float) -> Iterator[Callable[[str, Mapping[str, Any]], None]]:
    """Who is to hear of connections as they are made: at `until` they are cut.

    The limits of the library are of one silence: a byte before each is over could go on for ever.
    """
    opened: list[socket.socket] = []

    def cut() -> None:
        for one in opened:
            with suppress(OSError):  # closed already, or it became another one under TLS
                socket.socket.shutdown(one, socket.SHUT_RDWR)

    def heard(event: str, said: Mapping[str, Any]) -> None:
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            opened.append(said["return_value"].get_extra_info("socket"))
            if time.monotonic() >= until:
                cut()

    alarm = Timer(max(0.0, until - time.monotonic()), cut)
    alarm.daemon = True
    alarm.start()
    try:
        yield heard
    finally:
        alarm.cancel()


def _said(answer: httpx.Response) -> str:
    """The beginning of what a refusal says, on one line."""
    out = b""
    for piece in answer.iter_raw():
        out += piece
        if len(out) >= 200:
            break
    words = out[:200].decode("utf-8", "replace")
    return " ".join("".join(sign if sign.isprintable() else " " for sign in words).split())


def _wait(answer: httpx.Response) -> float | None:
    """How long it asks to be left alone [s], by Retry-After: seconds or a date."""
    said = answer.headers.get("Retry-After", "").strip()
    if said.isdecimal() and said.isascii():
        return min(float(said[:9]), _LONGEST)
    try:
        when: datetime = parsedate_to_datetime(said)
    except (ValueError, TypeError, IndexError):
        return None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return min(max(0.0, (when - console.now()).total_seconds()), _LONGEST)
