"""What a body may be: its forms, its bounds."""

import csv
import gzip
import io
import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from analytics.store.connection import Connection
from jobs.web import bodies, intake
from tests import world
from tests.web.posting import TYPE, body, line, post, problem, rows


def test_bodies_are_bounded(client: httpx.Client, conn: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    world.settle_world(conn, [("A", "pm25")], 60)
    many = body(*[line("A", "pm25", 0, 1.0)]) * (bodies.MOST_ROWS + 1)
    assert len(many) < bodies.MOST_BYTES
    assert problem(post(client, many)) == "too-large"
    assert problem(post(client, b" " * (bodies.MOST_BYTES + 1))) == "too-large"

    def endless() -> Iterator[bytes]:
        for _ in range(bodies.MOST_BYTES // 65_536 + 2):
            yield b" " * 65_536

    # What was refused is not kept at hand: as much again, and again, is refused for its own size alone.
    monkeypatch.setattr(intake, "ROOM", bodies.MOST_BYTES + 2 * 65_536)
    for _ in range(3):
        assert client.post("/observations", content=endless(), headers=TYPE).status_code == 413
    assert rows(conn, "SELECT count(*) FROM batch") == [(0,)]
    monkeypatch.setattr(intake, "ROOM", 10)
    full = post(client, body(line("A", "pm25", 0, 1.0)))
    assert (problem(full), full.headers["Retry-After"]) == ("busy", "1")
    monkeypatch.setattr(intake, "ROOM", 1000)
    assert post(client, body(line("A", "pm25", 0, 1.0))).status_code == 200


def test_gzip_is_taken_and_bounded(client: httpx.Client, conn: Connection) -> None:
    world.settle_world(conn, [("A", "pm25")], 60)
    content = body(line("A", "pm25", 0, 1.0))
    coded = {"Content-Encoding": "gzip"}
    assert post(client, gzip.compress(content), **coded).json()["new"] == 1
    two = gzip.compress(content) + gzip.compress(body(line("A", "pm25", 1, 2.0)))
    assert post(client, two, **coded).json()["read"] == 2
    bomb = gzip.compress(b" " * (3 * bodies.MOST_BYTES), 9)
    assert len(bomb) < bodies.MOST_BYTES
    assert problem(post(client, bomb, **coded)) == "too-large"
    assert problem(post(client, gzip.compress(content)[:-9], **coded)) == "unreadable-body"
    assert problem(post(client, content, **coded)) == "unreadable-body"
    assert problem(post(client, content, **{"Content-Encoding": "br"})) == "wrong-type"
    # Each of these members is nothing; read from the start for each of them, the body would take half a minute.
    began = time.monotonic()
    assert post(client, gzip.compress(b"") * 300_000, **coded).status_code == 400
    assert time.monotonic() - began < 12


def test_a_body_that_is_no_ndjson_is_refused(client: httpx.Client, conn: Connection) -> None:
    for content in (b"", b"\n\n", b"time,value\n1,2\n", b"\xff\xfe\x00", b"[1, 2]"):
        assert problem(post(client, content)) == "unreadable-body", content
    assert rows(conn, "SELECT count(*) FROM batch") == [(0,)]


LINES = [
    line("A", "pm25", 0, 10.5),
    line("A", "pm25", 1, None),
    {**line("A", "o3", 0, 20.0), "mark": "N", "revision": 3},
    {**line("A", "pm25", 2, 1.0), "value": "much"},
    {**line("A", "pm25", 3, 1.0), "time": "2025-06-01T00:03:00"},
    line("B'; DROP TABLE observation; --", "pm25", 0, 1.0),
    line("A", "gold", 0, 1.0),
]
NAMES = ("station", "channel", "time", "value", "mark", "revision")


def columns(lines: list[dict[str, Any]]) -> bytes:
    return json.dumps({name: [item.get(name) for item in lines] for name in NAMES}).encode()


def table(lines: list[dict[str, Any]]) -> bytes:
    text = io.StringIO()
    out = csv.writer(text, lineterminator="\n")
    out.writerow(["Station", "parameter", *NAMES[2:]])
    out.writerows([item.get(name) for name in NAMES] for item in lines)
    return text.getvalue().encode()


WRITTEN = {"application/x-ndjson": lambda lines: body(*lines), "application/json": columns, "text/csv": table}


def test_each_form_is_a_row_with_an_example() -> None:
    assert WRITTEN.keys() == bodies.FORMS.keys()


@pytest.mark.parametrize("media", WRITTEN)
def test_every_form_says_the_same(client: httpx.Client, conn: Connection, media: str) -> None:
    """Malformed values, naive times, SQL in a field: each is a row that is not kept, and nothing else."""
    world.settle_world(conn, [("A", "pm25"), ("A", "o3")], 60)
    content = WRITTEN[media](LINES)
    said = post(client, content, "?rows=1", **{"Content-Type": f"{media}; charset=utf-8"}).json()
    assert said["verdicts"] == ["new", "missing", "new", "rejected", "rejected", "waiting", "rejected"]
    why = ["not a number", "time without offset", "unknown station", "unknown parameter"]
    assert said["refusals"] == {"row": [3, 4, 5, 6], "reason": why}
    assert [said[name] for name in ("read", "new", "missing", "rejects", "waiting")] == [7, 2, 1, 4, 1]
    found = rows(conn, "SELECT parameter, value, mark, revision FROM observation o JOIN series s ON s.id = o.series")
    assert sorted(found, key=str) == [("o3", 20.0, ord("N"), 3), ("pm25", 10.5, None, None)]
    assert rows(conn, "SELECT decoder FROM batch") == [(bodies.FORMS[media].decoder,)]
    again = post(client, content, "?rows=1", **{"Content-Type": media}).json()
    assert again["verdicts"] == ["duplicate", "missing", "duplicate", "rejected", "rejected", "waiting", "rejected"]


@pytest.mark.parametrize("media", WRITTEN)
def test_every_form_is_bounded_in_rows(client: httpx.Client, conn: Connection, media: str) -> None:
    world.settle_world(conn, [("A", "pm25")], 60)
    said = {"Content-Type": media}
    lines = [line("A", "pm25", 0, 1.0)] * (bodies.MOST_ROWS + 1)
    assert problem(post(client, WRITTEN[media](lines), **said)) == "too-large"
    assert post(client, WRITTEN[media](lines[:-1]), **said).json()["read"] == bodies.MOST_ROWS
    bomb = gzip.compress(WRITTEN[media](lines * 4), 9)
    assert problem(post(client, bomb, **said, **{"Content-Encoding": "gzip"})) == "too-large"


def test_a_csv_of_other_columns_is_refused(client: httpx.Client) -> None:
    for content in (
        b"station,parameter,time\nA,pm25,2025-06-01T00:00:00Z\n",
        b"station,parameter,time,value,colour\nA,pm25,2025-06-01T00:00:00Z,1,red\n",
        b"station,parameter,time,value\n",
        gzip.compress(table(LINES)),  # that it is gzip must have been said
        b"PAR1" + bytes(100) + b"PAR1",
    ):
        assert problem(post(client, content, **{"Content-Type": "text/csv"})) == "unreadable-body", content
