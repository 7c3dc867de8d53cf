"""`greenwatch rejects`: what could not be kept, found again, and brought in once its cause is gone."""

import json
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Annotated

import polars as pl
import typer
from rich.table import Table

from analytics import clocks
from analytics.parameters import Parameter
from analytics.store import observations, registry, rejects
from analytics.store.connection import Connection, Deadlock
from analytics.store.observations import READINGS, Counts, Origin
from analytics.store.rejects import ROWS, Search
from jobs import chain, console, doors, replay, targets
from jobs.intake import readmit
from jobs.spread import spread

app = typer.Typer(
    help="What could not be kept: search it, count it by reason, bring in what can be once its cause is gone.",
    no_args_is_help=True,
)
EXAMPLE = "Example: greenwatch rejects list --source hj212 --reason 'unknown series' --since 2026-11-01T00:00+08:00"
_FORMATS = ["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M%z"]
#: A clock can be so far off at most that is put right [s]: a century.
_FARTHEST = 100 * 366 * 86400
#: Characters of a text in a table.
_SHOWN = 60

Json = Annotated[bool, typer.Option("--json", help="Print as JSON.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Which:
    """Which rejects."""

    source: Annotated[
        list[str] | None, typer.Option("--source", help="Of this source; may be given again.", show_default=False)
    ] = None
    station: Annotated[
        list[str] | None, typer.Option("--station", help="Of this station; may be given again.", show_default=False)
    ] = None
    channel: Annotated[
        list[str] | None, typer.Option("--channel", help="Of this channel; may be given again.", show_default=False)
    ] = None
    reason: Annotated[str, typer.Option("--reason", help="Whose reason begins with this.")] = ""
    text: Annotated[str, typer.Option("--text", help="That have this in any of their words.")] = ""
    since: Annotated[
        datetime | None, typer.Option("--since", formats=_FORMATS, help="Kept at or after, with an offset.")
    ] = None
    until: Annotated[
        datetime | None, typer.Option("--until", formats=_FORMATS, help="Kept before, with an offset.")
    ] = None

    def search(self) -> Search:
        """The same, as the store is asked."""
        sources, stations, channels = (tuple(words or ()) for words in (self.source, self.station, self.channel))
        return Search(sources, stations, channels, self.reason, self.text, self.since, self.until)


@app.command("list", epilog=EXAMPLE)
@spread
def show_list(
    *,
    which: Which,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000, help="So many at most.")] = 50,
    before: Annotated[
        int | None, typer.Option("--before", help="Those with a smaller id: the page behind.", show_default=False)
    ] = None,
    as_json: Json = False,
    dsn: console.Dsn = None,
) -> None:
    """Show rejects, the newest first."""
    with console.store(dsn) as conn:
        found = rejects.search(conn, which.search(), after=before, limit=limit + 1, newest=True)
    shown = found.head(limit)
    if as_json:
        print(json.dumps(shown.to_dicts(), default=str, ensure_ascii=False))
    else:
        _print(shown.drop("decoder", "origin"))
    if found.height > limit:
        console.people.print(f"there are more: --before {shown['id'][-1]}, or a larger --limit")


@app.command("reasons", epilog="Example: greenwatch rejects reasons --source hj212")
@spread
def show_reasons(*, which: Which, as_json: Json = False, dsn: console.Dsn = None) -> None:
    """Count rejects by source and reason; `waiting` come in by themselves once what they wait for is there."""
    with console.store(dsn) as conn:
        found = rejects.reasons(conn, which.search())
    if as_json:
        print(json.dumps(found.to_dicts(), ensure_ascii=False))
    else:
        _print(found)


@app.command("show", epilog="Example: greenwatch rejects show 4711")
def show_one(
    number: Annotated[int, typer.Argument(metavar="ID", help="Its id, as `greenwatch rejects list` shows it.")],
    as_json: Json = False,
    dsn: console.Dsn = None,
) -> None:
    """Show all that is known of one reject."""
    with console.store(dsn) as conn:
        found = rejects.show(conn, number)
    if found is None:
        raise console.NotAsAsked(f"there is no reject {number}")
    if as_json:
        print(json.dumps(found, default=str, ensure_ascii=False))
        return
    for name, value in found.items():
        console.out.print(f"{name}: {'-' if value is None else value}")


@app.command("replay", epilog="Example: greenwatch rejects replay --reason 'no parameter has the code' --dry-run")
def again(
    source: Annotated[str | None, typer.Option("--source", help="Only what this source says, of spools.")] = None,
    reason: Annotated[str, typer.Option("--reason", help="Only those whose reason begins so, of spools.")] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count what would become of each cell, undo it all.")
    ] = False,
    as_json: Json = False,
    dsn: console.Dsn = None,
) -> None:
    """Bring in what waits and can come in now, and read again what of the spools here was refused.

    What was refused of a file is read again from the file: `greenwatch ingest` it once more.
    """
    found: dict[str, Counts] = {}
    with console.store(dsn) as conn:
        parameters = chain.load_rules(conn)[-1].parameters
        try:
            with conn.transaction(force_rollback=True) if dry_run else nullcontext():
                found["waiting"] = readmit(conn, parameters, trial=dry_run)
        except Deadlock:
            raise console.NotAsAsked("others are writing these series now: try again") from None
        ask = replay.Ask(source=source, reason=reason)
        for door in replay.here():
            found[door] = replay.replay(conn, doors.folder(door), door, ask, trial=dry_run).counts
    if as_json:
        print(json.dumps({name: asdict(counts) for name, counts in found.items()}))
        return
    table = Table(title="would become (dry run, nothing changed)" if dry_run else None, box=None, pad_edge=False)
    for name in ("", *asdict(Counts())):
        table.add_column(name, justify="right" if name else "left", no_wrap=True)
    for name, counts in found.items():
        table.add_row(name, *(f"{value:,}" for value in asdict(counts).values()))
    console.show(table)


@app.command(
    "clock",
    epilog="Example: greenwatch rejects clock ST01 --seconds -3600 --author Wang --reason 'an hour ahead since June 1'",
)
def put_right(
    station: Annotated[str, typer.Argument(metavar="STATION", help="Code of the station.")],
    seconds: Annotated[
        float,
        typer.Option("--seconds", min=-_FARTHEST, max=_FARTHEST, help="Is added to each stamp; a clock was ahead: -"),
    ],
    author: targets.Author,
    reason: targets.Reason,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count what would come in, undo it all.")] = False,
    as_json: Json = False,
    dsn: console.Dsn = None,
) -> None:
    """Bring in what was refused as ahead of the clock, its stamps put right."""
    who, why = targets.words(author, "--author"), targets.words(reason, "--reason")
    with console.store(dsn) as conn:
        parameters = chain.load_rules(conn)[-1].parameters
        words = f"clock {seconds:+g} s, {who}: {why}"
        try:
            with conn.transaction(force_rollback=dry_run):
                by = timedelta(seconds=seconds)
                came = corrected(conn, parameters, station, by, words, console.now(), trial=dry_run)
        except Deadlock:  # all of it is undone
            raise console.NotAsAsked("others are writing these series now: try again") from None
    if as_json:
        print(json.dumps(asdict(came)))
        return
    be = "would come in" if dry_run else "came in: run `greenwatch settle`"
    console.people.print(f"{came.new + came.replaced:,} readings {be}; {came.duplicates:,} were there")


def corrected(
    conn: Connection,
    parameters: Mapping[str, Parameter],
    station: str,
    by: timedelta,
    words: str,
    now: datetime,
    *,
    trial: bool = False,
) -> Counts:
    """Counts of the readings of `station` that were ahead of the clock and are not, put right `by` so much.

    What is ahead of `now` even so, or has no series, stays where it is. `words` say in its batch who did it, and why.
    """
    total, last = Counts(), 0
    while (page := rejects.early(conn, station, clocks.EARLY, last)).height:
        last = int(page["id"].max())  # type: ignore[arg-type]  # of an int column
        moved = page.with_columns(pl.col("time") + by).filter(pl.col("time") <= now)
        for (cadence, source), some in moved.group_by("cadence", "source", maintain_order=True):
            step = None if cadence is None else int(str(cadence))
            known = registry.resolve(conn, some.select("station", "channel").unique(), parameters, step)
            ready = some.join(known, on=["station", "channel"]).filter(pl.col("series").is_not_null())
            if ready.height:
                total += observations.save(
                    conn,
                    ready.select(*READINGS),
                    pl.DataFrame(schema=dict(ROWS)),
                    Origin(int(str(source)), "clock", words, kind="correction"),
                    now,
                    readmitted=ready["id"].to_list(),
                    trial=trial,
                )
    return total


def _print(rows: pl.DataFrame) -> None:
    table = Table(box=None, pad_edge=False)
    for name, dtype in rows.schema.items():
        table.add_column(name, overflow="fold", justify="right" if dtype.is_numeric() else "left")
    for row in rows.iter_rows():
        table.add_row(*map(_cell, row))
    console.show(table)
    if rows.is_empty():
        console.people.print("nothing was refused that is like this")


def _cell(value: object) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%SZ}"
    if isinstance(value, bool):
        return "yes" if value else ""
    text = "" if value is None else str(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
