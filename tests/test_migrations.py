"""Tables made and kept up to date: from nothing, twice, all or nothing, never edited, dated, with roles, in a wheel."""

import hashlib
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from datetime import datetime, timedelta
from pathlib import Path
from shutil import copytree
from threading import Thread
from typing import Any

import psycopg
import pytest
from psycopg import sql

from analytics import parameters, standards
from analytics.store import connection, files, migrations, register
from analytics.store.connection import Connection, Tier
from analytics.store.errors import EditedMigration, NewerStore, NotMigrated, NotPreloaded
from analytics.store.migrations import Step
from jobs import chain, console
from jobs import register as register_job
from tests import world
from tests.conftest import NOW
from tests.test_commands import greenwatch
from tests.test_kills import spare_server
from tests.world import HOUR, T0

REPOSITORY = Path(__file__).parents[1]
MIGRATIONS = REPOSITORY / "sql" / "migrations"
TABLES = standards.tables()
GIVEN = bool(os.environ.get("GREENWATCH_TEST_DSN"))

tiers = pytest.mark.parametrize("plain", [False, True], ids=["apache", "plain"])


@pytest.fixture
def empty(blank: str) -> Iterator[Connection]:
    """A connection to `blank`."""
    with closing(connection.connect(blank)) as opened:
        opened.execute("SET lock_timeout = '20s'")
        yield opened


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of sql/ that migrate reads instead: a test may add files and change them."""
    copied = copytree(REPOSITORY / "sql", tmp_path / "sql")
    monkeypatch.setattr(files, "sql", lambda folder: sorted((copied / folder).glob("*.sql")))
    return copied


def migrate(conn: Connection, now: datetime = NOW, tables: Any = TABLES, *, plain: bool = True) -> list[Step]:
    return list(migrations.migrate(conn, tables, now, plain=plain))


def one(conn: Connection, query: str, *given: object) -> Any:
    row = conn.execute(query, given).fetchone()
    assert row is not None
    return row[0]


def shape(conn: Connection) -> list[tuple[object, ...]]:
    """Tables, views and their columns of our schemas, rights included."""
    return conn.execute(
        """
        SELECT c.relnamespace::regnamespace::text, c.relname, c.relkind, c.relacl::text,
               a.attname, a.atttypid::regtype::text
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
        WHERE c.relnamespace::regnamespace::text IN ('public', 'report') ORDER BY 1, 2, a.attnum
        """
    ).fetchall()


# From nothing, twice, all or nothing


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
        assert tables == {"observation", "verdict", "average", "assessment", "score"}


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


# What has landed stays as it is


def sums_problems(folder: Path) -> list[str]:
    """What the list SHA256SUMS (the form of sha256sum) of `folder` and its files say differently; empty: nothing."""
    listed: dict[str, str] = {}
    sums = folder / "SHA256SUMS"
    if not sums.exists():
        return [f"{sums} is missing: cd {folder} && sha256sum *.sql > SHA256SUMS"]
    for line in sums.read_text(encoding="utf-8").splitlines():
        digest, _, name = line.partition("  ")
        listed[name.removeprefix("*")] = digest
    out = []
    for path in sorted(folder.glob("*.sql")):
        if path.name not in listed:
            out.append(f"{path.name} is not in SHA256SUMS: when it lands add its line (sha256sum {path.name})")
        elif listed[path.name] != hashlib.sha256(path.read_bytes()).hexdigest():
            out.append(f"{path.name} was edited after it landed: restore it and write a new migration")
    out += [f"{name} has landed and is gone: restore it" for name in listed if not (folder / name).exists()]
    return out


def test_no_migration_was_edited_after_landing() -> None:
    """The gate: every file of sql/migrations is what SHA256SUMS says, and every one is listed."""
    problems = sums_problems(MIGRATIONS)
    assert not problems, "\n".join(problems)


def write_sums(folder: Path) -> None:
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in folder.glob("*.sql")]
    (folder / "SHA256SUMS").write_text("".join(sorted(lines)))


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


# Package tables are dated


def with_limit(most: float) -> dict[str, Any]:
    """The package tables with another highest good value of PM2.5."""
    content: Any = TABLES["parameters"]
    quality = {**content["pm25"]["quality"], "gross_range": {**content["pm25"]["quality"]["gross_range"]}}
    quality["gross_range"]["suspect"] = [0, most]
    return {**TABLES, "parameters": {**content, "pm25": {**content["pm25"], "quality": quality}}}


def suspects(conn: Connection) -> list[float]:
    """Hours after T0 of the readings with the bit of gross_range."""
    rows = conn.execute(
        "SELECT extract(epoch FROM time - %s)::float8 / 3600 FROM verdict WHERE tests & 1 = 1 ORDER BY time", [T0]
    )
    return [float(str(row[0])) for row in rows]


@pytest.mark.parametrize("dsn", ["apache", "plain"], indirect=True)
def test_a_changed_table_holds_from_then_on_by_the_time_of_the_observation(conn: Connection) -> None:
    series = world.settle_world(conn, [("A", "pm25")])[0]
    # 45 and 55 in turn: never flat, never a spike, above 40 and below 500
    world.send(conn, [(series, float(hour), 45.0 + 10 * (hour % 2), 0, None) for hour in range(5)])
    world.settle(conn)
    assert suspects(conn) == []

    change = T0 + 6 * HOUR
    assert migrate(conn, change, with_limit(40)) == [Step("edition", "parameters")]
    assert migrate(conn, change + HOUR, with_limit(40)) == []
    world.send(conn, [(series, float(hour), 45.0 + 10 * (hour % 2), 0, None) for hour in range(6, 12)])
    world.settle(conn)
    assert suspects(conn) == [6, 7, 8, 9, 10, 11]
    # What comes late or is corrected is judged by its own time too, before the change and after it.
    world.send(conn, [(series, hour, 52.0, 1, None) for hour in (2.0, 5.0, 8.0)])
    world.settle(conn)
    assert suspects(conn) == [6, 7, 8, 9, 10, 11]
    assert [rule.since for rule in chain.load_rules(conn)] == [None, change]
    editions = [number for number, _, _ in migrations.editions(conn, "parameters")]
    judged = "SELECT lower(during) >= %s FROM judged WHERE stage = 1 AND rules = %s"
    assert [one(conn, judged, change, number) for number in editions] == [False, True]


def test_what_an_older_edition_never_named_holds_for_the_time_before(empty: Connection) -> None:
    """A store made before water and rated levels were known: what is backfilled into its past is judged by them."""
    rated = {"ld", "ln", "ldn", "lden", "cnel"}
    averagings: Any = TABLES["averagings"]
    known: Any = {name: row for name, row in TABLES["parameters"].items() if name != "nh3n"}  # type: ignore[union-attr]
    kept = [name for name in known["laeq"]["averagings"] if name not in rated]
    adoptions: Any = TABLES["standards/adoptions"]
    old = {
        **TABLES,
        "parameters": {**known, "laeq": {**known["laeq"], "averagings": kept}},
        "averagings": {name: row for name, row in averagings.items() if name not in rated},
        "standards/adoptions": [row for row in adoptions if row["standard"].startswith(("HJ 633", "GB 3095"))],
    }
    list(migrations.migrate(empty, old, T0 - HOUR))
    list(migrations.migrate(empty, TABLES, T0 + 100 * HOUR))
    water, level, air = world.settle_world(empty, [("A", "nh3n"), ("A", "laeq"), ("A", "pm25")])
    empty.execute("INSERT INTO membership (station, kind, place) SELECT id, 'noise_zone', '2' FROM station")
    for series, value in ((water, 1.2), (level, 61.0), (air, 50.0)):
        world.send(empty, [(series, float(hour), value + 0.1 * (hour % 2), 0, None) for hour in range(48)])
    world.settle(empty)
    rows = empty.execute(
        "SELECT DISTINCT d.name, a.class FROM assessment a JOIN term d ON d.id = a.standard WHERE d.name LIKE 'GB 3%'"
    ).fetchall()
    assert sorted(rows) == [("GB 3096-2008", 2), ("GB 3838-2002", 4)]


def test_a_table_that_goes_back_is_in_force_again(conn: Connection) -> None:
    """A limit is lowered for a while and then taken back: three periods, not two."""
    series = world.settle_world(conn, [("A", "pm25")])[0]
    assert migrate(conn, T0 + 6 * HOUR, with_limit(40)) == [Step("edition", "parameters")]
    assert migrate(conn, T0 + 12 * HOUR, TABLES) == [Step("edition", "parameters")]
    world.send(conn, [(series, float(hour), 45.0 + 10 * (hour % 2), 0, None) for hour in range(18)])
    world.settle(conn)
    assert suspects(conn) == [6, 7, 8, 9, 10, 11]


def test_an_edition_of_a_past_time_is_what_was_known_then(conn: Connection) -> None:
    migrate(conn, NOW + HOUR, with_limit(40))
    assert len(migrations.editions(conn, "parameters")) == 2
    assert len(migrations.editions(conn, "parameters", NOW)) == 1
    assert len(migrations.editions(conn, "parameters", NOW - timedelta(days=9999))) == 1
    assert migrations.editions(conn, "parameters")[0][2] == TABLES["parameters"]


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


# Roles


def allowed(conn: Connection, statements: Iterable[str]) -> list[str]:
    """Those of `statements` that PostgreSQL does not refuse for want of a right; each is undone."""
    out = []
    for statement in statements:
        try:
            with conn.transaction(force_rollback=True):
                conn.execute(statement)
        except psycopg.errors.InsufficientPrivilege:
            continue
        out.append(statement)
    return out


def names(conn: Connection, kinds: str, schema: str) -> list[str]:
    rows = conn.execute(
        "SELECT relname FROM pg_class WHERE relkind::text = ANY(%s) AND relnamespace::regnamespace::text = %s",
        [list(kinds), schema],
    ).fetchall()
    return sorted(str(row[0]) for row in rows)


@pytest.fixture
def filled(conn: Connection) -> Connection:
    """A store with rows in every table of the chain, a corrected reading and a corrected assessment among them."""
    series = world.settle_world(conn, [("A", "pm25"), ("A", "o3")])
    world.send(conn, [(s, float(hour), 30.0 + hour % 2, 0, None) for s in series for hour in range(24)])
    world.send(conn, [(series[0], 30.0, 9999.0, 0, None)])
    world.settle(conn)
    world.send(conn, [(series[0], 5.0, 80.0, 1, None)])
    world.settle(conn)
    return conn


@pytest.mark.parametrize("dsn", ["apache", "plain"], indirect=True)
def test_the_reader_sees_the_report_and_nothing_else(filled: Connection) -> None:
    conn = filled
    tables, views = names(conn, "rp", "public"), names(conn, "v", "report")
    assert {"observation", "edition", "migration", "reject"} <= set(tables)
    filled_too = {"station", "latest", "observation", "average", "assessment"}
    assert filled_too <= set(views)
    conn.execute("SET ROLE greenwatch_reader")
    for view in views:
        count = one(conn, f"SELECT count(*) FROM report.{view}")
        assert count > 0 or view not in filled_too
    assert allowed(conn, (f"SELECT FROM public.{table}" for table in tables)) == []
    for right in ("INSERT", "UPDATE", "DELETE", "TRUNCATE"):
        assert not any(one(conn, "SELECT has_table_privilege(%s, %s)", f"report.{view}", right) for view in views)
    statements = (
        "DROP VIEW report.latest",
        "CREATE VIEW report.mine AS SELECT 1",
        "CREATE TABLE public.mine (a int)",
        "SELECT nextval('batch_id')",
    )
    assert allowed(conn, statements) == []


@pytest.mark.parametrize("dsn", ["apache", "plain"], indirect=True)
def test_the_writer_runs_the_chain_and_ends_in_the_same_tables(conn: Connection) -> None:
    def story() -> None:
        series = world.settle_world(conn, [("A", "pm25"), ("A", "o3")])
        for start in range(0, 24 * 60, 240):  # sixty days: chunks are made on the way
            rows = [(s, float(hour), 30.0 + hour % 7, 0, None) for s in series for hour in range(start, start + 240)]
            world.send(conn, rows)
        world.settle(conn)
        world.send(conn, [(series[0], 5.0, 80.0, 1, None), (series[1], 700.0, 900.0, 2, None)])
        world.settle(conn, 1000)

    story()
    expected = world.picture(conn)
    world.empty(conn)
    conn.execute("SET ROLE greenwatch_writer")
    story()
    assert world.picture(conn) == expected
    assert one(conn, "SELECT count(*) FROM observation_history") == 2
    assert one(conn, "SELECT count(*) FROM assessment_history") > 0


def test_the_writer_registers(conn: Connection) -> None:
    conn.execute("SET ROLE greenwatch_writer")
    text = (
        '[[source]]\nname = "field"\npriority = 5\n[[station]]\ncode = "W"\n[[station.series]]\nparameter = "pm25"\n'
        '[station.membership]\ndistrict = "D"\n'
    )
    known = parameters.load()
    draft = register.read(text.encode(), "site.toml", known, register.standards_in(TABLES))
    register_job.write(conn, draft)
    assert one(conn, "SELECT count(*) FROM series") == 1


@pytest.mark.parametrize("dsn", ["apache", "plain"], indirect=True)
def test_the_writer_can_neither_change_tables_nor_what_is_known(filled: Connection) -> None:
    conn = filled
    conn.execute("SET ROLE greenwatch_writer")
    statements = (
        "DROP TABLE stale",
        "DROP TABLE observation",
        "ALTER TABLE observation ADD COLUMN note text",
        "ALTER TABLE stale DROP COLUMN due",
        "CREATE INDEX ON observation (value)",
        "CREATE TABLE public.mine (a int)",
        "DROP VIEW report.latest",
        "CREATE OR REPLACE VIEW report.stale AS SELECT 1::int2 AS stage",
        "TRUNCATE observation",
        "DELETE FROM batch",
        "UPDATE batch SET known = known - interval '1 day'",
        "DELETE FROM observation_history",
        "UPDATE observation_history SET value = 0",
        "TRUNCATE observation_history",
        "DELETE FROM assessment_history",
        "UPDATE assessment_history SET index = 0",
        "UPDATE observation SET value = 0",
        "DELETE FROM edition",
        "UPDATE edition SET valid_from = now()",
        "DELETE FROM series",
        "INSERT INTO migration VALUES (999, 'x', 'x', now())",
        "DELETE FROM migration",
        "UPDATE view_file SET sha256 = ''",
    )
    assert allowed(conn, statements) == []


def test_a_migrate_by_somebody_who_may_not_make_roles_says_what_to_ask_for(blank: str, empty: Connection) -> None:
    """Roles belong to the server: here they are there already, and that is enough for an owner without rights."""
    migrate(empty)  # the roles exist from now on
    owner = f"gw_owner_{os.urandom(4).hex()}"
    database = one(empty, "SELECT current_database()")
    with closing(psycopg.connect(blank, autocommit=True)) as admin:
        admin.execute("DROP SCHEMA report CASCADE; DROP SCHEMA public CASCADE")
        admin.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(owner)))
        try:
            admin.execute(
                sql.SQL("ALTER DATABASE {} OWNER TO {}").format(sql.Identifier(database), sql.Identifier(owner))
            )
            admin.execute(sql.SQL("CREATE SCHEMA public AUTHORIZATION {}").format(sql.Identifier(owner)))
            empty.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(owner)))
            assert len(migrate(empty)) > len(list(MIGRATIONS.glob("*.sql")))
            series = world.settle_world(empty, [("A", "pm25")])[0]
            assert world.send(empty, [(series, 0.0, 10.0, 0, None)]).new == 1
            world.settle(empty)
        finally:
            empty.execute("RESET ROLE")
            with suppress(psycopg.Error):
                admin.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(sql.Identifier(owner)))
            admin.execute(sql.SQL("ALTER DATABASE {} OWNER TO CURRENT_USER").format(sql.Identifier(database)))
            admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(owner)))


# The command, and the wheel


def test_the_command_migrates_and_says_what_it_did(blank: str) -> None:
    done = [greenwatch("migrate", "--dsn", blank, *more) for more in (["--plan"], [], ["--plan"], [])]
    count = len(list(MIGRATIONS.glob("*.sql")))
    assert [run.code for run in done] == [0, 0, 0, 0]
    assert [run.out.count("migration ") for run in done] == [count, 0, 0, 0]
    assert done[1].err.count("migration ") == count
    assert "up to date: PostgreSQL" in done[3].err


def test_the_sql_and_the_tables_travel_in_the_wheel(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "dist")],
        cwd=REPOSITORY,
        capture_output=True,
        check=True,
    )
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "tree")
    tree = tmp_path / "tree"
    for folder in ("migrations", "views"):
        wanted = sorted(path.name for path in (REPOSITORY / "sql" / folder).glob("*.sql"))
        assert sorted(path.name for path in (tree / "analytics" / "sql" / folder).glob("*.sql")) == wanted
    wanted = sorted(str(p.relative_to(REPOSITORY)) for p in (REPOSITORY / "analytics" / "tables").rglob("*.[ct]*v*"))
    assert all((tree / path).exists() for path in wanted)
    assert not list(tree.rglob("test_*.py"))
    # Neither the checkout nor the venv's link to it is on the path: -I -S, and the libraries by hand.
    libraries = next(path for path in sys.path if path.endswith("site-packages"))
    program = f"""
import sys
sys.path[:0] = [{str(tree)!r}, {libraries!r}]
import analytics
from analytics import standards
from analytics.store import files
assert analytics.__file__.startswith({str(tree)!r}), analytics.__file__
assert all(str(path).startswith({str(tree)!r}) for path in files.sql("migrations") + files.sql("views"))
print(*(path.stem for path in files.sql("migrations")))
print(*sorted(standards.tables()))
print(standards.load().breakpoints.height)
import jobs.cli
"""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-W", "error", "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    stems, tables, points = done.stdout.splitlines()
    assert stems.split() == [path.stem for path in sorted(MIGRATIONS.glob("*.sql"))]
    assert tables.split() == sorted(TABLES)
    assert int(points) == standards.load().breakpoints.height


def test_the_clock_of_the_command_dates_the_editions(blank: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "now", lambda: NOW)
    with closing(connection.connect(blank)) as conn:
        migrate(conn, console.now())
        assert one(conn, "SELECT count(*) FROM edition WHERE valid_from = '-infinity' AND known = %s", NOW) == len(
            TABLES
        )
