"""0012: what was settled when there was one pass is the first verdict and the final one, and nothing is stale."""

import shutil
from pathlib import Path

import pytest

from analytics.store.connection import Connection
from tests.conftest import NOW
from tests.migrations.schema import MIGRATIONS, migrate, one


@pytest.mark.parametrize("plain", [False, True], ids=["apache", "plain"])
def test_what_was_judged_is_judged_in_both_passes(empty: Connection, folders: Path, plain: bool) -> None:
    ours = folders / "migrations" / "0012_compare.sql"
    ours.unlink()
    migrate(empty, plain=plain)
    empty.execute("INSERT INTO verdict (time, series, tests, code) VALUES (%s, 7, 17, 4), (%s, 8, 2, 3)", [NOW, NOW])
    edition = one(empty, "SELECT min(id) FROM edition")
    empty.execute(
        "INSERT INTO judged (stage, subject, rules, during) VALUES (1, 7, %s, '{[2026-01-01, 2026-02-01)}')", [edition]
    )
    before = one(empty, "SELECT count(*) FROM stale")
    shutil.copy(MIGRATIONS / ours.name, ours)
    migrate(empty, plain=plain)
    rows = "SELECT array_agg((series, time, tests, code)::text ORDER BY series) FROM {}"
    assert one(empty, rows.format("first_verdict")) == one(empty, rows.format("verdict"))
    assert one(empty, "SELECT count(*) FROM first_verdict") == 2
    assert one(empty, "SELECT count(DISTINCT during) = 1 AND count(*) = 2 FROM judged WHERE stage IN (1, 2)")
    assert one(empty, "SELECT count(*) FROM stale WHERE stage IN (1, 2)") == before == 0
