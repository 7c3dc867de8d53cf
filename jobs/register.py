"""`greenwatch register`: what is true at a site, from a file into the store."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePath
from typing import Annotated

import structlog
import typer
from rich.table import Table
from rich.text import Text

from analytics import crops, derivation, parameters, standards
from analytics.crops import Land
from analytics.derivation import Kind
from analytics.parameters import Parameter
from analytics.store import migrations, priorities, register
from analytics.store.connection import Connection
from analytics.store.errors import NotMigrated
from analytics.store.priorities import Difference
from analytics.store.register import Change, Draft, Effect, Plan
from jobs import chain, console, pepper
from jobs.intake import readmit
from jobs.pull.connectors import CONNECTORS

EXAMPLE = "Example: greenwatch register district.toml --plan && greenwatch register district.toml"

log = structlog.get_logger()


def main(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Stations, series, sources, zones, devices, ...: .toml or .csv.")
    ],
    plan: Annotated[bool, typer.Option("--plan", help="Say what would change, change nothing.")] = False,
    dsn: console.Dsn = None,
) -> None:
    """Register what is measured and watered where. Only what differs is written, or nothing; nothing is removed."""
    raw = _bytes(file)
    with console.store(dsn) as conn:
        known, adoptable, land, kinds = rules(conn)
        secrets = register.Secrets(pepper.read(), os.environ)
        services = {name: connector.ids for name, connector in CONNECTORS.items()}
        draft = register.read(raw, str(file), known, adoptable, land, kinds, secrets, services)
        if plan:
            there_is = look(conn, draft)
            show(there_is)
            if preferred := prefers(there_is):
                console.people.print(said(priorities.compare(conn, preferred)))
            console.people.print("plan only, nothing was written: run it again without --plan")
            return
        done, effect = write(conn, draft)
        show(done)
        marks = sum(part.height for part in (effect.assess, effect.average, effect.decide, effect.derive))
        if marks:
            console.people.print("what this changes in stored results is marked: run `greenwatch settle`")
        # Not only for the series of this run: one that was killed before this line leaves its readings waiting.
        came = readmit(conn, known)
        if came.read:
            console.people.print(f"{came.read:,} readings that waited for their series are in")
        log.info(
            "registered", file=str(file), rows=len(done.write), series=effect.series, marks=marks, readmitted=came.read
        )


def look(conn: Connection, draft: Draft) -> Plan:
    """What there is to do. Raises `Nonsense`."""
    with conn.transaction():
        register.lock(conn)  # else the tables could be read before and after somebody else's registration
        return register.compare(register.load(conn), draft)


def write(conn: Connection, draft: Draft) -> tuple[Plan, Effect]:
    """What was done and what it touches, marked to be computed again. Raises `Nonsense`, and then wrote nothing."""
    with conn.transaction():
        plan = look(conn, draft)
        effect = register.apply(conn, plan, console.author(), f"registered from {PurePath(draft.name).name}")
        chain.mark_registered(conn, effect, console.now())
    return plan, effect


def prefers(plan: Plan) -> dict[str, int]:
    """Sources that were there and get another priority by `plan`."""
    there = {change.subject for change in plan.changes if change.noun == "source" and not change.new}
    return {name: priority for name, priority in plan.write.sources.items() if name in there and priority is not None}


def said(found: Difference) -> str:
    """What other priorities would change, in words."""
    where = f" of {found.series:,} series" if found.readings else ""
    return f"{found.readings:,} of {found.contested:,} readings on which senders disagreed would change{where}"


def rules(conn: Connection) -> tuple[Mapping[str, Parameter], set[str], Land, Mapping[str, Kind]]:
    """What a file may name: the parameters in force in the store, all standards it has ever known, the land tables and
    the kinds of derivation in force."""
    editions = {name: migrations.editions(conn, name) for name in standards.tables()}
    if not editions[parameters.TABLE]:
        raise NotMigrated("the database has no package tables yet: run `greenwatch migrate`")
    newest = editions[parameters.TABLE][-1][2]
    contents = {f"{name} {number}": rows for name, found in editions.items() for number, _, rows in found}
    land = crops.parse({name: editions[name][-1][2] for name in crops.TABLES})
    kinds = derivation.parse(editions[derivation.TABLE][-1][2])
    return parameters.parse(newest), register.standards_in(contents), land, kinds


def show(plan: Plan) -> None:
    """Nothing; the difference and its counts are on stdout."""
    if not plan.changes:
        console.out.print(f"nothing to do: all {sum(plan.named.values()):,} rows of the file are registered")
        return
    console.out.print(Text("\n").join(_lines(plan)), soft_wrap=True)
    console.out.print(_counts(plan))


def _lines(plan: Plan) -> Iterator[Text]:
    for change in plan.changes:
        sign = ("+", "green") if change.new else ("~", "yellow")
        yield Text.assemble(sign, f" {change.noun:<11}{change.subject}{_said(change)}")


def _said(change: Change) -> str:
    fields = [f"{name} {new}" if old is None else f"{name} {old} -> {new}" for name, old, new in change.fields]
    remark = f" ({change.remark})" if change.remark else ""
    return (f"  {', '.join(fields)}" if fields else "") + remark


def _counts(plan: Plan) -> Table:
    table = Table(box=None, pad_edge=False)
    for title in ("", "new", "changed", "as it was"):
        table.add_column(title, justify="right" if title else "left")
    for noun, rows in plan.named.items():
        if rows:
            table.add_row(noun, *(f"{count:,}" for count in plan.count(noun)))
    return table


def _bytes(file: Path) -> bytes:
    """The content of `file`, one byte more than is allowed where it is larger."""
    try:
        with file.open("rb") as stream:
            return stream.read(register.LIMIT + 1)
    except OSError as error:
        raise console.NotAsAsked(f"{file} cannot be read: {error.strerror}") from error
