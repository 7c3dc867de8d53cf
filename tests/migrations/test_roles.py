"""The reader sees the report, the writer runs the chain, and neither may do more."""

import os
from collections.abc import Iterable
from contextlib import closing, suppress

import psycopg
import pytest
from psycopg import sql

from analytics import parameters
from analytics.store import register
from analytics.store.connection import Connection
from jobs import register as register_job
from tests import world
from tests.migrations.schema import MIGRATIONS, TABLES, migrate, one


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
        admin.execute("DROP SCHEMA report CASCADE; DROP SCHEMA queue CASCADE; DROP SCHEMA public CASCADE")
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
