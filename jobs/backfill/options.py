"""What `plan` and `run` are asked: the same."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from analytics import ingest as formats
from jobs.backfill.sources import Ask
from jobs.export.ask import instant
from jobs.ingest import Order, seconds

Paths = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="PATH",
        help="Files and folders. Each worker must find them under the same path.",
        show_default=False,
    ),
]
Database = Annotated[
    str | None,
    typer.Option(
        "--database",
        metavar="DSN",
        help="Another Greenwatch database, which is only read: stations by code, series by channel.",
    ),
]
Stations = Annotated[
    list[str] | None, typer.Option("--station", help="Of the other database, this station; may be repeated.")
]
Start = Annotated[str | None, typer.Option("--from", help="Of the other database, from this time on.")]
Stop = Annotated[str | None, typer.Option("--to", help="Of the other database, before this time.")]
Format = Annotated[
    str | None,
    typer.Option("--format", help=f"One of {', '.join(formats.FORMATS)}. Default: each file's own, by its head."),
]
Register = Annotated[
    bool, typer.Option("--register", help="Make unknown stations and series; else their rows wait as rejects.")
]
Source = Annotated[
    str | None,
    typer.Option(
        "--source", help="Who says so; its priority settles disagreements. Default: the format, or 'greenwatch'."
    ),
]
Revision = Annotated[
    datetime | None,
    typer.Option(
        "--revision",
        formats=["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M%z"],
        help="When the sender made these figures, with an offset; the later revision wins.",
    ),
]
Cadence = Annotated[
    str | None,
    typer.Option("--cadence", help="Step between readings of the series, as 1m, 10m, 1h. Default: as the format says."),
]
Json = Annotated[bool, typer.Option("--json", help="Print as JSON.")]
Number = Annotated[
    int | None, typer.Argument(metavar="NUMBER", help="Which backfill. Default: the newest.", show_default=False)
]


def ask(
    paths: list[Path] | None,
    database: str | None,
    stations: list[str] | None,
    start: str | None,
    stop: str | None,
    format: str | None,
    register: bool,
    source: str | None,
    revision: datetime | None,
    cadence: str | None,
) -> Ask:
    """What was asked for. Raises `typer.BadParameter`."""
    if format is not None and format not in formats.FORMATS:
        raise typer.BadParameter(f"no format {format!r}; there are {', '.join(formats.FORMATS)}", param_hint="--format")
    if database is None and (stations or start or stop):
        raise typer.BadParameter("--station, --from and --to say what of --database is read")
    order = Order(
        format=format,
        register=register,
        source=source,
        revision=None if revision is None else int(revision.timestamp() * 1_000_000),
        cadence=None if cadence is None else seconds(cadence),
        kind="backfill",
    )
    return Ask(
        order,
        tuple(paths or ()),
        database or "",
        tuple(stations or ()),
        instant(start, "--from"),
        instant(stop, "--to"),
    )
