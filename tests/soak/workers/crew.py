"""Workers as processes: begun, killed, their sessions and what they cost."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from analytics.store.connection import Connection
from tests.soak.house import ROOT
from tests.soak.live import _cpu

#: The session of a worker in which it settles.
SESSION = "greenwatch worker"
#: Between two looks [s].
PAUSE = 0.1
#: A worker is up within so long [s].
START = 60.0


@dataclass(slots=True)
class Member:
    """A worker: its process, the session in which it settles, and what those before it, killed, had spent [s]."""

    dsn: str
    log: Path
    process: "subprocess.Popen[bytes]"
    session: int = 0
    spent: float = 0.0

    def cpu(self) -> float:
        """CPU [s] of all its processes so far."""
        return self.spent + _cpu(self.process.pid)

    def kill(self) -> None:
        """Nothing; it is gone."""
        self.process.kill()
        os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOWAIT)  # once it is waited for it has no figures
        self.spent = self.cpu()
        self.process.wait()

    def connected(self, conn: Connection, before: set[int]) -> None:
        """Nothing; it has its session, the one that was not there `before`."""
        give_up = time.monotonic() + START
        while not (fresh := sessions(conn) - before):
            assert self.process.poll() is None, "a worker ended by itself"
            assert time.monotonic() < give_up, "a worker does not come up"
            time.sleep(PAUSE)
        [self.session] = fresh


def begin(dsn: str, log: Path) -> "subprocess.Popen[bytes]":
    """A worker that tells a file of its own in the folder `log` of its takes."""
    log.mkdir(exist_ok=True)
    with (log / f"{len(list(log.iterdir()))}").open("wb") as said:
        return subprocess.Popen(
            [sys.executable, "-m", "jobs.cli", "worker", "--dsn", dsn],
            cwd=ROOT,
            env=os.environ | {"GREENWATCH_LOG": "DEBUG"},
            stdout=said,
            stderr=said,
        )


@contextmanager
def crew(conn: Connection, dsn: str, count: int, log: Path) -> Iterator[list[Member]]:
    """So many workers; told to end at the end."""
    members: list[Member] = []
    try:
        for _ in range(count):
            there = sessions(conn)
            members.append(Member(dsn, log, begin(dsn, log)))
            members[-1].connected(conn, there)
        yield members
    finally:
        for member in members:
            member.process.terminate()
        for member in members:
            try:
                member.process.wait(40)
            except subprocess.TimeoutExpired:
                member.process.kill()
                member.process.wait()


def sessions(conn: Connection) -> set[int]:
    """Those in which workers settle."""
    query = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = %s"
    return {int(str(row[0])) for row in conn.execute(query, [SESSION]).fetchall()}
