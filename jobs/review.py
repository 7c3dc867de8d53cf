"""`greenwatch review`: how far somebody has looked through a period; what is approved takes no more changes."""

import json
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated

import polars as pl
import typer
from rich.table import Table

from analytics.store import horizon, knowledge, observations, priorities, rejects, reviews
from analytics.store.connection import Connection
from analytics.store.observations import Counts
from jobs import console, targets

app = typer.Typer(
    help="How far somebody has looked through a period: unreviewed, reviewed, approved. What is approved is locked.",
    no_args_is_help=True,
)
EXAMPLE = (
    "Example: greenwatch review set ST01 ph --as approved --from 2026-01-01T00:00+08:00 --to 2026-02-01T00:00+08:00 "
    "--author Wang --reason 'monthly check'"
)


class State(StrEnum):
    """How far a period was looked through."""

    unreviewed = "unreviewed"
    reviewed = "reviewed"
    approved = "approved"


@app.command("set", epilog=EXAMPLE)
def main(
    station: targets.Station,
    state: Annotated[State, typer.Option("--as", help="unreviewed, reviewed or approved.")],
    start: targets.From,
    stop: targets.To,
    author: targets.Author,
    reason: targets.Reason,
    channel: targets.Quantities = None,
    cadence: targets.Cadence = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would come in, change nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
    dsn: console.Dsn = None,
) -> None:
    """Set the state of a period; ending an approval lets in what was held back meanwhile."""
    first, last = targets.period(start, stop)
    who, why = targets.words(author, "--author"), targets.words(reason, "--reason")
    if state is State.approved and last > (now := console.now()):
        # It would lock out what is measured from now on.
        raise typer.BadParameter(
            f"{stop} is ahead: approve what was measured, up to {now:%Y-%m-%dT%H:%MZ} at most", param_hint="--to"
        )
    with console.store(dsn) as conn:
        ids = targets.Site.load(conn).all(station, channel, cadence)
        with conn.transaction(force_rollback=dry_run):
            came = enter(conn, ids, first, last, state.value, who, why, console.now())
    if as_json:
        print(json.dumps({"series": len(ids), "readings": came.read, "new": came.new, "replaced": came.replaced}))
        return
    be, there = ("would be", "would come in") if dry_run else ("are", "are in: run `greenwatch settle`")
    console.people.print(f"{len(ids)} series {be} {state.value} from {first.isoformat()} to {last.isoformat()}")
    if came.read:
        console.people.print(f"{came.read:,} readings that were held back {there}")
    if dry_run:
        console.people.print("dry run, nothing was changed")


def enter(
    conn: Connection,
    series: Sequence[int],
    start: datetime,
    stop: datetime,
    state: str,
    author: str,
    reason: str,
    now: datetime,
) -> Counts:
    """Counts of the readings that come in, since `series` are `state` from `start` to `stop` now."""
    with conn.transaction():
        # As savers begin: before any row is locked.
        knowledge.hold_priorities(conn)
        horizon.hold(conn)
        opened = reviews.enter(conn, series, start, stop, state, author, reason)
        # What was approved, or is now, is decided by the priorities of today; from now on those are its own.
        period = pl.DataFrame({"series": list(series)}, schema={"series": pl.Int32}).with_columns(
            start=start, stop=stop
        )
        decided = opened if state != "approved" else period
        if decided.height:
            priorities.again(conn, decided.select(opened.columns).cast(opened.schema), now)
        return observations.readmit(conn, rejects.APPROVED, opened, now) if opened.height else Counts()


@app.command("list", epilog="Example: greenwatch review list ST01")
def show(
    station: targets.Station,
    channel: targets.Quantities = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
    dsn: console.Dsn = None,
) -> None:
    """Show the states of the periods of a station; what is not named is unreviewed."""
    with console.store(dsn) as conn:
        rows = reviews.load(conn, targets.Site.load(conn).all(station, channel))
        named = {number: reviews.name(conn, number) for number in rows["series"].unique()}
    rows = rows.with_columns(series=pl.col("series").replace_strict(named, return_dtype=pl.String))
    if as_json:
        print(json.dumps(rows.to_dicts(), default=lambda time: time.isoformat(), ensure_ascii=False))
        return
    table = Table(box=None, pad_edge=False)
    for column in rows.columns:
        table.add_column(column, overflow="fold")
    for row in rows.iter_rows():
        table.add_row(*(f"{cell:%Y-%m-%dT%H:%MZ}" if isinstance(cell, datetime) else str(cell) for cell in row))
    console.show(table)
    if rows.is_empty():
        console.people.print("nothing of it was reviewed: `greenwatch review set`")
