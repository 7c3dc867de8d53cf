"""What every command shares: the database it talks to, words for people on stderr, exit codes."""

import getpass
import logging
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import structlog
import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from analytics.store import connection, migrations
from jobs.database.dsn import find_dsn

#: Exit codes: done; the data or the state is not as asked; the command was used wrongly.
DONE, NOT_AS_ASKED, WRONG_USAGE = 0, 1, 2

Dsn = Annotated[
    str | None,
    typer.Option(
        "--dsn",
        help="Database to use, as a libpq connection string. Default: PG* of the environment, the private database, "
        "a local PostgreSQL, in this order.",
        show_default=False,
    ),
]

#: People read stderr; stdout is for what was asked for. Brackets in what people wrote, as in a reason, are no markup.
people = Console(stderr=True, highlight=False, markup=False)
out = Console(highlight=False, markup=False)


def show(table: Table) -> None:
    """Prints `table`, without signs that a terminal obeys: notes in it are those of others. Into a pipe, which
    has no width, it is as wide as it needs."""
    for column in table.columns:
        column._cells = [printable(cell) if isinstance(cell, str) else cell for cell in column._cells]
    if not out.is_terminal:
        out.width = 200  # given to `print`, it would be bounded by what Rich takes for the terminal's
    out.print(table, crop=False)


def stamp(time: datetime | None) -> str | None:
    """A moment, as people read it."""
    return None if time is None else f"{time:%Y-%m-%d %H:%M:%S} UTC"


def rows(names: Sequence[str], found: Iterable[Iterable[object]]) -> None:
    """Prints the rows `found` under `names`; nothing is `-`, figures stand on the right."""
    listed = [list(row) for row in found]
    table = Table(box=None, pad_edge=False)
    for place, name in enumerate(names):
        cells = [row[place] for row in listed if row[place] is not None]
        figures = bool(cells) and all(isinstance(cell, int | float) for cell in cells)
        table.add_column(name, justify="right" if figures else "left", overflow="fold")
    for row in listed:
        table.add_row(*map(_cell, row))
    show(table)


def _cell(value: object) -> str:
    if isinstance(value, datetime):
        value = stamp(value)
    if isinstance(value, float):
        return f"{value:,.2f}" if value < 10 else f"{value:,.0f}"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "-" if value is None else str(value)


def program() -> str:
    """How this command is called here: by its name where it is on the path, else as it was called."""
    called = sys.argv[0]
    return called if Path(called).name == "greenwatch" and shutil.which("greenwatch") is None else "greenwatch"


class NotAsAsked(Exception):
    """The data or the state is not as asked."""


class Stopped(Exception):
    """Somebody stopped the command: Ctrl-C, or the machine going down."""


def stop(number: int, frame: FrameType | None) -> None:
    """Raises `Stopped`, wherever the program is: open transactions end undone. For `signal.signal`."""
    raise Stopped


def now() -> datetime:
    """The clock, read here and passed on."""
    return datetime.now(UTC)


def author() -> str:
    """Who gives the command: the user of this machine."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a number without a name, as in a container
        return f"user {os.getuid()}"


_JSON = structlog.processors.JSONRenderer(ensure_ascii=False)


def harmless(_: object, __: str, said: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """What is `said` without signs that a terminal obeys: names and words in it are those of strangers."""
    return {name: printable(value) if isinstance(value, str) else value for name, value in said.items()}


def printable(text: str) -> str:
    """`text` without signs that cannot be seen, but for ends of lines."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "\ufffd" for letter in text)


def start_logging() -> structlog.stdlib.BoundLogger:
    """The logger: lines for people where stderr is a terminal, JSON where it is not."""
    terminal = sys.stderr.isatty()
    level = getattr(logging, os.environ.get("GREENWATCH_LOG", "WARNING" if terminal else "INFO").upper(), logging.INFO)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *([harmless, structlog.dev.ConsoleRenderer()] if terminal else [_JSON]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    logger: structlog.stdlib.BoundLogger = structlog.get_logger()
    return logger


@contextmanager
def store(dsn: str | None, *, tables: bool = True) -> Iterator[connection.Connection]:
    """A connection to the store of `--dsn`, closed at the end. Raises what `connect` and `require` do."""
    conn = connection.connect(find_dsn(dsn))
    try:
        if tables:
            migrations.require(conn)
        yield conn
    finally:
        conn.close()


class Rate(ProgressColumn):
    """Units done a second."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self.unit = unit

    def render(self, task: Task) -> Text:
        """The rate of `task`, a dash before there is one."""
        speed = task.finished_speed or task.speed
        count = task.fields.get("cells", 0)
        if count and task.elapsed:
            return Text(f"{count / task.elapsed:,.0f} {self.unit}/s")
        return Text(f"{speed:,.0f} {self.unit}/s" if speed else f"- {self.unit}/s")


def progress(unit: str) -> Progress:
    """A progress bar with rate and time left on stderr; nothing where stderr is no terminal."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        Rate(unit),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=people,
        transient=True,
        disable=not sys.stderr.isatty(),
    )
