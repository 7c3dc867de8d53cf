"""`greenwatch settle`: runs what is due until nothing is."""

import json
from dataclasses import asdict
from datetime import datetime
from typing import Annotated

import polars as pl
import typer
from rich.table import Table

from analytics.frames import TIME
from analytics.store import ledger, registry
from analytics.store.connection import Connection
from jobs import chain, console
from jobs.export.ask import instant

EXAMPLE = "Example: greenwatch settle --json"


def main(
    start: Annotated[
        str | None, typer.Option("--from", help="Make again all that there is from this time on, be it due or not.")
    ] = None,
    stop: Annotated[str | None, typer.Option("--to", help="The end of that, itself not included.")] = None,
    station: Annotated[
        list[str] | None, typer.Option("--station", help="Of this station alone; may be repeated.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was done as JSON.")] = False,
    budget: Annotated[
        int, typer.Option(min=1000, help="Rows a transaction loads at most: bounds the memory.")
    ] = chain.BUDGET,
    dsn: console.Dsn = None,
) -> None:
    """Judge, average and assess what is due, until nothing is. Several may run at once; a killed one loses nothing."""
    first, last = instant(start, "--from"), instant(stop, "--to")
    if (first is None) != (last is None) or (station and first is None):
        raise typer.BadParameter("--from and --to say together what is made again, --station of whom")
    if first is not None and last is not None and first >= last:
        raise typer.BadParameter(f"{stop} is not after {start}", param_hint="--to")
    with console.store(dsn) as conn:
        if first is not None and last is not None:
            mark_again(conn, first, last, station, console.now())
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


def mark_again(conn: Connection, start: datetime, stop: datetime, codes: list[str] | None, now: datetime) -> None:
    """Nothing; all that stages make from `start` to `stop` of the stations `codes` (None: of all) is stale for each of
    them: where rows were damaged, no change of what they are made of leads there. Raises `NotAsAsked`."""
    stations = registry.load_stations(conn)
    if codes is not None:
        if lost := sorted(set(codes) - set(stations["code"])):
            raise console.NotAsAsked(f"no station {lost[0]!r} is registered")
        stations = stations.filter(pl.col("code").is_in(codes))
    series = registry.load_series(conn).join(stations.select("station"), on="station", how="semi")
    with conn.transaction():
        for stage, _ in chain.STAGES.values():
            subjects = (series if stage.subject == "series" else stations)[stage.subject]
            windows = pl.DataFrame({"subject": subjects}).with_columns(
                start=pl.lit(start, TIME), stop=pl.lit(stop, TIME)
            )
            ledger.mark(conn, stage, windows, now)
