"""Law 1 row by row: what is said of each row, against the obvious loop over them."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import timedelta
from functools import lru_cache
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analytics.ingest import BODIES
from analytics.parameters import Parameter
from analytics.store import connection
from analytics.store.connection import Connection
from jobs import chain, review, verdicts
from jobs.intake import Intake, Order
from tests import world
from tests.conftest import Make
from tests.web.posting import MINUTE, T0, body, line, post, rows

CHANNELS = [("A", "pm25"), ("A", "o3")]
#: (source, its priority)
SOURCES = {"weak": 0, "strong": 1}

Row = dict[str, Any]
row = st.builds(
    lambda channel, minute, value, revision, mark: {
        **line(channel[0], channel[1], minute, value),
        "revision": revision,
        "mark": mark,
    },
    st.sampled_from([*CHANNELS, ("A", "gold"), ("N", "pm25")]),
    st.integers(0, 3),
    st.sampled_from([1.0, 2.0, 0.0, -0.0, None, "odd"]),
    st.sampled_from([None, 0, 1]),
    st.sampled_from([None, "N"]),
)
batches = st.lists(st.tuples(st.sampled_from(sorted(SOURCES)), st.lists(row, min_size=1, max_size=12)), max_size=6)

Key = tuple[str, str]
Said = tuple[int, int, float, int]


class Loop:
    """What is stored, and what becomes of a row: law 2 as it is written. Approved is what lies in minute 3 of o3."""

    def __init__(self) -> None:
        self.stored: dict[Key, Said] = {}

    def judge(self, source: str, lines: list[Row]) -> list[str]:
        out, said = [], [self._said(source, item) for item in lines]
        winners: dict[Key, Said] = {}
        for item, rank in zip(lines, said, strict=True):
            if rank is not None and not self._held(item):
                key = (item["channel"], item["time"])
                winners[key] = max(rank, winners.get(key, rank))
        before = dict(self.stored)
        for key, best in winners.items():
            self.stored[key] = max(best, before.get(key, best))
        told: set[Key] = set()
        for item, rank in zip(lines, said, strict=True):
            key = (item["channel"], item["time"])
            if rank is None:
                out.append(self._unkept(item))
            elif self._held(item):
                out.append(verdicts.WAITING)
            elif rank != winners[key] or key in told:
                out.append(verdicts.DUPLICATE)
            else:
                told.add(key)
                old = before.get(key)
                other = old is not None and old < rank and old[2:] != rank[2:]
                out.append(verdicts.NEW if old is None else verdicts.REPLACED if other else verdicts.DUPLICATE)
        return out

    @staticmethod
    def _said(source: str, item: Row) -> Said | None:
        if (item["station"], item["channel"]) not in CHANNELS or not isinstance(item["value"], float):
            return None
        mark = -1 if item["mark"] is None else ord(item["mark"])
        return SOURCES[source], item["revision"] or 0, item["value"], mark

    @staticmethod
    def _held(item: Row) -> bool:
        return bool(item["channel"] == "o3" and item["time"] == (T0 + 3 * MINUTE).isoformat())

    @staticmethod
    def _unkept(item: Row) -> str:
        if item["value"] is None:
            return verdicts.MISSING
        hopeless = item["value"] == "odd" or item["channel"] == "gold"
        return verdicts.REJECTED if hopeless else verdicts.WAITING


@pytest.fixture(scope="module")
def standing(make_database: Make) -> Iterator[Connection]:
    """A store with two series, two sources and an approved period."""
    with closing(connection.connect(make_database("apache"))) as conn:
        numbers = world.settle_world(conn, CHANNELS, 60)
        for name, priority in SOURCES.items():
            conn.execute("INSERT INTO source (name, priority) VALUES (%s, %s)", [name, priority])
        review.enter(conn, [numbers[1]], T0 + 3 * MINUTE, T0 + 4 * MINUTE, "approved", "Wang", "looked at", T0)
        yield conn


@lru_cache
def _parameters(conn: Connection) -> Mapping[str, Parameter]:
    return chain.load_rules(conn)[-1].parameters


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches)
def test_each_row_is_told_what_became_of_it(standing: Connection, sent: list[tuple[str, list[Row]]]) -> None:
    conn, loop = standing, Loop()
    parameters = _parameters(conn)
    for table in ("observation", "observation_history", "reject", "stale", "batch"):  # few rows: TRUNCATE is dear
        conn.execute(f"DELETE FROM {table}")
    conn.execute("UPDATE latest SET time = NULL, value = NULL, mark = NULL, first = NULL, live = NULL, rows = 0")
    for source, lines in sent:
        batch = BODIES["ndjson"](body(*lines))
        intake = Intake(conn, Order(source=source, cadence=60), parameters=parameters, rows=True)
        counts = intake.surely(batch, "ndjson")
        assert intake.saved is not None
        found = verdicts.of(batch, intake.placed, intake.saved)
        assert found["row"].to_list() == list(range(1, len(lines) + 1))
        said = found["verdict"].to_list()
        assert said == loop.judge(source, lines)
        tally = Counter(said)
        assert (counts.new, counts.duplicates) == (tally[verdicts.NEW], tally[verdicts.DUPLICATE])
        assert (counts.replaced, counts.missing) == (tally[verdicts.REPLACED], tally[verdicts.MISSING])
        assert counts.rejects == tally[verdicts.REJECTED] + tally[verdicts.WAITING]
        kept = found["verdict"].is_in([verdicts.REJECTED, verdicts.WAITING])
        assert (found["reason"].is_not_null() == kept).all()


def test_what_is_older_than_the_horizon_waits(conn: Connection, client: httpx.Client) -> None:
    world.settle_world(conn, [("A", "pm25")], 60)
    conn.execute("INSERT INTO horizon (time, known, author) VALUES (%s, now(), 'Wang')", [T0 + 2 * MINUTE])
    said = post(client, body(*(line("A", "pm25", minute, 1.0) for minute in range(4))), "?rows=1").json()
    assert said["verdicts"] == ["waiting", "waiting", "new", "new"]
    assert said["refusals"] == {"row": [0, 1], "reason": ["its period is archived"] * 2}
    assert (said["new"], said["rejects"], said["waiting"]) == (2, 2, 2)


def test_verdicts_come_only_where_they_are_asked_for(conn: Connection, client: httpx.Client) -> None:
    world.settle_world(conn, [("A", "pm25")], 60)
    content = b"\n".join([b"", body(line("A", "pm25", 0, 1.0)), b"no json", body(line("A", "pm25", 0, 2.0))])
    assert "verdicts" not in post(client, content).json()
    assert "verdicts" not in post(client, content, "?rows=0").json()
    said = post(client, content, "?rows=1").json()
    assert said["verdicts"] == ["duplicate", "rejected", "duplicate"]  # blank lines are no rows
    assert said["refusals"] == {"row": [1], "reason": ["broken line"]}
    assert rows(conn, "SELECT value FROM observation") == [(2.0,)]


def test_a_reading_from_ahead_of_the_clock_is_told_so(conn: Connection, client: httpx.Client) -> None:
    world.settle_world(conn, [("A", "pm25")], 60)
    late = timedelta(days=3650) / MINUTE
    said = post(client, body(line("A", "pm25", late, 1.0), line("A", "pm25", 0, 1.0)), "?rows=1").json()
    assert said["verdicts"] == ["rejected", "new"]
    assert json.dumps(said["refusals"]) == '{"row": [0], "reason": ["ahead of the clock"]}'
