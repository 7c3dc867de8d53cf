"""The `greenwatch` command."""

import signal
import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Annotated, Any

import psycopg
import typer
from typer.core import TyperGroup

from analytics.ingest import UnknownFormat, UnreadableSource
from analytics.spool import SpoolError
from analytics.store.errors import StoreError
from analytics.tables import TableError
from jobs import console
from jobs.database.errors import DatabaseError

#: Where each command stands: a module with `main` and `EXAMPLE`, or a Typer as MODULE:NAME; in the order of --help.
COMMANDS: Mapping[str, str] = {
    "database": "jobs.database.cli:app",
    "migrate": "jobs.migrate",
    "register": "jobs.register",
    "source": "jobs.source",
    "ingest": "jobs.ingest",
    "replay": "jobs.replay",
    "pull": "jobs.pull.cli",
    "settle": "jobs.settle",
    "relearn": "jobs.relearn",
    "watch": "jobs.watch",
    "alarms": "jobs.alarms:app",
    "forecast": "jobs.forecast",
    "outlook": "jobs.outlook",
    "irrigate": "jobs.irrigate",
    "evaluate": "jobs.evaluate:app",
    "export": "jobs.export",
    "hints": "jobs.hints.cli:app",
    "correct": "jobs.correct:app",
    "review": "jobs.review:app",
    "incidents": "jobs.incidents.cli:app",
    "person": "jobs.person:app",
    "keep": "jobs.keep:app",
    "doctor": "jobs.doctor",
    "key": "jobs.key:app",
    "rejects": "jobs.rejects:app",
    "backfill": "jobs.backfill.cli:app",
    "simulate": "jobs.simulate:app",
    "serve": "jobs.serve",
    "listen": "jobs.listen",
    "mqtt": "jobs.mqtt",
    "worker": "jobs.worker",
    "deadman": "jobs.deadman",
    "up": "jobs.up",
    "demo": "jobs.demo",
}


class Late(TyperGroup):
    """A group that imports a command when it is asked for: one of them needs little of what all of them need."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names of all."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of that name; None where there is none."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        found = import_module(module)
        if name:
            inner: typer.Typer = getattr(found, name)
        else:
            inner = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)
            inner.command(cmd_name, epilog=found.EXAMPLE, context_settings=CONTEXT)(found.main)
        command = typer.main.get_command(inner)
        command.name = cmd_name
        return command


CONTEXT = {"help_option_names": ["-h", "--help"]}
app = typer.Typer(
    cls=Late,
    help="Environmental time series of a city district: in, judged, assessed, watched, forecast.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings=CONTEXT,
)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(version("greenwatch"))
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    console.start_logging()


def main() -> None:
    """Runs the command line; what is not as asked ends in one clear line and exit code 1, never in a traceback."""
    signal.signal(signal.SIGINT, console.stop)
    signal.signal(signal.SIGTERM, console.stop)
    try:
        app()
    except (
        StoreError,
        DatabaseError,
        UnknownFormat,
        UnreadableSource,
        SpoolError,
        TableError,
        console.NotAsAsked,
    ) as problem:
        _fail(str(problem))
    except psycopg.errors.InsufficientPrivilege as problem:
        _fail(f"this user may not do that: {problem.diag.message_primary}. {problem.diag.message_hint or ''}".strip())
    except psycopg.OperationalError as problem:
        hint = f". {problem.diag.message_hint}" if problem.diag.message_hint else ""
        _fail(f"the database cannot be used: {str(problem).strip().splitlines()[0]}{hint}")
    except psycopg.ProgrammingError as problem:
        if isinstance(problem.sqlstate, str):  # the server says so: a mistake of ours, to be seen whole
            raise
        _fail(f"--dsn is no connection string: {str(problem).strip().splitlines()[0]}")
    except BrokenPipeError:
        sys.exit(console.NOT_AS_ASKED)
    except console.Stopped:
        _fail("stopped; what was committed is safe, run the command again to go on")


def _fail(message: str) -> None:
    console.people.print("greenwatch:", style="red", end=" ")
    console.people.print(message, markup=False, soft_wrap=True)
    sys.exit(console.NOT_AS_ASKED)


if __name__ == "__main__":
    main()
