"""`greenwatch keep`: how long rows are kept."""

import json
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress, TaskID
from rich.table import Table

from analytics.store import archive, columnstore, horizon, retention
from analytics.store.connection import Connection
from analytics.texts import text
from jobs import console
from jobs.export.ask import instant
from jobs.keep import daily, moves
from jobs.keep.plan import Plan, plan, policies

EXAMPLE = "Example: greenwatch keep plan --older-than 730d && greenwatch keep run --older-than 730d --to /archive"

app = typer.Typer(
    help="How long rows are kept: readings into an archive and back, old rows away.",
    epilog=EXAMPLE,
    no_args_is_help=True,
)

Before = Annotated[
    str | None, typer.Option("--before", help="Archive readings before this time: 2024-01-01T00:00+08:00.")
]
OlderThan = Annotated[str | None, typer.Option("--older-than", help="The same, as an age: 730d.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("plan", epilog="Example: greenwatch keep plan --older-than 730d")
def show_plan(
    before: Before = None, older_than: OlderThan = None, as_json: AsJson = False, dsn: console.Dsn = None
) -> None:
    """Say what would be archived and deleted, and what holds it back; change nothing."""
    with console.store(dsn) as conn:
        now = console.now()
        made = plan(conn, _wanted(conn, before, older_than, now), now)
        old = _old(conn, now)
    if as_json:
        print(json.dumps({**_said(made), "delete": old}, default=str))
        return
    _show(made)
    for name, count in old.items():
        console.people.print(f"{name}: {count:,} rows are older than this site keeps them")


@app.command("run", epilog="Example: greenwatch keep run --older-than 730d --to /archive")
def run_now(
    to: Annotated[Path | None, typer.Option("--to", help="Folder for the archives. Default: as set.")] = None,
    before: Before = None,
    older_than: OlderThan = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, change nothing.")] = False,
    as_json: AsJson = False,
    dsn: console.Dsn = None,
) -> None:
    """Archive readings: into Parquet files, read back, then away. Without a time, do all that this site has set.

    Readings before that time are refused from then on, until their period is restored. Killed, run it again.
    """
    if dry_run:
        show_plan(before, older_than, as_json, dsn)
        return
    with console.store(dsn) as conn:
        now = console.now()
        if before is None and older_than is None and to is None:
            kept = daily.run(conn, now)
            print(json.dumps(asdict(kept))) if as_json else _show_kept(kept)
            return
        folder = to or _folder(conn)
        with console.progress("rows") as bar:
            task = bar.add_task("archiving", total=None)
            done = moves.run(
                conn, _wanted(conn, before, older_than, now), folder, now, notice=lambda rows: _step(bar, task, rows)
            )
    if as_json:
        print(
            json.dumps({"pieces": done.pieces, "rows": done.rows, "bytes": done.bytes, **_said(done.plan)}, default=str)
        )
        return
    _holds(done.plan)
    console.out.print(f"{done.rows:,} readings in {done.pieces} pieces, {done.bytes:,} bytes, lie in {folder}")
    console.people.print(f"readings before {done.plan.line:%Y-%m-%dT%H:%MZ} are refused (`archived`) until restored")


@app.command("restore", epilog="Example: greenwatch keep restore --from 2023-05-01 --to 2023-06-01")
def restore(
    start: Annotated[str, typer.Option("--from", help="First day; a date is UTC.")],
    stop: Annotated[str, typer.Option("--to", help="End, itself not included.")],
    days: Annotated[int, typer.Option("--days", min=1, help="How many days it stays open for late readings.")] = 7,
    reason: Annotated[str, typer.Option("--reason", help="Why, kept with the period.")] = "",
    at: Annotated[Path | None, typer.Option("--at", help="Folder where the archives are now.")] = None,
    as_json: AsJson = False,
    dsn: console.Dsn = None,
) -> None:
    """Bring readings back from the archive; their period is open again for late and corrected ones."""
    first, last = instant(start, "--from"), instant(stop, "--to")
    assert first is not None
    assert last is not None
    if first >= last:
        raise typer.BadParameter("is not after --from", param_hint="--to")
    with console.store(dsn) as conn, console.progress("rows") as bar:
        task = bar.add_task("restoring", total=None)
        done = moves.restore(
            conn,
            first,
            last,
            console.now(),
            days=days,
            reason=reason,
            at=at,
            notice=lambda rows: _step(bar, task, rows),
        )
    if as_json:
        print(json.dumps(asdict(done), default=str))
        return
    console.out.print(f"{done.rows:,} rows of {done.pieces} pieces are back")
    if done.readmitted.read:
        console.people.print(f"{done.readmitted.read:,} readings that came too late then are in")
    console.people.print("run `greenwatch settle`: what was made of them is looked through again")


@app.command("close", epilog="Example: greenwatch keep close")
def close(dsn: console.Dsn = None) -> None:
    """Close the periods that a restore opened; the next run archives them again."""
    with console.store(dsn) as conn:
        found = moves.close(conn, console.now())
    console.out.print(f"{found.height} periods are closed")


@app.command("status", epilog="Example: greenwatch keep status --json")
def status(as_json: AsJson = False, dsn: console.Dsn = None) -> None:
    """Say where the line is, what is archived, and what is open again."""
    with console.store(dsn) as conn:
        line, pieces, opened = horizon.load(conn).time, archive.begun(conn), archive.opened(conn)
        kept = policies(conn)
        packed = columnstore.settings(conn) if columnstore.can(conn) else None
    if as_json:
        said: dict[str, Any] = {
            "line": line,
            "archived": [asdict(piece) for piece in pieces],
            "opened": opened.to_dicts(),
        }
        said["kept"] = {name: {"how": item.how, "days": item.days, "to": item.folder} for name, item in kept.items()}
        said["packed"] = None if packed is None else packed.to_dicts()
        print(json.dumps(said, default=str))
        return
    console.out.print("no reading is refused for its age" if line is None else f"line: {line:%Y-%m-%dT%H:%MZ}")
    console.show(_pieces(pieces))
    for row in opened.iter_rows(named=True):
        console.out.print(f"open until {row['until']:%Y-%m-%d}: {row['start']:%Y-%m-%d} to {row['stop']:%Y-%m-%d}")
    table = Table(box=None, pad_edge=False)
    for title in ("table", "", "days", "how", "to"):
        table.add_column(title, justify="right" if title == "days" else "left")
    for item in kept.values():
        table.add_row(item.name, item.title_zh, str(item.days or "-"), item.how, item.folder)
    console.show(table)


@app.command("set", epilog="Example: greenwatch keep set observation --days 730 --to /archive")
def set_days(
    name: Annotated[str, typer.Argument(metavar="TABLE", help="A table of `keep status`.")],
    days: Annotated[int, typer.Option("--days", min=0, help="Age from which rows go; 0: never.")],
    to: Annotated[Path | None, typer.Option("--to", help="Folder for archives, of observation.")] = None,
    dsn: console.Dsn = None,
) -> None:
    """Say how long this site keeps the rows of a table; the worker does it once a day."""
    with console.store(dsn) as conn:
        known = policies(conn)
        if name not in known or known[name].how not in ("archive", "delete"):
            able = ", ".join(item.name for item in known.values() if item.how in ("archive", "delete"))
            raise console.NotAsAsked(f"{name!r} is not kept for so many days; there are {able}")
        policy = known[name]
        if 0 < days < policy.least:
            raise console.NotAsAsked(f"{name} is needed for {policy.least} days at least")
        if policy.how == "archive" and days and (to is None or not to.is_dir()):
            raise console.NotAsAsked("name the folder of the archives with --to; it must be there")
        retention.set(conn, name, days, "" if to is None else str(to.absolute()), console.now())


@app.command("pack", epilog="Example: greenwatch keep pack")
def pack(
    off: Annotated[bool, typer.Option("--off", help="Pack nothing more; what is packed stays so.")] = False,
    dsn: console.Dsn = None,
) -> None:
    """Have the server pack old chunks by column: TimescaleDB's community edition only, a third of the disk or less."""
    with console.store(dsn) as conn:
        if not columnstore.can(conn):
            raise console.NotAsAsked("this server cannot: it takes TimescaleDB's community edition")
        if not archive.may_drop(conn):
            raise console.NotAsAsked("only the owner of the tables may: connect as the user who migrated")
        for policy in policies(conn).values():
            if policy.compress:
                columnstore.set(conn, policy.name, 0 if off else policy.compress, console.now())
        console.out.print(columnstore.settings(conn).rows())


def _wanted(conn: Connection, before: str | None, older_than: str | None, now: datetime) -> datetime:
    """Before which time readings are to go: as asked for, else as set. Raises `NotAsAsked`, `typer.BadParameter`."""
    if before is not None and older_than is not None:
        raise typer.BadParameter("say --before or --older-than, not both", param_hint="--before")
    if older_than is not None:
        return now - _age(older_than)
    if before is not None:
        wanted = instant(before, "--before")
        assert wanted is not None
        return wanted
    days = policies(conn)["observation"].days
    if not days:
        raise console.NotAsAsked("say how old with --older-than 730d, or `greenwatch keep set observation` first")
    return now - timedelta(days=days)


def _age(text: str) -> timedelta:
    """The days in `text`: 730d. Raises `typer.BadParameter`."""
    number = text.removesuffix("d")
    if not text.endswith("d") or not number.isdecimal() or not 0 < int(number) < 36_525:
        raise typer.BadParameter(f"{text!r} is no age: write 730d", param_hint="--older-than")
    return timedelta(days=int(number))


def _folder(conn: Connection) -> Path:
    folder = policies(conn)["observation"].folder
    if not folder:
        raise console.NotAsAsked("name the folder of the archives with --to")
    return Path(folder)


def _old(conn: Connection, now: datetime) -> dict[str, int]:
    """table -> rows that are older than this site keeps them."""
    found = {
        item.name: retention.old(conn, item.name, now - timedelta(days=item.days), now)
        for item in policies(conn).values()
        if item.how == "delete" and item.days
    }
    return {name: count for name, count in found.items() if count}


def _said(made: Plan) -> dict[str, Any]:
    return {
        "line": made.line,
        "was": made.was,
        "reach_days": made.reach.days,
        "wanted": made.wanted,
        "plan": [{"start": p.start, "stop": p.stop, "rows": p.rows, "bytes": p.bytes} for p in made.pieces],
        "going": [{"start": p.start, "stop": p.stop} for p in made.going],
        "holds": [asdict(hold) for hold in made.holds],
    }


def _show(made: Plan) -> None:
    console.show(_pieces([*made.going, *made.pieces]))
    rows, size = sum(piece.rows for piece in made.pieces), sum(piece.bytes for piece in made.pieces)
    console.out.print(f"{len(made.pieces)} pieces, {rows:,} readings, {size / 1e6:,.1f} MB in the database would go")
    console.out.print(f"readings before {made.line:%Y-%m-%dT%H:%MZ} would be refused until restored")
    _holds(made)


def _holds(made: Plan) -> None:
    for hold in made.holds:
        words = text(f"hold_{hold.why}", between=" · ")
        console.people.print(f"held back from {hold.start:%Y-%m-%dT%H:%MZ} on: {words} ({hold.count:,})", markup=False)
    console.people.print(f"the last {made.reach.days} days behind the line stay: what may change reads them")


def _pieces(pieces: list[archive.Piece]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("from", "to", "readings", "replaced", "MB", "state", "folder"):
        table.add_column(name, justify="right" if name in ("readings", "replaced", "MB") else "left")
    for piece in pieces:
        state = "away" if piece.cleared else "going" if piece.begun else "here"
        days = (f"{time:%Y-%m-%d}" for time in (piece.start, piece.stop))
        counts = (f"{piece.rows:,}", f"{piece.history:,}", f"{piece.bytes / 1e6:,.1f}")
        table.add_row(*days, *counts, state, piece.folder)
    return table


def _show_kept(kept: daily.Kept) -> None:
    for name, rows in kept.gone.items():
        console.out.print(f"{name}: {rows:,} rows are away")
    for name, why in kept.left.items():
        console.people.print(f"{name}: {why}")


def _step(bar: Progress, task: TaskID, rows: int) -> None:
    bar.update(task, advance=rows)
