"""Tables and views made and kept up to date: from nothing, twice, all or nothing."""

import os
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from threading import Thread

import psycopg
import pytest

from analytics.store import connection, migrations
from analytics.store.connection import Connection
from analytics.store.errors import NotMigrated
from analytics.store.migrations import Step
from tests.conftest import NOW
from tests.migrations.schema import MIGRATIONS, REPOSITORY, TABLES, migrate, one, shape

GIVEN = bool(os.environ.get("GREENWATCH_TEST_DSN"))
tiers = pytest.mark.parametrize("plain", [False, True], ids=["apache", "plain"])


@tiers
def test_from_nothing_and_twice(empty: Connection, plain: bool) -> None:
    first = migrate(empty, plain=plain)
    names = [step.name for step in first if step.kind == "migration"]
    assert names == [path.stem for path in sorted(MIGRATIONS.glob("*.sql"))]
    assert {step.name for step in first if step.kind == "edition"} == set(TABLES)
    before = shape(empty)
    assert migrate(empty, NOW + timedelta(days=1), plain=plain) == []
    assert shape(empty) == before
    assert one(empty, "SELECT count(DISTINCT applied) FROM migration") == 1
    assert migrations.pending(empty) == []


def test_what_is_pending_is_said_before_it_runs(empty: Connection) -> None:
    assert migrations.pending(empty) == [path.stem for path in sorted(MIGRATIONS.glob("*.sql"))]
    assert shape(empty) == []


@tiers
def test_the_tier_is_detected(empty: Connection, plain: bool) -> None:
    before = connection.tier(empty)
    assert before.name == "plain"
    migrate(empty, plain=plain)
    after = connection.tier(empty)
    wide = not plain and before.installable
    assert (after.timescaledb is not None) is wide
    assert after.name in (("apache", "community") if wide else ("plain",))
    assert after.name == "apache" or GIVEN or plain
    assert after.postgres == one(empty, "SELECT current_setting('server_version')")
    if wide:
        tables = {row[0] for row in empty.execute("SELECT hypertable_name FROM timescaledb_information.hypertables")}
        assert tables == {
            "observation",
            "corrected",
            "first_verdict",
            "verdict",
            "average",
            "assessment",
            "score",
            "weather_forecast",
        }


def test_a_broken_migration_leaves_no_trace_and_those_before_it_stay(empty: Connection, folders: Path) -> None:
    broken = folders / "migrations" / "0900_broken.sql"
    broken.write_text(
        "CREATE TABLE half (a int); INSERT INTO half VALUES (1); SELECT 1 / 0; CREATE TABLE rest (a int);"
    )
    (folders / "migrations" / "0901_after.sql").write_text("CREATE TABLE after_all (a int);")
    with pytest.raises(psycopg.errors.DivisionByZero):
        migrate(empty)
    there = "SELECT to_regclass('half') IS NULL AND to_regclass('rest') IS NULL AND to_regclass('after_all') IS NULL"
    assert one(empty, there)
    assert one(empty, "SELECT count(*) FROM migration") == len(list(MIGRATIONS.glob("*.sql")))
    broken.write_text("CREATE TABLE half (a int);")
    steps = [step.name for step in migrate(empty) if step.kind == "migration"]
    assert steps == ["0900_broken", "0901_after"]


def test_a_broken_first_migration_leaves_no_table_of_it(empty: Connection, folders: Path) -> None:
    first = folders / "migrations" / "0001_registry.sql"
    first.write_text(first.read_text() + "\nSELECT nonsense FROM nowhere;\n")
    with pytest.raises(psycopg.errors.UndefinedTable):
        migrate(empty)
    assert one(empty, "SELECT to_regclass('station') IS NULL AND to_regclass('edition') IS NULL")
    with pytest.raises(NotMigrated):
        migrations.require(empty)


def test_a_failed_migrate_gives_its_lock_back(empty: Connection, blank: str, folders: Path) -> None:
    broken = folders / "migrations" / "0900_broken.sql"
    broken.write_text("SELECT 1 / 0")
    with pytest.raises(psycopg.errors.DivisionByZero):
        migrate(empty)
    broken.unlink()
    with closing(connection.connect(blank)) as other:
        other.execute("SET lock_timeout = '1s'")
        migrate(other)


def test_two_at_once_do_the_work_once(blank: str) -> None:
    done: list[list[Step]] = []
    failures: list[BaseException] = []

    def work() -> None:
        try:
            with closing(connection.connect(blank)) as own:
                done.append(migrate(own, plain=False))
        except BaseException as problem:
            failures.append(problem)

    threads = [Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failures
    everything = [step for steps in done for step in steps]
    assert len(done) == 3
    assert len(everything) == len(set(everything)) == max(map(len, done))


# Views


def test_views_are_rebuilt_only_where_their_file_changed(empty: Connection, folders: Path) -> None:
    assert [step.name for step in migrate(empty) if step.kind == "view"] == [
        path.stem for path in sorted((REPOSITORY / "sql" / "views").glob("*.sql"))
    ]
    rebuilt = "SELECT array_agg(xmin::text ORDER BY oid) FROM pg_class WHERE relnamespace = 'report'::regnamespace"
    before = one(empty, rebuilt), one(empty, "SELECT sum(xmin::text::int8) FROM pg_rewrite")
    assert migrate(empty) == []
    assert (one(empty, rebuilt), one(empty, "SELECT sum(xmin::text::int8) FROM pg_rewrite")) == before
    (folders / "views" / "90_more.sql").write_text("CREATE OR REPLACE VIEW report.more AS SELECT 1 AS one;")
    assert migrate(empty) == [Step("view", "90_more")]
    assert (one(empty, rebuilt)[: len(before[0])]) == before[0]
    (folders / "views" / "90_more.sql").write_text("CREATE OR REPLACE VIEW report.more AS SELECT 1 AS one, 2 AS two;")
    assert migrate(empty) == [Step("view", "90_more")]
    assert one(empty, "SELECT two FROM report.more") == 2


def test_a_broken_file_of_views_leaves_the_old_view(empty: Connection, folders: Path) -> None:
    path = folders / "views" / "90_more.sql"
    path.write_text("CREATE VIEW report.more AS SELECT 1 AS one;")
    migrate(empty)
    path.write_text("DROP VIEW report.more; CREATE VIEW report.more AS SELECT 1 / 0 AS one FROM nowhere;")
    with pytest.raises(psycopg.errors.UndefinedTable):
        migrate(empty)
    assert one(empty, "SELECT one FROM report.more") == 1
