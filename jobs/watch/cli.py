"""The command `greenwatch watch`: decides once, says what changed, and shows what is on."""

import json
from typing import Annotated

import typer

from analytics.store import alarms as store
from analytics.texts import text
from jobs import console
from jobs.alarms.table import shown
from jobs.watch.look import run

EXAMPLE = "Example: greenwatch watch --json"


def main(
    as_json: Annotated[bool, typer.Option("--json", help="Print events and alarms as JSON.")] = False,
    dsn: console.Dsn = None,
) -> None:
    """Decide on every alarm once, and show those that are on. The worker does this every few seconds."""
    with console.store(dsn) as conn:
        events = run(conn, console.now())
        states, gauge = store.load(conn), store.gauge(conn, console.now())
        listed = store.listed(conn, console.now())
        names = store.words(conn, [event["subject"] for event in events])
    if as_json:
        print(json.dumps({"events": events, "alarms": states.to_dicts(), "gauge": gauge.to_dicts()}, default=str))
        return
    for event in events:
        words = text(f"alarm_{event['reason']}", between=" · ")
        said = f"{names[event['subject']]} {event['rule']}: {event['before']} -> {event['after']}, {words}"
        console.people.print(said, markup=False)
    console.show(shown(listed))
