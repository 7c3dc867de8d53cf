"""Ingest in a process of its own, as `greenwatch ingest` does it: `python -m tests.soak.worker DSN`.

Reads a JSON object a line, {"path", "source"}; answers with the seconds from the file's name to its last commit, the
counts, and the highest memory of the process so far.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from analytics.store import connection
from jobs import console
from jobs.intake import Intake, Order
from tests.soak.house import ROOT


@dataclass(frozen=True, slots=True)
class Answer:
    """What the worker says of one file."""

    seconds: float
    counts: dict[str, int]
    peak: float


@dataclass(frozen=True, slots=True)
class Worker:
    """The other end: one process, fresh when it was started."""

    into: IO[str]
    out: IO[str]

    def ingest(self, path: Path) -> Answer:
        """What became of `path`."""
        print(json.dumps({"path": str(path)}), file=self.into, flush=True)
        line = self.out.readline()
        if not line:
            raise RuntimeError(f"the ingest of {path.name} ended without an answer; its words are above")
        answer: dict[str, Any] = json.loads(line)
        return Answer(**answer)


@contextmanager
def worker(dsn: str) -> Iterator[Worker]:
    """A worker on the database `dsn`, ended at the end."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.soak.worker", dsn],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield Worker(process.stdin, process.stdout)
        finally:
            process.stdin.close()


def peak() -> float:
    """The highest memory of this process so far [MiB].

    Not `getrusage`: what that says of a fresh process includes its parent's memory at the moment of the fork.
    """
    words = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(words.split()[1]) / 1024


def main() -> None:
    """Works until its input ends."""
    console.start_logging()
    with closing(connection.connect(sys.argv[1])) as conn:
        intake = Intake(conn, Order(format="long", source="soak"))
        for line in sys.stdin:
            began = time.perf_counter()
            counts = intake.file(Path(json.loads(line)["path"]))
            print(json.dumps(asdict(Answer(time.perf_counter() - began, asdict(counts), peak()))), flush=True)


if __name__ == "__main__":
    main()
