"""`greenwatch ingest`: files into the store, every cell accounted for."""

import json
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from analytics import ingest as formats
from analytics.store.observations import Counts
from jobs import console
from jobs.intake import Intake, Order, named, readmit
from jobs.spread import spread
from jobs.steps import seconds

EXAMPLE = "Example: greenwatch ingest --register readings/*.csv.gz && greenwatch settle"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What is said of the files that are read, whoever reads them."""

    format: Annotated[
        str | None,
        typer.Option("--format", help=f"One of {', '.join(formats.FORMATS)}. Default: each file's own, by its head."),
    ] = None
    register: Annotated[
        bool, typer.Option("--register", help="Make unknown stations and series; else their rows wait as rejects.")
    ] = False
    source: Annotated[
        str | None,
        typer.Option("--source", help="Who says so; its priority settles disagreements. Default: the format."),
    ] = None
    revision: Annotated[
        datetime | None,
        typer.Option(
            "--revision",
            formats=["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M%z"],
            help="When the sender made these figures, with an offset; the later revision wins.",
        ),
    ] = None
    cadence: Annotated[
        str | None,
        typer.Option(
            "--cadence",
            help="Step between readings of the series, as 1m, 10m, 1h. Default: as the format says, else 1h.",
        ),
    ] = None

    def order(self) -> Order:
        """The same, as it is gone by. Raises `typer.BadParameter`."""
        if self.format is not None and self.format not in formats.FORMATS:
            known = ", ".join(formats.FORMATS)
            raise typer.BadParameter(f"no format {self.format!r}; there are {known}", param_hint="--format")
        return Order(
            format=self.format,
            register=self.register,
            source=self.source,
            revision=None if self.revision is None else int(self.revision.timestamp() * 1_000_000),
            cadence=None if self.cadence is None else seconds(self.cadence),
        )


@spread
def main(
    *,
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH...", help="Files: CSV, NDJSON or JSON (also .gz), Parquet, or zip.")
    ],
    sent: Sent,
    mapping: Annotated[
        Path | None,
        typer.Option(
            "--mapping",
            help="A file (TOML) that says what the columns of these files are; its words stand in "
            "analytics/tables/mappings/README.md. Its name is the format's.",
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Count what would become of each cell, undo it all; live series of the files wait meanwhile.",
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
    dsn: console.Dsn = None,
) -> None:
    """Read files into the store. Sending the same file again changes nothing; every cell is counted."""
    order = replace(sent.order(), dry_run=dry_run)
    mapped = None if mapping is None else _mapped(mapping, order)
    total, failed = Counts(), []
    rows: dict[str, Counts] = {}
    with console.store(dsn) as conn, conn.transaction(force_rollback=True) if dry_run else nullcontext():
        intake = Intake(conn, order)
        for path in paths:
            try:
                counts = intake.file(path, mapped)
            except (formats.UnknownFormat, formats.UnreadableSource, OSError) as problem:
                console.people.print(Text.assemble(("not read: ", "red"), str(problem)))
                failed.append(path)
                continue
            rows[named(path)] = counts
            total += counts
        # Whatever waits for a series that is there by now, be it made by this run, another, or one that was killed.
        came = readmit(conn, intake.parameters, trial=dry_run)
    if as_json:
        print(json.dumps(asdict(total)))
    else:
        console.show(_table(rows, total, dry_run=dry_run))
    if came.read:
        console.people.print(f"{came.read:,} readings that waited for their series are in")
    if intake.waiting and not order.register:
        console.people.print(
            f"{intake.waiting:,} cells wait as rejects: their series are not registered. Run again with --register, or "
            "register them with `greenwatch register FILE`"
        )
    if intake.held:
        console.people.print(
            f"{intake.held:,} cells wait as rejects: their period is approved (`greenwatch review`) or archived "
            "(`greenwatch keep restore` opens it)"
        )
    if failed:
        raise console.NotAsAsked(f"{len(failed)} of {len(paths)} files could not be read; the others are in")


def _mapped(path: Path, order: Order) -> formats.Mapped:
    """The mapping that a user wrote. Raises `typer.BadParameter`, `TableError`."""
    if order.format is not None:
        raise typer.BadParameter("a mapping is a format of its own: say one of them", param_hint="--mapping, --format")
    if path.stem in formats.FORMATS:
        raise typer.BadParameter(f"{path.stem!r} is a format there is: call the file otherwise", param_hint="--mapping")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise typer.BadParameter(f"{path} cannot be read: {problem}", param_hint="--mapping") from problem
    return formats.mapping(text, path.stem)


def _table(rows: Mapping[str, Counts], total: Counts, *, dry_run: bool) -> Table:
    table = Table(title="would become (dry run, nothing changed)" if dry_run else None, box=None, pad_edge=False)
    names = list(asdict(total))
    table.add_column("file", overflow="fold")
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    for file, counts in rows.items():
        table.add_row(file, *(f"{value:,}" for value in asdict(counts).values()))
    if len(rows) != 1:
        table.add_section()
        table.add_row("all", *(f"{value:,}" for value in asdict(total).values()), style="bold")
    return table
