"""Rows over HTTP to `POST /observations`, sent again until the server says that it has them."""

import time
from collections import deque
from collections.abc import Callable
from typing import Self

import httpx
import polars as pl

from jobs import console

TYPE = "application/x-ndjson"
SOURCE = "synthetic"
#: Lines of a POST at most; a server that finds that too much is sent halves.
LINES = 20_000
#: First and longest pause between tries [s]: each is twice the one before.
PAUSE, LONGEST = 0.5, 30.0
#: How long an answer may take [s].
TIMEOUT = 60.0
#: Answers after which trying again is of use; all others but success mean that the request itself is wrong.
AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
TOO_LARGE = 413
#: The rate is that of so many seconds.
SPAN = 60.0


def body(rows: pl.DataFrame) -> bytes:
    """A line of JSON a row of `rows` (station, parameter, time, value)."""
    lines = rows.select(
        "station",
        pl.col("parameter").alias("channel"),
        pl.col("time").dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "value",
    )
    return lines.write_ndjson().encode()


class Counting:
    """Counts rows that the other side has, and how many a second."""

    def __init__(self) -> None:
        """Nothing was sent yet."""
        self._recent: deque[tuple[float, int]] = deque()
        self.rows = 0

    def count(self, rows: int) -> None:
        """Nothing; the other side has so many more."""
        self.rows += rows
        self._recent.append((time.monotonic(), rows))

    def rate(self) -> float:
        """Rows a second that the server took in the last minute."""
        now = time.monotonic()
        while self._recent and now - self._recent[0][0] > SPAN:
            self._recent.popleft()
        total = sum(count for _, count in self._recent)
        return total / max(now - self._recent[0][0], 1.0) if self._recent else 0.0


class Sender(Counting):
    """A connection to a server; counts what it was told about the rows. Rows are never dropped: `send` returns when
    the server has them, however long that takes."""

    def __init__(
        self, url: str, token: str | None = None, *, rest: Callable[[float], None] = time.sleep, pause: float = PAUSE
    ) -> None:
        """No proxy of the environment is used: a device speaks to its server."""
        headers = {"Content-Type": TYPE}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        try:
            self._client = httpx.Client(base_url=url, headers=headers, timeout=TIMEOUT, trust_env=False)
        except (httpx.InvalidURL, ValueError) as problem:
            raise console.NotAsAsked(f"--url {url!r}: {problem}") from None
        super().__init__()
        self._rest, self._pause = rest, pause
        self.posts = self.tries = self.rejects = 0

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing; the connection is closed."""
        self._client.close()

    def take(self, rows: pl.DataFrame, cadence: int) -> None:
        """Nothing, when the server has `rows` (station, parameter, time, value). Raises `NotAsAsked`."""
        self.send(body(rows), rows.height, cadence)

    def send(self, lines: bytes, count: int, cadence: int) -> None:
        """Nothing, when the server has the `count` lines. Raises `NotAsAsked` where it will never take them."""
        if count > LINES:
            self._halves(lines, count, cadence)
            return
        pause, lost = self._pause, ""
        while True:
            self.tries += 1
            wait = pause
            try:
                answer = self._client.post("/observations", params=_query(cadence), content=lines)
            except (httpx.InvalidURL, httpx.UnsupportedProtocol) as problem:
                raise console.NotAsAsked(f"--url: {problem}") from None
            except httpx.TransportError as problem:
                said = f"{type(problem).__name__}: {problem}"
            else:
                if answer.is_success:
                    self._acknowledge(answer, count)
                    if lost:
                        console.people.print("the server is back, nothing was lost")
                    return
                if answer.status_code == TOO_LARGE and count > 1:
                    self._halves(lines, count, cadence)
                    return
                said = f"{answer.status_code} {_words(answer)}"
                if answer.status_code not in AGAIN:
                    raise console.NotAsAsked(f"the server does not take it: {said}")
                wait = max(pause, _asked(answer))
            if said != lost:
                console.people.print(f"not sent yet, trying again: {said}", markup=False)
                lost = said
            self._rest(wait)
            pause = min(2 * pause, LONGEST)

    def sums(self) -> str:
        """What was sent, in words."""
        refused = f", {self.rejects:,} of them refused" if self.rejects else ""
        again = f", {self.tries - self.posts:,} tries failed" if self.tries > self.posts else ""
        return f"{self.rows:,} rows in {self.posts:,} posts{refused}{again}"

    def _halves(self, lines: bytes, count: int, cadence: int) -> None:
        every = lines.splitlines(keepends=True)
        middle = count // 2
        for half in (every[:middle], every[middle:]):
            self.send(b"".join(half), len(half), cadence)

    def _acknowledge(self, answer: httpx.Response, count: int) -> None:
        self.posts += 1
        self.count(count)
        try:
            told = answer.json()
            rejects, reasons = int(told.get("rejects", 0)), told.get("reasons")
        except (ValueError, AttributeError, TypeError):
            return  # a server that says no more than that it has them
        if rejects and not self.rejects:
            console.people.print(
                f"the server refuses some rows, are the stations registered? {reasons}", markup=False, soft_wrap=True
            )
        self.rejects += rejects


def _query(cadence: int) -> dict[str, str]:
    return {"source": SOURCE, "cadence": str(cadence)}


def _words(answer: httpx.Response) -> str:
    try:
        return str(answer.json().get("detail", ""))[:300]
    except (ValueError, AttributeError):
        return answer.reason_phrase


def _asked(answer: httpx.Response) -> float:
    """Seconds that the server asks to wait."""
    said = answer.headers.get("retry-after", "")
    return min(float(said), LONGEST) if said.isascii() and said.isdecimal() else 0.0
