"""What /v1 cannot answer, and what it must not: each with a clear word, and the service well afterwards."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing
from typing import Any

import httpx
import psycopg
import pytest

from analytics.store import connection, horizon
from analytics.store.errors import Archived, Forgotten
from jobs.export import measured
from jobs.web import guard, reads
from jobs.web.read import asked
from jobs.web.read.operations import OPERATIONS
from jobs.web.site import Settings
from tests.serving import serving
from tests.web.reading import get

SPELLS = (
    "'; DROP TABLE observation; --",
    "%s",
    "%(known)s",
    "\x00",
    "\ud83d".encode("utf-16", "surrogatepass").decode("utf-16", "replace"),
    "NaN",
    "9" * 400,
    "2026-01-01T00:00",
    "9999-12-31T23:59:59-14:00",
)


def detail(client: httpx.Client, path: str, status: int = 400, /, **words: Any) -> str:
    """What is said where it is refused."""
    answer = client.get(f"/v1/{path}", params=words)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return str(answer.json()["detail"])


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda item: item.name)
def test_nothing_that_is_written_into_a_parameter_is_more_than_a_value(
    client: httpx.Client, site: str, operation: Any
) -> None:
    path = operation.path.removeprefix("/v1/").replace("{id}", "1")
    for name in operation.parameters:
        for spell in SPELLS:
            answer = client.get(f"/v1/{path}", params={name: spell})
            assert answer.status_code in (200, 400), (name, spell, answer.text)
            if answer.status_code == 400:
                assert answer.json()["type"] == "/problems/bad-query"
            else:
                # No series has it; whatever a reject or an incident says may be asked for.
                assert name == "statistic" or operation.name in ("rejects", "incidents")
                assert answer.json()["rows"] == []
    with closing(connection.connect(site)) as conn:
        row = conn.execute("SELECT count(*) FROM observation").fetchone()
    assert row is not None
    assert int(str(row[0])) > 3000


def test_unknown_names_are_named(client: httpx.Client) -> None:
    assert "'A9'" in detail(client, "readings", station=["A1", "A9"])
    assert "'gold'" in detail(client, "averages", parameter="gold")
    assert "'gold'" in detail(client, "series", channel="gold@1:x")
    assert "'hours'" in detail(client, "averages", averaging="hours")
    assert "'GB 1'" in detail(client, "assessments", standard="GB 1")
    assert "'district:Nowhere'" in detail(client, "episodes", place="district:Nowhere")
    assert "district:" in detail(client, "episodes", place="Nowhere")
    assert "no series 4711" in detail(client, "series/4711/readings", 404)
    assert "no series" in detail(client, f"series/{2**40}/readings", 404)
    assert client.get("/v1/series/x/readings").status_code == 404
    assert "'colour'" in detail(client, "stations", colour="red")
    assert "step" in detail(client, "readings", step="7m")
    assert "2 times" in detail(client, "readings", step=["1h", "1d"])


def test_what_does_not_go_together_is_refused(client: httpx.Client) -> None:
    assert "step" in detail(client, "readings", statistics="max")
    assert "step" in detail(client, "averages", capture="0.5")
    assert "step" in detail(client, "readings", step="1h", raw="false")
    assert "step" in detail(client, "averages", step="1d", averaging="day")
    assert "from" in detail(client, "forecasts", newest="true", **{"from": "2026-03-28T00:00Z"})


def test_times_have_offsets_and_an_order(client: httpx.Client) -> None:
    for name in ("from", "to", "known"):
        assert "no offset" in detail(client, "readings", **{name: "2026-03-28T00:00"})
        assert "no offset" in detail(client, "readings", **{name: "2026-03-28"})
        assert "is no time" in detail(client, "readings", **{name: "yesterday"})
    assert "behind" in detail(client, "readings", **{"from": "2026-03-28T00:00Z", "to": "2026-03-27T00:00Z"})
    # A plus sign that was not escaped is a blank on its way.
    raw = client.get("/v1/readings?station=A1&from=2026-03-28T08:00+08:00&to=2026-03-28T09:00+0800")
    assert raw.status_code == 200
    escaped = {"from": "2026-03-28T08:00+08:00", "to": "2026-03-28T01:00Z"}
    assert raw.json()["rows"] == client.get("/v1/readings", params={"station": "A1", **escaped}).json()["rows"] != []


def test_writing_is_no_reading(client: httpx.Client) -> None:
    for path in ("stations", "readings"):
        for method in ("POST", "PUT", "DELETE"):
            assert client.request(method, f"/v1/{path}").status_code == 405


def test_a_reader_has_no_right_but_to_read(site: str) -> None:
    """Even where whoever logs in has all of them."""
    pool = reads.Reads(site).pool
    pool.open(wait=True)
    try:
        with pool.connection() as conn:
            assert conn.execute("SELECT current_user").fetchone() == (connection.READER,)
            conn.execute("SET default_transaction_read_only = off")
            for statement in (
                "INSERT INTO term (kind, name) VALUES ('x', 'x')",
                "DELETE FROM observation",
                "UPDATE station SET title = 'x'",
                "CREATE TABLE mine (a int)",
                "SELECT * FROM migration",
                "SELECT * FROM key",
                "DELETE FROM reject",
                "SELECT nextval('batch_id')",
            ):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    conn.execute(statement)
    finally:
        pool.close()


def test_what_the_store_cannot_give_is_said(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def raising(problem: Exception) -> Callable[..., Any]:
        def stand_in(*_: Any, **__: Any) -> Any:
            raise problem

        return stand_in

    late = connection.Late("canceling statement due to statement timeout")
    for problem, status in ((Archived("gone"), 409), (Forgotten("deleted"), 410), (late, 413)):
        with monkeypatch.context() as patch:
            patch.setattr(measured, "observations_in", raising(problem))
            detail(client, "readings", status)
    with monkeypatch.context() as patch:
        patch.setattr(horizon, "require", raising(Archived("these are archived")))
        assert "archived" in detail(client, "readings", 409)
        assert client.get("/v1/averages").status_code == 200
    assert get(client, "readings").height > 0


def test_many_big_reads_leave_the_rest_quick(site: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two are read at a time, some wait for them, whoever comes then is told so; pages and posts wait for none."""
    monkeypatch.setattr(reads, "QUEUE", 6)
    monkeypatch.setattr(guard, "who", lambda request: request.headers.get("X-Who", "one"))
    free, begun = threading.Event(), threading.Semaphore(0)
    made = measured.observations_in

    def slow(*words: Any) -> Any:
        begun.release()
        assert free.wait(30)
        return made(*words)

    monkeypatch.setattr(measured, "observations_in", slow)
    with serving(Settings(site)) as client, ThreadPoolExecutor(6) as pool:
        waiting = [pool.submit(client.get, "/v1/readings?limit=5") for _ in range(2)]
        for _ in waiting:
            assert begun.acquire(timeout=20)
        waiting += [pool.submit(client.get, "/v1/readings?limit=5") for _ in range(4)]
        refused = next(as_completed(waiting)).result()
        assert (refused.status_code, refused.json()["type"]) == (503, "/problems/busy")
        assert int(refused.headers["retry-after"]) > 0
        # One has half of the places to wait in; another one is not refused for that.
        other = pool.submit(client.get, "/v1/readings?limit=5", headers={"X-Who": "another"})
        for path in ("/", "/healthz", "/metrics"):
            assert client.get(path).status_code == 200
        free.set()
        assert sorted(future.result().status_code for future in waiting) == [200] * 5 + [503]
        assert other.result().status_code == 200
        assert client.get("/v1/stations").status_code == 200


def test_the_description_names_what_there_is(client: httpx.Client) -> None:
    described = client.get("/openapi.json").json()["paths"]
    for operation in OPERATIONS:
        said = described[operation.path]["get"]
        assert said["x-scope"] == "read"
        names = [item["name"] for item in said["parameters"] if item["in"] == "query"]
        assert names == list(operation.parameters)
        shape = said["responses"]["200"]["content"]["application/json"]["schema"]
        row = shape["properties"]["rows"]["items"]
        path = operation.path.replace("{id}", "1")
        found = client.get(path).json()["rows"][0]
        assert set(row["required"]) <= found.keys() <= row["properties"].keys()
    assert set(asked.PARAMETERS) == {name for operation in OPERATIONS for name in operation.parameters}
