"""Every query of the dashboards as the reader asks it, on a store of thirty million readings: how long, what it reads.

Each is asked twenty times for the last six hours, two days and thirty days, with the whole network chosen (or one
station, where a dashboard is of one), in points of which a screen has some 700.
"""

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import psycopg

from analytics.store import connection
from analytics.store.connection import Connection
from tests.dashboards.asked import Asked, Page, filled, queries
from tests.grafana import Frame
from tests.panels import NAMES
from tests.soak.figures import Outcome
from tests.soak.house import House, pace
from tests.soak.panels import store
from tests.soak.panels.reader import reader

#: Readings of the store for each that a soak is asked for by default.
TIMES_ROWS = 3
SPANS = {"6 h": timedelta(hours=6), "2 d": timedelta(days=2), "30 d": timedelta(days=30)}
AHEAD = timedelta(hours=3)
REPEATS = 20
#: Points that fit on a screen.
POINTS = 700
LIMIT = 150.0
#: What is of now looks so far back, whatever is shown.
LATELY = timedelta(days=2)
#: Named in the table of figures; all are in the details.
WORST = 10

Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Measured:
    """A query with a span: how long it took [ms], how many rows came, the chunks it looked at, those that it need
    not have."""

    asked: Asked
    span: str
    took: list[float]
    rows: int
    chunks: list[str]
    needless: list[str]
    whole: list[str]
    plan: dict[str, Any]
    problem: str = ""

    @property
    def name(self) -> str:
        """As the figures call it."""
        return f"{self.asked.name}, {self.span}"

    def quantile(self, share: float) -> float:
        """The time that `share` of the repeats stayed below [ms]."""
        return float(np.quantile(self.took, share)) if self.took else float("inf")


def run(house: House, total: int) -> Outcome:
    """Figures of all queries."""
    rows = TIMES_ROWS * total
    with house.database() as dsn, pace("panels", 1, "store") as step:
        with closing(connection.connect(dsn)) as conn:
            began = time.perf_counter()
            store.fill(conn, rows, lambda what: step(0, what))
            filled_in = time.perf_counter() - began
            spans = chunks(conn)
            out = sizes(conn)
        step(1, "store")
        out.add("store made", filled_in, "s")
        with reader(dsn) as address:
            found = list(measure(address, spans))
    return report(out, found)


def sizes(conn: Connection) -> Outcome:
    """What is in the store."""
    out = Outcome()
    for table in ("observation", "average", "assessment", "verdict", "episode", "alarm_event", "incident", "series"):
        row = conn.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
        assert row is not None
        out.add(f"rows of {table}", float(str(row[0])), "rows")
    row = conn.execute("SELECT pg_database_size(current_database()) / 1e9").fetchone()
    assert row is not None
    out.add("size of the store", float(str(row[0])), "GB")
    return out


def chunks(conn: Connection) -> dict[str, Span]:
    """Which time each chunk holds."""
    found = conn.execute("SELECT chunk_name::text, range_start, range_end FROM timescaledb_information.chunks")
    return {str(name): (start, stop) for name, start, stop in found}  # type: ignore[misc]  # as the view says


def measure(dsn: str, spans: dict[str, Span]) -> Iterator[Measured]:
    """Every query with every span, in turn."""
    with closing(psycopg.connect(dsn, autocommit=True)) as conn:
        now = datetime.now(UTC)
        every = list(queries())
        values = {name: filled(conn, name, Page.WHOLE, now).variables for name in NAMES}
        with pace("panels", len(every) * len(SPANS), "queries") as step:
            for asked in every:
                for span, width in SPANS.items():
                    interval = timedelta(minutes=max(1, int((width + AHEAD).total_seconds() / POINTS // 60)))
                    where = Frame(now - width, now + AHEAD, values[asked.dashboard], interval)
                    yield one(conn, asked, span, where, spans)
                    step(1, f"{asked.name}, {span}")


def one(conn: Connection, asked: Asked, span: str, where: Frame, spans: dict[str, Span]) -> Measured:
    """`asked` as often as it takes to know."""
    sent = where.sql(asked.sql).encode()
    took, rows = [], 0
    try:
        row = conn.execute(b"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON, TIMING OFF) " + sent).fetchone()
        assert row is not None
        plan: dict[str, Any] = row[0][0]["Plan"]  # type: ignore[index]  # a list of plans
        for _ in range(REPEATS):
            began = time.perf_counter()
            rows = len(conn.execute(sent).fetchall())
            took.append(1000 * (time.perf_counter() - began))
    except psycopg.Error as problem:
        return Measured(asked, span, took, rows, [], [], [], {}, f"{type(problem).__name__}: {problem}")
    seen = [node for node in scans(plan) if node["Relation Name"] in spans]
    touched = sorted({str(node["Relation Name"]) for node in seen})
    since = min(where.start, datetime.now(UTC) - LATELY)
    needless = [name for name in touched if spans[name][0] >= where.stop or spans[name][1] <= since]
    whole = sorted({str(node["Relation Name"]) for node in seen if node["Node Type"] == "Seq Scan"})
    return Measured(asked, span, took, rows, touched, needless, whole, plan)


def scans(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every scan of a relation below `node` that was begun."""
    if node.get("Actual Loops", 1) and "Relation Name" in node and "Scan" in node["Node Type"]:
        yield node
    for each in node.get("Plans", []):
        yield from scans(each)


def report(out: Outcome, found: list[Measured]) -> Outcome:
    """The figures, with the targets of the issue."""
    slow = sorted(found, key=lambda each: each.quantile(0.95), reverse=True)
    out.add("queries, each with three spans", len(found) / len(SPANS))
    out.add("answered with an error", sum(1 for each in found if each.problem), "", most=0)
    out.add("without a row", sum(1 for each in found if not each.rows and not each.problem), "")
    out.add("p95 above 150 ms", sum(1 for each in found if each.quantile(0.95) > LIMIT), "", most=0)
    out.add("that looked at chunks they need not", sum(1 for each in found if each.needless), "", most=0)
    out.add("that read a chunk from end to end", sum(1 for each in found if each.whole), "")
    for each in slow[:WORST]:
        out.add(f"{each.name}: p95", each.quantile(0.95), "ms", most=LIMIT)
    for span in SPANS:
        every = [ms for each in found if each.span == span for ms in each.took]
        out.add(f"all queries, {span}: p50", float(np.quantile(every, 0.5)), "ms")
        out.add(f"all queries, {span}: p95", float(np.quantile(every, 0.95)), "ms")
    out.details["queries"] = [
        {
            "query": each.name,
            "ms": {name: round(each.quantile(share), 2) for name, share in (("p50", 0.5), ("p95", 0.95), ("most", 1))},
            "rows": each.rows,
            "chunks": len(each.chunks),
            **({"needless": each.needless} if each.needless else {}),
            **({"whole": each.whole} if each.whole else {}),
            **({"problem": each.problem} if each.problem else {}),
        }
        for each in slow
    ]
    out.notes.append(
        "the network: " + ", ".join(f"{count} stations of {name}" for name, (count, _) in store.NETWORK.items())
    )
    return out
