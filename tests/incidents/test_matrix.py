"""Who may ask what: every route of the application, every way of coming to it. A route without a row here fails."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import pytest
from starlette.routing import Mount

from analytics import incidents
from analytics.store import connection, keys, people
from jobs import passwords
from jobs.incidents import signing
from jobs.web import app
from jobs.web import keys as web_keys
from jobs.web import people as web_people
from jobs.web.site import Settings
from tests.conftest import Make
from tests.incidents.conftest import CHEAP, SECRET
from tests.incidents.telling import T0, district, opened
from tests.serving import serving, until
from tests.web.posting import T0 as MORNING
from tests.web.posting import TYPE

TOKEN, SCRAPER = "the token of the server", "the token of metrics"
KEYS = {
    "key write": (("write",), None),
    "key read": (("read",), None),
    "key read A": (("read",), ("A",)),
    "key hook": (("hook",), None),
}
#: Who comes, in the order of the letters of a row.
CALLERS = (
    *("nobody", "wrong password", "viewer", "duty", "lead", "admin"),
    *("key write", "key read", "key read A", "key hook", "token", "metrics token"),
)
#: + let in; u 401, who is it; f 403, not that one.
OPEN = "++++++" + "++++++"
LOOK = "uu++++" + "f+ff+u"
SCRAPE = "uu++++" + "f+ff++"
READ = "uu++++" + "f++f+u"
BATCH = "uu++++" + "+++f+u"
SEND = "uuffff" + "+fff+u"
STAFF = "uuf+++" + "ffff+u"
LEADS = "uuff++" + "ffff+u"
HOOK = "uuffff" + "fff++u"
UNSIGNED = "uuuuuu" + "uuuuuu"

JSON = {"Content-Type": "application/json"}
LINE = json.dumps({"station": "A", "channel": "pm25", "time": MORNING.isoformat(), "value": 1.0}).encode()
AN_HOUR = "?station=A&from=2026-06-01T00:00Z&to=2026-06-01T01:00Z"


@dataclass(frozen=True)
class Row:
    """A request, and the letters of who may make it. `there` are the answers to who may."""

    letters: str
    path: str
    there: tuple[int, ...] = (200,)
    content: bytes = b""
    headers: Mapping[str, str] | None = None
    signed: bool = False


#: By method and route. {n} is an incident about station A.
TABLE: Mapping[str, tuple[Row, ...]] = {
    "GET /healthz": (Row(OPEN, "/healthz"),),
    "GET /openapi.json": (Row(OPEN, "/openapi.json"),),
    "GET /problems/{kind}": (Row(OPEN, "/problems/no-key"),),
    "GET /": (Row(LOOK, "/"),),
    "GET /station/{code:path}": (Row(LOOK, "/station/A"),),
    "GET /station/{code:path}/charts.json": (Row(LOOK, "/station/A/charts.json"),),
    "GET /static": (Row(LOOK, "/static/nothing.css", (404,)),),
    "GET /metrics": (Row(SCRAPE, "/metrics"),),
    "GET /batches/{id}": (Row(BATCH, f"/batches/{uuid4()}", (404,)),),
    "GET /v1/stations": (Row(READ, "/v1/stations"),),
    "GET /v1/series": (Row(READ, "/v1/series"),),
    "GET /v1/readings": (Row(READ, f"/v1/readings{AN_HOUR}"),),
    "GET /v1/series/{id:number}/readings": (Row(READ, "/v1/series/1/readings?from=2026-06-01T00:00Z"),),
    "GET /v1/averages": (Row(READ, f"/v1/averages{AN_HOUR}"),),
    "GET /v1/assessments": (Row(READ, f"/v1/assessments{AN_HOUR}"),),
    "GET /v1/episodes": (Row(READ, f"/v1/episodes{AN_HOUR}"),),
    "GET /v1/explanations": (Row(READ, f"/v1/explanations{AN_HOUR}"),),
    "GET /v1/forecasts": (Row(READ, "/v1/forecasts?station=A"),),
    "GET /v1/rejects": (Row(READ, "/v1/rejects"),),
    "GET /v1/incidents": (Row(READ, "/v1/incidents"),),
    "GET /v1/incidents/{id:number}": (
        Row(READ, "/v1/incidents/{n}"),
        Row("uu++++" + "f+ff+u", "/v1/incidents/{m}"),  # about station B: not for the key of A
    ),
    "POST /observations": (Row(SEND, "/observations", (200,), LINE + b"\n", TYPE),),
    "POST /v1/incidents/{id:number}/{action}": (
        Row(STAFF, "/v1/incidents/{n}/acknowledge", (200, 409), b"{}", JSON),
        Row(STAFF, "/v1/incidents/{n}/assign", (200,), b'{"assignee": "lead"}', JSON),
        Row(STAFF, "/v1/incidents/{n}/note", (200,), b'{"note": "seen"}', JSON),
        Row(STAFF, "/v1/incidents/{n}/dispatch", (200,), b"{}", JSON),
        Row(STAFF, "/v1/incidents/{n}/resolve", (409,), b'{"note": "seen"}', JSON),
        Row(LEADS, "/v1/incidents/{n}/review", (409,), b'{"note": "seen"}', JSON),
        Row(LEADS, "/v1/incidents/{n}/cancel", (409,), b'{"note": "seen"}', JSON),
    ),
    "POST /hooks/alertmanager": (Row(HOOK, "/hooks/alertmanager", (200,), b'{"version": "4", "alerts": []}', JSON),),
    "POST /hooks/work-orders": (
        Row(UNSIGNED, "/hooks/work-orders", (401,), b"{}", JSON),
        # Who signed it is let in: there is no such order.
        Row(
            OPEN,
            "/hooks/work-orders",
            (404,),
            json.dumps({"type": "work_order.done", "data": {"order": str(uuid4())}}).encode(),
            JSON,
            signed=True,
        ),
    ),
}
STATUS = {"u": (401,), "f": (403,)}


def routes() -> dict[str, str]:
    """Method and route -> its path, of everything the application has."""
    found: dict[str, str] = {}
    for module in app.MODULES:
        for route in getattr(module, "ROUTES", ()):
            methods = {"GET"} if isinstance(route, Mount) else route.methods - {"HEAD"}
            found |= {f"{method} {route.path}": route.path for method in methods}
    return found


def test_every_route_has_a_row_and_every_row_a_route() -> None:
    assert routes().keys() == TABLE.keys()
    asked = {row.path.rpartition("/")[2] for row in TABLE["POST /v1/incidents/{id:number}/{action}"]}
    assert asked == incidents.ACTIONS.keys()
    assert all(
        len(row.letters) == len(CALLERS) and set(row.letters) <= set("+uf") for rows in TABLE.values() for row in rows
    )


@dataclass(frozen=True)
class House:
    """A server with a token, a key of each kind and a person of each role."""

    client: httpx.Client
    callers: Mapping[str, Mapping[str, Any]]
    numbers: Mapping[str, int]


@pytest.fixture(scope="module")
def house(make_database: Make) -> Iterator[House]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(web_people, "FREE", 10_000)  # here it is not the question how often one may be wrong
        patch.setattr(passwords, "_HASHER", CHEAP)
        patch.setattr(passwords, "NOBODY", CHEAP.hash("nobody's"))
        dsn = make_database("apache")
        with closing(connection.connect(dsn)) as conn:
            subjects = district(conn)
            numbers = {"n": opened(conn, subjects["A"]), "m": opened(conn, subjects["B"])}
            for role in incidents.ROLES:
                assert people.add(conn, role, role, passwords.hashed(f"password of {role}"), by="tests", now=T0)
            for name, (scopes, stations) in KEYS.items():
                digest = web_keys.digest(f"gw_{name}")
                keys.make(conn, digest, source=name, scopes=scopes, stations=stations, by="tests", note="", now=T0)
        bearers = {"token": TOKEN, "metrics token": SCRAPER, **{name: f"gw_{name}" for name in KEYS}}
        callers: dict[str, dict[str, Any]] = {
            "nobody": {},
            "wrong password": {"auth": ("admin", "password of lead")},
            **{role: {"auth": (role, f"password of {role}")} for role in incidents.ROLES},
            **{name: {"headers": {"Authorization": f"Bearer {word}"}} for name, word in bearers.items()},
        }
        settings = Settings(dsn, token=TOKEN, metrics=SCRAPER, orders=signing.secret(SECRET))
        with serving(settings) as client:
            until(lambda: client.get("/v1/incidents", auth=("viewer", "password of viewer")).is_success)
            yield House(client, callers, numbers)


def ask(house: House, method: str, row: Row, caller: str) -> httpx.Response:
    said = dict(house.callers[caller])
    headers = {**(row.headers or {}), "Greenwatch-Author": "tests", **said.pop("headers", {})}
    if row.signed:
        key = signing.secret(SECRET) or b""
        headers |= signing.headers(key, f"msg_{uuid4()}", int(time.time()), row.content)
    path = row.path.replace("{n}", str(house.numbers["n"])).replace("{m}", str(house.numbers["m"]))
    return house.client.request(method, path, content=row.content, headers=headers, **said)


@pytest.mark.parametrize("name", TABLE)
def test_each_cell_is_as_the_table_says(house: House, name: str) -> None:
    method = name.partition(" ")[0]
    for row in TABLE[name]:
        for caller, letter in zip(CALLERS, row.letters, strict=True):
            answer = ask(house, method, row, caller)
            assert answer.status_code in STATUS.get(letter, row.there), (caller, row, answer.text[:300])
            if letter == "u":
                # Whoever may log in is asked to.
                assert row.path.startswith("/hooks/work") or answer.headers["WWW-Authenticate"], (caller, row)
            if method == "GET":
                head = ask(house, "HEAD", row, caller)
                assert head.status_code == answer.status_code, (caller, row)


@pytest.mark.parametrize("name", TABLE)
def test_other_methods_open_nothing(house: House, name: str) -> None:
    row, path = TABLE[name][0], routes()[name]
    there = {known.partition(" ")[0] for known, place in routes().items() if place == path}
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} - there:
        for caller in CALLERS:
            answer = ask(house, method, row, caller)
            assert answer.status_code in (401, 403, 405), (method, caller, answer.text[:300])
        assert ask(house, method, row, "token").status_code == 405, method
