"""Servers of PostgreSQL that a test may stop, restart or kill."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jobs.database.home import home
from jobs.database.server import Server


@contextmanager
def spare_server() -> Iterator[tuple[Server, str]]:
    """A server that a test may stop, restart or kill, and the DSN of its database greenwatch.

    Its programs are those of the tests' own server. Its folder is in /var/tmp since root's PostgreSQL runs as a user
    who cannot enter pytest's folders.
    """
    programs = home() / "postgres"
    folder = Path(tempfile.mkdtemp(prefix="greenwatch-test-", dir="/var/tmp"))
    folder.chmod(0o755)
    server = Server(folder, "spare", fast=True, binaries=programs, say=lambda _: None)
    try:
        yield server, server.start()
    finally:
        server.clean()
        shutil.rmtree(folder, ignore_errors=True)
