"""What tests of the server send, and how they look at what came of it."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families
from typer.testing import CliRunner

from analytics.store.connection import Connection
from jobs import key

#: What `greenwatch key make WORD...` prints.
Make = Callable[..., str]
TYPE = {"Content-Type": "application/x-ndjson"}
T0 = datetime.fromisoformat("2025-06-01T00:00:00+00:00")
MINUTE = timedelta(minutes=1)


def line(station: str, channel: str, minute: float, value: float | None) -> dict[str, Any]:
    """A reading, so many minutes after T0."""
    return {"station": station, "channel": channel, "time": (T0 + minute * MINUTE).isoformat(), "value": value}


def body(*lines: dict[str, Any]) -> bytes:
    """NDJSON of `lines`."""
    return b"".join(json.dumps(item).encode() + b"\n" for item in lines)


def post(client: httpx.Client, content: bytes, query: str = "", **headers: str) -> httpx.Response:
    """The answer to NDJSON, unless another type is said."""
    return client.post(f"/observations{query}", content=content, headers=TYPE | headers)


def maker(dsn: str) -> Make:
    """A function that makes a key as people do."""

    def made(*words: str) -> str:
        done = CliRunner().invoke(key.app, ["make", *words, "--dsn", dsn])
        assert done.exit_code == 0, done.output
        return done.stdout.strip()

    return made


def bearer(secret: str) -> dict[str, str]:
    """The header that shows the key `secret`."""
    return {"Authorization": f"Bearer {secret}"}


def rows(conn: Connection, query: str) -> list[tuple[object, ...]]:
    """What `query` finds."""
    return conn.execute(query).fetchall()


def figures(client: httpx.Client) -> dict[Any, float]:
    """Samples of /metrics by name and labels."""
    text = client.get("/metrics").text
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def problem(answer: httpx.Response) -> str:
    """The kind of problem that `answer` says, which is in the one shape that problems have."""
    assert answer.headers["Content-Type"] == "application/problem+json", answer.text
    said = answer.json()
    assert said.keys() == {"type", "title", "status", "detail", "remedy"}
    assert said["status"] == answer.status_code
    assert all(said[name] for name in ("title", "detail", "remedy"))
    return str(said["type"].removeprefix("/problems/"))
