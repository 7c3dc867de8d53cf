"""No secret comes out: canaries in every place that holds one, and a look through all that is said, shown and kept."""

import base64
import json
import re
import secrets
import signal
from collections.abc import Iterator

import httpx
import pytest
from psycopg import conninfo, sql

from analytics import incidents
from analytics.store import keys, people
from analytics.store.connection import Connection
from jobs import console, passwords
from jobs.incidents import signing
from jobs.incidents.acts import Act, act
from jobs.web.keys import PREFIX, digest
from tests.incidents.telling import T0, district, opened
from tests.serving import until
from tests.worker.processes import running


@pytest.fixture
def canaries() -> dict[str, str]:
    """Where a secret is -> what no word that comes out may hold."""
    names = ("token", "metrics token", "key", "password", "pepper", "dsn", "url user", "url path", "webhook")
    return {name: f"canary{secrets.token_hex(12)}" for name in names}


def _environment(canaries: dict[str, str]) -> dict[str, str]:
    return {
        "GREENWATCH_TOKEN": canaries["token"],
        "GREENWATCH_METRICS_TOKEN": canaries["metrics token"],
        "GREENWATCH_PEPPER": canaries["pepper"],
        "GREENWATCH_LOG": "DEBUG",
        signing.SECRET: "whsec_" + base64.b64encode(canaries["webhook"].encode()).decode(),
        signing.URL: f"http://desk:{canaries['url user']}@127.0.0.1:9/{canaries['url path']}",
    }


def _answers(client: httpx.Client, canaries: dict[str, str], number: int) -> Iterator[str]:
    """Everything that the server says to who comes with each secret, at the right door and at wrong ones."""
    person = base64.b64encode(f"wang:{canaries['password']}".encode()).decode()
    wrong = base64.b64encode(f"wang:{canaries['password']}x".encode()).decode()
    says = [
        *(f"Bearer {canaries[name]}" for name in ("token", "metrics token")),
        *(f"Bearer {PREFIX}{canaries['key']}{end}" for end in ("", "x")),
        *(f"Basic {word}" for word in (person, wrong)),
    ]
    for said in says:
        headers = {"Authorization": said, "Greenwatch-Author": "tests"}
        for path in (
            "/",
            "/metrics",
            "/healthz",
            "/openapi.json",
            "/v1/incidents",
            f"/v1/incidents/{number}",
            "/nowhere",
        ):
            answer = client.get(path, headers=headers)
            yield f"{answer.headers!r} {answer.text}"
        for path in ("/observations", "/hooks/alertmanager", "/hooks/work-orders", f"/v1/incidents/{number}/note"):
            for content in (b"{", b'{"note": "seen"}'):
                answer = client.post(path, content=content, headers=headers | {"Content-Type": "application/json"})
                yield f"{answer.headers!r} {answer.text}"


def _kept(conn: Connection) -> str:
    """Every row of every table of ours."""
    tables = conn.execute(
        "SELECT oid::regclass::text FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace"
    ).fetchall()
    rows = (conn.execute(f"SELECT t::text FROM {table} AS t").fetchall() for (table,) in tables)
    return "\n".join(str(row[0]) for found in rows for row in found)


@pytest.fixture
def guarded(dsn: str, conn: Connection, canaries: dict[str, str]) -> Iterator[str]:
    """The DSN of `dsn` for a user whose password is a canary."""
    user = sql.Identifier(f"gw_{secrets.token_hex(6)}")
    conn.execute(sql.SQL("CREATE ROLE {} LOGIN SUPERUSER PASSWORD {}").format(user, canaries["dsn"]))
    yield conninfo.make_conninfo(dsn, user=user.as_string(conn).strip('"'), password=canaries["dsn"])
    conn.execute(sql.SQL("DROP ROLE {}").format(user))


def test_no_secret_comes_out(guarded: str, conn: Connection, canaries: dict[str, str]) -> None:
    number = opened(conn, district(conn)["A"])
    for action in ("acknowledge", "dispatch"):
        act(conn, number, Act(action, "Wang", incidents.DUTY), console.now())
    people.add(conn, "wang", "lead", passwords.hashed(canaries["password"]), by="tests", now=T0)
    secret = PREFIX + canaries["key"]
    keys.make(
        conn, digest(secret), source="s", scopes=["write", "read", "hook"], stations=None, by="t", note="", now=T0
    )
    environment = _environment(canaries)
    nowhere = conninfo.make_conninfo(guarded, host="127.0.0.1", port=9)
    said: list[str] = []
    with running("serve", "--port", 0, "--dsn", guarded, **environment) as server:
        assert server.stderr is not None
        address = ""
        while not address:
            line = server.stderr.readline()
            assert line, said
            said.append(line)
            found = re.search(r"http://\S+", line)
            address = found[0] if found else ""
        with httpx.Client(base_url=address, trust_env=False, timeout=60) as client:
            until(lambda: client.get("/healthz").is_success)
            said += _answers(client, canaries, number)
        server.send_signal(signal.SIGTERM)
        said += server.communicate(timeout=60)
    with running("worker", "--dsn", guarded, **environment) as worker:
        until(lambda: conn.execute("SELECT tries FROM work_order").fetchone() != (0,), 60)
        worker.send_signal(signal.SIGTERM)
        said += worker.communicate(timeout=60)
    for words in (("incidents", "show", number, "--json"), ("serve",)):
        with running(*words, "--dsn", guarded if words[0] == "incidents" else nowhere, **environment) as ended:
            said += ended.communicate(timeout=60)
    broken = environment | {signing.SECRET: canaries["webhook"]}
    with running("worker", "--dsn", guarded, **broken) as ended:
        said += ended.communicate(timeout=60)
    text = "\n".join(said) + _kept(conn)
    for sign in ("no answer: ConnectError", "wrong-key", "wrong-person", "greenwatch_incident_tier", "$argon2id$"):
        assert sign in text, sign  # what was looked through is what was meant
    for name, canary in canaries.items():
        for shape in (canary, base64.b64encode(canary.encode()).decode().rstrip("="), json.dumps(canary)):
            assert shape not in text, name
