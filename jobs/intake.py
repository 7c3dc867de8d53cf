"""Readings on their way into the store, by whichever door: a block a transaction, every cell accounted for."""

import hashlib
import os
import random
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import polars as pl
import structlog

from analytics import clocks
from analytics import ingest as formats
from analytics.frames import Batch
from analytics.parameters import Parameter
from analytics.store import clocks as kept_clocks
from analytics.store import observations, register, registry, rejects
from analytics.store.connection import Connection, Deadlock
from analytics.store.observations import READINGS, Counts, Origin, Saved
from jobs import chain, console
from jobs.ahead import ahead

log = structlog.get_logger()

#: How often a block is sent again after a deadlock, and after how long at most [s]: where several doors say the same
#: series at once the loser must not be the same one for ever.
_TRIES, _PAUSE = 12, 0.5


@dataclass(frozen=True, slots=True)
class Order:
    """What the user asked for."""

    format: str | None = None
    register: bool = False
    source: str | None = None
    revision: int | None = None
    cadence: int | None = None
    dry_run: bool = False
    #: what its batches are: live, late, backfill
    kind: str = "late"


#: Which channel of a station is which series; `cadence` [s] is the step that was asked for, null: the one that speaks.
CHANNELS = {"station": pl.String, "channel": pl.String, "cadence": pl.Int32, "series": pl.Int32}
_CHANNEL = ("station", "channel", "cadence")


@dataclass(slots=True)
class Intake:
    """Readings on their way into the store; remembers which channel is which series from block to block.

    Who makes one a block, as the server does, gives it the `parameters` in force and what the last one had `known`.
    `refused` (rejects.ROWS) is what the last block could not keep. `waiting` cells have no series yet; `held` ones lie
    in a period that is approved, or older than the horizon.
    """

    conn: Connection
    order: Order
    waiting: int = 0
    held: int = 0
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    known: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=CHANNELS))
    refused: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=dict(rejects.ROWS)))
    #: whether to remember of the last block what `verdicts.of` asks for
    rows: bool = False
    #: READINGS of its cells, one by one, without a series where there is none for a `reason`; what became of them
    placed: pl.DataFrame = field(default_factory=pl.DataFrame)
    saved: Saved | None = None
    #: the block itself, what is ahead of the clock among its rejects
    batch: Batch | None = None

    def __post_init__(self) -> None:
        if not self.parameters:
            self.parameters = chain.load_rules(self.conn)[-1].parameters

    def file(self, path: Path, mapped: formats.Mapped | None = None) -> Counts:
        """Counts of one file, each block durable by itself. Raises `UnknownFormat`, `UnreadableSource`, `OSError`."""
        source = formats.Source(path)
        name = mapped.name if mapped else self.order.format or formats.recognise(source)
        batches = formats.read_as(mapped, source) if mapped else formats.read(source, name)
        digest = _sha256(path)
        total = Counts()
        with console.progress("cells") as bar:
            task = bar.add_task(path.name, total=max(source.size, 1))
            for batch in ahead(batches):
                total += self.surely(batch, name, named(path), digest)
                bar.update(task, completed=min(source.position, source.size), cells=total.read)
        log.info("ingested", file=named(path), format=name, **asdict(total))
        return total

    def surely(self, batch: Batch, decoder: str, place: str = "", sha256: str | None = None) -> Counts:
        """Counts of one block; the loser of a deadlock sends it again, which changes nothing twice (law 7)."""
        for _ in range(_TRIES):
            try:
                return self.block(batch, decoder, place, sha256)
            except Deadlock:
                if self.order.dry_run:  # its one transaction is lost
                    raise console.NotAsAsked("others are writing these series now: try the dry run again") from None
                time.sleep(random.uniform(0, _PAUSE))
        return self.block(batch, decoder, place, sha256)

    def block(self, batch: Batch, decoder: str, place: str = "", sha256: str | None = None) -> Counts:
        """Counts of one block, which is durable when they are returned.

        What must be registered for it is committed before: nothing waits for a reading's lock with another in hand.
        Without `--register` nobody registers until the block is in: else its readings could wait as rejects although
        their series is there.
        """
        if self.order.register:
            return self._block(batch, decoder, place, sha256)
        with self.conn.transaction():
            register.hold_off(self.conn)
            return self._block(batch, decoder, place, sha256)

    def _block(self, batch: Batch, decoder: str, place: str, sha256: str | None) -> Counts:
        heard = clocks.delays(batch)
        batch = clocks.early(batch, console.now())
        cells = batch.cells
        if self.order.revision is not None:
            cells = cells.with_columns(pl.col("revision").fill_null(self.order.revision))
        found = self._resolve(cells, batch)
        joined = cells.join(found, on=["station", "channel"], how="left", maintain_order="left")
        unknown = joined.filter(pl.col("series").is_null())
        refused = self._rejected(batch)
        if unknown.is_empty():
            readings = joined.select(*READINGS)
        else:
            readings = joined.filter(pl.col("series").is_not_null()).select(*READINGS)
            refused = pl.concat([refused, _waiting(unknown)])
            self.waiting += unknown.filter(~pl.col("reason").is_in(registry.HOPELESS)).height
        self.refused = refused
        if self.rows:
            self.placed, self.batch = joined.select(*READINGS, "reason"), batch
        source = registry.source(self.conn, self.order.source or decoder)
        origin = Origin(source, decoder, place, sha256, self.order.kind)
        with self.conn.transaction():  # who loses a deadlock here sends all of it again, and nothing of it was counted
            # What is read again, or was gathered before it was sent, says nothing of a clock. Before the readings: who
            # has signed a batch waits for no row.
            if self.order.kind == "live" and not self.order.dry_run:
                kept_clocks.save(self.conn, heard, source)
            return self._keep(readings, refused, origin, batch.missing)

    def _rejected(self, batch: Batch) -> pl.DataFrame:
        """`rejects.ROWS` of a block; what is ahead of the clock keeps what it takes to bring it in some day."""
        refused = rejected(batch.rejects)
        early = pl.col("reason") == clocks.EARLY
        if not refused.select(early.any()).item():
            return refused
        steps = _steps(refused.filter(early).select("station", "channel").unique(), batch, self.order.cadence)
        return (
            refused.drop("cadence")
            .join(steps, on=["station", "channel"], how="left", maintain_order="left", nulls_equal=True)
            .with_columns(
                pl.when(early).then("cadence").alias("cadence"),
                pl.when(early).then(pl.coalesce("revision", pl.lit(self.order.revision, pl.Int64))).alias("revision"),
            )
            .select(*rejects.ROWS)
        )

    def _keep(self, readings: pl.DataFrame, refused: pl.DataFrame, origin: Origin, missing: int) -> Counts:
        counts = observations.save(
            self.conn,
            readings,
            refused,
            origin,
            console.now(),
            missing=missing,
            trial=self.order.dry_run,
            note=self._hear,
        )
        self.held += counts.rejects - refused.height
        return counts

    def _hear(self, saved: Saved) -> None:
        self.saved = saved if self.rows else None

    def _resolve(self, cells: pl.DataFrame, batch: Batch) -> pl.DataFrame:
        """CHANNELS and `reason` of every pair in `cells`, new ones made if that was asked for."""
        pairs = _steps(cells.select("station", "channel").unique(maintain_order=True), batch, self.order.cadence)
        new = pairs.join(self.known, on=_CHANNEL, how="anti", nulls_equal=True)
        lost = pl.DataFrame(schema={**CHANNELS, "reason": pl.String})
        if new.height:
            found = self._look_up(new)
            unknown = found.filter(pl.col("series").is_null() & ~pl.col("reason").is_in(registry.HOPELESS))
            if self.order.register and unknown.height:
                self._learn(unknown, batch)
                found = self._look_up(new)
            self.known = pl.concat([self.known, found.filter(pl.col("series").is_not_null()).select(*CHANNELS)])
            lost = found.filter(pl.col("series").is_null()).select(*lost.columns)
        here = pairs.join(self.known, on=_CHANNEL, nulls_equal=True).select(*CHANNELS)
        return pl.concat([here, lost], how="diagonal")

    def _look_up(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """What the registry says of `pairs` (station, channel, cadence), the cadence beside it."""
        parts = []
        for (cadence,), some in pairs.group_by("cadence", maintain_order=True):
            step = None if cadence is None else int(str(cadence))
            found = registry.resolve(self.conn, some.select("station", "channel"), self.parameters, step)
            parts.append(found.with_columns(pl.lit(step, pl.Int32).alias("cadence")))
        return pl.concat(parts)

    def _learn(self, unknown: pl.DataFrame, batch: Batch) -> None:
        """Stations and series made for `unknown` (station, key, cadence), with what the source itself says of them."""
        said = register.Registry()
        new = unknown.select("station", "key", pl.col("cadence").fill_null(registry.DEFAULT_CADENCE)).unique()
        for code, key, cadence in new.sort(new.columns).iter_rows():
            facts = batch.stations.get(code, {})
            channel = registry.Channel.parse(key)
            said.stations[code] = {name: facts[name] for name in register.FACTS if name in facts}
            said.memberships.update(
                {register.Membership(code, kind, None): place for kind, place in facts.get("memberships", {}).items()}
            )
            said.series[register.Series(code, channel.parameter, channel.position, channel.statistic, cadence)] = None
        with self.conn.transaction():
            chain.mark_registered(self.conn, register.learn(self.conn, said), console.now())


def readmit(conn: Connection, parameters: Mapping[str, Parameter], *, trial: bool = False) -> Counts:
    """Counts of the readings that waited as rejects and have a series now: they are saved, the rejects go."""
    total = Counts()
    for (cadence,), waits in rejects.waiting(conn).group_by("cadence", maintain_order=True):
        step = None if cadence is None else int(str(cadence))
        found = registry.resolve(conn, waits.select("station", "channel").unique(), parameters, step)
        ready = waits.join(found, on=["station", "channel"]).filter(pl.col("series").is_not_null())
        for source, station, channel, series in ready.select("source", "station", "channel", "series").iter_rows():
            for page in rejects.readings(conn, source, station, channel, step):
                rows = page.with_columns(pl.lit(series, pl.Int32).alias("series")).select(*READINGS)
                total += observations.save(
                    conn,
                    rows,
                    pl.DataFrame(schema=dict(rejects.ROWS)),
                    Origin(source, "readmitted"),
                    console.now(),
                    readmitted=page["id"].to_list(),
                    trial=trial,
                )
    return total


def rejected(frame: pl.DataFrame) -> pl.DataFrame:
    """`rejects.ROWS` of a reader's rejects."""
    return frame.with_columns(
        pl.lit(None, dtype).alias(name) for name, dtype in rejects.ROWS.items() if name not in frame.columns
    ).select(*rejects.ROWS)


def _steps(pairs: pl.DataFrame, batch: Batch, asked: int | None) -> pl.DataFrame:
    """`pairs` with `cadence` [s]: what was asked for, else what the source itself says of the series, else null."""
    said: list[int | None] = [asked] * pairs.height
    if asked is None and any("cadence" in facts or "cadences" in facts for facts in batch.stations.values()):
        known = [(batch.stations.get(station, {}), channel) for station, channel in pairs.iter_rows()]
        said = [facts.get("cadences", {}).get(channel, facts.get("cadence")) for facts, channel in known]
    return pairs.with_columns(pl.Series("cadence", said, pl.Int32))


def _waiting(unknown: pl.DataFrame) -> pl.DataFrame:
    """`rejects.ROWS` of readings without a series; those of a known parameter keep time and value and can come back."""
    can = ~pl.col("reason").is_in(registry.HOPELESS)
    return unknown.with_columns(
        pl.col("time").dt.strftime("%Y-%m-%dT%H:%M:%S%.fZ").alias("stamp"),
        pl.col("value").cast(pl.String).alias("text"),
        pl.lit(None, pl.String).alias("place"),
        pl.when(can).then("time").alias("time"),
        pl.when(can).then("value").alias("value"),
    ).select(*rejects.ROWS)


def named(path: Path) -> str:
    """`path` as a text that can be kept and shown: file names may be in any encoding, as those out of a zip are."""
    return os.fsencode(path).decode("utf-8", "replace")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
