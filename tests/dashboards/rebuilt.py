"""Views made again while somebody reads them: what `migrate` does under a Grafana that goes on asking."""

import itertools
import threading
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field

import psycopg

from analytics import standards
from analytics.store import migrations
from analytics.store.connection import Connection, connect
from tests.conftest import NOW


@dataclass(slots=True)
class Reading:
    """What a reader was told meanwhile."""

    answers: int = 0
    errors: list[str] = field(default_factory=list)


def rebuild(owner: str, reader: str, queries: Sequence[str], times: int, readers: int = 2) -> Reading:
    """What `readers` who ask `queries` in turn at the DSN `reader` are told while all views are made `times` again."""
    told, over = Reading(), threading.Event()
    # Each begins elsewhere: they hold different views when they meet the one who rebuilds.
    starts = [n * len(queries) // readers for n in range(readers)]
    turns = [[*queries[start:], *queries[:start]] for start in starts]
    threads = [threading.Thread(target=_read, args=(reader, turn, told, over)) for turn in turns]
    for thread in threads:
        thread.start()
    try:
        with closing(connect(owner)) as conn:
            for _ in range(times):
                _again(conn)
    finally:
        over.set()
        for thread in threads:
            thread.join()
    return told


def _again(conn: Connection) -> None:
    conn.execute("UPDATE view_file SET sha256 = ''")
    made = [step.name for step in migrations.migrate(conn, standards.tables(), NOW) if step.kind == "view"]
    assert made == [str(row[0]) for row in conn.execute("SELECT name FROM view_file ORDER BY name")]


def _read(dsn: str, queries: Sequence[str], told: Reading, over: threading.Event) -> None:
    with closing(psycopg.connect(dsn, autocommit=True)) as conn:
        for query in itertools.cycle(queries):
            if over.is_set():
                return
            try:
                conn.execute(query.encode()).fetchall()
                told.answers += 1
            except psycopg.Error as error:
                told.errors.append(f"{error}: {query}")
