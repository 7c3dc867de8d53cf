"""Who may ask: the token, names of ours, pages of other sites."""

import base64
import socket

import httpx

from analytics.store.connection import Connection
from jobs.web import problems
from jobs.web.site import Settings
from tests import world
from tests.serving import serving
from tests.web.posting import body, line, post, problem, rows


def test_a_form_of_another_site_cannot_send(client: httpx.Client, conn: Connection) -> None:
    """A form can say neither our content type nor hide where it stands; its name in Host is not ours."""
    world.settle_world(conn, [("A", "pm25")], 60)
    content = body(line("A", "pm25", 0, 1.0))
    assert problem(client.post("/observations", content=content)) == "wrong-type"
    assert client.post("/observations", content=content, headers={"Content-Type": "text/plain"}).status_code == 415
    for origin in ("http://evil.example", "null", "http://[", "http://127.0.0.1"):
        assert problem(post(client, content, Origin=origin)) == "other-site", origin
    for host in (
        "evil.example",
        "evil.example:8080",
        "localhost:1@evil.example",
        "[::1]evil.example",
        "127.0.0.1.",
        "",
    ):
        assert problem(post(client, content, Host=host)) == "other-host", host
        assert problem(client.get("/metrics", headers={"Host": host})) == "other-host", host
    asked = client.options("/observations", headers={"Origin": "http://evil.example"})
    assert "access-control-allow-origin" not in asked.headers
    assert rows(conn, "SELECT count(*) FROM batch") == [(0,)]
    own = str(client.base_url).rstrip("/")
    assert post(client, content, Origin=own).status_code == 200


def test_the_token_is_asked_for_where_it_is_set(dsn: str) -> None:
    content = body(line("A", "pm25", 0, 1.0))
    basic = "Basic " + base64.b64encode(b"duty:s3cret").decode()
    with serving(Settings(dsn, token="s3cret")) as client:
        for said in ({}, {"Authorization": "Bearer s3cre"}, {"Authorization": "Bearer"}, {"Authorization": basic}):
            assert problem(post(client, content, **said)) == "no-key"
        assert post(client, content, Authorization="Bearer s3cret").status_code == 200
        assert client.get("/metrics").status_code == 401
        assert client.get("/metrics").headers["WWW-Authenticate"].startswith("Basic ")
        assert client.get("/metrics", headers={"Authorization": "bearer s3cret"}).status_code == 200
        assert client.get("/metrics", headers={"Authorization": basic}).status_code == 200
        assert client.get("/metrics", headers={"Authorization": "Basic !"}).status_code == 401
        assert client.get("/healthz").status_code == 200
    with serving(Settings(dsn, token="schlüssel")) as client:
        bearer = {b"Authorization": "Bearer schlüssel".encode()}
        assert client.get("/metrics", headers=bearer).status_code == 200


def test_every_refusal_has_one_shape(client: httpx.Client) -> None:
    """Also of what no handler, and no middleware, ever sees."""
    assert problem(client.get("/nowhere")) == "not-found"
    assert problem(client.get("/station/nowhere/charts.json")) == "not-found"
    wrong = client.put("/observations")
    assert (problem(wrong), wrong.headers["Allow"]) == ("wrong-method", "POST")
    with socket.create_connection((client.base_url.host, client.base_url.port or 80), timeout=5) as raw:
        raw.sendall(b"no HTTP at all\r\n\r\n")
        said = b"".join(iter(lambda: raw.recv(4096), b""))
    head, _, rest = said.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"application/problem+json" in head
    assert httpx.Response(400, content=rest).json()["type"] == "/problems/bad-request"
    assert client.get("/healthz").is_success


def test_every_problem_is_explained_at_its_type(client: httpx.Client) -> None:
    for name, kind in problems.KINDS.items():
        said = client.get(problems.body(name, "x")["type"]).json()
        assert (said["status"], said["remedy"]) == (kind.status, kind.remedy)
    assert problem(client.get("/problems/none")) == "not-found"
