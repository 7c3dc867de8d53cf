"""/metrics and /healthz of a command that serves nothing else, on this machine."""

import logging
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Protocol

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from jobs import console, serve


class Page(Protocol):
    """What Prometheus is told."""

    def page(self, accept: str) -> tuple[bytes, str]:
        """The answer to a scrape that accepts `accept`, and its content type."""


@contextmanager
def scraped(line: Page, port: int | None) -> Iterator[None]:
    """Serves `line`, in a thread of its own, where a port was asked for."""
    if port is None:
        yield
        return

    def metrics(request: Request) -> Response:
        content, kind = line.page(request.headers.get("accept", ""))
        return Response(content, media_type=kind)

    def healthz(request: Request) -> Response:
        return Response("ok\n", media_type="text/plain")

    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    routes = [Route("/metrics", metrics), Route("/healthz", healthz)]
    config = uvicorn.Config(Starlette(routes=routes), log_config=None, access_log=False, server_header=False, ws="none")
    with closing(serve.listen("127.0.0.1", port)) as listener:
        console.people.print(f"metrics on http://127.0.0.1:{listener.getsockname()[1]}/metrics", markup=False)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="metrics", daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.should_exit = True
            thread.join(5)
