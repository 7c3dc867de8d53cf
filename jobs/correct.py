"""`greenwatch correct`: what people say of readings, as dated layers over them that can be ended without a trace."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import typer
from rich.table import Table

from analytics.corrections import CorrectionError
from analytics.store import corrections, ledger, registry, reviews
from analytics.store.connection import Connection
from jobs import console, layers, targets
from jobs.backfill import plan
from jobs.layers import CODES, Line
from jobs.spread import spread

app = typer.Typer(
    help="Corrections as layers over readings: dated, with author and reason, ended without a trace. What was received "
    "stays as it is.",
    no_args_is_help=True,
)
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what it would touch, change nothing.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print as JSON.")]
Until = Annotated[str | None, typer.Option("--to", help="End, itself not included. Default: for all that comes.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What every correction of one series is told, and how it is entered."""

    station: targets.Station
    channel: targets.Quantity
    author: targets.Author
    reason: targets.Reason
    cadence: targets.Cadence = None
    dry_run: DryRun = False
    as_json: AsJson = False
    dsn: console.Dsn = None

    def lay(self, kind: str, start: str, stop: str | None, **given: Any) -> None:
        """Nothing; a layer of that kind is entered, or what it would touch is said."""
        line = Line(self.station, self.channel, kind, start, stop, self.author, self.reason, self.cadence, given)
        lay([line], dry_run=self.dry_run, as_json=self.as_json, dsn=self.dsn)


class Code(StrEnum):
    """What a person says of readings."""

    good = "good"
    suspect = "suspect"
    fail = "fail"


@app.command(
    epilog="Example: greenwatch correct recalibrate ST01 pm25 --gain 0.97 --offset -1.2 --from 2026-05-01T08:00+08:00 "
    "--author Wang --reason 'span check' --dry-run"
)
@spread
def recalibrate(
    *,
    start: targets.From,
    stop: Until = None,
    gain: Annotated[float, typer.Option("--gain", help="By what values are multiplied.")] = 1.0,
    offset: Annotated[float, typer.Option("--offset", help="What is added then \\[unit].")] = 0.0,
    said: Said,
) -> None:
    """Values count as gain × value + offset."""
    if gain == 1 and offset == 0:
        raise typer.BadParameter("these change nothing: say one of them", param_hint="--gain, --offset")
    said.lay("recalibration", start, stop, gain=gain, offset=offset)


@app.command(
    epilog="Example: greenwatch correct drift ST01 ph --from 2026-05-01T08:00+08:00 --to 2026-06-01T08:00+08:00 "
    "--low 7=7.02 --high 10=10.3 --author Wang --reason 'calibration of June'"
)
@spread
def drift(
    *,
    start: Annotated[str, typer.Option("--from", help="The first calibration: from there on it drifted.")],
    stop: Annotated[str, typer.Option("--to", help="The second calibration, itself included.")],
    gap: Annotated[
        float | None, typer.Option("--gap", help="What is missing at the second calibration \\[unit].")
    ] = None,
    point: Annotated[
        str | None, typer.Option("--point", help="STANDARD=READING: the sensor read so much in it, as 1.0=1.07.")
    ] = None,
    low: Annotated[str | None, typer.Option("--low", help="STANDARD=READING of the lower of two standards.")] = None,
    high: Annotated[str | None, typer.Option("--high", help="STANDARD=READING of the higher one.")] = None,
    said: Said,
) -> None:
    """Take out what grew linearly between two calibrations: by one gap, one standard or two."""
    given = {"gap": gap} if gap is not None else {}
    for option, text, names in (
        ("--point", point, ("standard", "reading")),
        ("--low", low, ("low_standard", "low_reading")),
        ("--high", high, ("high_standard", "high_reading")),
    ):
        if text is not None:
            given |= dict(zip(names, _pair(text, option), strict=True))
    said.lay("drift", start, stop, **given)


@app.command(
    epilog="Example: greenwatch correct verdict ST01 pm25 --as good --from 2026-05-01T08:00+08:00 "
    "--to 2026-05-01T09:00+08:00 --author Wang --reason 'fireworks, seen'"
)
@spread
def verdict(
    *,
    code: Annotated[Code, typer.Option("--as", help="good, suspect or fail.")],
    start: targets.From,
    stop: targets.To,
    said: Said,
) -> None:
    """The last word on readings: no test overrules it, however often they are judged again."""
    said.lay("verdict", start, stop, code=CODES[code.value])


@app.command(
    epilog="Example: greenwatch correct withdraw ST01 pm25 --from 2026-05-01T08:00+08:00 --to 2026-05-01T09:00+08:00 "
    "--author Wang --reason 'inlet was closed'"
)
@spread
def withdraw(
    *,
    start: targets.From,
    stop: targets.To,
    said: Said,
) -> None:
    """Readings that are none: they stay in the store and do not count."""
    said.lay("withdrawal", start, stop)


@app.command(
    "file", epilog="Example: greenwatch correct file calibrations.csv --author Wang --reason 'year 2026' --dry-run"
)
def from_file(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help=f"CSV or JSON: columns {', '.join(layers.WORDS)} and the numbers of each kind (gain, offset; gap; "
            "standard, reading; low_standard, low_reading, high_standard, high_reading).",
        ),
    ],
    author: Annotated[str, typer.Option("--author", help="Who says so, where a line does not say.")] = "",
    reason: Annotated[str, typer.Option("--reason", help="Why, where a line does not say.")] = "",
    dry_run: DryRun = False,
    as_json: AsJson = False,
    dsn: console.Dsn = None,
) -> None:
    """Many corrections at once, in the order of the file: all of them or none."""
    lay(layers.read(path, author, reason), dry_run=dry_run, as_json=as_json, dsn=dsn)


@app.command(epilog="Example: greenwatch correct end 12 13 --author Li --reason 'wrong sensor'")
def end(
    ids: Annotated[list[int], typer.Argument(metavar="ID...", help="As `greenwatch correct list` names them.")],
    author: targets.Author,
    reason: targets.Reason,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    dsn: console.Dsn = None,
) -> None:
    """End corrections: everything becomes as if they had not been entered. They stay on record."""
    who, why = targets.words(author, "--author"), targets.words(reason, "--reason")
    with console.store(dsn) as conn:
        if dry_run:
            rows = [row for row in corrections.listed(conn) if row["id"] in ids]
            if missing := sorted(set(ids) - {row["id"] for row in rows}):
                raise console.NotAsAsked(f"no correction {missing[0]} is in force: `greenwatch correct list`")
            touched = [(row["series"], row["start"], row["stop"], row["kind"]) for row in rows]
            tell(conn, touched, as_json=as_json)
            return
        corrections.end(conn, ids, who, why, console.now())
    if as_json:
        print(json.dumps({"ended": ids}))
    console.people.print(f"{len(set(ids))} corrections ended; what they touched is marked: run `greenwatch settle`")


@app.command("list", epilog="Example: greenwatch correct list ST01 --all")
def show(
    station: Annotated[
        str | None, typer.Argument(metavar="[STATION]", help="Its code; none: of every station.")
    ] = None,
    ended: Annotated[bool, typer.Option("--all", help="Those that were ended, too.")] = False,
    as_json: AsJson = False,
    dsn: console.Dsn = None,
) -> None:
    """Show the corrections in force, in the order in which those of one series apply."""
    with console.store(dsn) as conn:
        series = None if station is None else targets.Site.load(conn).all(station, None)
        rows = corrections.listed(conn, series, ended=ended)
        names = {number: reviews.name(conn, number) for number in {row["series"] for row in rows}}
    if as_json:
        print(json.dumps([_told(row) for row in rows], default=str, ensure_ascii=False))
        return
    table = Table(box=None, pad_edge=False)
    for name in ("id", "series", "kind", "from", "to", "given", "said"):
        table.add_column(name, justify="right" if name == "id" else "left", overflow="fold")
    for row in map(_told, rows):
        given = ", ".join(f"{name} {number:.15g}" for name, number in row["given"].items())
        said = f"{row['author']}: {row['reason']}"
        if row["ended"]:
            said += f" (ended {_stamp(row['ended'])} by {row['ended_by']}: {row['ended_reason']})"
        named = names[row["series"]]
        table.add_row(str(row["id"]), named, row["kind"], _stamp(row["start"]), _stamp(row["stop"]), given, said)
    console.show(table)


def lay(lines: Sequence[Line], *, dry_run: bool, as_json: bool, dsn: str | None) -> None:
    """Nothing; the corrections are entered and marked, or with `dry_run` what they would touch is said."""
    with console.store(dsn) as conn:
        try:
            some = layers.entries(conn, lines)
        except CorrectionError as problem:
            raise console.NotAsAsked(str(problem)) from problem
        if dry_run:
            tell(conn, [(entry.series, entry.start, entry.stop, entry.kind) for entry in some], as_json=as_json)
            return
        entered = corrections.enter(conn, some, console.now())
    if as_json:
        print(json.dumps(entered._asdict()))
    named = ", ".join(map(str, entered.ids[:10])) + (", ..." if len(entered.ids) > 10 else "")
    if there := len(entered.ids) - entered.new:
        console.people.print(f"{there} of them in force already")
    if entered.new:
        console.people.print(
            f"{entered.new} corrections entered (of {named}); what they touch is marked: run `greenwatch settle`. The "
            "undo: `greenwatch correct end ID`"
        )


def tell(conn: Connection, touched: Sequence[tuple[int, datetime, datetime, str]], *, as_json: bool) -> None:
    """Nothing; what entering or ending layers (series, start, stop, kind) touches is said. Raises `Locked`."""
    windows = pl.DataFrame(
        [row[:3] for row in touched],
        schema=dict(zip(("series", "start", "stop"), ledger.WINDOWS.values(), strict=True)),
        orient="row",
    )
    reviews.refuse_approved(conn, windows)
    counts = corrections.touches(conn, windows)
    only_verdicts = {kind for _, _, _, kind in touched} == {"verdict"}
    marked = ledger.merge(corrections.with_readings(conn, windows))
    stages = [stage for stage in plan.reach(conn, marked) if not (only_verdicts and stage.stage == "flag")]
    rows = [
        {
            "correction": kind,
            "series": reviews.name(conn, series),
            "from": start,
            "to": stop,
            "readings": count,
            "days": days,
        }
        for (series, start, stop, kind), (count, days) in zip(touched, counts, strict=True)
    ]
    reach = [{"stage": item.stage, "windows": item.windows, "hours": item.hours, "rows": item.rows} for item in stages]
    if as_json:
        print(json.dumps({"corrections": rows, "stages": reach}, default=str, ensure_ascii=False))
    else:
        for some in (rows, reach):
            console.show(_table(some))
    console.people.print("dry run, nothing was changed: hours and rows of the stages are the most they would look at")


def _table(rows: Sequence[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name, cell in (rows[0] if rows else {}).items():
        table.add_column(name, justify="right" if isinstance(cell, int) else "left")
    for row in rows:
        table.add_row(*(f"{cell:,}" if isinstance(cell, int) else _stamp(cell) for cell in row.values()))
    return table


def _told(row: dict[str, Any]) -> dict[str, Any]:
    channel = registry.Channel(row["parameter"], row["position"], row["statistic"])
    return {"id": row["id"], "station": row["station"], "channel": str(channel), **row}


def _stamp(cell: object) -> str:
    return f"{cell.astimezone(UTC):%Y-%m-%dT%H:%MZ}" if isinstance(cell, datetime) else str(cell)


def _pair(text: str, option: str) -> tuple[float, float]:
    """The two numbers of STANDARD=READING. Raises `typer.BadParameter`."""
    standard, _, reading = text.partition("=")
    try:
        return float(standard), float(reading)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no pair: write STANDARD=READING, as 7=7.02", param_hint=option) from None
