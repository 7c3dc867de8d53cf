"""One client does not take what is there for all: room for bodies, turns to read, answers that are fetched slowly."""

import asyncio
import select
import socket
from contextlib import ExitStack

import pytest

from analytics.store.connection import Connection
from jobs.web import bodies, intake
from jobs.web.fair import Held, Turns
from jobs.web.keys import Buckets
from jobs.web.problems import Refused
from jobs.web.site import Settings
from tests import world
from tests.serving import serving, until
from tests.web.posting import TYPE, Make, bearer, body, line, post, problem

PIECE = b" " * 65_536


def test_whoever_has_the_fewest_turns_is_next() -> None:
    async def scene() -> list[str]:
        turns, order = Turns(2), list[str]()

        async def one(who: str) -> None:
            await turns.take(who)
            order.append(who)

        tasks = [asyncio.create_task(one(who)) for who in ("a", "a", "a", "a", "b", "c", "b")]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert (order, turns.waiting(), turns.waiting("a")) == (["a", "a"], 5, 2)
        # Who leaves the line takes no turn, also where it was given in the same moment.
        tasks[6].cancel()
        await asyncio.sleep(0)
        turns.give("a")
        tasks[4].cancel()
        for over in ("a", "c", "a", "a"):
            for _ in range(3):
                await asyncio.sleep(0)
            turns.give(over)
        await asyncio.gather(*tasks, return_exceptions=True)
        assert turns.waiting() == 0
        await asyncio.wait_for(asyncio.gather(turns.take("d"), turns.take("d")), 5)
        return order

    assert asyncio.run(scene()) == ["a", "a", "c", "a", "a"]


def test_what_is_at_hand_is_counted_and_forgotten() -> None:
    held = Held()
    for who, more in (("a", 5), ("b", 2), ("a", -3)):
        held.add(who, more)
    assert (held.all, held.of("a"), held.of("b"), held.of("c")) == (4, 2, 2, 0)
    held.add("a", -2)
    assert (held.all, held._of) == (2, {"b": 2})


def test_one_sender_leaves_room_for_the_others(
    dsn: str, conn: Connection, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.settle_world(conn, [("A", "pm25")], 60)
    first, second = make("--source", "a"), make("--source", "b")
    # There is room for four bodies; one sender may have two of them here at once.
    monkeypatch.setattr(bodies, "MOST_BYTES", 4 * len(PIECE))
    monkeypatch.setattr(intake, "ROOM", 16 * len(PIECE))
    with serving(Settings(dsn)) as client, ExitStack() as stack:
        host, port = client.base_url.host, client.base_url.port
        assert port is not None
        head = {"Host": f"{host}:{port}", "Content-Length": str(4 * len(PIECE))} | TYPE | bearer(first)
        lines = ["POST /observations HTTP/1.1", *(f"{name}: {said}" for name, said in head.items()), "", ""]
        slow = [stack.enter_context(socket.create_connection((host, port))) for _ in range(6)]
        for each in slow:  # all but the end of a body, which does not come
            each.sendall("\r\n".join(lines).encode() + 3 * PIECE)
        until(lambda: len(select.select(slow, [], [], 0)[0]) >= 4)
        refused = select.select(slow, [], [], 0)[0]
        assert [each.recv(100).split(b"\r\n")[0].split()[1] for each in refused] == [b"503"] * 4
        heard = post(client, body(line("A", "pm25", 0, 1.0)), **bearer(second))
        assert heard.status_code == 200, heard.text


def test_what_cannot_be_read_is_paid_for(dsn: str, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a key that may send little could let the server read much."""
    key = make("--source", "a")

    def read(*_: object) -> None:
        raise Refused("unreadable-body", "so it is")

    monkeypatch.setattr(bodies, "read", read)
    monkeypatch.setattr(intake, "READ", 10**9)
    with serving(Settings(dsn, rate=0.001)) as client:
        content = body(line("A", "pm25", 0, 1.0))
        assert problem(post(client, content, **bearer(key))) == "unreadable-body"
        until(lambda: problem(post(client, content, **bearer(key))) == "too-many")


def test_what_is_owed_is_paid_back() -> None:
    now = 0.0
    buckets = Buckets(10, 100, lambda: now)
    buckets.spend(1, 150)
    assert buckets.take(1, 0) == 5  # it owes 50
    now = 5.0
    assert (buckets.take(1, 0), buckets.take(1, 10)) == (0, 1)
    buckets.spend(1, 10**9)
    assert buckets.take(1, 100) == 20
