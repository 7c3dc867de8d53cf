"""What lies around the store: its disk, and the files of its archives."""

import shutil
from datetime import datetime
from pathlib import Path
from random import Random

from analytics.store import archive
from analytics.store.connection import Connection
from analytics.store.doctor import Found, rows
from jobs import console
from jobs.database.home import home
from jobs.database.server import Server
from jobs.keep import files

#: Less than this share of the disk, or of this [bytes], is too little.
LEAST, ROOM = 0.05, 5_000_000_000


def disk(conn: Connection, server: Server | None = None) -> Found:
    """Whether the disk of the private server has room; another server's cannot be seen from here."""
    server = server or Server(home())
    row = conn.execute("SELECT pg_database_size(current_database()), inet_server_port()").fetchone()
    assert row is not None
    size, port = row
    found = Found(1)
    if not server.running or port != server.port:
        found.left.append(f"the database holds {int(str(size)) / 1e9:,.2f} GB; its disk cannot be seen from here")
        return found
    usage = shutil.disk_usage(server.data.parent)
    words = f"{usage.free / 1e9:,.1f} of {usage.total / 1e9:,.1f} GB are free in {server.folder}"
    if usage.free < min(ROOM, LEAST * usage.total):
        found.wrong.append(words)
    else:
        found.left.append(f"{words}; the database holds {int(str(size)) / 1e9:,.2f} GB")
    return found


def archives(conn: Connection, now: datetime, sample: int) -> Found:
    """What the store says of its archives; and of `sample` files drawn that they are what was written."""
    found = rows.archives(conn, now)
    every = [
        (Path(piece.folder), file) for piece in archive.begun(conn) if piece.dropped is not None for file in piece.files
    ]
    for folder, file in Random(sample).sample(every, min(sample, len(every))):
        found.looked += 1
        try:
            files.check(file, folder)
        except console.NotAsAsked as problem:
            found.wrong.append(str(problem))
    return found
