"""`greenwatch doctor`: whether the store is as it must be, and what to do where it is not."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from analytics.store import doctor, health
from analytics.store.connection import Connection
from analytics.store.doctor import Found
from analytics.texts import choose
from jobs import console
from jobs.doctor.checks import CHECKS, Check, Patient

EXAMPLE = "Example: greenwatch doctor --sample 50 --json"

#: What is younger may still be on its way.
SETTLED = timedelta(days=2)
#: A statement that takes longer tells nothing any more [s].
SLOWEST = 600


@dataclass(frozen=True, slots=True)
class Result:
    """What a check found."""

    check: Check
    found: Found

    @property
    def sound(self) -> bool:
        return not self.found.wrong


def examine(
    conn: Connection,
    now: datetime,
    *,
    sample: int = 20,
    seed: int = 0,
    notice: Callable[[Check], None] = lambda check: None,
) -> list[Result]:
    """What each check found; `sample` days of as many series, drawn by `seed`, are looked at closely."""
    patient = Patient(conn, now, doctor.draw(conn, sample, seed, now - SETTLED), sample)
    out = []
    for check in CHECKS:
        notice(check)
        if check.writes:
            found = check.look(patient)
        else:
            with health.moment(conn, SLOWEST):
                found = check.look(patient)
        out.append(Result(check, found))
    return out


def main(
    sample: Annotated[int, typer.Option("--sample", min=1, help="Days of series to look at closely.")] = 20,
    seed: Annotated[int, typer.Option("--seed", help="Which ones; the same seed, the same days.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was found as JSON.")] = False,
    dsn: console.Dsn = None,
) -> None:
    """Look whether the store is as it must be; change nothing. Exit code 1 where something is wrong."""
    with console.store(dsn) as conn, console.progress("checks") as bar:
        task = bar.add_task("looking", total=len(CHECKS))

        def notice(check: Check) -> None:
            bar.update(task, advance=1, description=check.name)

        results = examine(conn, console.now(), sample=sample, seed=seed, notice=notice)
    if as_json:
        said = [
            {"check": item.check.name, "sound": item.sound, "do": [] if item.sound else item.check.cure}
            | asdict(item.found)
            for item in results
        ]
        print(json.dumps(said, default=str, ensure_ascii=False))
    else:
        _show(results)
    if broken := [item.check.name for item in results if not item.sound]:
        raise console.NotAsAsked(f"{len(broken)} of {len(results)} checks found something wrong: {', '.join(broken)}")


def _show(results: list[Result]) -> None:
    table = Table(box=None, pad_edge=False)
    for name in ("", "check", "", "looked at"):
        table.add_column(name, justify="right" if name == "looked at" else "left")
    for item in results:
        sign = Text("ok", "green") if item.sound else Text("wrong", "red")
        table.add_row(sign, item.check.name, choose(*item.check.title, between=" · "), f"{item.found.looked:,}")
    console.show(table)
    for item in results:
        for words in item.found.left:
            console.people.print(f"{item.check.name}: {words}", markup=False)
        for words in item.found.wrong:
            console.people.print(f"{item.check.name}: {words}", style="red", markup=False)
        if not item.sound:
            console.people.print(f"  {choose(*item.check.cure, between=' · ')}", markup=False)
