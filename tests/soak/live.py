"""The service as it runs: readings sent by HTTP, a server and a worker, and how soon what was sent can be seen.

Seen is: the verdict of a reading is a row, `/metrics` has its time, the station's page has it with its verdict. Each
series that is waited for sends what cannot be, since good readings leave no row of a verdict.
"""

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread

import httpx
import numpy as np
import polars as pl

from analytics.store import connection
from analytics.store.connection import Connection
from jobs import chain
from jobs.intake import Intake, Order
from jobs.up import Family
from tests import world
from tests.soak import rows
from tests.soak.figures import Outcome
from tests.soak.house import ROOT, House, pace

#: Series, how long they send [s], and how often the metrics are scraped [s].
RUNS = ((1_000, 180, 1.0), (10_000, 300, 5.0))
CADENCE = 60
#: Every so many series sends what cannot be.
EVERY = 50
#: Minutes of readings that are there before: what tests on minutes look back to.
HISTORY = 185
#: After the last reading was sent, what is not seen within so long [s] never is.
PATIENCE = 60
#: Pages that are looked at in turn.
PAGES = 6
_NEWEST = re.compile(r'^greenwatch_latest_timestamp_seconds\{station="(\w+)",parameter="(\w+)".*?\} (\S+)$', re.M)

#: A reading that is waited for: number of its series, second of its time.
Reading = tuple[int, int]


def run(house: House, _: int) -> Outcome:
    """Figures of a thousand and of ten thousand series a minute."""
    out = Outcome()
    total = sum(seconds + HISTORY for _, seconds, _ in RUNS)
    with pace("live", total, "s") as step:
        for series, seconds, scrape in RUNS:
            with house.database() as dsn:
                with closing(connection.connect(dsn)) as conn, house.files() as folder:
                    history(conn, folder, series)
                step(HISTORY, f"{series:,} series: their past")
                found = measure(dsn, series, seconds, scrape=scrape)
                step(seconds, f"{series:,} series")
            report(out, series, found)
    return out


def history(conn: Connection, folder: Path, series: int) -> None:
    """Nothing; the minutes before now are there and settled."""
    world.settle_world(conn, rows.names(series), CADENCE)
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    frame = rows.readings(series, 0, HISTORY)
    since = (pl.col("time") - rows.START) / (rows.CADENCE / timedelta(minutes=1))
    past = frame.with_columns((now - timedelta(minutes=HISTORY) + since).alias("time"))
    path = rows.write(folder / "past.parquet", past, series)
    Intake(conn, Order(format="long", source="soak", cadence=CADENCE)).file(path)
    chain.settle(conn, lambda: datetime.now(UTC))
    conn.execute("VACUUM ANALYZE")


@dataclass(slots=True)
class Seen:
    """Seconds from sending to seeing, by what was seen; CPU seconds by process; how long it took, what was sent."""

    delays: dict[str, list[float]] = field(default_factory=dict)
    lost: dict[str, int] = field(default_factory=dict)
    cpu: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    rows: int = 0
    late: float = 0.0


def measure(
    dsn: str, series: int, seconds: int, *, cadence: int = CADENCE, every: int = EVERY, scrape: float = 1.0
) -> Seen:
    """What was seen of `series` series that send for `seconds`, each once in `cadence` seconds."""
    watched = [number for number in range(series) if number % every == 0]
    family, port = Family(), _port()
    url = f"http://127.0.0.1:{port}"
    with (
        closing(connection.connect(dsn, application="soak")) as conn,
        httpx.Client(base_url=url, trust_env=False, timeout=60) as client,
        family.heeding(),
    ):
        numbers = _series(conn, series)
        family.start("serve", ["--port", str(port), "--dsn", dsn])
        family.start("worker", ["--dsn", dsn])
        assert family.answers(url), f"{family.ended()} ended; its words are above"
        time.sleep(5)  # what starts, starts before it is measured
        looks = {
            "verdict": Look(verdicts(conn, {numbers[number]: number for number in watched}), 0.2),
            "metric": Look(metrics(client, {rows.names(series)[number]: number for number in watched}), scrape),
            "page": Look(pages(client, watched[:PAGES], series), 0.3),
        }
        words = [sys.executable, "-m", "tests.soak.sender", url, *map(str, (series, cadence, seconds, every))]
        with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) as sender:
            assert sender.stdout is not None
            processes: dict[str, Callable[[], float]] = {
                "sender": lambda: _cpu(sender.pid),
                **{name: lambda pid=child.pid: _cpu(pid) for name, child in family.children.items()},  # type: ignore[misc]
                "database": lambda: _tree(_postmaster(conn)),
            }
            for look in looks.values():
                look.start()
            began, before = time.monotonic(), {name: use() for name, use in processes.items()}
            posts = [json.loads(line) for line in iter(sender.stdout.readline, "")]
            # Read while it is there: an ended process that was waited for has no figures.
            spent = {name: use() - before[name] for name, use in processes.items()}
            assert sender.wait() == 0, "a POST was not answered as it should be"
        found = Seen(cpu=spent, seconds=time.monotonic() - began, rows=sum(post["rows"] for post in posts))
        found.late = max(post["sent"] - post["second"] for post in posts)
        found.delays["answer"] = [post["answered"] - post["sent"] for post in posts]
        sent = {post["second"]: post["sent"] for post in posts}
        waited = [(number, second) for second in sent for number in watched if number % cadence == second % cadence]
        for name, look in looks.items():
            mine = [item for item in waited if name != "page" or item[0] in watched[:PAGES]]
            look.until(mine, PATIENCE)
            seen = [look.seen[item] - sent[item[1]] for item in mine if item in look.seen]
            found.delays[name], found.lost[name] = seen, len(mine) - len(seen)
        assert not family.ended(), f"{family.ended()} ended; its words are above"
    return found


class Look:
    """A thread that asks again and again which readings can be seen, and remembers when each was seen first."""

    def __init__(self, ask: Callable[[], Iterator[Reading]], pause: float) -> None:
        """Asks every `pause` seconds, from `start` on."""
        self._ask, self._pause = ask, pause
        self._stopped = Event()
        self._thread = Thread(target=self._work, daemon=True)
        self.seen: dict[Reading, float] = {}

    def start(self) -> None:
        """Nothing; it looks."""
        self._thread.start()

    def until(self, wanted: list[Reading], seconds: float) -> None:
        """Nothing; all of `wanted` were seen, or `seconds` are over. It looks no more."""
        give_up = time.monotonic() + seconds
        while time.monotonic() < give_up and self._thread.is_alive() and not set(wanted) <= self.seen.keys():
            time.sleep(0.2)
        self._stopped.set()
        self._thread.join(30)

    def _work(self) -> None:
        while not self._stopped.is_set():
            with suppress(httpx.HTTPError):  # it will be seen at the next look
                for item in self._ask():
                    self.seen.setdefault(item, time.time())
            self._stopped.wait(self._pause)


def verdicts(conn: Connection, numbers: dict[int, int]) -> Callable[[], Iterator[Reading]]:
    """Readings whose verdict is a row."""
    since = datetime.now(UTC)

    def ask() -> Iterator[Reading]:
        query = "SELECT series, time FROM verdict WHERE series = ANY(%s) AND time >= %s"
        for series, at in conn.execute(query, [list(numbers), since]).fetchall():
            assert isinstance(series, int)
            assert isinstance(at, datetime)
            yield numbers[series], int(at.timestamp())

    return ask


def metrics(client: httpx.Client, names: dict[tuple[str, str], int]) -> Callable[[], Iterator[Reading]]:
    """Readings that are the newest of their series in /metrics."""

    def ask() -> Iterator[Reading]:
        for station, parameter, at in _NEWEST.findall(client.get("/metrics").raise_for_status().text):
            number = names.get((station, parameter))
            if number is not None:
                yield number, int(float(at))

    return ask


def pages(client: httpx.Client, watched: list[int], series: int) -> Callable[[], Iterator[Reading]]:
    """Readings that the charts of their station's page show as failed; a page a time, in turn."""
    names, turn = rows.names(series), 0

    def ask() -> Iterator[Reading]:
        nonlocal turn
        number = watched[turn % len(watched)]
        turn += 1
        answer = client.get(f"/station/{names[number][0]}/charts.json").raise_for_status()
        for chart in answer.json().values():
            for at, failed in zip(chart["time"], chart["fail"], strict=True):
                if failed is not None:
                    yield number, int(at)

    return ask


def report(out: Outcome, series: int, found: Seen) -> None:
    """Nothing; the figures of a run are in `out`, with the targets of the issue."""
    what = f"{series:,} series: "
    out.add(f"{what}readings sent", found.rows, "rows")
    targets: dict[tuple[str, int], float] = {("metric", 95): 10, ("page", 95): 10} if series == 1_000 else {}
    targets |= {("verdict", 99): 20} if series == 10_000 else {}
    for name, delays in found.delays.items():
        for share in (50, 95, 99):
            value = float(np.percentile(delays, share)) if delays else float("inf")
            out.add(f"{what}row to {name} p{share}", value, "s", most=targets.get((name, share)))
        if name in found.lost:
            out.add(f"{what}never seen: {name}", found.lost[name], "", most=0)
    for name, spent in found.cpu.items():
        out.add(f"{what}CPU of {name}", 60 * spent / found.seconds, "s/min")
    out.add(f"{what}sender behind its clock, at most", found.late, "s")


def _series(conn: Connection, count: int) -> list[int]:
    """Ids of the first `count` channels of `rows.names`, in their order."""
    found = conn.execute("SELECT t.code, s.parameter, s.id FROM series s JOIN station t ON t.id = s.station").fetchall()
    known = {(code, parameter): int(str(number)) for code, parameter, number in found}
    return [known[name] for name in rows.names(count)]


def _port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _postmaster(conn: Connection) -> int:
    """Process id of the database server, which runs here."""
    row = conn.execute("SHOW data_directory").fetchone()
    assert row is not None
    return int((Path(str(row[0])) / "postmaster.pid").read_text().split()[0])


def _cpu(pid: int, *, children: bool = False) -> float:
    """CPU seconds of a process so far, and of its `children` that have ended; 0 where there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11 : 15 if children else 13])) / os.sysconf("SC_CLK_TCK")


def _tree(pid: int) -> float:
    """CPU seconds of a process and its children, be they running or not."""
    running = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return _cpu(pid, children=True) + sum(_cpu(int(child)) for child in running)
