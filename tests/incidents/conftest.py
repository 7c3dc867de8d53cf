"""A server for each test, whose pauses are of a test's length; people with passwords that cost no time to check."""

from collections.abc import Iterator

import argon2
import httpx
import pytest

from analytics import incidents
from analytics.store import people
from analytics.store.connection import Connection
from jobs import passwords
from jobs.incidents import signing
from jobs.web import keys, site, watcher
from jobs.web.site import Settings
from tests.incidents.telling import T0
from tests.serving import serving, until
from tests.web.posting import Make, maker

CHEAP = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
SECRET = "whsec_" + "c2VjcmV0LW9mLXRoZS13b3JrLW9yZGVycy1hbmQtbG9uZw=="


@pytest.fixture(autouse=True)
def _brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses of a test's length, and the cheapest argon2 there is: its own figures are RFC 9106's."""
    for module, name, value in (
        (watcher, "PAUSE", 0.5),
        (watcher, "SLOW", 0.5),
        (site, "PATIENCE", 5.0),
        (keys, "PAUSE", 0.1),
        (passwords, "_HASHER", CHEAP),
    ):
        monkeypatch.setattr(module, name, value)


@pytest.fixture
def client(dsn: str) -> Iterator[httpx.Client]:
    """A client of a server that knows the secret of work orders."""
    with serving(Settings(dsn, orders=signing.secret(SECRET))) as opened:
        yield opened


@pytest.fixture
def make(dsn: str) -> Make:
    """A function that makes a key as people do."""
    return maker(dsn)


def add(conn: Connection, name: str, role: str, word: str = "correct horse") -> httpx.BasicAuth:
    """How `name` logs in, who was added."""
    assert people.add(conn, name, role, passwords.hashed(word), by="tests", now=T0)
    return httpx.BasicAuth(name, word)


@pytest.fixture
def staff(conn: Connection, client: httpx.Client) -> dict[str, httpx.BasicAuth]:
    """How a person of each role logs in, once the server knows them."""
    found = {role: add(conn, f"{role} 王", role) for role in incidents.ROLES}
    until(lambda: client.post("/v1/incidents/0/note", json={"note": "x"}, auth=found["admin"]).status_code == 404)
    return found
