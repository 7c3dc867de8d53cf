"""`greenwatch demo`: a made-up district coming in live, or your own files, through all of it, in its own database."""

import os
import shlex
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated
from zlib import crc32

import httpx
import typer
from rich.text import Text

from analytics import ingest as formats
from analytics.store import connection
from analytics.store.connection import Connection
from analytics.store.observations import Counts
from analytics.store.register import read as read_registry
from analytics.synthetic import District
from analytics.texts import Language
from jobs import beside, board, chain, console, forecast, irrigate, migrate, register, relearn, serve, summary, watch
from jobs.database import lock
from jobs.database.dsn import SPEAKING
from jobs.database.home import home
from jobs.database.server import Server
from jobs.intake import Intake, Order
from jobs.simulate import files as simulated
from jobs.up import Family

EXAMPLE = "Example: greenwatch demo && greenwatch demo my-readings.csv.gz"

#: The demo's own database on the private server: a store in use is never touched.
DATABASE = "greenwatch_demo"
SOURCE = "synthetic"
#: Days between the fits made of the past.
RELEARN = 7
#: The stream has so long [s] to bring its first minute onto the page.
PATIENCE = 30.0


def main(
    data: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[DATA...]", exists=True, dir_okay=False, help="Your files. Default: a made-up district, live."
        ),
    ] = None,
    once: Annotated[
        bool, typer.Option("--once", help="End after the summary and the page's first answer; else stay up.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of the made-up district: the same seed, the same district.")] = 1,
    days: Annotated[int, typer.Option(min=3, max=400, help="Days of its history.")] = 60,
    port: serve.Port = serve.PORT,
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
    """See it work: readings in, judged, averaged, assessed; episodes, forecasts, advice, alarms; and a page."""
    with ExitStack() as stack:
        folder = lock.folder(home() / ("demo" if dsn is None else f"demo-{crc32(dsn.encode()):08x}"))
        stack.enter_context(lock.held(folder / ".lock", lambda: say("another demo runs: stop it there (Ctrl-C)")))
        listener = stack.enter_context(closing(serve.listen(serve.HOST, port)))
        port = listener.getsockname()[1]
        address = dsn or _private(keep=keep)
        if dsn is None and not keep:
            shutil.rmtree(folder / "spool", ignore_errors=True)  # of the database that is gone
        conn = stack.enter_context(closing(connection.connect(address)))
        steps = sum(1 for _ in migrate.migrate(conn))
        say(f"tables: {steps} steps" if steps else "tables: up to date")
        story = Story(conn)
        if data:
            story.files(data)
        else:
            story.district(folder / "district", seed, days)
        story.think(console.now())
        run = story.run
        run.dsn = "..." if dsn else _note(folder / "dsn", address)
        listener.close()
        doors = beside.doors(address, beside.Devices(port=0, metrics=0), None)
        page = f"http://{serve.HOST}:{port}"
        with up(address, port, None if data else folder / "district", doors, folder) as family:
            if not all(family.answers(place) for place in (page, *(door.health for door in doors))):
                return  # stopped while it started
            _first(family, page, live=not data)
            if not once:
                _show(conn, language, run)
                console.out.print(f"\n{page}", style="bold green")
                for door in doors:
                    console.out.print(door.said, soft_wrap=True)
                console.people.print("live; Ctrl-C ends it / 实时运行中，Ctrl-C 结束")
                family.watch()
                return
        _show(conn, language, run)  # last: after what servers log while they end
        console.people.print("ended; without --once the page stays / 已结束；不带 --once 则页面常开")


def _show(conn: Connection, language: Language, run: summary.Run) -> None:
    """Nothing; the summary of the store is printed, with what the `run` did."""
    seen = board.board(conn, board.Book.load(), board.moment(conn, console.now()), summary.one(language))
    summary.show(conn, console.out, language=language, run=run, board=seen)


def say(words: str) -> None:
    """Nothing; a line of progress on stderr."""
    console.people.print(Text.assemble(("demo: ", "dim"), words))


@contextmanager
def up(address: str, port: int, district: Path | None, doors: Sequence[beside.Door], folder: Path) -> Iterator[Family]:
    """A server at `port` and a worker on the database, `doors`, and the stream of `district`; ended when the block is
    left.

    Spools of the demo's doors lie in `folder`: what waits in this machine's own must not come into its database. And it
    subscribes to no broker, which would take its messages for received.
    """
    family = Family()
    with family.heeding():
        family.start("serve", [f"--port={port}", "--dsn", address])
        family.start("worker", ["--dsn", address])
        for door in doors:
            family.start(door.name, [*door.words, "--dsn", address], os.environ | {"GREENWATCH_HOME": str(folder)})
        if district is not None:
            like = district / simulated.MANIFEST
            family.start("simulate", ["live", "--like", str(like), "--url", f"http://{serve.HOST}:{port}"])
        yield family


def _first(family: Family, page: str, *, live: bool) -> None:
    """Nothing; the page has answered, with a row of the stream on it where there is one, or PATIENCE is over."""
    give_up = time.monotonic() + PATIENCE
    with httpx.Client(base_url=page, timeout=20, trust_env=False) as client:
        while live and time.monotonic() < give_up and not family.stopping.is_set() and not family.ended():
            if 'greenwatch_batches_total{kind="live"' in client.get("/metrics").text:
                break
            family.stopping.wait(0.3)
        answer = client.get("/")
        answer.raise_for_status()
    say(f"page: {answer.status_code}, {len(answer.content):,} bytes in {answer.elapsed.total_seconds():.1f} s")


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


@dataclass(slots=True)
class Story:
    """What the demo does with a store before it goes live, and what that took."""

    conn: Connection
    run: summary.Run = field(default_factory=summary.Run)

    def files(self, paths: list[Path]) -> None:
        """The user's files in, and settled. Raises `NotAsAsked` where none of them can be read."""
        intake = Intake(self.conn, Order(register=True))
        began, total, read = time.perf_counter(), Counts(), 0
        for path in paths:
            try:
                total += intake.file(path)
                read += 1
            except (formats.UnknownFormat, formats.UnreadableSource, OSError) as problem:
                console.people.print(Text.assemble(("not read: ", "red"), str(problem)))
        if not read:
            raise console.NotAsAsked("no file could be read")
        self._came(total, time.perf_counter() - began, f"{read} files")
        self.run.settle = settle(self.conn)

    def district(self, folder: Path, seed: int, days: int) -> None:
        """The made-up district's history in and settled; then what its stations kept back, and settled again."""
        stop = console.now().replace(second=0, microsecond=0)
        began = time.perf_counter()
        made = simulated.write(folder, simulated.plan(District(seed, stop), stop, days=days))
        say(f"synthetic district 合成城区: {sum(made.values()):,} rows of files in {_since(began)}")
        for name in ("stations.csv", "zones.csv"):
            draft = read_registry((folder / name).read_bytes(), name, *register.rules(self.conn))
            register.write(self.conn, draft)
        began, total = time.perf_counter(), Counts()
        for name, cadence in simulated.CADENCES.items():
            total += self._read(folder / f"readings-{name}.parquet", cadence)
        self._came(total, time.perf_counter() - began, "the history")
        self.run.settle = settle(self.conn)
        late = Counts()
        for name, cadence in simulated.CADENCES.items():
            late += self._read(folder / f"late-{name}.parquet", cadence)
        say(f"late: {late.new:,} readings that stations had kept back")
        self.run.late, self.run.repair = late.new, settle(self.conn)

    def think(self, now: datetime) -> None:
        """Fits, scores, forecasts, water balances: what is otherwise done by the clock."""
        began = time.perf_counter()
        learned = relearn.run(self.conn, now, every=RELEARN)
        settle(self.conn)
        say(f"learned: {learned.fits:,} fits of {learned.series:,} series in {_since(began)}")
        began = time.perf_counter()
        issued = forecast.run(self.conn, board.moment(self.conn, now))
        say(f"forecasts: {issued.new:,} in {_since(began)}")
        watered = irrigate.run(self.conn, now)
        say(f"irrigation: {watered.zones} zones")
        watch.run(self.conn, now)

    def _read(self, path: Path, cadence: int) -> Counts:
        return Intake(self.conn, Order(source=SOURCE, cadence=cadence)).file(path)

    def _came(self, total: Counts, seconds: float, what: str) -> None:
        self.run.read, self.run.ingest = total.read, seconds
        say(f"ingested {total.read:,} cells of {what} in {seconds:.1f} s")


def settle(conn: Connection, clock: Callable[[], datetime] = console.now) -> list[chain.Work]:
    """What each stage did, with a bar on the way."""
    with console.progress("rows") as bar:
        task = bar.add_task("settling", total=None)

        def notice(done: chain.Work, left: int) -> None:
            bar.update(task, description=f"settling: {done.stage}", completed=done.marks, total=done.marks + left)

        work = chain.settle(conn, clock, notice=notice)
    written, seconds = sum(done.written for done in work), sum(done.seconds for done in work)
    say(f"settled: {written:,} rows written in {seconds:.1f} s")
    return work


def _since(began: float) -> str:
    return f"{timedelta(seconds=time.perf_counter() - began).total_seconds():.1f} s"
