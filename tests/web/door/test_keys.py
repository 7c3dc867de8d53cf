"""Keys: who may send and read, and for whom. A key is shown once and found nowhere."""

import json
import math
from contextlib import closing
from dataclasses import replace

import psycopg
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from typer.testing import CliRunner

from analytics.store import keys as store
from analytics.store.connection import Connection
from jobs.key import app
from jobs.web import keys
from jobs.web.keys import PREFIX, Buckets, Keys, digest
from jobs.web.site import Settings
from tests import world
from tests.conftest import NOW
from tests.serving import serving, until
from tests.web.posting import Make, bearer, body, line, post, problem, rows

CONTENT = body(line("A", "pm25", 0, 1.0))


def test_a_key_is_shown_once_and_kept_nowhere(dsn: str, conn: Connection, make: Make) -> None:
    secret = make("--source", "logger", "--station", "A", "--station", "B", "--note", "roof")
    assert secret.startswith(PREFIX)
    assert len(secret) == len(PREFIX) + 64
    [(table,)] = rows(conn, "SELECT row_to_json(key)::text FROM key")
    assert secret not in str(table)
    assert secret.removeprefix(PREFIX) not in str(table)
    found = json.loads(str(table))
    assert found["hash"] == "\\x" + digest(secret).hex()
    assert (found["source"], found["scopes"], found["stations"]) == ("logger", ["write"], ["A", "B"])
    shown = CliRunner().invoke(app, ["list", "--json", "--dsn", dsn])
    [row] = json.loads(shown.stdout)
    assert (row["id"], row["note"], row["revoked"]) == (1, "roof", None)
    assert "hash" not in row
    assert digest(secret).hex() not in shown.output
    assert make("--source", "logger") != secret


def test_keys_are_revoked_once(dsn: str, make: Make) -> None:
    make("--source", "logger")
    run = CliRunner().invoke
    assert "is revoked" in run(app, ["revoke", "1", "--dsn", dsn]).output
    assert "was revoked before" in run(app, ["revoke", "1", "--dsn", dsn]).output
    assert run(app, ["revoke", "7", "--dsn", dsn]).exception is not None
    assert json.loads(run(app, ["list", "--json", "--dsn", dsn]).stdout)[0]["revoked_by"]


@pytest.mark.parametrize("words", [["--source", ""], ["--source", "x" * 201], ["--source", "a", "--scope", "all"], []])
def test_a_key_is_for_somebody_and_something(dsn: str, conn: Connection, words: list[str]) -> None:
    assert CliRunner().invoke(app, ["make", *words, "--dsn", dsn]).exit_code == 2
    assert rows(conn, "SELECT count(*) FROM key") == [(0,)]


def test_the_service_can_make_no_keys(conn: Connection) -> None:
    store.make(conn, bytes(32), source="a", scopes=["read"], stations=None, by="x", note="", now=NOW)
    conn.execute("SET ROLE greenwatch_writer")
    assert len(store.load(conn)) == 1
    for act in (
        lambda: store.make(conn, bytes(31) + b"1", source="a", scopes=["read"], stations=None, by="", note="", now=NOW),
        lambda: store.revoke(conn, 1, by="x", now=NOW),
        lambda: conn.execute("DELETE FROM key"),
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            act()


def test_once_there_is_a_key_nobody_sends_without_one(dsn: str, conn: Connection, make: Make) -> None:
    world.settle_world(conn, [("A", "pm25")], 60)
    with serving(Settings(dsn)) as client:
        assert post(client, CONTENT).status_code == 200
        secret = make("--source", "logger")
        until(lambda: post(client, CONTENT).status_code == 401)
        refused = post(client, CONTENT)
        assert problem(refused) == "no-key"
        assert refused.headers["WWW-Authenticate"] == 'Bearer realm="greenwatch"'
        for wrong in (PREFIX, PREFIX + "0" * 64, secret[:-1], secret + "0", secret.upper(), "é", PREFIX + "é"):
            said = {b"Content-Type": b"text/csv", b"Authorization": f"Bearer {wrong}".encode()}
            answer = client.post("/observations", content=CONTENT, headers=said)
            assert answer.status_code == 401, wrong
            assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
        assert problem(post(client, CONTENT, **bearer(PREFIX + "0" * 64))) == "wrong-key"
        assert post(client, CONTENT, **bearer(secret)).status_code == 200
        # What is sent by it is said by its source.
        assert rows(conn, "SELECT name FROM source s JOIN batch b ON b.source = s.id ORDER BY b.id DESC LIMIT 1") == [
            ("logger",)
        ]
        # Pages and figures are open as before: the key is for sending.
        assert client.get("/metrics").status_code == 200
        assert client.get("/v1/stations").status_code == 200
        assert CliRunner().invoke(app, ["revoke", "1", "--dsn", dsn]).exit_code == 0
        until(lambda: post(client, CONTENT, **bearer(secret)).status_code == 401)
        assert problem(post(client, CONTENT, **bearer(secret))) == "wrong-key"
        # That the only one was revoked opens nothing again.
        assert problem(post(client, CONTENT)) == "no-key"


def test_a_server_can_ask_for_keys_before_there_is_one(dsn: str) -> None:
    with serving(Settings(dsn, keys=True)) as client:
        assert problem(post(client, CONTENT)) == "no-key"
        assert problem(client.get("/v1/stations")) == "no-key"
        assert client.get("/metrics").status_code == 200
        assert client.get("/openapi.json").status_code == 200


def test_a_key_opens_its_scope_and_its_source_and_its_stations(dsn: str, conn: Connection, make: Make) -> None:
    world.settle_world(conn, [("A", "pm25"), ("B", "pm25")], 60)
    writer, reader = make("--source", "logger", "--station", "A"), make("--source", "grafana", "--scope", "read")
    narrow = make("--source", "park", "--scope", "read", "--station", "A")
    both = make("--source", "lab", "--scope", "read", "--scope", "write")
    with serving(Settings(dsn)) as client:
        assert post(client, CONTENT, "?source=logger", **bearer(writer)).status_code == 200
        # A forged source: the key of one speaks for no other.
        forged = post(client, CONTENT, "?source=laboratory", **bearer(writer))
        assert (forged.status_code, problem(forged)) == (403, "outside-scope")
        for other in (
            line("B", "pm25", 0, 1.0),
            line("a", "pm25", 0, 1.0),
            {**line("B", "pm25", 0, 1.0), "value": "odd"},
        ):
            refused = post(client, CONTENT + body(other), **bearer(writer))
            assert (refused.status_code, problem(refused)) == (403, "outside-scope"), other
        assert post(client, CONTENT + b"no json\n", **bearer(writer)).json()["rejects"] == 1
        assert problem(post(client, CONTENT, **bearer(reader))) == "outside-scope"
        assert problem(client.get("/v1/stations", headers=bearer(writer))) == "outside-scope"
        assert client.get("/v1/stations", headers=bearer(reader)).status_code == 200
        assert client.get("/metrics", headers=bearer(reader)).status_code == 200
        # Who reads of some stations only does not look at pages of all.
        assert problem(client.get("/metrics", headers=bearer(narrow))) == "outside-scope"
        assert client.get("/v1/stations", headers=bearer(narrow)).status_code == 200
        assert post(client, CONTENT, **bearer(both)).status_code == 200
        assert client.get("/v1/stations", headers=bearer(both)).status_code == 200
    sources = rows(conn, "SELECT DISTINCT name FROM source s JOIN batch b ON b.source = s.id ORDER BY 1")
    assert sources == [("lab",), ("logger",)]


def test_the_token_and_keys_stand_side_by_side(dsn: str, conn: Connection, make: Make) -> None:
    world.settle_world(conn, [("A", "pm25")], 60)
    secret = make("--source", "logger")
    with serving(Settings(dsn, token="s3cret")) as client:
        assert post(client, CONTENT, "?source=anybody", **bearer("s3cret")).status_code == 200
        assert post(client, CONTENT, **bearer(secret)).status_code == 200
        assert problem(post(client, CONTENT)) == "no-key"
        assert problem(client.get("/metrics", headers=bearer(secret))) == "outside-scope"


def test_keys_outlive_the_database(dsn: str, conn: Connection, server_dsn: str, make: Make) -> None:
    """While it is away those known last stay in force: what they send waits in the spool, or is refused as ever."""
    secret = make("--source", "logger")
    name = psycopg.conninfo.conninfo_to_dict(dsn)["dbname"]
    with serving(Settings(dsn)) as client, closing(psycopg.connect(server_dsn, autocommit=True)) as admin:
        until(lambda: post(client, CONTENT).status_code == 401)
        conn.close()
        admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        assert problem(post(client, CONTENT)) == "no-key"
        assert problem(post(client, CONTENT, **bearer(secret))) == "away"
        admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')


def test_nothing_of_a_key_is_logged(dsn: str, make: Make, capfd: pytest.CaptureFixture[str]) -> None:
    secret = make("--source", "logger")
    capfd.readouterr()
    with serving(Settings(dsn)) as client:
        post(client, CONTENT, **bearer(secret))
        post(client, CONTENT, "?source=other", **bearer(secret))
        client.get("/metrics", headers=bearer(secret))
        post(client, CONTENT, **bearer(secret[:-1]))
    said = "".join(capfd.readouterr())
    assert secret[len(PREFIX) : len(PREFIX) + 12] not in said
    assert digest(secret).hex()[:12] not in said


@pytest.fixture
def known() -> store.Key:
    return store.Key(1, digest("gw_a"), "a", frozenset({"write"}), None, NOW, "x")


def test_what_is_not_known_yet_is_open_to_nobody(known: store.Key) -> None:
    there = Keys("")
    assert (there.known, there.find("gw_a")) == (False, None)
    assert there.problem
    there.show([known])
    assert there.find("gw_a") == known
    assert there.needed("write")
    assert not there.needed("read")
    there.show([replace(known, revoked=NOW, revoked_by="x")])
    assert there.find("gw_a") is None
    assert there.needed("write")


def test_what_was_not_looked_at_for_long_is_said(known: store.Key, monkeypatch: pytest.MonkeyPatch) -> None:
    there = Keys("")
    there.show([known])
    assert there.problem == ""
    monkeypatch.setattr(keys, "STALE", -1.0)
    assert "keys in force" in there.problem
    assert there.find("gw_a") == known


def test_a_key_that_sends_too_much_waits(
    dsn: str, conn: Connection, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.settle_world(conn, [("A", "pm25")], 60)
    first, second = make("--source", "a"), make("--source", "b")
    many = body(*(line("A", "pm25", minute, 1.0) for minute in range(60)))
    monkeypatch.setattr("jobs.web.site.BURST", 100.0)
    with serving(Settings(dsn, rate=1.0)) as client:
        assert post(client, many, **bearer(first)).status_code == 200
        refused = post(client, many, **bearer(first))
        assert (refused.status_code, problem(refused)) == (429, "too-many")
        assert 0 < int(refused.headers["Retry-After"]) <= 60
        assert post(client, many, **bearer(second)).status_code == 200
    assert rows(conn, "SELECT count(*) FROM batch") == [(2,)]


@given(st.lists(st.tuples(st.integers(0, 200), st.floats(0, 50)), max_size=30), st.integers(1, 20))
@example([(23, 49.10482518281635), (100, 0.0), (100, 1.7803629157537912), (84, 0.0), (100, 0.0)], 1)
@example([(100, 0.0), (100, 1.3327122278433468)], 3)
def test_a_bucket_gives_no_more_than_its_rate(asked: list[tuple[int, float]], rate: int) -> None:
    now, taken = 0.0, 0
    bucket = Buckets(rate, 100, lambda: now)
    for count, pause in asked:
        now += pause
        seconds = bucket.take(1, count)
        if seconds == 0:
            taken += min(count, 100)
        else:
            # Who comes back then is served; who comes a second before is not.
            assert 1 <= seconds <= math.ceil(100 / rate)
            now += seconds
            assert bucket.take(1, count) == 0
            taken += min(count, 100)
    assert taken <= 100 + now * rate + 1e-3 * len(asked)
    assert bucket.take(2, 100) == 0
