"""/metrics and /healthz of a command that serves nothing else.

GREENWATCH_METRICS_TOKEN opens /metrics where it is set, as GREENWATCH_TOKEN does; /healthz is open to all.
"""

import logging
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, Protocol

import typer
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from jobs import console, serve, tls
from jobs.web.guard import CHALLENGE, equal, given

HOST = "127.0.0.1"

Port = Annotated[int | None, typer.Option(min=0, max=65535, help="Port of /metrics and /healthz.")]
Host = Annotated[
    str, typer.Option(help="Address of these. Any other than loopback needs GREENWATCH_METRICS_TOKEN or _TOKEN.")
]
Cert = Annotated[
    Path | None, typer.Option(exists=True, dir_okay=False, help="Certificate (chain, PEM) of /metrics: https.")
]
Key = Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="Its key, where that is another file.")]


class Page(Protocol):
    """What Prometheus is told."""

    def answer(self, accept: str, encoding: str = "") -> tuple[bytes, Mapping[str, str]]:
        """The answer to a scrape that accepts `accept` and, compressed, `encoding`; and its headers."""


def tokens() -> list[bytes]:
    """What opens /metrics; where there is none it is open."""
    named = (os.environ.get(name) for name in ("GREENWATCH_METRICS_TOKEN", "GREENWATCH_TOKEN"))
    return [token.encode() for token in named if token]


@contextmanager
def served(
    line: Page,
    port: int | None,
    host: str = HOST,
    cert: Path | None = None,
    key: Path | None = None,
    more: Sequence[Route] = (),
) -> Iterator[None]:
    """Serves `line` and `more`, in a thread of its own, where a port was asked for. Raises `NotAsAsked` where that
    cannot be, or others could read it and need no token."""
    context, secrets = tls.context(cert, key, "metrics"), tokens()
    if port is None:
        yield
        return
    if not secrets and not serve.loopback(host):
        raise console.NotAsAsked(
            f"{host} can be reached from other machines: set GREENWATCH_METRICS_TOKEN to a secret that Prometheus knows"
        )

    async def metrics(request: Request) -> Response:
        asked = request.headers
        said = given(asked.get("authorization", ""), reading=True)
        if secrets and not any(equal(said, secret) for secret in secrets):
            return Response("a token is needed\n", status_code=401, headers=CHALLENGE, media_type="text/plain")
        content, headers = line.answer(asked.get("accept", ""), asked.get("accept-encoding", ""))
        return Response(content, headers=dict(headers))

    async def healthz(request: Request) -> Response:
        return Response("ok\n", media_type="text/plain")

    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    routes = [Route("/metrics", metrics), Route("/healthz", healthz), *more]
    config = uvicorn.Config(
        Starlette(routes=routes),
        log_config=None,
        access_log=False,
        server_header=False,
        ws="none",
        ssl_context_factory=None if context is None else lambda *_: context,
    )
    with closing(serve.listen(host, port)) as listener:
        address = listener.getsockname()
        place = f"http{'s' if context else ''}://{serve.shown(address[0])}:{address[1]}"
        console.people.print(f"metrics on {place}/metrics", markup=False)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="metrics", daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.should_exit = True
            thread.join(5)
