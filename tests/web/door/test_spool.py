"""202: what the database is too slow for, or not there for, is safe on the disk, and in the store once."""

import gzip
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn
from uuid import uuid4

import httpx
import psycopg
import pytest

from analytics.spool import Spool, records
from analytics.store import posts as kept
from analytics.store.connection import Connection, Lost
from jobs import replay, threads
from jobs.intake import Intake, Order
from jobs.web import backlog, clerk, posts, site
from jobs.web.posts import Post
from jobs.web.site import Settings
from tests import world
from tests.serving import serving, until
from tests.web.posting import TYPE, body, line, post, problem, rows

NDJSON = TYPE["Content-Type"]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clerk, "PROMPT", 0.3)
    monkeypatch.setattr(threads, "SELDOM", 0.3)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def settings(dsn: str, folder: Path) -> Settings:
    """A server with a spool."""
    return Settings(dsn, door="http", spool=folder)


@pytest.fixture
def client(settings: Settings) -> Iterator[httpx.Client]:
    with serving(settings) as opened:
        yield opened


@contextmanager
def locked(other: Connection, series: int) -> Iterator[None]:
    """Nobody can save readings of `series` meanwhile."""
    with other.transaction():
        other.execute("SELECT FROM latest WHERE series = %s FOR UPDATE", [series])
        yield


@contextmanager
def away(dsn: str, server_dsn: str) -> Iterator[None]:
    """The database lets nobody in meanwhile, and has thrown out who was."""
    name = psycopg.conninfo.conninfo_to_dict(dsn)["dbname"]
    with closing(psycopg.connect(server_dsn, autocommit=True)) as admin:
        admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        try:
            yield
        finally:
            admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')


def accepted(answer: httpx.Response) -> str:
    """The address where it is said what became of the post."""
    assert answer.status_code == 202, answer.text
    said = answer.json()
    assert said == {"id": said["id"], "state": "waiting", "at": f"/batches/{said['id']}"}
    assert answer.headers["Location"] == said["at"]
    assert int(answer.headers["Retry-After"]) > 0
    return str(said["at"])


def settled(client: httpx.Client, where: str) -> dict[str, Any]:
    """What became of the post, once it is known."""
    said: dict[str, Any] = {}

    def done() -> bool:
        nonlocal said
        answer = client.get(where)
        said = answer.json()
        # Who drains may be back at the database before those who read there.
        assert answer.status_code == 200 or problem(answer) == "away", answer.text
        return answer.status_code == 200 and bool(said["state"] != "waiting")

    until(done)
    return said


def test_a_commit_that_was_only_slow_counts_once(
    client: httpx.Client, conn: Connection, other: Connection, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (number,) = world.settle_world(conn, [("A", "pm25")], 60)
    content = body(line("A", "pm25", 0, 1.0), line("A", "pm25", 1, None))
    with locked(other, number):
        where = accepted(post(client, content, "?cadence=60&rows=1&source=logger"))
        assert client.get(where).json()["state"] == "waiting"
        [record] = records(folder, None, 10)
        assert record.payload == content
    said = settled(client, where)
    assert (said["state"], said["read"], said["new"], said["missing"]) == ("saved", 2, 1, 1)
    assert said["verdicts"] == ["new", "missing"]  # of the commit that was slow, not of another one
    assert rows(conn, "SELECT read, new, duplicates FROM batch") == [(2, 1, 0)]
    assert rows(conn, "SELECT value FROM observation") == [(1.0,)]
    monkeypatch.setattr(clerk, "PROMPT", 30)  # a machine that is busy is not what is asked
    assert "state" not in post(client, content).json()


def test_who_never_got_to_a_saver_is_saved_from_the_spool(
    client: httpx.Client, conn: Connection, other: Connection
) -> None:
    """More posts than savers, all of one series that is locked."""
    (number,) = world.settle_world(conn, [("A", "pm25")], 60)
    contents = [body(line("A", "pm25", minute, 1.0)) for minute in range(9)]
    with locked(other, number), ThreadPoolExecutor(9) as pool:
        places = [accepted(answer) for answer in pool.map(lambda content: post(client, content), contents)]
    assert [settled(client, where)["new"] for where in places] == [1] * 9
    assert rows(conn, "SELECT count(*), sum(new), sum(duplicates) FROM batch") == [(9, 9, 0)]
    origins = {str(row[0]).split()[0] for row in rows(conn, "SELECT origin FROM batch")}
    assert origins == {"post", "http"}


def test_what_comes_while_the_database_is_away_is_in_when_it_is_back(
    client: httpx.Client, conn: Connection, dsn: str, server_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.settle_world(conn, [("A", "pm25")], 60)
    conn.close()
    with away(dsn, server_dsn):
        first = accepted(post(client, body(line("A", "pm25", 0, 1.0)), "?cadence=60"))
        packed = gzip.compress(body(line("A", "pm25", 1, 2.0), line("A", "pm25", 1, 2.0), line("A", "o3", 1, 2.0)))
        second = accepted(post(client, packed, "?kind=late&rows=1", **{"Content-Encoding": "gzip"}))
        assert client.get(first).json()["state"] == "waiting"
        # Once it is known to be away nobody waits for it any more.
        time.sleep(1.2)
        monkeypatch.setattr(clerk, "PROMPT", 30)
        began = time.monotonic()
        third = accepted(post(client, body(line("A", "pm25", 2, 3.0)), "?cadence=60"))
        assert time.monotonic() - began < 1
        # What cannot be read is refused at once all the same.
        assert problem(post(client, b"no json")) == "unreadable-body"
        assert problem(client.get(f"/batches/{uuid4()}")) == "away"
    said = [settled(client, where) for where in (first, second, third)]
    assert [item["new"] for item in said] == [1, 1, 1]
    assert said[1]["verdicts"] == ["new", "duplicate", "waiting"]
    with closing(psycopg.connect(dsn)) as again:
        assert again.execute("SELECT value FROM observation ORDER BY time").fetchall() == [(1.0,), (2.0,), (3.0,)]
        assert again.execute("SELECT kind FROM batch ORDER BY ordinal").fetchall() == [("live",), ("late",), ("live",)]
    until(lambda: post(client, body(line("A", "pm25", 0, 1.0))).status_code == 200)


def test_readers_who_wait_for_the_database_keep_nobody_from_the_spool(
    client: httpx.Client, conn: Connection, other: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many as there are threads for handlers."""
    (number,) = world.settle_world(conn, [("A", "pm25")], 60)
    over, held = threading.Event(), threading.Semaphore(0)

    def connection(_: object) -> NoReturn:
        held.release()
        assert over.wait(60)
        raise Lost("away")

    monkeypatch.setattr(site.Site, "connection", connection)
    with locked(other, number), ThreadPoolExecutor(50) as pool:
        asking = [pool.submit(client.get, f"/batches/{uuid4()}") for _ in range(45)]
        for _ in range(40):
            assert held.acquire(timeout=30)
        try:
            accepted(post(client, body(line("A", "pm25", 0, 1.0)), "?cadence=60"))
            assert not any(each.done() for each in asking)
        finally:
            over.set()
        assert {each.result().status_code for each in asking} == {503}


def test_a_spool_that_takes_nothing_acknowledges_nothing(
    client: httpx.Client, conn: Connection, dsn: str, server_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.settle_world(conn, [("A", "pm25")], 60)
    conn.close()
    monkeypatch.setattr(backlog, "ROOM", 10)
    with away(dsn, server_dsn):
        refused = post(client, body(line("A", "pm25", 0, 1.0)))
        assert (refused.status_code, problem(refused)) == (503, "away")
        assert int(refused.headers["Retry-After"]) > 0
    until(lambda: post(client, body(line("A", "pm25", 1, 1.0))).status_code == 200)
    with closing(psycopg.connect(dsn)) as again:
        assert again.execute("SELECT count(*) FROM observation").fetchall() == [(1,)]


def test_a_folder_that_cannot_be_used_is_no_spool(
    dsn: str, conn: Connection, other: Connection, tmp_path: Path
) -> None:
    (number,) = world.settle_world(conn, [("A", "pm25")], 60)
    (tmp_path / "file").write_text("")
    with serving(Settings(dsn, door="http", spool=tmp_path / "file" / "spool")) as client:
        lock = threading.Event()

        def hold() -> None:
            with locked(other, number):
                lock.wait(10)

        thread = threading.Thread(target=hold)
        thread.start()
        threading.Timer(0.8, lock.set).start()
        answer = post(client, body(line("A", "pm25", 0, 1.0)))
        thread.join()
    # Then the slow commit is waited for, as where there is no spool.
    assert answer.status_code == 200


def spooled(folder: Path, *sent: Post) -> None:
    """Nothing; `sent` lie in the spool, as a server that was killed leaves them."""
    with Spool(folder) as spool:
        for item in sent:
            spool.append(item.body, item.head(), item.received).result()


def made(content: bytes, minutes_ago: float = 0) -> Post:
    received = datetime.now(UTC) - timedelta(minutes=minutes_ago)
    return Post(uuid4(), Order(source="logger", cadence=60), NDJSON, False, False, received, content)


def test_the_next_server_saves_what_a_killed_one_left(settings: Settings, conn: Connection, folder: Path) -> None:
    """One was committed, and the server killed before it knew; one cannot be read; one only waits."""
    world.settle_world(conn, [("A", "pm25")], 60)
    done, broken = made(body(line("A", "pm25", 0, 1.0))), made(b"\xff")
    # From ahead of the clock is what was so when it came.
    waits = made(body(line("A", "pm25", 1, 2.0), {**line("A", "pm25", 0, 9.0), "time": _ahead()}), 60)
    posts.save(Intake(conn, done.order), done, done.read(), done.origin)
    spooled(folder, done, broken, waits)
    with serving(settings) as client:
        said = {item.id: settled(client, f"/batches/{item.id}") for item in (done, broken, waits)}
        assert "problem" not in said[done.id]
        assert (said[done.id]["new"], said[done.id]["duplicates"]) == (1, 0)
        assert said[broken.id]["state"] == "refused"
        assert said[broken.id]["problem"]["type"] == "/problems/unreadable-body"
        assert "Refused" not in said[broken.id]["problem"]["detail"]
        assert (said[waits.id]["new"], said[waits.id]["rejects"]) == (1, 1)
    assert rows(conn, "SELECT origin, read FROM batch WHERE rejects = 0") == [(done.origin, 1)]
    assert rows(conn, "SELECT value FROM observation ORDER BY time") == [(1.0,), (2.0,)]
    assert rows(conn, "SELECT reason FROM reject ORDER BY 1") == [
        ("ahead of the clock",),
        ("could not be decoded: Refused",),
    ]
    with serving(settings) as client:  # the next one does nothing again
        assert settled(client, f"/batches/{waits.id}") == said[waits.id]
    assert rows(conn, "SELECT count(*) FROM batch") == [(3,)]
    # What is kept can be read again, and changes nothing (law 7).
    again = replay.replay(conn, folder, "http", replay.Ask())
    assert (again.records, again.counts.new, again.counts.duplicates) == (3, 0, 2)
    assert rows(conn, "SELECT count(*) FROM observation") == [(2,)]


def _ahead() -> str:
    return (datetime.now(UTC) - timedelta(minutes=30)).isoformat()


def test_what_became_of_a_post_is_forgotten_with_its_bytes(conn: Connection) -> None:
    now = datetime.now(UTC)
    ids = [uuid4(), uuid4()]
    for days, id in enumerate(ids):
        when = now - timedelta(days=days)
        kept.settle(conn, id, kept.Settled("logger", when, when, kept.SAVED, {"new": 1}))
    assert kept.forget(conn, now - timedelta(hours=1)) == 1
    assert [kept.load(conn, id) is None for id in ids] == [False, True]


def test_nothing_is_known_of_other_ids(client: httpx.Client) -> None:
    for id in (uuid4(), "1", "x" * 1000, "%27%3B%20DROP%20TABLE%20post"):
        assert problem(client.get(f"/batches/{id}")) == "not-found"


def test_a_post_is_remembered_whole() -> None:
    order = Order(source="Messstelle Süd", cadence=600, kind="late", register=True)
    sent = Post(uuid4(), order, NDJSON, True, True, datetime.now(UTC), b"x")
    plain = made(b"y")

    class Kept:
        def __init__(self, of: Post) -> None:
            self.head, self.received, self.payload = of.head(), of.received, of.body

    assert Post.of(Kept(sent)) == sent  # type: ignore[arg-type]  # as much of a record as it asks for
    assert Post.of(Kept(plain)) == plain  # type: ignore[arg-type]


def test_a_second_server_takes_no_part_in_a_spool(settings: Settings, conn: Connection, folder: Path) -> None:
    world.settle_world(conn, [("A", "pm25")], 60)
    with Spool(folder), serving(settings) as client:
        assert post(client, body(line("A", "pm25", 0, 1.0))).status_code == 200
        assert problem(client.get(f"/batches/{uuid4()}")) == "not-found"
