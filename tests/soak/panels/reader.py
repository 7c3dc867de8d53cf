"""A login as Grafana has one: a member of `greenwatch_reader` and of nothing else."""

import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg
from psycopg import conninfo, sql


@contextmanager
def reader(dsn: str, patience: int = 30) -> Iterator[str]:
    """The DSN of such a login at the database `dsn`, whose queries may take `patience` [s]; gone afterwards."""
    name, password = f"gw_reader_{secrets.token_hex(4)}", secrets.token_hex(8)
    with closing(psycopg.connect(dsn, autocommit=True)) as admin:
        create = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {} IN ROLE greenwatch_reader")
        admin.execute(create.format(sql.Identifier(name), sql.Literal(password)))
        options = f"-c statement_timeout={patience}s -c default_transaction_read_only=on"
        try:
            # A passfile would be asked before the password that is given here.
            yield conninfo.make_conninfo(dsn, user=name, password=password, options=options)
        finally:
            admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))
