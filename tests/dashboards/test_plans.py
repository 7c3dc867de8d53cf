"""No query of a dashboard looks at rows that it does not need: not at a chunk of another time, and by a key in each."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest

from analytics.store.connection import Connection, connect
from tests.dashboards.asked import Asked, Page, Shown, filled, queries
from tests.panels import NAMES

#: What is of now (a state, the newest class) may look so far back, whatever the page shows.
LATELY = timedelta(days=2)
#: The rain behind a run-off is that of the month before it, as the view says, by the key of one gauge.
BEHIND = {"water: Run-off after rain 降雨径流 A": timedelta(days=32)}

Span = tuple[datetime, datetime]


class Scan(NamedTuple):
    """A look at rows of one relation that was really taken."""

    relation: str
    kind: str
    by_key: bool


@pytest.fixture(scope="module")
def chunks(seeded: str) -> dict[str, Span]:
    """Which time each chunk holds."""
    with closing(connect(seeded)) as conn:
        rows = conn.execute("SELECT chunk_name::text, range_start, range_end FROM timescaledb_information.chunks")
        return {str(name): (start, stop) for name, start, stop in rows}  # type: ignore[misc]  # as the view says


@pytest.fixture(scope="module")
def planned(grafana: Connection) -> Iterator[Connection]:
    """A connection whose planner scans a whole relation only where no key leads to its rows: the store is small, and it
    would rather."""
    grafana.execute("SET enable_seqscan = off")
    yield grafana
    grafana.execute("RESET enable_seqscan")


@pytest.fixture(scope="module")
def shown(grafana: Connection) -> Shown:
    """Every page of every dashboard, its variables filled."""
    now = datetime.now(UTC)
    return {(name, page): filled(grafana, name, page, now) for name in NAMES for page in Page}


@pytest.mark.parametrize("page", [Page.WHOLE, Page.LITTLE], ids=lambda page: page.name.lower())
@pytest.mark.parametrize("asked", list(queries()), ids=lambda asked: asked.name)
def test_a_query_looks_at_no_chunk_that_it_does_not_need(
    planned: Connection, shown: Shown, chunks: dict[str, Span], asked: Asked, page: Page
) -> None:
    where = shown[asked.dashboard, page]
    since = min(where.start, datetime.now(UTC) - LATELY) - BEHIND.get(asked.name, timedelta(0))
    for scan in scans(plan(planned, where.sql(asked.sql))):
        if scan.relation in chunks:
            start, stop = chunks[scan.relation]
            assert start < where.stop, f"{scan} is of {start}"
            assert stop > since, f"{scan} is of the time before {stop}"
            assert scan.by_key, scan


def test_the_store_has_chunks_that_nobody_needs(chunks: dict[str, Span]) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=60)
    assert len([name for name, (_, stop) in chunks.items() if stop < long_ago]) >= 4


def plan(conn: Connection, sent: str) -> dict[str, Any]:
    """What was done for `sent`."""
    row = conn.execute(("EXPLAIN (ANALYZE, FORMAT JSON, COSTS OFF, TIMING OFF) " + sent).encode()).fetchone()
    assert row is not None
    return dict(row[0][0]["Plan"])  # type: ignore[index]  # a list of plans


def scans(node: dict[str, Any]) -> Iterator[Scan]:
    """Every scan of `node` and what it stands on that was begun.."""
    kind = node["Node Type"]
    inner = node.get("Plans", [])
    if node.get("Actual Loops", 1) and "Relation Name" in node and "Scan" in kind:
        by_key = "Index Cond" in node or any("Index Cond" in each for each in inner)
        yield Scan(node["Relation Name"], kind, by_key)
    for each in inner:
        yield from scans(each)
