"""What the parts of devices share: a registered site, the service as processes, and what is read of it from outside."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from analytics.store import connection, register
from analytics.store.connection import Connection
from analytics.store.register import Secrets
from jobs import register as job
from jobs.pepper import NAME
from jobs.up import Family
from tests.soak import rows
from tests.soak.devices.fleet import CODES, PASSWORD, number
from tests.soak.house import ROOT
from tests.soak.live import Look, _cpu, _port, _postmaster, _tree, verdicts

PEPPER = "a pepper of soaks"
#: What is not in the store so long [s] after the last frame was answered never is.
PATIENCE = 60
#: What starts, starts before it is measured [s].
START = 5
_FIGURE = re.compile(r"^greenwatch_listen_(\w+?)(?:_total)?(?:\{[^}]*\})? (\S+)$", re.MULTILINE)


def station(device: int) -> str:
    """The station a device of the live ones speaks for."""
    return rows.names(len(CODES) * (device + 1))[-1][0]


def settle(conn: Connection, live: int, beating: int) -> None:
    """Nothing; the devices are registered. Those that only beat stand at the first station."""
    stations = [name for name, _ in rows.names(len(CODES) * live)[:: len(CODES)]]
    stations += stations[:1] * beating
    text = "".join(
        f'[[device]]\nmn = "{number(device)}"\nstation = "{name}"\npassword = "{PASSWORD}"\n'
        for device, name in enumerate(stations)
    )
    draft = register.read(text.encode(), "devices.toml", *job.rules(conn), secrets=Secrets(PEPPER.encode(), {}))
    job.write(conn, draft)


@dataclass(slots=True)
class Heard:
    """What the sender told and what was seen meanwhile; CPU [s] by process, memory of the listener [MiB]."""

    frames: list[dict[str, Any]] = field(default_factory=list)
    told: dict[str, Any] = field(default_factory=dict)
    #: batch -> when another session saw it first; (series by its number, second) -> when its verdict was seen
    batches: dict[int, float] = field(default_factory=dict)
    verdicts: dict[tuple[int, int], float] = field(default_factory=dict)
    cpu: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    #: at rest, with all connected, at the end, and the highest
    memory: dict[str, float] = field(default_factory=dict)
    #: seconds until all were connected and known
    known: float = 0.0
    #: bytes of the spool when all were known, and at the end
    spool: tuple[int, int] = (0, 0)
    #: what /metrics of the listener says at the end, labels added up
    figures: dict[str, float] = field(default_factory=dict)


@contextmanager
def service(dsn: str, folder: Path) -> Iterator[tuple[Family, int, int]]:
    """All that `greenwatch up` and `greenwatch listen` start; the port of the listener and that of its figures."""
    family, web, line, figures = Family(), _port(), _port(), _port()
    environ = {**os.environ, "GREENWATCH_HOME": str(folder), NAME: PEPPER}
    with family.heeding():
        family.start("serve", ["--port", str(web), "--dsn", dsn])
        family.start("worker", ["--dsn", dsn])
        family.start("listen", ["--port", str(line), "--metrics-port", str(figures), "--dsn", dsn], environ)
        for port in (web, figures):
            assert family.answers(f"http://127.0.0.1:{port}"), f"{family.ended()} ended; its words are above"
        time.sleep(START)
        yield family, line, figures


def measure(
    dsn: str, folder: Path, *, live: int, beating: int, seconds: int, every: int, watched: Mapping[int, int]
) -> Heard:
    """What was seen of a fleet; `watched`: number of each series (of `rows.names`) whose verdicts are looked for, by
    its id in the store."""
    found = Heard()
    words = [sys.executable, "-m", "tests.soak.devices.fleet"]
    with ExitStack() as stack:
        conns = [stack.enter_context(closing(connection.connect(dsn, application="soak"))) for _ in range(3)]
        family, port, figures = stack.enter_context(service(dsn, folder))
        listener = family.children["listen"].pid
        found.memory["at rest"] = memory(listener)
        sender = stack.enter_context(
            subprocess.Popen(
                [*words, *map(str, (port, live, beating, seconds, every))],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        )
        stack.callback(sender.kill)
        assert sender.stdout is not None
        began = time.monotonic()
        assert json.loads(sender.stdout.readline() or "{}").get("known") == live + beating, "the devices are not known"
        found.known = time.monotonic() - began
        time.sleep(1)
        found.memory["all connected"] = memory(listener)
        processes: dict[str, Callable[[], float]] = {
            "sender": lambda: _cpu(sender.pid),
            **{name: lambda pid=child.pid: _cpu(pid) for name, child in family.children.items()},  # type: ignore[misc]
            "database": lambda: _tree(_postmaster(conns[0])),
        }
        looks = [Look(batches(conns[1]), 0.1), Look(verdicts(conns[2], dict(watched)), 0.5)]
        for look in looks:
            look.start()
        before, spool, began = {name: use() for name, use in processes.items()}, size(folder), time.monotonic()
        lines = [json.loads(line) for line in _until_told(sender)]
        found.cpu = {name: use() - before[name] for name, use in processes.items()}
        found.seconds = time.monotonic() - began
        found.frames, found.told = lines[:-1], lines[-1]
        found.spool = spool, size(folder)
        found.memory["at the end"], found.memory["highest"] = memory(listener), memory(listener, "VmHWM")
        page = httpx.get(f"http://127.0.0.1:{figures}/metrics", trust_env=False).raise_for_status().text
        for name, value in _FIGURE.findall(page):
            found.figures[name] = found.figures.get(name, 0.0) + float(value)
        assert not family.ended(), f"{family.ended()} ended; its words are above"
        due = {frame["device"] * len(CODES): frame["second"] for frame in found.frames}
        looks[1].until([(one, second) for one, second in due.items() if one in watched.values()], PATIENCE)
        _committed(conns[0], len(CODES) * found.told["sent"])
        looks[0].until([], 0)
        found.batches, found.verdicts = {key: at for (key, _), at in looks[0].seen.items()}, looks[1].seen
        assert sender.stdin is not None
        sender.stdin.close()
        assert sender.wait(60) == 0, "the sender did not end as it should"
    return found


def _until_told(sender: "subprocess.Popen[str]") -> Iterator[str]:
    """The lines of the sender, up to the one that says what was wrong."""
    assert sender.stdout is not None
    for line in iter(sender.stdout.readline, ""):
        yield line
        if '"unanswered"' in line:
            return
    raise RuntimeError("the sender ended by itself; its words are above")


def _committed(conn: Connection, cells: int) -> None:
    """Nothing; so many cells are in the store and were seen there, or never will be."""
    give_up = time.monotonic() + PATIENCE
    query = "SELECT coalesce(sum(read), 0) >= %s FROM batch WHERE decoder = 'hj212'"
    while conn.execute(query, [cells]).fetchone() != (True,) and time.monotonic() < give_up:
        time.sleep(0.2)
    time.sleep(1)


def batches(conn: Connection) -> Callable[[], Iterator[tuple[int, int]]]:
    """Batches (id, ordinal) that another session sees: what is in them is committed."""
    newest = 0

    def ask() -> Iterator[tuple[int, int]]:
        nonlocal newest
        query = "SELECT id, ordinal FROM batch WHERE ordinal > %s ORDER BY ordinal"
        for one, ordinal in conn.execute(query, [newest]).fetchall():
            assert isinstance(one, int)
            assert isinstance(ordinal, int)
            newest = ordinal
            yield one, ordinal

    return ask


def memory(pid: int, what: str = "VmRSS") -> float:
    """Of a process [MiB]."""
    words = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith(what))
    return int(words.split()[1]) / 1024


def size(folder: Path) -> int:
    """Bytes of the segments of a listener's spool."""
    return sum(path.stat().st_size for path in (folder / "spool" / "hj212").glob("*.spool*"))
