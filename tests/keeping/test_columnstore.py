"""Old chunks packed by column: late rows come in, what stands on them is made again, the same as anywhere.

They need a server of TimescaleDB's community edition. Its licence lets nobody offer it as a service and Debian does not
carry it, so that no command of ours installs it: who has one names it in GREENWATCH_TEST_DSN. Without, these tests are
skipped by name; with a server of another edition they fail.
"""

import itertools
import os
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from analytics.store import columnstore, connection, derived, observations
from analytics.store.connection import Connection
from analytics.store.packing import copy
from jobs.keep import moves
from tests import world
from tests.conftest import NOW, Make
from tests.keeping import story
from tests.keeping.story import FIRST, LINE
from tests.world import HOUR, T0

pytestmark = pytest.mark.skipif(
    not os.environ.get("GREENWATCH_TEST_DSN"),
    reason="needs GREENWATCH_TEST_DSN, a server of TimescaleDB's community edition, which no command of ours installs",
)


@pytest.fixture
def packed(conn: Connection) -> Connection:
    """A store whose settled chunks are packed."""
    assert columnstore.can(conn), "GREENWATCH_TEST_DSN is no server of the community edition"
    story.tell(conn)
    for number, name in enumerate(columnstore.SEGMENTS):
        columnstore.set(conn, name, 14 + number, NOW + timedelta(days=3650))
        columnstore.set(conn, name, 14 + number, NOW + timedelta(days=3650))  # again changes nothing
    assert columnstore.settings(conn).rows() == sorted(
        (name, 14 + number) for number, name in enumerate(columnstore.SEGMENTS)
    )
    for name in ("observation", "verdict", "average", "assessment"):
        assert columnstore.pack(conn, name, T0 + timedelta(days=60)) > 0
        assert columnstore.pack(conn, name, T0 + timedelta(days=60)) == 0
    return conn


def test_late_and_corrected_rows_into_what_is_packed(packed: Connection, make_database: Make) -> None:
    """Bit for bit what a plain store makes of the same messages."""
    with closing(connection.connect(make_database("plain"))) as other:
        series = story.tell(other)
        story.learn(other, series)
        first = story.readings(series)
        late = [
            *((s, h + 0.5, v, 0, m) for s, h, v, _, m in first[::97]),  # new
            *((s, h, v + 3, 5, m) for s, h, v, _, m in first[::31]),  # outranks what is stored
            *((s, h, v + 9, -1, m) for s, h, v, _, m in first[::53]),  # loses
            *first[:600],  # said before
        ]
        counts = world.send(other, late)
        world.settle(other)
        expected = story.everything(other)
    assert world.send(packed, late) == counts
    world.settle(packed)
    found = story.everything(packed)
    assert {name: found[name] for name in expected if name != "history"} == {
        name: expected[name] for name in expected if name != "history"
    }
    assert [row[:5] for row in found["history"]] == [row[:5] for row in expected["history"]]


def test_only_what_is_packed_goes_by_key(packed: Connection) -> None:
    rows = pl.DataFrame({"series": [1, 1, 2], "time": [T0, T0 + HOUR, NOW]}, schema_overrides={"series": pl.Int32})
    rows = rows.with_columns(pl.col("time").cast(pl.Datetime("us", "UTC")))
    loose, old = columnstore.split(packed, "observation", rows)
    assert (loose.height, old.height) == (1, 2)
    statements = list(columnstore.by_key(old, observations.KEY))
    assert len(statements) == 1
    assert statements[0][1][0] == 1


def test_more_than_the_server_would_unpack(packed: Connection) -> None:
    """The server stops a transaction that unpacks many rows; ours says how many it needs."""
    packed.execute("SET timescaledb.max_tuples_decompressed_per_dml_transaction = 100")
    series = [int(str(row[0])) for row in packed.execute("SELECT id FROM series ORDER BY id")]
    changed = [(s, h, v + 3, 5, m) for s, h, v, _, m in story.readings(series)[::3]]
    assert world.send(packed, changed).replaced > 300
    world.settle(packed)
    assert packed.execute("SHOW timescaledb.max_tuples_decompressed_per_dml_transaction").fetchone() == ("100",)


def test_packed_pieces_are_archived_and_come_back(packed: Connection, tmp_path: Path) -> None:
    before = story.everything(packed)
    moves.run(packed, LINE, tmp_path, NOW)
    assert story.made(packed) == {name: before[name] for name in story.made(packed)}
    moves.restore(packed, FIRST, LINE, NOW)
    world.settle(packed)
    assert story.everything(packed) == before


def test_what_the_server_s_jobs_failed_at(packed: Connection) -> None:
    """With its table; but not what PostgreSQL 17.12 only says failed, and nothing of before."""
    assert columnstore.problems(packed, T0).is_empty()
    for code, at in (("40P01", NOW), ("24000", NOW), ("53100", T0)):
        packed.execute(
            """
            INSERT INTO _timescaledb_internal.bgw_job_stat_history (job_id, pid, execution_start, succeeded, data)
            SELECT job_id, 1, %s, false, jsonb_build_object('error_data', jsonb_build_object(
                'sqlerrcode', %s::text, 'message', 'deadlock detected'))
            FROM timescaledb_information.jobs WHERE hypertable_name = 'verdict'
            """,
            [at, code],
        )
    found = columnstore.problems(packed, NOW - HOUR)
    assert found.select("name", "time", "problem").rows() == [("verdict", NOW, "40P01 deadlock detected")]


def test_the_server_s_jobs_do_not_start_together(packed: Connection) -> None:
    starts = packed.execute(
        "SELECT initial_start FROM timescaledb_information.jobs WHERE proc_name LIKE 'policy_compress%' ORDER BY 1"
    ).fetchall()
    apart = [b[0] - a[0] for a, b in itertools.pairwise(starts)]  # type: ignore[operator]  # times
    assert apart == [columnstore.APART] * (len(columnstore.SEGMENTS) - 1)


def test_rows_that_come_into_a_packed_chunk_are_seen_by_who_asked_before(packed: Connection) -> None:
    """A prepared statement without parameters would keep the plan that reads the packed rows alone."""
    count = "SELECT count(*) FROM verdict"
    before = [packed.execute(count).fetchone() for _ in range(9)][-1]
    rows = derived.load(packed, derived.VERDICT, story.windows([1, 2, 3], T0, LINE).rename({"subject": "series"}))
    with packed.transaction():
        packed.execute("DELETE FROM verdict WHERE time < %s", [LINE])
        copy(packed, "verdict", rows)
    assert packed.execute(count).fetchone() == before
