"""`greenwatch forecast`: the hours ahead of every quantity that is measured now, once an hour."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Annotated, TypeVar

import polars as pl
import typer
from rich.table import Table

from analytics import episodes, forecasting
from analytics.forecasting import Array, Asked, Plan, boosting
from analytics.frames import TIME
from analytics.store import forecasts, ledger, migrations, observations, registry
from analytics.store.connection import Connection
from jobs import chain, console, foresee
from jobs.foresee import load_plan
from jobs.hours import Hours

EXAMPLE = "Example: greenwatch forecast --json"

_T = TypeVar("_T")
_HOUR = timedelta(hours=1)
#: Quantities worked on at once: some 0.8 MB each while they are tested on their past.
BATCH = 100
#: Of one parameter, quantities that are each other's neighbours for a model of many: some 0.1 MB each.
WIDE = 2000


@dataclass(slots=True)
class Issued:
    """What a run did. `wanted` = `new` + `already` + `short`: quantities that are forecast and measured now."""

    issued: datetime
    wanted: int = 0
    new: int = 0
    #: had their forecast of this hour before
    already: int = 0
    #: too few hourly means to say anything, or none in the last hours
    short: int = 0
    #: quantities that are forecast but have no fresh reading
    silent: int = 0
    seconds: float = 0.0


def run(
    conn: Connection,
    now: datetime,
    *,
    batch: int = BATCH,
    notice: Callable[[Issued], None] = lambda done: None,
) -> Issued:
    """What was issued for the full hour at or before `now`. Again within the hour: only what is not there yet.

    A transaction a batch: killed, what is issued stays, and the next run does the rest.
    """
    began = time.perf_counter()
    done = Issued(now.replace(minute=0, second=0, microsecond=0))
    plan = load_plan(conn, now)
    every = registry.load_voices(conn)
    voices = every.filter(pl.col("parameter").is_in(list(plan.subjects)))
    fresh = _fresh(conn, voices, done.issued - plan.settings.fresh * _HOUR)
    done.silent = voices["voice"].n_unique() - fresh["voice"].n_unique()
    done.wanted = fresh["voice"].n_unique()
    # Of a quantity, not of a series: another may speak for it since this hour's was issued.
    there = set(fresh.filter(pl.col("series").is_in(forecasts.issued(conn, done.issued, fresh["series"])))["voice"])
    asked = _asked(fresh, plan)
    left = [column for column in asked if column.series not in there]
    done.already = len(asked) - len(left)
    hours = Hours(conn, every, done.issued, plan.settings.history)
    for some, told in _told(hours, plan, asked, {column.series for column in left}, batch):
        mine = fresh.filter(pl.col("voice").is_in([column.series for column in some]))
        made = forecasting.issue(hours.grid([column.series for column in some]), some, plan.settings, told)
        with conn.transaction():
            new = forecasts.save(conn, made, done.issued, _HOUR, plan.settings.level, plan.settings.wide)
            _mark(conn, mine, made, done.issued, now)
        done.new += new
        done.already += made.height - new
        done.short += len(some) - made.height
        notice(done)
    done.seconds = time.perf_counter() - began
    return done


def _mark(conn: Connection, voices: pl.DataFrame, made: pl.DataFrame, issued: datetime, now: datetime) -> None:
    """Nothing; the stations of which a rule of episodes reads what was `made` are marked, from the hour before on."""
    rules = episodes.parse(migrations.editions(conn, episodes.TABLE)[-1][2]).values()
    asked = {parameter for rule in rules for parameter, averaging in rule.facts if averaging == episodes.EXPECTED}
    heard = voices.filter(pl.col("parameter").is_in(list(asked)), pl.col("voice").is_in(made["series"].implode()))
    stop = max(now, issued + timedelta(microseconds=1))
    windows = heard.select(
        pl.col("station").alias("subject").cast(pl.Int32),
        pl.lit(issued - _HOUR, TIME).alias("start"),
        pl.lit(stop, TIME).alias("stop"),
    ).unique()
    ledger.mark(conn, chain.STAGES["detect"][0], windows, now)


def _told(
    hours: Hours, plan: Plan, asked: list[Asked], left: set[int], batch: int
) -> Iterator[tuple[list[Asked], dict[str, Array]]]:
    """Those of `asked` that are `left`, in batches of one parameter, with what models of many stations say of them."""
    origins = forecasting.origins(plan.settings)
    for parameter, group in groupby(asked, key=lambda column: column.subject.parameter):
        for wide in _parts([*group], WIDE):
            if not (mine := [place for place, column in enumerate(wide) if column.series in left]):
                continue
            said: dict[str, Array] = {}
            if boosting.NAME in wide[0].subject.models and (fit := foresee.newest(hours.conn, parameter, hours.stop)):
                names = [*fit.manifest["beside"]]
                panel = hours.panel(plan, parameter, [column.series for column in wide], names)
                said[boosting.NAME] = boosting.forecast(panel, origins, plan.settings, fit)
            for some in _parts(mine, batch):
                yield [wide[place] for place in some], {name: grid[:, :, some] for name, grid in said.items()}


def _parts(values: Sequence[_T], most: int) -> Iterator[Sequence[_T]]:
    for first in range(0, len(values), most):
        yield values[first : first + most]


def _fresh(conn: Connection, voices: pl.DataFrame, since: datetime) -> pl.DataFrame:
    """The `voices` of quantities with a reading since then."""
    newest = observations.extent(conn, voices["series"].to_list()).select("series", "stop")
    heard = voices.join(newest, on="series").filter(pl.col("stop") > since)
    return voices.filter(pl.col("voice").is_in(heard["voice"].unique().implode()))


def _asked(voices: pl.DataFrame, plan: Plan) -> list[Asked]:
    """The quantities in the order of the table; from the budget on, naive forecasts alone."""
    order = {name: place for place, name in enumerate(plan.subjects)}
    ranked = (
        voices.select("voice", "parameter")
        .unique()
        .sort(pl.col("parameter").replace_strict(order, return_dtype=pl.Int32), "voice")
    )
    return list(_within_budget(ranked, plan))


def _within_budget(ranked: pl.DataFrame, plan: Plan) -> Iterator[Asked]:
    left = plan.settings.budget
    for voice, parameter in ranked.rows():
        subject = plan.subjects[parameter]
        fitted = [name for name in subject.models if name not in forecasting.LEARNED]
        if len(fitted) <= left:
            left -= len(fitted)
            yield Asked(voice, subject, subject.models)
        else:
            models = tuple(name for name in subject.models if name in forecasting.LEARNED)
            yield Asked(voice, subject, models, f"beyond the budget of {plan.settings.budget} fitted series a run")


def main(
    as_json: Annotated[bool, typer.Option("--json", help="Print what was done as JSON.")] = False,
    dsn: console.Dsn = None,
) -> None:
    """Issue the forecasts of this hour. Safe to run again: what is issued stays as it is."""
    with console.store(dsn) as conn, console.progress("quantities") as bar:
        task = bar.add_task("forecasting", total=None)

        def notice(done: Issued) -> None:
            bar.update(task, total=done.wanted, completed=done.new + done.already + done.short)

        done = run(conn, console.now(), notice=notice)
    if as_json:
        print(json.dumps(asdict(done), default=str))
        return
    table = Table(box=None, pad_edge=False)
    for name in ("issued", "quantities", "new", "there already", "too short", "silent", "seconds"):
        table.add_column(name, justify="left" if name == "issued" else "right")
    counts = (f"{count:,}" for count in (done.wanted, done.new, done.already, done.short, done.silent))
    table.add_row(f"{done.issued:%Y-%m-%d %H:%M} UTC", *counts, f"{done.seconds:.1f}")
    console.show(table)
