"""`greenwatch source`: who sends readings, and who is believed first where they disagree."""

import json
from dataclasses import asdict
from datetime import datetime
from typing import Annotated

import polars as pl
import typer

from analytics.store import priorities, register
from analytics.store.connection import Connection
from analytics.store.register import Effect, Plan, Registry
from jobs import chain, console
from jobs.register import said

EXAMPLE = "Example: greenwatch source laboratory --priority 9 --reason 'calibrated in May' --dry-run"


def main(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="A source; without one, all are shown.")] = None,
    priority: Annotated[
        int | None,
        typer.Option(
            min=-(2**31), max=2**31 - 1, help="What it has from now on; where sources disagree the greater wins."
        ),
    ] = None,
    reason: Annotated[str, typer.Option("--reason", help="Why, for those who ask later.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change, change nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
    dsn: console.Dsn = None,
) -> None:
    """Show sources, or change the priority of one: where they disagreed it is decided again, whatever came first."""
    if priority is not None and name is None:
        raise typer.BadParameter("whose? write the NAME of the source", param_hint="--priority")
    if priority is not None and not dry_run and not reason.strip():
        raise typer.BadParameter("say why: it is kept with the change", param_hint="--reason")
    with console.store(dsn) as conn:
        there = priorities.load(conn)
        if name is not None and name not in there["source"]:
            raise console.NotAsAsked(f"no source {name!r}: there are {', '.join(there['source']) or 'none yet'}")
        if name is None or priority is None:
            _show(there if name is None else priorities.changes(conn, name), as_json=as_json)
            return
        if dry_run:
            found = priorities.compare(conn, {name: priority})
            if as_json:
                print(json.dumps(asdict(found)))
            console.people.print(f"{said(found)}\ndry run, nothing was changed")
            return
        effect = change(conn, name, priority, reason, console.now())
    marks = effect.decide.height
    if as_json:
        print(json.dumps({"marks": marks}))
    hint = (
        f"{marks:,} series have readings to decide again: run `greenwatch settle`"
        if marks
        else "nothing to decide again"
    )
    console.people.print(hint)


def change(conn: Connection, name: str, priority: int, reason: str, now: datetime) -> Effect:
    """What was marked to be decided again, since the source `name` has another priority now."""
    with conn.transaction():
        register.lock(conn)
        plan = Plan({}, write=Registry(sources={name: priority}))
        effect = register.apply(conn, plan, console.author(), reason)
        chain.mark_registered(conn, effect, now)
    return effect


def _show(rows: pl.DataFrame, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(rows.to_dicts(), default=str, ensure_ascii=False))
        return
    console.rows(rows.columns, rows.iter_rows())
