"""Servers of PostgreSQL that a test may stop, restart or kill."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jobs.database.account import account
from jobs.database.home import home
from jobs.database.server import Server


@contextmanager
def spare_server(*, fast: bool = True) -> Iterator[tuple[Server, str]]:
    """A server that a test may stop, restart or kill, and the DSN of its database greenwatch.

    Unless it is `fast` it waits for the disk, and what it has committed outlives `crash`.

    Its programs are those of the tests' own server. Its folder is in /var/tmp since root's PostgreSQL runs as a user
    who cannot enter pytest's folders.
    """
    programs = home() / "postgres"
    folder = Path(tempfile.mkdtemp(prefix="greenwatch-test-", dir="/var/tmp"))
    folder.chmod(0o755)
    server = Server(folder, "spare", fast=fast, binaries=programs, say=lambda _: None)
    try:
        yield server, server.start()
    finally:
        server.clean()
        shutil.rmtree(folder, ignore_errors=True)


def crash(server: Server) -> None:
    """Nothing; the server ended at once and without a last checkpoint: the next start recovers from its log."""
    pid = server.pid
    account(server.data).run(["sh", "-c", 'kill -s QUIT "$0"', str(pid)])
    give_up = time.monotonic() + 60
    while server.pid == pid:
        assert time.monotonic() < give_up, "the server does not end"
        time.sleep(0.02)
