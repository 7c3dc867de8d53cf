"""Words and requests made to do harm, over a real socket: each is told or refused, and the next sender is served."""

import gzip
import json
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from starlette.requests import Request

from analytics.ingest._cells import KEPT
from analytics.store.connection import Connection
from jobs.web import guard
from jobs.web.site import Settings
from tests import world
from tests.serving import serving, until
from tests.web.posting import TYPE, Make, bearer, body, line, post, problem, rows

#: What might end a text, a statement, a line or a terminal; half a character; a text that is very long.
SPELLS = (
    "'; DROP TABLE observation; --",
    "%s %(x)s {x} $1",
    "A\0B",
    "\x1b[2J\x07",
    "\r\nX-Own: 1",
    "\ud800",
    "../../etc/passwd",
    "x" * 1_000_000,
)
NAMES = ("station", "channel", "time", "value", "mark", "revision")


def spelt() -> Iterator[dict[str, Any]]:
    """A reading of A for each name and each spell in it."""
    for name in NAMES:
        for spell in SPELLS:
            yield {**line("A", "pm25", 0, 1.0), name: spell}


def well(client: httpx.Client, minute: int) -> None:
    """Nothing; another sender's reading is new, and the service says that it is well."""
    assert post(client, body(line("A", "pm25", minute, 2.0))).json()["new"] == 1
    assert client.get("/healthz").is_success


def test_no_text_is_more_than_a_text(client: httpx.Client, conn: Connection) -> None:
    world.settle_world(conn, [("A", "pm25")], 60)
    lines = list(spelt())
    columns = json.dumps({name: [item.get(name) for item in lines] for name in NAMES}).encode()
    for content, media in ((body(*lines), TYPE["Content-Type"]), (gzip.compress(columns), "application/json")):
        coding = "gzip" if content[:2] == b"\x1f\x8b" else "identity"
        answer = post(client, content, "?rows=1", **{"Content-Type": media, "Content-Encoding": coding})
        assert answer.status_code == 200, answer.text[:500]
        said = answer.json()
        assert (said["read"], said["new"], said["rejects"]) == (len(lines), 0, len(lines))
        assert set(said["verdicts"]) <= {"rejected", "waiting"}
        assert len(answer.content) < 100_000
    kept = rows(conn, "SELECT max(length(text)), max(length(station)), max(length(channel)) FROM reject")
    assert all(int(str(size)) <= KEPT for size in kept[0])
    assert rows(conn, "SELECT count(*) FROM observation") == [(0,)]
    well(client, 1)


@pytest.mark.parametrize(
    ("content", "media"),
    [
        (b"[" * 300_000, "application/json"),
        (b'{"station":' * 100_000, "application/json"),
        (b'{"station":"A","channel":' + b"[" * 200_000 + b"]" * 200_000 + b"}", "application/json"),
        (b"{" * 300_000, TYPE["Content-Type"]),
        (b'"' + b"\n" * 10_000, "text/csv"),
    ],
    ids=["lists", "objects", "in a column", "a line", "an open quote"],
)
def test_what_is_nested_without_end_is_refused(
    client: httpx.Client, conn: Connection, content: bytes, media: str
) -> None:
    world.settle_world(conn, [("A", "pm25")], 60)
    assert problem(post(client, content, **{"Content-Type": media})) == "unreadable-body"
    assert rows(conn, "SELECT count(*) FROM batch") == [(0,)]
    well(client, 1)


def test_who_sends_is_not_who_a_header_says(
    dsn: str, conn: Connection, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Headers of proxies are anybody's: neither a name of ours nor an address nor a key comes of them."""
    world.settle_world(conn, [("A", "pm25")], 60)
    seen, real = list[str](), guard.who

    def told(request: Request) -> str:
        seen.append(real(request))
        return seen[-1]

    monkeypatch.setattr(guard, "who", told)
    content = body(line("A", "pm25", 0, 1.0))
    forged = {"X-Forwarded-For": "10.0.0.7", "X-Real-IP": "10.0.0.8", "Forwarded": "for=10.0.0.9;host=evil.example"}
    forged |= {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"}
    with serving(Settings(dsn)) as client:
        assert post(client, content, **forged).status_code == 200
        assert set(seen) == {"from 127.0.0.1"}
        assert problem(post(client, content, Host="evil.example", **{"X-Forwarded-Host": "127.0.0.1"})) == "other-host"
        links = client.get("/v1/stations", headers=forged)
        assert "evil.example" not in links.text + str(links.headers)
        key = make("--source", "logger")
        odd = {"X-Forwarded-User": "logger", "X-Original-URL": "/healthz"}
        until(lambda: post(client, content, **forged, **odd).status_code == 401)
        assert problem(post(client, content, **forged, **odd)) == "no-key"
        assert problem(post(client, content, "?source=other", **bearer(key))) == "outside-scope"
        assert problem(post(client, content, **bearer(key[:-1] + "\x7f"))) == "wrong-key"
        assert post(client, content, **bearer(key)).json()["duplicates"] == 1


def test_a_head_made_to_do_harm_is_refused_and_hurts_nobody(client: httpx.Client, conn: Connection) -> None:
    world.settle_world(conn, [("A", "pm25")], 60)
    place = (client.base_url.host, client.base_url.port)
    host = f"Host: {place[0]}:{place[1]}\r\n".encode()
    post_ = b"POST /observations HTTP/1.1\r\n" + host + b"Content-Type: application/x-ndjson\r\n"
    heads = (
        b"GET /healthz HTTP/1.1\r\n" + host + b"X-Long: " + b"x" * 1_000_000,
        post_ + b"Content-Length: 5\r\nContent-Length: 50\r\n\r\nhello",
        post_ + b"Content-Length: -1\r\n\r\n",
        post_ + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n",
        b"GET /\0 HTTP/1.1\r\n" + host + b"\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100),  # who takes it for TLS
    )
    for number, head in enumerate(heads):
        with socket.create_connection(place, timeout=10) as raw:
            try:
                raw.sendall(head)
                said = b"".join(iter(lambda raw=raw: raw.recv(4096), b""))  # type: ignore[misc]
            except ConnectionError:
                said = b""  # it was ended while we still spoke
        assert said.split(b" ", 2)[1:2] in ([], [b"400"], [b"413"], [b"404"]), (head[:60], said[:200])
        well(client, number)
    assert rows(conn, "SELECT count(*) FROM observation") == [(len(heads),)]
