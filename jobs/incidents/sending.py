"""A POST to another machine, which has so long and no longer, leads nowhere else, and whose words are not kept."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import anyio
import httpx

from jobs import console
from jobs.incidents import signing

#: What is signed may take so long to be taken [s]; after twice that somebody else may try.
PATIENCE: Final = 10.0
LEASE: Final = timedelta(seconds=2 * PATIENCE)
#: What the other side asks us to wait is believed up to this [s].
LONGEST: Final = 3600


@dataclass(frozen=True, slots=True)
class Target:
    """Where signed words go, and the secret that signs them, which nothing shows."""

    url: str = field(repr=False)
    key: bytes = field(repr=False)


def target(environment: Mapping[str, str], name: str = signing.WORKORDER) -> Target | None:
    """The target that `{name}_URL` and `{name}_SECRET` of the environment name; None where they name none. Raises
    `NotAsAsked` where it is none."""
    url = environment.get(f"{name}_URL", "")
    if not url:
        return None
    key = signing.secret(environment.get(f"{name}_SECRET", ""), f"{name}_SECRET")
    if key is None:
        raise console.NotAsAsked(f"{name}_URL is set and {name}_SECRET is not: what is sent there is signed")
    if not address(url):
        raise console.NotAsAsked(f"{name}_URL is no address: it begins with https:// (or http://)")
    return Target(url, key)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of it. `problem` is empty where it was taken, else in our own words: those of the other side, or of a
    library, might hold what nobody is to read. `after` is how long it asks us to wait [s], if it does."""

    problem: str = ""
    status: int = 0
    after: int = 0


def post(url: str, body: bytes, headers: Mapping[str, str], patience: float, *, environment: bool = False) -> Answer:
    """What `url` answers to `body` within `patience` [s], all in all: a server that sends a letter now and then holds
    nobody. `environment`: by the proxy that it names."""

    async def ask() -> tuple[int, str]:
        # Headers alone, which are not followed anywhere: a body may have no end, another address gets no signature.
        with anyio.fail_after(patience):
            async with (
                httpx.AsyncClient(timeout=None, follow_redirects=False, trust_env=environment) as client,
                client.stream("POST", url, content=body, headers=dict(headers)) as answer,
            ):
                return answer.status_code, answer.headers.get("retry-after", "")

    try:
        status, asked = anyio.run(ask)
    except (httpx.HTTPError, TimeoutError) as problem:
        return Answer(f"no answer: {type(problem).__name__}")
    after = int(asked) if asked.isascii() and asked.isdecimal() and len(asked) < 9 else 0
    return Answer("" if 200 <= status < 300 else f"answered {status}", status, after)


def send(target: Target, id: str, said: Mapping[str, Any], now: datetime) -> Answer:
    """What the other side says within `PATIENCE` to `said`, as JSON, signed at `now`."""
    body = json.dumps(said, ensure_ascii=False, default=str).encode()
    signed = signing.headers(target.key, id, int(now.timestamp()), body)
    return post(target.url, body, signed | {"Content-Type": "application/json"}, PATIENCE)


def again(answer: Answer, tries: int, pauses: Sequence[int]) -> timedelta:
    """From a try that failed, the last of `tries`, to the next: as long as `pauses` [s] say, the last of them for ever,
    or longer where the other side asks for it."""
    return timedelta(seconds=max(pauses[min(tries, len(pauses)) - 1], min(answer.after, LONGEST)))


def address(url: str) -> bool:
    """Whether `url` is one that can be asked."""
    try:
        parsed = httpx.URL(url)
        return parsed.scheme in ("http", "https") and bool(parsed.host) and (parsed.port or 1) < 2**16
    except (httpx.InvalidURL, ValueError):  # a name that is none is the latter
        return False
