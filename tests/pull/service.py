"""A service on this machine that answers as it is told, and remembers what it was asked."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

RECORDED = Path(__file__).parent / "recorded"


def recorded(name: str) -> bytes:
    return (RECORDED / name).read_bytes()


@dataclass
class Reply:
    """An answer; `length` is what it claims to have, `stall` an event that is waited for before the body."""

    body: bytes = b""
    kind: str = "application/json"
    code: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    length: int | None = None
    stall: threading.Event | None = None


@dataclass
class Asked:
    path: str
    params: dict[str, str]
    headers: Mapping[str, str]


@dataclass
class Service:
    """`answers` are given one after another, the last one for ever; a function is asked what to say."""

    url: str = ""
    answers: list[Reply | Callable[[Asked], Reply]] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)

    def reply(self, asked: Asked) -> Reply:
        self.asked.append(asked)
        found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return found if isinstance(found, Reply) else found(asked)


@contextmanager
def serving() -> Iterator[Service]:
    """One that runs until the end of the block."""
    service = Service()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            params = {key: found[-1] for key, found in parse_qs(parts.query).items()}
            reply = service.reply(Asked(parts.path, params, dict(self.headers.items())))
            self.close_connection = True
            try:
                self.send_response(reply.code)
                self.send_header("Connection", "close")
                if reply.kind:
                    self.send_header("Content-Type", reply.kind)
                if reply.length != -1:
                    self.send_header("Content-Length", str(len(reply.body) if reply.length is None else reply.length))
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                if reply.stall is not None:
                    reply.stall.wait(10)
                self.wfile.write(reply.body)
            except OSError:
                pass  # who asked has gone

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    service.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
