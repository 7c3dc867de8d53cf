"""Ingest of many rows against a bare binary COPY of the same rows, in the same minutes."""

import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from statistics import median

import numpy as np
import polars as pl

from analytics.store import connection
from analytics.store.connection import Connection
from analytics.store.packing import pack
from tests import world
from tests.soak import rows
from tests.soak.figures import Outcome
from tests.soak.house import House, pace
from tests.soak.worker import Answer, Worker, worker

SERIES = 1000
#: Rows of a file; each is handed to every way in turn, so that a slow minute meets them all.
FILE = 2_000_000
#: Rows of a bare COPY in one transaction: as many as a block of ingest has.
BLOCK = 1_000_000
#: Bytes handed to the driver at once.
CHUNK = 3_000_000


def run(house: House, total: int) -> Outcome:
    """Figures of `total` rows in time order, again, with one in a hundred revised, and of fewer rows shuffled."""
    with ExitStack() as stack, pace("bulk", 5.4 * total, "rows") as step:
        files = _write(stack.enter_context(house.files()), total)
        bare, inorder = (Bare(stack.enter_context(house.database()), stack) for _ in range(2))
        dsn = stack.enter_context(house.database())
        series = _register(dsn)
        first: list[Answer] = []
        seconds: dict[str, list[float]] = {"bare": [], "sorted": []}
        with worker(dsn) as ours:
            # In turn, each way once at each place: none of them always comes after the same one.
            for number, (path, frame) in enumerate(files):
                ways = ["bare", "ours", "sorted"]
                for way in ways[number % 3 :] + ways[: number % 3]:
                    if way == "ours":
                        first.append(ours.ingest(path))
                    else:
                        table, turned = (bare, False) if way == "bare" else (inorder, True)
                        seconds[way].append(table.copy(observations(rows.readings(*frame), series), turned))
                    step(frame[2] * SERIES, way)
        with worker(dsn) as ours:
            again = _each(ours, [path for path, _ in files], step)
        with worker(dsn) as ours:
            revised = _each(ours, [_revise(path, number) for number, (path, _) in enumerate(files)], step)
        mixed = _shuffled(house, stack, total // 5, step)
    return _outcome(total, first, seconds, again, revised, mixed)


class Bare:
    """An empty store whose observation table is filled past everything but COPY."""

    def __init__(self, dsn: str, stack: ExitStack) -> None:
        """Opens a connection to `dsn`, closed with `stack`."""
        self.conn = stack.enter_context(closing(connection.connect(dsn)))

    def copy(self, frame: pl.DataFrame, turned: bool) -> float:
        """Seconds to COPY `frame` in transactions of a million rows, packed beforehand; `turned`: each by its key."""
        blocks = [block.sort("series", "time") if turned else block for block in frame.iter_slices(BLOCK)]
        packed = [b"PGCOPY\n\xff\r\n\0" + bytes(8) + b"".join(pack(block)) + b"\xff\xff" for block in blocks]
        began = time.perf_counter()
        for data in packed:
            copy_bytes(self.conn, frame.columns, data)
        return time.perf_counter() - began


def copy_bytes(conn: Connection, columns: list[str], data: bytes) -> None:
    """Nothing; `data`, a binary COPY of `columns`, is in the observation table."""
    view = memoryview(data)
    statement = f"COPY observation ({', '.join(columns)}) FROM STDIN (FORMAT binary)"
    with conn.transaction(), conn.cursor() as cursor, cursor.copy(statement.encode()) as out:
        for start in range(0, len(view), CHUNK):
            out.write(view[start : start + CHUNK])


def observations(frame: pl.DataFrame, series: pl.Series) -> pl.DataFrame:
    """Rows of the table from `rows.readings`, in their order."""
    return frame.select(
        series.gather(frame["number"]).alias("series"),
        "time",
        "value",
        pl.lit(None, pl.Int16).alias("mark"),
        pl.lit(None, pl.Int64).alias("revision"),
        pl.lit(1, pl.Int32).alias("batch"),
    )


def _register(dsn: str) -> pl.Series:
    """Ids of the series, made in the registry."""
    with closing(connection.connect(dsn)) as conn:
        return register(conn, SERIES)


def register(conn: Connection, count: int) -> pl.Series:
    """Ids of the first `count` channels of `rows.names`, in their order."""
    return pl.Series(world.settle_world(conn, rows.names(count), int(rows.CADENCE.total_seconds())), dtype=pl.Int32)


Frame = tuple[int, int, int]
Step = Callable[..., None]


def _write(folder: Path, total: int) -> list[tuple[Path, Frame]]:
    """Files of `total` rows in time order, each with the arguments of `rows.readings` that give it again."""
    steps, size = total // SERIES, FILE // SERIES
    frames = [(SERIES, start, min(size, steps - start)) for start in range(0, steps, size)]
    return [
        (rows.write(folder / f"{number:03}.parquet", rows.readings(*frame), SERIES), frame)
        for number, frame in enumerate(frames)
    ]


def _each(ours: Worker, paths: list[Path], step: Step) -> list[Answer]:
    answers = []
    for path in paths:
        answers.append(ours.ingest(path))
        step(answers[-1].counts["read"], path.stem)
    return answers


def _revise(path: Path, seed: int) -> Path:
    """The same file with another value and a revision in one of a hundred rows."""
    frame = pl.read_parquet(path)
    rng = np.random.Generator(np.random.PCG64(seed))
    other = pl.Series(rng.random(frame.height) < 0.01)
    fresh = path.with_name(f"{path.stem}-revised.parquet")
    frame.with_columns(
        value=pl.when(other).then(pl.col("value") + 0.5).otherwise("value"),
        revision=pl.when(other).then(pl.lit(1, pl.Int64)),
    ).write_parquet(fresh)
    return fresh


def _shuffled(house: House, stack: ExitStack, total: int, step: Step) -> tuple[float, Answer]:
    """Seconds of a bare COPY of `total` rows in no order, and what ingest said of the same file."""
    frame = rows.readings(SERIES, 0, total // SERIES).sample(fraction=1, shuffle=True, seed=1)
    path = rows.write(stack.enter_context(house.files()) / "shuffled.parquet", frame, SERIES)
    dsn = stack.enter_context(house.database())
    series = _register(dsn)
    bare = Bare(stack.enter_context(house.database()), stack).copy(observations(frame, series), False)
    step(frame.height, "shuffled")
    with worker(dsn) as ours:
        answer = ours.ingest(path)
    step(frame.height, "shuffled")
    return bare, answer


def _outcome(
    total: int,
    first: list[Answer],
    seconds: dict[str, list[float]],
    again: list[Answer],
    revised: list[Answer],
    mixed: tuple[float, Answer],
) -> Outcome:
    out = Outcome()
    ours = [answer.seconds for answer in first]
    bare, inorder = seconds["bare"], seconds["sorted"]
    out.add("rows in time order", total, "rows")
    out.add("bare COPY, the files' order", total / sum(bare), "rows/s")
    out.add("bare COPY, each million sorted first (sorting not timed)", total / sum(inorder), "rows/s")
    out.add("ingest", total / sum(ours), "rows/s")
    out.add("ingest / bare COPY, median of the files", _ratio(bare, ours), "", least=0.8)
    out.add("ingest / bare COPY, all files", sum(bare) / sum(ours), "", least=0.8)
    out.add("ingest / bare COPY sorted, median of the files", _ratio(inorder, ours))
    out.add("the same files again", total / sum(a.seconds for a in again), "rows/s")
    out.add("again / first, time", sum(a.seconds for a in again) / sum(ours), "", most=1.0)
    out.add("rows the second time changed", sum(a.counts["read"] - a.counts["duplicates"] for a in again), "", most=0)
    out.add("one in a hundred revised", total / sum(a.seconds for a in revised), "rows/s")
    out.add("revised / first, time", sum(a.seconds for a in revised) / sum(ours))
    out.add("rows replaced", sum(a.counts["replaced"] for a in revised), "rows")
    bare_mixed, answer = mixed
    count = answer.counts["read"]
    out.add(f"bare COPY of {count:,} shuffled rows", count / bare_mixed, "rows/s")
    out.add("ingest of them", count / answer.seconds, "rows/s")
    out.add("ingest / bare COPY, shuffled", bare_mixed / answer.seconds, "", least=0.8)
    out.add(
        "memory of an ingest at its highest", max(a.peak for a in (*first, *again, *revised, answer)), "MiB", most=1024
    )
    out.notes.append("bare COPY: bytes packed by NumPy beforehand and not timed, a transaction a million rows")
    out.notes.append("ingest: from the Parquet file to the last commit; parsed, resolved, compared, marked, signed")
    out.details = {
        "rows a file": FILE,
        "bare [s]": _rounded(bare),
        "sorted [s]": _rounded(inorder),
        "ingest [s]": _rounded(ours),
        "again [s]": _rounded([a.seconds for a in again]),
        "revised [s]": _rounded([a.seconds for a in revised]),
        "peaks [MiB]": _rounded([max(a.peak for a in part) for part in (first, again, revised, [answer])]),
    }
    return out


def _ratio(theirs: list[float], ours: list[float]) -> float:
    return median(a / b for a, b in zip(theirs, ours, strict=True))


def _rounded(values: list[float]) -> list[float]:
    return [round(value, 3) for value in values]
