"""Webhooks in: Alertmanager's, and signed ones about work orders. Whatever comes, however often."""

import json
import re
import threading
from contextlib import closing
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analytics import incidents
from analytics.store import connection
from analytics.store.connection import Connection
from analytics.store.incidents import acts
from jobs import console
from jobs.incidents import signing
from jobs.incidents.acts import Act, act
from jobs.web.site import Settings
from tests.incidents.conftest import SECRET
from tests.incidents.telling import HOUR, T0, district, event, field, opened, tell, told
from tests.serving import serving, until
from tests.web.posting import Make, bearer, problem

KEY = signing.secret(SECRET)
assert KEY is not None
ANYTHING: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def alert(incident: object, status: str = "firing", mark: str = "f1", **labels: object) -> dict[str, Any]:
    return {"status": status, "fingerprint": mark, "labels": {"incident": incident, "alertname": "Page", **labels}}


def notify(client: httpx.Client, *alerts: Any, receiver: str = "duty", group: str = "g", **more: Any) -> httpx.Response:
    said = {"version": "4", "receiver": receiver, "groupKey": group, "alerts": list(alerts)}
    return client.post("/hooks/alertmanager", json={**said, **more})


def test_the_first_time_is_stamped_and_nothing_counts_twice(conn: Connection, client: httpx.Client) -> None:
    number = opened(conn, district(conn)["A"])
    page = alert(str(number), severity="page")
    counts = notify(client, page, alert("987654"), alert("x"), {"labels": 5}, 7).json()
    assert counts == {"delivered": 1, "repeated": 0, "ignored": 4}
    first = field(conn, number, "delivered")
    assert abs((console.now() - first).total_seconds()) < 60
    assert notify(client, page).json() == {"delivered": 0, "repeated": 1, "ignored": 0}
    assert notify(client, page, receiver="tier-1", group="g2").json()["delivered"] == 1
    assert notify(client, alert(str(number), "resolved")).json()["delivered"] == 1
    assert field(conn, number, "delivered") == first
    rows = conn.execute("SELECT evidence FROM incident_log WHERE action = 'delivered' ORDER BY id").fetchall()
    assert rows[0][0] == {"receiver": "duty", "status": "firing", "alertname": "Page", "severity": "page"}
    assert [row[0]["receiver"] for row in rows] == ["duty", "tier-1", "duty"]  # type: ignore[index]  # JSON


def test_a_mass_outage_is_one_transaction_and_holds_up_nobody(conn: Connection, dsn: str) -> None:
    """Incidents that somebody else holds wait, and keep nobody waiting; the others are told of meanwhile."""
    subjects = district(conn, tuple(f"S{number}" for number in range(40)))
    numbers = tell(conn, *(event(subject, "pending", "firing") for subject in subjects.values()))
    told_twice = [*numbers, numbers[0], 987_654]
    notices = [acts.Notice(number, bytes(32), {"status": "firing"}, first=True) for number in told_twice]
    became: list[bool | None] = []
    delivered = "SELECT count(delivered) FROM incident"
    with closing(connection.connect(dsn)) as holding, closing(connection.connect(dsn)) as telling:
        with holding.transaction():
            holding.execute("SELECT FROM incident WHERE id = %s FOR UPDATE", [numbers[7]])
            thread = threading.Thread(target=lambda: became.extend(acts.deliver(telling, notices, T0)))
            thread.start()
            until(lambda: conn.execute(delivered).fetchone() == (39,))
            # What was told of is free: whoever holds one may ask for another one.
            holding.execute("SET LOCAL lock_timeout = '5s'")
            holding.execute("SELECT FROM incident WHERE id = %s FOR UPDATE", [numbers[8]])
        thread.join(30)
    assert became == [True] * 40 + [False, None]
    assert conn.execute(delivered).fetchone() == (40,)
    assert acts.deliver(conn, notices, T0) == [False] * 41 + [None]
    assert conn.execute("SELECT count(*), count(DISTINCT xmin::text) FROM notice").fetchone() == (40, 2)


def test_that_it_is_over_tells_nobody_that_it_was_on(conn: Connection, client: httpx.Client) -> None:
    number = opened(conn, district(conn)["A"])
    assert notify(client, alert(str(number), "resolved")).json()["delivered"] == 1
    assert field(conn, number, "delivered") is None


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "unreadable-body"),
        (b"{", "unreadable-body"),
        (b"[]", "unreadable-body"),
        (b'{"version": "3", "alerts": []}', "unreadable-body"),
        (b'{"version": "4"}', "unreadable-body"),
        (b'{"version": "4", "alerts": {}}', "unreadable-body"),
        (b'{"version": "4", "alerts": [], "receiver": 5}', "unreadable-body"),
        (b'{"version": "4", "groupKey": "\\ud800", "alerts": []}', "unreadable-body"),
        (b'{"version": "4", "alerts": [' + b"0," * 10_000 + b"0]}", "unreadable-body"),
        (b"[" * 100_000, "unreadable-body"),
        (b" " * (16 * 2**20 + 1), "too-large"),
    ],
    ids=range(11),
)
def test_garbage_is_refused_and_never_a_mistake_of_ours(client: httpx.Client, body: bytes, kind: str) -> None:
    answer = client.post("/hooks/alertmanager", content=body, headers={"Content-Type": "application/json"})
    assert problem(answer) == kind


def test_alerts_of_any_shape_are_passed_over(conn: Connection, client: httpx.Client) -> None:
    number = opened(conn, district(conn)["A"])

    @settings(max_examples=40, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(ANYTHING | st.builds(alert, ANYTHING, st.sampled_from(["firing", "gone"])), max_size=4), ANYTHING)
    def held(alerts: list[Any], mark: Any) -> None:
        body = {"version": "4", "alerts": [*alerts, {**alert(str(number)), "fingerprint": mark}]}
        answer = client.post("/hooks/alertmanager", json=body)
        assert answer.status_code == 200, answer.text
        assert sum(answer.json().values()) == len(alerts) + 1

    held()


def test_the_hook_has_a_key_of_its_own(conn: Connection, client: httpx.Client, make: Make) -> None:
    number = opened(conn, district(conn)["A"])
    hook, write = make("--source", "am", "--scope", "hook"), make("--source", "x", "--scope", "write")
    said = {"version": "4", "alerts": [alert(str(number))]}

    def status(**headers: str) -> int:
        return client.post("/hooks/alertmanager", json=said, headers=headers).status_code

    until(lambda: status(**bearer(write)) == 403)
    assert status(**bearer(hook)) == 200
    assert (status(), status(**bearer("gw_0"))) == (401, 401)
    assert client.get("/v1/incidents", headers=bearer(hook)).status_code == 403


def signed(
    client: httpx.Client, body: Any, *, id: str | None = None, at: datetime | None = None, key: bytes | None = KEY
) -> httpx.Response:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    assert key is not None
    headers = signing.headers(key, id or f"msg_{uuid4()}", int((at or console.now()).timestamp()), raw)
    return client.post("/hooks/work-orders", content=raw, headers=headers | {"Content-Type": "application/json"})


def answer(order: UUID | str, kind: str, note: str = "") -> dict[str, Any]:
    return {"type": f"work_order.{kind}", "data": {"order": str(order), "note": note}}


def ordered(conn: Connection, subject: int) -> tuple[int, UUID]:
    """An incident, and the work order about it."""
    number = opened(conn, subject)
    for action in ("acknowledge", "dispatch"):
        act(conn, number, Act(action, "Wang", incidents.DUTY), T0)
    row = conn.execute("SELECT id FROM work_order WHERE incident = %s", [number]).fetchone()
    assert row is not None
    return number, UUID(str(row[0]))


def test_what_became_of_an_order_stands_in_the_log_and_closes_what_recovered(
    conn: Connection, client: httpx.Client
) -> None:
    subject = district(conn)["A"]
    number, order = ordered(conn, subject)
    assert signed(client, answer(order, "accepted")).json() == {"order": str(order), "state": "accepted"}
    tell(conn, event(subject, "firing", "ok", T0 + HOUR, incident=number))
    assert field(conn, number, "state") == "recovered"  # somebody is at it
    assert signed(client, answer(order, "done", "hydrant closed")).json()["state"] == "done"
    assert field(conn, number, "state") == "resolved"
    assert signed(client, answer(order, "accepted")).json()["state"] == "done"  # it came late
    log = client.get(f"/v1/incidents/{number}").json()
    assert [row["action"] for row in log["log"]][-4:] == ["order accepted", "recovered", "order done", "resolved"]
    assert log["log"][-2]["note"] == "hydrant closed"
    assert log["orders"][0]["state"] == "done"


def test_a_webhook_is_taken_once_in_time_and_signed_alone(conn: Connection, client: httpx.Client) -> None:
    number, order = ordered(conn, district(conn)["A"])
    before = told(conn, number)
    said, now = answer(order, "accepted"), console.now()
    for bad in (
        signed(client, said, key=b"another secret of that length"),
        signed(client, said, at=datetime.fromtimestamp(now.timestamp() - 301, now.tzinfo)),
        signed(client, said, at=datetime.fromtimestamp(now.timestamp() + 310, now.tzinfo)),
        client.post("/hooks/work-orders", json=said),
        client.post("/hooks/work-orders", json=said, headers={"webhook-id": "a.b", "webhook-timestamp": "-1"}),
    ):
        assert problem(bad) == "bad-signature"
    raw = json.dumps(said).encode()
    headers = signing.headers(KEY or b"", "m", int(now.timestamp()), raw) | {"Content-Type": "application/json"}
    assert problem(client.post("/hooks/work-orders", content=raw + b" ", headers=headers)) == "bad-signature"
    assert told(conn, number) == before
    assert client.post("/hooks/work-orders", content=raw, headers=headers).is_success
    again = client.post("/hooks/work-orders", content=raw, headers=headers)
    assert problem(again) == "seen-before"
    assert told(conn, number) == [*before, ("work orders", "order accepted")]
    for wrong in (answer("x", "done"), answer(order, "eaten"), {"type": 5}, {**said, "data": []}, b"5"):
        assert problem(signed(client, wrong)) == "unreadable-body"
    assert problem(signed(client, answer(uuid4(), "done"))) == "not-found"


def test_the_signature_is_that_of_the_convention() -> None:
    """Standard Webhooks' own example (its reference libraries test by it)."""
    key = signing.secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    assert key is not None
    id, stamp, body = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
    headers = signing.headers(key, id, stamp, body)
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    several = {**headers, "webhook-signature": f"v1,AAAA v1a,xx {headers['webhook-signature']}"}
    assert signing.wrong(key, several, body, stamp + 300) == ""
    assert signing.wrong(key, headers, body, stamp + 301) != ""
    assert signing.wrong(key, headers, b"", stamp) != ""
    for bad in ("short", "whsec_c2hvcnQ=", "not base64 at all, but long enough"):
        with pytest.raises(console.NotAsAsked) as caught:
            signing.secret(bad)
        assert bad not in str(caught.value)


def test_without_a_secret_no_webhook_is_taken(dsn: str) -> None:
    with serving(Settings(dsn)) as client:
        assert problem(signed(client, answer(uuid4(), "done"))) == "not-allowed"


def test_roles_are_those_of_the_store(conn: Connection) -> None:
    row = conn.execute(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'person_role_check'"
    ).fetchone()
    assert row is not None
    assert tuple(re.findall(r"'(\w+)'", str(row[0]))) == incidents.ROLES
