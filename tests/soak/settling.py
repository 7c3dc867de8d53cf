"""The chain over three years of twelve stations, and what one late row costs after it."""

import json
import random
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import polars as pl

from analytics.store import connection
from analytics.store.connection import Connection
from analytics.synthetic import District
from jobs import chain
from jobs.intake import Intake, Order
from tests.soak.figures import Outcome
from tests.soak.house import ROOT, SHARED, House, pace
from tests.soak.reach import HOUR, audience, count, reach, whole

REAL = SHARED / "beijing-prsa"
STATIONS, LATE, SYNTHETIC_DAYS = 12, 20, 320


def run(house: House, _: int) -> Outcome:
    """Figures of the full settle, and of twenty late rows each settled by itself."""
    out = Outcome()
    with house.files() as folder, house.database() as dsn, pace("settle", 2 + LATE, "steps") as step:
        files = sorted(REAL.glob("*.csv.gz")) or [_synthetic(folder)]
        real = files[0].parent == REAL
        out.notes.append(f"input: {'the twelve Beijing files of ../shared' if real else 'made up, of the same size'}")
        began = time.perf_counter()
        steps = [] if real else ["--cadence", "10m"]
        _command("ingest", "--register", "--json", *steps, *map(str, files), "--dsn", dsn)
        step(1, "ingest")
        ingested = time.perf_counter() - began
        began = time.perf_counter()
        stages = json.loads(_command("settle", "--json", "--dsn", dsn))["stages"]
        whole = time.perf_counter() - began
        step(1, "settle")
        with closing(connection.connect(dsn)) as conn, closing(connection.connect(dsn)) as then:
            _full(out, conn, ingested, whole, stages)
            out.notes.append("late rows: half of them for empty hours, half corrections")
            late(out, conn, then, folder, _choose(conn), step)
        began = time.perf_counter()
        _command("settle", "--json", "--dsn", dsn)
        out.add("start of a `settle` command with nothing due, on top", time.perf_counter() - began, "s")
    return out


def _synthetic(folder: Path) -> Path:
    """Air of the made-up district, every 10 minutes for as long as makes the same number of cells."""
    path, made = folder / "district.parquet", District(1)
    sites = [site for site in made.stations() if site.letter == "A"][:STATIONS]
    stop = datetime(2026, 1, 1, tzinfo=UTC)
    made.readings(stop - timedelta(days=SYNTHETIC_DAYS), stop, 600, sites).write_parquet(path)
    return path


def _command(*words: str) -> str:
    """What `greenwatch WORDS` prints."""
    done = subprocess.run(
        [sys.executable, "-m", "jobs.cli", *words], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout


def _full(out: Outcome, conn: Connection, ingested: float, whole: float, stages: list[dict[str, Any]]) -> None:
    readings = count(conn, "SELECT count(*) FROM observation")
    out.add("readings", readings, "rows")
    out.add("ingest command, files to commit", readings / ingested, "rows/s")
    out.add("settle command, readings", readings / whole, "rows/s")
    out.add("settle command", whole, "s")
    for stage in stages:
        out.add(f"stage {stage['stage']}: read", stage["read"] / max(stage["seconds"], 1e-9), "rows/s")
        out.add(f"stage {stage['stage']}: written", stage["written"], "rows")
    out.details["stages"] = stages


@dataclass(frozen=True, slots=True)
class Late:
    """A row that comes late, and the series it is of."""

    station: str
    parameter: str
    time: datetime
    value: float
    series: int


def late(out: Outcome, conn: Connection, then: Connection, folder: Path, chosen: list[Late], step: Any) -> None:
    """Nothing; figures of late rows, each settled alone. `then` is another connection: it sees what was before."""
    intake = Intake(conn, Order(format="long", source="late"))
    seconds, share, beyond, details = [], [], 0, []
    touches, limits, reads = [], [], []
    for number, row in enumerate(chosen):
        path = folder / f"late-{number}.csv"
        path.write_text(
            "station,parameter,time,value,revision\n"
            f"{row.station},{row.parameter},{row.time.isoformat()},{row.value},{number + 1}\n"
        )
        intake.file(path)
        then.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        heard = {series: _verdicts(then, series, row.time) for series in audience(then, row.series)}
        began = time.perf_counter()
        done = chain.settle(conn, lambda: datetime.now(UTC))
        seconds.append(time.perf_counter() - began)
        moved = [series for series, verdicts in heard.items() if _verdicts(conn, series, row.time) != verdicts]
        # Rows that the settle removed were there before it, rows that it made are there after it.
        before, after = (reach(seen, row.series, row.time, moved) for seen in (then, conn))
        then.execute("COMMIT")
        allowed = {name: (max(after[name][0], most[0]), max(after[name][1], most[1])) for name, most in before.items()}
        limits.append(allowed)
        touched = {work.stage: (work.read, work.written) for work in done}
        for stage, (read, written) in touched.items():
            beyond += read > allowed[stage][0] or written > allowed[stage][1]
        touches.append(touched)
        share.append(sum(map(sum, touched.values())) / sum(map(sum, allowed.values())))
        reads.append(sum(read for read, _ in touched.values()) / sum(read for read, _ in allowed.values()))
        details.append({"parameter": row.parameter, "touched": touched, "declared": allowed, "moved": len(moved)})
        details[-1]["seconds"] = round(seconds[-1], 3)
        step(1, f"late row {number + 1}")
    out.add("one late row: settled, median of twenty", median(seconds), "s", most=1.0)
    out.add("one late row: settled, worst of twenty", max(seconds), "s", most=1.0)
    for stage in chain.STAGES:
        rows = [sum(item[stage]) for item in touches]
        whole = [sum(item[stage]) for item in limits]
        out.add(f"one late row, {stage}: rows read and written, most", max(rows), "rows")
        out.add(f"one late row, {stage}: rows its declared reach holds, most", max(whole), "rows")
    out.add(
        "one late row: rows read and written, all stages, most", max(sum(map(sum, t.values())) for t in touches), "rows"
    )
    out.add("rows read / rows of the declared reach, at most", max(reads), "", most=2.0)
    out.add("rows touched / rows of the declared reach, at most", max(share), "", most=1.0)
    out.add("stages that touched more than their declared reach", beyond, "", most=0)
    out.details["late"] = details


def _verdicts(conn: Connection, series: int, at: datetime) -> list[tuple[Any, ...]]:
    """The verdicts of a day around a time."""
    query = "SELECT time, code, tests FROM verdict WHERE series = %s AND time BETWEEN %s AND %s ORDER BY 1"
    return conn.execute(query, [series, at - 12 * HOUR, at + 12 * HOUR]).fetchall()


def _choose(conn: Connection) -> list[Late]:
    """Late rows for hours of series, every other one without a reading."""
    rng = random.Random(20)
    rows = conn.execute(
        "SELECT s.id, t.code, s.parameter, l.first, l.time FROM series s JOIN station t ON t.id = s.station"
        " JOIN latest l ON l.series = s.id WHERE l.time IS NOT NULL AND s.parameter = ANY(%s) ORDER BY 1",
        [["pm25", "pm10", "so2", "no2", "co", "o3"]],
    ).fetchall()
    chosen: list[Late] = []
    while len(chosen) < LATE:
        series, code, parameter, oldest, newest = rng.choice(rows)
        assert isinstance(oldest, datetime)
        assert isinstance(newest, datetime)
        start = whole(newest - timedelta(days=rng.uniform(30, min(1000, (newest - oldest).days))))
        times = pl.Series(
            [
                row[0]
                for row in conn.execute(
                    "SELECT time FROM observation WHERE series = %s AND time >= %s AND time < %s ORDER BY 1",
                    [series, start, start + timedelta(days=10)],
                )
            ]
        )
        hours = [start + n * HOUR for n in range(240)]
        wanted = [hour for hour in hours if (hour in set(times)) == (len(chosen) % 2 == 1)]
        if wanted:
            value = round(rng.uniform(1, 90), 1)
            chosen.append(Late(str(code), str(parameter), rng.choice(wanted), value, int(str(series))))
    return chosen
