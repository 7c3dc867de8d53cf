"""Connections that say nothing do not keep others out."""

import asyncio
import json

from uvicorn.protocols.http.h11_impl import H11Protocol

from jobs.web import problems


class Prompt(H11Protocol):
    """A connection that is closed unless the head of a request is here in time.

    uvicorn waits so only from one request to the next: for the first one, and for the rest of one that began, it waits
    without end. The time is `timeout_keep_alive` [s], since the connection or the last answer. Bodies are the
    handlers' affair.
    """

    _alarm: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._done()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.cycle is None or self.cycle.response_complete:  # else the next one was here before the answer
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._done()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Nothing; whoever sent what is no HTTP is told so in the shape of every problem, and hears no more."""
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            said = json.dumps(problems.body("bad-request", msg)).encode()
            head = (
                "HTTP/1.1 400 Bad Request",
                f"Content-Type: {problems.MEDIA}",
                f"Content-Length: {len(said)}",
                "Connection: close",
                "",
                "",
            )
            self.transport.write("\r\n".join(head).encode() + said)
        self.transport.close()

    def _wait(self) -> None:
        self._done()
        self._alarm = self.loop.call_later(self.timeout_keep_alive, self._late)

    def _done(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _late(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()
