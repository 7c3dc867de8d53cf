"""`greenwatch migrate`: makes the tables, or brings them up to date."""

from collections.abc import Iterator
from typing import Annotated

import typer

from analytics import standards
from analytics.store import connection, migrations
from analytics.store.connection import Connection
from analytics.store.migrations import Step
from jobs import console
from jobs.backfill import queue

EXAMPLE = "Example: greenwatch database start && greenwatch migrate"


def migrate(conn: Connection, *, plain: bool = False) -> Iterator[Step]:
    """What was done, as it is done: our tables, those of the queue, the editions of the package tables."""
    yield from migrations.migrate(conn, standards.tables(), console.now(), plain=plain, libraries=[queue.guest()])


def main(
    dsn: console.Dsn = None,
    plain: Annotated[
        bool, typer.Option("--plain", help="Do without TimescaleDB even where the server offers it.")
    ] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Say what would run, change nothing.")] = False,
) -> None:
    """Make the tables, or bring them up to date. Safe to run again: what has run is skipped."""
    with console.store(dsn, tables=False) as conn:
        if plan:
            for name in migrations.pending(conn):
                console.out.print(f"migration {name}")
            return
        steps = 0
        for step in migrate(conn, plain=plain):
            console.people.print(f"{step.kind} {step.name}")
            steps += 1
        tier = connection.tier(conn)
    kind = f"TimescaleDB {tier.timescaledb}, {tier.name}" if tier.timescaledb else "without TimescaleDB"
    console.people.print(f"{'up to date' if not steps else 'done'}: PostgreSQL {tier.postgres}, {kind}")
