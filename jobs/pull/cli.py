"""`greenwatch pull`: readings and forecasts of services, asked for now; and forecasts of the weather from files."""

import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from analytics.ingest import UnreadableSource, outlook
from analytics.store import pulls
from analytics.store.connection import Connection
from analytics.store.observations import Counts
from analytics.store.pulls import Pull
from jobs import console
from jobs.intake import Intake, Order
from jobs.pull.connectors import CONNECTORS
from jobs.pull.run import Pulled, Puller, each, forecasts

EXAMPLE = "Example: greenwatch pull calder --since 2026-05-01T00:00Z --dry-run"

#: Bytes of a file of forecasts: a million rows.
LARGEST = 64 * 1024 * 1024
_TIMES = ["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M%z"]


def main(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="A registered pull; without one, all that are due.")
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option("--since", formats=_TIMES, help="Ask for what is from then on, with an offset from UTC."),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            "--file",
            help="With NAME weather: forecasts from a file, not from a service. CSV of station, parameter, issued, "
            "time, value; or an answer in JSON as Open-Meteo gives it, with --station and --issued.",
        ),
    ] = None,
    station: Annotated[str | None, typer.Option("--station", help="Station of the forecasts of a JSON file.")] = None,
    issued: Annotated[
        datetime | None,
        typer.Option("--issued", formats=_TIMES, help="When they were made, with an offset from UTC."),
    ] = None,
    source: Annotated[str | None, typer.Option("--source", help="Who made the forecasts of a file.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Ask, say what would be saved, save nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was done as JSON.")] = False,
    dsn: console.Dsn = None,
) -> None:
    """Ask the services that are registered ([[pull]]) and save what they say. Asked again it changes nothing."""
    if since is not None and name is None:
        raise typer.BadParameter("of which pull? write its NAME", param_hint="--since")
    if file is None and (station or issued or source):
        raise typer.BadParameter("goes with --file", param_hint="--station, --issued, --source")
    if file is not None and (name != "weather" or since is not None):
        raise typer.BadParameter("goes with the NAME weather, and without --since", param_hint="--file")
    with console.store(dsn) as conn:
        if file is not None:
            done = [_file(conn, file, station, issued, source, dry_run=dry_run)]
        else:
            done = _ask(conn, name, since, dry_run=dry_run)
    if as_json:
        print(json.dumps([asdict(one) for one in done], default=str, ensure_ascii=False))
    else:
        console.show(_table(done, dry_run=dry_run))
    if failed := [f"{one.name}: {one.problem}" for one in done if one.problem]:
        raise console.NotAsAsked("\n".join(failed))


def _ask(conn: Connection, name: str | None, since: datetime | None, *, dry_run: bool) -> list[Pulled]:
    now = console.now()
    if since is not None and since >= now:
        raise typer.BadParameter("lies ahead", param_hint="--since")
    puller = Puller(conn)
    if name is None:
        return list(each(puller, now, dry_run=dry_run))
    there = {pull.name: pull for pull in pulls.load(conn)}
    if name not in there:
        known = ", ".join(sorted(there)) or "none yet: `greenwatch register` makes them"
        raise console.NotAsAsked(f"no pull {name!r}: there are {known}")
    if since is not None and _forecasts(there[name]):
        raise typer.BadParameter("a forecast of the past is none", param_hint="--since")
    return [puller.run(there[name], now, since=since, dry_run=dry_run)]


def _forecasts(pull: Pull) -> bool:
    return pull.connector in CONNECTORS and CONNECTORS[pull.connector].forecast


def _file(
    conn: Connection,
    file: Path,
    station: str | None,
    issued: datetime | None,
    source: str | None,
    *,
    dry_run: bool,
) -> Pulled:
    """What came of a file of forecasts: all of it, or nothing."""
    try:
        with file.open("rb") as stream:
            raw = stream.read(LARGEST + 1)
    except OSError as problem:
        raise console.NotAsAsked(f"{file} cannot be read: {problem.strerror}") from problem
    if len(raw) > LARGEST:
        raise console.NotAsAsked(f"{file} is larger than {LARGEST >> 20} MiB: cut it by its issue times")
    arrays = raw.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{")
    if arrays and (station is None or issued is None):
        raise typer.BadParameter(
            "a JSON of arrays says neither where nor when it was made: write both", param_hint="--station, --issued"
        )
    if not arrays and (station or issued):
        raise typer.BadParameter("the rows of a CSV say it themselves", param_hint="--station, --issued")
    counts, now = Counts(), console.now()
    intake = Intake(conn, Order(source=source or "weather-file", dry_run=dry_run))
    try:
        with conn.transaction(force_rollback=dry_run):
            if arrays and station is not None and issued is not None:
                groups = [(issued, outlook.arrays(raw, station))]
            else:
                groups = list(outlook.issues(raw))
            for moment, batch in groups:
                if moment > now:
                    raise UnreadableSource(f"it says that it was issued at {moment:%Y-%m-%d %H:%M} UTC, in the future")
                counts += forecasts(intake, batch, moment, "weather", str(file))
    except UnreadableSource as problem:
        raise console.NotAsAsked(f"{file}: {problem}; nothing of it was saved") from problem
    return Pulled("weather", counts)


def _table(done: list[Pulled], *, dry_run: bool) -> Table:
    table = Table(title="would become (dry run, nothing changed)" if dry_run else None, box=None, pad_edge=False)
    names = list(asdict(Counts()))
    for name in ("pull", "requests", *names):
        table.add_column(name, justify="left" if name == "pull" else "right", overflow="fold")
    for one in done:
        counts = asdict(one.counts)
        table.add_row(one.name, f"{one.requests:,}", *(f"{counts[name]:,}" for name in names))
    return table
