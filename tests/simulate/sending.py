"""What the tests of simulate share: when they look at the district, and a server that takes what is sent."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import polars as pl

STOP = datetime(2026, 7, 18, 4, 20, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
KEY = ["station", "parameter", "time"]
#: What a server does to a request: an answer's status and headers, or nothing at all.
Trick = tuple[int, dict[str, str]] | None


@dataclass(slots=True)
class Server:
    """Takes observations as greenwatch does, after it has played its tricks."""

    tricks: list[Trick] = field(default_factory=list)
    most: int = 10**9
    rows: list[tuple[str, dict[str, object]]] = field(default_factory=list)
    asked: list[tuple[str, dict[str, list[str]], dict[str, str]]] = field(default_factory=list)
    url: str = ""

    def take(self, path: str, headers: dict[str, str], raw: bytes) -> Trick:
        """The answer to a POST."""
        parts = urlsplit(path)
        query = parse_qs(parts.query)
        self.asked.append((parts.path, query, headers))
        if self.tricks:
            trick = self.tricks.pop(0)
            if trick is None or trick[0] != 200:
                return trick
        lines = raw.decode().splitlines()
        if len(lines) > self.most:
            return 413, {}
        self.rows += [(query["cadence"][0], json.loads(line)) for line in lines]
        return 200, {}

    def frame(self, cadence: int) -> pl.DataFrame:
        """What came, as readings."""
        lines = [row for step, row in self.rows if step == str(cadence)]
        schema = {"station": pl.String, "channel": pl.String, "time": pl.String, "value": pl.Float64}
        return pl.DataFrame(lines, schema=schema).select(
            "station",
            pl.col("channel").alias("parameter"),
            pl.col("time").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_unit="us").dt.replace_time_zone("UTC"),
            "value",
        )


@contextmanager
def serving(**facts: object) -> Iterator[Server]:
    """A server on a port of its own."""
    server = Server(**facts)  # type: ignore[arg-type]

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            done = server.take(self.path, {name.lower(): value for name, value in self.headers.items()}, raw)
            if done is None:
                self.close_connection = True
                self.connection.close()
                return
            answer = json.dumps({"detail": "as the test wants it", "rejects": 0}).encode()
            self.send_response(done[0])
            for name, value in {**done[1], "Content-Length": str(len(answer))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        server.url = f"http://127.0.0.1:{http.server_port}"
        thread = threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()
