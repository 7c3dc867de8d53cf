"""What has landed stays as it is, and a store that does not fit is refused with a word of what to do."""

import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from shutil import copytree

import psycopg
import pytest

from analytics.store import connection, migrations
from analytics.store.connection import Connection, Tier
from analytics.store.errors import EditedMigration, NewerStore, NotMigrated, NotPreloaded
from tests.migrations.schema import MIGRATIONS, migrate, one, shape, sums_problems, write_sums
from tests.servers import spare_server


def test_no_migration_was_edited_after_landing() -> None:
    """The gate: every file of sql/migrations is what SHA256SUMS says, and every one is listed."""
    problems = sums_problems(MIGRATIONS)
    assert not problems, "\n".join(problems)


def edit(folder: Path) -> None:
    path = folder / "0003_ledger.sql"
    path.write_bytes(path.read_bytes() + b"\n")


def add(folder: Path) -> None:
    (folder / "0900_new.sql").write_text("SELECT 1;")


def lose(folder: Path) -> None:
    (folder / "0003_ledger.sql").unlink()


def unlist(folder: Path) -> None:
    (folder / "SHA256SUMS").unlink()


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (edit, "0003_ledger.sql was edited after it landed"),
        (add, "0900_new.sql is not in SHA256SUMS"),
        (lose, "0003_ledger.sql has landed and is gone"),
        (unlist, "is missing"),
    ],
)
def test_the_gate_sees_what_happened_to_a_migration(tmp_path: Path, harm: Callable[[Path], None], said: str) -> None:
    folder = copytree(MIGRATIONS, tmp_path / "migrations")
    write_sums(folder)
    assert sums_problems(folder) == []
    harm(folder)
    (problem,) = sums_problems(folder)
    assert said in problem


def test_the_list_is_what_sha256sum_writes_and_reads(tmp_path: Path) -> None:
    folder = copytree(MIGRATIONS, tmp_path / "migrations")
    done = subprocess.run("sha256sum *.sql > SHA256SUMS", shell=True, cwd=folder, check=True)
    assert done.returncode == 0
    assert sums_problems(folder) == []


def test_an_edited_migration_is_refused_by_name(empty: Connection, folders: Path) -> None:
    migrate(empty)
    path = folders / "migrations" / "0002_observation.sql"
    path.write_bytes(path.read_bytes() + b"\n")
    before = shape(empty)
    add(folders / "migrations")
    with pytest.raises(EditedMigration, match=r"0002_observation\.sql"):
        migrate(empty)
    assert shape(empty) == before
    assert one(empty, "SELECT max(number) FROM migration") < 900  # and nothing after it has run


def test_a_newer_store_is_refused(empty: Connection, folders: Path) -> None:
    (folders / "migrations" / "0900_tomorrow.sql").write_text("CREATE TABLE tomorrow (a int);")
    migrate(empty)
    (folders / "migrations" / "0900_tomorrow.sql").unlink()
    with pytest.raises(NewerStore, match=r"900.*install a newer greenwatch"):
        migrate(empty)


def test_a_store_without_tables_says_what_to_run(empty: Connection) -> None:
    with pytest.raises(NotMigrated, match="run `greenwatch migrate`"):
        migrations.require(empty)


def test_a_store_without_a_table_of_this_version_says_what_to_run(conn: Connection) -> None:
    with pytest.raises(NotMigrated, match=r"'of_tomorrow'.*run `greenwatch migrate`"):
        migrations.editions(conn, "of_tomorrow")


def test_an_extension_that_is_not_preloaded_is_refused() -> None:
    """A server of its own, once started without the library: a SELECT would still answer there."""
    with spare_server() as (server, dsn):
        with closing(psycopg.connect(dsn, autocommit=True)) as admin:
            migrate(admin)
            assert connection.tier(admin).name == "apache"
            admin.execute("ALTER SYSTEM SET shared_preload_libraries = 'plpgsql'")  # something else
        server.stop()
        dsn = server.start()
        with pytest.raises(NotPreloaded, match=r"shared_preload_libraries = 'timescaledb'.*restart"):
            connection.connect(dsn)
        with closing(psycopg.connect(dsn, autocommit=True)) as admin:  # where the extension is not, nothing is wrong
            admin.execute("CREATE DATABASE without TEMPLATE template0")
        with closing(connection.connect(server.dsn("without"))) as conn:
            assert connection.tier(conn) == Tier("plain", one(conn, "SHOW server_version"))
            migrate(conn, plain=False)
