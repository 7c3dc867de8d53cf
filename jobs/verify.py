"""`greenwatch evaluate forecast`: issued forecasts are scored when the truth is there, and again when it changed."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

import polars as pl
import typer

from analytics.store import registry, retention, verification
from analytics.store.connection import Connection
from jobs import console
from jobs.foresee import load_plan
from jobs.hours import Hours

EXAMPLE = "Example: greenwatch evaluate forecast --days 30"

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
#: Days looked at for truth that came or changed; what is corrected later is scored by `--again`.
LOOK = 30
#: Quantities scored in one transaction: 1.7 million pairs of forecast and truth a day.
BATCH = 1000


@dataclass(slots=True)
class Verified:
    """What was done: days of quantities whose truth was new or another (`changed`), `scores` written for them."""

    days: int = 0
    changed: int = 0
    scores: int = 0
    seconds: float = 0.0


def run(conn: Connection, now: datetime, *, look: int = LOOK) -> Verified:
    """What was scored of the `look` days (UTC) that were over at `now`; a transaction a batch, safe to run again."""
    began, done = time.perf_counter(), Verified()
    plan = load_plan(conn, now)
    voices = registry.load_voices(conn).filter(pl.col("parameter").is_in(list(plan.subjects)))
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    gone = retention.forgotten(conn, "forecast")
    for day in (midnight - number * _DAY for number in range(1, look + 1)):
        if gone is not None and day < gone[0] + verification.REACH * _HOUR:
            break  # forecasts of it were deleted: what they were scored is kept
        done.days += 1
        for some in _batches(voices):
            if changed := verification.changed(conn, day, some):
                truth = Hours(conn, some, day + _DAY, verification.HOURS).grid(changed)
                done.changed += len(changed)
                done.scores += verification.score(conn, day, changed, truth, plan.settings.groups)
    done.seconds = time.perf_counter() - began
    return done


def _batches(voices: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """`voices` in parts, each with all series of its voices."""
    ids = voices["voice"].unique().sort()
    for first in range(0, len(ids), BATCH):
        yield voices.filter(pl.col("voice").is_in(ids.slice(first, BATCH).implode()))


def main(
    days: Annotated[int, typer.Option(min=1, help="Days (UTC) before today that are told.")] = 30,
    again: Annotated[
        int, typer.Option(min=1, help="Days before today that are looked at for truth that came or changed.")
    ] = LOOK,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
    dsn: console.Dsn = None,
) -> None:
    """Score issued forecasts by what came, and print how good they were, by parameter and hours ahead.

    `skill` is how much less they were off than staying as it was, `mase` how many times as much as the same hours of
    the day before; hits and false alarms are of the first limit.
    """
    now = console.now()
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    with console.store(dsn) as conn:
        run(conn, now, look=again)
        found = verification.load(conn, midnight - days * _DAY, midnight)
    if as_json:
        print(json.dumps(found.to_dicts()))
        return
    rounded = found.with_columns(pl.selectors.float().round(3))
    console.rows([name.replace("_", " ") for name in found.columns], rounded.rows())
