"""`greenwatch settle`: runs what is due until nothing is."""

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from analytics.store import ledger
from jobs import chain, console

EXAMPLE = "Example: greenwatch settle --json"


def main(
    as_json: Annotated[bool, typer.Option("--json", help="Print what was done as JSON.")] = False,
    budget: Annotated[
        int, typer.Option(min=1000, help="Rows a transaction loads at most: bounds the memory.")
    ] = chain.BUDGET,
    dsn: console.Dsn = None,
) -> None:
    """Judge, average and assess what is due, until nothing is. Several may run at once; a killed one loses nothing."""
    with console.store(dsn) as conn:
        with console.progress("rows") as bar:
            due, _, _ = ledger.waiting(conn, console.now())
            task = bar.add_task("settling", total=len(chain.STAGES) * due)

            def notice(done: chain.Work, marks: int) -> None:
                # Each stage marks the next about as often as it was marked; the bar is right at the end of each.
                past = list(chain.STAGES).index(done.stage)
                bar.update(task, description=f"settling: {done.stage}", completed=min(done.marks, due) + past * due)

            work = chain.settle(conn, console.now, budget=budget, notice=notice)
        _, later, when = ledger.waiting(conn, console.now())
    if as_json:
        print(json.dumps({"stages": [asdict(item) for item in work], "later": later}, default=str))
        return
    table = Table(box=None, pad_edge=False)
    for name in ("stage", "takes", "marks", "reach h", "rows read", "rows written", "seconds", "rows/s"):
        table.add_column(name, justify="left" if name == "stage" else "right")
    for item in work:
        rate = f"{item.read / item.seconds:,.0f}" if item.seconds else "-"
        table.add_row(
            item.stage,
            f"{item.takes:,}",
            f"{item.marks:,}",
            f"{item.reach:,.0f}",
            f"{item.read:,}",
            f"{item.written:,}",
            f"{item.seconds:.2f}",
            rate,
        )
    console.show(table)
    if later:
        console.people.print(f"{later:,} windows of periods that are still open are due later, the next at {when}")
