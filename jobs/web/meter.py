"""How many requests were answered with what, and how long it took."""

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from analytics.metrics import Exporter


class Meter:
    """Middleware: counts each answer in `exporter`, under the name of the function that gave it."""

    def __init__(self, app: ASGIApp, exporter: Exporter) -> None:
        """`app`, measured."""
        self.app, self.exporter = app, exporter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Lets `app` answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, code = time.perf_counter(), 500

        async def heard(message: Message) -> None:
            nonlocal code
            if message["type"] == "http.response.start":
                code = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, heard)
        finally:
            # Known once a route was found; of paths that are none there may be any number.
            endpoint = scope.get("endpoint")
            name = "none" if endpoint is None else getattr(endpoint, "__name__", type(endpoint).__name__)
            self.exporter.answers.labels(name, code).inc()
            self.exporter.seconds.labels(name).observe(time.perf_counter() - began)
