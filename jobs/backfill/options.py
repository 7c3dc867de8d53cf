"""What `plan` and `run` are asked: the same."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from jobs.backfill.sources import Ask
from jobs.export.ask import instant
from jobs.ingest import Sent

Json = Annotated[bool, typer.Option("--json", help="Print as JSON.")]
Number = Annotated[
    int | None, typer.Argument(metavar="NUMBER", help="Which backfill. Default: the newest.", show_default=False)
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked(Sent):
    """What is to be read in: files, or another database."""

    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="PATH",
            help="Files and folders. Each worker must find them under the same path.",
            show_default=False,
        ),
    ] = None
    database: Annotated[
        str | None,
        typer.Option(
            "--database",
            metavar="DSN",
            help="Another Greenwatch database, which is only read: stations by code, series by channel. Its "
            "source is 'greenwatch', unless --source says another.",
        ),
    ] = None
    station: Annotated[
        list[str] | None, typer.Option("--station", help="Of the other database, this station; may be repeated.")
    ] = None
    start: Annotated[str | None, typer.Option("--from", help="Of the other database, from this time on.")] = None
    stop: Annotated[str | None, typer.Option("--to", help="Of the other database, before this time.")] = None

    def ask(self) -> Ask:
        """What was asked for. Raises `typer.BadParameter`."""
        if self.database is None and (self.station or self.start or self.stop):
            raise typer.BadParameter("--station, --from and --to say what of --database is read")
        return Ask(
            replace(self.order(), kind="backfill"),
            tuple(self.paths or ()),
            self.database or "",
            tuple(self.station or ()),
            instant(self.start, "--from"),
            instant(self.stop, "--to"),
        )
