"""`greenwatch demo`: a made-up winter, or your own files, from the first byte to the index, in its own database."""

import gzip
import os
import shlex
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import polars as pl
import typer
from rich.markup import escape

from analytics import ingest as formats
from analytics import standards, synthetic
from analytics.store import connection, migrations, registry
from analytics.store import summary as store
from analytics.store.connection import Connection
from analytics.store.observations import Counts
from analytics.store.register import read as read_registry
from analytics.texts import Language
from jobs import chain, console, register, summary
from jobs.database import lock
from jobs.database.dsn import SPEAKING
from jobs.database.home import home
from jobs.database.server import Server
from jobs.ingest import Intake, Order

EXAMPLE = "Example: greenwatch demo && greenwatch demo my-readings.csv.gz"

#: The demo's own database on the private server: a store in use is never touched.
DATABASE = "greenwatch_demo"
SOURCE = "synthetic"
#: Local days that the late file is about.
LATE_DAYS = 14


def main(
    data: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[DATA...]", exists=True, dir_okay=False, help="Your files. Default: a made-up winter."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the made-up winter: the same seed, the same winter.")] = 1,
    keep: Annotated[
        bool, typer.Option("--keep", help="Add to the demo's database; else it is made anew at each run.")
    ] = False,
    language: Annotated[Language, typer.Option(help="Words of the summary.")] = Language.both,
    dsn: Annotated[
        str | None,
        typer.Option(
            "--dsn",
            help="Database to fill, as a libpq connection string; nothing in it is dropped. Default: one of its own on "
            "the private server.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """See it work: readings in, judged, averaged, held against the standards, and repaired when some come late."""
    with ExitStack() as stack:
        folder = lock.folder(home() / "demo")
        stack.enter_context(lock.held(folder / ".lock", lambda: say("waiting for another demo")))
        address = dsn or _private(keep=keep)
        conn = stack.enter_context(closing(connection.connect(address)))
        steps = sum(1 for _ in migrations.migrate(conn, standards.tables(), console.now()))
        say(f"tables: {steps} steps" if steps else "tables: up to date")
        run = _files(conn, data) if data else winter(conn, synthetic.winter(seed), folder)
        run.dsn = "..." if dsn else _note(folder / "dsn", address)
        summary.show(conn, console.out, language=language, run=run)


def say(words: str) -> None:
    """Nothing; a line of progress on stderr."""
    console.people.print(f"[dim]demo:[/] {words}")


def _private(*, keep: bool) -> str:
    """The DSN of the demo's database on the private server, started and made as far as needed, new unless `keep`."""
    if heard := [name for name in SPEAKING if os.environ.pop(name, None)]:
        # They would lead libpq away from the private server; whoever means them says --dsn.
        say(f"{', '.join(heard)} not used: the demo keeps to its own database")
    server = Server(home())
    server.start()
    with closing(connection.connect(server.dsn("postgres"))) as admin:
        if not keep:
            admin.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
        if not admin.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE]).rowcount:
            admin.execute(f"CREATE DATABASE {DATABASE}")
    say(f"database {DATABASE} on the private server, port {server.port}")
    return server.dsn(DATABASE)


def _note(path: Path, address: str) -> str:
    """Shell words that give `address` (it holds no password), which is kept in `path`."""
    path.write_text(address)
    return f'"$(cat {shlex.quote(str(path))})"'


def _files(conn: Connection, paths: list[Path]) -> summary.Run:
    """The user's files in, and settled. Raises `NotAsAsked` where none of them can be read."""
    intake = Intake(conn, Order(register=True))
    began, total, read = time.perf_counter(), Counts(), 0
    for path in paths:
        try:
            total += intake.file(path)
            read += 1
        except (formats.UnknownFormat, formats.UnreadableSource, OSError) as problem:
            console.people.print(f"[red]not read:[/] {escape(str(problem))}")
    if not read:
        raise console.NotAsAsked("no file could be read")
    seconds = time.perf_counter() - began
    say(f"ingested {total.read:,} cells of {read} files in {seconds:.1f} s")
    return summary.Run(seconds, total.read, _settle(conn, console.now))


def winter(conn: Connection, made: synthetic.Winter, folder: Path) -> summary.Run:
    """The made-up winter in, but for a late file; settled; the late file in; settled again."""
    paths, late = write(folder, made)
    say(f"synthetic winter 合成: {len(paths)} files in {folder / 'winter'}")
    _register(conn, folder / "stations.csv")
    intake = Intake(conn, Order(source=SOURCE))
    began, total = time.perf_counter(), Counts()
    for path in paths:
        total += intake.file(path)
    seconds = time.perf_counter() - began
    say(f"ingested {total.read:,} cells in {seconds:.1f} s")
    # The winter is over for the demo, even where a machine's clock says that it is still to come.
    over = datetime.fromisoformat(str(made.wide["time"].max())) + timedelta(days=2)
    full = _settle(conn, lambda: max(console.now(), over))
    before = store.days(conn).filter(pl.col("index").is_not_null()).join(registry.load_stations(conn), on="station")
    counts = intake.file(late)
    say(f"late file: {counts.new:,} readings of {_code(late)}")
    repair = _settle(conn, lambda: max(console.now(), over))
    days = before.filter(code=_code(late)).n_unique("time")
    return summary.Run(seconds, total.read, full, repair, counts.new, _code(late), days)


def _code(path: Path) -> str:
    return path.name.removesuffix(".csv.gz")


def _settle(conn: Connection, clock: Callable[[], datetime]) -> list[chain.Work]:
    with console.progress("rows") as bar:
        task = bar.add_task("settling", total=None)

        def notice(done: chain.Work, left: int) -> None:
            bar.update(task, description=f"settling: {done.stage}", completed=done.marks, total=done.marks + left)

        work = chain.settle(conn, clock, notice=notice)
    written, seconds = sum(done.written for done in work), sum(done.seconds for done in work)
    say(f"settled: {written:,} rows written in {seconds:.1f} s")
    return work


def _register(conn: Connection, file: Path) -> None:
    """Nothing; what `greenwatch register` does with `file`."""
    draft = read_registry(file.read_bytes(), str(file), *register.rules(conn))
    register.write(conn, draft)


def registry_rows(made: synthetic.Winter) -> pl.DataFrame:
    """The registry file of the made-up stations: titles that say what they are, and a series for each parameter."""
    kind, place = synthetic.DISTRICT
    facts = made.stations.select(
        "station",
        "title",
        "title_zh",
        pl.lit(synthetic.OFFSET).alias("utc_offset"),
        pl.lit(place).alias(f"member:{kind}"),
        pl.lit("1h").alias("cadence"),
    )
    return facts.join(pl.DataFrame({"parameter": list(synthetic.DECIMALS)}), how="cross")


def write(folder: Path, made: synthetic.Winter) -> tuple[list[Path], Path]:
    """The files of `made` in `folder`, one a station, and the one that comes late: rows cut out of one station.

    Beside them stations.csv, for `greenwatch register`.
    """
    station, first, last = late_window(made.wide)
    late = (pl.col("station") == station) & pl.col("time").str.slice(0, 10).is_between(pl.lit(first), pl.lit(last))
    for name in ("winter", "late"):
        for old in lock.folder(folder / name).glob(f"{synthetic.PREFIX}*.csv.gz"):
            old.unlink()  # of an earlier run with more stations
    (folder / "stations.csv").write_bytes(registry_rows(made).write_csv().encode())
    paths = [
        _write(folder / "winter" / f"{code}.csv.gz", made.wide.filter(~late, pl.col("station") == code))
        for code in made.stations["station"]
    ]
    return paths, _write(folder / "late" / f"{station}.csv.gz", made.wide.filter(late))


def late_window(wide: pl.DataFrame) -> tuple[str, str, str]:
    """Station, first and last local day of what comes late: some two weeks around the middle station's worst day."""
    codes = wide["station"].unique().sort()
    station = str(codes[len(codes) // 2])
    daily = (
        wide.filter(pl.col("station") == station)
        .group_by(pl.col("time").str.slice(0, 10).alias("day"))
        .agg(pl.col("pm25").median())
        .sort("day")
    )
    worst = daily["pm25"].arg_max() or 0
    first = max(0, min(worst - LATE_DAYS + 3, daily.height - LATE_DAYS))
    window = daily["day"].slice(first, LATE_DAYS)
    return station, str(window[0]), str(window[-1])


def _write(path: Path, rows: pl.DataFrame) -> Path:
    """`path`, which appears whole or not at all; the same rows are the same bytes."""
    part = path.with_suffix(".part")
    part.write_bytes(gzip.compress(rows.write_csv().encode(), mtime=0))
    return part.replace(path)
