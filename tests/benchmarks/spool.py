"""Records made safe: the spool against bare writes with one fsync a batch. `python -m tests.benchmarks.spool`."""

import os
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

from analytics import spool
from analytics.spool import Spool
from tests.benchmarks.common import measure, report

#: Records of about what a device sends a minute, and how many come at once.
COUNT, SIZE, BATCH = 50_000, 400, 500
NOW = datetime(2026, 6, 1, tzinfo=UTC)
HEAD = {"mn": "A110000_0001"}


def main() -> None:
    """Prints three tables: many at once, one at a time by many, and reading back."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("GREENWATCH_BENCH")) as name:
        folder = Path(name)
        payloads = [f"{number:08}".encode() + b"x" * (SIZE - 8) for number in range(COUNT)]

        def ours() -> None:
            with Spool(_fresh(folder)) as owner:
                for first in range(0, COUNT, BATCH):
                    for future in [owner.append(each, HEAD, NOW) for each in payloads[first : first + BATCH]]:
                        future.result()

        def streamed() -> None:
            with Spool(_fresh(folder)) as owner:
                for future in [owner.append(each, HEAD, NOW) for each in payloads]:
                    future.result()

        def bare(write: Callable[[int, list[bytes]], object]) -> Callable[[], None]:
            def way() -> None:
                place = _fresh(folder)
                file = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
                for first in range(0, COUNT, BATCH):
                    write(file, payloads[first : first + BATCH])
                    os.fsync(file)
                os.close(file)

            return way

        ways = {
            f"Spool, {BATCH} at once": ours,
            f"bare: one write and fsync for {BATCH}": bare(lambda file, some: os.write(file, b"".join(some))),
            f"bare: a write each, fsync for {BATCH}": bare(lambda file, some: [os.write(file, each) for each in some]),
            "Spool, all at once": streamed,
        }
        report(f"records of {SIZE} bytes made safe", COUNT, "records", measure(ways))
        _by_many(folder, payloads[:4000])

        place = _fresh(folder)
        with Spool(place) as owner:
            for future in [owner.append(each, HEAD, NOW) for each in payloads]:
                future.result()

        def read() -> None:
            after, count = None, 0
            while found := spool.records(place, after, 5000):
                after, count = found[-1].place, count + len(found)
            assert count == COUNT

        report("read back", COUNT, "records", measure({"records": read, "the bytes alone": lambda: _bytes(place)}))


def _by_many(folder: Path, payloads: list[bytes]) -> None:
    """Nothing; prints what those wait who append one record and go on when it is safe, as devices do."""
    taken = []
    with Spool(_fresh(folder)) as owner, ThreadPoolExecutor(64) as pool:

        def one(payload: bytes) -> float:
            began = perf_counter()
            owner.append(payload, HEAD, NOW).result()
            return perf_counter() - began

        began = perf_counter()
        taken = sorted(pool.map(one, payloads))
        whole = perf_counter() - began
        syncs = owner.figures.syncs
    shown = ", ".join(f"p{share:g} {taken[int(len(taken) * share / 100)] * 1000:.1f} ms" for share in (50, 99, 99.9))
    print(f"64 threads, one record each at a time: {len(taken) / whole:,.0f} records/s in {syncs:,} syncs; {shown}\n")


def _fresh(folder: Path) -> Path:
    return folder / f"{len(os.listdir(folder))}"


def _bytes(place: Path) -> int:
    return sum(len(file.read_bytes()) for file in place.glob("*.spool"))


if __name__ == "__main__":
    main()
