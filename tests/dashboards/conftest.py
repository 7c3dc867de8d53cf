"""The seeded store, and Grafana's way to it."""

import secrets
from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest
from psycopg import conninfo, sql

from analytics.store.connection import Connection, connect
from tests.conftest import Make
from tests.dashboards.world import seed


@pytest.fixture(scope="session")
def seeded(make_database: Make) -> str:
    """The DSN of a database with all domains in it."""
    dsn = make_database("apache")
    with closing(connect(dsn)) as conn:
        seed(conn)
        conn.execute("ANALYZE")
    return dsn


@pytest.fixture(scope="session")
def reader(seeded: str) -> Iterator[str]:
    """The DSN of a login that is a member of `greenwatch_reader` and of nothing else."""
    name, password = f"gw_grafana_{secrets.token_hex(4)}", secrets.token_hex(8)
    with closing(psycopg.connect(seeded, autocommit=True)) as admin:
        admin.execute(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {} IN ROLE greenwatch_reader").format(
                sql.Identifier(name), sql.Literal(password)
            )
        )
        options = "-c statement_timeout=5s -c default_transaction_read_only=on"
        try:
            yield conninfo.make_conninfo(seeded, user=name, password=password, options=options)
        finally:
            admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def grafana(reader: str) -> Iterator[Connection]:
    """Grafana's connection."""
    with closing(psycopg.connect(reader, autocommit=True)) as opened:
        yield opened
