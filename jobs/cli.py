"""The `greenwatch` command."""

import signal
import sys
from typing import Annotated

import psycopg
import typer

from analytics.ingest import UnknownFormat, UnreadableSource
from analytics.spool import SpoolError
from analytics.store.errors import StoreError
from analytics.tables import TableError
from jobs import (
    console,
    demo,
    doctor,
    export,
    forecast,
    ingest,
    irrigate,
    listen,
    migrate,
    mqtt,
    register,
    relearn,
    replay,
    serve,
    settle,
    source,
    up,
    watch,
    worker,
)
from jobs.backfill.cli import app as backfill
from jobs.correct import app as correct
from jobs.database.cli import app as database
from jobs.database.errors import DatabaseError
from jobs.keep import app as keep
from jobs.key import app as key
from jobs.pull import cli as pull
from jobs.rejects import app as rejects
from jobs.review import app as review
from jobs.simulate import app as simulate

app = typer.Typer(
    help="Environmental time series of a city district: in, judged, assessed, watched, forecast.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(database, name="database")
app.command("migrate", epilog=migrate.EXAMPLE)(migrate.main)
app.command("register", epilog=register.EXAMPLE)(register.main)
app.command("source", epilog=source.EXAMPLE)(source.main)
app.command("ingest", epilog=ingest.EXAMPLE)(ingest.main)
app.command("replay", epilog=replay.EXAMPLE)(replay.main)
app.command("pull", epilog=pull.EXAMPLE)(pull.main)
app.command("settle", epilog=settle.EXAMPLE)(settle.main)
app.command("relearn", epilog=relearn.EXAMPLE)(relearn.main)
app.command("watch", epilog=watch.EXAMPLE)(watch.main)
app.command("forecast", epilog=forecast.EXAMPLE)(forecast.main)
app.command("irrigate", epilog=irrigate.EXAMPLE)(irrigate.main)
app.command("export", epilog=export.EXAMPLE)(export.main)
app.add_typer(correct, name="correct")
app.add_typer(review, name="review")
app.add_typer(keep, name="keep")
app.command("doctor", epilog=doctor.EXAMPLE)(doctor.main)
app.add_typer(key, name="key")
app.add_typer(rejects, name="rejects")
app.add_typer(backfill, name="backfill")
app.add_typer(simulate, name="simulate")
app.command("serve", epilog=serve.EXAMPLE)(serve.main)
app.command("listen", epilog=listen.EXAMPLE)(listen.main)
app.command("mqtt", epilog=mqtt.EXAMPLE)(mqtt.main)
app.command("worker", epilog=worker.EXAMPLE)(worker.main)
app.command("up", epilog=up.EXAMPLE)(up.main)
app.command("demo", epilog=demo.EXAMPLE)(demo.main)


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
