"""A duty desk: a server that hears webhooks, and what it was told."""

import json
import queue
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import monotonic
from typing import Any


@dataclass(frozen=True, slots=True)
class Call:
    """One webhook, and when it came [s, monotonic]."""

    path: str
    headers: Mapping[str, str]
    raw: bytes
    at: float

    @property
    def body(self) -> dict[str, Any]:
        """What it says."""
        return dict(json.loads(self.raw))


@dataclass(slots=True)
class Desk:
    """What reached it, in order; `told` has the same to be waited for. It answers `status`."""

    port: int = 0
    status: int = 200
    calls: list[Call] = field(default_factory=list)
    told: "queue.Queue[Call]" = field(default_factory=queue.Queue)

    def at(self, path: str) -> str:
        """The address of `path` here."""
        return f"http://127.0.0.1:{self.port}{path}"

    def of(self, path: str) -> list[Call]:
        """What came to `path`."""
        return [call for call in self.calls if call.path == path]


@contextmanager
def listening() -> Iterator[Desk]:
    """A desk at a port of its own."""
    made = Desk()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            call = Call(self.path, dict(self.headers.items()), raw, monotonic())
            made.calls.append(call)
            made.told.put(call)
            self.send_response(made.status)
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: object) -> None:
            """Nothing: the calls are the log."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        made.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield made
        server.shutdown()


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for this machine, and its key."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    made += ["-subj", "/CN=greenwatch", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
    subprocess.run([*made, "-keyout", key, "-out", cert], check=True, capture_output=True)
    return cert, key
