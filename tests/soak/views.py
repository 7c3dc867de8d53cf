"""All views made again a hundred times, as an upgrade makes them, while two readers go on asking every query of the
dashboards: none is told of an error."""

import time
from contextlib import closing
from datetime import UTC, datetime

import psycopg

from analytics.store import connection
from tests.dashboards import world
from tests.dashboards.asked import Page, filled, queries
from tests.dashboards.rebuilt import rebuild
from tests.panels import NAMES
from tests.soak.figures import Outcome
from tests.soak.house import House
from tests.soak.panels.reader import reader

TIMES = 100


def run(house: House, _: int) -> Outcome:
    """Figures of the readers."""
    out = Outcome()
    with house.database() as dsn, reader(dsn) as address:
        with closing(connection.connect(dsn)) as conn:
            world.seed(conn)
            conn.execute("ANALYZE")
        with closing(psycopg.connect(address, autocommit=True)) as conn:
            now = datetime.now(UTC)
            pages = {name: filled(conn, name, Page.WHOLE, now) for name in NAMES}
        began = time.perf_counter()
        told = rebuild(dsn, address, [pages[asked.dashboard].sql(asked.sql) for asked in queries()], TIMES)
        out.add(f"{TIMES} times all views", time.perf_counter() - began, "s")
    out.add("answers meanwhile", told.answers, "", least=TIMES)
    out.add("errors meanwhile", len(told.errors), "", most=0)
    out.details["errors"] = told.errors[:20]
    return out
