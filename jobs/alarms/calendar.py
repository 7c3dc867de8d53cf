"""`greenwatch alarms calendar`: planned events, while which nobody is told anew of what they cover."""

import json
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

import polars as pl
import typer
from rich.table import Table

from analytics import episodes
from analytics.frames import TIME
from analytics.store import ledger, migrations, planned, registry
from analytics.store.connection import Connection
from analytics.texts import text
from jobs import chain, console, targets

app = typer.Typer(
    help="Planned events: while one goes on, nobody is told anew of what it covers, and nothing of it escalates. What "
    "is on stays on, and is told of when the event is over, if it then still holds. Rows are added, never changed.",
    no_args_is_help=True,
)
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be entered, change nothing.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print as JSON.")]


class Scope(StrEnum):
    """What a planned event covers."""

    all = "all"
    station = "station"
    district = "district"
    source = "source"
    parameter = "parameter"


@app.command(
    epilog="Example: greenwatch alarms calendar add station ST01 --from 2026-05-01T08:00+08:00 "
    "--to 2026-05-01T12:00+08:00 --author Wang --reason 'span gas' --dry-run"
)
def add(
    scope: Annotated[Scope, typer.Argument(metavar="SCOPE", help="all, station, district, source or parameter.")],
    start: targets.From,
    stop: targets.To,
    author: targets.Author,
    reason: targets.Reason,
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="Its code or name; none of `all`.")] = "",
    kind: Annotated[
        str, typer.Option(help="What it is, as `fireworks`: rules of episodes that go with it hold then.")
    ] = "",
    dry_run: DryRun = False,
    as_json: AsJson = False,
    dsn: console.Dsn = None,
) -> None:
    """Enter an event that is planned, or that goes on since a while."""
    first, last = targets.period(start, stop)
    who, why = targets.words(author, "--author"), targets.words(reason, "--reason")
    now = console.now()
    if last <= now:
        raise typer.BadParameter(f"{stop} is over: nobody can be told of the past", param_hint="--to")
    with console.store(dsn) as conn:
        if not planned.known(conn, scope.value, name):
            raise typer.BadParameter(_unknown(scope.value, name), param_hint="NAME")
        if kind:
            _may_be(conn, kind, scope)
        with conn.transaction(force_rollback=dry_run):
            number = planned.add(conn, scope.value, name, first, last, who, why, now, kind)
            if kind and first < now:
                _mark(conn, first, now)
            row = planned.find(conn, number).row(0, named=True)
    _said([row], as_json=as_json, dry_run=dry_run)


def _may_be(conn: Connection, kind: str, scope: Scope) -> None:
    """Nothing, where a rule of episodes goes with that `kind`, and stations with the `scope`. Raises `BadParameter`."""
    rules = episodes.parse(migrations.editions(conn, episodes.TABLE)[-1][2]).values()
    kinds = sorted({rule.planned for rule in rules if rule.planned})
    if kind not in kinds:
        known = ", ".join(kinds) or "there is none"
        raise typer.BadParameter(f"no rule of episodes goes with {kind!r}: {known}", param_hint="--kind")
    if scope not in (Scope.all, Scope.station, Scope.district):
        raise typer.BadParameter(f"goes with all, station or district, not with {scope.value}", param_hint="--kind")


def _mark(conn: Connection, start: datetime, now: datetime) -> None:
    """Nothing; what is said of all stations since `start` is looked at again."""
    windows = registry.load_stations(conn).select(
        pl.col("station").alias("subject"), pl.lit(start, TIME).alias("start"), pl.lit(now, TIME).alias("stop")
    )
    ledger.mark(conn, chain.STAGES["detect"][0], windows, now)


def _unknown(scope: str, name: str) -> str:
    if scope == "all":
        return f"all is all: {name!r} says no more"
    return f"there is no {scope} {name!r}" if name else f"which {scope}? Its name is missing"


@app.command(epilog="Example: greenwatch alarms calendar end 7 --author Wang --reason 'done sooner'")
def end(
    number: Annotated[int, typer.Argument(metavar="NUMBER", help="As `list` shows it.")],
    author: targets.Author,
    reason: targets.Reason,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    dsn: console.Dsn = None,
) -> None:
    """End a planned event now, or one that has not begun before it begins; the row stays."""
    who, why = targets.words(author, "--author"), targets.words(reason, "--reason")
    now = console.now()
    with console.store(dsn) as conn, conn.transaction(force_rollback=dry_run):
        _may_end(conn, number, now)
        planned.end(conn, number, now, who, why, now)
        row = planned.find(conn, number).row(0, named=True)
    _said([row], as_json=as_json, dry_run=dry_run)


def _may_end(conn: Connection, number: int, now: datetime) -> None:
    """Nothing, where that event is there and goes on or will. Raises `console.NotAsAsked`."""
    found = planned.find(conn, number)
    if found.is_empty():
        raise console.NotAsAsked(f"there is no planned event {number}")
    row = found.row(0, named=True)
    if row["ended"] is not None:
        raise console.NotAsAsked(f"{row['ended_by']} ended {number} at {row['ended']:%Y-%m-%dT%H:%MZ}")
    if row["stop"] <= now:
        raise console.NotAsAsked(f"{number} was over at {row['stop']:%Y-%m-%dT%H:%MZ}")


@app.command("list", epilog="Example: greenwatch alarms calendar list --all")
def show(
    everything: Annotated[bool, typer.Option("--all", help="Also what is over.")] = False,
    as_json: AsJson = False,
    dsn: console.Dsn = None,
) -> None:
    """Show the planned events that go on or are ahead."""
    with console.store(dsn) as conn:
        since = datetime.min.replace(tzinfo=console.now().tzinfo) if everything else console.now()
        rows = planned.listed(conn, since).to_dicts()
    _said(rows, as_json=as_json)
    if not rows and not as_json:
        console.people.print("nothing is planned")


def _said(rows: list[dict[str, Any]], *, as_json: bool, dry_run: bool = False) -> None:
    if as_json:
        print(json.dumps(rows, default=lambda time: time.isoformat(), ensure_ascii=False))
        return
    table = Table(box=None, pad_edge=False)
    for column in (
        "planned",
        "scope",
        "name",
        "start",
        "stop",
        "author",
        "reason",
        "kind",
        "ended",
        "ended_by",
        "ended_for",
    ):
        table.add_column(text(f"planned_{column}", between=" · "), overflow="fold")
    for row in rows:
        number = "" if dry_run and row["ended"] is None else str(row["planned"])
        times = (f"{row[name]:%Y-%m-%dT%H:%MZ}" if row[name] else "" for name in ("start", "stop", "ended"))
        start, stop, ended = times
        words = [text(f"planned_scope_{row['scope']}", between=" · "), row["name"], start, stop]
        said = [row["author"], row["reason"], row["kind"], ended, row["ended_by"] or "", row["ended_for"] or ""]
        table.add_row(number, *words, *said)
    console.show(table)
    if dry_run:
        console.people.print("dry run, nothing was changed")
