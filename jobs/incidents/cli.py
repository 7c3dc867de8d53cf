"""`greenwatch incidents`: what duty staff were told of, what they did about it, how long that took."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

import typer

from analytics import incidents
from analytics.store.connection import Connection
from analytics.store.incidents import listed, orders
from jobs import console
from jobs.export.ask import instant
from jobs.incidents.acts import NAME, NOTE, Act, NoEvidence, NoSuchIncident, act
from jobs.spread import spread

app = typer.Typer(
    help="What duty staff were told of, and what they did about it. What is done over HTTP is the same.",
    no_args_is_help=True,
)
State = StrEnum("State", list(incidents.STATES))  # type: ignore[misc]  # the states are said once
Severity = StrEnum("Severity", list(incidents.SEVERITIES))  # type: ignore[misc]  # likewise

Number = Annotated[
    int, typer.Argument(metavar="ID", min=1, max=2**63 - 1, help="As `greenwatch incidents list` shows it.")
]
Note = Annotated[str, typer.Option("--note", help="What is to stand in the log with it.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print as JSON.")]
#: Columns of the table; --json has all.
SHOWN = ("id", "state", "severity", "tier", "station", "channel", "source", "district", "rule", "opened", "assignee")
LINES = 50


@app.command("list", epilog="Example: greenwatch incidents list --place district:Chaoyang --state open")
def show_all(
    state: Annotated[
        list[State] | None, typer.Option("--state", help="May be given again. Default: that go on.")
    ] = None,
    severity: Annotated[list[Severity] | None, typer.Option("--severity", help="page, ticket.")] = None,
    place: Annotated[
        list[str] | None, typer.Option("--place", help="As district:NAME or street:NAME; may be given again.")
    ] = None,
    station: Annotated[list[str] | None, typer.Option("--station", help="Its code; may be given again.")] = None,
    rule: Annotated[list[str] | None, typer.Option("--rule", help="Of alarms.toml; may be given again.")] = None,
    start: Annotated[str | None, typer.Option("--from", help="Opened then or later, with an offset.")] = None,
    stop: Annotated[str | None, typer.Option("--to", help="Opened before that, with an offset.")] = None,
    all_of_them: Annotated[bool, typer.Option("--all", help="Also those that have ended.")] = False,
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=100_000, help="At most so many, the newest first.")
    ] = LINES,
    as_json: AsJson = False,
    dsn: console.Dsn = None,
) -> None:
    """Show incidents that go on, or those that are asked for, the newest first."""
    if strange := [name for name in place or [] if not name.startswith(("district:", "street:"))]:
        raise typer.BadParameter(f"{strange[0]!r}: write district:NAME or street:NAME", param_hint="--place")
    search = listed.Search(
        [item.value for item in state or []],
        [item.value for item in severity or []],
        place or [],
        station or [],
        rule or [],
        None if all_of_them or state or start or stop else True,
        instant(start, "--from", date=False),
        instant(stop, "--to", date=False),
    )
    with console.store(dsn) as conn:
        found = listed.search(conn, search, limit=limit, newest=True).to_dicts()
    if as_json:
        _print(found)
        return
    console.rows(SHOWN, [[row[name] for name in SHOWN] for row in found])
    if not found:
        console.people.print("no incident" if all_of_them else "no incident goes on; --all shows those that have ended")


@app.command("show", epilog="Example: greenwatch incidents show 17")
def show_one(number: Number, as_json: AsJson = False, dsn: console.Dsn = None) -> None:
    """Show one incident, its log and its work orders."""
    with console.store(dsn) as conn:
        found = listed.one(conn, number)
        if found is None:
            raise console.NotAsAsked(f"there is no incident {number}: `greenwatch incidents list --all`")
        log, out = listed.log(conn, number, 10_000), orders.of(conn, [number])
    if as_json:
        _print({"incident": found, "log": log, "orders": out})
        return
    console.rows(("what", "value"), [[name, value] for name, value in found.items() if value not in (None, "")])
    names = ("at", "author", "action", "note")
    console.rows(names, [[row[name] for name in names] for row in log])
    if out:
        sent = ("id", "state", "made", "sent", "answered", "tries", "problem")
        console.rows(sent, [[row[name] for name in sent] for row in out])


@dataclass(frozen=True, slots=True)
class Asked:
    """What every action is asked beside its note."""

    number: Number
    author: Annotated[
        str | None, typer.Option("--author", help="Who does it. Default: the user of this machine.", show_default=False)
    ] = None
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say whether it goes, change nothing.")] = False
    as_json: AsJson = False
    dsn: console.Dsn = None


@app.command("acknowledge", epilog="Example: greenwatch incidents acknowledge 17 --author Wang")
@spread
def acknowledge(*, note: Note = "", asked: Asked) -> None:
    """Take an incident: nobody else is told of it from now on."""
    _act(asked, "acknowledge", note)


@app.command("assign", epilog="Example: greenwatch incidents assign 17 --to Li")
@spread
def assign(
    *, to: Annotated[str, typer.Option("--to", help="Who has it from now on.")], note: Note = "", asked: Asked
) -> None:
    """Give an incident to somebody."""
    _act(asked, "assign", note, assignee=_words(to, "--to", NAME))


@app.command("note", epilog="Example: greenwatch incidents note 17 --note 'wind turned, plume moves east'")
@spread
def note_down(
    *, note: Annotated[str, typer.Option("--note", help="What is to stand in the log.")], asked: Asked
) -> None:
    """Write something into the log of an incident."""
    _act(asked, "note", note)


@app.command("dispatch", epilog="Example: greenwatch incidents dispatch 17 --note 'sprinkle Road 3'")
@spread
def dispatch(*, note: Note = "", asked: Asked) -> None:
    """Send a work order about an acknowledged incident; the worker delivers it (GREENWATCH_WORKORDER_URL)."""
    _act(asked, "dispatch", note)


@app.command("resolve", epilog="Example: greenwatch incidents resolve 17 --note 'pump repaired'")
@spread
def resolve(*, note: Note = "", asked: Asked) -> None:
    """Close an incident whose data have recovered while a work order was out."""
    _act(asked, "resolve", note)


@app.command("review", epilog="Example: greenwatch incidents review 17 --note 'paged 4 min late: route changed'")
@spread
def review(*, note: Note = "", asked: Asked) -> None:
    """Note that somebody has looked through an incident that is over."""
    _act(asked, "review", note)


@app.command("cancel", epilog="Example: greenwatch incidents cancel 17 --note 'span gas' --correction 4")
@spread
def cancel(
    *,
    note: Note = "",
    correction: Annotated[
        list[int] | None,
        typer.Option("--correction", min=1, help="The layers that are the evidence; may be given again. Default: any."),
    ] = None,
    asked: Asked,
) -> None:
    """Say that an incident was none: its alarm was withdrawn, or corrections in force cover what it stood on."""
    _act(asked, "cancel", note, corrections=correction)


@app.command("figures", epilog="Example: greenwatch incidents figures --months 12 --json")
def figures(
    months: Annotated[int, typer.Option("--months", min=1, max=1200, help="The newest so many that have any.")] = 3,
    as_json: AsJson = False,
    dsn: console.Dsn = None,
) -> None:
    """Show by street and month how many there were, and how long it took [s] until somebody knew, came, was done."""
    with console.store(dsn) as conn:
        found = listed.figures(conn, months)
    if as_json:
        _print(found)
        return
    console.rows(listed.FIGURES, [list(row.values()) for row in found])


def _act(
    asked: Asked, action: str, note: str, *, assignee: str | None = None, corrections: Sequence[int] | None = None
) -> None:
    """Does `action` and says what became of it. Whoever has the database is not asked for a role."""
    who = console.author() if asked.author is None else _words(asked.author, "--author", NAME)
    said = Act(action, who, incidents.ADMIN, _words(note, "--note", NOTE) if note else "", assignee, corrections)
    with console.store(asked.dsn) as conn, conn.transaction(force_rollback=asked.dry_run):
        after = _try(conn, asked.number, said)
    if asked.as_json:
        _print(after)
    would = "would be" if asked.dry_run else "is"
    console.people.print(f"incident {asked.number} {would} {after['state']}: {action} by {who}")
    if asked.dry_run:
        console.people.print("dry run, nothing was changed")


def _try(conn: Connection, number: int, said: Act) -> dict[str, Any]:
    try:
        return act(conn, number, said, console.now())
    except incidents.NotSaid as problem:
        raise typer.BadParameter(str(problem)) from None
    except (NoSuchIncident, NoEvidence, incidents.NotNow, incidents.NotYours) as problem:
        raise console.NotAsAsked(str(problem)) from None


def _words(text: str, option: str, most: int) -> str:
    bare = text.strip()
    if not bare or len(bare) > most or any(letter == "\0" or "\ud800" <= letter <= "\udfff" for letter in bare):
        raise typer.BadParameter(f"it is a text of 1 to {most:,} characters", param_hint=option)
    return bare


def _print(found: object) -> None:
    print(json.dumps(found, default=_plain, ensure_ascii=False))


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
