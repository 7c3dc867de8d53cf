"""The thread that takes snapshots of the store for /metrics and /healthz: whoever asks those never waits for SQL."""

import time
from contextlib import closing
from datetime import datetime, timedelta
from threading import Event, Thread

import polars as pl
import structlog

from analytics import clocks
from analytics.metrics import Exporter, Snapshot
from analytics.store import (
    alarms,
    backfills,
    connection,
    health,
    incidents,
    ledger,
    migrations,
    pulls,
    registry,
    rejects,
    spools,
    verification,
)
from analytics.store import clocks as kept_clocks
from analytics.store.connection import Connection
from analytics.store.errors import StoreError
from jobs import console
from jobs.foresee import load_plan
from jobs.rules import RuleBook

log = structlog.get_logger()

#: Between two snapshots [s], between two counts of what costs a look at each row, and of what changes once a day.
PAUSE, SLOW, SELDOM = 2.0, 15.0, 600.0
#: So long is what forecasts promised held against what came.
SCORED = timedelta(days=28)
#: Without a new one for so long [s] nobody knows how the store is: its server may be there and answer nothing.
STALE = 60.0
#: Sources and clocks with figures of their own; those that are more are one, or left out.
SOURCES, CLOCKS = 100, 5_000
OTHER = "other"
#: A statement of a snapshot that takes longer is given up, the first sums of all batches excepted [s].
MOST, FIRST = 5, 120


class Watcher:
    """Snapshots of the store `dsn` into `exporter`, from `start` to `stop`."""

    def __init__(self, dsn: str, exporter: Exporter) -> None:
        """Begins with `start`."""
        self._dsn, self._exporter = dsn, exporter
        self._stopped = Event()
        self._thread = Thread(target=self._work, name="watcher", daemon=True)
        self._problem, self._looked = "the store was not looked at yet", time.monotonic()

    @property
    def problem(self) -> str:
        """What is wrong with the store, in words; empty where nothing is."""
        late = time.monotonic() - self._looked
        return self._problem or (f"the store does not answer for {late:.0f} s" if late > STALE else "")

    def start(self) -> None:
        """Nothing; the first snapshot is on its way."""
        self._thread.start()

    def stop(self) -> None:
        """Nothing; the thread has ended, or ends with the statement it waits for."""
        self._stopped.set()
        self._thread.join(timeout=MOST + 1)

    def _work(self) -> None:
        while not self._stopped.is_set():
            try:
                with closing(connection.connect(self._dsn, application="greenwatch serve: metrics")) as conn:
                    migrations.require(conn)
                    taker = Taker(conn)
                    while not self._stopped.is_set():
                        self._exporter.show(taker.take())
                        self._note("")
                        self._stopped.wait(PAUSE)
            except (connection.Lost, StoreError) as problem:
                self._exporter.failed()
                self._note(f"the database cannot be used: {str(problem).strip().splitlines()[0]}")
            except Exception as problem:  # a mistake of ours in one figure must not end all of them unseen
                self._exporter.failed()
                self._note(f"no snapshot: {type(problem).__name__}: {problem}")
            self._stopped.wait(PAUSE)

    def _note(self, problem: str) -> None:
        """Nothing; `problem` is what is wrong from now on, logged where it is another one."""
        if problem and problem != self._problem:
            log.warning("snapshot", problem=problem)
        elif self._problem and not problem:
            log.info("snapshot", problem="")
        self._problem, self._looked = problem, time.monotonic()


class Taker:
    """Snapshots over one connection; remembers what changes seldom and what is added up."""

    def __init__(self, conn: Connection) -> None:
        """Knows nothing yet."""
        self._conn = conn
        self._book, self._state = RuleBook(), object()
        self._quantities = pl.DataFrame()
        self._ordinal, self._sums = 0, pl.DataFrame()
        self._sources: dict[int, str] = {}
        self._slow: dict[str, pl.DataFrame] = {}
        self._next, self._later = 0.0, 0.0
        self._coverage = pl.DataFrame()

    def take(self) -> Snapshot:
        """The store as it is at one moment, as far as that is cheap to know."""
        with health.moment(self._conn, FIRST if self._sums.is_empty() else MOST):
            return self._take(console.now())

    def _take(self, now: datetime) -> Snapshot:
        conn = self._conn
        if time.monotonic() >= self._next:
            chunks, rows = backfills.sums(conn)
            self._slow = {
                "rejects": health.rejects(conn),
                "due": health.due(conn, ledger.CODES, now),
                "backfill_chunks": chunks,
                "backfill_rows": rows,
                "reasons": self._named(rejects.kinds(conn)).group_by("source", "reason").sum(),
                "clocks": clocks.estimate(kept_clocks.load(conn, now - clocks.WINDOW), kept_clocks.steps(conn)).head(
                    CLOCKS
                ),
            }
            self._next = time.monotonic() + SLOW
        if time.monotonic() >= self._later:
            settings = load_plan(conn, now).settings
            self._coverage = verification.coverage(conn, now - SCORED, settings.level, settings.wide)
            self._later = time.monotonic() + SELDOM
        sums = self._batches()
        batches = sums.drop("source", "saved").group_by("kind", maintain_order=True).sum()
        live = pl.col("saved").filter(pl.col("kind") == "live").max().alias("live")
        named = self._named(sums).group_by("source", maintain_order=True)
        sources = named.agg(pl.exclude("saved", "kind").sum(), pl.col("saved").max(), live)
        frames = {
            "alarms": alarms.gauge(conn, now),
            "tiers": incidents.gauge(conn, now),
            "alarm_states": health.alarm_states(conn),
            "latest": self._latest(),
            "batches": batches,
            "cells": outcomes(batches, "kind"),
            "sources": sources,
            "source_cells": outcomes(sources, "source"),
            "rejects": self._slow["rejects"],
            "stale": health.oldest_due(conn, ledger.CODES, now).join(self._slow["due"], on="stage"),
            **{name: self._slow[name] for name in ("backfill_chunks", "backfill_rows", "reasons", "clocks")},
            "coverage": self._coverage,
            # Prometheus calls what it scrapes a job: a label of ours by that name would be renamed.
            "work": health.work(conn).rename({"job": "task"}),
            "spools": spools.load(conn),
            "pulls": pulls.told(conn),
        }
        return Snapshot(now, frames)

    def _batches(self) -> pl.DataFrame:
        more, self._ordinal = health.batches(self._conn, self._ordinal)
        together = pl.concat([self._sums, more]) if self._sums.width else more
        of = together.group_by("kind", "source", maintain_order=True)
        self._sums = of.agg(pl.exclude("saved").sum(), pl.col("saved").max())
        return self._sums

    def _named(self, rows: pl.DataFrame) -> pl.DataFrame:
        """`rows`, their source (a number) by its name where it is one of the first SOURCES, else OTHER."""
        if not set(rows["source"]) <= self._sources.keys() and len(self._sources) < SOURCES:
            self._sources = health.sources(self._conn, SOURCES)
        names = pl.col("source").replace_strict(self._sources, default=OTHER, return_dtype=pl.String)
        return rows.with_columns(names)

    def _latest(self) -> pl.DataFrame:
        """station, parameter, position, domain, unit, time, value: the newest reading of each quantity.

        Of the series that speaks and the one that stands in, the one whose reading is newer.
        """
        conn = self._conn
        state = (health.registry_state(conn), id(self._book.open(conn)))
        if state != self._state:
            self._quantities, self._state = quantities(conn, self._book), state
        found = (
            health.newest(conn)
            .join(self._quantities, on="series")
            .sort("rank")
            .sort("time", descending=True, maintain_order=True)
        )
        return found.unique("voice", keep="first", maintain_order=True).sort("station", "parameter", "position")


def outcomes(batches: pl.DataFrame, of: str) -> pl.DataFrame:
    """`of`, `outcome`, `cells`: a row for each of these and what became of its cells."""
    long = batches.unpivot(list(health.OUTCOMES), index=of, variable_name="outcome", value_name="cells")
    return long.with_columns(pl.col("outcome").replace_strict(health.OUTCOMES, return_dtype=pl.String))


def quantities(conn: Connection, book: RuleBook) -> pl.DataFrame:
    """`series`, `voice`, `rank`, `station` (code), `parameter`, `position`, `domain`, `unit`."""
    known = book.open(conn)[-1].parameters.values()
    facts = pl.DataFrame(
        [(item.name, item.domain, item.unit) for item in known],
        schema=dict.fromkeys(("parameter", "domain", "unit"), pl.String),
        orient="row",
    )
    codes = registry.load_stations(conn).select("station", "code")
    return (
        registry.load_voices(conn)
        .join(codes, on="station")
        .join(facts, on="parameter")
        .select("series", "voice", "rank", pl.col("code").alias("station"), "parameter", "position", "domain", "unit")
    )
