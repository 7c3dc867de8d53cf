"""`greenwatch database`: the private TimescaleDB. stdout carries results only, everything else goes to stderr."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from jobs import console
from jobs.database import backup
from jobs.database.dsn import find_dsn
from jobs.database.errors import DatabaseError, NotRunning
from jobs.database.home import home
from jobs.database.provision import install
from jobs.database.server import DATABASE, Server

app = typer.Typer(
    name="database",
    help="A private PostgreSQL with TimescaleDB: no root, no container. GREENWATCH_HOME says where it is kept.",
    epilog="Exit codes: 0 done, 1 not as asked, 2 wrong usage.",
    no_args_is_help=True,
)


@contextmanager
def _reported() -> Iterator[Server]:
    """The server; an error becomes one message and exit code 1."""
    try:
        yield Server(home())
    except (DatabaseError, OSError) as error:
        typer.echo(f"database: {error}", err=True)
        raise typer.Exit(1) from None


@app.command(epilog='Example: psql "$(greenwatch database start)"')
def start() -> None:
    """Start the database, unpacking it first if needed, and print its DSN."""
    with _reported() as server:
        typer.echo(server.start())


@app.command(epilog="Example: greenwatch database stop")
def stop() -> None:
    """Stop the database. Its data stay."""
    with _reported() as server:
        was = server.running
        server.stop()
        server.say("stopped" if was else "it was not running")


@app.command(epilog="Example: greenwatch database status --json")
def status(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Print what is unpacked and what runs. Exit code 1 if it does not run."""
    with _reported() as server:
        found = server.status()
        if as_json:
            typer.echo(json.dumps(asdict(found)))
        else:
            for name, value in asdict(found).items():
                typer.echo(f"{name:<12} {_word(value)}".rstrip())
        if not found.running:
            raise typer.Exit(1)


@app.command(epilog='Example: psql "$(greenwatch database dsn)"')
def dsn() -> None:
    """Print the DSN of the running database. It holds no password."""
    with _reported() as server:
        if not server.running:
            raise NotRunning("run `greenwatch database start`")
        typer.echo(server.dsn())


@app.command(epilog="Example: greenwatch database clean --yes")
def clean(yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Stop the database and remove its data and programs."""
    with _reported() as server:
        doomed = server.removable()
        if not doomed:
            server.say(f"nothing to remove in {server.home}")
            return
        server.say("stops the server and removes, data included: " + ", ".join(map(str, doomed)))
        if not yes and not sys.stdin.isatty():
            server.say("nobody to ask: say --yes")
            raise typer.Exit(2)
        if not yes:
            typer.confirm("Remove all of it?", abort=True, err=True)
        server.clean()
        server.say("removed")


@app.command("backup", epilog="Example: greenwatch database backup /backups/2026-11-22.dump")
def back_up(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="File to make.")],
    dsn: Annotated[
        str | None, typer.Option("--dsn", help="Database. Default: as everywhere.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Write the whole store, as it is at one moment, into one file. Archives are files apart: back them up too."""
    with _reported() as server, console.progress("bytes") as bar:
        programs = install(server.programs.folder, server.say)
        task = bar.add_task("backing up", total=None)
        made = backup.backup(programs, find_dsn(dsn), file, lambda done: bar.update(task, completed=done))
        said = {"file": str(made.file), "bytes": made.bytes, "postgres": made.postgres, "timescaledb": made.timescaledb}
        typer.echo(json.dumps(said) if as_json else f"{made.bytes:,} bytes in {made.file}")


@app.command(epilog="Example: greenwatch database restore /backups/2026-11-22.dump --database drill")
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file that `backup` made.")],
    database: Annotated[
        str, typer.Option("--database", help="Database to make; it must not be there, or have no table.")
    ] = DATABASE,
    dsn: Annotated[
        str | None,
        typer.Option("--dsn", help="A server's administrator. Default: the private server.", show_default=False),
    ] = None,
) -> None:
    """Make a database from a backup, and print its DSN. Nothing that is there is changed."""
    with _reported() as server, console.progress("bytes") as bar:
        if dsn is None:
            server.start()
            dsn = server.dsn("postgres")
        programs = install(server.programs.folder, server.say)
        task = bar.add_task("restoring", total=None)
        typer.echo(backup.restore(programs, dsn, file, database, lambda done: bar.update(task, completed=done)))


def _word(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value or "-")
