"""Law 7 over HTTP: the database stopped while something is sent, the server killed, both back: it is in once."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pytest

from analytics import standards
from analytics.store import connection, migrations
from jobs.database.server import Server
from tests import world
from tests.conftest import NOW
from tests.servers import spare_server
from tests.serving import until
from tests.web.posting import body, line, post

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[3]


@contextmanager
def server(dsn: str, home: Path) -> Iterator[tuple["subprocess.Popen[str]", httpx.Client]]:
    """A server as a process of its own, and a client of it; killed at the end."""
    words = [sys.executable, "-W", "error", "-m", "jobs.cli", "serve", "--port", "0", "--dsn", dsn]
    environment = {**os.environ, "GREENWATCH_HOME": str(home), "GREENWATCH_TOKEN": ""}
    process = subprocess.Popen(words, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        said = next(text for text in process.stderr if text.startswith("serving on "))
        with httpx.Client(base_url=said.split()[-1], trust_env=False, timeout=60) as client:
            until(lambda: client.get("/healthz").is_success)
            yield process, client
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()


@pytest.fixture
def stoppable() -> Iterator[tuple[Server, str]]:
    """A server of PostgreSQL with a store of one series."""
    with spare_server() as (postgres, dsn):
        with closing(connection.connect(dsn)) as conn:
            list(migrations.migrate(conn, standards.tables(), NOW))
            world.settle_world(conn, [("A", "pm25")], 60)
        yield postgres, dsn


def test_what_was_acknowledged_is_in_once(stoppable: tuple[Server, str], tmp_path: Path) -> None:
    postgres, dsn = stoppable
    places: list[str] = []
    with server(dsn, tmp_path) as (_, client):
        assert post(client, body(line("A", "pm25", 0, 0.0)), "?cadence=60").status_code == 200
        postgres.stop()
        for minute in range(1, 4):
            answer = post(client, body(line("A", "pm25", minute, float(minute))), "?cadence=60")
            assert answer.status_code == 202, answer.text
            places.append(answer.headers["Location"])
        assert client.get(places[0]).json()["state"] == "waiting"
    # The server was killed, and the database comes back.
    postgres.start()
    with server(dsn, tmp_path) as (_, client):
        until(lambda: all(client.get(place).json()["state"] == "saved" for place in places))
        assert [client.get(place).json()["new"] for place in places] == [1, 1, 1]
    with closing(connection.connect(dsn)) as conn:
        assert conn.execute("SELECT value FROM observation ORDER BY time").fetchall() == [(float(n),) for n in range(4)]
        assert conn.execute("SELECT count(*), sum(new), sum(duplicates) FROM batch").fetchall() == [(4, 4, 0)]
