"""`greenwatch ingest`: files into the store, every cell accounted for."""

import hashlib
import json
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Annotated

import polars as pl
import structlog
import typer
from rich.table import Table
from rich.text import Text

from analytics import ingest as formats
from analytics.frames import REJECTS, Batch
from analytics.parameters import Parameter
from analytics.store import observations, register, registry, rejects
from analytics.store.connection import Connection, Deadlock
from analytics.store.observations import READINGS, Counts, Origin, Saved
from jobs import chain, console
from jobs.ahead import ahead
from jobs.spread import spread

EXAMPLE = "Example: greenwatch ingest --register readings/*.csv.gz && greenwatch settle"

log = structlog.get_logger()

#: How often a block is sent again after a deadlock.
_TRIES = 3


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What is said of the files that are read, whoever reads them."""

    format: Annotated[
        str | None,
        typer.Option("--format", help=f"One of {', '.join(formats.FORMATS)}. Default: each file's own, by its head."),
    ] = None
    register: Annotated[
        bool, typer.Option("--register", help="Make unknown stations and series; else their rows wait as rejects.")
    ] = False
    source: Annotated[
        str | None,
        typer.Option("--source", help="Who says so; its priority settles disagreements. Default: the format."),
    ] = None
    revision: Annotated[
        datetime | None,
        typer.Option(
            "--revision",
            formats=["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M%z"],
            help="When the sender made these figures, with an offset; the later revision wins.",
        ),
    ] = None
    cadence: Annotated[
        str | None,
        typer.Option(
            "--cadence",
            help="Step between readings of the series, as 1m, 10m, 1h. Default: as the format says, else 1h.",
        ),
    ] = None

    def order(self) -> Order:
        """The same, as it is gone by. Raises `typer.BadParameter`."""
        if self.format is not None and self.format not in formats.FORMATS:
            known = ", ".join(formats.FORMATS)
            raise typer.BadParameter(f"no format {self.format!r}; there are {known}", param_hint="--format")
        return Order(
            format=self.format,
            register=self.register,
            source=self.source,
            revision=None if self.revision is None else int(self.revision.timestamp() * 1_000_000),
            cadence=None if self.cadence is None else seconds(self.cadence),
        )


@spread
def main(
    *,
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH...", help="Files: CSV, NDJSON or JSON (also .gz), Parquet, or zip.")
    ],
    sent: Sent,
    mapping: Annotated[
        Path | None,
        typer.Option(
            "--mapping",
            help="A file (TOML) that says what the columns of these files are; its words stand in "
            "analytics/tables/mappings/README.md. Its name is the format's.",
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Count what would become of each cell, undo it all; live series of the files wait meanwhile.",
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
    dsn: console.Dsn = None,
) -> None:
    """Read files into the store. Sending the same file again changes nothing; every cell is counted."""
    order = replace(sent.order(), dry_run=dry_run)
    mapped = None if mapping is None else _mapped(mapping, order)
    total, failed = Counts(), []
    rows: dict[str, Counts] = {}
    with console.store(dsn) as conn, conn.transaction(force_rollback=True) if dry_run else nullcontext():
        intake = Intake(conn, order)
        for path in paths:
            try:
                counts = intake.file(path, mapped)
            except (formats.UnknownFormat, formats.UnreadableSource, OSError) as problem:
                console.people.print(Text.assemble(("not read: ", "red"), str(problem)))
                failed.append(path)
                continue
            rows[str(path)] = counts
            total += counts
        # Whatever waits for a series that is there by now, be it made by this run, another, or one that was killed.
        came = readmit(conn, intake.parameters, trial=dry_run)
    if as_json:
        print(json.dumps(asdict(total)))
    else:
        console.show(_table(rows, total, dry_run=dry_run))
    if came.read:
        console.people.print(f"{came.read:,} readings that waited for their series are in")
    if intake.waiting and not order.register:
        console.people.print(
            f"{intake.waiting:,} cells wait as rejects: their series are not registered. Run again with --register, or "
            "register them with `greenwatch register FILE`"
        )
    if intake.held:
        console.people.print(
            f"{intake.held:,} cells wait as rejects: their period is approved (`greenwatch review`) or archived "
            "(`greenwatch keep restore` opens it)"
        )
    if failed:
        raise console.NotAsAsked(f"{len(failed)} of {len(paths)} files could not be read; the others are in")


def _mapped(path: Path, order: Order) -> formats.Mapped:
    """The mapping that a user wrote. Raises `typer.BadParameter`, `TableError`."""
    if order.format is not None:
        raise typer.BadParameter("a mapping is a format of its own: say one of them", param_hint="--mapping, --format")
    if path.stem in formats.FORMATS:
        raise typer.BadParameter(f"{path.stem!r} is a format there is: call the file otherwise", param_hint="--mapping")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise typer.BadParameter(f"{path} cannot be read: {problem}", param_hint="--mapping") from problem
    return formats.mapping(text, path.stem)


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
                total += self.surely(batch, name, str(path), digest)
                bar.update(task, completed=min(source.position, source.size), cells=total.read)
        log.info("ingested", file=str(path), format=name, **asdict(total))
        return total

    def surely(self, batch: Batch, decoder: str, place: str = "", sha256: str | None = None) -> Counts:
        """Counts of one block; the loser of a deadlock sends it again, which changes nothing twice (law 7)."""
        for _ in range(_TRIES):
            try:
                return self.block(batch, decoder, place, sha256)
            except Deadlock:
                if self.order.dry_run:  # its one transaction is lost
                    raise console.NotAsAsked("others are writing these series now: try the dry run again") from None
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
        cells = batch.cells
        if self.order.revision is not None:
            cells = cells.with_columns(pl.col("revision").fill_null(self.order.revision))
        found = self._resolve(cells, batch)
        joined = cells.join(found, on=["station", "channel"], how="left", maintain_order="left")
        unknown = joined.filter(pl.col("series").is_null())
        if unknown.is_empty():
            readings, refused = joined.select(*READINGS), rejected(batch.rejects)
        else:
            readings = joined.filter(pl.col("series").is_not_null()).select(*READINGS)
            refused = pl.concat([rejected(batch.rejects), _waiting(unknown)])
            self.waiting += unknown.filter(~pl.col("reason").is_in(registry.HOPELESS)).height
        self.refused = refused
        if self.rows:
            self.placed = joined.select(*READINGS, "reason")
        source = registry.source(self.conn, self.order.source or decoder)
        return self._keep(readings, refused, Origin(source, decoder, place, sha256, self.order.kind), batch.missing)

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
        pl.lit(None, dtype).alias(name) for name, dtype in rejects.ROWS.items() if name not in REJECTS
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


def seconds(text: str) -> int:
    """Seconds in `text`: 30s, 10m, 1h, 4h, 1d. Raises `typer.BadParameter`."""
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    number, unit = text[:-1], text[-1:]
    if unit not in units or not number.isdecimal() or not 0 < int(number) * units[unit] <= 31_622_400:
        raise typer.BadParameter(
            f"{text!r} is no step between readings: write 30s, 10m, 1h or 1d", param_hint="--cadence"
        )
    return int(number) * units[unit]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _table(rows: Mapping[str, Counts], total: Counts, *, dry_run: bool) -> Table:
    table = Table(title="would become (dry run, nothing changed)" if dry_run else None, box=None, pad_edge=False)
    names = list(asdict(total))
    table.add_column("file", overflow="fold")
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    for file, counts in rows.items():
        table.add_row(file, *(f"{value:,}" for value in asdict(counts).values()))
    if len(rows) != 1:
        table.add_section()
        table.add_row("all", *(f"{value:,}" for value in asdict(total).values()), style="bold")
    return table
