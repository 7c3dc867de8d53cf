"""`greenwatch backfill`: plan, run, status, cancel, diff."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import timedelta
from enum import StrEnum
from threading import Event, Thread
from typing import Annotated, Any

import polars as pl
import typer
from rich.table import Table

from analytics.store import backfills, guests, horizon
from analytics.store.connection import Connection
from jobs import console, worker
from jobs.backfill import diff as differences
from jobs.backfill import elsewhere, options, queue, sources, status
from jobs.backfill import plan as planning
from jobs.backfill.sources import Ask, Found
from jobs.backfill.status import Standing
from jobs.database.dsn import find_dsn
from jobs.intake import Order
from jobs.spread import spread

app = typer.Typer(
    help="Read years in behind live data: safely, by all workers, twice without harm. Nothing of it pages.",
    no_args_is_help=True,
)
#: Rows of each table of differences that people are shown.
SHOWN = 20


@app.command("plan", epilog="Example: greenwatch backfill plan archive/ --register")
@spread
def plan(
    asked: options.Asked,
    as_json: options.Json = False,
    dsn: console.Dsn = None,
) -> None:
    """Say what a run would read, change and make again, and how long that takes. Reads all of it, changes nothing."""
    ask = asked.ask()
    with console.store(dsn) as conn, console.progress("cells") as bar:
        task = bar.add_task("comparing", total=None)
        found = planning.plan(
            conn, ask, lambda done, of, cells: bar.update(task, completed=done, total=of, cells=cells)
        )
    if as_json:
        print(json.dumps(found.facts(), default=str))
        return
    _say_left_out(found.left_out)
    console.show(_planned(found))
    console.show(_reach(found))


def _planned(found: planning.Plan) -> Table:
    out = Table(box=None, pad_edge=False, show_header=False)
    out.add_row("chunks", f"{found.chunks:,}")
    out.add_row("cells", ", ".join(f"{value:,} {name}" for name, value in asdict(found.counts).items()))
    if found.waiting:
        out.add_row("", f"{found.waiting:,} would wait as rejects: their series are not registered (see --register)")
    if found.approved:
        out.add_row("", f"{found.approved:,} would wait as rejects: their period is approved (`greenwatch review`)")
    if found.closed_from and found.closed_to:
        days = f"--from {found.closed_from:%Y-%m-%d} --to {found.closed_to + timedelta(days=1):%Y-%m-%d}"
        out.add_row("", f"{found.closed:,} would wait as rejects: they are older than what is open for readings.")
        out.add_row("", f"Open their time before the run: `greenwatch keep restore {days} --days 30`")
    for words in found.broken[:SHOWN]:
        out.add_row("broken", f"{words}: a run would fail there")
    out.add_row("series", f"{found.series:,} would change")
    for name, seconds, measured in (
        ("reading", found.reading, found.measured),
        ("settling", found.settling, all(stage.measured for stage in found.stages if stage.rows)),
    ):
        how = "as measured here" if measured else "an assumption: nothing was measured here yet"
        out.add_row(name, f"about {timedelta(seconds=round(seconds))} of one worker, {how}")
    return out


def _reach(found: planning.Plan) -> Table:
    out = Table(title="made again, at most", title_justify="left", box=None, pad_edge=False)
    for name in ("stage", "windows", "hours", "rows read", "rows/s", "time"):
        out.add_column(name, justify="left" if name == "stage" else "right")
    for stage in found.stages:
        figures = (f"{stage.windows:,}", f"{stage.hours:,}", f"{stage.rows:,}", f"{stage.rate:,.0f}")
        out.add_row(stage.stage, *figures, str(timedelta(seconds=round(stage.seconds))))
    return out


@app.command("run", epilog="Example: greenwatch backfill run archive/ --register --wait")
@spread
def run(
    asked: options.Asked,
    resume: Annotated[
        int | None, typer.Option("--resume", metavar="NUMBER", help="Again what failed or was cancelled of this one.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Show how far it is until all of it is settled.")] = False,
    here: Annotated[
        bool,
        typer.Option("--here", help="Be a worker for it, too, until it is settled. Without, `worker` does it all."),
    ] = False,
    as_json: options.Json = False,
    dsn: console.Dsn = None,
) -> None:
    """Begin a backfill: workers take its chunks whenever live work leaves them time. Killed anywhere, it goes on."""
    ask = asked.ask()
    if resume is not None and ask != Ask(Order(kind="backfill")):
        raise typer.BadParameter("goes on with what was asked for then: say nothing else of it", param_hint="--resume")
    with console.store(dsn) as conn:
        guests.require(conn, queue.guest())
        number = _begin(conn, ask, here=here) if resume is None else _resume(conn, resume)
        if not here and not backfills.workers(conn, queue.DEAD):
            console.people.print("no worker is at work on it: start `greenwatch worker`, or add --here")
        now = _follow(conn, number, find_dsn(dsn) if here else None) if wait or here else None
    if now is None:
        print(json.dumps({"backfill": number}) if as_json else number)
        return
    _show(now, as_json=as_json)
    if now.state != "done":
        raise console.NotAsAsked(f"backfill {number} is not whole: `greenwatch backfill run --resume {number}` goes on")


def _begin(conn: Connection, ask: Ask, *, here: bool) -> int:
    """Number of a new backfill, all of whose chunks wait in the queue."""
    with console.progress("files") as bar:
        task = bar.add_task("looking", total=None)
        found = sources.find(conn, ask, lambda done, of: bar.update(task, completed=done, total=of))
    _say_left_out(found.left_out)
    if (line := horizon.load(conn).time) is not None:
        console.people.print(
            f"readings before {line:%Y-%m-%dT%H:%MZ} wait as rejects, but where `greenwatch keep restore` opened their"
            " time; `greenwatch backfill plan` counts them"
        )
    _password(ask, here=here)
    number = begin(conn, ask, found)
    console.people.print(  # before it is waited for: whoever stops that must know it
        f"backfill {number} is begun; `greenwatch backfill status {number}` says how far it is. Workers go on with it"
        " when this command is stopped"
    )
    return number


def begin(conn: Connection, ask: Ask, found: Found) -> int:
    """Number of a new backfill of the chunks `found`, which are in the queue as soon as it is there."""
    with conn.transaction():
        number = backfills.create(conn, ask.kept())
        chunks = backfills.add(conn, number, [(piece.place, piece.what, piece.size) for piece in found.pieces])
        backfills.queued(conn, queue.put(conn, chunks))
    return number


def _password(ask: Ask, *, here: bool) -> None:
    """Nothing; the password of another database is this process's, or its user is told where workers look for it."""
    if not ask.database or not (password := elsewhere.without_password(ask.database)[1]):
        return
    if here:
        os.environ[elsewhere.PASSWORD] = password
    else:
        console.people.print(
            f"the password is not kept: each worker needs it as {elsewhere.PASSWORD} in its environment or in ~/.pgpass"
        )


def _resume(conn: Connection, number: int) -> int:
    status.load(conn, number)
    with conn.transaction():
        chunks = backfills.revive(conn, number)
        backfills.queued(conn, queue.put(conn, chunks))
    console.people.print(f"{len(chunks):,} chunks of backfill {number} wait again")
    return number


def _follow(conn: Connection, number: int, dsn: str | None) -> Standing:
    """How it stands when all is settled; with `dsn`, this process is a worker meanwhile."""
    with console.progress("cells") as bar, _working(dsn) as ended:
        return status.follow(conn, number, bar, ended)


@contextmanager
def _working(dsn: str | None) -> Iterator[Event]:
    """An event that is set where the worker on `dsn`, which runs meanwhile, has ended by itself."""
    ended, stopping = Event(), Event()
    if dsn is None:
        yield ended
        return

    def work() -> None:
        try:
            worker.work(dsn, stopping)
        finally:
            ended.set()

    thread = Thread(target=work, name="worker")
    thread.start()
    try:
        yield ended
    finally:
        stopping.set()
        thread.join()


@app.command("status", epilog="Example: greenwatch backfill status --json")
def show(number: options.Number = None, as_json: options.Json = False, dsn: console.Dsn = None) -> None:
    """Say how far a backfill is, which chunks failed and why, and what is left to settle."""
    with console.store(dsn) as conn:
        now = status.standing(conn, status.load(conn, number)["backfill"].item(), console.now())
    _show(now, as_json=as_json)


def _show(now: Standing, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(asdict(now), default=str))
    else:
        console.show(status.table(now))


@app.command("cancel", epilog="Example: greenwatch backfill cancel 3")
def cancel(number: options.Number = None, as_json: options.Json = False, dsn: console.Dsn = None) -> None:
    """Save nothing more of a backfill. What is saved stays, is settled, and can be gone on with."""
    with console.store(dsn) as conn:
        number = status.load(conn, number)["backfill"].item()
        with conn.transaction():
            queue.withdraw(conn, backfills.cancel(conn, number))
        now = status.standing(conn, number, console.now())
    _show(now, as_json=as_json)
    on = f"what is read stays; `greenwatch backfill run --resume {number}` goes on"
    console.people.print(on if now.state == "cancelled" else "all of it is read: nothing was cancelled")


class Part(StrEnum):
    """What of a difference is printed as CSV."""

    days = "days"
    episodes = "episodes"
    ranks = "ranks"


@app.command("diff", epilog="Example: greenwatch backfill diff --csv days > days.csv")
def diff(
    number: options.Number = None,
    csv: Annotated[Part | None, typer.Option("--csv", help="Print this part, whole, as CSV.")] = None,
    as_json: options.Json = False,
    dsn: console.Dsn = None,
) -> None:
    """Compare what people see now with what they saw when a backfill was begun, at the times it reached."""
    with console.store(dsn) as conn:
        row = status.load(conn, number)
        found = differences.diff(conn, row["backfill"].item(), row["begun"].item())
        left = status.standing(conn, found.backfill, console.now())
    if not left.settled:
        console.people.print(f"not all of it is settled: {left.windows:,} windows are due, {left.state}")
    parts = {"days": found.days, "episodes": found.episodes, "ranks": found.ranks}
    if csv is not None:
        print(parts[csv.value].write_csv(datetime_format="%Y-%m-%dT%H:%M:%SZ"), end="")
    elif as_json:
        facts: dict[str, Any] = {
            "backfill": found.backfill,
            "begun": found.begun,
            "from": found.start,
            "to": found.stop,
        }
        print(json.dumps(facts | {name: part.to_dicts() for name, part in parts.items()}, default=str))
    else:
        for name, part in parts.items():
            _show_part(name, part)


def _show_part(name: str, part: pl.DataFrame) -> None:
    words = {"days": "days assessed otherwise", "episodes": "episodes", "ranks": "stations of another mean or rank"}
    more = f", the first {SHOWN}" if part.height > SHOWN else ""
    out = Table(title=f"{part.height:,} {words[name]}{more}", title_justify="left", box=None, pad_edge=False)
    for column, dtype in part.schema.items():
        out.add_column(column.replace("_", " "), justify="right" if dtype.is_numeric() else "left")
    for row in part.head(SHOWN).iter_rows():
        out.add_row(*("-" if cell is None else f"{cell:.2f}" if isinstance(cell, float) else str(cell) for cell in row))
    console.show(out)


def _say_left_out(names: list[str]) -> None:
    for name in names[:SHOWN]:
        console.people.print(f"left out: {name}", markup=False)
    if len(names) > SHOWN:
        console.people.print(f"and {len(names) - SHOWN:,} more files that no format knows")
