"""Every file of sensors there is, through the store twice, whole; and a large one, by which memory must not grow.

What must come of a file is counted by a loop that knows no reader, where `tests/ingest/sets` lists it.
"""

import resource
import time
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

from analytics.ingest import Source, known, read
from analytics.store import connection
from analytics.store.observations import Counts
from jobs.intake import Intake, Order
from tests.ingest.listed import counted, listed
from tests.soak.figures import Outcome
from tests.soak.house import SHARED, House, pace

#: Bytes of the large file, and how much more memory it may take than the files before it.
LARGE, GROWTH = 1_000_000_000, 400 * 2**20


def run(house: House, _: int) -> Outcome:
    """Figures of all files: none whose cells do not add up, none that changes the store when it is sent again."""
    out = Outcome()
    paths = [path for path in sorted(SHARED.rglob("*")) if path.is_file() and known(Source(path))]
    wanted = {path: counted(entry, path) for entry in listed() for path in entry.files}
    steps = pace("files", 2 * len(paths) + 2, "files")
    with house.database() as dsn, house.files() as folder, steps as step, closing(connection.connect(dsn)) as conn:
        intake = Intake(conn, Order(register=True, source="files"))
        total, odd, changed, began = Counts(), [], [], time.perf_counter()
        for path in paths:
            counts = intake.file(path)
            total += counts
            if not adds_up(counts) or (path in wanted and wanted[path] != (counts.read, counts.missing)):
                odd.append(path.name)
            step(1, path.name)
        seconds = time.perf_counter() - began
        for path in paths:
            counts = intake.file(path)
            if counts.new or counts.replaced:
                changed.append(path.name)
            step(1, f"{path.name}, again")
        before, large = peak(), written(folder / "pm25_all_stations_large.csv")
        cells = sum(batch.read for batch in read(Source(large), known(Source(large))[0]))
        step(2, "the large file")
    out.add("files", len(paths), "", least=len(wanted))
    out.add("cells", total.read, "cells")
    out.add("rate", total.read / seconds, "cells/s")
    out.add("files whose cells do not add up", len(odd), "", most=0)
    out.add("files that change the store the second time", len(changed), "", most=0)
    out.add("cells of the large file", cells, "cells", least=LARGE // 40)
    out.add("memory that it took more [MiB]", (peak() - before) / 2**20, "MiB", most=GROWTH / 2**20)
    out.details |= {"odd": odd, "changed": changed, "total": asdict(total)}
    return out


def adds_up(counts: Counts) -> bool:
    """Law 1."""
    return counts.read == counts.new + counts.replaced + counts.duplicates + counts.missing + counts.rejects


def peak() -> int:
    """The most memory that this process has had so far [byte]."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def written(path: Path) -> Path:
    """A file of `LARGE` bytes that the mapping `cnemc-hours` reads: one station, over and over."""
    rows = "".join(f"9999A,2019-01-{day:02} {hour:02}:00:00,{hour}\n" for day in range(1, 29) for hour in range(24))
    with path.open("w", encoding="utf-8") as file:
        file.write("station,ts,pm25\n")
        for _ in range(LARGE // len(rows)):
            file.write(rows)
    return path
