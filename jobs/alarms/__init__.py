"""`greenwatch alarms`: what is on and who was told, what is planned, and what other rules would have told."""

import json
from typing import Annotated

import typer

from analytics.store import alarms as store
from jobs import console
from jobs.alarms import calendar, plan
from jobs.alarms.table import shown

app = typer.Typer(
    help="Alarms: what is on and who was told, the calendar of planned events, and what other rules would have paged.",
    no_args_is_help=True,
)
app.add_typer(calendar.app, name="calendar")
app.command("plan", epilog=plan.EXAMPLE)(plan.main)
AsJson = Annotated[bool, typer.Option("--json", help="Print as JSON.")]


@app.command("list", epilog="Example: greenwatch alarms list --json")
def listed(as_json: AsJson = False, dsn: console.Dsn = None) -> None:
    """Show the alarms that are on or to be confirmed, and what ended less than a day ago; decides nothing."""
    with console.store(dsn) as conn:
        rows = store.listed(conn, console.now())
    if as_json:
        print(json.dumps(rows.to_dicts(), default=lambda time: time.isoformat(), ensure_ascii=False))
        return
    console.show(shown(rows))
    if rows.is_empty():
        console.people.print("no alarm is on")
