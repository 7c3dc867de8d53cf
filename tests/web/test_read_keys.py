"""Keys of scope `read`: needed once there is one, and good for their stations alone."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime

import httpx
import pytest

from analytics.store import keys
from analytics.store.connection import Connection
from jobs.web import keys as web_keys
from jobs.web.site import Settings
from tests import world
from tests.serving import serving, until


def made(conn: Connection, secret: str, scope: str, stations: Sequence[str] | None) -> dict[str, str]:
    """The header of a new key."""
    digest, now = hashlib.sha256(secret.encode()).digest(), datetime.now(UTC)
    keys.make(conn, digest, source="field", scopes=[scope], stations=stations, by="test", note="", now=now)
    return {"Authorization": f"Bearer {secret}"}


def told(client: httpx.Client, path: str, header: dict[str, str]) -> set[str]:
    """Stations that the answer speaks of."""
    answer = client.get(f"/v1/{path}", headers=header)
    assert answer.status_code == 200, answer.text
    return {row["station"] for row in answer.json()["rows"]}


def test_a_key_reads_of_its_stations(conn: Connection, dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_keys, "PAUSE", 0.2)
    first, second = world.settle_world(conn, [("A", "pm25"), ("B", "pm25")])
    world.send(conn, [(series, float(n), 20.0 + n, 0, None) for series in (first, second) for n in range(30)])
    world.settle(conn)
    with serving(Settings(dsn)) as client:
        for path in ("stations", "series", "readings", "averages", "assessments"):
            assert told(client, path, {}) == {"A", "B"}
        any_, mine, other = (
            made(conn, f"gw_{name}", scope, stations)
            for name, scope, stations in (("any", "read", None), ("mine", "read", ["A", "Z"]), ("other", "write", None))
        )
        until(lambda: client.get("/v1/stations", headers=other).status_code == 403)  # the last that was made is known
        assert client.get("/v1/stations").status_code == 401
        for path in ("stations", "series", "readings", "readings?step=1h", "averages", "assessments"):
            assert told(client, path, any_) == {"A", "B"}
            assert told(client, path, mine) == {"A"}
        refused = client.get("/v1/readings?station=A&station=B", headers=mine)
        assert (refused.status_code, refused.json()["type"]) == (403, "/problems/outside-scope")
        assert "'B'" in refused.json()["detail"]
        assert client.get(f"/v1/series/{first}/readings", headers=mine).status_code == 200
        assert client.get(f"/v1/series/{second}/readings", headers=mine).status_code == 404
        # What is kept of an answer is kept for who asked.
        assert "Authorization" in client.get("/v1/stations", headers=mine).headers["vary"]
