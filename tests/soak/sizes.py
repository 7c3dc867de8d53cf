"""What a row costs from file to episode as there are more of them: a hundred thousand, a million, ten million.

The same week at any size, of ever more series of the same town, which have as many neighbours each: what there is more
of is rows, and their shape stays, as does how they come, some days of all series in a file. Every size begins with an
empty store and a process of its own, which does the commands one after the other. The small ones run before and
after the largest, since another minute is another machine.

A command has its price, paid once whatever the size: files are opened, rules read, statements planned, the first take
of each stage has some sixty small queries. It is what the same command costs, in the same process and right afterwards,
that has as many files and one row to do in each; imports and the like come before both. It is taken off, and shown; of
what is left to a size the median of its runs counts. `relearn` looks at all series again whatever is new: its price is
that in the smallest store.

`python -m tests.soak.run chain --rows 100000000` is another size alone, held against nothing: ten weeks of ten thousand
series.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, redirect_stdout
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from statistics import median
from threading import Event, Thread

import polars as pl

from analytics.store import connection
from analytics.store.connection import Connection
from jobs import cli
from tests.soak import rows
from tests.soak.figures import Outcome, shown
from tests.soak.house import ROOT, House, pace
from tests.soak.live import _cpu, _postmaster, _tree

DAYS = 7
STEPS = DAYS * 144
#: Series at most, as many as a district has: beyond them there are more weeks.
SERIES = 10_000
#: Rows of the sizes; each runs so often before the largest, and as often after it.
SIZES = (100_000, 1_000_000, 10_000_000)
REPEATS = {100_000: 4, 1_000_000: 2}
#: Steps of a file: five files a week, whatever the size.
FILE = 202
#: What a command may hold at its highest [MiB].
MEMORY = 1536
#: In their order; `relearn` draws the maps of neighbours.
COMMANDS = ("ingest", "relearn", "settle")
UNITS = {"seconds": "µs", "cpu": "µs of processor"}
#: How often one row a file is done.
IDLE = 3
#: Between two looks at the server's vacuum [s].
PAUSE = 0.1


@dataclass(frozen=True, slots=True)
class Cost:
    """What a command cost: seconds, processor seconds (its own, the server's meanwhile), highest memory [MiB]. Those of
    the server's vacuum stand apart: it comes when it likes, to small sizes when they are over."""

    seconds: float
    cpu: float
    peak: float
    vacuum: float


@dataclass(frozen=True, slots=True)
class Size:
    """One run: rows there were, what its commands cost, and what they cost then, in the middle, with one row to do."""

    rows: int
    work: dict[str, Cost]
    idle: dict[str, Cost]


def run(house: House, total: int) -> Outcome:
    """Figures of all sizes up to `total` rows; beyond them, of so many rows alone, once."""
    sizes = [size for size in SIZES if size <= total <= SIZES[-1]] or [total]
    order = list(_order(sizes))
    found: dict[int, list[Size]] = {size: [] for size in sizes}
    with pace("chain", sum(order), "rows") as step:
        for size in order:
            with house.database() as dsn, house.files() as folder:
                found[size].append(measure(dsn, folder, size))
            step(size, f"{size:,} rows")
    out = Outcome()
    report(out, found)
    return out


def _order(sizes: list[int]) -> Iterator[int]:
    """The sizes as they run: small to large and back, the largest once; twice, where that is no matter of an hour."""
    up = [size for size in sizes[:-1] for _ in range(REPEATS.get(size, 1))]
    yield from [*up, *[sizes[-1]] * (2 if sizes[-1] in SIZES else 1), *reversed(up)]


def measure(dsn: str, folder: Path, size: int) -> Size:
    """What a week of so many rows cost."""
    kinds = len(rows.PARAMETERS)
    series = min(max(1, round(size / STEPS / kinds)) * kinds, SERIES)
    length = round(size / series) if series == SERIES else STEPS
    with closing(connection.connect(dsn, application="soak")) as conn:
        rows.register(conn, series)
        files = []
        for first in range(0, length, FILE):
            frame = rows.readings(series, first, min(FILE, length - first))
            files.append(str(rows.write(folder / f"{first:04}.parquet", frame, series)))
        turns = [files]
        for turn in range(IDLE + 1):
            names = [folder / f"one-{turn}-{number}.parquet" for number in range(len(files))]
            turns.append([str(rows.write(name, _one(turn, FILE * at), series)) for at, name in enumerate(names)])
        words = [sys.executable, "-m", "tests.soak.sizes", dsn, json.dumps(turns)]
        done = json.loads(subprocess.run(words, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout)
        counted = conn.execute("SELECT count(*) FROM observation").fetchone()
        left = conn.execute("SELECT count(*) FROM stale").fetchone()
    assert counted == (series * length,), "not all rows came"
    assert left == (0,), "not all is settled"
    work, *idle = ({name: Cost(**cost) for name, cost in turn.items()} for turn in done)
    return Size(series * length, work, {name: _middle([turn[name] for turn in idle]) for name in COMMANDS})


def _one(revision: int, step: int) -> pl.DataFrame:
    """A reading of the first series at that step, once more another one."""
    return rows.readings(1, step, 1).with_columns(pl.col("value") + revision, revision=pl.lit(revision, pl.Int64))


def _middle(costs: list[Cost]) -> Cost:
    return Cost(*(median(getattr(cost, field.name) for cost in costs) for field in fields(Cost)))


def alone(dsn: str, work: list[str], first: list[str], *ones: list[str]) -> list[dict[str, dict[str, float]]]:
    """What the commands cost this process with the files `work`, and then with each of `ones`. With the `first` of
    these it warms up, unmeasured."""
    with closing(connection.connect(dsn, application="soak")) as conn:
        turns = [{name: command(conn, dsn, name, files) for name in COMMANDS} for files in (first, work, *ones)]
    return [{name: asdict(cost) for name, cost in turn.items()} for turn in turns[1:]]


def command(conn: Connection, dsn: str, name: str, files: Sequence[str]) -> Cost:
    """What `greenwatch NAME` cost."""
    server = _postmaster(conn)
    words = [name, "--dsn", dsn, *(["--format", "long", *files] if name == "ingest" else [])]
    Path("/proc/self/clear_refs").write_text("5")  # the highest memory is looked for anew
    with open(os.devnull, "w") as sink, redirect_stdout(sink), vacuums(conn) as seen:
        before, began = time.process_time() + _tree(server), time.perf_counter()
        assert not cli.app(words, standalone_mode=False), f"{name} did not end well"
        seconds, cpu = time.perf_counter() - began, time.process_time() + _tree(server) - before
    vacuum = sum(late - early for early, late in seen.values())
    return Cost(seconds, cpu - vacuum, _highest(os.getpid()), vacuum)


@contextmanager
def vacuums(conn: Connection) -> Iterator[dict[int, tuple[float, float]]]:
    """Process -> CPU [s] when it was first seen and last, of those in which the server vacuums by itself meanwhile."""
    seen: dict[int, tuple[float, float]] = {}
    over = Event()

    def look() -> None:
        while not over.wait(PAUSE):
            for pid in _vacuums(conn):
                if used := _cpu(pid):
                    seen[pid] = (seen.get(pid, (0.0, 0.0))[0], used)

    for pid in _vacuums(conn):
        seen[pid] = (_cpu(pid),) * 2
    thread = Thread(target=look, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def _vacuums(conn: Connection) -> list[int]:
    query = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'autovacuum worker'"
    return [int(str(row[0])) for row in conn.execute(query).fetchall()]


def _highest(pid: int) -> float:
    """The highest memory of a process so far [MiB]."""
    # Not what the kernel says at its end (ru_maxrss): that includes its parent at the moment of the fork.
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def report(out: Outcome, found: dict[int, list[Size]]) -> None:
    """Nothing; the figures are in `out`, with the targets of the issue."""
    costs: dict[str, dict[str, float]] = {}
    for what, unit in UNITS.items():
        small = median(getattr(run.idle["relearn"], what) for run in found[min(found)])
        word = "processor" if what == "cpu" else "time"
        for size, runs in found.items():
            starts = [{done: getattr(run.idle[done], what) for done in COMMANDS} | {"relearn": small} for run in runs]
            out.add(
                f"{size:,} rows: price of all commands, not counted: {word}",
                median(sum(start.values()) for start in starts),
                "s",
            )
            row = {
                done: median(
                    1e6 * (getattr(run.work[done], what) - start[done]) / run.rows
                    for run, start in zip(runs, starts, strict=True)
                )
                for done in COMMANDS
            }
            for done in COMMANDS:
                out.add(f"{size:,} rows: {done}, a row", row[done], unit)
            out.add(f"{size:,} rows: the chain, a row", sum(row.values()), unit)
            costs.setdefault(what, {})[shown(size)] = sum(row.values())
    for size, runs in found.items():
        for done in COMMANDS:
            peak = max(run.work[done].peak for run in runs)
            out.add(f"{size:,} rows: memory of {done}, most", peak, "MiB", most=MEMORY)
        vacuum = median(1e6 * sum(cost.vacuum for cost in run.work.values()) / run.rows for run in runs)
        out.add(f"{size:,} rows: vacuum meanwhile, not counted, a row", vacuum, "µs of processor")
    for what, word in (("cpu", "processor"), ("seconds", "time")):
        if len(found) > 1:
            dearest = max(costs[what].values()) / min(costs[what].values())
            out.add(f"cost a row, {word}: the dearest size / the cheapest", dearest, most=1.25)
        out.details[word] = costs[what]
    out.notes.append("the same week at all sizes, of more and more series; the small ones before and after the largest")
    out.details["runs"] = {f"{size}": [asdict(run) for run in runs] for size, runs in found.items()}


if __name__ == "__main__":
    print(json.dumps(alone(sys.argv[1], *json.loads(sys.argv[2]))))
