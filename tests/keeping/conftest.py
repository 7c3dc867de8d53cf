"""A database in which the story is told, copied for each test: telling it takes seconds, a copy does not."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import closing

import psycopg
import pytest
from psycopg import conninfo, sql

from analytics.store import connection
from tests.conftest import Make
from tests.keeping import story


@pytest.fixture(scope="session")
def told(make_database: Make, server_dsn: str) -> Callable[[str], str]:
    """A function that gives the name of a database of a tier in which the story is told and learned from."""
    made: dict[str, str] = {}

    def tell(tier: str) -> str:
        if tier not in made:
            dsn = make_database(tier)
            with closing(connection.connect(dsn)) as conn:
                story.learn(conn, story.tell(conn))
            made[tier] = str(conninfo.conninfo_to_dict(dsn)["dbname"])
            with closing(psycopg.connect(server_dsn, autocommit=True)) as admin:
                # TimescaleDB's scheduler visits each database, and a template must have no visitors.
                admin.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(sql.Identifier(made[tier])))
                admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [made[tier]])
        return made[tier]

    return tell


@pytest.fixture(params=["apache"])
def dsn(request: pytest.FixtureRequest, told: Callable[[str], str], server_dsn: str) -> Iterator[str]:
    """The DSN of a database in which the story is told."""
    name, template = sql.Identifier(f"gw_{secrets.token_hex(6)}"), sql.Identifier(told(request.param))
    with closing(psycopg.connect(server_dsn, autocommit=True)) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(name, template))
        yield conninfo.make_conninfo(server_dsn, dbname=name.as_string().strip('"'))
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))
