"""What a backfill would do: what it would read and change, what would be made again, how long it would take.

The comparison is a trial of the very saves (analytics/store/sandbox.py): it counts what they count, writes nothing that
stays, and keeps nobody waiting.
"""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from analytics import ingest as formats
from analytics.store import derivations, health, horizon, ledger, registry, sandbox
from analytics.store.connection import Connection
from analytics.store.ledger import Stage
from analytics.store.observations import Counts, Origin
from jobs import chain, compare, derive
from jobs.backfill import sources
from jobs.backfill.sources import Ask
from jobs.intake import Intake
from jobs.rules import load_rules

#: Rows a second where nothing was measured here yet: of one worker on two busy cores (tests/soak/backfill.py).
ASSUMED: Mapping[str, float] = {"backfill": 70_000, "flag": 150_000}
_ASSUMED = 80_000.0
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
#: Who else has windows where a stage's predecessor has them.
_BESIDE: Mapping[str, Callable[[Connection, pl.DataFrame], pl.DataFrame]] = {
    "compare": compare.hearers,
    "derive": derive.of_dependents,
}


@dataclass(frozen=True, slots=True)
class Reach:
    """What a stage would make again, at most: `windows`, the `hours` they span, the `rows` it reads for them."""

    stage: str
    windows: int
    hours: int
    rows: int
    #: [rows/s], and whether it was measured on this store
    rate: float
    measured: bool

    @property
    def seconds(self) -> float:
        """How long that takes."""
        return self.rows / self.rate


@dataclass(slots=True)
class Plan:
    """What a backfill would do; `seconds` is how long the comparison took."""

    chunks: int = 0
    left_out: list[str] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)
    #: cells of series that are not registered, and of approved periods, which wait as rejects
    waiting: int = 0
    approved: int = 0
    #: cells older than the horizon, which wait as rejects too, and between which times they lie
    closed: int = 0
    closed_from: datetime | None = None
    closed_to: datetime | None = None
    #: chunks that cannot be read to their end, and why: a run would fail there
    broken: list[str] = field(default_factory=list)
    series: int = 0
    stages: list[Reach] = field(default_factory=list)
    reading: float = 0.0
    measured: bool = False
    seconds: float = 0.0

    @property
    def settling(self) -> float:
        """Seconds that making everything again takes one worker, at most."""
        return sum(stage.seconds for stage in self.stages)

    def facts(self) -> dict[str, Any]:
        """All of it, for JSON."""
        found = asdict(self) | {"settling": round(self.settling, 1), "reading": round(self.reading, 1)}
        found["stages"] = [asdict(stage) | {"seconds": round(stage.seconds, 1)} for stage in self.stages]
        return found


def plan(conn: Connection, ask: Ask, notice: Callable[[int, int, int], None] = lambda done, of, cells: None) -> Plan:
    """What `ask` would do now. `notice` hears how much of the whole is compared, and how many cells that were.

    `conn` is the caller's alone meanwhile. Raises what `sources.find` and reading raise.
    """
    began, out = time.perf_counter(), Plan()
    found = sources.find(conn, ask)
    out.chunks, out.left_out = len(found.pieces), found.left_out
    total, done = sum(piece.size for piece in found.pieces), 0
    with sandbox.sandbox(conn):
        trial = _Trial(conn, replace(ask.order, dry_run=True, kind="backfill"))
        for piece in found.pieces:
            try:
                for bite in sources.bites(piece.what, {"database": ask.database}):
                    out.counts += trial.surely(bite.batch, bite.decoder, piece.place, bite.sha256)
                    notice(done, total, out.counts.read)
            except formats.UnreadableSource as problem:
                out.broken.append(str(problem))
            done += piece.size
        changed = sandbox.marked(conn, ledger.READINGS)
        out.waiting, out.approved, out.series = trial.waiting, trial.held - trial.closed, changed["subject"].n_unique()
        out.closed, out.closed_from, out.closed_to = trial.closed, trial.first, trial.last
        out.stages = reach(conn, changed)
    rates = measured(conn)
    out.reading, out.measured = out.counts.read / _rate(rates, "backfill")[0], "backfill" in rates
    out.seconds = time.perf_counter() - began
    return out


@dataclass
class _Trial(Intake):
    """An intake that saves in the sandbox; `closed` cells from `first` to `last` are older than the horizon."""

    closed: int = 0
    first: datetime | None = None
    last: datetime | None = None

    def _keep(self, readings: pl.DataFrame, refused: pl.DataFrame, origin: Origin, missing: int) -> Counts:
        sandbox.meet(self.conn, readings)
        shut = readings.filter(horizon.load(self.conn).closed(pl.col("time")))
        if shut.height:
            first, last = shut.select(first=pl.col("time").min(), last=pl.col("time").max()).row(0)
            self.closed += shut.height
            self.first, self.last = min(self.first or first, first), max(self.last or last, last)
        return super()._keep(readings, refused, origin, missing)


def reach(conn: Connection, changed: pl.DataFrame) -> list[Reach]:
    """What each stage makes again, at most, where readings in `changed` (WINDOWS of series) are new or other."""
    names, rates, out = list(chain.STAGES), measured(conn), []
    windows, subject = changed, "series"
    for name in names[names.index(ledger.READINGS.name) :]:
        stage = chain.STAGES[name][0]
        if stage.subject != subject:
            windows, subject = _of_stations(conn, windows), stage.subject
        mine = _BESIDE[name](conn, windows) if name in _BESIDE else windows
        stage = _farthest(conn, stage, mine)
        steps = chain.steps(conn, stage, mine["subject"].unique().to_list())
        affected = ledger.merge(ledger.widen(mine, stage, steps, stage.forward, stage.back))
        load = ledger.merge(ledger.widen(affected, stage, steps, stage.back, stage.forward))
        if stage.abreast:  # alone, a series has no more than its first verdicts read
            steps = steps.filter(pl.col("reads").list.len() > 1).with_columns(
                pl.col("step") / pl.col("reads").list.len()
            )
        rate, known = _rate(rates, name)
        out.append(Reach(name, affected.height, _hours(affected), _rows(load, steps), rate, known))
        if stage.subject == "series":
            windows = ledger.merge(pl.concat([windows, affected]))
    return out


def _farthest(conn: Connection, stage: Stage, windows: pl.DataFrame) -> Stage:
    """`stage`; derived series look back as far as the farthest of those in `windows`."""
    if stage.name != "derive":
        return stage
    formulas = derivations.load(conn, windows["subject"].unique().to_list())
    return replace(stage, back=max([stage.back, *derive.reaches(formulas, load_rules(conn)).values()]))


def _of_stations(conn: Connection, windows: pl.DataFrame) -> pl.DataFrame:
    """WINDOWS of the stations of series in `windows`; what is less than a day apart is one, as the chain marks them."""
    series = registry.load_series(conn, windows["subject"].unique().to_list())
    joined = windows.join(series.select(pl.col("series").alias("subject"), "station"), on="subject")
    days = joined.select(pl.col("station").alias("subject"), "start", pl.col("stop") + _DAY)
    return ledger.merge(days).with_columns(pl.col("stop") - _DAY)


def _hours(windows: pl.DataFrame) -> int:
    return round((windows["stop"] - windows["start"]).sum() / _HOUR) if windows.height else 0  # type: ignore[operator]


def _rows(windows: pl.DataFrame, steps: pl.DataFrame) -> int:
    seconds = (pl.col("stop") - pl.col("start")).dt.total_seconds()
    rows = windows.join(steps, on="subject").select((seconds / pl.col("step").fill_null(3600.0)).ceil().sum()).item()
    return math.ceil(rows or 0)


def measured(conn: Connection) -> dict[str, float]:
    """Rows a second of each job that was done on this store."""
    known = health.work(conn).filter(pl.col("read") > 0, pl.col("seconds") > 0)
    return {job: read / seconds for job, read, seconds in known.select("job", "read", "seconds").iter_rows()}


def _rate(rates: Mapping[str, float], job: str) -> tuple[float, bool]:
    return (rates[job], True) if job in rates else (ASSUMED.get(job, _ASSUMED), False)
