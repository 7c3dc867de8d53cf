"""What the tests of pulls share: a registered pull, asked once."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from analytics.store import pulls, register
from analytics.store.connection import Connection
from jobs import register as registering
from jobs.pull.asking import Limits
from jobs.pull.connectors import CONNECTORS
from jobs.pull.run import Pulled, Puller
from tests.conftest import NOW
from tests.pull.service import Service
from tests.register.drafts import PARAMETERS, STANDARDS

KEY = {"OPENAQ_API_KEY": "k-123"}
LIMITS = Limits(seconds=5, connect=2, read=0.5)
GAUGE = "0bf8-44-level-i-900-m-qualified"
SERVICES = {name: connector.ids for name, connector in CONNECTORS.items()}


def put(conn: Connection, text: str) -> None:
    registering.write(conn, register.read(text.encode(), "site.toml", PARAMETERS, STANDARDS, connectors=SERVICES))


def registered(conn: Connection, service: Service, connector: str, ids: str, *more: str, name: str = "P") -> None:
    said = {"name": name, "connector": connector, "url": service.url}
    lines = ["[[pull]]", *(f'{key} = "{word}"' for key, word in said.items()), f"ids = {ids}", *more]
    put(conn, "\n".join(['[[station]]\ncode = "A"\nlongitude = 116.4\nlatitude = 39.9\n', *lines, ""]))


def pull(conn: Connection, now: datetime = NOW, env: Mapping[str, str] = KEY, **other: Any) -> Pulled:
    [found] = pulls.load(conn)
    return puller(conn, now, env).run(found, now, **other)


def puller(conn: Connection, now: datetime = NOW, env: Mapping[str, str] = KEY) -> Puller:
    return Puller(conn, LIMITS, sleep=lambda _: None, clock=lambda: now, environment=env)
