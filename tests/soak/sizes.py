"""What a row costs from file to episode as there are more of them: a hundred thousand, a million, ten million.

The same week at any size, of ever more series of the same town, which have as many neighbours each: what there is more
of is rows, and their shape stays. Every size begins with an empty store; ingest and settle are processes of their own.
The small ones run before and after the largest, since another minute is another machine. What a command costs that has
one row to do is its start (programs, rules, the first take of each stage), paid once whatever the size: it is measured
in the same store right after, so in the same minute, and taken off; of what is left to a size the median of its runs
counts. `relearn` looks at all series again whatever is new: its start is that in the smallest store. Starts are shown.

There is one size more with `python -m tests.soak.run chain --rows 100000000`: ten weeks of ten thousand series.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import polars as pl

from analytics.store import connection
from analytics.store.connection import Connection
from tests.soak import rows
from tests.soak.figures import Outcome, shown
from tests.soak.house import ROOT, House, pace
from tests.soak.live import _postmaster, _tree

DAYS = 7
STEPS = DAYS * 144
#: Series at most, as many as a district has: beyond them there are more weeks.
SERIES = 10_000
#: Rows of the sizes; each runs so often before the largest, and as often after it.
SIZES = (100_000, 1_000_000, 10_000_000)
REPEATS = {100_000: 4, 1_000_000: 2}
#: Rows of a file.
FILE = 2_000_000
#: What a command may hold at its highest [MiB].
MEMORY = 1536
#: In their order; `relearn` draws the maps of neighbours.
COMMANDS = ("ingest", "relearn", "settle")
UNITS = {"seconds": "µs", "cpu": "µs of processor"}
#: Between two looks at a process [s].
PAUSE = 0.02


@dataclass(frozen=True, slots=True)
class Cost:
    """What a command cost: seconds, processor seconds (its own, the server's meanwhile), highest memory [MiB]."""

    seconds: float
    cpu: float
    peak: float


@dataclass(frozen=True, slots=True)
class Size:
    """One run: rows there were, what its commands cost, and what they cost then with one row to do."""

    rows: int
    work: dict[str, Cost]
    idle: dict[str, Cost]


def run(house: House, total: int) -> Outcome:
    """Figures of all sizes up to `total` rows."""
    sizes = [*(size for size in SIZES if size < total), total]
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
        steps, files = max(1, FILE // series), []
        for first in range(0, length, steps):
            frame = rows.readings(series, first, min(steps, length - first))
            files.append(str(rows.write(folder / f"{first:04}.parquet", frame, series)))
        one = str(rows.write(folder / "one.parquet", _one(), series))
        words = {"ingest": ["ingest", "--format", "long"], "relearn": ["relearn"], "settle": ["settle"]}
        work, idle = (
            {name: command(conn, *words[name], *(some if name == "ingest" else ()), "--dsn", dsn) for name in COMMANDS}
            for some in (files, [one])
        )
        counted = conn.execute("SELECT count(*) FROM observation").fetchone()
        left = conn.execute("SELECT count(*) FROM stale").fetchone()
    assert counted == (series * length,), "not all rows came"
    assert left == (0,), "not all is settled"
    return Size(series * length, work, idle)


def _one() -> pl.DataFrame:
    """The first reading of all, revised."""
    return rows.readings(1, 0, 1).with_columns(pl.col("value") + 1, revision=pl.lit(1, pl.Int64))


def command(conn: Connection, *words: str) -> Cost:
    """What `greenwatch WORDS` cost."""
    server = _postmaster(conn)
    before, began = _tree(server), time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "jobs.cli", *words], cwd=ROOT, stdout=subprocess.DEVNULL)
    peak, gone = 0.0, 0
    while not gone:
        # Not what the kernel says at its end (ru_maxrss): that includes this process at the moment of the fork.
        peak = max(peak, _highest(process.pid))
        time.sleep(PAUSE)
        gone, status, usage = os.wait4(process.pid, os.WNOHANG)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, f"{words[0]} ended with {process.returncode}; its words are above"
    return Cost(seconds, usage.ru_utime + usage.ru_stime + _tree(server) - before, peak)


def _highest(pid: int) -> float:
    """The highest memory of a process so far [MiB]; 0 where it is over."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0.0


def report(out: Outcome, found: dict[int, list[Size]]) -> None:
    """Nothing; the figures are in `out`, with the targets of the issue."""
    costs: dict[str, dict[str, float]] = {}
    for what, unit in UNITS.items():
        small = median(getattr(run.idle["relearn"], what) for run in found[min(found)])
        word = "processor" if what == "cpu" else "time"
        for size, runs in found.items():
            starts = [{done: getattr(run.idle[done], what) for done in COMMANDS} | {"relearn": small} for run in runs]
            out.add(
                f"{size:,} rows: start of all commands, not counted: {word}",
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
    for what, word in (("cpu", "processor"), ("seconds", "time")):
        dearest = max(costs[what].values()) / min(costs[what].values())
        out.add(f"cost a row, {word}: the dearest size / the cheapest", dearest, most=1.25)
        out.details[word] = costs[what]
    out.notes.append("the same week at all sizes, of more and more series; the small ones before and after the largest")
    out.details["runs"] = {f"{size}": [asdict(run) for run in runs] for size, runs in found.items()}
