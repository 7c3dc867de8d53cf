"""Commands as processes: begun, looked at from outside, ended; and a device and a sensor for them."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from analytics.store import register
from analytics.store.connection import Connection
from analytics.store.register import Secrets
from jobs import register as job

ROOT = Path(__file__).parents[2]
PEPPER = "a pepper of tests, long enough"
DEVICE = """
[[device]]
mn = "SHORE0000000000000000001"
station = "SHORE"
password = "123456"
"""
NODE = """
[[node]]
id = "24e124136b502217"
station = "SHORE"
channels = { temperature = "air_temperature" }
"""


def enrol(conn: Connection, text: str) -> None:
    """Nothing; a station and what `text` says of it are registered."""
    whole = f'[[station]]\ncode = "SHORE"\nseries = [{{ parameter = "pm25" }}]\n{text}'.encode()
    job.write(conn, register.read(whole, "shore.toml", *job.rules(conn), secrets=Secrets(PEPPER.encode(), {})))


@contextmanager
def running(*words: object, **environ: str) -> Iterator["subprocess.Popen[str]"]:
    """A command, with more in its environment; where it still runs at the end it is killed."""
    process = subprocess.Popen(
        [sys.executable, "-m", "jobs.cli", *map(str, words)],
        cwd=ROOT,
        env=os.environ | environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def children(pid: int) -> dict[str, int]:
    """Process ids of the commands that `pid` started, by their name."""
    found = {}
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        words = Path(f"/proc/{child}/cmdline").read_text().split("\0")
        found[words[words.index("jobs.cli") + 1]] = int(child)
    return found


def gone(pid: int) -> bool:
    """Whether the process is no more, or is a zombie that waits for its parent."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True
